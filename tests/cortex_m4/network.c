// Runs a compiled network on each sample that the host loaded: ticks and outputs go back.
#include <string.h>

#include "image.h"
#include "model.h"

#ifdef MODEL_PROFILE
static uint32_t marks[MODEL_LAYER_COUNT + 1];

void model_profile_layer(int layer) {
    marks[layer] = image_ticks();
}
#endif

int main(void) {
    const uint8_t *data = IMAGE_DATA;
    uint32_t samples = 0;
    memcpy(&samples, data, 4);
    data += 4;
    model_init();
    while (samples--) {
        for (int i = 0; i < MODEL_INPUT_COUNT; i++) {
            memcpy(model_input(i), data, model_inputs[i].bytes);
            data += model_inputs[i].bytes;
        }
        const uint32_t start = image_ticks();
        model_invoke();
        const uint32_t ticks = image_ticks() - start;
        image_write(&ticks, 4);
#ifdef MODEL_PROFILE
        marks[MODEL_LAYER_COUNT] = start + ticks;
        for (int i = 0; i < MODEL_LAYER_COUNT; i++) {
            const uint32_t layer = marks[i + 1] - marks[i];
            image_write(&layer, 4);
        }
#endif
        for (int i = 0; i < MODEL_OUTPUT_COUNT; i++) {
            image_write(model_output(i), model_outputs[i].bytes);
        }
    }
    return 0;
}
