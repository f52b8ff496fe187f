/* The file descriptor on which the simulated Jetson Nano's instruction counter answers (see
 * count_instructions.c). */
#ifndef FW_COUNTER_H
#define FW_COUNTER_H

#define FW_COUNTER_FD 199

#endif
