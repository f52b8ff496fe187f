// Real boards with an Arduino core: Serial, the processor's cycle counter, the stack of the task that runs
// loop().
#include <Arduino.h>

#include "../fw_port.h"

#if defined(ARDUINO_ARCH_ESP32)
#include <freertos/FreeRTOS.h>
#include <freertos/task.h>
// The default of 8 KB is tight for a model beside the core's own use.
SET_LOOP_TASK_STACK_SIZE(16 * 1024);
#elif defined(ARDUINO_ARCH_MBED)
#include "rtx_os.h"
#elif defined(ARDUINO_ARCH_STM32)
// The linker script's: the top of the RAM, where the stack starts, and the end of what is linked.
extern "C" uint8_t _estack[];
extern "C" uint8_t _end[];
// There is no operating system that gives the stack a size; so much of the room above the data counts as
// stack.
static const uint32_t fw_stack_bytes = 16 * 1024;
#else
#error \
    "port_arduino.cpp knows the ESP32, mbed and STM32 Arduino cores; another needs its stack described here"
#endif

// The very end of a stack holds the operating system's guard (and on the ESP32 maybe a watchpoint): keep off.
static const uint32_t fw_guard_bytes = 64;
// A host that has gone must not hang the board.
static const uint32_t fw_write_limit_ms = 2000;

// The lamp is lit while the model runs; boards whose core names none say which pin it is on (FW_LED).
#if !defined(FW_LED) && defined(LED_BUILTIN)
#define FW_LED LED_BUILTIN
#endif

fw_clock fw_port_clock(void) {
    return {FW_TICK_CYCLES, 1, false};
}

#if defined(__XTENSA__)
static void fw_start_cycles() {}

static inline uint32_t fw_cycles() {
    uint32_t now;
    __asm__ volatile("rsr %0, ccount" : "=r"(now));
    return now;
}
#else
// Cortex-M's DWT, by address, because Arduino cores differ in which CMSIS headers they expose.
static volatile uint32_t *const fw_demcr = reinterpret_cast<volatile uint32_t *>(0xE000EDFC);
static volatile uint32_t *const fw_dwt_control = reinterpret_cast<volatile uint32_t *>(0xE0001000);
static volatile uint32_t *const fw_dwt_cycles = reinterpret_cast<volatile uint32_t *>(0xE0001004);

static void fw_start_cycles() {
    *fw_demcr = *fw_demcr | (1u << 24);
    *fw_dwt_control = *fw_dwt_control | 1u;
}

static inline uint32_t fw_cycles() {
    return *fw_dwt_cycles;
}
#endif

void fw_port_init(void) {
#if defined(ARDUINO_ARCH_ESP32)
    Serial.setRxBufferSize(1024);
#endif
    Serial.begin(115200);
#if defined(FW_LED)
    pinMode(FW_LED, OUTPUT);
#endif
    fw_start_cycles();
}

int fw_port_read(void) {
    return Serial.available() > 0 ? Serial.read() : -1;
}

void fw_port_write(const uint8_t *bytes, size_t length) {
    const uint32_t start = millis();
    while (length > 0 && millis() - start < fw_write_limit_ms) {
        const size_t sent = Serial.write(bytes, length);
        bytes += sent;
        length -= sent;
    }
    Serial.flush();
}

// The counter has 32 bits, 18 s at 240 MHz; the slower microsecond clock tells how often it went round
// meanwhile.
uint64_t fw_port_ticks(void) {
    static uint64_t total;
    static uint32_t last_cycles;
    static uint32_t last_us;
    const uint32_t us = micros();
    const uint32_t cycles = fw_cycles();
    const uint32_t step = cycles - last_cycles;
    const uint64_t expected = static_cast<uint64_t>(us - last_us) * (F_CPU / 1000000u);
    const uint64_t rounds = expected > step ? (expected - step + (1ull << 31)) >> 32 : 0;
    total += step + (rounds << 32);
    last_cycles = cycles;
    last_us = us;
    return total;
}

void fw_port_busy(bool busy) {
#if defined(FW_LED)
    digitalWrite(FW_LED, busy ? HIGH : LOW);
#else
    (void)busy;
#endif
}

fw_stack_bounds fw_port_stack(void) {
#if defined(ARDUINO_ARCH_ESP32)
    uint8_t *const low = reinterpret_cast<uint8_t *>(pxTaskGetStackStart(nullptr));
    const size_t size = getArduinoLoopTaskStackSize();
#elif defined(ARDUINO_ARCH_STM32)
    const uint32_t room = static_cast<uint32_t>(_estack - _end);
    const size_t size = room < fw_stack_bytes ? room : fw_stack_bytes;
    uint8_t *const low = _estack - size;
#else
    const osRtxThread_t *const thread = static_cast<const osRtxThread_t *>(osThreadGetId());
    uint8_t *const low = static_cast<uint8_t *>(thread->stack_mem);
    const size_t size = thread->stack_size;
#endif
    return fw_stack_bounds{low + fw_guard_bytes, low + size};
}
