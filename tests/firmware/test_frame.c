/* Tests of framing and requests on the host: exits 0 when all hold, else says which line did not.
 * Built with the address and undefined-behaviour sanitisers by test_firmware.py. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fw_crc.h"
#include "fw_frame.h"
#include "fw_port.h"
#include "fw_server.h"
#include "fw_stack.h"
#include "model.h"

#define CHECK(condition)                                                          \
    do {                                                                          \
        if (!(condition)) {                                                       \
            fprintf(stderr, "line %d: %s does not hold\n", __LINE__, #condition); \
            exit(1);                                                              \
        }                                                                         \
    } while (0)

/* A port of two buffers in memory. */
static const uint8_t *test_in;
static size_t test_in_left;
static uint8_t test_out[1 << 16];
static size_t test_out_count;
static uint8_t test_stack[4096];

fw_clock fw_port_clock(void) {
    return (fw_clock){FW_TICK_CYCLES, 1, false};
}

void fw_port_init(void) {}

void fw_port_busy(bool busy) {
    (void)busy;
}

int fw_port_read(void) {
    if (test_in_left == 0) {
        return -1;
    }
    --test_in_left;
    return *test_in++;
}

void fw_port_write(const uint8_t *bytes, size_t length) {
    if (test_out_count + length > sizeof test_out) {
        test_out_count = 0;
    }
    memcpy(test_out + test_out_count, bytes, length);
    test_out_count += length;
}

uint64_t fw_port_ticks(void) {
    static uint64_t ticks;
    return ticks += 5;
}

fw_stack_bounds fw_port_stack(void) {
    return (fw_stack_bounds){test_stack, test_stack + sizeof test_stack};
}

static uint32_t test_random(void) {
    static uint32_t state = 12345;
    state = state * 1664525u + 1013904223u;
    return state >> 8;
}

static void test_feed(const uint8_t *bytes, size_t length) {
    test_in = bytes;
    test_in_left = length;
    while (test_in_left > 0) {
        fw_loop();
    }
}

/* Send one request and return the last reply's frame; its payload stays valid until the next call. */
static fw_frame test_ask(uint8_t sequence, uint8_t type, const void *payload, uint8_t length) {
    static fw_parser parser;
    uint8_t wire[FW_WIRE_MAX];
    test_out_count = 0;
    test_feed(wire, fw_frame_encode(sequence, type, payload, length, wire));
    fw_parser_reset(&parser);
    fw_frame frame;
    fw_frame reply = {0, 0, 0, NULL};
    static uint8_t kept[FW_PAYLOAD_MAX];
    for (size_t i = 0; i < test_out_count; ++i) {
        if (fw_parser_push(&parser, test_out[i], &frame) == FW_FRAME_GOOD) {
            memcpy(kept, frame.payload, frame.length);
            reply = frame;
            reply.payload = kept;
        }
    }
    return reply;
}

static void test_checksums(void) {
    /* The check values of CRC-16/CCITT-FALSE and CRC-32 in the usual catalogues. */
    const uint8_t digits[] = "123456789";
    CHECK(fw_crc16(FW_CRC16_START, digits, 9) == 0x29B1);
    CHECK(fw_crc32(0, digits, 9) == 0xCBF43926u);
    CHECK(fw_crc32(fw_crc32(0, digits, 4), digits + 4, 5) == 0xCBF43926u);
}

static void test_round_trips(void) {
    fw_parser parser;
    fw_parser_reset(&parser);
    for (int round = 0; round < 20000; ++round) {
        uint8_t payload[FW_PAYLOAD_MAX];
        uint8_t wire[FW_WIRE_MAX];
        const uint8_t length = (uint8_t)(test_random() % (FW_PAYLOAD_MAX + 1));
        const uint32_t zeros = test_random() % 3;
        for (size_t i = 0; i < length; ++i) {
            payload[i] = (uint8_t)(zeros == 0 ? 0 : zeros == 1 ? test_random() & 1 : test_random() | 1);
        }
        const size_t count = fw_frame_encode((uint8_t)round, 7, payload, length, wire);
        CHECK(count <= FW_WIRE_MAX);
        fw_frame frame;
        for (size_t i = 0; i + 1 < count; ++i) {
            CHECK(fw_parser_push(&parser, wire[i], &frame) == FW_FRAME_NONE);
            CHECK(i == 0 || wire[i] != 0);
        }
        CHECK(fw_parser_push(&parser, wire[count - 1], &frame) == FW_FRAME_GOOD);
        CHECK(frame.sequence == (uint8_t)round && frame.type == 7 && frame.length == length);
        CHECK(memcmp(frame.payload, payload, length) == 0);
    }
}

/* After any garbage, the frame behind the next delimiter is understood. */
static void test_resynchronises(void) {
    fw_parser parser;
    fw_parser_reset(&parser);
    fw_frame frame;
    for (int round = 0; round < 20000; ++round) {
        for (uint32_t left = test_random() % 600; left > 0; --left) {
            (void)fw_parser_push(&parser, (uint8_t)test_random(), &frame);
        }
        uint8_t wire[FW_WIRE_MAX];
        const uint8_t payload[3] = {1, 0, (uint8_t)round};
        const size_t count = fw_frame_encode(9, 2, payload, 3, wire);
        fw_frame_status status = FW_FRAME_NONE;
        for (size_t i = 0; i < count; ++i) {
            status = fw_parser_push(&parser, wire[i], &frame);
        }
        CHECK(status == FW_FRAME_GOOD && frame.length == 3 && frame.payload[2] == (uint8_t)round);
    }
}

/* Every single flipped bit in a frame is noticed. */
static void test_flipped_bits(void) {
    uint8_t wire[FW_WIRE_MAX];
    const uint8_t payload[5] = {0, 1, 2, 0, 255};
    const size_t count = fw_frame_encode(1, 2, payload, 5, wire);
    for (size_t bit = 8; bit < (count - 1) * 8; ++bit) {
        fw_parser parser;
        fw_parser_reset(&parser);
        fw_frame frame;
        bool good = false;
        for (size_t i = 0; i < count; ++i) {
            const uint8_t flip = i == bit / 8 ? (uint8_t)(1u << (bit % 8)) : 0;
            good |= fw_parser_push(&parser, wire[i] ^ flip, &frame) == FW_FRAME_GOOD;
        }
        CHECK(!good);
    }
}

static void test_requests(void) {
    fw_frame reply = test_ask(1, FW_REQUEST_HELLO, (uint8_t[]){0, 0, 255}, 3);
    CHECK(reply.type == (FW_REQUEST_HELLO | FW_REPLY) && reply.sequence == 1 && reply.payload[4] == 1);
    const uint16_t total = (uint16_t)(reply.payload[0] | reply.payload[1] << 8);
    CHECK(total == reply.length - 4);
    reply = test_ask(2, FW_REQUEST_HELLO, (uint8_t[]){255, 255, 255}, 3);
    CHECK(reply.length == 4);

    const struct {
        uint8_t type, length, payload[12], error;
    } wrong[] = {
        {0x42, 0, {0}, FW_ERROR_REQUEST},
        {FW_REQUEST_HELLO, 2, {0}, FW_ERROR_LENGTH},
        {FW_REQUEST_LOAD, 4, {0}, FW_ERROR_LENGTH},
        {FW_REQUEST_LOAD, 6, {2, 0, 0, 0, 0, 1}, FW_ERROR_INDEX},
        {FW_REQUEST_LOAD, 6, {0, 0x2C, 1, 0, 0, 1}, FW_ERROR_RANGE},
        {FW_REQUEST_LOAD, 6, {0, 0xFF, 0xFF, 0xFF, 0xFF, 1}, FW_ERROR_RANGE},
        {FW_REQUEST_RUN, 8, {0}, FW_ERROR_LENGTH},
        {FW_REQUEST_RUN, 9, {0}, FW_ERROR_RANGE},
        {FW_REQUEST_RUN, 9, {0, 0, 0, 0, 9}, FW_ERROR_RANGE},
        {FW_REQUEST_RUN, 9, {0, 0, 0, 0, 1, 1, 2, 3, 4}, FW_ERROR_NO_INPUT},
        {FW_REQUEST_OUTPUT, 6, {0, 0, 0, 0, 0, 1}, FW_ERROR_NO_OUTPUT},
        {FW_REQUEST_OUTPUT, 6, {2, 0, 0, 0, 0, 1}, FW_ERROR_INDEX},
        {FW_REQUEST_STACK, 1, {0}, FW_ERROR_LENGTH},
        {FW_REQUEST_RESET, 1, {0}, FW_ERROR_LENGTH},
        {FW_REQUEST_PROFILE, 2, {0}, FW_ERROR_NO_PROFILE},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; ++i) {
        reply = test_ask((uint8_t)i, wrong[i].type, wrong[i].payload, wrong[i].length);
        CHECK(reply.type == FW_NAK && reply.sequence == (uint8_t)i && reply.length == 2);
        CHECK(reply.payload[0] == wrong[i].error && reply.payload[1] == wrong[i].type);
    }
}

static void test_inference(void) {
    uint8_t values[305];
    for (int start = 0; start < 300; start += 100) {
        values[0] = 0;
        values[1] = (uint8_t)start;
        values[2] = (uint8_t)(start >> 8);
        values[3] = values[4] = 0;
        memset(values + 5, 10, 100);
        CHECK(test_ask(1, FW_REQUEST_LOAD, values, 105).type == (FW_REQUEST_LOAD | FW_REPLY));
    }
    const uint8_t second[] = {1, 0, 0, 0, 0, 1, 2, 3};
    CHECK(test_ask(2, FW_REQUEST_LOAD, second, sizeof second).payload[5] == 3);
    uint8_t all[303];
    memset(all, 10, 300);
    memcpy(all + 300, second + 5, 3);
    const uint32_t crc = fw_crc32(0, all, sizeof all);
    uint8_t run[9] = {1, 0, 0, 0, 1};
    for (int i = 0; i < 4; ++i) {
        run[5 + i] = (uint8_t)(crc >> (8 * i));
    }
    fw_frame reply = test_ask(3, FW_REQUEST_RUN, run, 9);
    CHECK(reply.type == (FW_REQUEST_RUN | FW_REPLY) && reply.length == 17 && reply.payload[9] == 5);
    /* Asked again, it answers the same and does not run on the consumed input. */
    CHECK(test_ask(4, FW_REQUEST_RUN, run, 9).type == (FW_REQUEST_RUN | FW_REPLY));
    reply = test_ask(5, FW_REQUEST_OUTPUT, (uint8_t[]){0, 0x2A, 1, 0, 0, 200}, 6);
    CHECK(reply.length == 7); /* offset 298: two bytes are left */
    CHECK((int8_t)reply.payload[5] == 127 &&
          (int8_t)reply.payload[6] == -67); /* 30 + 2 + 100 clamped, 30 + 3 - 100 */
    reply = test_ask(6, FW_REQUEST_OUTPUT, (uint8_t[]){1, 0, 0, 0, 0, 4}, 6);
    CHECK(reply.payload[5] == (3000 & 255) && reply.payload[6] == 3000 >> 8);
    /* A new run with the old checksum is refused: the input is gone. */
    run[0] = 2;
    CHECK(test_ask(7, FW_REQUEST_RUN, run, 9).payload[0] == FW_ERROR_NO_INPUT);
    /* Several runs are for timing only. */
    run[4] = 3;
    reply = test_ask(8, FW_REQUEST_RUN, run, 9);
    CHECK(reply.length == 33 && reply.payload[25] == 5);
    CHECK(test_ask(9, FW_REQUEST_OUTPUT, (uint8_t[]){0, 0, 0, 0, 0, 1}, 6).payload[0] == FW_ERROR_NO_OUTPUT);
}

static void test_other_version(void) {
    uint8_t wire[FW_WIRE_MAX];
    /* Version 2, sequence 77, type 1, no payload; its CRC computed here, COBS by hand: no zeros in the
     * content but one. */
    uint8_t content[6] = {2, 77, 1, 0, 0, 0};
    const uint16_t crc = fw_crc16(FW_CRC16_START, content, 4);
    CHECK((crc & 0xFF) != 0 && crc >> 8 != 0);
    const uint8_t frame[] = {0, 4, 2, 77, 1, 3, (uint8_t)crc, (uint8_t)(crc >> 8), 0};
    memcpy(wire, frame, sizeof frame);
    test_out_count = 0;
    test_feed(wire, sizeof frame);
    CHECK(test_out_count > 0);
    fw_parser parser;
    fw_parser_reset(&parser);
    fw_frame reply = {0, 0, 0, NULL};
    for (size_t i = 0; i < test_out_count; ++i) {
        (void)fw_parser_push(&parser, test_out[i], &reply);
    }
    CHECK(reply.type == FW_NAK && reply.sequence == 77);
}

static void test_stack_paint(void) {
    static uint8_t memory[1024];
    memset(memory, 0xA5, sizeof memory);
    const fw_stack_bounds stack = {memory, memory + sizeof memory};
    CHECK(fw_stack_high_water(stack) == 0);
    memory[1000] = 0;
    CHECK(fw_stack_high_water(stack) == 24);
    memory[0] = 0;
    CHECK(fw_stack_high_water(stack) == 1024);
    /* Painting a stack that is not the running one would destroy memory: it must do nothing. */
    memset(memory, 1, sizeof memory);
    fw_stack_paint(stack);
    CHECK(memory[0] == 1);
}

/* Whole frames with random contents, and plain noise: no crash, no finding by the sanitisers. */
static void test_noise(long rounds) {
    uint8_t wire[FW_WIRE_MAX];
    uint8_t payload[FW_PAYLOAD_MAX];
    for (long round = 0; round < rounds; ++round) {
        const uint8_t length = (uint8_t)(test_random() % (test_random() % 4 == 0 ? FW_PAYLOAD_MAX + 1 : 16));
        for (size_t i = 0; i < length; ++i) {
            payload[i] = (uint8_t)(test_random() % 3 == 0 ? 0 : test_random());
        }
        const uint8_t type = (uint8_t)(test_random() % 8 == 0 ? test_random() : test_random() % 9);
        size_t count = fw_frame_encode((uint8_t)round, type, payload, length, wire);
        if (test_random() % 4 == 0) {
            wire[test_random() % count] = (uint8_t)test_random();
        }
        if (test_random() % 16 == 0) {
            count = test_random() % count;
        }
        test_feed(wire, count);
    }
}

int main(int argc, char **argv) {
    fw_setup();
    test_checksums();
    test_round_trips();
    test_resynchronises();
    test_flipped_bits();
    test_requests();
    test_inference();
    test_other_version();
    test_stack_paint();
    test_noise(argc > 1 ? atol(argv[1]) : 100000);
    puts("all hold");
    return 0;
}
