/* Frames on the serial link: version, sequence, type, length, payload, CRC-16; COBS-encoded between zero
 * bytes. docs/protocol.md describes them. The parser takes any bytes whatever and finds its feet at the next
 * zero byte. */
#ifndef FW_FRAME_H
#define FW_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    FW_PROTOCOL_VERSION = 1,
    FW_PAYLOAD_MAX = 240,
    FW_HEADER_BYTES = 4,
    FW_CRC_BYTES = 2,
    FW_CONTENT_MAX = FW_HEADER_BYTES + FW_PAYLOAD_MAX + FW_CRC_BYTES,
    /* Under 255 bytes of content COBS adds exactly one byte. */
    FW_ENCODED_MAX = FW_CONTENT_MAX + 1,
    FW_WIRE_MAX = FW_ENCODED_MAX + 2
};

typedef struct {
    uint8_t sequence;
    uint8_t type;
    uint8_t length;
    const uint8_t *payload; /* inside the parser; good until the next byte is pushed */
} fw_frame;

typedef enum {
    FW_FRAME_NONE,   /* no whole frame yet */
    FW_FRAME_GOOD,   /* *frame is filled */
    FW_FRAME_BAD,    /* a frame ended but its coding, length or CRC is wrong */
    FW_FRAME_VERSION /* a whole frame of another protocol version; *frame is filled */
} fw_frame_status;

typedef struct {
    uint8_t buffer[FW_ENCODED_MAX];
    uint16_t count;
    bool overflow;
} fw_parser;

void fw_parser_reset(fw_parser *parser);

fw_frame_status fw_parser_push(fw_parser *parser, uint8_t byte, fw_frame *frame);

/* Write a whole frame, delimiters included, into wire; returns its length. length must be <= FW_PAYLOAD_MAX.
 */
size_t fw_frame_encode(uint8_t sequence, uint8_t type, const uint8_t *payload, uint8_t length,
                       uint8_t wire[FW_WIRE_MAX]);

#endif
