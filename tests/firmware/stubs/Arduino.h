// The part of the Arduino cores' API that port_arduino.cpp uses, declared as the cores declare it
// (arduino-esp32 2.0.17, ArduinoCore-mbed 4.x), so that the port compiles where no core is installed.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define F_CPU 64000000ul

extern "C" {
void setup(void);
void loop(void);
unsigned long millis(void);
unsigned long micros(void);
}

#if defined(ARDUINO_ARCH_STM32)
#define LOW 0x0
#define HIGH 0x1
#define OUTPUT 0x1
#define LED_BUILTIN 8
extern "C" void pinMode(uint32_t pin, uint32_t mode);
extern "C" void digitalWrite(uint32_t pin, uint32_t value);
#elif defined(ARDUINO_ARCH_ESP32)
#define LOW 0x0
#define HIGH 0x1
#define OUTPUT 0x03
#define FW_LED 21
extern "C" void pinMode(uint8_t pin, uint8_t mode);
extern "C" void digitalWrite(uint8_t pin, uint8_t value);
#else
typedef enum { LOW = 0, HIGH = 1 } PinStatus;
typedef enum { INPUT = 0x0, OUTPUT = 0x1 } PinMode;
#define LED_BUILTIN (13u)
extern "C" void pinMode(uint8_t pin, PinMode mode);
extern "C" void digitalWrite(uint8_t pin, PinStatus value);
#endif

class StubSerial {
   public:
    void begin(unsigned long baud);
    int available();
    int read();
    size_t write(const uint8_t *bytes, size_t length);
    void flush();
#if defined(ARDUINO_ARCH_ESP32)
    size_t setRxBufferSize(size_t size);
#endif
};
extern StubSerial Serial;

#if defined(ARDUINO_ARCH_ESP32)
extern size_t getArduinoLoopTaskStackSize(void);
#define SET_LOOP_TASK_STACK_SIZE(sz)           \
    size_t getArduinoLoopTaskStackSize(void) { \
        return sz;                             \
    }                                          \
    static_assert(true, "")
#endif
