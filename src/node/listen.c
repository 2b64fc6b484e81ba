/* SPDX-License-Identifier: Apache-2.0 */
#include "node/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/err.h"
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
    struct str host = addr->host.len ? addr->host : STR("0.0.0.0");
    bool v6 = str_find_char(host, ':') >= 0;
    if (addr->is_unix)
        log_note(LOG_INFO, "listening", "%" STR_FMT, STR_ARG(text));
    else
        log_note(LOG_INFO, "listening", "%s://%s%" STR_FMT "%s:%u", tls ? "https" : "http",
                 v6 ? "[" : "", STR_ARG(host), v6 ? "]" : "", addr->port);
}

/* Opens one address for all workers: a socket each (the kernel spreads connections), or one
 * shared UNIX socket. */
static int listen_at(struct workers *ws, const struct conf_listen *listen, struct tls_context *tls,
                     bool *reachable)
{
    struct str text = listen->address;
    struct url url;
    int first = -1, err = url_parse_listen(text, &url);
    if (err) return err;
    struct addr addr = endpoint_addr(&url);
    err = find_free(&addr);
    for (unsigned i = 0; i < ws->count && !err; i++) {
        int fd = -1;
        if (addr.is_unix && i > 0) {
            fd = fcntl(first, F_DUPFD_CLOEXEC, 0);
            err = fd < 0 ? -errno : 0;
        } else {
            uint16_t port = 0;
            err = listen_socket(&addr, ws->count > 1, &fd, &port);
            addr.port = port; /* port 0 let the kernel choose; the other workers join it */
            first = fd;
        }
        if (!err) err = worker_listen(&ws->items[i], fd, tls);
    }
    if (err)
        log_note(LOG_ERROR, "listen", "%" STR_FMT ": %s", STR_ARG(text), err_text(err));
    else
        log_listening(text, &addr, tls != NULL);
    *reachable = *reachable || !url_is_loopback(&url);
    return err;
}

int listen_all(struct workers *ws, struct tls_watch *tls, const struct conf *c, bool *reachable)
{
    int err = 0;
    for (size_t i = 0; i < c->listen_count && !err; i++) {
        const struct conf_listen *listen = &c->listen[i];
        struct tls_context *context = NULL;
        if (listen->tls) err = tls_watch_listener(tls, listen, c->limits.streams_max > 0, &context);
        if (!err) err = listen_at(ws, listen, context, reachable);
    }
    return err;
}
