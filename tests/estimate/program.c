// A model_invoke whose every instruction and taken branch can be counted by hand.
#include "image.h"

void model_invoke(void);

__asm(
    ".text\n"
    ".thumb\n"
    ".syntax unified\n"
    ".global model_invoke\n"
    ".type model_invoke, %function\n"
    ".thumb_func\n"
    "model_invoke:\n"
    "    push {r4, r5}\n"
    "    movs r0, #100\n"
    "    mov r2, sp\n"
    "    adr r4, 3f\n"
    "    ldrd r3, r5, [r4]\n"
    "1:  ldr r1, [r2]\n"
    "    ldr r3, [r4, #4]\n"
    "    subs r0, #1\n"
    "    bne 1b\n"
    "    movs r1, #7\n"
    "    udiv r0, r1, r1\n"
    "    cbz r0, 2f\n"
    "    adds r0, #1\n"
    "2:  pop {r4, r5}\n"
    "    bx lr\n"
    "    .balign 4\n"
    "3:  .word 1, 2\n");

int main(void) {
    model_invoke();
    model_invoke();
    return 0;
}
