/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/history.h"

#include <errno.h>

#include "base/clock.h"
#include "dialect/runtime.h"

static struct archive_limits limits_of(const struct exchange *x)
{
    return (struct archive_limits){.bytes = exchange_settings(x)->responses_bytes,
                                   .age_us = exchange_settings(x)->responses_age_us};
}

static struct str owner_of(const struct exchange *x)
{
    return x->key ? key_name(x->key) : STR("");
}

struct archived *history_find(struct exchange *x, struct str id)
{
    struct archive_limits limits = limits_of(x);
    return archive_find(x->lane->home->archive, &limits, owner_of(x), id, exchange_now(x));
}

/* The chain behind a response, the oldest first, as lists of items. */
static int read_chain(struct arena *arena, const struct archived *last, struct responses_past *past)
{
    size_t count = 0;
    for (const struct archived *r = last; r; r = r->previous)
        count += 2;
    struct str *lists = arena_try(arena, (count + 1) * sizeof *lists);
    if (!lists) return -ENOMEM;
    past->before = lists;
    past->before_count = count;
    for (const struct archived *r = last; r; r = r->previous) {
        lists[--count] = r->output;
        lists[--count] = r->input;
    }
    return 0;
}

static int read_named(struct exchange *x, struct history *h)
{
    struct str *lists = arena_try(x->call->arena, (h->wants.count + 1) * sizeof *lists);
    if (!lists) return -ENOMEM;
    h->past.known = lists;
    for (unsigned i = 0; i < h->wants.count; i++) {
        h->named[i] = history_find(x, h->wants.ids[i]);
        const struct archived *r = h->named[i];
        if (r && r->endpoint.len)
            h->only = r->endpoint; /* the runtime itself knows what it keeps */
        else if (r)
            lists[h->past.known_count++] = r->output;
    }
    return 0;
}

/* The runtime itself goes on from what it keeps. */
static int refer(struct history *h)
{
    h->only = h->previous->endpoint;
    return 0;
}

int history_open(struct exchange *x, struct history **out)
{
    *out = NULL;
    bool response =
        x->ask.surface == SURFACE_RESPONSES || x->ask.surface == SURFACE_COUNT_RESPONSES;
    if (!response || x->bodiless) return 0;
    struct history *h = arena_try_zero(x->call->arena, sizeof *h);
    if (!h) return -ENOMEM;
    *out = h;
    int err = responses_read_wants(x->call->arena, x->call->body, &h->wants);
    if (!err && h->wants.previous.len) h->previous = history_find(x, h->wants.previous);
    if (h->previous && h->previous->endpoint.len) return refer(h);
    if (!err && h->previous) err = read_chain(x->call->arena, h->previous, &h->past);
    if (!err && h->wants.count) err = read_named(x, h);
    h->found = !h->only.len && (h->previous || h->past.known_count);
    return err;
}

void history_close(struct history *h)
{
    if (!h) return;
    archived_unref(h->previous);
    for (unsigned i = 0; i < h->wants.count; i++)
        archived_unref(h->named[i]);
    *h = (struct history){0};
}

/* --- keeping --- */

/* The response as its client has it. */
static struct str response_of(struct attempt *a, struct buf *room)
{
    if (!a->conversion) return buf_str(&a->relay.kept);
    if (!a->conversion->answer.writer ||
        responses_write_response(a->conversion->answer.writer, room))
        return STR_NULL;
    return buf_str(room);
}

/* A string member of an object, as it stands between its quotes. */
static struct str member(struct str object, struct str name)
{
    struct json_span span[1];
    if (json_scan(object, &name, 1, span, NULL) || span[0].type != JSON_STRING) return STR("");
    return str_n(span[0].raw.ptr + 1, span[0].raw.len - 2);
}

static void keep(struct history *h, struct exchange *x, struct str response, struct str input)
{
    struct archive_limits limits = limits_of(x);
    struct archived r = {
        .id = member(response, STR("id")),
        .owner = owner_of(x),
        .response = response,
        .input = input,
        .output = responses_output(response),
    };
    if (r.id.len == 0 || r.output.len == 0) return;
    archive_put(x->lane->home->archive, &limits, &r, h->previous, exchange_now(x));
}

static void keep_place(struct exchange *x, struct attempt *a)
{
    struct archive_limits limits = limits_of(x);
    struct archived r = {
        .id = member(buf_str(&a->relay.kept), STR("id")),
        .owner = owner_of(x),
        .service = x->asked->name,
        .endpoint = a->endpoint_name,
    };
    if (r.id.len) archive_put(x->lane->home->archive, &limits, &r, NULL, exchange_now(x));
}

void history_keep(struct history *h, struct attempt *a)
{
    struct exchange *x = a->x;
    bool theirs = x->ask.background || endpoint_kind(a->grant.endpoint)->keeps_responses;
    if (!a->conversion && theirs) {
        keep_place(x, a);
        return;
    }
    struct buf response, input;
    struct translation plain = {.arena = x->call->arena, .asked = x->ask.surface};
    const struct translation *t = a->conversion ? &a->conversion->request : &plain;
    if (!h->wants.store || x->ask.surface != SURFACE_RESPONSES) return;
    buf_init(&response, ANSWER_HELD_MAX);
    buf_init(&input, exchange_settings(x)->server.body_max * 2);
    struct str text = response_of(a, &response);
    plain.id = str_skip(member(text, STR("id")), sizeof "resp_" - 1); /* for those of its items */
    if (text.len && responses_write_input(t, x->call->body, &input) == 0)
        keep(h, x, text, buf_str(&input));
    buf_fini(&response);
    buf_fini(&input);
}
