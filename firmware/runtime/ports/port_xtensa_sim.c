/* Bare Xtensa on QEMU's sim machine, the twin of the ESP32: console through SIMCALL, clock is CCOUNT.
 * CCOUNT runs at 40 MHz; under -icount shift=0 an instruction takes 1 ns, so a tick is 25 instructions. */
#include "../fw_port.h"
#include "../fw_server.h"
#include "../fw_start.h"

#define FW_STACK_BYTES (16u * 1024u)

extern uint32_t fw_data_load[], fw_data_start[], fw_data_end[], fw_bss_start[], fw_bss_end[];
extern uint8_t fw_vectors[];
int main(void);

fw_clock fw_port_clock(void) {
    return (fw_clock){FW_TICK_INSTRUCTIONS, 25, true};
}

uint8_t fw_stack_memory[FW_STACK_BYTES] __attribute__((section(".stack"), aligned(16)));

#define FW_DOZE_TICKS 2000u          /* of 40 MHz */
#define FW_TIMER_INTERRUPT (1u << 6) /* timer 0 of lx106 */

enum { FW_SIM_READ = 3, FW_SIM_WRITE = 4 };

static int32_t fw_simcall(int32_t call, int32_t file, void *memory, uint32_t length) {
    register int32_t a2 __asm("a2") = call;
    register int32_t a3 __asm("a3") = file;
    register void *a4 __asm("a4") = memory;
    register uint32_t a5 __asm("a5") = length;
    /* The assembler's lx106 does not know SIMCALL; these are its three bytes. */
    __asm volatile(".byte 0x00, 0x51, 0x00" : "+r"(a2), "+r"(a3) : "r"(a4), "r"(a5) : "memory");
    return a2;
}

void fw_port_init(void) {
    /* PS out of reset masks all interrupts. */
    __asm volatile("wsr %0, vecbase\n\twsr %1, ps\n\trsync" : : "r"(fw_vectors), "r"(0));
}

/* Without input, sleep for about 50 us of simulated time instead of keeping the host's processor busy. */
static void fw_doze(void) {
    uint32_t now;
    __asm volatile("rsr %0, ccount" : "=r"(now));
    __asm volatile("wsr %0, ccompare0\n\twsr %1, intenable\n\tesync\n\twaiti 0"
                   :
                   : "r"(now + FW_DOZE_TICKS), "r"(FW_TIMER_INTERRUPT)
                   : "memory");
}

/* The timer's interrupt has only to end the wait: switch it off and go on. Anything else is a crash and ends
 * the simulation, so that the host sees it at once. Both exception vectors, because which one is taken
 * depends on a mode that nothing else here uses. */
__asm(
    ".section .text.fw_vectors, \"ax\"\n"
    ".align 256\n"
    ".global fw_vectors\n"
    "fw_vectors:\n"
    "    .org 0x30\n"
    "    j 1f\n"
    "    .org 0x50\n"
    "1:  wsr a0, excsave1\n"
    "    rsr a0, exccause\n"
    "    addi a0, a0, -4\n" /* a level 1 interrupt */
    "    bnez a0, 2f\n"
    "    wsr a0, intenable\n"
    "    rsync\n"
    "    rsr a0, excsave1\n"
    "    rfe\n"
    "2:  movi a2, 1\n" /* exit with status 1 */
    "    movi a3, 1\n"
    "    .byte 0x00, 0x51, 0x00\n"
    "    j 2b\n"
    ".text\n");

int fw_port_read(void) {
    static uint8_t byte;
    if (fw_simcall(FW_SIM_READ, 0, &byte, 1) == 1) {
        return (int)byte;
    }
    fw_doze();
    return -1;
}

void fw_port_write(const uint8_t *bytes, size_t length) {
    while (length > 0) {
        const int32_t sent = fw_simcall(FW_SIM_WRITE, 1, (void *)(uintptr_t)bytes, length);
        if (sent > 0) {
            bytes += sent;
            length -= (size_t)sent;
        }
    }
}

uint64_t fw_port_ticks(void) {
    static uint64_t total;
    static uint32_t last;
    uint32_t now;
    __asm volatile("rsr %0, ccount" : "=r"(now));
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

void fw_reset_main(void);
void fw_reset_main(void) {
    const uint32_t *from = fw_data_load;
    for (volatile uint32_t *to = fw_data_start; to < fw_data_end; ++to) {
        *to = *from++;
    }
    for (volatile uint32_t *to = fw_bss_start; to < fw_bss_end; ++to) {
        *to = 0;
    }
    (void)main();
    for (;;) {
    }
}

/* The reset vector: jump over the literal, set the stack, go to C. */
__asm(
    ".section .reset, \"ax\"\n"
    ".global fw_reset_vector\n"
    "fw_reset_vector:\n"
    "    j 1f\n"
    "    .align 4\n"
    "fw_literal_stack: .word fw_stack_memory + 16384\n"
    "fw_literal_main:  .word fw_reset_main\n"
    "1:  l32r a1, fw_literal_stack\n"
    "    l32r a0, fw_literal_main\n"
    "    callx0 a0\n"
    ".text\n");
