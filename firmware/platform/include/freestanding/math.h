/* The part of <math.h> that kernels use, for toolchains without a C library; fw_float.c defines it. */
#ifndef FW_MATH_H
#define FW_MATH_H

float expf(float x);

#endif
