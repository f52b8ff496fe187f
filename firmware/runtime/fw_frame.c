#include "fw_frame.h"

#include "fw_crc.h"

void fw_parser_reset(fw_parser *parser) {
    parser->count = 0;
    parser->overflow = false;
}

/* Decode COBS in place. Returns the decoded length, or -1 if a code points past the end. */
static int32_t fw_cobs_decode(uint8_t *bytes, size_t length) {
    size_t from = 0;
    size_t to = 0;
    while (from < length) {
        const size_t code = bytes[from];
        if (code == 0 || from + code > length) {
            return -1;
        }
        for (size_t i = 1; i < code; ++i) {
            bytes[to++] = bytes[from + i];
        }
        from += code;
        if (code < 255 && from < length) {
            bytes[to++] = 0;
        }
    }
    return (int32_t)to;
}

static fw_frame_status fw_parser_finish(fw_parser *parser, fw_frame *frame) {
    const int32_t decoded = fw_cobs_decode(parser->buffer, parser->count);
    if (decoded < FW_HEADER_BYTES + FW_CRC_BYTES) {
        return FW_FRAME_BAD;
    }
    const size_t body = (size_t)decoded - FW_CRC_BYTES;
    const uint8_t *bytes = parser->buffer;
    const uint16_t crc = fw_crc16(FW_CRC16_START, bytes, body);
    if (bytes[body] != (crc & 0xFFu) || bytes[body + 1] != (crc >> 8) || bytes[3] != body - FW_HEADER_BYTES) {
        return FW_FRAME_BAD;
    }
    frame->sequence = bytes[1];
    frame->type = bytes[2];
    frame->length = bytes[3];
    frame->payload = bytes + FW_HEADER_BYTES;
    return bytes[0] == FW_PROTOCOL_VERSION ? FW_FRAME_GOOD : FW_FRAME_VERSION;
}

fw_frame_status fw_parser_push(fw_parser *parser, uint8_t byte, fw_frame *frame) {
    if (byte != 0) {
        if (parser->count < FW_ENCODED_MAX) {
            parser->buffer[parser->count++] = byte;
        } else {
            parser->overflow = true;
        }
        return FW_FRAME_NONE;
    }
    /* Two zero bytes in a row are just two delimiters. */
    fw_frame_status status = FW_FRAME_NONE;
    if (parser->overflow) {
        status = FW_FRAME_BAD;
    } else if (parser->count > 0) {
        status = fw_parser_finish(parser, frame);
    }
    fw_parser_reset(parser);
    return status;
}

typedef struct {
    uint8_t *wire;
    size_t code; /* where the length of the run being written goes */
    size_t next;
} fw_cobs_writer;

/* Runs never reach 254 bytes, because FW_CONTENT_MAX is smaller, so a run ends only at a zero. */
static void fw_cobs_put(fw_cobs_writer *writer, uint8_t byte) {
    if (byte != 0) {
        writer->wire[writer->next++] = byte;
        return;
    }
    writer->wire[writer->code] = (uint8_t)(writer->next - writer->code);
    writer->code = writer->next++;
}

size_t fw_frame_encode(uint8_t sequence, uint8_t type, const uint8_t *payload, uint8_t length,
                       uint8_t wire[FW_WIRE_MAX]) {
    const uint8_t header[FW_HEADER_BYTES] = {FW_PROTOCOL_VERSION, sequence, type, length};
    uint16_t crc = fw_crc16(FW_CRC16_START, header, sizeof header);
    crc = fw_crc16(crc, payload, length);
    wire[0] = 0;
    fw_cobs_writer writer = {wire, 1, 2};
    for (size_t i = 0; i < sizeof header; ++i) {
        fw_cobs_put(&writer, header[i]);
    }
    for (size_t i = 0; i < length; ++i) {
        fw_cobs_put(&writer, payload[i]);
    }
    fw_cobs_put(&writer, (uint8_t)(crc & 0xFFu));
    fw_cobs_put(&writer, (uint8_t)(crc >> 8));
    wire[writer.code] = (uint8_t)(writer.next - writer.code);
    wire[writer.next++] = 0;
    return writer.next;
}
