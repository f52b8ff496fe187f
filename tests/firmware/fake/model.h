/* A tiny hand-written model with known arithmetic, in the shape of the compiler's output: two int8 inputs of
 * 300 and 3 values; output y[i] = clamp(a[i] * 3 + b[i % 3] + bias[i % 4]) and an int32 sum of a. Its inputs
 * are consumed: the first output overwrites the first input, as a planned arena does. */
#ifndef MODEL_H
#define MODEL_H

#include <stdint.h>

#define MODEL_HASH "00112233aabbccdd"
#define MODEL_INPUT_COUNT 2
#define MODEL_OUTPUT_COUNT 2
#define MODEL_ARENA_BYTES 308
#define MODEL_LAYER_COUNT 2

typedef struct {
    const char *name;
    uint8_t type; /* 0 int8, 1 float32, 2 uint8, 3 int16, 4 int32 */
    uint8_t rank;
    int32_t shape[6];
    float scale;
    int32_t zero_point;
    uint32_t bytes;
} model_tensor_info;

extern const model_tensor_info model_inputs[MODEL_INPUT_COUNT];
extern const model_tensor_info model_outputs[MODEL_OUTPUT_COUNT];

void model_init(void);
void *model_input(int index);
const void *model_output(int index);
void model_invoke(void);
#ifdef MODEL_PROFILE
void model_profile_layer(int layer);
const char *model_layer_name(int layer);
#endif

#endif
