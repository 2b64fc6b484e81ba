/* SPDX-License-Identifier: Apache-2.0 */
/* Heads as HTTP/1.1 writes them: measured first, then copied together. */
#include <string.h>

#include "http/h1.h"

/* Where the next bytes go. */
struct pen {
    char *at;
};

static void put(struct pen *p, struct str s)
{
    if (s.len) memcpy(p->at, s.ptr, s.len);
    p->at += s.len;
}

static void put_field(struct pen *p, struct str name, struct str value)
{
    put(p, name);
    put(p, STR(": "));
    put(p, value);
    put(p, STR("\r\n"));
}

static size_t fields_size(const struct http_field *fields, unsigned count)
{
    size_t size = 0;
    for (unsigned i = 0; i < count; i++)
        size += http_field_name(&fields[i]).len + fields[i].value.len + sizeof ": \r\n" - 1;
    return size;
}

static void put_fields(struct pen *p, const struct http_field *fields, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        put_field(p, http_field_name(&fields[i]), fields[i].value);
}

/* What put_start may need. */
enum {
    START_ROOM = sizeof "content-length: 18446744073709551615\r\nconnection: keep-alive\r\n\r\n"
};

/* Framing, persistence and the blank line. */
static void put_start(struct pen *p, const struct h1_start *start)
{
    char digits[STR_U64_ROOM];
    if (start->framing == H1_LENGTH)
        put_field(p, STR("content-length"), str_of_u64(start->length, 10, digits));
    if (start->framing == H1_CHUNKED) put(p, STR("transfer-encoding: chunked\r\n"));
    if (start->persistence == H1_SAY_CLOSE) put(p, STR("connection: close\r\n"));
    if (start->persistence == H1_SAY_KEEP_ALIVE) put(p, STR("connection: keep-alive\r\n"));
    put(p, STR("\r\n"));
}

struct str h1_write_request(struct arena *arena, const struct http_request *r,
                            const struct h1_start *start)
{
    static const struct str version = STR_INIT(" HTTP/1.1\r\nhost: ");
    struct str method = http_method_name(r->method);
    char *head = arena_try(arena, method.len + 1 + r->target.len + version.len + r->authority.len +
                                      2 + fields_size(r->fields, r->field_count) + START_ROOM);
    struct pen p = {head};
    if (!head) return STR_NULL;
    put(&p, method);
    put(&p, STR(" "));
    put(&p, r->target);
    put(&p, version);
    put(&p, r->authority);
    put(&p, STR("\r\n"));
    put_fields(&p, r->fields, r->field_count);
    put_start(&p, start);
    return str_n(head, (size_t)(p.at - head));
}

struct str h1_write_response(struct arena *arena, int status, const struct http_field *fields,
                             unsigned count, const struct h1_start *start)
{
    char code[STR_U64_ROOM];
    struct str reason = http_reason(status);
    struct str date = http_fields_have(fields, count, HDR_DATE) ? STR_NULL : http_date();
    char *head =
        arena_try(arena, sizeof "HTTP/1.1 " + STR_U64_ROOM + reason.len + sizeof "\r\ndate: \r\n" +
                             date.len + fields_size(fields, count) + START_ROOM);
    struct pen p = {head};
    if (!head) return STR_NULL;
    put(&p, STR("HTTP/1.1 "));
    put(&p, str_of_u64((uint64_t)status, 10, code));
    put(&p, STR(" "));
    put(&p, reason);
    put(&p, STR("\r\n"));
    if (date.len) put_field(&p, STR("date"), date);
    put_fields(&p, fields, count);
    put_start(&p, start);
    return str_n(head, (size_t)(p.at - head));
}
