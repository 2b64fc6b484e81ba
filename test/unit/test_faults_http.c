/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP between our own client and our own server, plain and over TLS, while memory and connections
 * fail (base/fault.h): some requests are made once for each point of each kind, which fails then.
 * Whatever fails, no answer that looks whole is a false one, every fetch and every call ends, and
 * nothing is left. HOSTLER_FAULTS=PROTOCOL:KIND:N (or N+) plays one of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>

#include "../sim/pair.h"
#include "base/clock.h"
#include "base/fault.h"

#define SEC ((uint64_t)USEC_PER_SEC)

enum {
    LEN = 150000,
    WINDOW = 30000,
    FETCHES = 6,
    ONCE = 60000,
    RUNS_MAX = 100000,
    LEAKS_EVERY = 32
};

static struct identities files;
static struct identity here;
static char pattern[LEN];
static char label[100]; /* of the run in progress, for whoever reports a death */

/* --- memory of OpenSSL --- */

static void *try_malloc(size_t size, const char *file UNUSED, int line UNUSED)
{
    return fault_point(FAULT_LIBRARY) ? NULL : malloc(size);
}

static void *try_realloc(void *old, size_t size, const char *file UNUSED, int line UNUSED)
{
    return fault_point(FAULT_LIBRARY) ? NULL : realloc(old, size);
}

static void give_back(void *ptr, const char *file UNUSED, int line UNUSED)
{
    free(ptr);
}

/* --- the server's side --- */

static void stream_answer(struct http_call *c)
{
    enum { PIECE = 10000, MARK = 20000 };
    while (!c->gone && c->bytes_out < LEN && call_pending(c) <= MARK) {
        struct str piece = str_n(pattern + c->bytes_out, MIN(PIECE, LEN - c->bytes_out));
        call_write(c, &piece, 1, c->bytes_out + piece.len == LEN);
    }
}

static void reply(struct pair_call *c, int status, struct str body)
{
    struct http_call *call = c->call;
    pair_forget_call(c);
    call_reply(call, status, NULL, 0, body);
}

/* All of it by one write; if that fails, the end comes later. */
static void answer_at_once(struct pair_call *c)
{
    struct str bytes = str_n(pattern, ONCE);
    call_begin(c->call, 200, NULL, 0, HTTP_LENGTH_UNKNOWN);
    if (!c->call->gone) call_write(c->call, &bytes, 1, true);
    if (!c->call->gone) pair_end_call(c);
}

static void go_on(struct pair_call *c)
{
    struct http_call *call = c->call;
    bool streams = call->head && str_eq(call->head->path, STR("/stream"));
    if (call->gone) {
        pair_end_call(c);
    } else if (call->refused || (call->body_err && !call->head_sent)) {
        reply(c, call->refused ? call->refused : 503, STR("no"));
    } else if (call->body_done && str_eq(call->head->path, STR("/once"))) {
        answer_at_once(c);
    } else if (call->body_done && !streams) {
        reply(c, 200, call->body);
    } else if (call->body_done) {
        if (!call->head_sent) call_begin(call, 200, NULL, 0, HTTP_LENGTH_UNKNOWN);
        stream_answer(call);
        if (call->gone || call->bytes_out == LEN) pair_end_call(c);
    }
}

static void on_call(struct pair_call *c)
{
    if (!c->call->refused) call_read_body(c->call, LEN);
    go_on(c);
}

/* --- one run --- */

static void ask(struct pair *p, enum http_method method, const char *path, size_t len)
{
    pair_begin(p, method, path, str_n(pattern, len), NULL);
}

static void play(struct pair *p)
{
    p->on_call = on_call;
    p->on_fact = go_on;
    p->wires.up.window = p->wires.down.window = WINDOW;
    ask(p, METHOD_GET, "/", 0);
    ask(p, METHOD_POST, "/", LEN);
    pair_run(p);
    ask(p, METHOD_GET, "/stream", 0);
    ask(p, METHOD_POST, "/", 1000);
    ask(p, METHOD_GET, "/once", 0);
    ask(p, METHOD_GET, "/once", 0);
    pair_advance(p, 60 * SEC);
}

/* How many failed. */
static unsigned check(const struct pair *p)
{
    static const size_t lens[] = {0, LEN, LEN, 1000, ONCE, ONCE};
    unsigned failed = 0;
    for (unsigned i = 0; i < FETCHES; i++) {
        const struct pair_fetch *f = &p->fetches[i];
        if (!fetch_ended(&f->f)) fail_msg("%s: fetch %u does not end", label, i);
        bool good = f->f.state == FETCH_DONE && f->f.head->status == 200;
        if (good && !str_eq(buf_str(&f->body), str_n(pattern, lens[i])))
            fail_msg("%s: fetch %u has %zu bytes", label, i, buf_len(&f->body));
        failed += !good;
    }
    for (unsigned i = 0; i < p->call_count; i++)
        if (p->calls[i].call) fail_msg("%s: call %u does not end", label, i);
    return failed;
}

/* True if the point was reached. */
static bool run(enum pair_kind protocol, enum fault_kind kind, unsigned n, bool onward)
{
    struct pair *p = pair_new(protocol, &files, &here);
    (void)snprintf(label, sizeof label, "%s:%s:%u%s", pair_name(protocol), fault_name(kind), n,
                   onward ? "+" : "");
    fault_arm(kind, n, onward);
    play(p);
    fault_disarm();
    bool fired = fault_fired();
    unsigned failed = check(p);
    if (!fired) assert_int_equal(failed, 0);
    pair_free(p);
    if (!fired && __lsan_do_recoverable_leak_check())
        fail_msg("%s: memory was lost in one of the runs", label);
    return fired;
}

/* Points of libraries are many, and those that follow each other are much alike. */
static unsigned after(unsigned n, enum fault_kind kind)
{
    return n + (kind == FAULT_LIBRARY ? 1 + n / 3 : 1);
}

static void try_each(enum pair_kind protocol, enum fault_kind kind, bool onward)
{
    unsigned n = 1, runs = 0;
    for (; run(protocol, kind, n, onward); n = after(n, kind))
        if (++runs > RUNS_MAX) fail_msg("%s: there is no end of points", label);
    print_message("# %s: %u runs\n", label, runs);
}

/* --- tests --- */

static void all_kinds(enum pair_kind protocol)
{
    static const enum fault_kind kinds[] = {FAULT_ALLOC,   FAULT_LIBRARY,     FAULT_SOCKET,
                                            FAULT_CONNECT, FAULT_READ,        FAULT_READ_SHORT,
                                            FAULT_WRITE,   FAULT_WRITE_SHORT, FAULT_WRITE_FULL};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        try_each(protocol, kinds[i], false);
    try_each(protocol, FAULT_ALLOC, true);
    try_each(protocol, FAULT_LIBRARY, true);
    (void)run(protocol, FAULT_READ_SHORT, 1, true); /* byte by byte */
}

static void http_1_over_tls_may_fail_anywhere(void **state)
{
    (void)state;
    all_kinds(PAIR_TLS_H1);
}

static void http_2_may_fail_anywhere(void **state)
{
    (void)state;
    all_kinds(PAIR_H2);
}

static void http_2_over_tls_may_fail_anywhere(void **state)
{
    (void)state;
    all_kinds(PAIR_TLS_H2);
}

static void report_death(void)
{
    fprintf(stderr, "died in %s\n", label);
}

/* One run, as a report names it. */
static int play_one(const char *text)
{
    char protocol[20], kind[20], plus = 0;
    unsigned n;
    if (sscanf(text, "%19[^:]:%19[^:]:%u%c", protocol, kind, &n, &plus) < 3) return 64;
    for (enum pair_kind p = 0; p < PAIR_KINDS; p++)
        for (enum fault_kind k = 0; k < FAULT_KIND_COUNT; k++)
            if (!strcmp(pair_name(p), protocol) && !strcmp(fault_name(k), kind))
                printf("%s\n", run(p, k, n, plus == '+') ? "played" : "there is no such point");
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(http_1_over_tls_may_fail_anywhere),
        cmocka_unit_test(http_2_may_fail_anywhere),
        cmocka_unit_test(http_2_over_tls_may_fail_anywhere),
    };
    CRYPTO_set_mem_functions(try_malloc, try_realloc, give_back);
    __sanitizer_set_death_callback(report_death);
    for (size_t i = 0; i < sizeof pattern; i++)
        pattern[i] = (char)(i * 31 + i / 251);
    identities_init(&files);
    identity_make(&files, files.ca, "here", "here.test", &here);
    const char *one = getenv("HOSTLER_FAULTS");
    int failed = one ? play_one(one) : cmocka_run_group_tests(tests, NULL, NULL);
    identities_fini(&files);
    return failed;
}
