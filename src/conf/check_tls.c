/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of `tls`. What is in the certificates' files is not looked at here. */
#include "base/pin.h"
#include "conf/check_priv.h"
#include "conf/url.h"

/* "AT.NAME" */
#define WITHIN(c, at, name) AT(c, "%" STR_FMT "." name, STR_ARG(at))

/* A certificate and its key, of which `key` is the certificate's file where it is not written. */
static void check_pair(struct checker *c, struct str certificate, struct str key, struct str at)
{
    if (certificate.len) check__file(c, certificate, WITHIN(c, at, "certificate"), "");
    if (key.len && certificate.len == 0)
        conf__finding(c->load, WITHIN(c, at, "key"),
                      "belongs to a certificate: write the `certificate`, too");
    else if (key.len && !str_eq(key, certificate))
        check__file(c, key, WITHIN(c, at, "key"), "");
}

/* listeners */

static void check_client(struct checker *c, const struct conf_listen_tls *tls, struct str at)
{
    struct str setting = WITHIN(c, at, "client_ca");
    if (tls->client != CONF_CLIENT_OFF && tls->client_ca.len == 0)
        conf__finding(c->load, at,
                      "needs `client_ca`, a PEM file with the CA that signs clients' certificates");
    else if (tls->client == CONF_CLIENT_OFF && tls->client_ca.len)
        conf__finding(c->load, setting,
                      "has no meaning with `client: off`: write `client: optional` or `required`");
    else if (tls->client_ca.len)
        check__file(c, tls->client_ca, setting, "");
}

void check__listen_tls(struct checker *c, size_t i)
{
    const struct conf_listen *listen = &c->conf->listen[i];
    const struct conf_listen_tls *tls = listen->tls;
    struct str at = AT(c, "listen[%zu].tls", i);
    if (!tls) return;
    if (str_starts_nocase(listen->address, STR("unix:")))
        conf__finding(c->load, at,
                      "is not for UNIX sockets, whose file says who may connect: leave it out");
    if (tls->certificate.len == 0 && tls->key.len == 0 && tls->certificate_count == 0)
        conf__finding(c->load, at,
                      "needs a `certificate`, a PEM file; `hostler cert init DIR` makes one");
    check_pair(c, tls->certificate, tls->key, at);
    for (size_t j = 0; j < tls->certificate_count; j++) {
        if (tls->certificates[j].certificate.len == 0) continue; /* which reading has told */
        check_pair(c, tls->certificates[j].certificate, tls->certificates[j].key,
                   AT(c, "%" STR_FMT ".certificates[%zu]", STR_ARG(at), j));
    }
    check_client(c, tls, at);
}

/* endpoints */

/* A URL that is none at all is told elsewhere. */
static void check_scheme(struct checker *c, struct str text, struct str at)
{
    struct url url;
    if (url_parse(text, &url) == 0 && url.scheme != URL_HTTPS)
        conf__finding(c->load, at,
                      "is for https:// URLs: write `url: https://HOST`, or leave `tls` out");
}

static void check_pin(struct checker *c, struct str pin, struct str setting)
{
    unsigned char digest[PIN_SIZE];
    if (pin_read(pin, digest))
        conf__finding(c->load, setting,
                      "%s is no pin: write sha256: and the 32 bytes of the digest in Base64 or "
                      "hexadecimal, as `hostler cert show` prints it",
                      QUOTE(c, pin));
}

void check__endpoint_tls(struct checker *c, const struct conf_endpoint *e, struct str endpoint)
{
    const struct conf_endpoint_tls *tls = e->tls;
    struct str at = WITHIN(c, endpoint, "tls");
    if (!tls) return;
    check_scheme(c, e->url, at);
    if (tls->ca.len) check__file(c, tls->ca, WITHIN(c, at, "ca"), "");
    check_pair(c, tls->certificate, tls->key, at);
    if (tls->server_name.len && !url_host_ok(tls->server_name))
        conf__finding(c->load, WITHIN(c, at, "server_name"),
                      "%s is no host name: write it without scheme, port and wildcards",
                      QUOTE(c, tls->server_name));
    for (size_t i = 0; i < tls->pin_count; i++)
        check_pin(c, tls->pins[i], AT(c, "%" STR_FMT ".pins[%zu]", STR_ARG(at), i));
}
