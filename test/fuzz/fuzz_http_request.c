/* SPDX-License-Identifier: Apache-2.0 */
/* Requests in random pieces to a real server: whatever comes, the answers are well-formed, every
 * call ends once, and they are the same however the bytes are cut. */
#include <stdlib.h>
#include <string.h>

#include "../sim/sim.h"
#include "base/clock.h"
#include "base/err.h"
#include "http/server.h"

#define CHECK(fact) ((fact) ? (void)0 : abort())
#define SEC ((uint64_t)USEC_PER_SEC)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct http_server_limits limits = {
    .head = {.head_max = 1000, .header_max = 20},
    .body_max = 20000,
    .connections_max = 2,
    .head_timeout_us = 5 * SEC,
    .body_timeout_us = 5 * SEC,
    .idle_timeout_us = 20 * SEC,
    .write_timeout_us = 5 * SEC,
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

/* Says what it got, in a way that the path chooses. */
static void answer(struct echo *e)
{
    struct http_call *c = e->call;
    const struct http_head *head = c->head;
    struct str text = arena_printf(c->arena, "%" STR_FMT " %" STR_FMT " %zu [%" STR_FMT "]",
                                   STR_ARG(head->method_name), STR_ARG(head->path), c->body.len,
                                   STR_ARG(c->body));
    struct http_field field = HTTP_FIELD(CONTENT_TYPE, STR("text/plain"));
    struct str slices[3] = {STR("<"), text, STR(">")};
    end(e);
    switch (head->path.len > 1 ? head->path.ptr[1] : 0) {
    case 'c': /* in chunks */
        call_begin(c, 200, &field, 1, HTTP_LENGTH_UNKNOWN);
        call_flush(c);
        call_write(c, slices, 3, false);
        call_write(c, NULL, 0, true);
        call_end(c);
        break;
    case 'a': /* not whole */
        call_begin(c, 200, &field, 1, text.len + 10);
        call_write(c, &text, 1, false);
        call_end(c);
        break;
    case 'x': call_abort(c); break;
    case 'n': call_reply(c, 204, &field, 1, STR_NULL); break;
    default: call_reply(c, 200, &field, 1, text);
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
        call_reply(c, c->body_err == ERR_TOO_LARGE ? 413 : 400, NULL, 0, STR("bad body"));
    } else if (c->body_done) {
        answer(e);
    }
}

/* What every handler may rely on. */
static void check_head(const struct http_head *head)
{
    bool connect = str_eq(head->method_name, STR("CONNECT"));
    unsigned hosts = 0;
    CHECK(connect || str_starts(head->path, STR("/")) || str_eq(head->path, STR("*")));
    CHECK(head->query.len == 0 || head->query.ptr == head->path.ptr + head->path.len + 1);
    for (size_t i = 0; i < head->path.len + (head->query.len ? head->query.len + 1 : 0); i++)
        CHECK(head->path.ptr[i] > ' ' && head->path.ptr[i] != '#' && head->path.ptr[i] != 0x7f);
    for (unsigned i = 0; i < head->field_count; i++) {
        if (head->fields[i].id != HDR_HOST) continue;
        hosts++;
        CHECK(head->fields[i].value.len == 0 || http_host_ok(head->fields[i].value));
    }
    CHECK(hosts <= 1);
    CHECK(head->authority.len == 0 || http_host_ok(head->authority));
}

/* A host that is taken has no byte that ends one or means something else elsewhere. */
static void check_host(struct str text)
{
    if (!http_host_ok(text)) return;
    for (size_t i = 0; i < text.len; i++)
        CHECK(text.ptr[i] > ' ' && text.ptr[i] < 0x7f &&
              str_find_char(STR("@/?#\\\"<>^`{|}"), text.ptr[i]) < 0);
    CHECK((text.ptr[0] == '[') == (str_find_char(text, '[') >= 0));
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
    e->call = call;
    e->world = w;
    task_init(&e->task, run_echo);
    call->task = &e->task;
    if (call->head->path.len > 1 && call->head->path.ptr[1] == 'u') { /* answered unread */
        end(e);
        call_reply(call, 401, NULL, 0, STR("no"));
        return;
    }
    call_read_body(call, limits.body_max);
}

/* Reads the answers: statuses and bodies go to *told. */
static void read_answers(struct str bytes, bool cut_allowed, struct buf *told)
{
    while (bytes.len) {
        struct sim_answer a;
        sim_answer(bytes, str_find(bytes, STR("x-to-head")) == 0, true, &a);
        CHECK(a.state == SIM_WHOLE || (a.state == SIM_PART && cut_allowed));
        if (a.status == 400 ||
            a.status == 431) /* which limit or rule is met first depends on the cuts */
            CHECK(buf_append(told, STR("refused\n")) == 0);
        else if (a.status != 100)
            CHECK(buf_printf(told, "%d:%" STR_FMT "\n", a.status, STR_ARG(buf_str(&a.body))) == 0);
        bool part = a.state == SIM_PART;
        bytes = str_skip(bytes, a.used);
        sim_answer_fini(&a);
        if (part) return;
    }
}

static bool holds(struct str text, struct str what)
{
    return str_find(text, what) >= 0;
}

static void serve(struct str text, struct str cuts, struct buf *told)
{
    struct world w = {.sim = sim_new(1000 * SEC)};
    http_server_init(&w.server, w.sim->loop, &limits);
    w.server.on_call = on_call;
    w.server.user = &w;
    struct sim_peer *client = sim_connect(w.sim, &w.server.acceptor);
    for (size_t at = 0, turn = 0; at < text.len;) {
        size_t n = cuts.len ? (size_t)(unsigned char)cuts.ptr[turn++ % cuts.len] + 1 : text.len;
        sim_send(client, str_sub(text, at, n));
        at += n;
    }
    sim_advance(w.sim, 100 * SEC);
    CHECK(client->closed && list_empty(&w.server.conns) && w.server.conn_count == 0);
    CHECK(w.begun == w.ended);
    /* HEAD's answers have a length and no body; whoever looks for them must know the request */
    if (!holds(text, STR("HEAD "))) read_answers(sim_got(client), true, told);
    http_server_fini(&w.server);
    sim_free(w.sim);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str all = str_n((const char *)data, size), cuts = str_sub(all, 0, 4),
               text = str_skip(all, 4);
    struct buf whole, pieces;
    if (size > 24576) return 0;
    buf_init(&whole, (size_t)64 << 20);
    buf_init(&pieces, (size_t)64 << 20);
    check_host(text);
    serve(text, STR_NULL, &whole);
    serve(text, cuts, &pieces);
    CHECK(str_eq(buf_str(&whole), buf_str(&pieces)));
    buf_fini(&whole);
    buf_fini(&pieces);
    return 0;
}
