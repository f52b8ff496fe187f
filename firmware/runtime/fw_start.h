/* Entry into the firmware on boards without an Arduino core: main() calls it and never gets back. */
#ifndef FW_START_H
#define FW_START_H

_Noreturn void fw_start(void);

#endif
