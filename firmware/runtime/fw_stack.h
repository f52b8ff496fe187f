/* Stack use, found by painting the unused stack and looking later how far the paint is gone. */
#ifndef FW_STACK_H
#define FW_STACK_H

#include <stdint.h>

#include "fw_port.h"

/* Paint everything below the caller's frame. */
void fw_stack_paint(fw_stack_bounds stack);

/* The most bytes in use since the last painting. */
uint32_t fw_stack_high_water(fw_stack_bounds stack);

#endif
