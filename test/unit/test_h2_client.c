/* SPDX-License-Identifier: Apache-2.0 */
/* http: the client's side of HTTP/2 before servers that write their frames by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "../sim/frames.h"
#include "../sim/sim.h"
#include "base/clock.h"
#include "base/err.h"
#include "http/client.h"

#define SEC ((uint64_t)USEC_PER_SEC)

enum { FETCHES = 110, BODY_MAX = 1 << 20 };

static const struct h1_limits limits = {.head_max = 2000, .header_max = 20};

struct one {
    struct task task;
    struct fetch f;
    struct buf body;
    bool lazy;
};

struct world {
    struct sim *sim;
    struct http_client client;
    struct arena arena;
    struct buf out; /* frames to be sent by the server */
    struct one one[FETCHES];
    unsigned count;
};

static void on_fact(struct task *task)
{
    struct one *o = CONTAINER_OF(task, struct one, task);
    if (!o->lazy) assert_int_equal(buf_append(&o->body, fetch_take(&o->f)), 0);
}

static struct world *world_new(void)
{
    struct world *w = calloc(1, sizeof *w);
    w->sim = sim_new(1000 * SEC);
    buf_init(&w->out, BODY_MAX);
    arena_init(&w->arena, SIZE_MAX, 1024);
    http_client_init(&w->client, w->sim->loop, &limits, 10, 60 * SEC);
    return w;
}

static void world_free(struct world *w)
{
    for (unsigned i = 0; i < w->count; i++) {
        fetch_end(&w->one[i].f);
        task_cancel(&w->one[i].task);
        buf_fini(&w->one[i].body);
    }
    sim_run(w->sim);
    http_client_fini(&w->client);
    arena_fini(&w->arena);
    buf_fini(&w->out);
    sim_free(w->sim);
    free(w);
}

static struct one *begin(struct world *w, const struct str *body, const struct http_field *field)
{
    struct one *o = &w->one[w->count++];
    task_init(&o->task, on_fact);
    buf_init(&o->body, BODY_MAX);
    o->f = (struct fetch){.client = &w->client,
                          .arena = &w->arena,
                          .task = &o->task,
                          .way = {.addr = {.host = STR("h"), .port = 80}, .http = WAY_HTTP_2},
                          .key = STR("h"),
                          .request = {.method = body ? METHOD_POST : METHOD_GET,
                                      .target = STR("/"),
                                      .authority = STR("h"),
                                      .fields = field,
                                      .field_count = field ? 1 : 0,
                                      .body = body,
                                      .body_count = body ? 1 : 0}};
    fetch_start(&o->f);
    sim_run(w->sim);
    return o;
}

static struct one *ask_with(struct world *w, const struct str *body)
{
    return begin(w, body, NULL);
}

static struct one *ask_field(struct world *w, const struct http_field *field)
{
    return begin(w, NULL, field);
}

static struct one *ask(struct world *w)
{
    return begin(w, NULL, NULL);
}

/* Bytes of the newest head on the first connection, of a request with this field. */
static size_t head_size(struct world *w, const struct http_field *field)
{
    struct one *o = ask_field(w, field);
    struct str rest = str_skip(sim_got(sim_dialled(w->sim, 0)), sizeof H2_PREFACE - 1);
    struct frame f;
    size_t size = 0;
    while (frame_next(&rest, &f))
        if (f.type == FRAME_HEADERS) size = f.payload.len;
    fetch_end(&o->f);
    sim_run(w->sim);
    return size;
}

/* What is to be sent leaves on the n-th connection. */
static void send_on(struct world *w, unsigned n)
{
    sim_send(sim_dialled(w->sim, n), buf_str(&w->out));
    buf_clear(&w->out);
}

static void send_out(struct world *w)
{
    send_on(w, 0);
}

static struct told told_on(struct world *w, unsigned n)
{
    struct told told;
    struct str got = sim_got(sim_dialled(w->sim, n));
    assert_true(str_starts(got, STR(H2_PREFACE)));
    frames_told(str_skip(got, sizeof H2_PREFACE - 1), &told);
    return told;
}

/* A fetch on a connection whose server has said its settings. */
static struct world *connected(void)
{
    struct world *w = world_new();
    ask(w);
    frame_put(&w->out, FRAME_SETTINGS, 0, 0, STR_NULL);
    frame_put(&w->out, FRAME_SETTINGS, FRAME_ACK, 0, STR_NULL);
    send_out(w);
    assert_int_equal(w->one[0].f.state, FETCH_AWAIT);
    return w;
}

static void put_ok(struct world *w, uint32_t stream, bool last)
{
    frame_put(&w->out, FRAME_HEADERS, FRAME_END_HEADERS | (last ? FRAME_END_STREAM : 0), stream,
              STR("\x88"));
}

static void put_fields(struct world *w, uint32_t stream, bool last, const char *const *fields)
{
    struct buf block;
    buf_init(&block, 100000);
    for (; *fields; fields += 2)
        field_put(&block, fields[0], fields[1]);
    frame_put_head(&w->out, stream, last, &block);
    buf_fini(&block);
}

#define FIELDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static bool has(const struct one *o, const char *body)
{
    return o->f.state == FETCH_DONE && str_eq(buf_str(&o->body), str_of(body));
}

static void check_failed(const struct one *o, int err)
{
    assert_int_equal(o->f.state, FETCH_FAILED);
    assert_int_equal(o->f.err, err);
}

/* --- answers --- */

static void answers_come_between_each_other(void **state)
{
    (void)state;
    struct world *w = connected();
    struct one *first = &w->one[0], *second = ask(w);
    assert_int_equal(w->sim->dials, 1);
    put_ok(w, 3, false);
    put_ok(w, 1, false);
    frame_put(&w->out, FRAME_DATA, 0, 1, STR("fi"));
    frame_put(&w->out, FRAME_DATA, 0, 3, STR("sec"));
    frame_put(&w->out, FRAME_DATA, 0, 1, STR("r"));
    send_out(w);
    assert_true(second->f.reused && !first->f.reused);
    frame_put(&w->out, FRAME_DATA, FRAME_END_STREAM, 3, STR("ond"));
    frame_put(&w->out, FRAME_DATA, FRAME_END_STREAM, 1, STR("st"));
    send_out(w);
    assert_true(has(first, "first") && has(second, "second"));
    world_free(w);
}

/* What an owner does not take at once waits for it, and is not overwritten by what comes for
 * others. */
static void bodies_wait_to_be_taken(void **state)
{
    (void)state;
    struct world *w = connected();
    struct one *first = &w->one[0], *second = ask(w);
    first->lazy = second->lazy = true;
    put_ok(w, 1, false);
    put_ok(w, 3, false);
    for (int i = 0; i < 3; i++) {
        frame_put(&w->out, FRAME_DATA, 0, 1, STR("abc"));
        frame_put(&w->out, FRAME_DATA, 0, 3, STR("xyz"));
        frame_put(&w->out, FRAME_DATA, 0, 1, STR("def"));
        send_out(w);
    }
    assert_true(str_eq(first->f.body, STR("abcdefabcdefabcdef")));
    assert_true(str_eq(fetch_take(&second->f), STR("xyzxyzxyz")));
    frame_put(&w->out, FRAME_DATA, FRAME_END_STREAM, 3, STR("!"));
    send_out(w);
    sim_fin(sim_dialled(w->sim, 0));
    check_failed(first, ERR_EOF);
    assert_true(str_eq(first->f.body, STR("abcdefabcdefabcdef"))); /* it has come */
    assert_int_equal(second->f.state, FETCH_DONE);
    assert_true(str_eq(second->f.body, STR("!")));
    world_free(w);
}

static void interim_answers_and_trailers_are_dropped(void **state)
{
    (void)state;
    struct world *w = connected();
    put_fields(w, 1, false, FIELDS(":status", "103", "link", "x"));
    put_fields(w, 1, false, FIELDS(":status", "100"));
    send_out(w);
    assert_int_equal(w->one[0].f.state, FETCH_AWAIT);
    put_ok(w, 1, false);
    frame_put(&w->out, FRAME_DATA, 0, 1, STR("body"));
    put_fields(w, 1, true, FIELDS("grpc-status", "0"));
    send_out(w);
    assert_true(has(&w->one[0], "body"));
    assert_int_equal(w->one[0].f.head->status, 200);
    assert_int_equal(w->one[0].f.head->field_count, 0);
    world_free(w);
}

static void malformed_answers_fail_alone(void **state)
{
    (void)state;
    static const struct {
        bool last;
        int err;
        const char *fields[12];
    } cases[] = {
        {true, ERR_PROTOCOL, {"x", "y", NULL}},
        {true, ERR_PROTOCOL, {":status", "2", NULL}},
        {true, ERR_PROTOCOL, {":status", "200", ":status", "200", NULL}},
        {true, ERR_PROTOCOL, {":status", "200", ":path", "/", NULL}},
        {true, ERR_PROTOCOL, {":status", "101", NULL}},
        {true, ERR_PROTOCOL, {":status", "103", NULL}},
        {true, ERR_PROTOCOL, {":status", "200", "connection", "close", NULL}},
        {true, ERR_PROTOCOL, {":status", "200", "Upper", "x", NULL}},
        {true, ERR_PROTOCOL, {":status", "200", "content-length", "4", NULL}},
        {false, ERR_PROTOCOL, {":status", "200", "content-length", "3", NULL}},
        {false, ERR_PROTOCOL, {":status", "200", "content-length", "5", NULL}},
    };
    struct world *w = connected();
    uint32_t stream = 1;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++, stream += 2) {
        struct one *o = &w->one[w->count - 1];
        put_fields(w, stream, cases[i].last, cases[i].fields);
        if (!cases[i].last) frame_put(&w->out, FRAME_DATA, FRAME_END_STREAM, stream, STR("body"));
        send_out(w);
        if (o->f.state != FETCH_FAILED || o->f.err != cases[i].err)
            fail_msg("case %zu: state %d, err %d", i, (int)o->f.state, o->f.err);
        assert_int_equal(told_on(w, 0).code[stream], H2_CODE_PROTOCOL + 1);
        ask(w);
    }
    put_ok(w, stream, true);
    send_out(w);
    assert_true(has(&w->one[w->count - 1], ""));
    assert_int_equal(w->sim->dials, 1);
    world_free(w);
}

static void what_is_wrong_is_told_of_a_stream_or_of_all(void **state)
{
    (void)state;
    struct world *w = connected();
    struct one *other = ask(w);
    put_fields(w, 1, true, FIELDS("x", "y"));
    frame_put(&w->out, FRAME_DATA, 0, 1, STR("behind the end"));
    send_out(w);
    check_failed(&w->one[0], ERR_PROTOCOL);
    assert_string_equal(w->one[0].f.why, "Violation in HTTP messaging rule");
    check_failed(other, ERR_PROTOCOL);
    assert_string_equal(other->f.why, "STREAM_CLOSED");
    world_free(w);
}

static void heads_over_the_limits_fail(void **state)
{
    (void)state;
    char value[1001] = "";
    memset(value, 'x', sizeof value - 1);
    for (int many = 0; many < 2; many++) {
        struct world *w = connected();
        const char *fields[50] = {":status", "200"};
        for (size_t i = 0; i < (many ? 21 : 2); i++) {
            fields[2 + 2 * i] = "x";
            fields[3 + 2 * i] = many ? "" : value;
        }
        put_fields(w, 1, true, fields);
        send_out(w);
        check_failed(&w->one[0], ERR_TOO_LARGE);
        struct one *next = ask(w);
        put_ok(w, 3, true);
        send_out(w);
        assert_true(has(next, ""));
        world_free(w);
    }
}

/* --- what servers reset --- */

static void resets_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        unsigned code;
        int err;
    } cases[] = {{H2_CODE_REFUSED, ERR_REFUSED},    {H2_CODE_CANCEL, ERR_CANCELLED},
                 {H2_CODE_INTERNAL, ERR_CANCELLED}, {H2_CODE_NO_ERROR, ERR_CANCELLED},
                 {H2_CODE_PROTOCOL, ERR_PROTOCOL},  {H2_CODE_CALM, ERR_CANCELLED}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        for (int in_body = 0; in_body < 2; in_body++) {
            struct world *w = connected();
            if (in_body) put_ok(w, 1, false);
            if (in_body) frame_put(&w->out, FRAME_DATA, 0, 1, STR("part"));
            frame_put_number(&w->out, FRAME_RST_STREAM, 1, cases[i].code);
            send_out(w);
            check_failed(&w->one[0], cases[i].err);
            struct one *next = ask(w);
            put_ok(w, 3, true);
            send_out(w);
            assert_true(has(next, "") && w->sim->dials == 1);
            world_free(w);
        }
}

/* The server has answered and wants no more of the request (section 8.1). */
static void an_early_answer_is_an_answer(void **state)
{
    (void)state;
    static char bytes[200000];
    const struct str body = str_n(bytes, sizeof bytes);
    struct world *w = connected();
    struct one *o = ask_with(w, &body);
    put_fields(w, 3, false, FIELDS(":status", "413"));
    frame_put(&w->out, FRAME_DATA, FRAME_END_STREAM, 3, STR("no"));
    frame_put_number(&w->out, FRAME_RST_STREAM, 3, H2_CODE_NO_ERROR);
    send_out(w);
    assert_true(has(o, "no"));
    assert_int_equal(o->f.head->status, 413);
    world_free(w);
}

static void uploads_keep_to_the_windows(void **state)
{
    (void)state;
    enum { DEFAULT = 65535, LEN = 200000 };
    static char bytes[LEN];
    const struct str body = str_n(bytes, sizeof bytes);
    struct world *w = connected();
    struct one *o = ask_with(w, &body);
    assert_int_equal(told_on(w, 0).data[3], DEFAULT);
    frame_put_number(&w->out, FRAME_WINDOW_UPDATE, 3, 1 << 20);
    send_out(w);
    assert_int_equal(told_on(w, 0).data[3], DEFAULT); /* that of the connection is closed */
    frame_put_number(&w->out, FRAME_WINDOW_UPDATE, 0, 1000);
    send_out(w);
    assert_int_equal(told_on(w, 0).data[3], DEFAULT + 1000);
    frame_put_number(&w->out, FRAME_WINDOW_UPDATE, 0, 1 << 20);
    send_out(w);
    assert_int_equal(told_on(w, 0).data[3], LEN);
    assert_true(told_on(w, 0).ended[3]);
    put_ok(w, 3, true);
    send_out(w);
    assert_true(has(o, ""));
    world_free(w);
}

/* --- servers that leave --- */

static void a_server_that_leaves_finishes_what_it_began(void **state)
{
    (void)state;
    struct world *w = connected();
    struct one *begun = &w->one[0], *late = ask(w);
    frame_put_goaway(&w->out, 1, H2_CODE_NO_ERROR);
    send_out(w);
    check_failed(late, ERR_REFUSED);
    ask(w);
    assert_int_equal(w->sim->dials, 2);
    put_ok(w, 1, false);
    frame_put(&w->out, FRAME_DATA, FRAME_END_STREAM, 1, STR("body"));
    send_out(w);
    assert_true(has(begun, "body"));
    fetch_end(&begun->f);
    sim_run(w->sim);
    assert_true(sim_dialled(w->sim, 0)->closed);
    world_free(w);
}

static void how_many_it_takes_the_server_says(void **state)
{
    (void)state;
    struct world *w = world_new();
    ask(w);
    frame_put_setting(&w->out, SETTING_STREAMS, 2);
    send_out(w);
    ask(w);
    assert_int_equal(w->sim->dials, 1);
    ask(w);
    assert_int_equal(w->sim->dials, 2);
    world_free(w);
}

static void more_than_a_hundred_need_another_connection(void **state)
{
    (void)state;
    enum { MOST = 100 };
    struct world *w = world_new();
    ask(w);
    frame_put_setting(&w->out, SETTING_STREAMS, 1000);
    send_out(w);
    for (int i = 1; i < MOST; i++)
        ask(w);
    assert_int_equal(w->sim->dials, 1);
    ask(w);
    assert_int_equal(w->sim->dials, 2);
    world_free(w);
}

/* --- what ends the session --- */

static void a_server_that_speaks_something_else_fails(void **state)
{
    (void)state;
    static const char *const texts[] = {"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n",
                                        "garbage that is long enough for a frame"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct world *w = world_new();
        ask(w);
        sim_send_text(sim_dialled(w->sim, 0), texts[i]);
        check_failed(&w->one[0], ERR_PROTOCOL);
        assert_non_null(w->one[0].f.why);
        assert_true(sim_dialled(w->sim, 0)->closed);
        world_free(w);
    }
}

static void nobody_pushes(void **state)
{
    (void)state;
    struct world *w = connected();
    frame_put(&w->out, FRAME_PUSH_PROMISE, FRAME_END_HEADERS, 1, STR("\0\0\0\2\x82\x86\x84"));
    send_out(w);
    check_failed(&w->one[0], ERR_PROTOCOL);
    assert_int_equal(told_on(w, 0).goaway_code, H2_CODE_PROTOCOL);
    world_free(w);
}

enum flood {
    PINGS,
    SETTINGS,
    EMPTY_DATA,
    PADDING,
    INTERIM,
    UPDATES,
    UPDATES_OF_NOBODY,
    GOAWAYS,
    UNKNOWN,
    UNWANTED,
    FLOODS
};

/* One more of it. */
static void put_flood(struct world *w, enum flood flood, unsigned n)
{
    static const char bytes[16384] = {(char)200};
    switch (flood) {
    case PINGS: frame_put(&w->out, FRAME_PING, 0, 0, STR("01234567")); break;
    case SETTINGS: frame_put_setting(&w->out, SETTING_TABLE_SIZE, n); break;
    case EMPTY_DATA: frame_put(&w->out, FRAME_DATA, 0, 1, STR("")); break;
    case PADDING: frame_put(&w->out, FRAME_DATA, FRAME_PADDED, 1, str_n(bytes, 201)); break;
    case INTERIM: put_fields(w, 1, false, FIELDS(":status", "103")); break;
    case UPDATES: frame_put_number(&w->out, FRAME_WINDOW_UPDATE, 0, 1); break;
    case UPDATES_OF_NOBODY: frame_put_number(&w->out, FRAME_WINDOW_UPDATE, 3, 1); break;
    case GOAWAYS: frame_put_goaway(&w->out, 1, 0); break;
    case UNKNOWN: frame_put(&w->out, 0xfa, 0, 1, str_n(bytes, sizeof bytes)); break;
    case UNWANTED: frame_put(&w->out, FRAME_DATA, 0, 3, str_n(bytes, sizeof bytes)); break;
    case FLOODS: break;
    }
}

static void floods_end_the_session(void **state)
{
    (void)state;
    enum { MOST = 1500 };
    for (enum flood flood = 0; flood < FLOODS; flood++) {
        struct world *w = connected();
        if (flood == EMPTY_DATA || flood == PADDING) put_ok(w, 1, false);
        struct one *gone = ask(w);
        send_out(w);
        fetch_end(&gone->f);
        for (unsigned n = 0; n < MOST && w->one[0].f.state != FETCH_FAILED; n++) {
            put_flood(w, flood, n);
            send_out(w);
        }
        if (w->one[0].f.state != FETCH_FAILED) fail_msg("flood %d goes on", (int)flood);
        if (flood == INTERIM && w->one[0].f.err == ERR_TOO_LARGE) { /* all of them are one head */
            world_free(w);
            continue;
        }
        check_failed(&w->one[0], ERR_FULL);
        assert_int_equal(told_on(w, 0).goaway_code, H2_CODE_CALM);
        world_free(w);
    }
}

/* A server that sends more than it may. */
static void the_windows_bind_the_server(void **state)
{
    (void)state;
    static char bytes[16384];
    struct world *w = connected();
    w->one[0].lazy = true;
    put_ok(w, 1, false);
    for (int i = 0; i < 5; i++)
        frame_put(&w->out, FRAME_DATA, 0, 1, str_n(bytes, sizeof bytes));
    send_out(w);
    check_failed(&w->one[0], ERR_PROTOCOL);
    world_free(w);
}

/* A field that both sides know is a byte or two when it is sent again (RFC 7541 section 6.1). */
static void ids_and_secrets_stay_out_of_the_table(void **state)
{
    (void)state;
    static const enum http_header_id never[] = {
        HDR_X_REQUEST_ID,  HDR_X_CLIENT_REQUEST_ID, HDR_TRACEPARENT,
        HDR_AUTHORIZATION, HDR_X_API_KEY,           HDR_API_KEY,
    };
    enum { SAID = 20 }; /* bytes of the value, at least, however it is packed */
    const struct str value = STR("0123456789abcdef0123456789abcdef");
    struct world *w = connected();
    const struct http_field known = {.id = HDR_ACCEPT, .value = value};
    size_t first = head_size(w, &known);
    size_t least = head_size(w, &known);
    assert_in_range(least, 1, first - SAID);
    for (size_t i = 0; i < ARRAY_LEN(never); i++) {
        const struct http_field field = {.id = never[i], .value = value};
        (void)head_size(w, &field);
        assert_in_range(head_size(w, &field), least + SAID, SIZE_MAX);
    }
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_and_secrets_stay_out_of_the_table),
        cmocka_unit_test(answers_come_between_each_other),
        cmocka_unit_test(bodies_wait_to_be_taken),
        cmocka_unit_test(interim_answers_and_trailers_are_dropped),
        cmocka_unit_test(malformed_answers_fail_alone),
        cmocka_unit_test(what_is_wrong_is_told_of_a_stream_or_of_all),
        cmocka_unit_test(heads_over_the_limits_fail),
        cmocka_unit_test(resets_are_told_apart),
        cmocka_unit_test(an_early_answer_is_an_answer),
        cmocka_unit_test(uploads_keep_to_the_windows),
        cmocka_unit_test(a_server_that_leaves_finishes_what_it_began),
        cmocka_unit_test(how_many_it_takes_the_server_says),
        cmocka_unit_test(more_than_a_hundred_need_another_connection),
        cmocka_unit_test(a_server_that_speaks_something_else_fails),
        cmocka_unit_test(nobody_pushes),
        cmocka_unit_test(floods_end_the_session),
        cmocka_unit_test(the_windows_bind_the_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
