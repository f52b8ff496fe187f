#include "fw_stack.h"

/* FreeRTOS fills and checks its stacks with the same byte, so painting over its guard leaves it intact. */
#define FW_STACK_PAINT 0xA5u
/* Room for this function's own frame and a red zone. */
#define FW_STACK_MARGIN 256u

__attribute__((noinline)) void fw_stack_paint(fw_stack_bounds stack) {
    const uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    const uintptr_t low = (uintptr_t)stack.low;
    if (here < low + FW_STACK_MARGIN || here >= (uintptr_t)stack.high) {
        return;
    }
    /* volatile: or the compiler may call memset, whose own frame would be painted over. */
    volatile uint8_t *byte = stack.low;
    for (uintptr_t left = here - low - FW_STACK_MARGIN; left > 0; --left) {
        *byte++ = FW_STACK_PAINT;
    }
}

uint32_t fw_stack_high_water(fw_stack_bounds stack) {
    const volatile uint8_t *byte = stack.low;
    while (byte < stack.high && *byte == FW_STACK_PAINT) {
        ++byte;
    }
    return (uint32_t)(stack.high - byte);
}
