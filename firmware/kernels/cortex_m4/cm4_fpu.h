// Kernels that keep words in the registers of the floating-point unit: 32 that VMOV reaches without an
// address.
#ifndef FT_CM4_FPU_H
#define FT_CM4_FPU_H

#if !(__ARM_FP & 4)
#error "this kernel needs the FPU: compile with -mfpu=fpv4-sp-d16 and -mfloat-abi=hard or softfp"
#endif

#endif
