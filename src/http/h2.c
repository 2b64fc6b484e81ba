/* SPDX-License-Identifier: Apache-2.0 */
#include "http/h2.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/mem.h"
#include "http/h2_priv.h"

enum {
    /* What waits for the transport, one frame more, and what nghttp2 wants to say beside the bodies. */
    OUT_MAX = 1 << 20,
    /* Heads that are sent; who makes them has lower limits. nghttp2 drops larger ones. */
    HEAD_SENT_MAX = 4 << 20,
};

static int err_of_library(const struct h2 *h, int code)
{
    if (code == NGHTTP2_ERR_NOMEM) return -ENOMEM;
    return code == NGHTTP2_ERR_FLOODED || h->flooded ? ERR_FULL : ERR_PROTOCOL;
}

int h2_feed(struct h2 *h, struct str bytes, const char **why)
{
    *why = NULL;
    if (h->over) return 0;
    h->busy = true;
    /* The library tells nothing of frames that it passes over: what it tells of is taken off again. */
    h->waste += (int64_t)bytes.len;
    ssize_t n = nghttp2_session_mem_recv(h->session, (const uint8_t *)bytes.ptr, bytes.len);
    h->busy = false;
    h2__weigh(h);
    int err = n < 0 ? err_of_library(h, (int)n) : h->flooded ? ERR_FULL : 0;
    if (err == ERR_PROTOCOL) *why = h->why ? h->why : nghttp2_strerror((int)n);
    if (err) {
        h2_abandon(h, err);
        return err;
    }
    err = h2__make_frames(h);
    if (err || h2__wants_anything(h)) return err;
    h->over = true;
    task_cancel(&h->flush);
    err = h2__write_out(h);
    return err ? err : h2__end_of(h, why);
}

/* --- the session --- */

#ifdef HOSTLER_FAULTS

static void *try_malloc(size_t size, void *user UNUSED)
{
    return fault_point(FAULT_LIBRARY) ? NULL : malloc(size);
}

static void *try_calloc(size_t count, size_t size, void *user UNUSED)
{
    return fault_point(FAULT_LIBRARY) ? NULL : calloc(count, size);
}

static void *try_realloc(void *ptr, size_t size, void *user UNUSED)
{
    return fault_point(FAULT_LIBRARY) ? NULL : realloc(ptr, size);
}

static void give_back(void *ptr, void *user UNUSED)
{
    free(ptr);
}

static nghttp2_mem *memory(void)
{
    static nghttp2_mem all = {
        .malloc = try_malloc, .free = give_back, .calloc = try_calloc, .realloc = try_realloc};
    return &all;
}

#else

static nghttp2_mem *memory(void)
{
    return NULL; /* the standard */
}

#endif

static int set_up(struct h2 *h)
{
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *option = NULL;
    int err = nghttp2_session_callbacks_new(&callbacks);
    if (!err) err = nghttp2_option_new(&option);
    if (err) goto out;
    h2__set_receive_callbacks(callbacks);
    h2__set_send_callbacks(callbacks);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_max_send_header_block_length(option, HEAD_SENT_MAX);
    err = h->settings.server
              ? nghttp2_session_server_new3(&h->session, callbacks, h, option, memory())
              : nghttp2_session_client_new3(&h->session, callbacks, h, option, memory());
out:
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
    return err ? -ENOMEM : 0;
}

static int greet(struct h2 *h)
{
    const struct h2_settings *s = &h->settings;
    nghttp2_settings_entry entries[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, s->streams_max},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, s->stream_window},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)s->limits.head_max},
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
    };
    size_t count = ARRAY_LEN(entries) - (s->server ? 1 : 0);
    int err = nghttp2_submit_settings(h->session, 0, entries, count);
    if (!err) err = nghttp2_session_set_local_window_size(h->session, 0, 0, (int32_t)s->window);
    return err ? -ENOMEM : 0;
}

int h2_new(struct loop *l, struct stream *stream, const struct h2_settings *settings,
           const struct h2_events *events, void *owner, struct h2 **out)
{
    struct h2 *h = mem_try_zero(1, sizeof *h);
    if (!h) return -ENOMEM;
    *h = (struct h2){.loop = l,
                     .stream = stream,
                     .settings = *settings,
                     .events = events,
                     .owner = owner,
                     .calm = H2_CALM_MAX,
                     .calm_us = loop_now(l)};
    list_init(&h->streams);
    task_init(&h->flush, h2__run_flush);
    buf_init(&h->out, OUT_MAX);
    int err = set_up(h);
    if (!err) err = greet(h);
    if (err) {
        h2_free(h);
        return err;
    }
    h2__pump(h);
    *out = h;
    return 0;
}

void h2_free(struct h2 *h)
{
    if (!h) return;
    h->over = true;
    LIST_EACH_SAFE(&h->streams, it, next)
    {
        struct h2_stream *s = LIST_ITEM(it, struct h2_stream, link);
        list_remove(&s->link);
        s->h2 = NULL;
    }
    task_cancel(&h->flush);
    nghttp2_session_del(h->session);
    buf_fini(&h->out);
    free(h);
}

unsigned h2_room(const struct h2 *h)
{
    if (h->over || h->peer_leaves || !nghttp2_session_check_request_allowed(h->session)) return 0;
    uint32_t max =
        nghttp2_session_get_remote_settings(h->session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
    max = MIN(max, h->settings.streams_max);
    return max > h->count ? max - h->count : 0;
}

bool h2_peer_leaves(const struct h2 *h)
{
    return h->peer_leaves;
}

void h2_leave(struct h2 *h, bool last)
{
    if (h->over) return;
    h->left = last;
    if (!last)
        h2__note(h, nghttp2_submit_shutdown_notice(h->session));
    else
        h2__note(h, nghttp2_submit_goaway(h->session, 0,
                                          nghttp2_session_get_last_proc_stream_id(h->session),
                                          NGHTTP2_NO_ERROR, NULL, 0));
    h2__pump(h);
}

void h2_abandon(struct h2 *h, int err)
{
    uint32_t code = err == ERR_FULL       ? NGHTTP2_ENHANCE_YOUR_CALM
                    : err == ERR_PROTOCOL ? NGHTTP2_PROTOCOL_ERROR
                    : err == 0            ? NGHTTP2_NO_ERROR
                                          : NGHTTP2_INTERNAL_ERROR;
    if (h->over) return;
    (void)nghttp2_session_terminate_session(h->session, code);
    int failed = h2__make_frames(h);
    if (!failed) failed = h2__write_out(h);
    (void)failed; /* there is nobody to tell */
    buf_release(&h->out);
    h->over = true;
    task_cancel(&h->flush);
}

void h2_ping(struct h2 *h)
{
    if (h->over) return;
    h2__note(h, nghttp2_submit_ping(h->session, 0, NULL));
    h2__pump(h);
}
