/* Checksums: CRC-16/CCITT-FALSE guards a frame, CRC-32 (IEEE) a whole input, output or description. */
#ifndef FW_CRC_H
#define FW_CRC_H

#include <stddef.h>
#include <stdint.h>

#define FW_CRC16_START 0xFFFFu

/* Continue a CRC-16 (polynomial 0x1021, most significant bit first); start with FW_CRC16_START. */
uint16_t fw_crc16(uint16_t crc, const uint8_t *bytes, size_t length);

/* Continue a CRC-32 as zlib's crc32() does: start with 0, the result is final after each call. */
uint32_t fw_crc32(uint32_t crc, const uint8_t *bytes, size_t length);

#endif
