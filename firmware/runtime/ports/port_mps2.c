/* Bare Cortex-M on QEMU's mps2-an386, the twin of Cortex-M4F boards: CMSDK UART 0 and timer 0.
 * The timer runs at 25 MHz; under -icount shift=0 an instruction takes 1 ns, so a tick is 40 instructions.
 * SysTick has only 24 bits (671 M instructions); this timer has 32 (172 G). */
#include <stdbool.h>
#include <string.h>

#include "../fw_port.h"
#include "../fw_server.h"
#include "../fw_start.h"

#define FW_STACK_BYTES (16u * 1024u)
#define FW_REGISTER(address) (*(volatile uint32_t *)(address))

#define UART_DATA FW_REGISTER(0x40004000u)
#define UART_STATE FW_REGISTER(0x40004004u)
#define UART_CONTROL FW_REGISTER(0x40004008u)
#define UART_INTERRUPT FW_REGISTER(0x4000400Cu)
#define UART_DIVIDER FW_REGISTER(0x40004010u)
#define UART_SEND_FULL 1u
#define UART_RECEIVED 2u
#define UART_RECEIVE_INTERRUPT 2u
#define TIMER_CONTROL FW_REGISTER(0x40000000u)
#define TIMER_VALUE FW_REGISTER(0x40000004u)
#define TIMER_RELOAD FW_REGISTER(0x40000008u)
#define NVIC_ENABLE FW_REGISTER(0xE000E100u)
#define NVIC_PENDING_CLEAR FW_REGISTER(0xE000E280u)
#define FW_SEMIHOSTING_WRITE0 0x04u
#define FW_SEMIHOSTING_EXIT 0x18u
#define FW_RUN_TIME_ERROR ((const void *)0x20023u) /* ADP_Stopped_RunTimeErrorUnknown */
#define SCB_CPACR FW_REGISTER(0xE000ED88u)

extern uint32_t fw_data_load[], fw_data_start[], fw_data_end[], fw_bss_start[], fw_bss_end[];
typedef void (*fw_constructor)(void);
extern fw_constructor fw_init_start[], fw_init_end[];
int main(void);

fw_clock fw_port_clock(void) {
    return (fw_clock){FW_TICK_INSTRUCTIONS, 40, true};
}

uint8_t fw_stack_memory[FW_STACK_BYTES] __attribute__((section(".stack"), aligned(16)));

void fw_port_init(void) {
    UART_DIVIDER = 16;
    UART_CONTROL = 1u | 2u | 8u; /* send, receive, interrupt on receive */
    NVIC_ENABLE = 1u;            /* UART 0 receive; PRIMASK stays set, the interrupt only ends WFI */
    TIMER_RELOAD = 0xFFFFFFFFu;
    TIMER_VALUE = 0xFFFFFFFFu;
    TIMER_CONTROL = 1u;
}

int fw_port_read(void) {
    if ((UART_STATE & UART_RECEIVED) == 0) {
        __asm volatile("wfi");
        return -1;
    }
    const int byte = (int)(UART_DATA & 0xFFu);
    UART_INTERRUPT = UART_RECEIVE_INTERRUPT;
    NVIC_PENDING_CLEAR = 1u;
    return byte;
}

void fw_port_write(const uint8_t *bytes, size_t length) {
    for (size_t i = 0; i < length; ++i) {
        while ((UART_STATE & UART_SEND_FULL) != 0) {
        }
        UART_DATA = bytes[i];
    }
}

uint64_t fw_port_ticks(void) {
    static uint64_t total;
    static uint32_t last;
    const uint32_t now = 0xFFFFFFFFu - TIMER_VALUE;
    total += now - last;
    last = now;
    return total;
}

void fw_port_busy(bool busy) {
    (void)busy;
}

fw_stack_bounds fw_port_stack(void) {
    return (fw_stack_bounds){fw_stack_memory, fw_stack_memory + sizeof fw_stack_memory};
}

_Noreturn void fw_start(void) {
    fw_setup();
    for (;;) {
        fw_loop();
    }
}

_Noreturn void fw_reset_handler(void);
_Noreturn void fw_reset_handler(void) {
    __asm volatile("cpsid i");
    SCB_CPACR |= 0xFu << 20; /* the floating-point unit is off after reset */
    __asm volatile("dsb\n\tisb");
    const uint32_t *from = fw_data_load;
    for (uint32_t *to = fw_data_start; to < fw_data_end; ++to) {
        *to = *from++;
    }
    for (uint32_t *to = fw_bss_start; to < fw_bss_end; ++to) {
        *to = 0;
    }
    for (fw_constructor *run = fw_init_start; run < fw_init_end; ++run) {
        (*run)();
    }
    (void)main();
    for (;;) {
    }
}

static void fw_semihosting(uint32_t call, const void *argument) {
    register uint32_t r0 __asm("r0") = call;
    register const void *r1 __asm("r1") = argument;
    __asm volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
}

/* A fault ends the simulation, so that the host sees it at once. */
static _Noreturn void fw_fault(void) {
    fw_semihosting(FW_SEMIHOSTING_WRITE0, "the firmware crashed (Cortex-M fault)\n");
    fw_semihosting(FW_SEMIHOSTING_EXIT, FW_RUN_TIME_ERROR);
    for (;;) {
    }
}

/* What a C library wants of a system; the runtime tflm links some of it. There is no heap and there are no
 * files, and a program that gives up ends the simulation as a fault does. */
void *_sbrk(ptrdiff_t bytes);
void *_sbrk(ptrdiff_t bytes) {
    (void)bytes;
    return (void *)-1;
}

_Noreturn void _exit(int status);
_Noreturn void _exit(int status) {
    (void)status;
    fw_fault();
}

#define FW_NO_SYSTEM_CALL(name) \
    int name(void);             \
    int name(void) {            \
        return -1;              \
    }
FW_NO_SYSTEM_CALL(_close)
FW_NO_SYSTEM_CALL(_fstat)
FW_NO_SYSTEM_CALL(_getpid)
FW_NO_SYSTEM_CALL(_isatty)
FW_NO_SYSTEM_CALL(_kill)
FW_NO_SYSTEM_CALL(_lseek)
FW_NO_SYSTEM_CALL(_read)
FW_NO_SYSTEM_CALL(_write)

typedef void (*fw_vector)(void);

__attribute__((section(".vectors"), used)) static const struct {
    uint8_t *stack;
    fw_vector handlers[15];
} fw_vectors = {
    fw_stack_memory + FW_STACK_BYTES,
    {fw_reset_handler, fw_fault, fw_fault, fw_fault, fw_fault, fw_fault, fw_fault, fw_fault, fw_fault,
     fw_fault, fw_fault, fw_fault, fw_fault, fw_fault, fw_fault},
};
