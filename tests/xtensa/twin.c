// Start-up, files and the clock of test programs on the bare Xtensa twin.
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "fw_port.h"

__asm(
    ".section .rodata\n"
    ".align 4\n"
    "twin_inputs: .incbin \"inputs.bin\"\n"
    "twin_inputs_end:\n"
    ".text\n");
extern const uint8_t twin_inputs[], twin_inputs_end[];
int main(void);
int twin_main(void);

static const uint8_t *next = twin_inputs;
static FILE handle;

FILE *fopen(const char *name, const char *mode) {
    (void)name, (void)mode;
    return &handle;
}

size_t fread(void *to, size_t size, size_t count, FILE *file) {
    (void)file;
    const size_t bytes = size * count;
    if (bytes > (size_t)(twin_inputs_end - next)) {
        return 0;
    }
    memcpy(to, next, bytes);
    next += bytes;
    return count;
}

size_t fwrite(const void *from, size_t size, size_t count, FILE *file) {
    (void)file;
    fw_port_write((const uint8_t *)from, size * count);
    return count;
}

int fclose(FILE *file) {
    (void)file;
    return 0;
}

static void stop(int status) {
    register int a2 __asm("a2") = 1;
    register int a3 __asm("a3") = status;
    __asm volatile(".byte 0x00, 0x51, 0x00" : : "r"(a2), "r"(a3));  // SIMCALL exit
}

int main(void) {
    fw_port_init();
    stop(twin_main());
    return 0;
}
