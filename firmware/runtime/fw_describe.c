#include "fw_describe.h"

#include <string.h>

#include "fw_config.h"
#include "fw_crc.h"
#include "fw_frame.h"
#include "fw_port.h"
#include "fw_server.h"
#include "model.h"

#ifdef MODEL_PROFILE
#define FW_PROFILE 1u
#else
#define FW_PROFILE 0u
#endif
#define FW_SIMULATED 2u

/* Everything is written through this window, which keeps only the piece that was asked for. */
typedef struct {
    uint32_t position;
    uint32_t offset;
    uint8_t *out;
    uint8_t room;
    uint8_t kept;
    uint32_t crc;
} fw_window;

static void fw_put8(fw_window *window, uint32_t value) {
    const uint8_t byte = (uint8_t)(value & 0xFFu);
    window->crc = fw_crc32(window->crc, &byte, 1);
    if (window->position >= window->offset && window->kept < window->room) {
        window->out[window->kept++] = byte;
    }
    ++window->position;
}

static void fw_put16(fw_window *window, uint32_t value) {
    fw_put8(window, value);
    fw_put8(window, value >> 8);
}

static void fw_put32(fw_window *window, uint32_t value) {
    fw_put16(window, value);
    fw_put16(window, value >> 16);
}

static void fw_put_text(fw_window *window, const char *text) {
    uint32_t length = 0;
    while (text[length] != '\0' && length < 48u) {
        ++length;
    }
    fw_put8(window, length);
    for (uint32_t i = 0; i < length; ++i) {
        fw_put8(window, (uint8_t)text[i]);
    }
}

static void fw_put_tensor(fw_window *window, const model_tensor_info *tensor) {
    uint32_t scale;
    memcpy(&scale, &tensor->scale, sizeof scale);
    fw_put_text(window, tensor->name);
    fw_put8(window, tensor->type);
    fw_put8(window, tensor->rank);
    for (uint32_t i = 0; i < tensor->rank; ++i) {
        fw_put32(window, (uint32_t)tensor->shape[i]);
    }
    fw_put32(window, scale);
    fw_put32(window, (uint32_t)tensor->zero_point);
    fw_put32(window, tensor->bytes);
}

uint8_t fw_describe(uint16_t offset, uint8_t room, uint8_t *out, uint16_t *total) {
    const fw_clock unit = fw_port_clock();
    fw_window window = {0, offset, out, room, 0, 0};
    fw_put8(&window, FW_PROTOCOL_VERSION);
    fw_put8(&window, FW_PROFILE | (unit.simulated ? FW_SIMULATED : 0u));
    fw_put8(&window, (uint32_t)unit.kind);
    fw_put8(&window, FW_RUN_MAX);
    fw_put32(&window, unit.scale);
    fw_put32(&window, FW_CLOCK_HZ);
    fw_put32(&window, MODEL_ARENA_BYTES);
    fw_put16(&window, MODEL_LAYER_COUNT);
    fw_put_text(&window, FW_BOARD);
    fw_put_text(&window, FW_RUNTIME);
    fw_put_text(&window, MODEL_HASH);
    fw_put8(&window, MODEL_INPUT_COUNT);
    for (int i = 0; i < MODEL_INPUT_COUNT; ++i) {
        fw_put_tensor(&window, &model_inputs[i]);
    }
    fw_put8(&window, MODEL_OUTPUT_COUNT);
    for (int i = 0; i < MODEL_OUTPUT_COUNT; ++i) {
        fw_put_tensor(&window, &model_outputs[i]);
    }
    fw_put32(&window, window.crc);
    *total = (uint16_t)window.position;
    return window.kept;
}
