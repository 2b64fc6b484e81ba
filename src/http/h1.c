/* SPDX-License-Identifier: Apache-2.0 */
/* llhttp does the grammar; this keeps the head, the limits and the order of events.
 *
 * llhttp is paused at each event and resumed by the next h1_next. What llhttp leaves open is decided here: one Host header
 * (RFC 9112 section 3.2), only "chunked" as transfer coding, none for HTTP/1.0, only "100-continue" as expectation. */
#include "http/h1.h"

#include <errno.h>
#include <llhttp.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

enum { HEADERS_FIRST = 16, INTERIMS_MAX = 16 };

struct h1 {
    llhttp_t ll;
    struct h1_limits limits;
    struct arena *arena;
    struct http_head head;
    unsigned header_cap;
    size_t head_bytes; /* of start line and fields so far */
    size_t piece_cap;  /* memory of the string that grows, terminator included */
    bool in_value;     /* the last field's value has begun */
    bool head_done;    /* fields that come now are of the trailer */
    bool started;
    bool head_request;
    bool interim;        /* the message being parsed is a 1xx response */
    unsigned interims;   /* of them before the answer */
    bool paused;         /* at an event; resume first */
    enum h1_event event; /* what the callback paused for */
    struct str body;
    int status; /* of an error */
    const char *text;
};

static int fail(struct h1 *p, int status, const char *text)
{
    if (!p->status) {
        p->status = status;
        p->text = text;
    }
    return HPE_USER;
}

/* Appends a piece to *s, which is usually empty: heads mostly arrive whole. The string that grew last has room for more,
 * so that one which trickles in takes memory in proportion to its length. */
static int add_piece(struct h1 *p, struct str *s, const char *at, size_t len)
{
    p->head_bytes += len;
    if (p->head_bytes > p->limits.head_max)
        return fail(p, 431, "the request head is larger than the limit");
    size_t need = s->len + len + 1;
    char *joined = (char *)(uintptr_t)s->ptr;
    if (s->len == 0 || need > p->piece_cap) {
        p->piece_cap = s->len ? 2 * need : need;
        joined = arena_alloc(p->arena, p->piece_cap);
        if (s->len) memcpy(joined, s->ptr, s->len);
    }
    memcpy(joined + s->len, at, len);
    joined[s->len + len] = '\0';
    *s = str_n(joined, s->len + len);
    return 0;
}

static struct http_header *new_header(struct h1 *p)
{
    if (p->head.header_count == p->header_cap) {
        unsigned cap = p->header_cap ? p->header_cap * 2 : HEADERS_FIRST;
        struct http_header *grown = arena_alloc(p->arena, cap * sizeof *grown);
        if (p->head.header_count)
            memcpy(grown, p->head.headers, p->head.header_count * sizeof *grown);
        p->head.headers = grown;
        p->header_cap = cap;
    }
    struct http_header *h = &p->head.headers[p->head.header_count++];
    *h = (struct http_header){.name = STR_INIT(""), .value = STR_INIT("")};
    return h;
}

static struct h1 *of(llhttp_t *ll)
{
    return CONTAINER_OF(ll, struct h1, ll);
}

static int on_message_begin(llhttp_t *ll)
{
    of(ll)->started = true;
    return 0;
}

static int on_url(llhttp_t *ll, const char *at, size_t len)
{
    return add_piece(of(ll), &of(ll)->head.target, at, len);
}

static int on_method(llhttp_t *ll, const char *at, size_t len)
{
    return add_piece(of(ll), &of(ll)->head.method_name, at, len);
}

/* Trailer fields are left out: they must not become header fields (RFC 9110 section 6.5.1), and nobody here asks for
 * them. They count against the limit of the head. */
static int count_trailer(struct h1 *p, size_t len)
{
    p->head_bytes += len;
    return p->head_bytes > p->limits.head_max ? fail(p, 431, "the trailer is larger than the limit")
                                              : 0;
}

static int on_header_field(llhttp_t *ll, const char *at, size_t len)
{
    struct h1 *p = of(ll);
    if (p->head_done) return count_trailer(p, len);
    if (p->in_value || p->head.header_count == 0) {
        if (p->head.header_count >= p->limits.header_max)
            return fail(p, 431, "more header fields than the limit");
        p->head_bytes += 4; /* colon, blank, CRLF */
        new_header(p);
        p->in_value = false;
    }
    return add_piece(p, &p->head.headers[p->head.header_count - 1].name, at, len);
}

static int on_header_value(llhttp_t *ll, const char *at, size_t len)
{
    struct h1 *p = of(ll);
    if (p->head_done) return count_trailer(p, len);
    p->in_value = true;
    return add_piece(p, &p->head.headers[p->head.header_count - 1].value, at, len);
}

static int on_header_value_complete(llhttp_t *ll)
{
    struct h1 *p = of(ll);
    if (p->head_done) return 0;
    p->in_value = true;
    struct http_header *h = &p->head.headers[p->head.header_count - 1];
    h->value = str_trim(h->value);
    h->id = http_header_id(h->name);
    return 0;
}

static enum http_method method_of(struct str name)
{
    static const struct {
        struct str name;
        enum http_method method;
    } rows[] = {
        {STR_INIT("POST"), METHOD_POST},     {STR_INIT("GET"), METHOD_GET},
        {STR_INIT("HEAD"), METHOD_HEAD},     {STR_INIT("OPTIONS"), METHOD_OPTIONS},
        {STR_INIT("DELETE"), METHOD_DELETE}, {STR_INIT("PUT"), METHOD_PUT},
        {STR_INIT("PATCH"), METHOD_PATCH},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (str_eq(rows[i].name, name)) return rows[i].method;
    return METHOD_OTHER;
}

/* Cuts the target into path and query; absolute-form loses scheme and authority (RFC 9112 section 3.2.2). */
static void split_target(struct http_head *head)
{
    struct str path = head->target;
    ptrdiff_t scheme = str_find(path, STR("://"));
    if (path.len && path.ptr[0] != '/' && scheme > 0) {
        path = str_skip(path, (size_t)scheme + 3);
        ptrdiff_t slash = str_find_char(path, '/');
        path = slash < 0 ? STR("/") : str_skip(path, (size_t)slash);
    }
    ptrdiff_t mark = str_find_char(path, '?');
    head->query = mark < 0 ? STR("") : str_skip(path, (size_t)mark + 1);
    head->path = mark < 0 ? path : str_n(path.ptr, (size_t)mark);
    ptrdiff_t fragment = str_find_char(head->path, '#');
    if (fragment >= 0) head->path.len = (size_t)fragment;
}

static int check_fields(struct h1 *p)
{
    unsigned hosts = 0;
    for (unsigned i = 0; i < p->head.header_count; i++) {
        const struct http_header *h = &p->head.headers[i];
        if (h->id == HDR_HOST) hosts++;
        if (h->id == HDR_TRANSFER_ENCODING && !str_eq_nocase(h->value, STR("chunked")))
            return fail(p, 501, "only the transfer coding chunked is supported");
        if (h->id == HDR_TRANSFER_ENCODING && p->head.minor == 0)
            return fail(p, 400, "HTTP/1.0 has no transfer codings");
        if (h->id == HDR_TRANSFER_ENCODING && !p->head.chunked) /* to llhttp a tab is no blank */
            return fail(p, 400, "Transfer-Encoding has something after \"chunked\"");
        if (h->id == HDR_EXPECT && p->ll.type == HTTP_REQUEST) {
            if (!str_eq_nocase(h->value, STR("100-continue")))
                return fail(p, 417, "unknown expectation");
            p->head.expect_continue = p->head.minor > 0; /* else ignored: RFC 9110 section 10.1.1 */
        }
    }
    if (p->ll.type == HTTP_REQUEST && (hosts > 1 || (hosts == 0 && p->head.minor == 1)))
        return fail(p, 400, "a request needs exactly one Host header");
    return 0;
}

static int on_headers_complete(llhttp_t *ll)
{
    struct h1 *p = of(ll);
    struct http_head *head = &p->head;
    p->head_done = true;
    head->minor = ll->http_minor;
    head->chunked = ll->flags & F_CHUNKED;
    head->has_length = ll->flags & F_CONTENT_LENGTH;
    head->length = head->has_length ? ll->content_length : 0;
    head->upgrade = ll->upgrade;
    ll->upgrade = 0; /* nothing is upgraded: the message ends where its framing says */
    if (ll->http_major != 1) return fail(p, 505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
    if (ll->type == HTTP_REQUEST) {
        head->method = method_of(head->method_name);
        split_target(head);
    } else {
        head->status = ll->status_code;
        if (head->status < 100) return fail(p, 400, "the status code is none");
        if (head->status == 101) return fail(p, 400, "nobody asked to switch protocols");
        p->interim = head->status < 200;
        if (p->interim && ++p->interims > INTERIMS_MAX)
            return fail(p, 400, "too many interim responses");
        if (p->head_request) ll->flags |= F_SKIPBODY;
    }
    head->keep_alive = llhttp_should_keep_alive(ll);
    int err = check_fields(p);
    if (err) return err;
    if (p->interim) return 0;
    p->event = H1_HEAD;
    return HPE_PAUSED;
}

static int on_body(llhttp_t *ll, const char *at, size_t len)
{
    struct h1 *p = of(ll);
    if (len == 0) return 0; /* llhttp's open span, told again on an empty input */
    p->body = str_n(at, len);
    p->event = H1_BODY;
    return HPE_PAUSED;
}

static int on_message_complete(llhttp_t *ll)
{
    struct h1 *p = of(ll);
    p->event = H1_END;
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_message_begin = on_message_begin,
    .on_url = on_url,
    .on_method = on_method,
    .on_header_field = on_header_field,
    .on_header_value = on_header_value,
    .on_header_value_complete = on_header_value_complete,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

int h1_new(bool is_response, const struct h1_limits *limits, struct h1 **out)
{
    struct h1 *p = calloc(1, sizeof *p);
    if (!p) return -ENOMEM;
    llhttp_init(&p->ll, is_response ? HTTP_RESPONSE : HTTP_REQUEST, &settings);
    p->limits = *limits;
    *out = p;
    return 0;
}

void h1_free(struct h1 *p)
{
    free(p);
}

static void forget_head(struct h1 *p)
{
    llhttp_reset(&p->ll);
    p->head = (struct http_head){0};
    p->header_cap = 0;
    p->in_value = p->head_done = p->paused = p->interim = false;
}

void h1_begin(struct h1 *p, struct arena *arena, bool head_request)
{
    forget_head(p);
    p->arena = arena;
    p->head_request = head_request;
    p->head_bytes = 0;
    p->interims = 0;
    p->started = false;
    p->status = 0;
    p->text = NULL;
}

/* Grammar errors of llhttp in words a client can use. */
static const char *explain(const struct h1 *p, enum llhttp_errno code)
{
    switch (code) {
    case HPE_UNEXPECTED_CONTENT_LENGTH:
        return "Content-Length is repeated or stands beside Transfer-Encoding";
    case HPE_INVALID_CONTENT_LENGTH: return "Content-Length is not a number";
    case HPE_INVALID_TRANSFER_ENCODING: return "Transfer-Encoding is not usable";
    case HPE_INVALID_CHUNK_SIZE: return "a chunk size is not a number";
    case HPE_INVALID_METHOD: return "the request method is unknown";
    case HPE_INVALID_URL: return "the request target is malformed";
    case HPE_INVALID_VERSION:
    case HPE_INVALID_CONSTANT: return "this is not HTTP/1.1";
    case HPE_INVALID_HEADER_TOKEN: return "a header field has a character that is not allowed";
    case HPE_INVALID_EOF_STATE: return "the message was cut short";
    default:
        return p->ll.reason && p->ll.reason[0] ? "the message is not well-formed HTTP/1.1"
                                               : "bad message";
    }
}

static enum h1_event refused(struct h1 *p, enum llhttp_errno code)
{
    if (!p->status) fail(p, code == HPE_INVALID_VERSION ? 505 : 400, explain(p, code));
    return H1_ERROR;
}

enum h1_event h1_next(struct h1 *p, struct str *input, struct str *body)
{
    for (;;) {
        if (p->status) return H1_ERROR;
        if (p->paused) {
            llhttp_resume(&p->ll);
            p->paused = false;
        } else if (input->len == 0) {
            return H1_MORE;
        }
        const char *from = input->ptr ? input->ptr : "";
        enum llhttp_errno code = llhttp_execute(&p->ll, from, input->len);
        if (code == HPE_OK) {
            *input = str_skip(*input, input->len);
            input->len = 0;
            return H1_MORE;
        }
        if (code != HPE_PAUSED) return refused(p, code);
        *input = str_n(llhttp_get_error_pos(&p->ll),
                       input->len - (size_t)(llhttp_get_error_pos(&p->ll) - from));
        if (p->event == H1_END &&
            p->interim) { /* 100 Continue and the like: the real head follows */
            forget_head(p);
            continue;
        }
        p->paused = p->event != H1_END;
        if (p->event == H1_BODY) *body = p->body;
        return p->event;
    }
}

enum h1_event h1_finish(struct h1 *p)
{
    if (p->status) return H1_ERROR;
    p->event = H1_MORE;
    if (p->paused) llhttp_resume(&p->ll);
    p->paused = false;
    enum llhttp_errno code = llhttp_finish(&p->ll);
    if (p->event == H1_END && !p->interim) return H1_END;
    return refused(p, code == HPE_OK ? HPE_INVALID_EOF_STATE : code);
}

const struct http_head *h1_head(const struct h1 *p)
{
    return &p->head;
}

int h1_error(const struct h1 *p, int *status, const char **text)
{
    *status = p->status;
    *text = p->text;
    return p->status == 431 ? ERR_TOO_LARGE : ERR_PROTOCOL;
}

bool h1_started(const struct h1 *p)
{
    return p->started;
}
