#include "image.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))

extern uint32_t data_load[], data_start[], data_end[], bss_start[], bss_end[];

void image_write(const void *bytes, size_t count) {
    const uint8_t *from = bytes;
    while (count--) {
        while (REGISTER(0x40004004u) & 1u) {
        }
        REGISTER(0x40004000u) = *from++;
    }
}

uint32_t image_ticks(void) {
    return 0xFFFFFFFFu - REGISTER(0x40000004u);
}

static void leave(uint32_t reason) {
    register uint32_t call __asm("r0") = 0x18;  // SYS_EXIT
    register uint32_t why __asm("r1") = reason;
    __asm volatile("bkpt 0xAB" : : "r"(call), "r"(why) : "memory");
    for (;;) {
    }
}

static void fault(void) {
    leave(0x20023u);  // run-time error
}

__attribute__((noreturn)) void reset(void);
void reset(void) {
    REGISTER(0xE000ED88u) |= 0xFu << 20;  // FPU on
    __asm volatile("dsb\n\tisb");
    uint32_t *from = data_load;
    for (uint32_t *to = data_start; to < data_end;) {
        *to++ = *from++;
    }
    for (uint32_t *to = bss_start; to < bss_end;) {
        *to++ = 0;
    }
    REGISTER(0x40004010u) = 16;
    REGISTER(0x40004008u) = 1;  // UART 0 sends
    REGISTER(0x40000008u) = 0xFFFFFFFFu;
    REGISTER(0x40000004u) = 0xFFFFFFFFu;
    REGISTER(0x40000000u) = 1;  // timer 0
    main();
    leave(0x20026u);  // done
    for (;;) {
    }
}

__attribute__((section(".vectors"), used)) static const struct {
    uint32_t stack;
    void (*handlers[15])(void);
} vectors = {
    0x203FFFF0u,
    {reset, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault},
};
