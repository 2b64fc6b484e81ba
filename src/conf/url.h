/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses as the configuration writes them. */
#ifndef HOSTLER_CONF_URL_H
#define HOSTLER_CONF_URL_H

#include "base/base.h"
#include "base/str.h"

enum url_scheme { URL_HTTP, URL_HTTPS, URL_UNIX };

/* An endpoint's URL in parts, borrowed from the text. */
struct url {
    enum url_scheme scheme;
    struct str host; /* without brackets; empty for unix */
    uint16_t port;   /* 80 or 443 when not written; 0 for unix */
    struct str path; /* unix: the socket's path */
    struct str base; /* path prefix without the last slash: "/v1", or empty */
};

/* http://host[:port][/base], https://..., unix:/socket[:/base]. No user info, query or fragment.
 * ERR_SYNTAX; ERR_RANGE: the socket path is longer than the 107 bytes that unix(7) allows. */
MUST_CHECK int url_parse(struct str text, struct url *out);

/* A listening address: HOST:PORT, [V6]:PORT, :PORT (all interfaces), unix:PATH. Port 0 lets the
 * kernel choose. Errors as url_parse. */
MUST_CHECK int url_parse_listen(struct str text, struct url *out);

/* True for a host name or an IP address, which has no brackets. */
bool url_host_ok(struct str host);

/* True for 127.0.0.0/8, ::1, "localhost" and UNIX sockets. */
bool url_is_loopback(const struct url *u);

#endif
