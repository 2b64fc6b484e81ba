/* SPDX-License-Identifier: Apache-2.0 */
/* transport: streams of TLS, between a client and a server of ours on one wire. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../sim/identities.h"
#include "../sim/wire.h"
#include "base/clock.h"
#include "base/err.h"
#include "transport/tls.h"
#include "transport/way.h"

#define SEC ((uint64_t)USEC_PER_SEC)

enum { GOT_MAX = 8 << 20 };

/* Who holds a stream, and what it was told. */
struct end {
    struct stream *s;
    struct buf got;
    bool opened, ended;
    int open_err, end_err;
    unsigned drains;
    size_t stop_at; /* stops reading when it has so much; 0: never */
};

struct bed {
    struct sim *sim;
    struct wires wires;
    struct acceptor acceptor; /* behind TLS */
    struct tls_acceptor tls;
    struct tls_context *server_context, *client_context;
    struct end client, server;
};

static struct identities files;
static struct identity here; /* for "here.test", by the authority that is trusted */

/* --- holders --- */

static void on_open(void *owner, int err)
{
    struct end *e = owner;
    assert_false(e->opened);
    e->opened = true;
    e->open_err = err;
}

static void on_data(void *owner, struct str bytes)
{
    struct end *e = owner;
    assert_true(e->opened && !e->open_err && !e->ended && bytes.len > 0);
    assert_int_equal(buf_append(&e->got, bytes), 0);
    if (e->stop_at && buf_len(&e->got) >= e->stop_at) stream_read(e->s, false);
}

static void on_end(void *owner, int err)
{
    struct end *e = owner;
    assert_false(e->ended);
    e->ended = true;
    e->end_err = err;
}

static void on_drain(void *owner)
{
    ((struct end *)owner)->drains++;
}

static const struct stream_handler handler = {
    .on_open = on_open, .on_data = on_data, .on_end = on_end, .on_drain = on_drain};

static void hold(struct end *e, struct stream *s)
{
    e->s = s;
    buf_init(&e->got, GOT_MAX);
    stream_set_handler(s, &handler, e);
    stream_read(s, true);
}

static void let_go(struct end *e)
{
    if (e->s) stream_close(e->s);
    e->s = NULL;
}

static void say(struct end *e, const char *text)
{
    struct iovec iov = {(char *)(uintptr_t)text, strlen(text)};
    assert_int_equal(stream_write(e->s, &iov, 1), 0);
}

static bool heard(const struct end *e, const char *text)
{
    return str_eq(buf_str(&e->got), str_of(text));
}

/* --- the bed --- */

static void on_accept(struct acceptor *acceptor, struct stream *s)
{
    struct bed *b = CONTAINER_OF(acceptor, struct bed, acceptor);
    hold(&b->server, s);
}

/* Takes the contexts over. */
static struct bed *bed_new(struct tls_context *server, struct tls_context *client)
{
    struct bed *b = calloc(1, sizeof *b);
    b->sim = sim_new(1000 * SEC);
    b->server_context = server;
    b->client_context = client;
    b->acceptor.accept = on_accept;
    tls_acceptor_init(&b->tls, server, &b->acceptor);
    wires_init(&b->wires, b->sim, &b->tls.acceptor);
    return b;
}

static void bed_free(struct bed *b)
{
    let_go(&b->client);
    let_go(&b->server);
    sim_free(b->sim);
    buf_fini(&b->client.got);
    buf_fini(&b->server.got);
    tls_context_unref(b->server_context);
    tls_context_unref(b->client_context);
    free(b);
}

static void dial_as(struct bed *b, const char *name, enum way_http http)
{
    struct way way = {.addr = {.host = str_of(name), .port = 443},
                      .tls = b->client_context,
                      .tls_name = str_of(name),
                      .http = http};
    struct stream *s;
    assert_int_equal(way_dial(b->sim->loop, &way, &s), 0);
    hold(&b->client, s);
    assert_false(stream_is_open(s));
    wires_run(&b->wires);
}

static void dial(struct bed *b)
{
    dial_as(b, "here.test", WAY_HTTP_ANY);
}

/* Forgets both ends, for the next pair. */
static void part(struct bed *b)
{
    let_go(&b->client);
    wires_run(&b->wires);
    let_go(&b->server);
    wires_run(&b->wires);
    buf_fini(&b->client.got);
    buf_fini(&b->server.got);
    b->client = b->server = (struct end){0};
}

static struct bed *bed_plain(void)
{
    return bed_new(context_server(&here), context_client(files.ca));
}

static bool is_open(const struct end *e)
{
    return e->opened && !e->open_err;
}

/* Both are there, and each hears the other. */
static void check_talk(struct bed *b)
{
    assert_true(is_open(&b->client) && is_open(&b->server));
    assert_true(stream_is_open(b->client.s) && stream_is_open(b->server.s));
    say(&b->client, "ping");
    wires_run(&b->wires);
    assert_true(heard(&b->server, "ping"));
    say(&b->server, "pong");
    wires_run(&b->wires);
    assert_true(heard(&b->client, "pong"));
}

/* --- what is agreed on --- */

static void both_learn_what_was_agreed_on(void **state)
{
    (void)state;
    struct bed *b = bed_plain();
    dial(b);
    check_talk(b);
    const struct stream_facts *facts = stream_facts(b->server.s);
    assert_true(facts->secure && str_eq(facts->server_name, STR("here.test")));
    assert_true(str_eq(facts->alpn, STR("h2")) && facts->peer_name.len == 0);
    assert_string_equal(facts->protocol, "TLSv1.3");
    assert_non_null(facts->cipher);
    facts = stream_facts(b->client.s);
    assert_true(facts->secure && str_eq(facts->alpn, STR("h2")));
    assert_true(str_eq(facts->peer_name, STR("CN=here.test")));
    let_go(&b->client);
    wires_run(&b->wires);
    assert_true(b->server.ended);
    assert_int_equal(b->server.end_err, ERR_EOF);
    bed_free(b);
}

static struct tls_context *server_without_h2(void)
{
    const struct tls_identity one = {str_of(here.certificate), str_of(here.key)};
    return context_make(&(struct tls_settings){
        .server = true, .identities = &one, .identity_count = 1, .no_h2 = true});
}

static void protocols_are_chosen_by_both(void **state)
{
    (void)state;
    static const struct {
        enum way_http http;
        bool no_h2;
        const char *agreed; /* NULL: there is none */
    } cases[] = {
        {WAY_HTTP_ANY, false, "h2"},    {WAY_HTTP_1, false, "http/1.1"},
        {WAY_HTTP_2, false, "h2"},      {WAY_HTTP_ANY, true, "http/1.1"},
        {WAY_HTTP_1, true, "http/1.1"}, {WAY_HTTP_2, true, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bed *b = bed_new(cases[i].no_h2 ? server_without_h2() : context_server(&here),
                                context_client(files.ca));
        dial_as(b, "here.test", cases[i].http);
        if (cases[i].agreed) {
            check_talk(b);
            assert_true(str_eq(stream_facts(b->client.s)->alpn, str_of(cases[i].agreed)));
            assert_true(str_eq(stream_facts(b->server.s)->alpn, str_of(cases[i].agreed)));
        } else {
            assert_int_equal(b->client.open_err, ERR_TLS);
            assert_int_equal(b->server.open_err, ERR_TLS);
            assert_non_null(stream_facts(b->client.s)->error);
        }
        bed_free(b);
    }
}

/* --- whose certificate --- */

static void the_name_that_is_asked_for_chooses_the_certificate(void **state)
{
    (void)state;
    struct identity other, address;
    identity_make(&files, files.ca, "other", "*.other.test", &other);
    identity_make(&files, files.ca, "address", "127.0.0.1", &address);
    const struct tls_identity all[] = {{str_of(here.certificate), str_of(here.key)},
                                       {str_of(other.certificate), str_of(other.key)},
                                       {str_of(address.certificate), str_of(address.key)}};
    const struct tls_settings settings = {
        .server = true, .identities = all, .identity_count = ARRAY_LEN(all)};
    struct bed *b = bed_new(context_make(&settings), context_client(files.ca));
    static const char *const names[] = {"here.test", "a.other.test", "here.test"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        dial_as(b, names[i], WAY_HTTP_ANY);
        check_talk(b);
        assert_true(str_eq(stream_facts(b->server.s)->server_name, str_of(names[i])));
        part(b);
    }
    dial_as(b, "unknown.test", WAY_HTTP_ANY);
    assert_int_equal(b->client.open_err, ERR_CERTIFICATE);
    part(b);
    dial_as(b, "127.0.0.1", WAY_HTTP_ANY); /* no name is sent; the standard is not for it */
    assert_int_equal(b->client.open_err, ERR_CERTIFICATE);
    bed_free(b);

    b = bed_new(context_server(&address), context_client(files.ca));
    dial_as(b, "127.0.0.1", WAY_HTTP_ANY);
    check_talk(b);
    assert_int_equal(stream_facts(b->server.s)->server_name.len, 0);
    bed_free(b);
}

/* What a client makes of the server's certificate. */
static void check_verdict(const struct tls_settings *client, const struct identity *server,
                          const char *name, int err, const char *why)
{
    struct bed *b = bed_new(context_server(server), context_make(client));
    dial_as(b, name, WAY_HTTP_ANY);
    assert_true(b->client.opened);
    assert_int_equal(b->client.open_err, err);
    if (err) {
        const char *said = stream_facts(b->client.s)->error;
        if (!said || !strstr(said, why)) fail_msg("said: %s", said ? said : "nothing");
        let_go(&b->client);
        wires_run(&b->wires);
        assert_true(b->server.open_err || b->server.ended);
    } else {
        check_talk(b);
    }
    bed_free(b);
}

static void certificates_must_verify(void **state)
{
    (void)state;
    struct identity strange, dying;
    char right[64], wrong[64];
    identity_make(&files, files.stranger, "strange", "here.test", &strange);
    identity_make_dying(&files, 2, "dying", "here.test", &dying);
    identity_pin(&here, right);
    identity_pin(&strange, wrong);
    const struct str pins[] = {str_of(wrong), str_of(right)};
    char dying_ca[IDENTITIES_PATH];
    (void)snprintf(dying_ca, sizeof dying_ca, "%s/dying-ca.pem", files.folder);
    const struct tls_settings trusting = {.ca = str_of(files.ca)}, careless = {.no_verify = true},
                              doomed = {.ca = str_of(dying_ca)},
                              pinned = {.ca = str_of(files.ca), .pins = pins, .pin_count = 2},
                              mispinned = {.ca = str_of(files.ca), .pins = pins, .pin_count = 1},
                              only_pinned = {.no_verify = true, .pins = pins, .pin_count = 1};
    check_verdict(&trusting, &here, "here.test", 0, NULL);
    check_verdict(&trusting, &here, "there.test", ERR_CERTIFICATE, "hostname mismatch");
    check_verdict(&trusting, &here, "10.0.0.1", ERR_CERTIFICATE, "IP address mismatch");
    check_verdict(&trusting, &strange, "here.test", ERR_CERTIFICATE,
                  "self-signed certificate in certificate chain");
    check_verdict(&careless, &strange, "there.test", 0, NULL);
    check_verdict(&pinned, &here, "here.test", 0, NULL);
    check_verdict(&mispinned, &here, "here.test", ERR_CERTIFICATE, "pinned");
    check_verdict(&only_pinned, &strange, "here.test", 0, NULL);
    check_verdict(&only_pinned, &here, "here.test", ERR_CERTIFICATE, "pinned");

    struct tls_context *server = context_server(&dying), *refused;
    sleep(3);
    struct bed *b = bed_new(server, context_make(&doomed));
    dial(b);
    assert_int_equal(b->client.open_err, ERR_CERTIFICATE);
    assert_string_equal(stream_facts(b->client.s)->error, "certificate has expired");
    bed_free(b);
    const struct tls_identity one = {str_of(dying.certificate), str_of(dying.key)};
    char why[TLS_WHY_ROOM];
    assert_int_equal(
        tls_context_new(
            &(struct tls_settings){.server = true, .identities = &one, .identity_count = 1},
            &refused, why),
        ERR_INVALID);
    assert_non_null(strstr(why, "dying.pem: the certificate has expired"));
}

/* --- certificates of clients --- */

static struct tls_context *server_asking(enum tls_clients clients)
{
    const struct tls_identity one = {str_of(here.certificate), str_of(here.key)};
    return context_make(&(struct tls_settings){.server = true,
                                               .identities = &one,
                                               .identity_count = 1,
                                               .ca = str_of(files.ca),
                                               .clients = clients});
}

static struct tls_context *client_with(const struct identity *identity)
{
    const struct tls_identity one = {str_of(identity ? identity->certificate : ""),
                                     str_of(identity ? identity->key : "")};
    return context_make(&(struct tls_settings){
        .ca = str_of(files.ca), .identities = &one, .identity_count = identity ? 1 : 0});
}

static void clients_prove_who_they_are(void **state)
{
    (void)state;
    struct identity spiffe, strange;
    identity_make(&files, files.ca, "spiffe", "spiffe://here.test/agent", &spiffe);
    identity_make(&files, files.stranger, "strange", "spiffe://here.test/agent", &strange);
    const struct {
        enum tls_clients clients;
        const struct identity *identity;
        bool accepted;
        const char *name;
    } cases[] = {
        {TLS_CLIENTS_OFF, NULL, true, ""},
        {TLS_CLIENTS_OFF, &spiffe, true, ""},
        {TLS_CLIENTS_OFF, &strange, true, ""},
        {TLS_CLIENTS_OPTIONAL, NULL, true, ""},
        {TLS_CLIENTS_OPTIONAL, &spiffe, true, "spiffe://here.test/agent"},
        {TLS_CLIENTS_OPTIONAL, &here, true, "CN=here.test"},
        {TLS_CLIENTS_OPTIONAL, &strange, false, ""},
        {TLS_CLIENTS_REQUIRED, NULL, false, ""},
        {TLS_CLIENTS_REQUIRED, &spiffe, true, "spiffe://here.test/agent"},
        {TLS_CLIENTS_REQUIRED, &strange, false, ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bed *b = bed_new(server_asking(cases[i].clients), client_with(cases[i].identity));
        dial(b);
        if (cases[i].accepted) {
            check_talk(b);
            assert_true(str_eq(stream_facts(b->server.s)->peer_name, str_of(cases[i].name)));
        } else { /* the client of TLS 1.3 learns of it when it reads */
            assert_true(b->server.open_err == ERR_TLS || b->server.open_err == ERR_CERTIFICATE);
            assert_non_null(stream_facts(b->server.s)->error);
            assert_int_equal(stream_facts(b->server.s)->peer_name.len, 0);
            assert_true(b->client.open_err || b->client.ended);
            assert_int_equal(b->client.end_err, b->client.open_err ? 0 : ERR_TLS);
        }
        bed_free(b);
    }
}

/* --- ends --- */

static void a_farewell_is_an_end_and_a_cut_is_none(void **state)
{
    (void)state;
    static const struct {
        enum wire_cut cut;
        int err;
    } cases[] = {{WIRE_WHOLE, ERR_EOF}, {WIRE_FIN, ERR_CUT}, {WIRE_RST, -ECONNRESET}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bed *b = bed_plain();
        dial(b);
        check_talk(b);
        struct wire *wire = wires_at(&b->wires, 0);
        say(&b->server, ", and more");
        wires_run(&b->wires);
        if (cases[i].cut)
            wire_break(&b->wires, wire, &wire->down, cases[i].cut);
        else
            let_go(&b->server);
        wires_run(&b->wires);
        assert_true(heard(&b->client, "pong, and more"));
        assert_true(b->client.ended);
        assert_int_equal(b->client.end_err, cases[i].err);
        bed_free(b);
    }
}

/* Whoever closes by reset says no farewell. */
static void a_reset_is_no_farewell(void **state)
{
    (void)state;
    struct bed *b = bed_plain();
    dial(b);
    check_talk(b);
    stream_close_reset(b->server.s);
    b->server.s = NULL;
    wires_run(&b->wires);
    assert_true(b->client.ended && b->client.end_err == -ECONNRESET);
    bed_free(b);
}

/* One exchange with a course that breaks at that byte. */
static void talk_until(bool up, enum wire_cut cut, uint64_t at, uint64_t *moved)
{
    struct bed *b = bed_plain();
    struct wire_course *course = up ? &b->wires.up : &b->wires.down;
    course->cut = cut;
    course->cut_at = at;
    dial(b);
    if (is_open(&b->client) && !b->client.ended) say(&b->client, "a question");
    if (is_open(&b->server) && !b->server.ended) say(&b->server, "an answer");
    wires_run(&b->wires);
    struct end *e = up ? &b->server : &b->client;
    struct wire *wire = wires_at(&b->wires, 0);
    *moved = up ? wire->up.moved : wire->down.moved;
    if (*moved >= at) {
        assert_true(e->opened);
        assert_true(e->open_err || e->ended);
        assert_true(e->open_err < 0 || e->end_err == ERR_CUT || e->end_err == -ECONNRESET);
    }
    bed_free(b);
}

static void a_wire_may_break_anywhere(void **state)
{
    (void)state;
    enum { STEP = 41 };
    for (int up = 0; up < 2; up++)
        for (enum wire_cut cut = WIRE_FIN; cut <= WIRE_RST; cut++) {
            uint64_t at = 0, moved;
            do {
                at += at < 8 ? 1 : STEP;
                talk_until(up, cut, at, &moved);
            } while (moved >= at);
            assert_true(at > 10 * STEP);
        }
}

/* What is forged is an error of TLS, also where certificates are not looked at. */
static void a_forged_record_ends_it(void **state)
{
    (void)state;
    struct identity strange;
    identity_make(&files, files.stranger, "strange", "here.test", &strange);
    struct bed *b =
        bed_new(context_server(&strange), context_make(&(struct tls_settings){.no_verify = true}));
    dial(b);
    check_talk(b);
    sim_send(wires_at(&b->wires, 0)->dialled, STR("\x17\x03\x03\x00\x20"
                                                  "0123456789abcdef0123456789abcdef"));
    wires_run(&b->wires);
    assert_true(b->client.ended);
    assert_int_equal(b->client.end_err, ERR_TLS);
    assert_non_null(stream_facts(b->client.s)->error);
    bed_free(b);
}

static void plain_text_is_refused(void **state)
{
    (void)state;
    struct bed *b = bed_plain();
    struct sim_peer *plain = sim_connect(b->sim, &b->tls.acceptor);
    sim_send_text(plain, "GET / HTTP/1.1\r\nHost: here.test\r\n\r\n");
    assert_int_equal(b->server.open_err, ERR_TLS);
    assert_string_equal(stream_facts(b->server.s)->error, "http request");
    assert_true(sim_has(plain, "HTTP/1.1 400 ") && sim_has(plain, "use https://"));
    part(b);
    plain = sim_connect(b->sim, &b->tls.acceptor);
    sim_fin(plain);
    assert_int_equal(b->server.open_err, ERR_TLS);
    bed_free(b);
}

/* --- much --- */

static char pattern[2 << 20];

static void write_all(struct end *e, size_t len, size_t piece)
{
    for (size_t at = 0; at < len; at += piece) {
        struct iovec iov[2] = {{pattern + at, MIN(piece, len - at) / 2}, {0}};
        iov[1].iov_base = pattern + at + iov[0].iov_len;
        iov[1].iov_len = MIN(piece, len - at) - iov[0].iov_len;
        assert_int_equal(stream_write(e->s, iov, 2), 0);
    }
}

static bool has_pattern(const struct end *e, size_t len)
{
    return buf_len(&e->got) == len && memcmp(buf_str(&e->got).ptr, pattern, len) == 0;
}

static void much_arrives_in_any_pieces(void **state)
{
    (void)state;
    static const struct {
        size_t len, written, piece, window;
    } cases[] = {{30000, 30000, 1, 0},       {sizeof pattern, sizeof pattern, 0, 0},
                 {300000, 1000, 7777, 8192}, {200000, 16384, 16406, 0},
                 {200000, 16385, 1, 40000},  {sizeof pattern, 65536, 1448, 65536}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bed *b = bed_plain();
        b->wires.up.piece = b->wires.down.piece = cases[i].piece;
        b->wires.up.window = b->wires.down.window = cases[i].window;
        dial(b);
        write_all(&b->client, cases[i].len, cases[i].written);
        write_all(&b->server, cases[i].len, cases[i].written);
        wires_run(&b->wires);
        assert_true(has_pattern(&b->server, cases[i].len));
        assert_true(has_pattern(&b->client, cases[i].len));
        bed_free(b);
    }
}

/* Who stops reading holds the other back, loses nothing and gets the rest when it goes on; bytes
 * that were opened already wait, too. */
static void reading_may_stop_and_go_on(void **state)
{
    (void)state;
    enum { LEN = 600000, WINDOW = 50000 };
    static const size_t stops[] = {1, 16384, 20000, 65536, 70000};
    for (size_t i = 0; i < ARRAY_LEN(stops); i++) {
        struct bed *b = bed_plain();
        b->wires.down.window = WINDOW;
        dial(b);
        b->client.stop_at = stops[i];
        write_all(&b->server, LEN, LEN);
        wires_run(&b->wires);
        size_t got = buf_len(&b->client.got), waiting = stream_pending(b->server.s);
        assert_in_range(got, stops[i], stops[i] + LOOP_SCRATCH);
        assert_true(waiting > LEN - got - 3 * WINDOW);
        wires_advance(&b->wires, SEC);
        assert_int_equal(buf_len(&b->client.got), got);
        assert_int_equal(b->server.drains, 0);
        b->client.stop_at = 0;
        stream_read(b->client.s, true);
        wires_run(&b->wires);
        assert_true(has_pattern(&b->client, LEN));
        assert_int_equal(b->server.drains, 1);
        assert_int_equal(stream_pending(b->server.s), 0);
        bed_free(b);
    }
}

/* What came before the end is told before the end, when the holder reads again. */
static void an_end_waits_for_what_was_sent_before(void **state)
{
    (void)state;
    for (int cut = 0; cut < 2; cut++) {
        struct bed *b = bed_plain();
        dial(b);
        b->client.stop_at = 1;
        write_all(&b->server, 100000, 100000);
        wires_run(&b->wires);
        if (!cut) let_go(&b->server);
        wires_run(&b->wires);
        struct wire *wire = wires_at(&b->wires, 0);
        if (cut) wire_break(&b->wires, wire, &wire->down, WIRE_FIN);
        assert_true(buf_len(&b->client.got) < 100000 && !b->client.ended);
        b->client.stop_at = 0;
        stream_read(b->client.s, true);
        wires_run(&b->wires);
        assert_true(has_pattern(&b->client, 100000));
        assert_int_equal(b->client.end_err, cut ? ERR_CUT : ERR_EOF);
        bed_free(b);
    }
}

static void bytes_may_be_read_to_their_place(void **state)
{
    (void)state;
    struct bed *b = bed_plain();
    char *place = malloc(1000);
    dial(b);
    stream_read_into(b->server.s, place, 1000);
    write_all(&b->client, 5000, 5000);
    wires_run(&b->wires);
    assert_true(has_pattern(&b->server, 5000));
    assert_memory_equal(place, pattern, 1000);
    free(place);
    bed_free(b);
}

/* Both sides write, stop and go on as it comes. */
static void whatever_the_order_nothing_is_lost(void **state)
{
    (void)state;
    enum { SEEDS = 30, TURNS = 60, WRITE_MAX = 30000 };
    for (unsigned seed = 1; seed <= SEEDS; seed++) {
        struct bed *b = bed_plain();
        struct rng *rng = &b->wires.rng;
        rng_seed(rng, seed);
        b->wires.shuffled = true;
        b->wires.up.window = 1 + rng_below(rng, 100000);
        b->wires.down.window = 1 + rng_below(rng, 100000);
        dial(b);
        assert_true(is_open(&b->client) && is_open(&b->server));
        struct end *ends[] = {&b->client, &b->server};
        size_t sent[2] = {0};
        for (unsigned turn = 0; turn < TURNS; turn++) {
            size_t i = rng_below(rng, 2), n = rng_below(rng, WRITE_MAX);
            struct iovec iov = {pattern + sent[i], n};
            sent[i] += n;
            assert_int_equal(stream_write(ends[i]->s, &iov, 1), 0);
            stream_read(ends[1 - i]->s, rng_below(rng, 2));
            if (rng_below(rng, 3) == 0) wires_run(&b->wires);
        }
        for (int i = 0; i < 2; i++)
            stream_read(ends[i]->s, true);
        wires_run(&b->wires);
        assert_true(has_pattern(&b->server, sent[0]) && has_pattern(&b->client, sent[1]));
        bed_free(b);
    }
}

/* --- files that change --- */

static void files_may_change_under_connections(void **state)
{
    (void)state;
    struct identity changing;
    char before[64], after[64], why[TLS_WHY_ROOM];
    identity_make(&files, files.ca, "changing", "here.test", &changing);
    identity_pin(&changing, before);
    struct str pin = str_of(before);
    struct bed *b = bed_new(
        context_server(&changing),
        context_make(&(struct tls_settings){.ca = str_of(files.ca), .pins = &pin, .pin_count = 1}));
    dial(b);
    assert_int_equal(tls_context_refresh(b->server_context, why), TLS_UNCHANGED);
    identity_make(&files, files.ca, "changing", "here.test", &changing);
    identity_pin(&changing, after);
    assert_string_not_equal(before, after);
    assert_int_equal(tls_context_refresh(b->server_context, why), 0);
    assert_int_equal(tls_context_refresh(b->server_context, why), TLS_UNCHANGED);
    check_talk(b); /* with the old one */
    part(b);
    dial(b);
    assert_int_equal(b->client.open_err, ERR_CERTIFICATE);
    part(b);

    tls_context_unref(b->client_context);
    pin = str_of(after);
    b->client_context =
        context_make(&(struct tls_settings){.ca = str_of(files.ca), .pins = &pin, .pin_count = 1});
    dial(b);
    check_talk(b);
    part(b);
    FILE *broken = fopen(changing.certificate, "w");
    (void)fputs("nothing\n", broken);
    (void)fclose(broken);
    assert_int_equal(tls_context_refresh(b->server_context, why), ERR_INVALID);
    assert_non_null(strstr(why, "changing.pem: no certificate can be read"));
    assert_int_equal(tls_context_refresh(b->server_context, why), TLS_UNCHANGED); /* told once */
    dial(b); /* what was read before stays */
    check_talk(b);
    bed_free(b);
}

/* Files that could not be read for a while are read as soon as they can be, though they have not changed. */
static void files_are_tried_again_after_a_lack_of_descriptors(void **state)
{
    (void)state;
    struct identity changing;
    struct rlimit limit, none;
    char why[TLS_WHY_ROOM];
    identity_make(&files, files.ca, "passing", "here.test", &changing);
    struct tls_context *context = context_server(&changing);
    identity_make(&files, files.ca, "passing", "here.test", &changing);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = (struct rlimit){.rlim_cur = 0, .rlim_max = limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    int err = tls_context_refresh(context, why);
    int again = tls_context_refresh(context, why);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_true(err < 0);
    assert_int_equal(again, TLS_UNCHANGED);
    assert_int_equal(tls_context_refresh(context, why), 0);
    assert_int_equal(tls_context_refresh(context, why), TLS_UNCHANGED);
    tls_context_unref(context);
}

static int set_up(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof pattern; i++)
        pattern[i] = (char)(i * 31 + i / 251);
    identities_init(&files);
    identity_make(&files, files.ca, "here", "here.test", &here);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    identities_fini(&files);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_learn_what_was_agreed_on),
        cmocka_unit_test(protocols_are_chosen_by_both),
        cmocka_unit_test(the_name_that_is_asked_for_chooses_the_certificate),
        cmocka_unit_test(certificates_must_verify),
        cmocka_unit_test(clients_prove_who_they_are),
        cmocka_unit_test(a_farewell_is_an_end_and_a_cut_is_none),
        cmocka_unit_test(a_reset_is_no_farewell),
        cmocka_unit_test(a_wire_may_break_anywhere),
        cmocka_unit_test(a_forged_record_ends_it),
        cmocka_unit_test(plain_text_is_refused),
        cmocka_unit_test(much_arrives_in_any_pieces),
        cmocka_unit_test(reading_may_stop_and_go_on),
        cmocka_unit_test(an_end_waits_for_what_was_sent_before),
        cmocka_unit_test(bytes_may_be_read_to_their_place),
        cmocka_unit_test(whatever_the_order_nothing_is_lost),
        cmocka_unit_test(files_may_change_under_connections),
        cmocka_unit_test(files_are_tried_again_after_a_lack_of_descriptors),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
