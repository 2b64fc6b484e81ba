/* SPDX-License-Identifier: Apache-2.0 */
/* transport: sessions that are resumed by tickets, for clients of other make: OpenSSL's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../sim/identities.h"
#include "../sim/sim.h"
#include "base/clock.h"
#include "transport/tls.h"

static struct identities files;
static struct identity here, agent;

/* A server, and what it knows of its newest connection. */
struct server {
    struct sim *sim;
    struct acceptor acceptor;
    struct tls_acceptor tls;
    struct stream *stream;
    int open_err;
};

/* A connection of OpenSSL's. */
struct client {
    SSL *ssl;
    BIO *in, *out;
    struct sim_peer *peer;
};

/* --- the server --- */

static void on_open(void *owner, int err)
{
    struct server *s = owner;
    s->open_err = err;
    if (!err) stream_read(s->stream, true);
}

static void on_data(void *owner, struct str bytes)
{
    struct server *s = owner;
    struct iovec iov = {(char *)(uintptr_t)bytes.ptr, bytes.len};
    assert_int_equal(stream_write(s->stream, &iov, 1), 0);
}

static void on_end(void *owner UNUSED, int err UNUSED)
{
}

static const struct stream_handler handler = {
    .on_open = on_open, .on_data = on_data, .on_end = on_end};

static void on_accept(struct acceptor *acceptor, struct stream *stream)
{
    struct server *s = CONTAINER_OF(acceptor, struct server, acceptor);
    s->stream = stream;
    s->open_err = 1;
    stream_set_handler(stream, &handler, s);
}

static struct server *server_new(enum tls_clients clients, const char *ca)
{
    struct server *s = calloc(1, sizeof *s);
    const struct tls_identity one = {str_of(here.certificate), str_of(here.key)};
    s->sim = sim_new(USEC_PER_SEC);
    s->acceptor.accept = on_accept;
    tls_acceptor_init(&s->tls,
                      context_make(&(struct tls_settings){.server = true,
                                                          .identities = &one,
                                                          .identity_count = 1,
                                                          .ca = str_of(ca),
                                                          .clients = clients}),
                      &s->acceptor);
    return s;
}

static void server_free(struct server *s)
{
    sim_free(s->sim);
    tls_context_unref(s->tls.context);
    free(s);
}

/* --- the client --- */

static SSL_CTX *client_context(int version)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_max_proto_version(ctx, version);
    assert_int_equal(SSL_CTX_use_certificate_chain_file(ctx, agent.certificate), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey_file(ctx, agent.key, SSL_FILETYPE_PEM), 1);
    return ctx;
}

static void exchange_bytes(struct client *c, struct server *s)
{
    char bytes[8192];
    int n = BIO_read(c->out, bytes, sizeof bytes);
    if (n > 0 && !c->peer->closed) sim_send(c->peer, str_n(bytes, (size_t)n));
    sim_run(s->sim);
    struct str got = sim_got(c->peer);
    if (got.len) assert_int_equal(BIO_write(c->in, got.ptr, (int)got.len), (int)got.len);
    sim_forget(c->peer);
}

/* Says a word and hears it again, if it is let. The session that it has then; NULL: it was not. */
static SSL_SESSION *talk(struct server *s, SSL_CTX *ctx, SSL_SESSION *session, bool *resumed)
{
    struct client c = {
        .ssl = SSL_new(ctx), .in = BIO_new(BIO_s_mem()), .out = BIO_new(BIO_s_mem())};
    char bytes[100];
    int heard = 0;
    SSL_set_bio(c.ssl, c.in, c.out);
    SSL_set_connect_state(c.ssl);
    if (session) assert_int_equal(SSL_set_session(c.ssl, session), 1);
    c.peer = sim_connect(s->sim, &s->tls.acceptor);
    for (int turn = 0; turn < 10 && heard <= 0; turn++) {
        if (SSL_do_handshake(c.ssl) == 1 && turn > 3) (void)SSL_write(c.ssl, "word", 4);
        exchange_bytes(&c, s);
        heard = SSL_read(c.ssl, bytes, sizeof bytes);
    }
    *resumed = SSL_session_reused(c.ssl);
    SSL_SESSION *after = heard > 0 ? SSL_get1_session(c.ssl) : NULL;
    SSL_shutdown(c.ssl);
    SSL_free(c.ssl);
    return after;
}

static void hang_up(struct server *s)
{
    stream_close(s->stream);
    sim_run(s->sim);
}

/* --- tests --- */

static void tickets_resume_sessions(void **state)
{
    (void)state;
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
        struct server *s = server_new(TLS_CLIENTS_OFF, "");
        SSL_CTX *ctx = client_context(versions[i]);
        char why[TLS_WHY_ROOM];
        bool resumed;
        SSL_SESSION *first = talk(s, ctx, NULL, &resumed);
        assert_true(first && !resumed && s->open_err == 0);
        hang_up(s);
        SSL_SESSION *second = talk(s, ctx, first, &resumed);
        assert_true(second && resumed);
        hang_up(s);
        identity_make(&files, files.ca, "here", "here.test", &here); /* a renewed certificate */
        assert_int_equal(tls_context_refresh(s->tls.context, why), 0);
        SSL_SESSION *third = talk(s, ctx, second, &resumed);
        assert_true(third && resumed);
        hang_up(s);
        SSL_SESSION_free(first);
        SSL_SESSION_free(second);
        SSL_SESSION_free(third);
        SSL_CTX_free(ctx);
        server_free(s);
    }
}

static void copy_file(const char *from, const char *to)
{
    char bytes[8192];
    FILE *in = fopen(from, "r"), *out = fopen(to, "w");
    size_t n = fread(bytes, 1, sizeof bytes, in);
    assert_int_equal(fwrite(bytes, 1, n, out), n);
    (void)fclose(in);
    (void)fclose(out);
}

/* A session proves who the client is only as long as those who vouch for it are trusted. */
static void a_ticket_does_not_outlive_trust(void **state)
{
    (void)state;
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    char ca[IDENTITIES_PATH];
    (void)snprintf(ca, sizeof ca, "%s/clients.pem", files.folder);
    for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
        copy_file(files.ca, ca);
        struct server *s = server_new(TLS_CLIENTS_REQUIRED, ca);
        SSL_CTX *ctx = client_context(versions[i]);
        char why[TLS_WHY_ROOM];
        bool resumed;
        SSL_SESSION *first = talk(s, ctx, NULL, &resumed);
        assert_true(first && !resumed);
        hang_up(s);
        SSL_SESSION *second = talk(s, ctx, first, &resumed);
        assert_true(second && resumed);
        assert_true(str_eq(stream_facts(s->stream)->peer_name, STR("spiffe://here.test/agent")));
        hang_up(s);
        copy_file(files.stranger, ca);
        assert_int_equal(tls_context_refresh(s->tls.context, why), 0);
        assert_null(talk(s, ctx, second, &resumed));
        assert_int_equal(stream_facts(s->stream)->peer_name.len, 0);
        hang_up(s);
        SSL_SESSION_free(first);
        SSL_SESSION_free(second);
        SSL_CTX_free(ctx);
        server_free(s);
    }
}

static int set_up(void **state)
{
    (void)state;
    identities_init(&files);
    identity_make(&files, files.ca, "here", "here.test", &here);
    identity_make(&files, files.ca, "agent", "spiffe://here.test/agent", &agent);
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
        cmocka_unit_test(tickets_resume_sessions),
        cmocka_unit_test(a_ticket_does_not_outlive_trust),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
