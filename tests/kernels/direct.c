// Calls kernels with what a file says: constants, parameters and inputs, thousands of cases in one program.
// The dispatch in calls.h is generated: one case for each way in which the compiler calls a kernel.
//
// Every array is malloc'ed at its exact size, so that AddressSanitizer sees each byte read or written beside
// it.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "calls.h"

enum { DATA = 0, INPUT = 1, OUTPUT = 2, MAX_ARGUMENTS = 16 };

// As it lies in the file; `bytes` of content follow for DATA, `samples * bytes` for INPUT.
typedef struct {
    int32_t kind, bytes;
} argument;

typedef struct {
    int32_t call, arguments, samples;
    int32_t overlap;   // which argument the output may overwrite, or -1
    int32_t distance;  // how far that one has to start after the output
} header;

static void read_all(void *to, size_t bytes, FILE *from) {
    if (fread(to, 1, bytes, from) != bytes) {
        exit(3);
    }
}

static void *memory(size_t bytes) {
    void *found = malloc(bytes ? bytes : 1);
    if (!found) {
        exit(4);
    }
    return found;
}

// Runs one case on separate memory, and again with its output over its input; both must agree.
static void run_case(const header *h, FILE *from, FILE *to) {
    argument about[MAX_ARGUMENTS];
    void *content[MAX_ARGUMENTS], *pointers[MAX_ARGUMENTS];
    int32_t output = 0;
    for (int32_t i = 0; i < h->arguments; i++) {
        read_all(&about[i], sizeof about[i], from);
        const size_t bytes = (size_t)about[i].bytes * (about[i].kind == INPUT ? (size_t)h->samples : 1);
        content[i] = memory(bytes);
        if (about[i].kind == OUTPUT) {
            output = i;
        } else {
            read_all(content[i], bytes, from);
        }
    }
    const size_t out_bytes = (size_t)about[output].bytes;
    for (int32_t s = 0; s < h->samples; s++) {
        for (int32_t i = 0; i < h->arguments; i++) {
            pointers[i] = content[i];
            if (about[i].kind == INPUT) {
                const size_t bytes = (size_t)about[i].bytes;
                pointers[i] = memory(bytes);
                memcpy(pointers[i], (const char *)content[i] + (size_t)s * bytes, bytes);
            }
        }
        call(h->call, pointers);
        if (fwrite(content[output], 1, out_bytes, to) != out_bytes) {
            exit(5);
        }
        if (h->overlap >= 0) {
            const size_t in_bytes = (size_t)about[h->overlap].bytes, distance = (size_t)h->distance;
            char *shared = memory(distance + in_bytes > out_bytes ? distance + in_bytes : out_bytes);
            memcpy(shared + distance, pointers[h->overlap], in_bytes);
            void *overlapping[MAX_ARGUMENTS];
            memcpy(overlapping, pointers, sizeof pointers);
            overlapping[h->overlap] = shared + distance;
            overlapping[output] = shared;
            call(h->call, overlapping);
            if (memcmp(shared, content[output], out_bytes)) {
                fprintf(stderr, "sample %d differs when the output overwrites the input\n", (int)s);
                exit(6);
            }
            free(shared);
        }
        for (int32_t i = 0; i < h->arguments; i++) {
            if (about[i].kind == INPUT) {
                free(pointers[i]);
            }
        }
    }
    for (int32_t i = 0; i < h->arguments; i++) {
        free(content[i]);
    }
}

int main(void) {
    FILE *from = fopen("cases.bin", "rb"), *to = fopen("outputs.bin", "wb");
    header h;
    if (!from || !to) {
        return 2;
    }
    for (int32_t number = 0; fread(&h, sizeof h, 1, from) == 1; number++) {
        fprintf(stderr, "case %d\n", (int)number);
        run_case(&h, from, to);
    }
    fclose(from);
    return fclose(to) ? 5 : 0;
}
