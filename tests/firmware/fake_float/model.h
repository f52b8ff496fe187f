/* A hand-written float32 model that uses every soft-float routine: y holds a + b, a - b, a * b, a / b, max(a,
 * b), expf(a) and (float)(int)b, 64 values each. */
#ifndef MODEL_H
#define MODEL_H

#include <stdint.h>

#define MODEL_HASH "f10a7f10a7f10a70"
#define MODEL_INPUT_COUNT 2
#define MODEL_OUTPUT_COUNT 1
#define MODEL_ARENA_BYTES 2304
#define MODEL_LAYER_COUNT 1

typedef struct {
    const char *name;
    uint8_t type;
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

#endif
