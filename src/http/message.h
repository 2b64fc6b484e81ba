/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP messages as they mean, whatever carries them: methods, header fields with interned names,
 * heads (RFC 9110).
 *
 * How a connection writes and frames them is its own affair (http/h1.h). */
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

enum http_header_id http_header_id(struct str name);  /* any case */
struct str http_header_name(enum http_header_id id);  /* lower case */
struct str http_method_name(enum http_method method); /* empty for METHOD_OTHER */
enum http_method http_method_of(struct str name);     /* case counts */

/* A header field, received or to be sent. Neither name nor value of one to be sent has a line
 * break in it. */
struct http_field {
    enum http_header_id id;
    struct str name; /* as received; empty: what the id says */
    struct str value;
};

/* The initialiser of a field to be sent: HTTP_FIELD(CONTENT_TYPE, STR("text/plain")). */
#define HTTP_FIELD(header, text) {.id = HDR_##header, .value = text}

/* A received head. Strings borrow from the arena that the parser was given. */
struct http_head {
    enum http_method method;
    struct str method_name;
    struct str target; /* as received */
    /* target up to '?'; of an absolute one without scheme and host, which are in authority then */
    struct str path;
    struct str query;     /* after '?', in the same bytes as path; or empty */
    struct str authority; /* requests: host and perhaps port; ptr NULL: the client named none */
    int status;           /* responses */
    bool has_length;
    uint64_t length; /* the body's, in bytes, when has_length */
    struct http_field *fields;
    unsigned field_count;
};

/* A request to be sent. Borrows everything. */
struct http_request {
    enum http_method method; /* not METHOD_OTHER */
    struct str target;
    struct str authority;
    const struct http_field *fields; /* without host and what frames the body */
    unsigned field_count;
    const struct str *body; /* slices, sent one after the other */
    unsigned body_count;
};

/* The head of a message that could not be read: empty but for the fields that could be. On the arena;
 * without memory for it, a static one that has none. */
const struct http_head *http_head_of_refused(struct arena *arena, struct http_field *fields,
                                             unsigned count);

/* What it is called, lower case unless it was received otherwise. */
struct str http_field_name(const struct http_field *f);

/* True when one of them has that id. */
bool http_fields_have(const struct http_field *fields, unsigned count, enum http_header_id id);

/* Bytes of the body. True when the request says how many, even none: it has some, or a method that
 * carries a body (RFC 9110 section 8.6). */
bool http_request_length(const struct http_request *r, uint64_t *length);

/* Cuts the path of a target, which is `path`, at its query. */
void http_head_set_path(struct http_head *head, struct str path);

/* The first header with that id, its value; ptr NULL when absent. */
struct str http_head_get(const struct http_head *head, enum http_header_id id);
struct str http_head_get_name(const struct http_head *head, struct str lower_name);

/* The next header with that id from index *at on (0 at first), for what several fields may say
 * differently. False at the end. */
bool http_head_next(const struct http_head *head, enum http_header_id id, unsigned *at,
                    struct str *value);

/* Which headers are there: a bit for each id, and HDR_OTHER's for all that have none. Whoever looks
 * for many of them that are mostly absent asks this first. */
_Static_assert(HDR_COUNT <= 64, "a bit for each header");
static inline uint64_t http_head_ids(const struct http_head *head)
{
    uint64_t ids = 0;
    for (unsigned i = 0; i < head->field_count; i++)
        ids |= UINT64_C(1) << head->fields[i].id;
    return ids;
}

/* True when a comma-separated header holds `token`, any case. */
bool http_list_has(struct str value, struct str token);

/* True for a host and perhaps ":port", as in Host and in an absolute target (RFC 9110 section
 * 7.2, RFC 3986 section 3.2.2): a name, an IPv4 address or an IPv6 address in brackets; no
 * userinfo, no zone. False when empty. */
bool http_host_ok(struct str host);

/* "OK" for 200; "Unknown" for what the registry lacks. */
struct str http_reason(int status);

/* "Sat, 21 Nov 2026 02:15:56 GMT" (RFC 9110 section 5.6.7); cached per thread and second. */
struct str http_date(void);

/* Decodes %XX; ERR_SYNTAX for a bad escape or %00, -ENOMEM. The result is on the arena (or `s`
 * itself when nothing is escaped). */
MUST_CHECK int http_percent_decode(struct arena *arena, struct str s, struct str *out);

#endif
