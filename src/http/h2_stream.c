/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked of streams of HTTP/2. */
#include <errno.h>

#include "base/err.h"
#include "http/h2_priv.h"

/* Body bytes of all streams of a session together that may wait before nobody adds to them. */
enum { WAITING_MAX = 512 * 1024 };

void h2_stream_init(struct h2_stream *s, struct arena *arena, size_t out_max)
{
    *s = (struct h2_stream){.arena = arena};
    buf_init(&s->out, out_max);
    list_init(&s->link);
    h2__forget_head(s);
}

void h2_stream_fini(struct h2_stream *s)
{
    struct h2 *h = s->h2;
    if (h) {
        if (!h->over) {
            nghttp2_session_set_stream_user_data(h->session, s->id, NULL);
            h2__note(h, nghttp2_submit_rst_stream(h->session, 0, s->id, NGHTTP2_CANCEL));
            h2__pump(h);
        }
        h2__detach(s);
    }
    buf_fini(&s->out);
}

/* What is another one each time would only push others out of the table of fields that both sides
 * know (RFC 7541), and what is secret had better not get in (section 7.1). */
static bool is_not_for_table(enum http_header_id id)
{
    switch (id) {
    case HDR_X_REQUEST_ID:
    case HDR_X_CLIENT_REQUEST_ID:
    case HDR_TRACEPARENT:
    case HDR_AUTHORIZATION:
    case HDR_X_API_KEY:
    case HDR_API_KEY: return true;
    default: return false;
    }
}

static nghttp2_nv nv(struct str name, struct str value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name.ptr, (uint8_t *)(uintptr_t)value.ptr, name.len,
                        value.len, NGHTTP2_NV_FLAG_NONE};
}

/* Names are lower case here (RFC 9113 section 8.2.1); what is about a connection has no place. */
static struct str lower_name(struct arena *arena, const struct http_field *f)
{
    if (f->id != HDR_OTHER) return http_header_name(f->id);
    char *out = arena_try(arena, f->name.len + 1);
    for (size_t i = 0; out && i < f->name.len; i++)
        out[i] = f->name.ptr[i] >= 'A' && f->name.ptr[i] <= 'Z' ? (char)(f->name.ptr[i] | 0x20)
                                                                : f->name.ptr[i];
    return out ? str_n(out, f->name.len) : STR_NULL;
}

static bool is_about_connection(enum http_header_id id)
{
    return id == HDR_CONNECTION || id == HDR_TRANSFER_ENCODING || id == HDR_UPGRADE;
}

/* Appends the fields at nvs[*n]; false: no memory. */
static bool put_fields(struct arena *arena, const struct http_field *fields, unsigned count,
                       nghttp2_nv *nvs, size_t *n)
{
    for (unsigned i = 0; i < count; i++) {
        if (is_about_connection(fields[i].id)) continue;
        struct str name = lower_name(arena, &fields[i]);
        if (!name.ptr) return false;
        nvs[*n] = nv(name, fields[i].value);
        if (is_not_for_table(fields[i].id)) nvs[*n].flags |= NGHTTP2_NV_FLAG_NO_INDEX;
        (*n)++;
    }
    return true;
}

/* Slices are what h2_write sends; nothing of them is kept. */
static void set_slices(struct h2_stream *s, const struct str *slices, unsigned count)
{
    s->slices = slices;
    s->slice_skip = s->slices_left = 0;
    for (unsigned i = 0; i < count; i++)
        s->slices_left += slices[i].len;
}

static int keep_rest(struct h2_stream *s)
{
    size_t before = buf_len(&s->out);
    int err = 0;
    while (s->slices_left && !err) {
        struct str rest = str_skip(*s->slices, s->slice_skip);
        err = buf_append(&s->out, rest);
        s->slices_left -= rest.len;
        s->slices++;
        s->slice_skip = 0;
    }
    s->slices = NULL;
    s->slices_left = 0;
    if (s->h2) s->h2->waiting += buf_len(&s->out) - before;
    if (buf_len(&s->out) > s->low_mark) s->above = true;
    return err;
}

int h2_request(struct h2 *h, struct h2_stream *s, struct str scheme, const struct http_request *r)
{
    enum { PSEUDO = 4, LENGTH = 1 };
    char digits[STR_U64_ROOM];
    uint64_t length;
    size_t n = 0;
    bool says = http_request_length(r, &length);
    if (h2_room(h) == 0) return ERR_FULL;
    nghttp2_nv *nvs = arena_try(s->arena, (r->field_count + PSEUDO + LENGTH) * sizeof *nvs);
    if (!nvs) return -ENOMEM;
    nvs[n++] = nv(STR(":method"), http_method_name(r->method));
    nvs[n++] = nv(STR(":scheme"), scheme);
    nvs[n++] = nv(STR(":authority"), r->authority);
    nvs[n++] = nv(STR(":path"), r->target);
    if (!put_fields(s->arena, r->fields, r->field_count, nvs, &n)) return -ENOMEM;
    if (says) nvs[n++] = nv(STR("content-length"), str_of_u64(length, 10, digits));
    set_slices(s, r->body, r->body_count);
    s->out_last = true;
    const nghttp2_data_provider provider = h2__provider();
    int32_t id = nghttp2_submit_request(h->session, NULL, nvs, n, length ? &provider : NULL, s);
    if (id < 0) {
        set_slices(s, NULL, 0);
        return id == NGHTTP2_ERR_NOMEM ? -ENOMEM : ERR_FULL;
    }
    s->h2 = h;
    s->id = id;
    list_push_back(&h->streams, &s->link);
    h->count++;
    s->beginning = true;
    h2__pump(h);
    s->beginning = false;
    if (!s->h2) return -ENOMEM; /* its head could not be written */
    return s->slices_left ? keep_rest(s) : 0;
}

int h2_respond(struct h2_stream *s, int status, const struct http_field *fields, unsigned count,
               bool last)
{
    enum { PSEUDO = 1 };
    char digits[STR_U64_ROOM];
    size_t n = 0;
    nghttp2_nv *nvs = arena_try(s->arena, (count + PSEUDO) * sizeof *nvs);
    if (!nvs) return -ENOMEM;
    nvs[n++] = nv(STR(":status"), str_of_u64((uint64_t)status, 10, digits));
    if (!put_fields(s->arena, fields, count, nvs, &n)) return -ENOMEM;
    s->out_last = last;
    const nghttp2_data_provider provider = h2__provider();
    int err = nghttp2_submit_response(s->h2->session, s->id, nvs, n, last ? NULL : &provider);
    return err ? -ENOMEM : 0;
}

int h2_respond_interim(struct h2_stream *s, int status)
{
    char digits[STR_U64_ROOM];
    nghttp2_nv one = nv(STR(":status"), str_of_u64((uint64_t)status, 10, digits));
    int err = nghttp2_submit_headers(s->h2->session, 0, s->id, NULL, &one, 1, NULL);
    h2__pump(s->h2);
    return err ? -ENOMEM : 0;
}

int h2_write(struct h2_stream *s, const struct str *slices, unsigned count, bool last)
{
    struct h2 *h = s->h2;
    set_slices(s, slices, count);
    if (last) s->out_last = true;
    if (s->out_idle && (last || s->slices_left)) {
        s->out_idle = false;
        h2__note(h, nghttp2_session_resume_data(h->session, s->id));
    }
    h2__pump(h);
    int err = keep_rest(s);
    if (err) s->out_last = false; /* what is lost is not the end */
    return err;
}

void h2_consume(struct h2_stream *s, size_t n)
{
    if (!s->h2 || s->h2->over) return;
    n = MIN(n, s->unconsumed);
    if (n == 0) return;
    s->unconsumed -= n;
    h2__note(s->h2, nghttp2_session_consume(s->h2->session, s->id, n));
    h2__pump(s->h2);
}

void h2_widen(struct h2_stream *s, uint32_t window)
{
    if (!s->h2 || s->h2->over) return;
    h2__note(s->h2,
             nghttp2_session_set_local_window_size(s->h2->session, 0, s->id, (int32_t)window));
    h2__pump(s->h2);
}

void h2_reset(struct h2_stream *s, enum h2_reset code)
{
    if (!s->h2 || s->h2->over) return;
    h2__note(s->h2, nghttp2_submit_rst_stream(s->h2->session, 0, s->id, (uint32_t)code));
    h2__pump(s->h2);
}

size_t h2_pending(const struct h2_stream *s)
{
    size_t own = buf_len(&s->out);
    return own && s->h2 && s->h2->waiting > WAITING_MAX ? SIZE_MAX : own;
}

void h2_set_low_mark(struct h2_stream *s, size_t low)
{
    s->low_mark = low;
    s->above = buf_len(&s->out) > low;
}
