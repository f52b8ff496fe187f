// Runs a compiled network on each sample of standard input; writes the instructions of each layer and the
// outputs.
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include "fw_counter.h"
#include "model.h"

static uint64_t marks[MODEL_LAYER_COUNT + 1];

static uint64_t counted(void) {
    uint64_t count = 0;
    return read(FW_COUNTER_FD, &count, sizeof count) == sizeof count ? count : 0;
}

void model_profile_layer(int layer) {
    marks[layer] = counted();
}

int main(void) {
    model_init();
    for (;;) {
        for (int i = 0; i < MODEL_INPUT_COUNT; i++) {
            if (fread(model_input(i), 1, model_inputs[i].bytes, stdin) != model_inputs[i].bytes) {
                return 0;
            }
        }
        model_invoke();
        marks[MODEL_LAYER_COUNT] = counted();
        fwrite(marks, sizeof marks[0], MODEL_LAYER_COUNT + 1, stdout);
        for (int i = 0; i < MODEL_OUTPUT_COUNT; i++) {
            fwrite(model_output(i), 1, model_outputs[i].bytes, stdout);
        }
    }
}
