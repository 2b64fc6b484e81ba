/* SPDX-License-Identifier: Apache-2.0 */
/* transport: contexts of TLS that several threads use while another one reads their files anew. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../sim/identities.h"
#include "../sim/wire.h"
#include "base/clock.h"
#include "base/err.h"
#include "transport/tls.h"
#include "transport/way.h"

enum { THREADS = 4, HANDSHAKES = 30 };

static struct identities files;
static struct identity changing;
static struct tls_context *server_context, *client_context;
static atomic_uint running;

/* A thread's two ends, on a network of its own. */
struct bed {
    pthread_t thread;
    struct sim *sim;
    struct wires wires;
    struct acceptor acceptor;
    struct tls_acceptor tls;
    struct stream *client, *server;
    unsigned opened; /* ends so far */
    unsigned failed;
};

static void on_open(void *owner, int err)
{
    struct bed *b = owner;
    b->opened += err == 0;
    b->failed += err != 0;
}

static void on_data(void *owner UNUSED, struct str bytes UNUSED)
{
}

static void on_end(void *owner UNUSED, int err UNUSED)
{
}

static const struct stream_handler handler = {
    .on_open = on_open, .on_data = on_data, .on_end = on_end};

static void on_accept(struct acceptor *acceptor, struct stream *s)
{
    struct bed *b = CONTAINER_OF(acceptor, struct bed, acceptor);
    b->server = s;
    stream_set_handler(s, &handler, b);
}

static void shake_hands(struct bed *b)
{
    const struct way way = {.addr = {.host = STR("here.test"), .port = 443},
                            .tls = client_context,
                            .tls_name = STR("here.test")};
    if (way_dial(b->sim->loop, &way, &b->client)) abort();
    stream_set_handler(b->client, &handler, b);
    wires_run(&b->wires);
    stream_close(b->client);
    stream_close(b->server);
    wires_run(&b->wires);
}

static void *run_bed(void *arg)
{
    struct bed *b = arg;
    b->sim = sim_new(USEC_PER_SEC);
    b->acceptor.accept = on_accept;
    tls_acceptor_init(&b->tls, server_context, &b->acceptor);
    wires_init(&b->wires, b->sim, &b->tls.acceptor);
    for (int i = 0; i < HANDSHAKES; i++)
        shake_hands(b);
    sim_free(b->sim);
    atomic_fetch_sub(&running, 1);
    return NULL;
}

/* Every handshake has a whole certificate, the old or the new one. */
static void files_change_while_hands_are_shaken(void **state)
{
    (void)state;
    static struct bed beds[THREADS];
    char why[TLS_WHY_ROOM];
    unsigned refreshed = 0;
    atomic_store(&running, THREADS);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&beds[i].thread, NULL, run_bed, &beds[i]), 0);
    while (atomic_load(&running)) {
        identity_make(&files, files.ca, "changing", "here.test", &changing);
        int err = tls_context_refresh(server_context, why);
        assert_true(err == 0 || err == TLS_UNCHANGED);
        refreshed += err == 0;
        assert_true(tls_context_expires(server_context) > 0);
        assert_int_equal(tls_context_refresh(client_context, why), TLS_UNCHANGED);
    }
    assert_true(refreshed > 0);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(beds[i].thread, NULL);
        assert_int_equal(beds[i].failed, 0);
        assert_int_equal(beds[i].opened, 2 * HANDSHAKES);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_change_while_hands_are_shaken),
    };
    identities_init(&files);
    identity_make(&files, files.ca, "changing", "here.test", &changing);
    server_context = context_server(&changing);
    client_context = context_client(files.ca);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    tls_context_unref(server_context);
    tls_context_unref(client_context);
    identities_fini(&files);
    return failed;
}
