/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP heads: methods, interned header names, the head of a request or response (RFC 9110, 9112). */
#ifndef HOSTLER_HTTP_MESSAGE_H
#define HOSTLER_HTTP_MESSAGE_H

#include "base/arena.h"
#include "base/base.h"
#include "base/buf.h"
#include "base/str.h"

enum http_method {
    METHOD_GET,
    METHOD_HEAD,
    METHOD_POST,
    METHOD_PUT,
    METHOD_DELETE,
    METHOD_OPTIONS,
    METHOD_PATCH,
    METHOD_OTHER, /* anything else; its name is in the head */
};

enum http_header_id {
    HDR_OTHER,
#define HEADER(id, name) HDR_##id,
#include "http/headers.def"
#undef HEADER
    HDR_COUNT
};

enum http_header_id http_header_id(struct str name); /* any case */
struct str http_header_name(enum http_header_id id); /* lower case */

struct http_header {
    enum http_header_id id;
    struct str name; /* as received */
    struct str value;
};

/* A parsed head. Strings borrow from the arena that the parser was given. */
struct http_head {
    enum http_method method;
    struct str method_name;
    struct str target; /* as received */
    struct str
        path; /* target up to '?'; for absolute-form without scheme and host, which is in the Host header then */
    struct str query; /* after '?', in the same bytes as path; or empty */
    int status;       /* responses */
    unsigned minor;   /* HTTP/1.minor */
    bool keep_alive;  /* the connection may serve another message after this one */
    bool chunked;
    bool has_length;
    bool expect_continue;
    bool upgrade;
    uint64_t length; /* Content-Length, when has_length */
    struct http_header *headers;
    unsigned header_count;
};

/* The first header with that id, its value; ptr NULL when absent. */
struct str http_head_get(const struct http_head *head, enum http_header_id id);
struct str http_head_get_name(const struct http_head *head, struct str lower_name);

/* The next header with that id from index *at on (0 at first), for what several fields may say differently. False at the end. */
bool http_head_next(const struct http_head *head, enum http_header_id id, unsigned *at,
                    struct str *value);

/* True when a comma-separated header holds `token`, any case. */
bool http_list_has(struct str value, struct str token);

/* True for a host and perhaps ":port", as in Host and in an absolute target (RFC 9110 section 7.2, RFC 3986 section 3.2.2): a name, an
 * IPv4 address or an IPv6 address in brackets; no userinfo, no zone. False when empty. */
bool http_host_ok(struct str host);

/* "OK" for 200; "Unknown" for what the registry lacks. */
struct str http_reason(int status);

/* "Sat, 21 Nov 2026 02:15:56 GMT" (RFC 9110 section 5.6.7); cached per thread and second. */
struct str http_date(void);

/* Decodes %XX; ERR_SYNTAX for a bad escape or %00. The result is on the arena (or `s` itself when nothing is escaped). */
MUST_CHECK int http_percent_decode(struct arena *arena, struct str s, struct str *out);

#endif
