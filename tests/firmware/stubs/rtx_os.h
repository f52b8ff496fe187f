// Keil RTX5's thread control block, as far as port_arduino.cpp needs it.
#pragma once

#include <stdint.h>

typedef void *osThreadId_t;

typedef struct {
    void *stack_mem;
    uint32_t stack_size;
} osRtxThread_t;

extern "C" osThreadId_t osThreadGetId(void);
