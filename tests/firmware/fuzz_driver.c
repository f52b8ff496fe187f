/* A small coverage-guided fuzzer in libFuzzer's manner, for machines without clang: inputs that reach a new
 * edge of the code under test (built with -fsanitize-coverage=trace-pc) are kept and mutated further. Usage:
 * fuzz EXECUTIONS SEED. Prints executions, inputs kept and edges reached; a finding ends the program. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fw_frame.h"
#include "fw_server.h"

enum { FUZZ_INPUT_MAX = 300, FUZZ_KEPT_MAX = 4096, FUZZ_EDGES = 1 << 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
void __sanitizer_cov_trace_pc(void);

static uint8_t fuzz_reached[FUZZ_EDGES];
static uint32_t fuzz_edges;
static uintptr_t fuzz_previous;
static struct {
    uint16_t size;
    uint8_t data[FUZZ_INPUT_MAX];
} fuzz_kept[FUZZ_KEPT_MAX];
static uint32_t fuzz_kept_count;

void __sanitizer_cov_trace_pc(void) {
    const uintptr_t here = (uintptr_t)__builtin_return_address(0);
    uint8_t *reached = &fuzz_reached[(here ^ (fuzz_previous >> 1)) % FUZZ_EDGES];
    fuzz_previous = here;
    fuzz_edges += *reached == 0;
    *reached = 1;
}

static uint64_t fuzz_state;

static uint32_t fuzz_random(uint32_t below) {
    fuzz_state = fuzz_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((fuzz_state >> 33) % below);
}

/* A whole request with a right checksum: without these, hardly an input would get past it. */
static size_t fuzz_request(uint8_t *data) {
    uint8_t payload[FW_PAYLOAD_MAX];
    const uint32_t length = fuzz_random(8) == 0 ? fuzz_random(FW_PAYLOAD_MAX + 1) : fuzz_random(14);
    for (uint32_t i = 0; i < length; ++i) {
        payload[i] = (uint8_t)(fuzz_random(2) == 0 ? fuzz_random(3) : fuzz_random(256));
    }
    const uint32_t type = fuzz_random(16) == 0 ? fuzz_random(256) : 1 + fuzz_random(7);
    uint8_t wire[FW_WIRE_MAX];
    const size_t count =
        fw_frame_encode((uint8_t)fuzz_random(256), (uint8_t)type, payload, (uint8_t)length, wire);
    memcpy(data, wire, count);
    return count;
}

static size_t fuzz_mutate(uint8_t *data, size_t size) {
    for (uint32_t left = 1 + fuzz_random(4); left > 0; --left) {
        const uint32_t at = size > 0 ? fuzz_random((uint32_t)size) : 0;
        switch (fuzz_random(6)) {
            case 0:
                if (size > 0) {
                    data[at] ^= (uint8_t)(1u << fuzz_random(8));
                }
                break;
            case 1:
                if (size > 0) {
                    data[at] = (uint8_t)fuzz_random(256);
                }
                break;
            case 2: /* insert */
                if (size < FUZZ_INPUT_MAX) {
                    memmove(data + at + 1, data + at, size - at);
                    data[at] = (uint8_t)(fuzz_random(3) == 0 ? 0 : fuzz_random(256));
                    ++size;
                }
                break;
            case 3: /* drop */
                if (size > 0) {
                    memmove(data + at, data + at + 1, size - at - 1);
                    --size;
                }
                break;
            case 4:
                size = size > 0 ? at : 0;
                break;
            default: { /* a piece of another kept input behind it */
                const uint32_t other = fuzz_random(fuzz_kept_count);
                const size_t room = FUZZ_INPUT_MAX - size;
                const size_t count = fuzz_kept[other].size < room ? fuzz_kept[other].size : room;
                memcpy(data + size, fuzz_kept[other].data, count);
                size += count;
            }
        }
    }
    return size;
}

int main(int argc, char **argv) {
    const long executions = argc > 1 ? atol(argv[1]) : 100000;
    fuzz_state = argc > 2 ? (uint64_t)atoll(argv[2]) : 1;
    static uint8_t data[FUZZ_INPUT_MAX];
    fuzz_kept_count = 1; /* the empty input */
    for (long execution = 0; execution < executions; ++execution) {
        size_t size = 0;
        const uint32_t source = fuzz_random(8);
        if (source < 3) {
            size = fuzz_request(data);
        } else if (source == 3) {
            size = fuzz_random(64);
            for (size_t i = 0; i < size; ++i) {
                data[i] = (uint8_t)fuzz_random(256);
            }
        } else {
            const uint32_t base = fuzz_random(fuzz_kept_count);
            size = fuzz_kept[base].size;
            memcpy(data, fuzz_kept[base].data, size);
            size = fuzz_mutate(data, size);
        }
        const uint32_t before = fuzz_edges;
        fuzz_previous = 0;
        LLVMFuzzerTestOneInput(data, size);
        if (fuzz_edges > before && fuzz_kept_count < FUZZ_KEPT_MAX) {
            fuzz_kept[fuzz_kept_count].size = (uint16_t)size;
            memcpy(fuzz_kept[fuzz_kept_count++].data, data, size);
        }
    }
    printf("%ld executions, %u inputs kept, %u edges\n", executions, fuzz_kept_count, fuzz_edges);
    return 0;
}
