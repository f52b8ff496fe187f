// FreeRTOS, as far as port_arduino.cpp needs it.
#pragma once

#include <cstdint>

typedef void *TaskHandle_t;
extern "C" uint8_t *pxTaskGetStackStart(TaskHandle_t task);
