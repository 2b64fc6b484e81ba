/* SPDX-License-Identifier: Apache-2.0 */
/* What rooms do when memory, sockets and libraries fail (base/fault.h): JSON, configurations,
 * keys, certificates; and a request over a real connection. Each is done once for each of its points, which
 * fails then. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include <string.h>

#include <sanitizer/lsan_interface.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/mem.h"
#include "certificate_samples.h"
#include "conf/conf.h"
#include "http/client.h"
#include "http/server.h"
#include "jinja/jinja.h"
#include "json/json.h"
#include "json/write.h"
#include "obs/log.h"
#include "policy/digest.h"
#include "policy/keys.h"
#include "transport/certificate.h"

enum { RUNS_MAX = 2000 };

/* What is tried: 0, or a negative error. It checks by itself what it has when all went well. */
typedef int (*attempt_fn)(void);

/* Tries once for every `step`th point of the kind. How often it failed. */
static unsigned try_some(attempt_fn attempt, enum fault_kind kind, bool onward, unsigned step)
{
    unsigned failures = 0;
    for (unsigned n = 1; n < RUNS_MAX; n += step) {
        fault_arm(kind, n, onward);
        int err = attempt();
        fault_disarm();
        if (__lsan_do_recoverable_leak_check())
            fail_msg("%s:%u: memory is lost", fault_name(kind), n);
        if (!fault_fired()) {
            assert_int_equal(err, 0);
            return failures;
        }
        failures += err != 0;
    }
    fail_msg("%s: there is no end of points", fault_name(kind));
    return 0;
}

/* Once for each. */
static unsigned try_each(attempt_fn attempt, enum fault_kind kind, bool onward)
{
    return try_some(attempt, kind, onward, 1);
}

/* --- JSON --- */

static int parse_text(void)
{
    static const struct str text =
        STR_INIT("{\"a\":[1,2.5,1e999,\"x\\n\\u20ac\",{\"b\":null}],\"c\":\"0123456789\"}");
    struct arena arena;
    const struct json *doc = NULL;
    arena_init(&arena, 1 << 20, 64);
    int err = json_parse(&arena, text, &doc, NULL);
    if (!err) assert_int_equal(json_count(json_get(doc, "a")), 5);
    arena_fini(&arena);
    return err;
}

static int write_text(void)
{
    struct buf out;
    struct json_writer w;
    buf_init(&out, 1 << 20);
    json_write_init(&w, &out);
    json_write_object(&w);
    for (int i = 0; i < 50; i++)
        json_write_str_member(&w, "name", STR("a \"quoted\" value\n"));
    json_write_double_member(&w, "real", 0.1);
    json_write_object_end(&w);
    int err = json_write_end(&w);
    if (!err) assert_true(str_ends(buf_str(&out), STR("\"real\":0.1}")));
    buf_fini(&out);
    return err;
}

static void json_may_lack_memory(void **state)
{
    (void)state;
    assert_true(try_each(parse_text, FAULT_ALLOC, false) > 0);
    assert_true(try_each(parse_text, FAULT_ALLOC, true) > 0);
    assert_true(try_each(write_text, FAULT_ALLOC, false) > 0);
    assert_true(try_each(write_text, FAULT_ALLOC, true) > 0);
}

/* --- templates --- */

static const struct str chat_template = STR_INIT(
    "{%- macro say(m, end='|') %}{{ m.role + ': ' + m.content|upper + end }}{% endmacro -%}"
    "{% set ns = namespace(n=0) %}{% for m in messages recursive %}{{ say(m) }}"
    "{% set ns.n = ns.n + 1 %}{{ {'a': [m, loop.index]}|tojson(indent=2) }}"
    "{{ loop([]) }}{% endfor %}{{ '%s %d' % (messages|map(attribute='role')|join, ns.n) }}"
    "{% set s %}{{ messages|map(attribute='role')|sort }}{% endset %}{{ s.split() }}");

static int render_template(const struct json *messages, struct arena *arena)
{
    struct jinja *t = NULL;
    struct jinja_output out;
    struct jinja_error why;
    const struct jinja_variable variable = {
        .name = STR("messages"), .kind = JINJA_JSON, .json = messages};
    const struct jinja_limits limits = {.steps = 100000, .output = 1 << 20};
    int err = jinja_compile(chat_template, &t, &why);
    if (!err) err = jinja_render(t, arena, &variable, 1, 0, &limits, &out, &why);
    if (err) assert_true(err == -ENOMEM && why.text[0]);
    if (!err) assert_true(out.bytes > 100 && out.count > 5);
    jinja_free(t);
    return err;
}

static int render_chat(void)
{
    static const struct str text = STR_INIT("[{\"role\":\"user\",\"content\":\"Hi there\"},"
                                            "{\"role\":\"assistant\",\"content\":\"Hello\"}]");
    struct arena documents, arena;
    const struct json *messages = NULL;
    arena_init(&documents, 1 << 20, 4096);
    arena_init(&arena, 1 << 20, 64);
    fault_hold();
    int err = json_parse(&documents, text, &messages, NULL);
    fault_release();
    if (!err) err = render_template(messages, &arena);
    arena_fini(&arena);
    arena_fini(&documents);
    return err;
}

static void templates_may_lack_memory(void **state)
{
    (void)state;
    assert_true(try_each(render_chat, FAULT_ALLOC, false) > 0);
    assert_true(try_each(render_chat, FAULT_ALLOC, true) > 0);
}

/* --- configurations and keys --- */

static const char settings[] =
    "models:\n  - name: m\n    aliases: [a, b]\n    endpoints: [{ url: 'http://127.0.0.1:1/v1', key: '${env.PATH}' }]\n"
    "keys: [{ name: k, key: 'sk-0123456789abcdef', models: ['m*'] }]\n";

static int read_settings(void)
{
    struct conf_problems problems;
    struct conf *conf;
    conf_problems_init(&problems);
    int err = conf_parse(str_of(settings), "test.yaml", &conf, &problems);
    if (err) assert_true(problems.count > 0);
    conf_problems_fini(&problems);
    if (err) return err;
    assert_int_equal(conf->model_count, 1);
    conf_unref(conf);
    return 0;
}

static struct conf *keys_conf;

static int find_key(void)
{
    struct keyring *ring;
    struct digester *d = digester_new();
    const struct key *key = NULL;
    int err = d ? keyring_new(keys_conf, &ring) : -ENOMEM;
    if (!err) {
        err = keyring_find(ring, d, STR("sk-0123456789abcdef"), &key);
        if (!err) assert_non_null(key);
        keyring_unref(ring);
    }
    digester_free(d);
    return err;
}

static void settings_may_lack_memory(void **state)
{
    (void)state;
    (void)try_each(read_settings, FAULT_ALLOC, false);
    (void)try_each(read_settings, FAULT_ALLOC, true);
}

static void keys_may_lack_memory(void **state)
{
    (void)state;
    struct conf_problems problems;
    conf_problems_init(&problems);
    assert_int_equal(conf_parse(str_of(settings), "test.yaml", &keys_conf, &problems), 0);
    conf_problems_fini(&problems);
    assert_int_equal(find_key(), 0); /* libcrypto keeps what it has looked up */
    assert_true(try_each(find_key, FAULT_ALLOC, false) > 0);
    assert_true(try_each(find_key, FAULT_LIBRARY, false) > 0);
    assert_true(try_each(find_key, FAULT_LIBRARY, true) > 0);
    conf_unref(keys_conf);
}

/* --- certificates --- */

static int judge_certificate(const struct certificate *c, struct arena *arena)
{
    enum { NOW = 1795757123 };
    struct certificate_facts facts;
    struct certificate_why why;
    int err = certificate_facts(c, 0, arena, &facts);
    if (!err) err = certificate_check_time(c, NOW, 0, &why);
    if (!err) err = certificate_check_signed(c, c, NOW, &why);
    if (!err) err = certificate_check_name(c, STR("spiffe://example.org/a"), &why);
    if (!err) assert_int_equal(facts.name_count, 4);
    return err;
}

static int use_certificate(void)
{
    struct arena arena;
    struct certificate *c = NULL;
    struct certificate_why why = {0};
    arena_init(&arena, 1 << 20, 64);
    int err = certificate_parse(str_of(sample_rsa), "x.pem", &c, &why);
    if (err) assert_true(strncmp(why.text, "x.pem: ", 7) == 0);
    if (!err) err = judge_certificate(c, &arena);
    certificate_free(c);
    arena_fini(&arena);
    return err;
}

static void certificates_may_lack_memory(void **state)
{
    (void)state;
    assert_int_equal(use_certificate(), 0); /* what libcrypto sets up once is there then */
    assert_true(try_each(use_certificate, FAULT_ALLOC, false) > 0);
    assert_true(try_each(use_certificate, FAULT_ALLOC, true) > 0);
    /* There are more than a thousand, and looking for lost memory takes its time. */
    assert_true(try_some(use_certificate, FAULT_LIBRARY, false, 29) > 0);
    assert_true(try_some(use_certificate, FAULT_LIBRARY, true, 31) > 0);
}

/* --- a request over a real connection --- */

enum { ASKED = 100000, ANSWERED = 600000 };

static char bytes[ANSWERED];

struct world {
    struct loop *loop;
    struct http_server server;
    struct http_client client;
    struct http_call *call;
    struct task serve, follow, give_up;
    struct timer timer;
    struct arena arena;
    struct fetch fetch;
    size_t got;
    bool late;
};

static void serve(struct task *task)
{
    struct world *w = CONTAINER_OF(task, struct world, serve);
    struct http_call *c = w->call;
    if (!c->gone && !c->body_err && !c->body_done) return;
    w->call = NULL;
    c->task = NULL;
    if (c->gone)
        call_abort(c);
    else if (c->body_err)
        call_reply(c, 503, NULL, 0, STR(""));
    else
        call_reply(c, 200, NULL, 0, str_n(bytes, c->body.len == ASKED ? ANSWERED : 1));
}

static void on_call(void *user, struct http_call *c)
{
    struct world *w = user;
    if (c->refused) {
        call_reply(c, c->refused, NULL, 0, STR(""));
        return;
    }
    w->call = c;
    c->task = &w->serve;
    call_read_body(c, 1 << 20);
    loop_wake(w->loop, c->task);
}

static void follow(struct task *task)
{
    struct world *w = CONTAINER_OF(task, struct world, follow);
    w->got += fetch_take(&w->fetch).len;
    if (fetch_ended(&w->fetch)) loop_stop(w->loop);
}

static void give_up(struct task *task)
{
    struct world *w = CONTAINER_OF(task, struct world, give_up);
    w->late = true;
    loop_stop(w->loop);
}

static void begin(struct world *w, uint16_t port)
{
    static const struct h1_limits limits = {.head_max = 8192, .header_max = 50};
    const struct http_server_limits server = {.head = limits,
                                              .body_max = 1 << 20,
                                              .connections_max = 10,
                                              .head_timeout_us = USEC_PER_SEC,
                                              .body_timeout_us = USEC_PER_SEC,
                                              .idle_timeout_us = USEC_PER_SEC,
                                              .write_timeout_us = USEC_PER_SEC};
    static const struct str body[] = {{bytes, ASKED}};
    arena_init(&w->arena, SIZE_MAX, 1024);
    http_server_init(&w->server, w->loop, &server);
    w->server.on_call = on_call;
    w->server.user = w;
    http_client_init(&w->client, w->loop, &limits, 2, USEC_PER_SEC);
    task_init(&w->serve, serve);
    task_init(&w->follow, follow);
    task_init(&w->give_up, give_up);
    timer_init(&w->timer, &w->give_up);
    timer_start(w->loop, &w->timer, loop_now(w->loop) + 10 * (uint64_t)USEC_PER_SEC);
    w->fetch = (struct fetch){
        .client = &w->client,
        .arena = &w->arena,
        .task = &w->follow,
        .way.addr = {.host = STR("localhost"), .port = port},
        .key = STR("here"),
        .request = {.method = METHOD_POST,
                    .target = STR("/"),
                    .authority = STR("localhost"),
                    .body = body,
                    .body_count = 1},
    };
}

static void end(struct world *w)
{
    fetch_end(&w->fetch);
    http_client_fini(&w->client);
    http_server_close_all(&w->server);
    loop_run_ready(w->loop);
    http_server_fini(&w->server);
    timer_stop(w->loop, &w->timer);
    task_cancel(&w->follow);
    arena_fini(&w->arena);
}

/* How the fetch ended. What looks whole must be. */
static int result_of(const struct world *w)
{
    const struct fetch *f = &w->fetch;
    assert_false(w->late);
    if (f->state == FETCH_FAILED) return f->err;
    assert_int_equal(f->state, FETCH_DONE);
    if (f->head->status != 200) return ERR_WRONG_STATE;
    assert_int_equal(w->got, ANSWERED);
    return 0;
}

static int fetch_once(void)
{
    struct world w = {0};
    struct listener *listener = NULL;
    const struct addr here = {.host = STR("127.0.0.1")};
    uint16_t port;
    int fd = -1, err = loop_new_real(&w.loop);
    if (err) return err;
    err = listen_socket(&here, false, &fd, &port);
    if (!err) err = listener_open(w.loop, fd, &w.server.acceptor, &listener);
    if (!err) {
        begin(&w, port);
        fetch_start(&w.fetch);
        loop_run(w.loop);
        err = result_of(&w);
        end(&w);
    }
    if (listener)
        listener_close(listener);
    else if (fd >= 0)
        close(fd);
    loop_free(w.loop);
    return err;
}

static void a_request_may_fail_anywhere(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < FAULT_KIND_COUNT; kind++) {
        unsigned failures = try_each(fetch_once, kind, false);
        print_message("# %s: %u failures\n", fault_name(kind), failures);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_may_lack_memory),
        cmocka_unit_test(templates_may_lack_memory),
        cmocka_unit_test(settings_may_lack_memory),
        cmocka_unit_test(keys_may_lack_memory),
        cmocka_unit_test(certificates_may_lack_memory),
        cmocka_unit_test(a_request_may_fail_anywhere),
    };
    memset(bytes, 'x', sizeof bytes);
    log_init(open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_FORMAT_JSON, LOG_INFO);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
