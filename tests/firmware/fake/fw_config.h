#ifndef FW_CONFIG_H
#define FW_CONFIG_H
#define FW_BOARD "fake-board"
#define FW_RUNTIME "aot"
#define FW_CLOCK_HZ 64000000u
#endif
