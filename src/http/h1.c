/* SPDX-License-Identifier: Apache-2.0 */
/* llhttp does the grammar; this keeps the head, the limits and the order of events.
 *
 * llhttp is paused at each event and resumed by the next h1_next. What llhttp leaves open is
 * decided here: one Host header (RFC 9112 section 3.2), the form of the target, only "chunked"
 * as transfer coding, none for HTTP/1.0, only "100-continue" as expectation. What llhttp passes
 * over without telling (blanks, a reason phrase, chunk extensions) is counted by the bytes that
 * it used. The strings of a head borrow from the input until llhttp has read it or the head is
 * complete, and are then copied together. */
#include "http/h1.h"

#include <errno.h>
#include <llhttp.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"

enum {
    HEADERS_FIRST = 16,
    INTERIMS_MAX = 16,
    CHUNK_LINE = 32, /* bytes between the data of two chunks that are not counted */
};

static const struct str protocol = STR_INIT("HTTP/");

enum { TAIL = sizeof "HTTP/" - 1 };

/* The id of a field that has not been read to its end. */
#define HALF_READ HDR_COUNT

struct h1 {
    llhttp_t ll;
    struct h1_limits limits;
    struct arena *arena;
    struct http_head head;
    struct h1_facts facts;
    unsigned header_cap;
    size_t head_bytes; /* start line and fields so far, and what else is no body */
    size_t beside;     /* bytes since the last body byte: chunk lines, trailer */
    const char *low;   /* the input that strings of the head borrow, to high; NULL: none do */
    const char *high;
    size_t piece_cap; /* memory of the string that grows; 0: it has no more than its length */
    const char *from; /* what llhttp is reading */
    char tail[TAIL];  /* the bytes before it */
    bool in_version;  /* the start line's version has begun */
    bool version_ok;  /* and is one that is spoken here */
    bool in_value;    /* the last field's value has begun */
    bool head_done;   /* fields that come now are of the trailer */
    bool started;
    bool head_request;
    bool interim;        /* the message being parsed is a 1xx response */
    unsigned interims;   /* interim responses before the answer */
    bool paused;         /* at an event; resume first */
    enum h1_event event; /* what the callback paused for */
    struct str body;
    int status; /* an error's */
    const char *text;
};

RARE static int fail(struct h1 *p, int status, const char *text)
{
    if (!p->status) {
        p->status = status;
        p->text = text;
    }
    return HPE_USER;
}

static int lack(struct h1 *p)
{
    return fail(p, 503, "there is no memory for the head");
}

/* Appends a piece to a string that began in an earlier one. The string that grew last has room
 * for more, so that one which trickles in takes memory in proportion to its length. */
RARE static int join_piece(struct h1 *p, struct str *s, const char *at, size_t len)
{
    size_t need = s->len + len;
    char *joined = (char *)(uintptr_t)s->ptr;
    if (need > p->piece_cap) {
        p->piece_cap = 2 * need;
        joined = arena_try(p->arena, p->piece_cap);
        if (!joined) return lack(p);
        memcpy(joined, s->ptr, s->len);
    }
    memcpy(joined + s->len, at, len);
    *s = str_n(joined, need);
    return 0;
}

/* A piece of *s: mostly all of it, which stays in the input for now. */
static int add_piece(struct h1 *p, struct str *s, const char *at, size_t len)
{
    if (len == 0) return 0;
    if (s->len) return join_piece(p, s, at, len);
    if (!p->low) p->low = at;
    p->high = at + len;
    p->piece_cap = 0;
    *s = str_n(at, len);
    return 0;
}

/* Points a string that borrows from the `len` bytes at `low` to the same bytes of their copy. */
static inline void move_string(struct str *s, const char *low, size_t len, const char *copy)
{
    size_t at = (size_t)((uintptr_t)s->ptr - (uintptr_t)low);
    if (at <= len) s->ptr = copy + at;
}

/* Takes what strings of the head borrow onto the arena, in one piece. */
static int copy_strings(struct h1 *p)
{
    const char *low = p->low;
    size_t len = (size_t)(p->high - low);
    char *copy = arena_try(p->arena, len);
    if (!copy) return lack(p);
    memcpy(copy, low, len);
    move_string(&p->head.method_name, low, len, copy);
    move_string(&p->head.target, low, len, copy);
    for (unsigned i = 0; i < p->head.field_count; i++) {
        move_string(&p->head.fields[i].name, low, len, copy);
        move_string(&p->head.fields[i].value, low, len, copy);
    }
    p->low = p->high = NULL;
    return 0;
}

static inline int keep_strings(struct h1 *p)
{
    return p->low ? copy_strings(p) : 0;
}

RARE static int grow_fields(struct h1 *p)
{
    unsigned cap = p->header_cap ? p->header_cap * 2 : HEADERS_FIRST;
    struct http_field *grown = arena_try(p->arena, cap * sizeof *grown);
    if (!grown) return -ENOMEM;
    if (p->head.field_count) memcpy(grown, p->head.fields, p->head.field_count * sizeof *grown);
    p->head.fields = grown;
    p->header_cap = cap;
    return 0;
}

static int new_field(struct h1 *p)
{
    if (p->head.field_count == p->header_cap && grow_fields(p)) return -ENOMEM;
    p->head.fields[p->head.field_count++] =
        (struct http_field){.id = HALF_READ, .name = STR_INIT(""), .value = STR_INIT("")};
    return 0;
}

static struct http_field *last_field(struct h1 *p)
{
    return &p->head.fields[p->head.field_count - 1];
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

/* llhttp also knows RTSP/1.0 and ICE/1.0, and does not tell which it met. */
static int on_version(llhttp_t *ll, const char *at, size_t len UNUSED)
{
    struct h1 *p = of(ll);
    char before[TAIL];
    size_t here = MIN((size_t)(at - p->from), (size_t)TAIL);
    if (p->in_version) return 0;
    p->in_version = true;
    memcpy(before, p->tail + here, TAIL - here);
    memcpy(before + TAIL - here, at - here, here);
    return str_eq(str_n(before, TAIL), protocol) ? 0 : fail(p, 400, "this is not HTTP/1.1");
}

static int on_version_complete(llhttp_t *ll)
{
    of(ll)->version_ok = true;
    return 0;
}

/* Trailer fields are left out: they must not become header fields (RFC 9110 section 6.5.1), and
 * nobody here asks for them. */
static int on_header_field(llhttp_t *ll, const char *at, size_t len)
{
    struct h1 *p = of(ll);
    if (p->head_done) return 0;
    if (p->in_value || p->head.field_count == 0) {
        if (p->head.field_count >= p->limits.header_max)
            return fail(p, 431, "more header fields than the limit");
        if (new_field(p)) return lack(p);
        p->in_value = false;
    }
    return add_piece(p, &last_field(p)->name, at, len);
}

static int on_header_value(llhttp_t *ll, const char *at, size_t len)
{
    struct h1 *p = of(ll);
    if (p->head_done) return 0;
    p->in_value = true;
    return add_piece(p, &last_field(p)->value, at, len);
}

static int on_header_value_complete(llhttp_t *ll)
{
    struct h1 *p = of(ll);
    if (p->head_done) return 0;
    p->in_value = true;
    struct http_field *h = last_field(p);
    h->value = str_trim(h->value);
    h->id = http_header_id(h->name);
    return 0;
}

static struct http_field *find_field(struct h1 *p, enum http_header_id id)
{
    for (unsigned i = 0; i < p->head.field_count; i++)
        if (p->head.fields[i].id == id) return &p->head.fields[i];
    return NULL;
}

/* Takes scheme and authority off an absolute target; its host takes the place of what the Host
 * field said (RFC 9112 section 3.2.2). */
static int read_absolute(struct h1 *p, struct str *target)
{
    static const struct str schemes[] = {STR_INIT("http://"), STR_INIT("https://")};
    const struct str *scheme = str_starts_nocase(*target, schemes[0])   ? &schemes[0]
                               : str_starts_nocase(*target, schemes[1]) ? &schemes[1]
                                                                        : NULL;
    if (!scheme) return fail(p, 400, "the request target is neither a path nor an http URL");
    struct str rest = str_skip(*target, scheme->len);
    size_t len = 0;
    while (len < rest.len && rest.ptr[len] != '/' && rest.ptr[len] != '?')
        len++;
    struct str authority = str_sub(rest, 0, len);
    if (!http_host_ok(authority)) return fail(p, 400, "the request target names no valid host");
    p->head.authority = authority;
    rest = str_skip(rest, len);
    if (rest.len == 0 || rest.ptr[0] == '?') rest = arena_try_cat(p->arena, STR("/"), rest);
    *target = rest;
    return rest.ptr ? 0 : lack(p);
}

/* Cuts the target into path and query, by its four forms (RFC 9112 section 3.2). */
static int read_target(struct h1 *p)
{
    struct http_head *head = &p->head;
    struct str path = head->target;
    bool asterisk = str_eq(path, STR("*")) && head->method == METHOD_OPTIONS;
    bool authority = str_eq(head->method_name, STR("CONNECT"));
    if (str_find_char(path, '#') >= 0) return fail(p, 400, "the request target has a fragment");
    if (!asterisk && !authority && !str_starts(path, STR("/")) && read_absolute(p, &path))
        return HPE_USER;
    http_head_set_path(head, path);
    return 0;
}

static int check_host(struct h1 *p)
{
    unsigned hosts = 0;
    for (unsigned i = 0; i < p->head.field_count; i++) {
        const struct http_field *h = &p->head.fields[i];
        if (h->id != HDR_HOST) continue;
        hosts++;
        if (h->value.len && !http_host_ok(h->value))
            return fail(p, 400, "the Host header names no valid host");
        p->head.authority = h->value;
    }
    if (hosts > 1 || (hosts == 0 && p->facts.minor == 1))
        return fail(p, 400, "a request needs exactly one Host header");
    return 0;
}

static int check_fields(struct h1 *p)
{
    unsigned codings = 0;
    for (unsigned i = 0; i < p->head.field_count; i++) {
        const struct http_field *h = &p->head.fields[i];
        if (h->id == HDR_TRANSFER_ENCODING && codings++)
            return fail(p, 400, "Transfer-Encoding is given twice");
        if (h->id == HDR_TRANSFER_ENCODING && !str_eq_nocase(h->value, STR("chunked")))
            return fail(p, 501, "only the transfer coding chunked is supported");
        if (h->id == HDR_TRANSFER_ENCODING && p->facts.minor == 0)
            return fail(p, 400, "HTTP/1.0 has no transfer codings");
        if (h->id == HDR_TRANSFER_ENCODING && !p->facts.chunked) /* to llhttp a tab is no blank */
            return fail(p, 400, "Transfer-Encoding has something after \"chunked\"");
        if (h->id == HDR_EXPECT && p->ll.type == HTTP_REQUEST) {
            if (!str_eq_nocase(h->value, STR("100-continue")))
                return fail(p, 417, "unknown expectation");
            p->facts.expect_continue =
                p->facts.minor > 0; /* else ignored: RFC 9110 section 10.1.1 */
        }
    }
    return 0;
}

static int on_headers_complete(llhttp_t *ll)
{
    struct h1 *p = of(ll);
    struct http_head *head = &p->head;
    if (keep_strings(p)) return HPE_USER;
    p->head_done = true;
    p->facts.minor = ll->http_minor;
    p->facts.chunked = ll->flags & F_CHUNKED;
    head->has_length = ll->flags & F_CONTENT_LENGTH;
    head->length = head->has_length ? ll->content_length : 0;
    ll->upgrade = 0; /* nothing is upgraded: the message ends where its framing says */
    if (ll->http_major != 1) return fail(p, 505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
    if (ll->type == HTTP_REQUEST) {
        head->method = http_method_of(head->method_name);
        if (check_host(p) || read_target(p)) return HPE_USER;
    } else {
        head->status = ll->status_code;
        if (head->status < 100) return fail(p, 400, "the status code is none");
        if (head->status == 101) return fail(p, 400, "nobody asked to switch protocols");
        p->interim = head->status < 200;
        if (p->interim && ++p->interims > INTERIMS_MAX)
            return fail(p, 400, "too many interim responses");
        if (p->head_request || p->interim) ll->flags |= F_SKIPBODY;
    }
    p->facts.keep_alive = llhttp_should_keep_alive(ll);
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
    .on_version = on_version,
    .on_version_complete = on_version_complete,
    .on_header_field = on_header_field,
    .on_header_value = on_header_value,
    .on_header_value_complete = on_header_value_complete,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

int h1_new(bool is_response, const struct h1_limits *limits, struct h1 **out)
{
    struct h1 *p = mem_try_zero(1, sizeof *p);
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
    p->facts = (struct h1_facts){0};
    p->header_cap = 0;
    p->in_version = p->version_ok = p->in_value = false;
    p->head_done = p->paused = p->interim = false;
}

void h1_begin(struct h1 *p, struct arena *arena, bool head_request)
{
    forget_head(p);
    p->arena = arena;
    p->head_request = head_request;
    p->head_bytes = p->beside = 0;
    p->interims = 0;
    p->started = false;
    p->status = 0;
    p->text = NULL;
}

/* Grammar errors of llhttp in words a client or an operator can use. Its own words where it
 * tells more rules apart than its codes do; they are static. */
static const char *explain(struct h1 *p, enum llhttp_errno code)
{
    static const char both[] = "Content-Length and Transfer-Encoding exclude each other";
    bool coded = p->ll.flags & F_TRANSFER_ENCODING;
    switch (code) {
    case HPE_UNEXPECTED_CONTENT_LENGTH: return coded ? both : "Content-Length is given twice";
    case HPE_INVALID_CONTENT_LENGTH:
        return coded ? both : "Content-Length is not a number, or too large a one";
    case HPE_INVALID_TRANSFER_ENCODING:
        return find_field(p, HDR_CONTENT_LENGTH) ? both : "Transfer-Encoding is not usable";
    case HPE_INVALID_CHUNK_SIZE: return "a chunk size is not a number, or too large a one";
    case HPE_INVALID_METHOD: return "the request method is unknown";
    case HPE_INVALID_URL: return "the request target is malformed";
    case HPE_INVALID_STATUS: return "the status code is none";
    case HPE_CR_EXPECTED:
    case HPE_LF_EXPECTED: return "a line does not end with CR LF";
    case HPE_INVALID_VERSION:
        return p->version_ok ? "the request line does not end with CR LF" : "this is not HTTP/1.1";
    case HPE_INVALID_CONSTANT: return "this is not HTTP/1.1";
    case HPE_INVALID_EOF_STATE: return "the message was cut short";
    default: return p->ll.reason && p->ll.reason[0] ? p->ll.reason : "bad message";
    }
}

static enum h1_event refused(struct h1 *p, enum llhttp_errno code)
{
    bool version = code == HPE_INVALID_VERSION && !p->version_ok;
    if (!p->status) fail(p, version ? 505 : 400, explain(p, code));
    return H1_ERROR;
}

/* Counts what llhttp used; false: more of it is no body than the limit allows. A chunk's line is
 * a part of its data unless it is long. */
static bool count_used(struct h1 *p, size_t used, bool in_head)
{
    if (in_head) {
        p->head_bytes += used;
        if (p->head_bytes > p->limits.head_max) fail(p, 431, "the head is larger than the limit");
        return !p->status;
    }
    p->beside += used;
    size_t counted = p->beside > CHUNK_LINE ? p->beside - CHUNK_LINE : 0;
    if (p->head_bytes + counted > p->limits.head_max)
        fail(p, 431, "chunk extensions and trailer are larger than the limit of the head");
    return !p->status;
}

static void body_came(struct h1 *p)
{
    if (p->beside > CHUNK_LINE) p->head_bytes += p->beside - CHUNK_LINE;
    p->beside = 0;
}

static void keep_tail(struct h1 *p, struct str used)
{
    size_t n = MIN(used.len, (size_t)TAIL);
    memmove(p->tail, p->tail + n, TAIL - n);
    memcpy(p->tail + TAIL - n, used.ptr + used.len - n, n);
}

/* Lets llhttp read on: HPE_OK when it has used all that it was given, HPE_PAUSED at an event. Of
 * a head it is given no more than the limit and one byte, so that the same head is refused
 * however it was cut. */
static enum llhttp_errno read_on(struct h1 *p, struct str *input)
{
    bool in_head = !p->head_done;
    size_t given = in_head ? MIN(input->len, p->limits.head_max + 1 - p->head_bytes) : input->len;
    p->from = input->ptr ? input->ptr : "";
    enum llhttp_errno code = llhttp_execute(&p->ll, p->from, given);
    size_t used = code == HPE_OK ? given : (size_t)(llhttp_get_error_pos(&p->ll) - p->from);
    size_t body = code == HPE_PAUSED && p->event == H1_BODY ? p->body.len : 0;
    if (keep_strings(p) || p->status) return HPE_USER;
    if (!count_used(p, used - body, in_head)) return HPE_USER;
    if (body) body_came(p);
    if (code == HPE_OK && in_head && used) keep_tail(p, str_n(p->from, used));
    *input = str_n(p->from + used, input->len - used);
    return code;
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
        enum llhttp_errno code = read_on(p, input);
        if (code == HPE_OK) return H1_MORE;
        if (code != HPE_PAUSED) return refused(p, code);
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

const struct h1_facts *h1_facts(const struct h1 *p)
{
    return &p->facts;
}

int h1_error(const struct h1 *p, int *status, const char **text)
{
    *status = p->status;
    *text = p->text;
    switch (p->status) {
    case 431: return ERR_TOO_LARGE;
    case 503: return -ENOMEM;
    default: return ERR_PROTOCOL;
    }
}

/* Without memory for copies, all of them still borrow from the input. */
struct http_field *h1_read_fields(const struct h1 *p, unsigned *count)
{
    unsigned n = p->status == 503 ? 0 : p->head.field_count;
    if (n && p->head.fields[n - 1].id == HALF_READ) n--;
    *count = n;
    return p->head.fields;
}

bool h1_started(const struct h1 *p)
{
    return p->started;
}
