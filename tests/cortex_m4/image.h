// A bare program on the simulated Cortex-M4F: starts, reads what the host loaded, writes bytes back over the
// UART.
#ifndef IMAGE_H
#define IMAGE_H

#include <stddef.h>
#include <stdint.h>

#define IMAGE_DATA ((const uint8_t *)0x21000000u)

void image_write(const void *bytes, size_t count);
// Ticks of 25 MHz; under -icount shift=0 each is 40 instructions.
uint32_t image_ticks(void);
int main(void);

#endif
