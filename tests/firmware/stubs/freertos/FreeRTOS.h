// FreeRTOS, as far as port_arduino.cpp needs it.
#pragma once
