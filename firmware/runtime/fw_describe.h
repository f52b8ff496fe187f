/* The description that HELLO hands out in pieces; made afresh for each piece, so it takes no memory. */
#ifndef FW_DESCRIBE_H
#define FW_DESCRIBE_H

#include <stdint.h>

/* Write bytes [offset, offset + room) of the description to out. Returns how many there were; *total is its
 * size. */
uint8_t fw_describe(uint16_t offset, uint8_t room, uint8_t *out, uint16_t *total);

#endif
