/* What is fuzzed: the firmware's whole protocol server, fed with any bytes. LLVMFuzzerTestOneInput has
 * libFuzzer's signature, so that either fuzz_driver.c or clang's -fsanitize=fuzzer can drive it. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fw_frame.h"
#include "fw_port.h"
#include "fw_server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t *fuzz_in;
static size_t fuzz_in_left;
static uint8_t fuzz_out[1 << 13];
static size_t fuzz_out_count;
static uint8_t fuzz_stack[64];

fw_clock fw_port_clock(void) {
    return (fw_clock){FW_TICK_CYCLES, 1, true};
}

void fw_port_init(void) {}

void fw_port_busy(bool busy) {
    (void)busy;
}

int fw_port_read(void) {
    if (fuzz_in_left == 0) {
        return -1;
    }
    --fuzz_in_left;
    return *fuzz_in++;
}

void fw_port_write(const uint8_t *bytes, size_t length) {
    if (length > FW_WIRE_MAX || length < 9 || bytes[0] != 0 || bytes[length - 1] != 0) {
        abort(); /* not a frame */
    }
    if (fuzz_out_count + length > sizeof fuzz_out) {
        fuzz_out_count = 0;
    }
    memcpy(fuzz_out + fuzz_out_count, bytes, length);
    fuzz_out_count += length;
}

uint64_t fw_port_ticks(void) {
    static uint64_t ticks;
    return ticks += 5;
}

fw_stack_bounds fw_port_stack(void) {
    return (fw_stack_bounds){fuzz_stack, fuzz_stack + sizeof fuzz_stack};
}

static void fuzz_feed(const uint8_t *bytes, size_t length) {
    fuzz_in = bytes;
    fuzz_in_left = length;
    while (fuzz_in_left > 0) {
        fw_loop();
    }
}

/* Whatever came before, the next whole request must be answered, and all that was sent must be whole frames.
 */
static void fuzz_check_alive(void) {
    static uint8_t sequence;
    ++sequence;
    uint8_t wire[FW_WIRE_MAX + 1] = {0};
    const uint8_t payload[3] = {0, 0, 8};
    fuzz_feed(wire, 1 + fw_frame_encode(sequence, FW_REQUEST_HELLO, payload, 3, wire + 1));
    static fw_parser parser;
    fw_parser_reset(&parser);
    fw_frame frame = {0, 0, 0, NULL};
    for (size_t i = 0; i < fuzz_out_count; ++i) {
        if (fw_parser_push(&parser, fuzz_out[i], &frame) == FW_FRAME_BAD) {
            abort();
        }
    }
    if (frame.type != (FW_REQUEST_HELLO | FW_REPLY) || frame.sequence != sequence || frame.length != 12) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static uint32_t count;
    if (count == 0) {
        fw_setup();
    }
    fuzz_feed(data, size);
    if (++count % 16 == 0) {
        fuzz_check_alive();
        fuzz_out_count = 0;
    }
    return 0;
}
