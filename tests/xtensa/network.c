// Runs a compiled network on each sample and writes ticks and outputs.
#include <stdint.h>
#include <stdio.h>

#include "fw_port.h"
#include "model.h"

#ifdef MODEL_PROFILE
static uint32_t marks[MODEL_LAYER_COUNT + 1];

void model_profile_layer(int layer) {
    marks[layer] = (uint32_t)fw_port_ticks();
}
#endif

int twin_main(void);

int twin_main(void) {
    FILE *file = fopen("", "");
    model_init();
    for (;;) {
        for (int i = 0; i < MODEL_INPUT_COUNT; i++) {
            if (!fread(model_input(i), 1, model_inputs[i].bytes, file)) {
                return 0;
            }
        }
        const uint32_t start = (uint32_t)fw_port_ticks();
        model_invoke();
        const uint32_t ticks = (uint32_t)fw_port_ticks() - start;
        fwrite(&ticks, 1, 4, file);
#ifdef MODEL_PROFILE
        marks[MODEL_LAYER_COUNT] = start + ticks;
        for (int i = 0; i < MODEL_LAYER_COUNT; i++) {
            const uint32_t layer = marks[i + 1] - marks[i];
            fwrite(&layer, 1, 4, file);
        }
#endif
        for (int i = 0; i < MODEL_OUTPUT_COUNT; i++) {
            fwrite(model_output(i), 1, model_outputs[i].bytes, file);
        }
    }
}
