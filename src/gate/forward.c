/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/forward.h"

#include <string.h>

/* True for a header that one of the message's Connection headers names as its own. */
static bool named_by_connection(const struct http_head *head, struct str name)
{
    for (unsigned i = 0; i < head->header_count; i++)
        if (head->headers[i].id == HDR_CONNECTION && http_list_has(head->headers[i].value, name))
            return true;
    return false;
}

static bool keep_request_header(const struct http_header *h)
{
    switch (h->id) {
    case HDR_HOST:
    case HDR_CONTENT_LENGTH:
    case HDR_AUTHORIZATION:
    case HDR_X_API_KEY:
    case HDR_API_KEY:
    case HDR_COOKIE:
    case HDR_ACCEPT_ENCODING: /* the relay reads the answer */
    case HDR_X_REQUEST_ID: return false;
    default: return !http_header_hop_by_hop(h->id);
    }
}

static bool keep_response_header(const struct http_header *h)
{
    return h->id != HDR_CONTENT_LENGTH && h->id != HDR_X_REQUEST_ID &&
           !http_header_hop_by_hop(h->id);
}

static size_t headers_size(const struct http_head *head)
{
    size_t size = 0;
    for (unsigned i = 0; i < head->header_count; i++)
        size += head->headers[i].name.len + head->headers[i].value.len + 4;
    return size;
}

static char *put(char *at, struct str s)
{
    memcpy(at, s.ptr, s.len);
    return at + s.len;
}

static char *put_header(char *at, struct str name, struct str value)
{
    at = put(at, name);
    at = put(at, STR(": "));
    if (value.len) at = put(at, value);
    return put(at, STR("\r\n"));
}

static char *put_headers(char *at, const struct http_head *head,
                         bool (*keep)(const struct http_header *))
{
    bool named = http_head_get(head, HDR_CONNECTION).ptr;
    for (unsigned i = 0; i < head->header_count; i++) {
        const struct http_header *h = &head->headers[i];
        if (keep(h) && !(named && named_by_connection(head, h->name)))
            at = put_header(at, h->name, h->value);
    }
    return at;
}

struct str forward_request_head(struct exchange *x, const struct endpoint *e, size_t body_len)
{
    struct arena *arena = x->call->arena;
    struct str target = endpoint_target(arena, e, x->match.rest), id = str_of(x->id);
    char digits[STR_U64_ROOM];
    struct str length = str_of_u64(body_len, 10, digits);
    char *head = arena_alloc(arena, headers_size(x->call->head) + target.len + e->host.len +
                                        e->authorization.len + id.len + length.len + 128);
    char *at = put(head, STR("POST "));
    at = put(at, target);
    at = put(at, STR(" HTTP/1.1\r\n"));
    at = put_header(at, STR("host"), e->host);
    at = put_headers(at, x->call->head, keep_request_header);
    at = put_header(at, STR("x-request-id"), id);
    if (e->authorization.len) at = put_header(at, STR("authorization"), e->authorization);
    at = put_header(at, STR("content-length"), length);
    at = put(at, STR("\r\n"));
    return str_n(head, (size_t)(at - head));
}

static bool is_event_stream(const struct http_head *head)
{
    return str_starts_nocase(http_head_get(head, HDR_CONTENT_TYPE), STR("text/event-stream"));
}

void forward_response_head(struct exchange *x, const struct http_head *head)
{
    struct str id = str_of(x->id);
    bool is_sse = is_event_stream(head);
    relay_init(&x->relay, is_sse, x->request.stream && !x->request.asks_usage);
    struct str date = http_head_get(head, HDR_DATE).ptr ? STR_NULL : http_date();
    char *lines = arena_alloc(x->call->arena, headers_size(head) + id.len + date.len + 64);
    char *at = put_headers(lines, head, keep_response_header);
    if (date.len) at = put_header(at, STR("date"), date); /* RFC 9110 section 6.6.1 */
    at = put_header(at, STR("x-request-id"), id);
    enum http_framing framing = HTTP_CHUNKED;
    uint64_t length = 0;
    if (head->status == 204 || head->status == 304) {
        framing = HTTP_NO_BODY;
    } else if (head->has_length && !is_sse) {
        framing = HTTP_LENGTH;
        length = head->length;
    }
    x->status = head->status;
    call_begin_raw(x->call, head->status, str_n(lines, (size_t)(at - lines)), framing, length);
}
