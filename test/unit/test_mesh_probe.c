/* SPDX-License-Identifier: Apache-2.0 */
/* Active probes against a scripted network and a clock moved by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/err.h"
#include "conf/conf.h"
#include "loop/stream_impl.h"
#include "mesh/lists.h"
#include "mesh/admit.h"
#include "mesh/probe.h"

#define SEC ((uint64_t)USEC_PER_SEC)

/* --- a network with one server that answers as told --- */

enum script { REFUSE = 1, SILENT = 2 }; /* else: a status */

struct fake_net {
    struct net net;
    int script;
    unsigned dials;
    unsigned open;
    char request[1024];
};

struct fake_stream {
    struct stream stream;
    struct fake_net *net;
    struct task open;
    struct task reply;
};

static int fake_write(struct stream *s, const struct iovec *iov, unsigned count)
{
    struct fake_stream *f = CONTAINER_OF(s, struct fake_stream, stream);
    size_t len = MIN(iov[0].iov_len, sizeof f->net->request - 1);
    assert_int_equal(count, 1);
    memcpy(f->net->request, iov[0].iov_base, len);
    f->net->request[len] = '\0';
    if (f->net->script != SILENT) loop_wake(s->loop, &f->reply);
    return 0;
}

static void fake_read(struct stream *s, bool on)
{
    (void)s;
    (void)on;
}

static size_t fake_pending(const struct stream *s)
{
    (void)s;
    return 0;
}

static void fake_close(struct stream *s, bool reset)
{
    struct fake_stream *f = CONTAINER_OF(s, struct fake_stream, stream);
    (void)reset;
    f->net->open--;
    task_cancel(&f->open);
    task_cancel(&f->reply);
    free(f);
}

static const struct stream_ops fake_ops = {
    .read = fake_read, .write = fake_write, .pending = fake_pending, .close = fake_close};

static void on_open(struct task *task)
{
    struct fake_stream *f = CONTAINER_OF(task, struct fake_stream, open);
    stream_tell_open(&f->stream, f->net->script == REFUSE ? -ECONNREFUSED : 0);
}

static void on_reply(struct task *task)
{
    struct fake_stream *f = CONTAINER_OF(task, struct fake_stream, reply);
    char text[128];
    int n = snprintf(text, sizeof text, "HTTP/1.1 %d Whatever\r\ncontent-length: 2\r\n\r\nok",
                     f->net->script);
    stream_tell_data(&f->stream, str_n(text, (size_t)n));
}

static int fake_dial(struct net *net, struct loop *l, const struct addr *addr, struct stream **out)
{
    struct fake_net *n = CONTAINER_OF(net, struct fake_net, net);
    struct fake_stream *f = calloc(1, sizeof *f);
    (void)addr;
    f->stream = (struct stream){.ops = &fake_ops, .loop = l};
    f->net = n;
    n->dials++;
    n->open++;
    task_init(&f->open, on_open);
    task_init(&f->reply, on_reply);
    loop_wake(l, &f->open);
    *out = &f->stream;
    return 0;
}

/* --- the world --- */

struct world {
    struct loop *loop;
    struct fake_net net;
    struct http_client client;
    struct mesh *mesh;
    struct prober *prober;
    struct snapshot *snapshot;
    const struct service *demo;
    struct rng rng;
};

static void load(struct world *w, const char *yaml)
{
    struct conf_problems problems;
    struct conf *conf;
    conf_problems_init(&problems);
    assert_int_equal(conf_parse(str_of(yaml), "test.yaml", &conf, &problems), 0);
    conf_problems_fini(&problems);
    assert_int_equal(mesh_load_conf(w->mesh, conf, NULL, loop_now(w->loop)), 0);
    conf_unref(conf);
    snapshot_unref(w->snapshot);
    w->snapshot = mesh_current(w->mesh);
    w->demo = snapshot_service(w->snapshot, STR("demo"));
}

static const char probed[] =
    "models:\n"
    "  - name: demo\n"
    "    endpoints: [{ url: 'http://10.0.0.1:8000/v1', health: /health, key: secret-key }]\n"
    "health: { interval: 10s, timeout: 2s, failures: 3, cooldown: 100s, cooldown_max: 100s }\n";

static const char not_probed[] = "models:\n"
                                 "  - name: demo\n"
                                 "    endpoints: [{ url: 'http://10.0.0.1:8000/v1' }]\n";

/* Another place, so that nothing is known of it. */
static const char not_probed_here[] = "models:\n"
                                      "  - name: demo\n"
                                      "    endpoints: [{ url: 'http://10.0.0.7:8000/v1' }]\n";

static struct world *world_new(int script)
{
    static const struct h1_limits limits = {.head_max = 16384, .header_max = 100};
    struct world *w = calloc(1, sizeof *w);
    rng_seed(&w->rng, 3);
    w->net = (struct fake_net){.net = {.dial = fake_dial}, .script = script};
    assert_int_equal(loop_new_manual(1000 * SEC, &w->loop), 0);
    loop_set_net(w->loop, &w->net.net);
    http_client_init(&w->client, w->loop, &limits, 4, 10 * SEC);
    assert_int_equal(mesh_new(1, NULL, &w->mesh), 0);
    load(w, probed);
    assert_int_equal(prober_new(w->loop, &w->client, w->mesh, &w->prober), 0);
    return w;
}

static void world_free(struct world *w)
{
    prober_free(w->prober);
    http_client_fini(&w->client);
    assert_int_equal(w->net.open, 0);
    snapshot_unref(w->snapshot);
    mesh_free(w->mesh);
    loop_free(w->loop);
    free(w);
}

static bool usable(struct world *w)
{
    return endpoint_usable(w->demo->endpoints[0].state, loop_now(w->loop));
}

static void reason(struct world *w, char out[ENDPOINT_REASON_MAX])
{
    endpoint_reason(w->demo->endpoints[0].state, loop_now(w->loop), out);
}

static void fail_once(struct world *w, enum verdict result)
{
    struct grant g;
    uint64_t retry_after, now = loop_now(w->loop);
    assert_int_equal(
        admit_try(&(struct admission){.service = w->demo}, &w->rng, now, &g, &retry_after),
        ADMIT_OK);
    endpoint_report(&g, 0, result, 50 * SEC, NULL, now, &w->rng);
    endpoint_release(&g, now);
}

/* --- tests --- */

static void asks_once_per_interval(void **state)
{
    (void)state;
    struct world *w = world_new(200);
    loop_advance(w->loop, 100 * SEC);
    assert_in_range(w->net.dials, 9, 12);
    assert_true(
        str_starts(str_of(w->net.request), STR("GET /health HTTP/1.1\r\nhost: 10.0.0.1:8000\r\n")));
    assert_non_null(strstr(w->net.request, "\r\nauthorization: Bearer secret-key\r\n"));
    assert_true(usable(w));
    world_free(w);
}

static void failures_in_a_row_take_it_down_and_one_success_up(void **state)
{
    (void)state;
    static const struct {
        int script;
        const char *reason;
    } bad[] = {{503, "the health path answers 503"},
               {REFUSE, "the health path does not answer: "},
               {SILENT, "the health path does not answer: took too long"}};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        char text[ENDPOINT_REASON_MAX];
        struct world *w = world_new(200);
        loop_advance(w->loop, SEC);
        w->net.script = bad[i].script;
        loop_advance(w->loop, 15 * SEC);
        assert_true(usable(w));
        loop_advance(w->loop, 25 * SEC);
        assert_false(usable(w));
        reason(w, text);
        assert_true(str_starts(str_of(text), str_of(bad[i].reason)));
        w->net.script = 404;            /* alive, though it does not know the path */
        loop_advance(w->loop, 4 * SEC); /* one that hangs has 2 s */
        assert_true(usable(w));
        world_free(w);
    }
}

static void success_ends_a_cooldown_of_transport_only(void **state)
{
    (void)state;
    struct world *w = world_new(200);
    const struct endpoint_state *e = w->demo->endpoints[0].state;
    loop_advance(w->loop, SEC);
    for (int i = 0; i < 3; i++)
        fail_once(w, VERDICT_UNREACHABLE);
    assert_false(usable(w));
    loop_advance(w->loop, 2 * SEC);
    assert_true(usable(w));
    fail_once(w, VERDICT_LIMITED);
    loop_advance(w->loop, 30 * SEC);
    assert_true(endpoint_shunned(e, loop_now(w->loop)));
    world_free(w);
}

/* Without a health path nobody asks, but once at the beginning, and each
 * second while it is not there. */
static void who_was_never_there_is_looked_for(void **state)
{
    (void)state;
    struct buf why;
    buf_init(&why, 1024);
    struct world *w = world_new(200);
    load(w, not_probed_here);
    w->net.script = REFUSE;
    prober_reload(w->prober);
    loop_advance(w->loop, SEC);
    assert_false(usable(w));
    assert_false(service_ready(w->demo, loop_now(w->loop), &why));
    assert_true(str_find(buf_str(&why), STR("cannot be reached: Connection refused")) >= 0);
    loop_advance(w->loop, 300 * SEC);
    assert_false(usable(w)); /* for as long as it is not there */
    assert_false(service_ready(w->demo, loop_now(w->loop), NULL));
    w->net.script = 401; /* whatever it says to us */
    loop_advance(w->loop, 2 * SEC);
    assert_true(usable(w));
    assert_non_null(strstr(w->net.request, "GET /v1/models HTTP/1.1\r\n"));
    w->net.request[0] = '\0';
    unsigned dials = w->net.dials;
    loop_advance(w->loop, 300 * SEC);
    assert_int_equal(w->net.dials, dials);
    for (int i = 0; i < 3; i++)
        fail_once(w, VERDICT_UNREACHABLE);
    assert_false(usable(w));
    w->net.script = 503;
    loop_advance(w->loop, 3 * SEC);
    assert_false(usable(w));
    w->net.script = 200;
    loop_advance(w->loop, 2 * SEC);
    assert_true(usable(w));
    buf_fini(&why);
    world_free(w);
}

/* At first it is only looked whether somebody listens. */
static void who_listens_is_sent_nothing(void **state)
{
    (void)state;
    struct world *w = world_new(200);
    loop_advance(w->loop, SEC);
    load(w, not_probed_here);
    w->net.script = SILENT;
    w->net.request[0] = '\0';
    unsigned dials = w->net.dials;
    prober_reload(w->prober);
    loop_advance(w->loop, 30 * SEC);
    assert_true(usable(w));
    assert_int_equal(w->net.dials, dials + 1);
    assert_string_equal(w->net.request, "");
    world_free(w);
}

static void reload_stops_and_forgets(void **state)
{
    (void)state;
    struct world *w = world_new(SILENT);
    loop_advance(w->loop, 60 * SEC);
    assert_false(usable(w));
    loop_advance(w->loop, 9 * SEC);
    load(w, not_probed);
    prober_reload(w->prober);
    assert_true(usable(w));
    unsigned before = w->net.dials;
    loop_advance(w->loop, 60 * SEC);
    assert_int_equal(w->net.dials, before);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asks_once_per_interval),
        cmocka_unit_test(failures_in_a_row_take_it_down_and_one_success_up),
        cmocka_unit_test(success_ends_a_cooldown_of_transport_only),
        cmocka_unit_test(who_was_never_there_is_looked_for),
        cmocka_unit_test(who_listens_is_sent_nothing),
        cmocka_unit_test(reload_stops_and_forgets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
