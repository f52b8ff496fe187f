#include "fw_server.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "fw_crc.h"
#include "fw_describe.h"
#include "fw_frame.h"
#include "fw_port.h"
#include "fw_stack.h"
#include "model.h"

/* All of the firmware's memory; nothing is ever allocated. */
static struct {
    fw_parser parser;
    uint8_t reply[FW_PAYLOAD_MAX];
    uint8_t wire[FW_WIRE_MAX];
    /* The last RUN, kept so that a repeated request gets the same answer and does not run again. */
    bool has_run;
    bool has_output;
    uint8_t run_count;
    uint32_t run_id;
    uint32_t output_crc;
    uint64_t ticks[FW_RUN_MAX];
} fw_state;

#ifdef MODEL_PROFILE
static uint64_t fw_layer_start[MODEL_LAYER_COUNT + 1];

void model_profile_layer(int layer) {
    fw_layer_start[layer] = fw_port_ticks();
}
#endif

static uint32_t fw_get16(const uint8_t *bytes) {
    return (uint32_t)bytes[0] | ((uint32_t)bytes[1] << 8);
}

static uint32_t fw_get32(const uint8_t *bytes) {
    return fw_get16(bytes) | (fw_get16(bytes + 2) << 16);
}

static size_t fw_put(size_t at, uint64_t value, size_t bytes) {
    for (size_t i = 0; i < bytes; ++i) {
        fw_state.reply[at + i] = (uint8_t)((value >> (8 * i)) & 0xFFu);
    }
    return at + bytes;
}

static void fw_send(uint8_t sequence, uint8_t type, size_t length) {
    const size_t bytes = fw_frame_encode(sequence, type, fw_state.reply, (uint8_t)length, fw_state.wire);
    fw_port_write(fw_state.wire, bytes);
}

static void fw_reply(const fw_frame *request, size_t length) {
    fw_send(request->sequence, (uint8_t)(request->type | FW_REPLY), length);
}

static void fw_nak(uint8_t sequence, uint8_t type, fw_error error) {
    fw_state.reply[0] = (uint8_t)error;
    fw_state.reply[1] = type;
    fw_send(sequence, FW_NAK, 2);
}

static int fw_hello(const fw_frame *request) {
    if (request->length != 3) {
        return FW_ERROR_LENGTH;
    }
    const uint16_t offset = (uint16_t)fw_get16(request->payload);
    const uint8_t asked = request->payload[2];
    const uint8_t room = asked < FW_PAYLOAD_MAX - 4 ? asked : FW_PAYLOAD_MAX - 4;
    uint16_t total;
    const uint8_t kept = fw_describe(offset, room, fw_state.reply + 4, &total);
    fw_put(0, total, 2);
    fw_put(2, offset, 2);
    fw_reply(request, (size_t)kept + 4);
    return 0;
}

static int fw_load(const fw_frame *request) {
    if (request->length < 5) {
        return FW_ERROR_LENGTH;
    }
    const uint8_t index = request->payload[0];
    const uint32_t offset = fw_get32(request->payload + 1);
    const uint32_t count = (uint32_t)request->length - 5u;
    if (index >= MODEL_INPUT_COUNT) {
        return FW_ERROR_INDEX;
    }
    const uint32_t bytes = model_inputs[index].bytes;
    if (offset > bytes || count > bytes - offset) {
        return FW_ERROR_RANGE;
    }
    /* Input and output may share memory: from here on there is no output to read. */
    fw_state.has_output = false;
    memcpy((uint8_t *)model_input(index) + offset, request->payload + 5, count);
    size_t at = fw_put(0, index, 1);
    at = fw_put(at, offset, 4);
    fw_reply(request, fw_put(at, offset + count, 4));
    return 0;
}

static uint32_t fw_inputs_crc(void) {
    uint32_t crc = 0;
    for (int i = 0; i < MODEL_INPUT_COUNT; ++i) {
        crc = fw_crc32(crc, model_input(i), model_inputs[i].bytes);
    }
    return crc;
}

static uint32_t fw_outputs_crc(void) {
    uint32_t crc = 0;
    for (int i = 0; i < MODEL_OUTPUT_COUNT; ++i) {
        crc = fw_crc32(crc, model_output(i), model_outputs[i].bytes);
    }
    return crc;
}

static void fw_time_runs(void) {
    for (uint32_t i = 0; i < fw_state.run_count; ++i) {
        const uint64_t start = fw_port_ticks();
        model_invoke();
        const uint64_t end = fw_port_ticks();
        fw_state.ticks[i] = end - start;
#ifdef MODEL_PROFILE
        fw_layer_start[MODEL_LAYER_COUNT] = end;
#endif
    }
}

static int fw_run(const fw_frame *request) {
    if (request->length != 9) {
        return FW_ERROR_LENGTH;
    }
    const uint32_t id = fw_get32(request->payload);
    const uint8_t count = request->payload[4];
    if (count == 0 || count > FW_RUN_MAX) {
        return FW_ERROR_RANGE;
    }
    if (!fw_state.has_run || fw_state.run_id != id || fw_state.run_count != count) {
        /* A model consumes its input, so several runs on end can only be for timing and take what is there.
         */
        if (count == 1 && fw_inputs_crc() != fw_get32(request->payload + 5)) {
            return FW_ERROR_NO_INPUT;
        }
        fw_send(request->sequence, FW_RUNNING, fw_put(0, id, 4));
        fw_state.has_run = false;
        fw_state.has_output = false;
        fw_state.run_id = id;
        fw_state.run_count = count;
        fw_port_busy(true);
        fw_time_runs();
        fw_port_busy(false);
        fw_state.output_crc = fw_outputs_crc();
        fw_state.has_output = count == 1;
        fw_state.has_run = true;
    }
    size_t at = fw_put(0, id, 4);
    at = fw_put(at, count, 1);
    at = fw_put(at, fw_state.output_crc, 4);
    for (uint32_t i = 0; i < count; ++i) {
        at = fw_put(at, fw_state.ticks[i], 8);
    }
    fw_reply(request, at);
    return 0;
}

static int fw_output(const fw_frame *request) {
    if (request->length != 6) {
        return FW_ERROR_LENGTH;
    }
    const uint8_t index = request->payload[0];
    const uint32_t offset = fw_get32(request->payload + 1);
    uint32_t count = request->payload[5];
    if (index >= MODEL_OUTPUT_COUNT) {
        return FW_ERROR_INDEX;
    }
    if (!fw_state.has_output) {
        return FW_ERROR_NO_OUTPUT;
    }
    const uint32_t bytes = model_outputs[index].bytes;
    if (offset > bytes) {
        return FW_ERROR_RANGE;
    }
    count = count < bytes - offset ? count : bytes - offset;
    count = count < FW_PAYLOAD_MAX - 5u ? count : FW_PAYLOAD_MAX - 5u;
    size_t at = fw_put(0, index, 1);
    at = fw_put(at, offset, 4);
    memcpy(fw_state.reply + at, (const uint8_t *)model_output(index) + offset, count);
    fw_reply(request, at + count);
    return 0;
}

static int fw_profile(const fw_frame *request) {
    if (request->length != 2) {
        return FW_ERROR_LENGTH;
    }
#ifdef MODEL_PROFILE
    const uint32_t layer = fw_get16(request->payload);
    if (layer >= MODEL_LAYER_COUNT) {
        return FW_ERROR_INDEX;
    }
    size_t at = fw_put(0, layer, 2);
    at = fw_put(at, MODEL_LAYER_COUNT, 2);
    at = fw_put(at, fw_layer_start[layer + 1] - fw_layer_start[layer], 8);
    const char *name = model_layer_name((int)layer);
    for (size_t i = 0; name[i] != '\0' && at < FW_PAYLOAD_MAX; ++i) {
        fw_state.reply[at++] = (uint8_t)name[i];
    }
    fw_reply(request, at);
    return 0;
#else
    return FW_ERROR_NO_PROFILE;
#endif
}

static int fw_stack(const fw_frame *request) {
    if (request->length != 0) {
        return FW_ERROR_LENGTH;
    }
    const fw_stack_bounds stack = fw_port_stack();
    const size_t at = fw_put(0, fw_stack_high_water(stack), 4);
    fw_reply(request, fw_put(at, (uint64_t)(stack.high - stack.low), 4));
    return 0;
}

static void fw_restart(void) {
    fw_state.has_run = false;
    fw_state.has_output = false;
    model_init();
    fw_stack_paint(fw_port_stack());
}

static int fw_reset(const fw_frame *request) {
    if (request->length != 0) {
        return FW_ERROR_LENGTH;
    }
    fw_restart();
    fw_reply(request, 0);
    return 0;
}

__attribute__((weak)) bool fw_port_is_guest(void) {
    return false;
}

__attribute__((weak)) void fw_port_leave(void) {}

static int fw_leave(const fw_frame *request) {
    if (!fw_port_is_guest()) {
        return FW_ERROR_REQUEST;
    }
    if (request->length != 0) {
        return FW_ERROR_LENGTH;
    }
    fw_reply(request, 0);
    fw_port_leave();
    return 0;
}

static int fw_dispatch(const fw_frame *request) {
    switch (request->type) {
        case FW_REQUEST_HELLO:
            return fw_hello(request);
        case FW_REQUEST_LOAD:
            return fw_load(request);
        case FW_REQUEST_RUN:
            return fw_run(request);
        case FW_REQUEST_OUTPUT:
            return fw_output(request);
        case FW_REQUEST_PROFILE:
            return fw_profile(request);
        case FW_REQUEST_STACK:
            return fw_stack(request);
        case FW_REQUEST_RESET:
            return fw_reset(request);
        case FW_REQUEST_LEAVE:
            return fw_leave(request);
        default:
            return FW_ERROR_REQUEST;
    }
}

void fw_setup(void) {
    fw_port_init();
    fw_parser_reset(&fw_state.parser);
    fw_restart();
}

void fw_loop(void) {
    const int byte = fw_port_read();
    if (byte < 0) {
        return;
    }
    fw_frame request;
    switch (fw_parser_push(&fw_state.parser, (uint8_t)byte, &request)) {
        case FW_FRAME_NONE:
            break;
        case FW_FRAME_BAD:
            fw_nak(0, 0, FW_ERROR_FRAME);
            break;
        case FW_FRAME_VERSION:
            fw_nak(request.sequence, request.type, FW_ERROR_VERSION);
            break;
        case FW_FRAME_GOOD: {
            const int error = fw_dispatch(&request);
            if (error != 0) {
                fw_nak(request.sequence, request.type, (fw_error)error);
            }
            break;
        }
    }
}
