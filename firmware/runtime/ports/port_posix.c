/* Linux (Jetson Nano and its twin): the link is standard input and output, the clock is the monotonic one. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "../fw_counter.h"
#include "../fw_port.h"
#include "../fw_server.h"
#include "../fw_start.h"

#define FW_STACK_BYTES (256u * 1024u)

/* The firmware runs on a stack of its own, because the kernel's grows on demand and has no bounds to paint.
 */
uint8_t fw_stack_memory[FW_STACK_BYTES] __attribute__((aligned(16)));

/* The terminal as it was, where the link is one. */
static struct termios fw_terminal;
static bool fw_on_terminal;

void fw_port_init(void) {
    if (tcgetattr(STDIN_FILENO, &fw_terminal) == 0) {
        fw_on_terminal = true;
        struct termios mode = fw_terminal;
        cfmakeraw(&mode);
        tcsetattr(STDIN_FILENO, TCSANOW, &mode);
    }
}

bool fw_port_is_guest(void) {
    return fw_on_terminal;
}

void fw_port_leave(void) {
    tcdrain(STDOUT_FILENO);
    tcsetattr(STDIN_FILENO, TCSANOW, &fw_terminal);
    exit(EXIT_SUCCESS);
}

int fw_port_read(void) {
    static uint8_t buffer[512];
    static size_t next;
    static size_t count;
    if (next == count) {
        const ssize_t got = read(STDIN_FILENO, buffer, sizeof buffer);
        if (got < 0 && errno == EINTR) {
            return -1;
        }
        if (got <= 0) {
            exit(EXIT_SUCCESS); /* the host is gone */
        }
        next = 0;
        count = (size_t)got;
    }
    return buffer[next++];
}

void fw_port_write(const uint8_t *bytes, size_t length) {
    while (length > 0) {
        const ssize_t sent = write(STDOUT_FILENO, bytes, length);
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent <= 0) {
            exit(EXIT_SUCCESS);
        }
        bytes += sent;
        length -= (size_t)sent;
    }
}

/* Under the simulator, a descriptor that no real board has answers with the number of instructions so far. */
static bool fw_count_instructions(uint64_t *count) {
    return read(FW_COUNTER_FD, count, sizeof *count) == (ssize_t)sizeof *count;
}

/* The simulator's own name stays visible to the kernel, whatever program it runs; a program for another
 * processor (the tests build one) is not the board either. */
static bool fw_is_simulated(void) {
#if defined(__aarch64__)
    char name[5] = "";
    const int file = open("/proc/self/comm", O_RDONLY | O_CLOEXEC);
    if (file >= 0) {
        const bool whole = read(file, name, sizeof name - 1) == (ssize_t)(sizeof name - 1);
        (void)close(file);
        return whole && strcmp(name, "qemu") == 0;
    }
    return false;
#else
    return true;
#endif
}

fw_clock fw_port_clock(void) {
    uint64_t count;
    if (fw_count_instructions(&count)) {
        return (fw_clock){FW_TICK_INSTRUCTIONS, 1, true};
    }
    return (fw_clock){FW_TICK_NANOSECONDS, 1, fw_is_simulated()};
}

uint64_t fw_port_ticks(void) {
    uint64_t count;
    if (fw_count_instructions(&count)) {
        return count;
    }
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void fw_port_busy(bool busy) {
    (void)busy;
}

fw_stack_bounds fw_port_stack(void) {
    return (fw_stack_bounds){fw_stack_memory, fw_stack_memory + sizeof fw_stack_memory};
}

static void fw_main(void) {
    fw_setup();
    for (;;) {
        fw_loop();
    }
}

/* main() of the project calls this; it swaps the stack and never comes back. */
_Noreturn void fw_start(void) {
    static ucontext_t context;
    getcontext(&context);
    context.uc_stack.ss_sp = fw_stack_memory;
    context.uc_stack.ss_size = sizeof fw_stack_memory;
    context.uc_link = NULL;
    makecontext(&context, fw_main, 0);
    setcontext(&context);
    exit(EXIT_FAILURE);
}
