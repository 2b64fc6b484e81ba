/* SPDX-License-Identifier: Apache-2.0 */
/* Loading: defaults, references, overrides, and every problem with its line and setting. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/err.h"
#include "conf/conf_priv.h"
#include "conf/group.h"

/* The least that is in order, to which tests add. */
#define MODELS      \
    "models:\n"     \
    "  - name: a\n" \
    "    endpoints: [{ url: \"http://h/v1\" }]\n"

static struct conf *load(const char *text)
{
    struct conf_problems p;
    struct conf *c = NULL;
    conf_problems_init(&p);
    int err = conf_parse(str_of(text), "test.yaml", &c, &p);
    for (size_t i = 0; i < p.count; i++)
        print_error("%u: %.*s: %.*s\n", p.items[i].line, STR_ARG(p.items[i].setting),
                    STR_ARG(p.items[i].text));
    assert_int_equal(err, 0);
    assert_int_equal(p.count, 0);
    conf_problems_fini(&p);
    return c;
}

static void assert_str(struct str s, const char *expected)
{
    assert_int_equal(s.len, strlen(expected));
    if (s.len) assert_memory_equal(s.ptr, expected, s.len);
}

/* `line: setting` of each problem, one per line. */
static void assert_problems(const char *text, const char *expected)
{
    struct conf_problems p;
    struct conf *c = (struct conf *)8;
    char found[8192] = "";
    size_t n = 0;
    conf_problems_init(&p);
    assert_int_equal(conf_parse(str_of(text), "test.yaml", &c, &p), ERR_INVALID);
    assert_ptr_equal(c, (struct conf *)8);
    for (size_t i = 0; i < p.count; i++) {
        assert_true(p.items[i].text.len > 0);
        n += (size_t)snprintf(found + n, sizeof found - n, "%u: %.*s\n", p.items[i].line,
                              STR_ARG(p.items[i].setting));
    }
    assert_string_equal(found, expected);
    conf_problems_fini(&p);
}

/* The only problem's text. */
static void assert_problem_text(const char *text, const char *expected)
{
    struct conf_problems p;
    struct conf *c;
    conf_problems_init(&p);
    assert_int_equal(conf_parse(str_of(text), "test.yaml", &c, &p), ERR_INVALID);
    assert_int_equal(p.count, 1);
    if (str_find(p.items[0].text, str_of(expected)) < 0)
        fail_msg("\"%.*s\" has no \"%s\"", STR_ARG(p.items[0].text), expected);
    conf_problems_fini(&p);
}

/* Who writes first_byte and not whole means every answer by it, in each place. */
static void first_byte_alone_is_for_whole_answers_too(void **state)
{
    (void)state;
    struct conf *c =
        load("models:\n"
             "  - name: a\n"
             "    endpoints:\n"
             "      - { url: 'http://h:1', timeouts: { first_byte: 5s, connect: 1s } }\n"
             "      - { url: 'http://h:2', timeouts: { total: none } }\n"
             "    timeouts: { first_byte: 6s, whole: 9s }\n"
             "timeouts: { first_byte: 7s }\n");
    const struct conf_model *m = &c->models[0];
    assert_int_equal(c->timeouts.whole_us, 7000000);
    assert_int_equal(m->timeouts->whole_us, 9000000);
    assert_int_equal(m->endpoints[0].timeouts->whole_us, 5000000);
    assert_int_equal(m->endpoints[0].timeouts->connect_us, 1000000);
    assert_true(m->endpoints[0].timeouts->total_us == CONF_UNSET);
    assert_true(m->endpoints[1].timeouts->whole_us == CONF_UNSET);
    assert_int_equal(m->endpoints[1].timeouts->total_us, 0);
    conf_unref(c);
}

static void fills_in_defaults(void **state)
{
    (void)state;
    struct conf *c = load(MODELS);
    assert_str(c->path, "test.yaml");
    assert_int_equal(c->listen_count, 1);
    assert_str(c->listen[0].address, "127.0.0.1:8080");
    assert_int_equal(c->threads, 0);
    assert_str(c->log.format, "auto");
    assert_str(c->log.level, "info");
    assert_true(c->log.requests);
    assert_int_equal(c->limits.body_max, 32 << 20);
    assert_int_equal(c->limits.head_max, 64 << 10);
    assert_int_equal(c->limits.header_count_max, 100);
    assert_int_equal(c->limits.connections_max, 8192);
    assert_int_equal(c->limits.stream_buffer, 64 << 10);
    assert_int_equal(c->timeouts.head_us, 10000000);
    assert_int_equal(c->timeouts.first_byte_us, 300000000);
    assert_int_equal(c->timeouts.whole_us, 900000000);
    assert_int_equal(c->timeouts.total_us, 1800000000);
    assert_int_equal(c->retry.attempts_max, 3);
    assert_int_equal(c->retry.budget_percent, 20);
    assert_int_equal(c->health.cooldown_max_us, 120000000);
    assert_int_equal(c->pool.idle_max, 1024);
    const struct conf_model *m = &c->models[0];
    assert_int_equal(m->line, 2);
    assert_int_equal(m->policy, CONF_POLICY_LEAST_BUSY);
    assert_int_equal(m->queue_max, 256);
    assert_int_equal(m->queue_timeout_us, 60000000);
    assert_null(m->engine);
    assert_int_equal(m->endpoint_count, 1);
    assert_false(m->has_engine_endpoint);
    assert_str(m->endpoints[0].name, "h:80");
    assert_int_equal(m->endpoints[0].capacity, 0);
    assert_int_equal(m->endpoints[0].weight, 1);
    conf_unref(c);
}

static void reads_what_is_written(void **state)
{
    (void)state;
    struct conf *c = load("listen: [\"127.0.0.1:1\", \"unix:/run/h\"]\n"
                          "threads: 3\n"
                          "models:\n"
                          "  - name: org/model:7b\n"
                          "    aliases: [x, 12]\n"
                          "    policy: weighted\n"
                          "    queue_max: 0\n"
                          "    endpoints:\n"
                          "      - url: unix:/run/a:/v1\n"
                          "        name: near\n"
                          "        model: other\n"
                          "        key: sk-12345\n"
                          "        capacity: unlimited\n"
                          "        weight: 7\n"
                          "        labels: { region: eu, gpu: 'yes' }\n"
                          "        health: /health\n"
                          "  - name: b\n"
                          "    fallback: x\n"
                          "    endpoints: [{ url: \"http://[::1]/\", capacity: 9 }]\n"
                          "keys:\n"
                          "  - { name: ci, key: abcdefgh }\n"
                          "  - { name: web, key: abcdefgi, models: [x, \"org/*\", b] }\n"
                          "log: { format: json, level: warn, requests: no }\n"
                          "limits: { body_max: 1M }\n"
                          "timeouts: { total: none, connect: 250ms }\n");
    assert_int_equal(c->listen_count, 2);
    assert_str(c->listen[1].address, "unix:/run/h");
    assert_int_equal(c->listen[1].line, 1);
    assert_int_equal(c->threads, 3);
    const struct conf_model *m = &c->models[0];
    assert_str(m->name, "org/model:7b");
    assert_str(m->aliases[1], "12");
    assert_int_equal(m->policy, CONF_POLICY_WEIGHTED);
    assert_int_equal(m->queue_max, 0);
    const struct conf_endpoint *e = &m->endpoints[0];
    assert_str(e->name, "near");
    assert_str(e->model, "other");
    assert_str(e->key, "sk-12345");
    assert_int_equal(e->capacity, 0);
    assert_int_equal(e->weight, 7);
    assert_int_equal(e->label_count, 2);
    assert_str(e->labels[1].name, "gpu");
    assert_str(e->labels[1].value, "yes");
    assert_str(e->health, "/health");
    assert_str(c->models[1].fallback[0], "org/model:7b"); /* the alias's model */
    assert_str(c->models[1].endpoints[0].name, "::1:80");
    assert_int_equal(c->key_count, 2);
    assert_str(c->keys[0].models[0], "*");
    assert_int_equal(c->keys[1].model_count, 3);
    assert_str(c->log.format, "json");
    assert_false(c->log.requests);
    assert_int_equal(c->limits.body_max, 1 << 20);
    assert_int_equal(c->timeouts.total_us, 0);
    assert_int_equal(c->timeouts.connect_us, 250000);
    assert_int_equal(c->timeouts.body_us, 30000000);
    conf_unref(c);
}

static void an_engine_is_an_endpoint(void **state)
{
    (void)state;
    char path[] = "/tmp/hostler-conf-XXXXXX";
    char text[1024];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    snprintf(
        text, sizeof text,
        "models:\n"
        "  - name: file\n"
        "    endpoints: [{ url: \"http://h\" }]\n"
        "    engine: { file: %s, context: 8k, slots: 6, threads: auto, idle_stop: 15m, env: { A: b },\n"
        "      template: \"builtin:chatml\", pooling: cls }\n"
        "  - name: command\n"
        "    engine: { command: [run, \"--uds=${socket}\", \"$${x\"], model: inner, start: at_start }\n"
        "  - name: capped\n"
        "    engine: { command: run, url: \"http://127.0.0.1:9\", capacity: 12 }\n",
        path);
    struct conf *c = load(text);
    const struct conf_model *m = &c->models[0];
    assert_int_equal(m->endpoint_count, 2);
    assert_true(m->has_engine_endpoint);
    assert_str(m->endpoints[1].name, "engine");
    assert_int_equal(m->endpoints[1].capacity, 4 * 6);
    assert_int_equal(m->endpoints[1].url.len, 0);
    assert_str(m->engine->file, path);
    assert_int_equal(m->engine->context, 8192);
    assert_int_equal(m->engine->batch, 512);
    assert_str(m->engine->inter_token, "auto");
    assert_str(m->engine->kv_type, "f16");
    assert_str(m->engine->blas, "auto");
    assert_str(m->engine->template, "builtin:chatml");
    assert_str(m->engine->pooling, "cls");
    assert_str(m->engine->reasoning, "auto");
    assert_str(m->engine->health, "/health");
    assert_int_equal(m->engine->start, CONF_START_ON_DEMAND);
    assert_int_equal(m->engine->idle_stop_us, 900000000);
    assert_int_equal(m->engine->start_timeout_us, 120000000);
    assert_str(m->engine->env[0].value, "b");
    m = &c->models[1];
    assert_int_equal(m->endpoint_count, 1);
    assert_int_equal(m->endpoints[0].capacity, 0);
    assert_str(m->endpoints[0].model, "inner");
    assert_str(m->engine->command[1], "--uds=${socket}");
    assert_str(m->engine->command[2], "${x");
    assert_int_equal(m->engine->start, CONF_START_AT_START);
    assert_int_equal(c->models[2].endpoints[0].capacity, 12);
    conf_unref(c);
    unlink(path);
}

/* A folder with a configuration in it, taken away by drop_folder. */
static void make_folder(char folder[32])
{
    strcpy(folder, "/tmp/hostler-conf-XXXXXX");
    assert_non_null(mkdtemp(folder));
}

static void put_file(const char *folder, const char *name, const char *content)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(content, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void drop_folder(const char *folder, const char *const *names)
{
    char path[128];
    for (; *names; names++) {
        snprintf(path, sizeof path, "%s/%s", folder, *names);
        assert_int_equal(unlink(path), 0);
    }
    assert_int_equal(rmdir(folder), 0);
}

static void resolves_references_and_relative_paths(void **state)
{
    (void)state;
    char folder[32], path[64];
    struct conf_problems p;
    struct conf *c;
    make_folder(folder);
    put_file(folder, "secret", "sk-from-file\r\n\n");
    put_file(folder, "m.gguf", "GGUF");
    put_file(folder, "h.yaml",
             "models:\n"
             "  - name: ${env.CONF_TEST_NAME}-x\n"
             "    queue_max: ${env.CONF_TEST_NUMBER}\n"
             "    engine: { file: m.gguf }\n"
             "keys: [{ name: n, key: \"${file:secret}\" }]\n");
    setenv("CONF_TEST_NAME", "name", 1);
    setenv("CONF_TEST_NUMBER", "17", 1);
    snprintf(path, sizeof path, "%s/h.yaml", folder);
    conf_problems_init(&p);
    assert_int_equal(conf_load(path, &c, &p), 0);
    assert_str(c->models[0].name, "name-x");
    assert_int_equal(c->models[0].queue_max, 17);
    assert_str(c->keys[0].key, "sk-from-file");
    snprintf(path, sizeof path, "%s/m.gguf", folder);
    assert_str(c->models[0].engine->file, path);
    conf_unref(c);
    conf_problems_fini(&p);
    unsetenv("CONF_TEST_NAME");
    unsetenv("CONF_TEST_NUMBER");
    drop_folder(folder, (const char *const[]){"secret", "m.gguf", "h.yaml", NULL});
}

static void tells_broken_references(void **state)
{
    (void)state;
    unsetenv("CONF_TEST_GONE");
    assert_problem_text(MODELS "keys: [{ name: n, key: \"${env.CONF_TEST_GONE}\" }]\n",
                        "environment variable \"CONF_TEST_GONE\" is not set");
    assert_problem_text(MODELS "keys: [{ name: n, key: \"${file:/nonexistent/x}\" }]\n",
                        "\"/nonexistent/x\" cannot be read");
    assert_problem_text(MODELS "keys: [{ name: n, key: \"${file:/dev/zero}\" }]\n",
                        "not a regular file");
    assert_problem_text(MODELS "threads: ${socket}\n", "${socket} is no reference");
    assert_problem_text(MODELS "threads: ${env.}\n", "is no reference");
    assert_problem_text(MODELS "threads: ${env.X\n", "without its }");
}

/* What no Host header could equal would only be refused in silence later. */
static void hosts_are_bare_names(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "http://a.example.org", "b.example.org:8080", "*.example.org", "a b", "a/b", "u@h"};
    static const char good[] = "hosts: [a.example.org, 10.1.2.3, '[::1]', UPPER]\n" MODELS;
    conf_unref(load(good));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        char text[1024];
        snprintf(text, sizeof text, "hosts: ['%s']\n%s", bad[i], MODELS);
        assert_problem_text(text, "is no host name: write it without scheme, port and wildcards");
    }
}

static void origins_have_a_form(void **state)
{
    (void)state;
    static const struct {
        const char *origin;
        const char *problem;
    } bad[] = {
        {"app.example.com", "is no origin: write scheme, host and perhaps port"},
        {"https://app.example.com/", "is no origin"},
        {"https://*", "is no origin"},
        {"https://a.*.example.com", "is no origin"},
        {"null", "which every web site can make one of its own"},
        {"*", "lets every web site use the models: configure `keys` first"},
    };
    static const char good[] =
        "cors: { origins: ['https://app.example.com', 'http://[::1]:3000', 'https://*.example.com:8443', "
        "'chrome-extension://abc'] }\n" MODELS;
    conf_unref(load(good));
    conf_unref(load("cors: { origins: '*' }\nkeys: [{ name: k, key: sk-0123456789 }]\n" MODELS));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        char text[1024];
        snprintf(text, sizeof text, "cors: { origins: ['%s'] }\n%s", bad[i].origin, MODELS);
        assert_problem_text(text, bad[i].problem);
    }
}

static void proxies_are_networks(void **state)
{
    (void)state;
    static const struct {
        const char *proxy;
        const char *problem;
    } bad[] = {
        {"10.0.0.1/8", "has bits behind its prefix"},
        {"10.0.0.0/33", "is no network: write an address, or one with a prefix"},
        {"proxy.example.com", "is no network"},
        {"*", "is no network"},
    };
    conf_unref(load("trusted_proxies: [10.0.0.0/8, 'fd00::/8', 192.0.2.7, '::1', unix]\n" MODELS));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        char text[1024];
        snprintf(text, sizeof text, "trusted_proxies: ['%s']\n%s", bad[i].proxy, MODELS);
        assert_problem_text(text, bad[i].problem);
    }
}

static void environment_wins(void **state)
{
    (void)state;
    setenv("HOSTLER_TIMEOUTS_CONNECT", "77ms", 1);
    setenv("HOSTLER_LOG_LEVEL", "debug", 1);
    setenv("HOSTLER_LISTEN", "127.0.0.1:1, unix:/run/x", 1);
    setenv("HOSTLER_THREADS", "", 1);
    setenv("HOSTLER_NO_SUCH_SETTING", "1", 1);
    struct conf *c = load("threads: 2\n"
                          "timeouts: { connect: 1s, idle: 9s }\n" MODELS);
    assert_int_equal(c->timeouts.connect_us, 77000);
    assert_int_equal(c->timeouts.idle_us, 9000000);
    assert_str(c->log.level, "debug");
    assert_int_equal(c->listen_count, 2);
    assert_str(c->listen[1].address, "unix:/run/x");
    assert_int_equal(c->threads, 2);
    conf_unref(c);
    setenv("HOSTLER_LISTEN", "0.0.0.0:1", 1);
    setenv("HOSTLER_TIMEOUTS_CONNECT", "soon", 1);
    assert_problems(MODELS, "0: HOSTLER_TIMEOUTS_CONNECT\n0: HOSTLER_LISTEN\n");
    unsetenv("HOSTLER_TIMEOUTS_CONNECT");
    unsetenv("HOSTLER_LOG_LEVEL");
    unsetenv("HOSTLER_LISTEN");
    unsetenv("HOSTLER_THREADS");
    unsetenv("HOSTLER_NO_SUCH_SETTING");
}

static void refuses_bad_yaml(void **state)
{
    (void)state;
    assert_problems("a: [1\nb: 2\n", "2: \n");
    assert_problems("models: &x []\n", "1: \n");
    assert_problems("models: !!seq []\n", "1: \n");
    assert_problems(MODELS "---\n" MODELS, "4: \n");
    assert_problems(MODELS "threads: 1\nthreads: 2\n", "5: \n");
    assert_problems("? [a]\n: b\n", "1: \n");
    assert_problems("- a\n", "1: \n");
    assert_problems("text\n", "1: \n");
    assert_problems("a: \xff\n", "1: \n");
    assert_problem_text(MODELS "threads: 0\n", "say \"auto\", or a number");
    assert_problem_text(MODELS "timeouts: { total: 0s }\n", "say \"none\", or a number");
    assert_problem_text("models:\n\t- name: a\n", "indented with spaces, not tabs");
    assert_problem_text("models:\n  - name: a\n\tengine: {}\n", "indented with spaces, not tabs");
    assert_problem_text("a: [\n\t*", "scanning an alias");
}

static void refuses_what_is_too_much(void **state)
{
    (void)state;
    size_t size = (8 << 20) + 1;
    char *text = malloc(size + 1);
    assert_non_null(text);
    memset(text, '\n', size);
    text[size] = '\0';
    assert_problems(text, "0: \n");
    assert_problem_text("a: [[[[[[[[[[[[[[[[[[[[[[[[", "nested too deeply");
    size_t n = (size_t)sprintf(text, "x: [");
    for (int i = 0; i < 500001; i++)
        n += (size_t)sprintf(text + n, "a,");
    sprintf(text + n, "]\n");
    assert_problem_text(text, "more values");
    n = 0;
    for (int i = 0; i < 1001; i++)
        n += (size_t)sprintf(text + n, "s%d: 1\n", i);
    assert_problem_text(text, "too many names");
    n = 0;
    for (int i = 0; i < 999; i++)
        n += (size_t)sprintf(text + n, "s%d: 1\n", i);
    struct conf_problems p;
    struct conf *c;
    conf_problems_init(&p);
    assert_int_equal(conf_parse(str_of(text), "t", &c, &p), ERR_INVALID);
    assert_int_equal(p.count, CONF_PROBLEMS_MAX);
    assert_true(str_find(p.items[p.count - 1].text, STR("left out")) >= 0);
    conf_problems_fini(&p);
    free(text);
}

static void names_line_and_setting(void **state)
{
    (void)state;
    assert_problems("", "0: \n");
    assert_problems("# models: []\n", "0: \n");
    assert_problems("~\n", "1: \n");
    assert_problems("models: {}\n", "1: models\n");
    assert_problems("models: [a]\n", "1: models[0]\n");
    assert_problems("models:\n  - endpoints: [{ url: \"http://h\" }]\n", "2: models[0].name\n");
    assert_problems("models:\n  - name: a\n", "2: models[0]\n");
    assert_problems("models:\n  - name: a\n    endpoints:\n      - weight: 0\n",
                    "4: models[0].endpoints[0].weight\n4: models[0].endpoints[0].url\n");
    assert_problems(MODELS "thraeds: 1\n", "4: thraeds\n");
    assert_problems(MODELS "timeouts:\n  conect: 1s\n", "5: timeouts.conect\n");
    assert_problems(MODELS "timeouts: 3s\n", "4: timeouts\n");
    assert_problems(MODELS "threads: [1]\n", "4: threads\n");
    assert_problems(MODELS "threads: -1\n", "4: threads\n");
    assert_problems(MODELS "threads: 1025\n", "4: threads\n");
    assert_problems(MODELS "timeouts: { connect: 0 }\n", "4: timeouts.connect\n");
    assert_problems(MODELS "log: { level: loud, requests: maybe }\n",
                    "4: log.level\n4: log.requests\n");
    assert_problems(MODELS "health: { cooldown: 10m }\n", "4: health.cooldown\n");
    assert_problems(MODELS "limits: { bodies_total: 1MiB }\n", "4: limits.bodies_total\n");
    assert_problem_text(MODELS "thraeds: 1\n", "did you mean \"threads\"?");
    assert_problem_text(MODELS "log: { level: inf }\n", "did you mean \"info\"?");
    assert_problem_text(MODELS "pool: { zebra: 1 }\n", "known here are idle_max");
    assert_problem_text(MODELS "threads: 1025\n", "auto, or 1 to 1024 threads");
    assert_problem_text(MODELS "threads: -1\n", "auto, or 1 to 1024 threads");
    assert_problem_text(MODELS "timeouts: { connect: -1s }\n", "10ms to 1d");
    assert_problem_text(MODELS "threads: -x\n", "is not a whole number");
    assert_problem_text("models: [{ endpoints: [{ url: \"http://h\" }] }]\n",
                        "is missing: write what clients");
    assert_problem_text("models: [{ name: a, endpoints: [{ weight: 1 }] }]\n",
                        "is missing: write where the runtime answers");
    assert_problem_text(MODELS "keys: [{ key: 12345678 }]\n", "is missing: write who");
    assert_problem_text(MODELS "keys: [{ name: n }]\n", "is missing: write what the client sends");
}

static void checks_addresses(void **state)
{
    (void)state;
    assert_problems("listen: []\n" MODELS, "1: listen\n");
    assert_problems("listen: 8080\n" MODELS, "1: listen[0]\n");
    assert_problem_text("listen: ['']\n" MODELS, "is empty");
    assert_problem_text("listen: [~]\n" MODELS, "is empty");
    assert_problems("listen: { adress: ':1' }\n" MODELS,
                    "1: listen[0].adress\n1: listen[0].address\n");
    conf_unref(load("listen: { address: 127.0.0.1:80 }\n" MODELS));
    conf_unref(load("listen: [{ address: 127.0.0.1:80 }, 127.0.0.1:81]\n" MODELS));
    assert_problems("listen:\n  - 127.0.0.1:1\n  - 127.0.0.1:1\n" MODELS, "3: listen[1]\n");
    assert_problems("listen: [\"unix:/a\", \"unix:/a\"]\n" MODELS, "1: listen[1]\n");
    conf_unref(load("listen: [127.0.0.1:0, 127.0.0.1:0]\n" MODELS));
    assert_problem_text("listen: 0.0.0.0:80\n" MODELS,
                        "no keys configured: loopback listeners only");
    conf_unref(load("listen: 0.0.0.0:80\nkeys: [{ name: n, key: 12345678 }]\n" MODELS));
    conf_unref(load("models: [{ name: a, endpoints: [{ url: \"https://h/v1\" }] }]\n"));
    assert_problem_text("models: [{ name: a, endpoints: [{ url: \"http://u:p@h/v1\" }] }]\n",
                        "do not belong into a URL");
    assert_problem_text("models: [{ name: a, endpoints: [{ url: h }] }]\n", "is no URL");
    assert_problem_text("models: [{ name: a, endpoints: [{ url: \"http://h\", health: h }] }]\n",
                        "is no path");
}

static void wants_the_base_of_an_endpoint(void **state)
{
    (void)state;
    static const char *const calls[] = {"/v1/chat/completions", "/v1/completions/",
                                        "/api/embeddings", "/v1/models"};
    char text[256];
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        snprintf(text, sizeof text, "models: [{ name: a, endpoints: [{ url: \"http://h%s\" }] }]\n",
                 calls[i]);
        assert_problem_text(text, "give the base, e.g. http://HOST:PORT/v1");
    }
    conf_unref(load("models: [{ name: a, endpoints: [{ url: \"http://h/models/v1\" }] }]\n"));
    conf_unref(load("models: [{ name: a, endpoints: [{ url: \"unix:/run/models\" }] }]\n"));
}

static void checks_names(void **state)
{
    (void)state;
    assert_problems("models:\n"
                    "  - { name: a, aliases: [b, b], endpoints: [{ url: \"http://h\" }] }\n"
                    "  - { name: b, aliases: [a], endpoints: [{ url: \"http://h\" }] }\n"
                    "  - { name: \" c d\", endpoints: [{ url: \"http://h\" }] }\n"
                    "  - { name: \"e*\", endpoints: [{ url: \"http://h\" }] }\n"
                    "  - { name: \"\", endpoints: [{ url: \"http://h\" }] }\n"
                    "  - { name: a, endpoints: [{ url: \"http://h\" }] }\n",
                    "2: models[0].aliases[0]\n"
                    "2: models[0].aliases[1]\n"
                    "3: models[1].aliases[0]\n"
                    "4: models[2].name\n"
                    "5: models[3].name\n"
                    "6: models[4].name\n"
                    "7: models[5].name\n");
    assert_problems("models:\n"
                    "  - name: a\n"
                    "    endpoints:\n"
                    "      - url: http://h/1\n"
                    "      - url: http://h/2\n"
                    "      - { url: \"http://h/3\", name: engine }\n"
                    "    engine: { command: x, url: \"unix:/x\" }\n",
                    "5: models[0].endpoints[1]\n6: models[0].endpoints[2]\n");
}

static void checks_fallbacks(void **state)
{
    (void)state;
    assert_problems("models:\n"
                    "  - name: alpha\n"
                    "    aliases: [x]\n"
                    "    endpoints: [{ url: \"http://h\" }]\n"
                    "    fallback: [alhpa, alpha, x]\n"
                    "  - name: b\n"
                    "    endpoints: [{ url: \"http://h\" }]\n"
                    "    fallback: [alpha, x]\n",
                    "5: models[0].fallback[0]\n5: models[0].fallback[1]\n5: models[0].fallback[2]\n"
                    "5: models[0].fallback[2]\n8: models[1].fallback[1]\n");
    assert_problem_text(
        "models: [{ name: alpha, endpoints: [{ url: \"http://h\" }], fallback: alhpa }]\n",
        "did you mean \"alpha\"?");
}

static void checks_engines(void **state)
{
    (void)state;
    assert_problems("models: [{ name: a, engine: {} }]\n", "1: models[0].engine\n");
    assert_problem_text("models: [{ name: a, engine: {} }]\n",
                        "needs `file` (a GGUF file) or `command` (another runtime)");
    assert_problem_text("models: [{ name: a, engine: { file: /, command: [x] } }]\n",
                        "has both `file` and `command`: keep one");
    assert_problem_text(
        "models: [{ name: a, engine: { command: [x, \"${socket}\"], slots: 1 } }]\n",
        "belongs to `file`, not to `command`: say it in the command's arguments");
    assert_problems("models: [{ name: a, engine: { file: /, url: \"unix:/x\" } }]\n",
                    "1: models[0].engine.url\n1: models[0].engine.file\n");
    assert_problems("models: [{ name: a, engine: x }]\n", "1: models[0].engine\n");
    assert_problems("models: [{ name: a, engine: { file: /, command: [x] } }]\n",
                    "1: models[0].engine\n");
    assert_problem_text("models: [{ name: a, engine: { file: / } }]\n", "not a regular file");
    assert_problem_text("models: [{ name: a, engine: { file: no/such.gguf } }]\n",
                        "no/such.gguf\" cannot be read");
    assert_problem_text("models: [{ name: a, engine: { file: /etc/passwd, template: mine } }]\n",
                        "mine\" cannot be read: No such file or directory; templates of ours");
    assert_problem_text(
        "models: [{ name: a, engine: { file: /etc/passwd, template: \"builtin:x\", template_text: y } }]\n",
        "has both `template` and `template_text`: keep one");
    assert_problem_text("models: [{ name: a, engine: { command: [x] } }]\n",
                        "has no ${socket} to listen on");
    assert_problem_text("models: [{ name: a, engine: { command: \"x ${socket}\" } }]\n",
                        "as a list");
    assert_problems("models:\n"
                    "  - name: a\n"
                    "    engine:\n"
                    "      command: [x, \"${socket}\"]\n"
                    "      slots: 4\n"
                    "      capacity: 4\n"
                    "      batch:\n"
                    "      kv_type: f16\n",
                    "5: models[0].engine.slots\n8: models[0].engine.kv_type\n");
    assert_problems(
        "models: [{ name: a, engine: { command: [x, \"${socket}\"], env: { A=B: c, D: \"\\0\" } } }]\n",
        "1: models[0].engine.env\n1: models[0].engine.env.D\n");
}

static void checks_keys(void **state)
{
    (void)state;
    assert_problems(MODELS "keys:\n"
                           "  - { name: n, key: short }\n"
                           "  - { name: n, key: abcdefgh }\n"
                           "  - { name: o, key: abcdefgh, models: [b, \"x*\", \"*a\", a] }\n"
                           "  - { name: p, key: \"abc defgh\", models: [] }\n"
                           "  - { name: q }\n",
                    "5: keys[0].key\n"
                    "6: keys[1].name\n"
                    "7: keys[2].key\n"
                    "7: keys[2].models[0]\n"
                    "7: keys[2].models[1]\n"
                    "7: keys[2].models[2]\n"
                    "8: keys[3].key\n"
                    "8: keys[3].models\n"
                    "9: keys[4].key\n");
}

/* No message repeats a secret, whatever is wrong with it. */
static void keeps_secrets_out_of_messages(void **state)
{
    (void)state;
    static const char *const texts[] = {
        MODELS "keys: [{ name: n, key: hush }]\n",
        MODELS "keys: [{ name: n, key: \"hush hush\" }]\n",
        MODELS "keys: [{ name: n, key: \"hush\\nhush\" }]\n",
        MODELS "keys: [{ name: n, key: hushhush }, { name: m, key: hushhush }]\n",
        MODELS "keys: [{ name: n, key: [hushhush] }]\n",
        MODELS "threads: ${env.CONF_TEST_SECRET}\n",
        "models: [{ name: a, endpoints: [{ url: \"http://a:hush@h\" }] }]\n",
        "models: [{ name: a, endpoints: [{ url: \"http://h\", key: \"hush\\u0007\" }] }]\n",
        "models: [{ name: a, engine: { command: [\"${socket}\"], env: { A: \"hush\\0\" } } }]\n",
    };
    setenv("CONF_TEST_SECRET", "hush", 1);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct conf_problems p;
        struct conf *c;
        conf_problems_init(&p);
        assert_int_equal(conf_parse(str_of(texts[i]), "t", &c, &p), ERR_INVALID);
        assert_true(p.count > 0);
        for (size_t j = 0; j < p.count; j++)
            assert_true(str_find(p.items[j].text, STR("hush")) < 0);
        conf_problems_fini(&p);
    }
    unsetenv("CONF_TEST_SECRET");
}

static void wipes_every_secret(void **state)
{
    (void)state;
    struct conf *c = load("models:\n"
                          "  - name: a\n"
                          "    endpoints: [{ url: \"http://h\", key: secret-1 }]\n"
                          "    engine: { command: [x, \"${socket}\"], env: { T: secret-2 } }\n"
                          "keys: [{ name: n, key: secret-3 }]\n");
    static const char nothing[8];
    conf__wipe(&conf__root, c);
    assert_memory_equal(c->models[0].endpoints[0].key.ptr, nothing, 8);
    assert_memory_equal(c->models[0].engine->env[0].value.ptr, nothing, 8);
    assert_memory_equal(c->keys[0].key.ptr, nothing, 8);
    assert_str(c->models[0].name, "a");
    conf_unref(c);
}

static void tells_what_needs_a_restart(void **state)
{
    (void)state;
    struct buf names;
    struct conf *a = load(MODELS "timeouts: { connect: 1s }\n");
    struct conf *b = load(MODELS "listen: 127.0.0.1:9\nthreads: 7\n");
    buf_init(&names, 1024);
    assert_int_equal(conf_needs_restart(a, conf_ref(a), &names), 0);
    assert_int_equal(buf_len(&names), 0);
    assert_int_equal(conf_needs_restart(a, b, &names), 0);
    assert_str(buf_str(&names), "listen, threads");
    conf_unref(a);
    conf_unref(a);
    conf_unref(b);
    buf_fini(&names);
}

/* Who reloads must not wait for a pipe's writer, nor read a device for ever. */
static void reads_regular_files_only(void **state)
{
    (void)state;
    static const char *const paths[] = {"/tmp", "/dev/zero", "/dev/tty", NULL};
    char fifo[64], text[256];
    struct conf_problems p;
    struct conf *c = NULL;
    snprintf(fifo, sizeof fifo, "/tmp/hostler-test-%d.fifo", (int)getpid());
    assert_int_equal(mkfifo(fifo, 0600), 0);
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        conf_problems_init(&p);
        assert_int_equal(conf_load(paths[i] ? paths[i] : fifo, &c, &p), ERR_INVALID);
        assert_int_equal(p.count, 1);
        if (str_find(p.items[0].text, STR("not a regular file")) < 0)
            assert_string_equal(paths[i], "/dev/tty"); /* there may be none */
        conf_problems_fini(&p);
    }
    snprintf(text, sizeof text, MODELS "keys: [{ name: k, key: '${file:%s}' }]\n", fifo);
    assert_problem_text(text, "not a regular file");
    assert_int_equal(unlink(fifo), 0);
}

static void loads_many_endpoints(void **state)
{
    (void)state;
    for (int extra = 0; extra < 2; extra++) {
        struct buf text;
        buf_init(&text, 1 << 20);
        assert_int_equal(buf_printf(&text, "models:\n  - name: m\n    endpoints:\n"), 0);
        for (int i = 0; i < 4096 + extra; i++)
            assert_int_equal(
                buf_printf(&text, "      - url: http://10.0.%d.%d\n", i / 256, i % 256), 0);
        assert_int_equal(buf_append(&text, str_n("", 1)), 0);
        if (extra) {
            assert_problem_text(text.ptr, "more than 4096");
        } else {
            struct conf *c = load(text.ptr);
            assert_int_equal(c->models[0].endpoint_count, 4096);
            conf_unref(c);
        }
        buf_fini(&text);
    }
}

static void carries_warnings(void **state)
{
    (void)state;
    struct conf *c = load("workers: 3\n" MODELS);
    assert_int_equal(c->threads, 3);
    assert_int_equal(c->warnings.count, 1);
    assert_int_equal(c->warnings.items[0].line, 1);
    assert_str(c->warnings.items[0].setting, "workers");
    assert_str(c->warnings.items[0].text, "has a new name: write `threads`");
    conf_unref(c);
    assert_problems("workers: 3\nthreads: 3\n" MODELS, "1: workers\n");
}

/* A gateway may begin with nothing, and keys may be there before the models are. */
static void cards_are_read(void **state)
{
    (void)state;
    struct conf *c = load(MODELS "    card: { context_length: 32k, capabilities: [vision, tools], "
                                 "input: image }\n"
                                 "  - name: b\n"
                                 "    endpoints: [{ url: \"http://h/v1\" }]\n"
                                 "    card: {}\n");
    const struct conf_card *card = c->models[0].card;
    assert_int_equal(card->context_length, 32 * 1024);
    assert_int_equal(card->capability_count, 2);
    assert_str(card->capabilities[1], "tools");
    assert_int_equal(card->input_count, 1);
    assert_int_equal(card->output_count, 0);
    assert_int_equal(c->models[1].card->context_length, CONF_UNSET);
    conf_unref(c);
    c = load(MODELS);
    assert_null(c->models[0].card);
    conf_unref(c);
    assert_problems(
        MODELS "    card: { capabilities: [seeing], output: [text, smell], context_length: 0 }\n",
        "4: models[0].card.capabilities[0]\n4: models[0].card.output[1]\n"
        "4: models[0].card.context_length\n");
}

static void needs_no_models(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{}\n",
        "models: []\n",
        "models:\n",
        "keys: [{ name: k, key: 12345678 }]\n",
        "keys: [{ name: k, key: 12345678, models: ['*', a, 'b*', ''] }]\n",
    };
    for (size_t i = 0; i + 1 < ARRAY_LEN(texts); i++) {
        struct conf *c = load(texts[i]);
        assert_int_equal(c->model_count, 0);
        conf_unref(c);
    }
    assert_problem_text(texts[ARRAY_LEN(texts) - 1], "is empty");
    assert_problem_text("keys: [{ name: k, key: 12345678, models: ['*a'] }]\n",
                        "may only stand at the end");
}

/* Keys whose patterns match nothing are told, and those that match something are not. */
static void patterns_are_prefixes(void **state)
{
    (void)state;
    static const char models[] =
        "models:\n"
        "  - { name: beta, aliases: [b-1, zz], endpoints: [{ url: 'http://h' }] }\n"
        "  - { name: alpha, endpoints: [{ url: 'http://i' }] }\n";
    char text[1024];
    snprintf(
        text, sizeof text,
        "%skeys: [{ name: k, key: 12345678, models: ['*', 'al*', 'alpha*', 'b-*', 'zz*', beta] }]\n",
        models);
    conf_unref(load(text));
    static const char *const none[] = {"a-*", "alphaa*", "c*", "zzz*", "A*"};
    for (size_t i = 0; i < ARRAY_LEN(none); i++) {
        snprintf(text, sizeof text, "%skeys: [{ name: k, key: 12345678, models: ['%s'] }]\n",
                 models, none[i]);
        assert_problem_text(text, "matches no model");
    }
}

static void tells_files_that_cannot_be_read(void **state)
{
    (void)state;
    struct conf_problems p;
    struct conf *c = NULL;
    conf_problems_init(&p);
    assert_int_equal(conf_load("/nonexistent/h.yaml", &c, &p), ERR_INVALID);
    assert_int_equal(conf_load("/tmp", &c, &p), ERR_INVALID);
    assert_null(c);
    assert_int_equal(p.count, 2);
    assert_str(p.items[0].file, "/nonexistent/h.yaml");
    assert_int_equal(p.items[0].line, 0);
    conf_problems_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fills_in_defaults),
        cmocka_unit_test(first_byte_alone_is_for_whole_answers_too),
        cmocka_unit_test(reads_what_is_written),
        cmocka_unit_test(an_engine_is_an_endpoint),
        cmocka_unit_test(resolves_references_and_relative_paths),
        cmocka_unit_test(tells_broken_references),
        cmocka_unit_test(hosts_are_bare_names),
        cmocka_unit_test(origins_have_a_form),
        cmocka_unit_test(proxies_are_networks),
        cmocka_unit_test(environment_wins),
        cmocka_unit_test(refuses_bad_yaml),
        cmocka_unit_test(refuses_what_is_too_much),
        cmocka_unit_test(names_line_and_setting),
        cmocka_unit_test(checks_addresses),
        cmocka_unit_test(wants_the_base_of_an_endpoint),
        cmocka_unit_test(checks_names),
        cmocka_unit_test(checks_fallbacks),
        cmocka_unit_test(checks_engines),
        cmocka_unit_test(checks_keys),
        cmocka_unit_test(keeps_secrets_out_of_messages),
        cmocka_unit_test(wipes_every_secret),
        cmocka_unit_test(tells_what_needs_a_restart),
        cmocka_unit_test(tells_files_that_cannot_be_read),
        cmocka_unit_test(reads_regular_files_only),
        cmocka_unit_test(loads_many_endpoints),
        cmocka_unit_test(patterns_are_prefixes),
        cmocka_unit_test(cards_are_read),
        cmocka_unit_test(needs_no_models),
        cmocka_unit_test(carries_warnings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
