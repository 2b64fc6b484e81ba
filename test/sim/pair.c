/* SPDX-License-Identifier: Apache-2.0 */
#include "pair.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fault.h"

#define SEC ((uint64_t)USEC_PER_SEC)
#define RULE(fact, text) ((fact) ? (void)0 : broken_rule(text, __LINE__))

const struct http_server_limits pair_limits = {
    .head = {.head_max = 2000, .header_max = 30},
    .body_max = 1 << 20,
    .connections_max = 20,
    .head_timeout_us = 5 * SEC,
    .body_timeout_us = 7 * SEC,
    .idle_timeout_us = 20 * SEC,
    .write_timeout_us = 9 * SEC,
    .h2_streams_max = 100,
};

static NORETURN void broken_rule(const char *text, int line)
{
    fprintf(stderr, "pair.c:%d: %s\n", line, text);
    abort();
}

const char *pair_name(enum pair_kind kind)
{
    static const char *const names[] = {"h1", "h2", "tls h1", "tls h2"};
    return names[kind];
}

bool pair_is_h2(enum pair_kind kind)
{
    return kind == PAIR_H2 || kind == PAIR_TLS_H2;
}

/* --- the server's side --- */

static void on_call_fact(struct task *task)
{
    struct pair_call *c = CONTAINER_OF(task, struct pair_call, task);
    c->wakes++;
    if (c->pair->on_fact && c->call) c->pair->on_fact(c);
}

static void on_call(void *user, struct http_call *call)
{
    struct pair *p = user;
    RULE(p->call_count < PAIR_CALLS, "more calls than the test can hold");
    struct pair_call *c = &p->calls[p->call_count++];
    *c = (struct pair_call){.pair = p, .call = call};
    task_init(&c->task, on_call_fact);
    call->task = &c->task;
    if (p->on_call) {
        p->on_call(c);
    } else if (call->refused) {
        pair_forget_call(c);
        call_reply(call, call->refused, NULL, 0, str_of(call->refused_why));
    } else {
        call_read_body(call, p->server.limits.body_max);
    }
}

struct http_call *pair_call(struct pair *p, unsigned n)
{
    RULE(n < p->call_count && p->calls[n].call, "there is no such call");
    return p->calls[n].call;
}

void pair_forget_call(struct pair_call *c)
{
    task_cancel(&c->task);
    c->call = NULL;
}

void pair_end_call(struct pair_call *c)
{
    struct http_call *call = c->call;
    pair_forget_call(c);
    call_end(call);
}

void pair_abort_call(struct pair_call *c)
{
    struct http_call *call = c->call;
    pair_forget_call(c);
    call_abort(call);
}

void pair_reply(struct pair *p, unsigned n, int status, struct str body)
{
    struct http_call *call = pair_call(p, n);
    pair_forget_call(&p->calls[n]);
    call_reply(call, status, NULL, 0, body);
    pair_run(p);
}

/* --- the client's side --- */

static void take(struct pair_fetch *f)
{
    struct str bytes = fetch_take(&f->f);
    fault_hold();
    RULE(buf_append(&f->body, bytes) == 0, "more than the test can hold");
    fault_release();
}

static void on_fetch_fact(struct task *task)
{
    struct pair_fetch *f = CONTAINER_OF(task, struct pair_fetch, task);
    struct pair *p = CONTAINER_OF(f->f.client, struct pair, client);
    f->wakes++;
    if (p->on_fetch)
        p->on_fetch(f);
    else if (!f->lazy)
        take(f);
}

static void set_request(struct pair_fetch *f, enum http_method method, const char *path,
                        struct str body)
{
    struct str *slice = arena_alloc(&f->arena, sizeof *slice);
    *slice = body;
    f->f.request = (struct http_request){.method = method,
                                         .target = str_of(path),
                                         .authority = STR("here.test"),
                                         .body = slice,
                                         .body_count = body.len ? 1 : 0};
}

static void set_way(struct pair *p, struct fetch *f)
{
    f->way = (struct way){
        .addr = {.host = STR("here.test"), .port = 80},
        .tls = p->client_context,
        .tls_name = STR("here.test"),
        .http = pair_is_h2(p->kind) ? WAY_HTTP_2 : WAY_HTTP_1,
    };
    if (p->kind == PAIR_TLS_H2) f->way.http = WAY_HTTP_ANY;
    f->key = STR("here.test");
}

struct pair_fetch *pair_begin(struct pair *p, enum http_method method, const char *path,
                              struct str body, void (*change)(struct fetch *f))
{
    RULE(p->fetch_count < PAIR_FETCHES, "more fetches than the test can hold");
    struct pair_fetch *f = &p->fetches[p->fetch_count++];
    fault_hold();
    arena_init(&f->arena, SIZE_MAX, 1024);
    buf_init(&f->body, PAIR_BODY_MAX);
    f->begun = true;
    task_init(&f->task, on_fetch_fact);
    f->f = (struct fetch){.client = &p->client, .arena = &f->arena, .task = &f->task};
    set_way(p, &f->f);
    set_request(f, method, path, body);
    fault_release();
    if (change) change(&f->f);
    fetch_start(&f->f);
    return f;
}

struct pair_fetch *pair_ask(struct pair *p, enum http_method method, const char *path,
                            struct str body)
{
    struct pair_fetch *f = pair_begin(p, method, path, body, NULL);
    pair_run(p);
    return f;
}

void pair_end_fetch(struct pair *p, struct pair_fetch *f)
{
    fetch_end(&f->f);
    task_cancel(&f->task);
    pair_run(p);
}

bool pair_has(const struct pair_fetch *f, int status, struct str body)
{
    return f->f.state == FETCH_DONE && f->f.head->status == status &&
           str_eq(buf_str(&f->body), body);
}

/* --- both --- */

struct pair *pair_new(enum pair_kind kind, const struct identities *files,
                      const struct identity *here)
{
    struct pair *p = calloc(1, sizeof *p);
    RULE(p, "out of memory");
    bool secure = kind == PAIR_TLS_H1 || kind == PAIR_TLS_H2;
    p->kind = kind;
    p->sim = sim_new(1000 * SEC);
    http_server_init(&p->server, p->sim->loop, &pair_limits);
    p->server.on_call = on_call;
    p->server.user = p;
    http_client_init(&p->client, p->sim->loop, &pair_limits.head, 10, 60 * SEC);
    if (secure) {
        p->server_context = context_server(here);
        p->client_context = context_client(files->ca);
        tls_acceptor_init(&p->tls, p->server_context, &p->server.acceptor);
    }
    wires_init(&p->wires, p->sim, secure ? &p->tls.acceptor : &p->server.acceptor);
    return p;
}

void pair_run(struct pair *p)
{
    wires_run(&p->wires);
}

void pair_advance(struct pair *p, uint64_t us)
{
    wires_advance(&p->wires, us);
}

static void end_all(struct pair *p)
{
    p->on_call = NULL;
    p->on_fact = NULL;
    for (unsigned i = 0; i < p->fetch_count; i++) {
        fetch_end(&p->fetches[i].f);
        task_cancel(&p->fetches[i].task);
    }
    for (unsigned i = 0; i < p->call_count; i++)
        if (p->calls[i].call) pair_abort_call(&p->calls[i]);
}

void pair_free(struct pair *p)
{
    end_all(p);
    http_server_close_all(&p->server);
    pair_run(p);
    end_all(p);
    http_client_fini(&p->client);
    http_server_fini(&p->server);
    sim_run(p->sim);
    RULE(p->server.conn_count == 0, "a connection was left");
    for (unsigned i = 0; i < p->fetch_count; i++) {
        buf_fini(&p->fetches[i].body);
        arena_fini(&p->fetches[i].arena);
    }
    sim_free(p->sim);
    tls_context_unref(p->server_context);
    tls_context_unref(p->client_context);
    free(p);
}
