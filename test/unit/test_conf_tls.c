/* SPDX-License-Identifier: Apache-2.0 */
/* TLS and HTTP/2 in the configuration: what is read, and what is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/err.h"
#include "conf/conf.h"

#define MODELS "models: [{ name: a, endpoints: [{ url: 'http://h/v1' }] }]\n"
#define PIN "sha256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
/* A file that is there; what is in it is not looked at. */
#define FILE_1 "/etc/passwd"
#define FILE_2 "/etc/group"

/* A listener and an endpoint with these settings. */
#define LISTEN(address, tls) "listen: [{ address: '" address "', tls: { " tls " } }]\n" MODELS
#define ENDPOINT(url, settings) \
    "models: [{ name: a, endpoints: [{ url: '" url "', " settings " }] }]\n"
#define ENDPOINT_TLS(tls) ENDPOINT("https://h/v1", "tls: { " tls " }")

static struct conf *load(const char *text)
{
    struct conf_problems p;
    struct conf *c = NULL;
    conf_problems_init(&p);
    int err = conf_parse(str_of(text), "/etc/test.yaml", &c, &p);
    for (size_t i = 0; i < p.count; i++)
        print_error("%.*s: %.*s\n", STR_ARG(p.items[i].setting), STR_ARG(p.items[i].text));
    assert_int_equal(err, 0);
    conf_problems_fini(&p);
    return c;
}

/* The only problem is at `setting` and says `says`. */
static void assert_problem(const char *text, const char *setting, const char *says)
{
    struct conf_problems p;
    struct conf *c;
    conf_problems_init(&p);
    assert_int_equal(conf_parse(str_of(text), "/etc/test.yaml", &c, &p), ERR_INVALID);
    for (size_t i = 1; i < p.count; i++)
        print_error("%.*s: %.*s\n", STR_ARG(p.items[i].setting), STR_ARG(p.items[i].text));
    assert_int_equal(p.count, 1);
    if (!str_eq(p.items[0].setting, str_of(setting)) || str_find(p.items[0].text, str_of(says)) < 0)
        fail_msg("%.*s: %.*s", STR_ARG(p.items[0].setting), STR_ARG(p.items[0].text));
    conf_problems_fini(&p);
}

static void assert_str(struct str s, const char *expected)
{
    if (!str_eq(s, str_of(expected))) fail_msg("\"%.*s\", not \"%s\"", STR_ARG(s), expected);
}

static void listeners_are_plain_unless_told(void **state)
{
    (void)state;
    struct conf *c = load("listen: [127.0.0.1:1, { address: '127.0.0.1:2' }]\n" MODELS);
    assert_null(c->listen[0].tls);
    assert_null(c->listen[1].tls);
    conf_unref(c);
}

static void listeners_have_certificates(void **state)
{
    (void)state;
    struct conf *c = load(LISTEN("127.0.0.1:1", "certificate: passwd, key: " FILE_2
                                                ", client_ca: group, client: optional, "
                                                "certificates: [{ certificate: " FILE_1 " }, "
                                                "{ certificate: passwd, key: group }]"));
    const struct conf_listen_tls *tls = c->listen[0].tls;
    assert_str(tls->certificate, "/etc/passwd");
    assert_str(tls->key, "/etc/group");
    assert_str(tls->client_ca, "/etc/group");
    assert_int_equal(tls->client, CONF_CLIENT_OPTIONAL);
    assert_int_equal(tls->certificate_count, 2);
    assert_str(tls->certificates[0].key, FILE_1);
    assert_str(tls->certificates[1].certificate, "/etc/passwd");
    assert_str(tls->certificates[1].key, "/etc/group");
    conf_unref(c);
}

static void a_file_may_hold_certificate_and_key(void **state)
{
    (void)state;
    struct conf *c = load(LISTEN("127.0.0.1:1", "certificate: " FILE_1));
    assert_str(c->listen[0].tls->key, FILE_1);
    assert_str(c->listen[0].tls->client_ca, "");
    assert_int_equal(c->listen[0].tls->client, CONF_CLIENT_OFF);
    conf_unref(c);
    c = load(ENDPOINT_TLS("certificate: " FILE_2));
    assert_str(c->models[0].endpoints[0].tls->key, FILE_2);
    conf_unref(c);
}

static void endpoints_are_trusted_by_what_is_written(void **state)
{
    (void)state;
    struct conf *c =
        load(ENDPOINT("https://h:8443/v1",
                      "http2: on, tls: { ca: passwd, certificate: group, key: passwd, "
                      "verify: no, server_name: gpu.example.org, pins: ['" PIN "', '" PIN "'] }"));
    const struct conf_endpoint *e = &c->models[0].endpoints[0];
    assert_str(e->name, "h:8443");
    assert_int_equal(e->http2, CONF_HTTP2_ON);
    assert_str(e->tls->ca, "/etc/passwd");
    assert_str(e->tls->certificate, "/etc/group");
    assert_str(e->tls->key, "/etc/passwd");
    assert_false(e->tls->verify);
    assert_str(e->tls->server_name, "gpu.example.org");
    assert_int_equal(e->tls->pin_count, 2);
    assert_str(e->tls->pins[1], PIN);
    conf_unref(c);
}

/* Whoever writes `tls` for one thing does not lose the checks. */
static void endpoints_are_verified_unless_told(void **state)
{
    (void)state;
    struct conf *c = load(ENDPOINT("https://h/v1", "weight: 1"));
    const struct conf_endpoint *e = &c->models[0].endpoints[0];
    assert_null(e->tls);
    assert_int_equal(e->http2, CONF_HTTP2_AUTO);
    assert_str(e->name, "h:443");
    conf_unref(c);
    c = load(ENDPOINT_TLS("server_name: '::1'"));
    assert_true(c->models[0].endpoints[0].tls->verify);
    conf_unref(c);
}

static void tells_what_listeners_lack(void **state)
{
    (void)state;
    assert_problem(LISTEN("127.0.0.1:1", ""), "listen[0].tls", "`hostler cert init DIR` makes one");
    assert_problem(LISTEN("127.0.0.1:1", "certificates: []"), "listen[0].tls",
                   "needs a `certificate`");
    assert_problem(LISTEN("127.0.0.1:1", "key: " FILE_1), "listen[0].tls.key",
                   "write the `certificate`, too");
    assert_problem(LISTEN("127.0.0.1:1", "certificates: [{ key: " FILE_1 " }]"),
                   "listen[0].tls.certificates[0].certificate", "is missing: write a PEM file");
    assert_problem(LISTEN("unix:/run/x", "certificate: " FILE_1), "listen[0].tls",
                   "is not for UNIX sockets");
    assert_problem(LISTEN("127.0.0.1:1", "certificate: /no/such.pem"), "listen[0].tls.certificate",
                   "\"/no/such.pem\" cannot be read: No such file");
    assert_problem(LISTEN("127.0.0.1:1", "certificate: " FILE_1 ", key: no.key"),
                   "listen[0].tls.key", "\"/etc/no.key\" cannot be read");
    assert_problem(LISTEN("127.0.0.1:1", "certificates: [{ certificate: " FILE_1 ", key: /tmp }]"),
                   "listen[0].tls.certificates[0].key", "not a regular file");
}

static void tells_what_client_certificates_lack(void **state)
{
    (void)state;
    assert_problem(LISTEN("127.0.0.1:1", "certificate: " FILE_1 ", client: required"),
                   "listen[0].tls", "needs `client_ca`");
    assert_problem(LISTEN("127.0.0.1:1", "certificate: " FILE_1 ", client: optional"),
                   "listen[0].tls", "needs `client_ca`");
    assert_problem(LISTEN("127.0.0.1:1", "certificate: " FILE_1 ", client_ca: " FILE_2),
                   "listen[0].tls.client_ca", "has no meaning with `client: off`");
    assert_problem(
        LISTEN("127.0.0.1:1", "certificate: " FILE_1 ", client: required, client_ca: /no/ca"),
        "listen[0].tls.client_ca", "\"/no/ca\" cannot be read");
    assert_problem(LISTEN("127.0.0.1:1", "certificate: " FILE_1 ", client: require"),
                   "listen[0].tls.client", "did you mean \"required\"?");
}

/* Without keys, only a certificate that is required keeps strangers out. */
static void certificates_stand_in_for_keys(void **state)
{
    (void)state;
    static const char open[] = "no keys configured: loopback listeners only";
    conf_unref(load(
        LISTEN("0.0.0.0:1", "certificate: " FILE_1 ", client_ca: " FILE_2 ", client: required")));
    assert_problem(LISTEN("0.0.0.0:1", "certificate: " FILE_1), "listen[0]", open);
    assert_problem(
        LISTEN("0.0.0.0:1", "certificate: " FILE_1 ", client_ca: " FILE_2 ", client: optional"),
        "listen[0]", open);
    assert_problem("listen: ':1'\n" MODELS, "listen[0]", "`tls` with `client: required`");
    assert_problem("listen: [':1', { address: ':2', tls: { certificate: " FILE_1
                   ", client_ca: " FILE_2 ", client: required } }]\n" MODELS,
                   "listen[0]", open);
}

static void knows_who_is_guarded(void **state)
{
    (void)state;
    struct conf_listen_tls tls = {.client = CONF_CLIENT_REQUIRED};
    struct conf_listen l = {.address = STR("0.0.0.0:1")};
    assert_false(conf_listen_guarded(&l));
    l.tls = &tls;
    assert_true(conf_listen_guarded(&l));
    tls.client = CONF_CLIENT_OPTIONAL;
    assert_false(conf_listen_guarded(&l));
    l.address = STR("127.0.0.1:1");
    assert_true(conf_listen_guarded(&l));
}

static void tells_what_is_wrong_with_endpoints(void **state)
{
    (void)state;
    assert_problem(ENDPOINT("http://h/v1", "tls: {}"), "models[0].endpoints[0].tls",
                   "write `url: https://HOST`");
    assert_problem(ENDPOINT("unix:/run/x", "tls: { verify: yes }"), "models[0].endpoints[0].tls",
                   "is for https:// URLs");
    assert_problem(ENDPOINT_TLS("ca: /no/ca.pem"), "models[0].endpoints[0].tls.ca",
                   "\"/no/ca.pem\" cannot be read");
    assert_problem(ENDPOINT_TLS("key: " FILE_1), "models[0].endpoints[0].tls.key",
                   "write the `certificate`, too");
    assert_problem(ENDPOINT_TLS("server_name: 'https://h'"),
                   "models[0].endpoints[0].tls.server_name", "is no host name");
    assert_problem(ENDPOINT_TLS("server_name: '*.h'"), "models[0].endpoints[0].tls.server_name",
                   "is no host name");
    assert_problem(ENDPOINT_TLS("pins: ['" PIN "', 'sha256:AAAA']"),
                   "models[0].endpoints[0].tls.pins[1]", "is no pin");
    assert_problem(ENDPOINT("https://h/v1", "http2: yes"), "models[0].endpoints[0].http2",
                   "use auto, on or off");
    assert_problem("models: [{ name: a, engine: { command: [x], url: 'https://127.0.0.1:9' } }]\n",
                   "models[0].engine.url", "needs no TLS");
}

/* What `config show` prints reads back as the same. */
static void is_shown_as_written(void **state)
{
    (void)state;
    struct buf first, second;
    struct conf *c =
        load("listen: [{ address: '127.0.0.1:1', tls: { certificate: " FILE_1
             ", certificates: [{ certificate: " FILE_2 " }], client: required, "
             "client_ca: " FILE_2
             " } }]\n" ENDPOINT("https://h", "http2: off, tls: { verify: no, pins: '" PIN "' }"));
    buf_init(&first, 1 << 16);
    buf_init(&second, 1 << 16);
    assert_int_equal(conf_write_yaml(c, &first), 0);
    char *text = str_dup(buf_str(&first));
    struct conf *again = load(text);
    free(text);
    assert_int_equal(conf_write_yaml(again, &second), 0);
    assert_true(str_eq(buf_str(&first), buf_str(&second)));
    assert_true(str_find(buf_str(&first), STR("client: required")) > 0);
    assert_true(str_find(buf_str(&first), STR("http2: off")) > 0);
    assert_false(again->models[0].endpoints[0].tls->verify);
    conf_unref(c);
    conf_unref(again);
    buf_fini(&first);
    buf_fini(&second);
}

static void other_certificates_need_a_restart(void **state)
{
    (void)state;
    struct buf names;
    struct conf *a = load(LISTEN("127.0.0.1:1", "certificate: " FILE_1));
    struct conf *b = load(LISTEN("127.0.0.1:1", "certificate: " FILE_2));
    buf_init(&names, 1024);
    assert_int_equal(conf_needs_restart(a, a, &names), 0);
    assert_int_equal(buf_len(&names), 0);
    assert_int_equal(conf_needs_restart(a, b, &names), 0);
    assert_str(buf_str(&names), "listen");
    conf_unref(a);
    conf_unref(b);
    buf_fini(&names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(listeners_are_plain_unless_told),
        cmocka_unit_test(listeners_have_certificates),
        cmocka_unit_test(a_file_may_hold_certificate_and_key),
        cmocka_unit_test(endpoints_are_trusted_by_what_is_written),
        cmocka_unit_test(endpoints_are_verified_unless_told),
        cmocka_unit_test(tells_what_listeners_lack),
        cmocka_unit_test(tells_what_client_certificates_lack),
        cmocka_unit_test(certificates_stand_in_for_keys),
        cmocka_unit_test(knows_who_is_guarded),
        cmocka_unit_test(tells_what_is_wrong_with_endpoints),
        cmocka_unit_test(is_shown_as_written),
        cmocka_unit_test(other_certificates_need_a_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
