// FreeRTOS, as far as port_arduino.cpp needs it.
#pragma once

#include <stdint.h>

typedef void *TaskHandle_t;
extern "C" uint8_t *pxTaskGetStackStart(TaskHandle_t task);
