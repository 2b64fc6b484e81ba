/* SPDX-License-Identifier: Apache-2.0 */
/* Responses in random pieces to a real fetch: it ends in the same way with the same bytes
 * however they are cut, and only a connection with nothing left on it is used again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../sim/sim.h"
#include "base/clock.h"
#include "base/err.h"
#include "http/client.h"

#define CHECK(fact) ((fact) ? (void)0 : abort())
#define SEC ((uint64_t)USEC_PER_SEC)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
    struct sim *sim;
    struct http_client client;
    struct arena arena;
    struct task task;
    struct fetch fetch;
    struct buf *body;
    unsigned wakes;
    bool lazy; /* takes the body every other time */
};

static void take(struct world *w)
{
    CHECK(buf_append(w->body, fetch_take(&w->fetch)) == 0);
}

static void on_fact(struct task *task)
{
    struct world *w = CONTAINER_OF(task, struct world, task);
    if (w->lazy && w->wakes++ % 2 == 0) return;
    take(w);
}

static void write_head(struct buf *out, const struct http_head *head)
{
    CHECK(buf_printf(out, "%d %llu", head->status, (unsigned long long)head->length) == 0);
    for (unsigned i = 0; i < head->field_count; i++)
        CHECK(buf_printf(out, "|%" STR_FMT "=%" STR_FMT, STR_ARG(head->fields[i].name),
                         STR_ARG(head->fields[i].value)) == 0);
}

static void fetch(struct str text, struct str cuts, uint8_t flags, struct buf *told,
                  struct buf *body)
{
    static const struct h1_limits limits = {.head_max = 1000, .header_max = 20};
    struct world w = {.sim = sim_new(1000 * SEC), .body = body, .lazy = flags & 1 && cuts.len};
    http_client_init(&w.client, w.sim->loop, &limits, 2, 10 * SEC);
    arena_init(&w.arena, SIZE_MAX, 1024);
    task_init(&w.task, on_fact);
    w.fetch = (struct fetch){.client = &w.client,
                             .arena = &w.arena,
                             .task = &w.task,
                             .way.addr = {.host = STR("h"), .port = 80},
                             .key = STR("h:80"),
                             .request = {.method = flags & 2 ? METHOD_HEAD : METHOD_GET,
                                         .target = STR("/"),
                                         .authority = STR("h")}};
    fetch_start(&w.fetch);
    sim_run(w.sim);
    struct sim_peer *up = sim_dialled(w.sim, 0);
    for (size_t at = 0, turn = 0; at < text.len;) {
        size_t n = cuts.len ? (size_t)(unsigned char)cuts.ptr[turn++ % cuts.len] + 1 : text.len;
        sim_send(up, str_sub(text, at, n));
        at += n;
    }
    if (!up->closed) sim_fin(up);
    take(&w);
    CHECK(w.fetch.state == FETCH_DONE || w.fetch.state == FETCH_FAILED);
    bool done = w.fetch.state == FETCH_DONE;
    CHECK(buf_printf(told, "%d ", done) == 0);
    if (done) CHECK(w.fetch.head && w.fetch.err == 0);
    if (!done) CHECK(w.fetch.err < 0);
    if (w.fetch.head) write_head(told, w.fetch.head);
    fetch_end(&w.fetch);
    sim_run(w.sim);
    CHECK(up->closed); /* the peer had closed */
    task_cancel(&w.task);
    http_client_fini(&w.client);
    arena_fini(&w.arena);
    sim_free(w.sim);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str all = str_n((const char *)data, size), cuts = str_sub(all, 1, 4),
               text = str_skip(all, 5);
    struct buf told[2], body[2];
    if (size == 0 || size > 65536) return 0;
    for (int i = 0; i < 2; i++) {
        buf_init(&told[i], 1 << 20);
        buf_init(&body[i], 1 << 20);
        fetch(text, i ? cuts : STR_NULL, data[0], &told[i], &body[i]);
    }
    CHECK(str_eq(buf_str(&told[0]), buf_str(&told[1])));
    CHECK(str_eq(buf_str(&body[0]), buf_str(&body[1])));
    for (int i = 0; i < 2; i++) {
        buf_fini(&told[i]);
        buf_fini(&body[i]);
    }
    return 0;
}
