/* What the firmware needs from a board. One file per board family in ports/ supplies it; nothing else
 * differs. */
#ifndef FW_PORT_H
#define FW_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What fw_port_ticks() counts. The numbers travel in HELLO. */
typedef enum { FW_TICK_CYCLES = 0, FW_TICK_INSTRUCTIONS = 1, FW_TICK_NANOSECONDS = 2 } fw_tick_kind;

typedef struct {
    fw_tick_kind kind;
    uint32_t scale; /* units per tick */
    bool simulated; /* a twin, not the board itself: the host must not take its figures for the board's */
} fw_clock;

typedef struct {
    uint8_t *low;  /* lowest byte that the stack may use */
    uint8_t *high; /* one past the highest */
} fw_stack_bounds;

/* What one tick is. */
fw_clock fw_port_clock(void);

/* Called once, before anything else. */
void fw_port_init(void);

/* The next received byte, or -1 when there is none now; a port may doze for a while before it says so. */
int fw_port_read(void);

/* Send all bytes; returns when they are handed to the hardware. */
void fw_port_write(const uint8_t *bytes, size_t length);

/* Time since some moment; never goes back. */
uint64_t fw_port_ticks(void);

/* Told when the model starts and stops running, outside of what is timed: light a lamp, say. */
void fw_port_busy(bool busy);

/* Where the running stack lies. */
fw_stack_bounds fw_port_stack(void);

/* Whether the link was lent by somebody to whom it can be given back: a shell on a console. Most boards have
 * nobody (the server has that answer for ports that do not define the two functions). */
bool fw_port_is_guest(void);

/* Give the link back and end; only where fw_port_is_guest() says so. */
void fw_port_leave(void);

#ifdef __cplusplus
}
#endif
#endif
