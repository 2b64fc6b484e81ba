/* SPDX-License-Identifier: Apache-2.0 */
/* Frames of HTTP/2 to a real server: whatever comes, what goes back is well-formed, every call ends
 * once, and the connection does, too. */
#include <stdlib.h>
#include <string.h>

#include "../sim/sim.h"
#include "base/clock.h"
#include "frames_of.h"
#include "http/server.h"

#define CHECK(fact) ((fact) ? (void)0 : abort())
#define SEC ((uint64_t)USEC_PER_SEC)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 16384, OUT_MAX = 1 << 20, STREAMS = 1 << 17, LARGE = 200000 };

static const struct http_server_limits limits = {
    .head = {.head_max = 1000, .header_max = 20},
    .body_max = 20000,
    .connections_max = 2,
    .head_timeout_us = 5 * SEC,
    .body_timeout_us = 5 * SEC,
    .idle_timeout_us = 20 * SEC,
    .write_timeout_us = 5 * SEC,
    .h2_streams_max = 10,
};

struct world {
    struct sim *sim;
    struct http_server server;
    unsigned begun, ended;
};

/* One call's handling; lives on the call's arena. */
struct echo {
    struct task task;
    struct http_call *call;
    struct world *world;
};

static void end(struct echo *e)
{
    e->world->ended++;
    task_cancel(&e->task);
}

static void answer(struct echo *e)
{
    static const char large[LARGE];
    struct http_call *c = e->call;
    struct http_field field = HTTP_FIELD(CONTENT_TYPE, STR("text/plain"));
    struct str body = c->body;
    end(e);
    switch (c->head->path.len > 1 ? c->head->path.ptr[1] : 0) {
    case 'a': /* not whole */
        call_begin(c, 200, &field, 1, body.len + 10);
        call_write(c, &body, 1, false);
        call_end(c);
        break;
    case 'l': call_reply(c, 200, &field, 1, str_n(large, sizeof large)); break;
    case 'n': call_reply(c, 204, &field, 1, STR_NULL); break;
    case 's': /* in pieces */
        call_begin(c, 200, &field, 1, HTTP_LENGTH_UNKNOWN);
        call_flush(c);
        call_write(c, &body, 1, false);
        call_write(c, NULL, 0, true);
        call_end(c);
        break;
    case 'x': call_abort(c); break;
    default: call_reply(c, 200, &field, 1, body);
    }
}

static void run_echo(struct task *task)
{
    struct echo *e = CONTAINER_OF(task, struct echo, task);
    struct http_call *c = e->call;
    if (c->gone) {
        end(e);
        call_end(c);
    } else if (c->body_err) {
        end(e);
        call_reply(c, 400, NULL, 0, STR("bad body"));
    } else if (c->body_done) {
        answer(e);
    }
}

/* What every handler may rely on. */
static void check_head(const struct http_head *head)
{
    CHECK(str_starts(head->path, STR("/")) || str_eq(head->path, STR("*")));
    CHECK(head->authority.ptr && (head->authority.len == 0 || http_host_ok(head->authority)));
    CHECK(head->field_count <= limits.head.header_max);
    for (unsigned i = 0; i < head->field_count; i++) {
        struct str name = head->fields[i].name, value = head->fields[i].value;
        CHECK(name.len && name.ptr[0] != ':');
        for (size_t n = 0; n < name.len; n++)
            CHECK(name.ptr[n] > ' ' && (name.ptr[n] < 'A' || name.ptr[n] > 'Z'));
        CHECK(str_find_char(value, '\n') < 0 && str_find_char(value, '\r') < 0);
        CHECK(str_find_char(value, '\0') < 0);
    }
}

static void on_call(void *user, struct http_call *call)
{
    struct world *w = user;
    struct echo *e = arena_zalloc(call->arena, sizeof *e);
    w->begun++;
    if (call->refused) {
        w->ended++;
        CHECK(call->refused >= 400 && call->refused_why);
        call_reply(call, call->refused, NULL, 0, str_of(call->refused_why));
        return;
    }
    check_head(call->head);
    *e = (struct echo){.call = call, .world = w};
    task_init(&e->task, run_echo);
    call->task = &e->task;
    if (call->head->path.len > 1 && call->head->path.ptr[1] == 'u') { /* answered unread */
        end(e);
        call_reply(call, 401, NULL, 0, STR("no"));
        return;
    }
    call_read_body(call, limits.body_max);
}

/* Streams have a head before a body, and nothing behind their end. */
static void check_frames(struct str bytes)
{
    enum { NOTHING, HEAD, ENDED };
    unsigned char *streams = calloc(STREAMS, 1);
    struct frame f;
    while (frame_next(&bytes, &f)) {
        CHECK(f.type < FRAME_TYPES && f.type != FRAME_PUSH_PROMISE && f.payload.len <= 16384);
        if (f.type > FRAME_HEADERS || f.stream >= STREAMS) continue;
        CHECK(f.stream % 2 == 1 && streams[f.stream] != ENDED);
        CHECK(f.type == FRAME_HEADERS || streams[f.stream] == HEAD);
        streams[f.stream] = f.flags & FRAME_END_STREAM ? ENDED : HEAD;
    }
    CHECK(bytes.len == 0);
    free(streams);
}

static void serve(struct str frames, struct str cuts, size_t window)
{
    struct world w = {.sim = sim_new(1000 * SEC)};
    http_server_init(&w.server, w.sim->loop, &limits);
    w.server.on_call = on_call;
    w.server.user = &w;
    struct sim_peer *client = sim_connect(w.sim, &w.server.acceptor);
    if (window) client->window = window;
    sim_send_text(client, H2_PREFACE);
    for (size_t at = 0, turn = 0; at < frames.len;) {
        size_t n = cuts.len ? (size_t)(unsigned char)cuts.ptr[turn++ % cuts.len] + 1 : frames.len;
        sim_send(client, str_sub(frames, at, n));
        at += n;
        if (window) sim_take(client, n);
    }
    sim_take(client, SIZE_MAX);
    sim_advance(w.sim, 100 * SEC);
    CHECK(client->closed);
    CHECK(w.server.conn_count == 0);
    CHECK(w.begun == w.ended);
    check_frames(sim_got(client));
    http_server_fini(&w.server);
    sim_free(w.sim);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str all = str_n((const char *)data, size), cuts = str_sub(all, 1, 4);
    struct buf frames;
    if (size == 0 || size > INPUT_MAX) return 0;
    buf_init(&frames, OUT_MAX);
    frames_of(str_skip(all, 5), data[0] & FRAMES_RAW, &frames);
    serve(buf_str(&frames), STR_NULL, 0);
    serve(buf_str(&frames), cuts, 1000);
    buf_fini(&frames);
    return 0;
}
