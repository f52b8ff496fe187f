#include "model.h"

#include <math.h>

static float model_arena[MODEL_ARENA_BYTES / 4];

const model_tensor_info model_inputs[MODEL_INPUT_COUNT] = {
    {"a", 1, 2, {1, 64}, 0.0f, 0, 256},
    {"b", 1, 2, {1, 64}, 0.0f, 0, 256},
};
const model_tensor_info model_outputs[MODEL_OUTPUT_COUNT] = {{"y", 1, 2, {7, 64}, 0.0f, 0, 1792}};

void model_init(void) {}

void *model_input(int index) {
    return model_arena + 64 * index;
}

const void *model_output(int index) {
    return model_arena + 128 + index;
}

void model_invoke(void) {
    for (int i = 0; i < 64; ++i) {
        const float a = model_arena[i];
        const float b = model_arena[64 + i];
        float *y = model_arena + 128 + i;
        y[0] = a + b;
        y[64] = a - b;
        y[128] = a * b;
        y[192] = a / b;
        y[256] = a > b ? a : b;
        y[320] = expf(a);
        y[384] = (float)(int32_t)b;
    }
}
