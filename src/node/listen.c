/* SPDX-License-Identifier: Apache-2.0 */
#include "node/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "conf/url.h"
#include "obs/log.h"

/* Sockets that share a port would join those of another instance of ours without a word, and the
 * kernel would spread the clients over both. One that does not share finds out. */
static int find_free(const struct addr *addr)
{
    int fd;
    uint16_t port;
    if (addr->is_unix || addr->port == 0) return 0;
    int err = listen_socket(addr, false, &fd, &port);
    if (!err) close(fd);
    return err;
}

static void log_listening(struct str text, const struct addr *addr, bool tls)
{
    struct str host = addr->host;
    bool v6 = str_find_char(host, ':') >= 0;
    if (addr->is_unix)
        log_note(LOG_INFO, "listening", "%" STR_FMT, STR_ARG(text));
    else
        log_note(LOG_INFO, "listening", "%s://%s%" STR_FMT "%s:%u", tls ? "https" : "http",
                 v6 ? "[" : "", STR_ARG(host), v6 ? "]" : "", addr->port);
}

/* A socket each, over which the kernel spreads connections, or one shared UNIX socket. */
static int open_for_all(struct workers *ws, struct addr *addr, struct tls_context *tls,
                        struct http_quota *quota)
{
    int first = -1, err = find_free(addr);
    for (unsigned i = 0; i < ws->count && !err; i++) {
        int fd = -1;
        if (addr->is_unix && i > 0) {
            fd = fcntl(first, F_DUPFD_CLOEXEC, 0);
            err = fd < 0 ? -errno : 0;
        } else {
            uint16_t port = 0;
            err = listen_socket(addr, ws->count > 1, &fd, &port);
            addr->port = port; /* port 0 let the kernel choose; the other workers join it */
            first = fd;
        }
        if (!err) err = worker_listen(&ws->items[i], fd, tls, quota);
    }
    return err;
}

static bool has_no_v6(int err)
{
    return err == -EAFNOSUPPORT || err == -EADDRNOTAVAIL || err == -EPROTONOSUPPORT;
}

/* The names that stand for both families of IP: clients try either. NULL: it is an address. */
static const struct str *both_families(struct str host)
{
    static const struct str loopback[] = {STR_INIT("127.0.0.1"), STR_INIT("::1")};
    static const struct str every[] = {STR_INIT("0.0.0.0"), STR_INIT("::")};
    if (host.len == 0) return every;
    return str_eq_nocase(host, STR("localhost")) ? loopback : NULL;
}

/* Opens one address for all workers, of the second family where the machine has it. */
static int listen_at(struct workers *ws, const struct conf_listen *listen, struct tls_context *tls,
                     struct http_quota *quota, bool *reachable)
{
    struct str text = listen->address;
    struct url url;
    int err = url_parse_listen(text, &url);
    if (err) return err;
    struct addr addr = endpoint_addr(&url);
    const struct str *hosts = addr.is_unix ? NULL : both_families(addr.host);
    for (int i = 0; i < (hosts ? 2 : 1) && !err; i++) {
        if (hosts) addr.host = hosts[i];
        err = open_for_all(ws, &addr, tls, quota);
        if (!err) log_listening(text, &addr, tls != NULL);
        if (i == 1 && has_no_v6(err)) err = 0;
    }
    if (err) log_note(LOG_ERROR, "listen", "%" STR_FMT ": %s", STR_ARG(text), err_text(err));
    *reachable = *reachable || !url_is_loopback(&url);
    return err;
}

size_t listen_places(const struct conf *c)
{
    size_t count = c->listen_count;
    for (size_t i = 0; i < c->listen_count; i++) {
        struct url url;
        bool tcp = url_parse_listen(c->listen[i].address, &url) == 0 && url.scheme != URL_UNIX;
        count += tcp && both_families(url.host);
    }
    return count;
}

/* NULL: nothing is limited, so nothing need be counted. */
static struct http_quota *set_quota(struct http_quota *q, const struct conf_listen *listen)
{
    q->connections_max = listen->connections_max;
    q->requests_max = listen->requests_max;
    q->bodies_max = listen->bodies_total;
    return q->connections_max || q->requests_max || q->bodies_max ? q : NULL;
}

int listen_all(struct workers *ws, struct tls_watch *tls, const struct conf *c, bool *reachable)
{
    int err = 0;
    ws->quotas = mem_must_zero(c->listen_count, sizeof *ws->quotas);
    for (size_t i = 0; i < c->listen_count && !err; i++) {
        const struct conf_listen *listen = &c->listen[i];
        struct http_quota *quota = set_quota(&ws->quotas[i], listen);
        struct tls_context *context = NULL;
        if (listen->tls) err = tls_watch_listener(tls, listen, c->limits.streams_max > 0, &context);
        if (!err) err = listen_at(ws, listen, context, quota, reachable);
    }
    return err;
}
