/* SPDX-License-Identifier: Apache-2.0 */
#include "frames.h"

#include <stdlib.h>
#include <string.h>

enum { HEAD_SIZE = 9, ID_MASK = 0x7fffffff };

static void put(struct buf *out, struct str bytes)
{
    if (buf_append(out, bytes)) abort();
}

static void put_u32(struct buf *out, uint32_t n)
{
    const char bytes[] = {(char)(n >> 24), (char)(n >> 16), (char)(n >> 8), (char)n};
    put(out, str_n(bytes, sizeof bytes));
}

uint32_t frame_number(const char *p)
{
    const unsigned char *b = (const unsigned char *)p;
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

void frame_put(struct buf *out, unsigned type, unsigned flags, uint32_t stream, struct str payload)
{
    const char head[] = {(char)(payload.len >> 16), (char)(payload.len >> 8), (char)payload.len,
                         (char)type, (char)flags};
    put(out, str_n(head, sizeof head));
    put_u32(out, stream);
    put(out, payload);
}

void frame_put_number(struct buf *out, unsigned type, uint32_t stream, uint32_t number)
{
    struct buf payload;
    buf_init(&payload, 4);
    put_u32(&payload, number);
    frame_put(out, type, 0, stream, buf_str(&payload));
    buf_fini(&payload);
}

void frame_put_setting(struct buf *out, unsigned id, uint32_t value)
{
    struct buf payload;
    const char key[] = {(char)(id >> 8), (char)id};
    buf_init(&payload, 6);
    put(&payload, str_n(key, sizeof key));
    put_u32(&payload, value);
    frame_put(out, FRAME_SETTINGS, 0, 0, buf_str(&payload));
    buf_fini(&payload);
}

void frame_put_goaway(struct buf *out, uint32_t last, uint32_t code)
{
    struct buf payload;
    buf_init(&payload, 8);
    put_u32(&payload, last);
    put_u32(&payload, code);
    frame_put(out, FRAME_GOAWAY, 0, 0, buf_str(&payload));
    buf_fini(&payload);
}

/* A string of HPACK as it is (RFC 7541 section 5.2). */
static void put_string(struct buf *block, const char *text)
{
    enum { SHORT_MAX = 126 };
    size_t len = strlen(text), rest = len - SHORT_MAX - 1;
    char first = (char)MIN(len, (size_t)SHORT_MAX + 1);
    put(block, str_n(&first, 1));
    for (; len > SHORT_MAX; rest >>= 7) {
        char digit = (char)(rest > 127 ? (rest & 127) | 128 : rest);
        put(block, str_n(&digit, 1));
        if (rest <= 127) break;
    }
    put(block, str_of(text));
}

void field_put(struct buf *block, const char *name, const char *value)
{
    static const char literal = 0; /* without indexing (RFC 7541 section 6.2.2) */
    put(block, str_n(&literal, 1));
    put_string(block, name);
    put_string(block, value);
}

void frame_put_head(struct buf *out, uint32_t stream, bool last, const struct buf *block)
{
    frame_put(out, FRAME_HEADERS, FRAME_END_HEADERS | (last ? FRAME_END_STREAM : 0), stream,
              buf_str(block));
}

void frame_put_request(struct buf *out, uint32_t stream, bool last, const char *method,
                       const char *path)
{
    struct buf block;
    buf_init(&block, 10000);
    field_put(&block, ":method", method);
    field_put(&block, ":scheme", "http");
    field_put(&block, ":authority", "h");
    field_put(&block, ":path", path);
    frame_put_head(out, stream, last, &block);
    buf_fini(&block);
}

bool frame_next(struct str *rest, struct frame *out)
{
    if (rest->len < HEAD_SIZE) return false;
    const unsigned char *b = (const unsigned char *)rest->ptr;
    size_t len = (size_t)b[0] << 16 | (size_t)b[1] << 8 | b[2];
    if (rest->len < HEAD_SIZE + len) return false;
    *out = (struct frame){.type = b[3],
                          .flags = b[4],
                          .stream = frame_number(rest->ptr + 5) & ID_MASK,
                          .payload = str_sub(*rest, HEAD_SIZE, len)};
    *rest = str_skip(*rest, HEAD_SIZE + len);
    return true;
}

/* The statuses that HPACK has numbers for (RFC 7541 appendix A). */
static unsigned status_of(struct str block)
{
    static const unsigned statuses[] = {200, 204, 206, 304, 400, 404, 500};
    size_t i = block.len ? (size_t)((unsigned char)block.ptr[0] - 0x88) : SIZE_MAX;
    return i < ARRAY_LEN(statuses) ? statuses[i] : 0;
}

static void note_stream(const struct frame *f, struct told *out)
{
    uint32_t i = f->stream;
    if (i >= TOLD_STREAMS) return;
    if (f->type == FRAME_RST_STREAM) out->code[i] = frame_number(f->payload.ptr) + 1;
    if (f->type == FRAME_DATA) out->data[i] += f->payload.len;
    if (f->type == FRAME_HEADERS) {
        out->heads[i]++;
        out->status[i] = status_of(f->payload);
    }
    if (f->type <= FRAME_HEADERS && f->flags & FRAME_END_STREAM) out->ended[i] = true;
}

void frames_told(struct str bytes, struct told *out)
{
    struct frame f;
    *out = (struct told){0};
    while (frame_next(&bytes, &f)) {
        if (f.type >= FRAME_TYPES) continue;
        out->frames[f.type]++;
        if (f.type == FRAME_SETTINGS || f.type == FRAME_PING) out->acks += f.flags & FRAME_ACK;
        if (f.type == FRAME_GOAWAY) {
            out->goaways++;
            out->goaway_last = frame_number(f.payload.ptr) & ID_MASK;
            out->goaway_code = frame_number(f.payload.ptr + 4);
        }
        note_stream(&f, out);
    }
}
