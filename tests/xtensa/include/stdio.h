// What the test programs need of stdio on the bare twin: inputs lie in the image, outputs go to the console.
#ifndef TWIN_STDIO_H
#define TWIN_STDIO_H

#include <stddef.h>

typedef int FILE;

FILE *fopen(const char *name, const char *mode);
size_t fread(void *to, size_t size, size_t count, FILE *file);
size_t fwrite(const void *from, size_t size, size_t count, FILE *file);
int fclose(FILE *file);

#endif
