/* SPDX-License-Identifier: Apache-2.0 */
/* Frames of HTTP/2 (RFC 9113 section 6) written and read by hand, for peers that do what no library
 * would. Field blocks are written without compression. */
#ifndef HOSTLER_TEST_FRAMES_H
#define HOSTLER_TEST_FRAMES_H

#include "base/base.h"
#include "base/buf.h"
#include "base/str.h"

enum frame_type {
    FRAME_DATA,
    FRAME_HEADERS,
    FRAME_PRIORITY,
    FRAME_RST_STREAM,
    FRAME_SETTINGS,
    FRAME_PUSH_PROMISE,
    FRAME_PING,
    FRAME_GOAWAY,
    FRAME_WINDOW_UPDATE,
    FRAME_CONTINUATION,
    FRAME_TYPES
};

enum { FRAME_END_STREAM = 1, FRAME_ACK = 1, FRAME_END_HEADERS = 4, FRAME_PADDED = 8 };

enum {
    H2_CODE_NO_ERROR,
    H2_CODE_PROTOCOL,
    H2_CODE_INTERNAL,
    H2_CODE_FLOW_CONTROL,
    H2_CODE_SETTINGS_TIMEOUT,
    H2_CODE_STREAM_CLOSED,
    H2_CODE_FRAME_SIZE,
    H2_CODE_REFUSED,
    H2_CODE_CANCEL,
    H2_CODE_COMPRESSION,
    H2_CODE_CONNECT,
    H2_CODE_CALM,
};

enum {
    SETTING_TABLE_SIZE = 1,
    SETTING_PUSH,
    SETTING_STREAMS,
    SETTING_WINDOW,
    SETTING_FRAME_SIZE,
};

#define H2_PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

/* --- writing --- */

void frame_put(struct buf *out, unsigned type, unsigned flags, uint32_t stream, struct str payload);

/* RST_STREAM and WINDOW_UPDATE. */
void frame_put_number(struct buf *out, unsigned type, uint32_t stream, uint32_t number);
void frame_put_setting(struct buf *out, unsigned id, uint32_t value);
void frame_put_goaway(struct buf *out, uint32_t last, uint32_t code);

/* A field of a block. */
void field_put(struct buf *block, const char *name, const char *value);

/* HEADERS of a whole block. */
void frame_put_head(struct buf *out, uint32_t stream, bool last, const struct buf *block);

/* A request for `path` of "h". */
void frame_put_request(struct buf *out, uint32_t stream, bool last, const char *method,
                       const char *path);

/* --- reading --- */

struct frame {
    unsigned type, flags;
    uint32_t stream;
    struct str payload;
};

/* Four bytes of a payload. */
uint32_t frame_number(const char *p);

/* Takes the first whole frame off `rest`. */
bool frame_next(struct str *rest, struct frame *out);

enum { TOLD_STREAMS = 512 };

/* What a peer has been told. */
struct told {
    unsigned frames[FRAME_TYPES];
    unsigned acks;                 /* of settings and pings */
    unsigned code[TOLD_STREAMS];   /* of each stream's reset, and 1 more; 0: none */
    unsigned heads[TOLD_STREAMS];  /* HEADERS of each stream */
    unsigned status[TOLD_STREAMS]; /* of the last of them, if HPACK has a number for it */
    bool ended[TOLD_STREAMS];      /* by END_STREAM */
    size_t data[TOLD_STREAMS];     /* bytes */
    unsigned goaways, goaway_code; /* the last one's */
    uint32_t goaway_last;
};

void frames_told(struct str bytes, struct told *out);

#endif
