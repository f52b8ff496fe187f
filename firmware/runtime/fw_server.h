/* Answers requests on the serial link: describe, load, run, read back. docs/protocol.md describes them. */
#ifndef FW_SERVER_H
#define FW_SERVER_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
    FW_REQUEST_HELLO = 0x01,
    FW_REQUEST_LOAD = 0x02,
    FW_REQUEST_RUN = 0x03,
    FW_REQUEST_OUTPUT = 0x04,
    FW_REQUEST_PROFILE = 0x05,
    FW_REQUEST_STACK = 0x06,
    FW_REQUEST_RESET = 0x07,
    FW_REQUEST_LEAVE = 0x08,
    FW_REPLY = 0x80,   /* added to the request's type */
    FW_RUNNING = 0x8F, /* a RUN has begun; its reply follows */
    FW_NAK = 0xFF
} fw_type;

typedef enum {
    FW_ERROR_FRAME = 1,     /* coding, length or CRC wrong: send it again */
    FW_ERROR_VERSION = 2,   /* another protocol version */
    FW_ERROR_REQUEST = 3,   /* no such request */
    FW_ERROR_LENGTH = 4,    /* payload too short or too long for its type */
    FW_ERROR_INDEX = 5,     /* no such input, output or layer */
    FW_ERROR_RANGE = 6,     /* past the end of the tensor */
    FW_ERROR_NO_INPUT = 7,  /* what is in the input memory is not what RUN's checksum says: load it (again) */
    FW_ERROR_NO_OUTPUT = 8, /* no single run since the last load: load an input first */
    FW_ERROR_NO_PROFILE = 9 /* built without MODEL_PROFILE */
} fw_error;

enum { FW_RUN_MAX = 8 };

/* Bring up board, model and link. */
void fw_setup(void);

/* Take one byte from the link, if there is one, and answer if it ends a request. Call for ever. */
void fw_loop(void);

#ifdef __cplusplus
}
#endif
#endif
