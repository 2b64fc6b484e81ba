/* SPDX-License-Identifier: Apache-2.0 */
/* TLS as a filter.
 *
 * OpenSSL reads and writes through a BIO of ours: it reads straight from what the stream below has
 * received, and what it writes is gathered and leaves below by one write. Small pieces are put
 * together before they are sealed, so that a head and its first chunk are one record. What can go
 * wrong: the handshake fails, or the peer's certificate is not accepted (on_open); a record is
 * forged, the peer breaks TLS or ends without its farewell (on_end); memory is lacking (either). */
#include "transport/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/ip.h"
#include "base/mem.h"
#include "loop/stream_filter.h"
#include "transport/tls_priv.h"

enum {
    RECORD_MAX = 16384,       /* plain bytes of one record (RFC 8446 section 5.1) */
    SEALED_MAX = 16384 + 512, /* and what becomes of them, at most */
};

_Static_assert(RECORD_MAX + 2 * SEALED_MAX <= LOOP_SCRATCH,
               "a record and two sealed ones have room");

struct tls_stream {
    struct filter filter;
    struct tls_context *context;
    SSL *ssl;           /* from the first byte or the opening of what is below on */
    bool farewell;      /* the peer has said that it sends no more */
    bool failed;        /* a fatal error: OpenSSL must not be asked again */
    enum tls_alpn alpn; /* clients */
    char *out;          /* where sealed bytes are gathered now; NULL: nowhere */
    size_t out_len;
    int out_err; /* the first write below that failed */
    struct stream_facts facts;
    char peer_name[256];
    char server_name[256]; /* a client's: whom it wants to reach */
    char protocol[24];
    char agreed[16]; /* by ALPN */
};

static struct tls_stream *of(struct filter *f)
{
    return CONTAINER_OF(f, struct tls_stream, filter);
}

/* --- what OpenSSL reads and writes --- */

static int bio_read(BIO *bio, char *into, size_t room, size_t *got)
{
    struct tls_stream *t = BIO_get_data(bio);
    struct str input = filter_input(&t->filter);
    BIO_clear_retry_flags(bio);
    *got = MIN(room, input.len);
    if (*got == 0) {
        BIO_set_retry_read(bio);
        return 0;
    }
    memcpy(into, input.ptr, *got);
    filter_used(&t->filter, *got);
    return 1;
}

static void send_out(struct tls_stream *t)
{
    struct iovec iov = {t->out, t->out_len};
    if (t->out_len && !t->out_err) t->out_err = stream_write(t->filter.base.below, &iov, 1);
    t->out_len = 0;
}

static int bio_write(BIO *bio, const char *from, size_t len, size_t *put)
{
    struct tls_stream *t = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    *put = 0;
    if (!t->out) return 0;
    while (*put < len) {
        size_t room = LOOP_SCRATCH - RECORD_MAX - t->out_len;
        size_t n = MIN(room, len - *put);
        memcpy(t->out + t->out_len, from + *put, n);
        t->out_len += n;
        *put += n;
        if (n == room) send_out(t);
    }
    return 1;
}

static long bio_ctrl(BIO *bio UNUSED, int what, long number UNUSED, void *ptr UNUSED)
{
    return what == BIO_CTRL_FLUSH;
}

static BIO_METHOD *method;

static void make_method(void)
{
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "stream");
    if (!method) return;
    BIO_meth_set_read_ex(method, bio_read);
    BIO_meth_set_write_ex(method, bio_write);
    BIO_meth_set_ctrl(method, bio_ctrl);
}

static BIO *bio_on(struct tls_stream *t)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_method);
    BIO *bio = method ? BIO_new(method) : NULL;
    if (!bio) return NULL;
    BIO_set_data(bio, t);
    BIO_set_init(bio, 1);
    return bio;
}

/* Between these OpenSSL may write. False: there is no memory for it. */
static bool begin_output(struct tls_stream *t)
{
    char *scratch = loop_scratch(t->filter.base.loop, LOOP_SCRATCH_OUT);
    ERR_clear_error();
    t->out = scratch ? scratch + RECORD_MAX : NULL;
    t->out_len = 0;
    return scratch != NULL;
}

static int end_output(struct tls_stream *t)
{
    if (t->out) send_out(t);
    t->out = NULL;
    return t->out_err;
}

/* --- the handshake --- */

static bool is_address(const char *name)
{
    return ip_parse(str_of(name), &(struct ip){0}) == 0;
}

/* Whom the certificate must be for, and whom the server is asked for (RFC 6066 section 3: never an
 * address). */
static bool name_server(struct tls_stream *t)
{
    const char *name = t->server_name;
    bool address = is_address(name);
    X509_VERIFY_PARAM *param = SSL_get0_param(t->ssl);
    if (!address && SSL_set_tlsext_host_name(t->ssl, name) != 1) return false;
    if (tls__settings(t->context)->no_verify) return true;
    return address ? X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1
                   : X509_VERIFY_PARAM_set1_host(param, name, 0) == 1;
}

static bool offer_protocols(struct tls_stream *t)
{
    static const unsigned char all[] = "\x02h2\x08http/1.1";
    enum { H2 = 3 };
    const unsigned char *from = t->alpn == TLS_ALPN_H1 ? all + H2 : all;
    unsigned len = t->alpn == TLS_ALPN_H2 ? H2 : (unsigned)(all + sizeof all - 1 - from);
    return SSL_set_alpn_protos(t->ssl, from, len) == 0;
}

static bool begin(struct tls_stream *t)
{
    t->ssl = tls__session(t->context);
    BIO *bio = t->ssl ? bio_on(t) : NULL;
    if (!bio) return false;
    SSL_set_bio(t->ssl, bio, bio);
    if (tls__settings(t->context)->server) {
        SSL_set_accept_state(t->ssl);
        return true;
    }
    SSL_set_connect_state(t->ssl);
    return name_server(t) && offer_protocols(t);
}

static void note_peer(struct tls_stream *t)
{
    const X509 *certificate = SSL_get0_peer_certificate(t->ssl);
    bool proven = SSL_get_verify_mode(t->ssl) != SSL_VERIFY_NONE;
    if (!certificate || !proven) return;
    tls__peer_name(certificate, t->peer_name, sizeof t->peer_name);
    t->facts.peer_name = str_of(t->peer_name);
}

static void note_facts(struct tls_stream *t)
{
    const unsigned char *alpn;
    unsigned len;
    SSL_get0_alpn_selected(t->ssl, &alpn, &len);
    (void)snprintf(t->agreed, sizeof t->agreed, "%.*s", (int)len, (const char *)alpn);
    const char *name = SSL_get_servername(t->ssl, TLSEXT_NAMETYPE_host_name);
    if (name && tls__settings(t->context)->server)
        (void)snprintf(t->server_name, sizeof t->server_name, "%s", name);
    (void)snprintf(t->protocol, sizeof t->protocol, "%s", SSL_get_version(t->ssl));
    t->facts.secure = true;
    t->facts.alpn = str_of(t->agreed);
    t->facts.server_name = str_of(t->server_name);
    t->facts.protocol = t->protocol;
    t->facts.cipher = SSL_get_cipher_name(t->ssl);
    note_peer(t);
}

/* Somebody who has mistaken the port gets a word in the clear, as OpenSSL gives no alert then. */
static void answer_plain_http(struct tls_stream *t)
{
    static const char answer[] = "HTTP/1.1 400 Bad Request\r\n"
                                 "content-type: text/plain\r\n"
                                 "connection: close\r\n"
                                 "content-length: 36\r\n"
                                 "\r\n"
                                 "This port speaks TLS: use https://.\n";
    const struct iovec iov = {(void *)(uintptr_t)answer, sizeof answer - 1};
    if (!t->out_err) t->out_err = stream_write(t->filter.base.below, &iov, 1);
}

/* Which check failed, in the library's words. */
static int failure(struct tls_stream *t)
{
    unsigned long code = ERR_peek_error();
    long verdict = X509_V_OK; /* nobody cares for it where nothing is verified */
    if (t->ssl && SSL_get_verify_mode(t->ssl) != SSL_VERIFY_NONE)
        verdict = SSL_get_verify_result(t->ssl);
    t->failed = true;
    if (code && ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE) return -ENOMEM;
    if (verdict != X509_V_OK) {
        t->facts.error = X509_verify_cert_error_string(verdict);
        return ERR_CERTIFICATE;
    }
    t->facts.error = code ? ERR_reason_error_string(code) : NULL;
    if (code && ERR_GET_REASON(code) == SSL_R_HTTP_REQUEST) answer_plain_http(t);
    return ERR_TLS;
}

static bool wants_more(struct tls_stream *t, int result)
{
    return SSL_get_error(t->ssl, result) == SSL_ERROR_WANT_READ;
}

/* 1: it goes on; 0: it is over; negative: it failed. */
static int handshake(struct tls_stream *t)
{
    if (!begin_output(t) || (!t->ssl && !begin(t))) return -ENOMEM;
    int result = SSL_do_handshake(t->ssl);
    int err = result == 1 ? 0 : wants_more(t, result) ? 1 : failure(t);
    if (end_output(t)) return err < 0 ? err : t->out_err;
    if (err) return err;
    if (tls__pin_fits(t->context, t->ssl)) return 0;
    t->failed = true;
    t->facts.error = "the certificate's key is none of the pinned ones";
    return ERR_CERTIFICATE;
}

static void go_on_opening(struct tls_stream *t)
{
    int err = handshake(t);
    if (err > 0) return;
    if (!err) note_facts(t);
    filter_open(&t->filter, err);
}

/* --- reading --- */

static void end_reading(struct tls_stream *t, int err)
{
    t->filter.end_err = err;
    filter_used(&t->filter, filter_input(&t->filter).len);
}

/* Why no more could be read. */
static void note_stop(struct tls_stream *t, int result)
{
    switch (SSL_get_error(t->ssl, result)) {
    case SSL_ERROR_WANT_READ: return;
    case SSL_ERROR_ZERO_RETURN:
        t->farewell = true;
        end_reading(t, ERR_EOF);
        return;
    default: end_reading(t, failure(t)); return;
    }
}

/* Opens records until `room` is full or no whole one is left. Returns how many bytes are at
 * `into`. */
static size_t open_records(struct tls_stream *t, char *into, size_t room)
{
    size_t have = 0, n;
    while (have < room) {
        int result = SSL_read_ex(t->ssl, into + have, room - have, &n);
        if (result != 1) {
            note_stop(t, result);
            break;
        }
        have += n;
    }
    return have;
}

static void tls_input(struct filter *f)
{
    struct tls_stream *t = of(f);
    if (f->base.opening) go_on_opening(t);
    if (t->failed && !f->base.closed) filter_used(f, filter_input(f).len);
    while (!f->base.opening && filter_wants(f) && !t->failed && !t->farewell) {
        bool placed = f->base.place_len > 0;
        char *into = placed ? f->base.place : loop_scratch(f->base.loop, LOOP_SCRATCH_IN);
        size_t room = placed ? f->base.place_len : LOOP_SCRATCH;
        if (!into || !begin_output(t)) {
            end_reading(t, -ENOMEM);
            return;
        }
        size_t n = open_records(t, into, room);
        int err = end_output(t);
        if (n) stream_tell_data(&f->base, str_n(into, n));
        if (err && !f->base.closed) end_reading(t, err);
        if (n < room || err) return;
    }
}

static void tls_opened(struct filter *f, int err)
{
    if (err)
        filter_open(f, err);
    else
        go_on_opening(of(f));
}

static void tls_ended(struct filter *f, int err)
{
    struct tls_stream *t = of(f);
    if (f->base.opening) {
        if (err == ERR_EOF) t->facts.error = "the peer left during the handshake";
        filter_open(f, err == ERR_EOF ? ERR_TLS : err);
        return;
    }
    stream_tell_end(&f->base, err == ERR_EOF && !t->farewell ? ERR_CUT : err);
}

/* --- writing --- */

static int seal(struct tls_stream *t, const void *bytes, size_t len)
{
    size_t n;
    if (len == 0 || t->out_err) return t->out_err;
    if (SSL_write_ex(t->ssl, bytes, len, &n) == 1) return 0;
    return failure(t);
}

/* Pieces put together until they fill a record. */
struct plain {
    char *at;
    size_t len;
};

static int seal_gathered(struct tls_stream *t, struct plain *p)
{
    int err = seal(t, p->at, p->len);
    p->len = 0;
    return err;
}

static int add_piece(struct tls_stream *t, struct plain *p, const char *bytes, size_t len)
{
    int err = 0;
    while (len && !err) {
        bool whole = p->len == 0 && len >= RECORD_MAX;
        size_t n = MIN(len, RECORD_MAX - p->len);
        if (whole)
            err = seal(t, bytes, n);
        else
            memcpy(p->at + p->len, bytes, n);
        if (!whole) p->len += n;
        if (p->len == RECORD_MAX) err = seal_gathered(t, p);
        bytes += n;
        len -= n;
    }
    return err;
}

static int tls_write(struct stream *s, const struct iovec *iov, unsigned count)
{
    struct tls_stream *t = of(CONTAINER_OF(s, struct filter, base));
    assert(!s->opening);
    if (t->failed) return ERR_TLS;
    if (!begin_output(t)) return -ENOMEM;
    struct plain p = {t->out - RECORD_MAX, 0};
    int err = 0;
    for (unsigned i = 0; i < count && !err; i++)
        err = add_piece(t, &p, iov[i].iov_base, iov[i].iov_len);
    if (!err) err = seal_gathered(t, &p);
    int out_err = end_output(t);
    return err ? err : out_err;
}

/* --- its life --- */

/* The peer learns that nothing was cut off, if that is true. */
static void tls_farewell(struct filter *f, bool reset)
{
    struct tls_stream *t = of(f);
    bool whole = t->ssl && !f->base.opening && !t->failed && !f->end_err &&
                 stream_pending(f->base.below) == 0;
    if (reset || !whole || !begin_output(t)) return;
    (void)SSL_shutdown(t->ssl);
    (void)end_output(t);
}

static void tls_release(struct filter *f)
{
    struct tls_stream *t = of(f);
    SSL_free(t->ssl);
    tls_context_unref(t->context);
    free(t);
}

static const struct stream_ops stream_ops = FILTER_STREAM_OPS(tls_write);

static const struct filter_ops filter_ops = {
    .opened = tls_opened,
    .input = tls_input,
    .ended = tls_ended,
    .farewell = tls_farewell,
    .release = tls_release,
};

static struct tls_stream *tls_on(struct stream *below, struct tls_context *context)
{
    struct tls_stream *t = mem_try_zero(1, sizeof *t);
    if (!t) {
        stream_close(below);
        return NULL;
    }
    t->context = tls_context_ref(context);
    t->facts = (struct stream_facts){
        .alpn = STR_INIT(""), .server_name = STR_INIT(""), .peer_name = STR_INIT("")};
    filter_init(&t->filter, &stream_ops, &filter_ops, below);
    t->filter.base.facts = &t->facts;
    return t;
}

int tls_connect(struct stream *below, struct tls_context *context, struct str name,
                enum tls_alpn alpn, struct stream **out)
{
    struct tls_stream *t = tls_on(below, context);
    if (!t) return -ENOMEM;
    t->alpn = alpn;
    (void)snprintf(t->server_name, sizeof t->server_name, "%" STR_FMT, STR_ARG(name));
    *out = &t->filter.base;
    return 0;
}

static void accept_tls(struct acceptor *acceptor, struct stream *below)
{
    struct tls_acceptor *a = CONTAINER_OF(acceptor, struct tls_acceptor, acceptor);
    struct tls_stream *t = tls_on(below, a->context);
    if (t) a->next->accept(a->next, &t->filter.base);
}

void tls_acceptor_init(struct tls_acceptor *a, struct tls_context *context, struct acceptor *next)
{
    *a = (struct tls_acceptor){.acceptor.accept = accept_tls, .next = next, .context = context};
}
