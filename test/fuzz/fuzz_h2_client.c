/* SPDX-License-Identifier: Apache-2.0 */
/* Frames of HTTP/2 to real fetches that share a connection: they end in the same way with the same
 * bytes however the frames are cut. Two things may depend on it. What follows a broken stream is
 * passed over when its reset has gone, and ends the connection before, with all fetches on it. And
 * how far a window can be opened depends on what has been sent. */
#include <stdlib.h>
#include <string.h>

#include "../sim/sim.h"
#include "base/clock.h"
#include "base/err.h"
#include "frames_of.h"
#include "http/client.h"

#define CHECK(fact) ((fact) ? (void)0 : abort())
#define SEC ((uint64_t)USEC_PER_SEC)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 16384, OUT_MAX = 1 << 20, FETCHES = 3, UPLOAD = 100000 };

struct one {
    struct task task;
    struct fetch f;
    struct buf body;
    unsigned wakes;
    bool lazy; /* takes the body every other time */
};

/* How a fetch ended. */
struct ended {
    struct buf words;
    bool broken; /* the peer broke the protocol, or flooded */
};

struct world {
    struct sim *sim;
    struct http_client client;
    struct arena arena;
    struct one one[FETCHES];
};

static void take(struct one *o)
{
    CHECK(buf_append(&o->body, fetch_take(&o->f)) == 0);
}

static void on_fact(struct task *task)
{
    struct one *o = CONTAINER_OF(task, struct one, task);
    if (!o->lazy || o->wakes++ % 2) take(o);
}

static void begin(struct world *w, struct one *o, enum http_method method, const struct str *body)
{
    task_init(&o->task, on_fact);
    buf_init(&o->body, OUT_MAX);
    o->f = (struct fetch){.client = &w->client,
                          .arena = &w->arena,
                          .task = &o->task,
                          .way = {.addr = {.host = STR("h"), .port = 80}, .http = WAY_HTTP_2},
                          .key = STR("h"),
                          .request = {.method = method,
                                      .target = STR("/"),
                                      .authority = STR("h"),
                                      .body = body,
                                      .body_count = body ? 1 : 0}};
    fetch_start(&o->f);
}

/* How it ended, in words. Of a body that is refused more or less may have come before. */
static void tell(struct one *o, struct ended *t)
{
    const struct fetch *f = &o->f;
    take(o);
    CHECK(fetch_ended(f));
    CHECK(f->state == FETCH_DONE ? f->head && !f->err : f->err < 0);
    t->broken = f->err == ERR_PROTOCOL || f->err == ERR_FULL;
    buf_init(&t->words, OUT_MAX);
    CHECK(buf_printf(&t->words, "%d %d %" STR_FMT, f->state == FETCH_DONE,
                     f->head ? f->head->status : 0,
                     STR_ARG(f->state == FETCH_DONE ? buf_str(&o->body) : STR(""))) == 0);
    if (f->state == FETCH_DONE && f->head->has_length && f->request.method != METHOD_HEAD &&
        f->head->status != 304)
        CHECK(f->head->length == buf_len(&o->body));
}

static void fetch(struct str frames, struct str cuts, struct ended *told)
{
    static const struct h1_limits limits = {.head_max = 1000, .header_max = 20};
    static const char bytes[UPLOAD];
    const struct str upload = str_n(bytes, sizeof bytes);
    struct world w = {.sim = sim_new(1000 * SEC)};
    http_client_init(&w.client, w.sim->loop, &limits, 2, 10 * SEC);
    arena_init(&w.arena, SIZE_MAX, 1024);
    begin(&w, &w.one[0], METHOD_GET, NULL);
    begin(&w, &w.one[1], METHOD_POST, &upload);
    begin(&w, &w.one[2], METHOD_HEAD, NULL);
    w.one[1].lazy = cuts.len > 0;
    sim_run(w.sim);
    struct sim_peer *up = sim_dialled(w.sim, 0);
    for (size_t at = 0, turn = 0; at < frames.len;) {
        size_t n = cuts.len ? (size_t)(unsigned char)cuts.ptr[turn++ % cuts.len] + 1 : frames.len;
        sim_send(up, str_sub(frames, at, n));
        at += n;
    }
    if (!up->closed) sim_fin(up);
    for (int i = 0; i < FETCHES; i++) {
        tell(&w.one[i], &told[i]);
        fetch_end(&w.one[i].f);
        task_cancel(&w.one[i].task);
        buf_fini(&w.one[i].body);
    }
    sim_run(w.sim);
    CHECK(up->closed);
    http_client_fini(&w.client);
    arena_fini(&w.arena);
    sim_free(w.sim);
}

/* Whether a window would be opened too far if nothing were sent meanwhile. */
static bool opens_too_far(struct str frames)
{
    enum { SETTING_SIZE = 6 };
    uint64_t opened = 0, initial = UINT16_MAX;
    struct frame f;
    while (frame_next(&frames, &f)) {
        struct str p = f.payload;
        if (f.type == FRAME_WINDOW_UPDATE && p.len >= 4) opened += frame_number(p.ptr) & INT32_MAX;
        if (f.type != FRAME_SETTINGS) continue;
        for (; p.len >= SETTING_SIZE; p = str_skip(p, SETTING_SIZE))
            if (p.ptr[1] == SETTING_WINDOW) initial = MAX(initial, frame_number(p.ptr + 2));
    }
    return initial + opened > INT32_MAX;
}

static bool any_broken(const struct ended *told)
{
    bool any = false;
    for (int i = 0; i < FETCHES; i++)
        any |= told[i].broken;
    return any;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str all = str_n((const char *)data, size), cuts = str_sub(all, 1, 4);
    struct buf frames;
    struct ended told[2][FETCHES];
    if (size == 0 || size > INPUT_MAX) return 0;
    buf_init(&frames, OUT_MAX);
    frames_of(str_skip(all, 5), data[0] & FRAMES_RAW, &frames);
    for (int i = 0; i < 2; i++)
        fetch(buf_str(&frames), i ? cuts : STR_NULL, told[i]);
    bool opened = opens_too_far(buf_str(&frames));
    bool broken = any_broken(told[0]) && any_broken(told[1]);
    for (int i = 0; i < FETCHES; i++) {
        struct ended *whole = &told[0][i], *cut = &told[1][i];
        CHECK(str_eq(buf_str(&whole->words), buf_str(&cut->words)) || opened ||
              (broken && (whole->broken || cut->broken)));
        buf_fini(&whole->words);
        buf_fini(&cut->words);
    }
    buf_fini(&frames);
    return 0;
}
