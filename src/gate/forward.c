/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/forward.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "dialect/runtime.h"
#include "dialect/surface.h"
#include "gate/ratelimit.h"
#include "gate/via.h"

/* --- what may pass --- */

enum handling {
    STAYS = 0,
    UP = 1,    /* client to runtime */
    DOWN = 2,  /* runtime to client */
    WHOLE = 4, /* runtime to client, but not with an event stream */
};

/* The ways of the headers that have a number; what is not here stays: those of the connection (RFC 9110
 * section 7.6.1), credentials, what we write ourselves. */
static const unsigned char numbered[HDR_COUNT] = {
    [HDR_ACCEPT] = UP,
    [HDR_CACHE_CONTROL] = WHOLE,
    [HDR_CONTENT_ENCODING] = WHOLE,
    [HDR_CONTENT_TYPE] = DOWN,
    [HDR_DATE] = DOWN,
    [HDR_RETRY_AFTER] = DOWN,
    [HDR_RETRY_AFTER_MS] = DOWN,
    [HDR_TRACEPARENT] = UP,
    [HDR_USER_AGENT] = UP,
    [HDR_X_CLIENT_REQUEST_ID] = UP,
    [HDR_X_SHOULD_RETRY] = DOWN,
    [HDR_X_STAINLESS_TIMEOUT] = UP,
    [HDR_X_STAINLESS_READ_TIMEOUT] = UP,
};

/* The ways of the others, by the beginning of their names: the first row that fits decides;
 * without one it stays. Names of one's own invention pass, but for families by which proxies vouch for a
 * client, change a request, or are told what to do with an answer. */
static const struct family {
    struct str name;
    unsigned char ways;
} families[] = {
    {STR_INIT("x-stainless-"), UP},     {STR_INIT("x-ratelimit-"), DOWN},
    {STR_INIT("openai-"), UP | DOWN},   {STR_INIT("anthropic-"), UP | DOWN},
    {STR_INIT("idempotency-key"), UP},  {STR_INIT("tracestate"), UP},
    {STR_INIT("baggage"), UP},          {STR_INIT("request-id"), DOWN},
    {STR_INIT("ratelimit"), DOWN},      {STR_INIT("server-timing"), DOWN},
    {STR_INIT("x-accel-"), STAYS},      {STR_INIT("x-amz"), STAYS},
    {STR_INIT("x-appengine-"), STAYS},  {STR_INIT("x-arr-"), STAYS},
    {STR_INIT("x-auth"), STAYS},        {STR_INIT("x-azure-"), STAYS},
    {STR_INIT("x-cert"), STAYS},        {STR_INIT("x-client-"), STAYS},
    {STR_INIT("x-cluster-"), STAYS},    {STR_INIT("x-consumer-"), STAYS},
    {STR_INIT("x-content-"), STAYS},    {STR_INIT("x-credential-"), STAYS},
    {STR_INIT("x-csrf"), STAYS},        {STR_INIT("x-envoy-"), STAYS},
    {STR_INIT("x-forwarded"), STAYS},   {STR_INIT("x-frame-"), STAYS},
    {STR_INIT("x-goog-"), STAYS},       {STR_INIT("x-host"), STAYS},
    {STR_INIT("x-http-method"), STAYS}, {STR_INIT("x-jwt"), STAYS},
    {STR_INIT("x-lighttpd-"), STAYS},   {STR_INIT("x-litespeed-"), STAYS},
    {STR_INIT("x-method-"), STAYS},     {STR_INIT("x-ms-client-"), STAYS},
    {STR_INIT("x-original-"), STAYS},   {STR_INIT("x-permitted-"), STAYS},
    {STR_INIT("x-powered-by"), STAYS},  {STR_INIT("x-proxy"), STAYS},
    {STR_INIT("x-real-ip"), STAYS},     {STR_INIT("x-remote-"), STAYS},
    {STR_INIT("x-reproxy-"), STAYS},    {STR_INIT("x-rewrite-"), STAYS},
    {STR_INIT("x-robots-"), STAYS},     {STR_INIT("x-sendfile"), STAYS},
    {STR_INIT("x-ssl"), STAYS},         {STR_INIT("x-tls"), STAYS},
    {STR_INIT("x-webauth-"), STAYS},    {STR_INIT("x-xsrf"), STAYS},
    {STR_INIT("x-xss-"), STAYS},        {STR_INIT("x-"), UP | DOWN},
};

static unsigned ways_of(const struct http_field *h)
{
    if (h->id != HDR_OTHER) return numbered[h->id];
    for (size_t i = 0; i < ARRAY_LEN(families); i++)
        if (str_starts_nocase(h->name, families[i].name)) return families[i].ways;
    return STAYS;
}

/* True when a Connection header may name others as its own: nearly all have one word, which
 * names none that could pass. */
static bool has_named(const struct http_head *head)
{
    struct str value;
    for (unsigned at = 0; http_head_next(head, HDR_CONNECTION, &at, &value);)
        if (!str_eq_nocase(value, STR("keep-alive")) && !str_eq_nocase(value, STR("close")))
            return true;
    return false;
}

/* True for a header that one of the message's Connection headers names as its own. */
static bool named_by_connection(const struct http_head *head, struct str name)
{
    struct str value;
    for (unsigned at = 0; http_head_next(head, HDR_CONNECTION, &at, &value);)
        if (http_list_has(value, name)) return true;
    return false;
}

/* --- choosing --- */

/* True for a field that stands in for a client's of its name. */
static bool overridden(const struct endpoint *e, struct str name)
{
    for (size_t i = 0; i < e->field_count; i++)
        if (str_eq_nocase(e->fields[i].name, name)) return true;
    return false;
}

static unsigned without_overridden(const struct endpoint *e, struct http_field *fields, unsigned n)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < n; i++) {
        struct str name = http_field_name(&fields[i]);
        if (!overridden(e, name)) fields[kept++] = fields[i];
    }
    return kept;
}

/* Adds what every request to the endpoint gets, but of its kind's what the client said itself. */
static unsigned add_fields(const struct endpoint *e, struct http_field *fields, unsigned n)
{
    const struct http_field *standard = &endpoint_kind(e)->fields[0];
    bool said = standard->name.len == 0;
    for (unsigned i = 0; i < n && !said; i++)
        said = str_eq_nocase(fields[i].name, standard->name);
    if (!said) fields[n++] = *standard;
    for (size_t i = 0; i < e->field_count; i++)
        fields[n++] = e->fields[i];
    return n;
}

/* Milliseconds until the request's deadline, rounded up so that ours is the first to pass: it is told
 * in the client's dialect. What a client says it will wait ends with a stream's first byte and is
 * ours alone. 0: there is none. */
static uint64_t left_ms(const struct exchange *x)
{
    uint64_t due = x->deadline_us, now = exchange_now(x);
    if (x->ask.stream) due = x->total_us ? x->call->started_us + x->total_us : 0;
    if (!due) return 0;
    return due > now ? (due - now + USEC_PER_MS - 1) / USEC_PER_MS : 1;
}

enum { STANDING_FIELDS_MAX = 2 };

/* Adds whose request it is and until when it is of use, for an engine of our own. -ENOMEM. */
static int add_standing(const struct exchange *x, struct http_field *fields, unsigned *n)
{
    uint64_t ms = left_ms(x);
    if (x->key)
        fields[(*n)++] =
            (struct http_field){.name = STR("x-hostler-tenant"), .value = key_tenant(x->key)};
    if (!ms) return 0;
    char *room = arena_try(x->call->arena, STR_U64_ROOM);
    if (!room) return -ENOMEM;
    fields[(*n)++] =
        (struct http_field){.name = STR("x-hostler-deadline"), .value = str_of_u64(ms, 10, room)};
    return 0;
}

/* Adds what may pass to the fields. Returns how many there are then. */
static unsigned choose(const struct http_head *head, unsigned ways, struct http_field *fields,
                       unsigned n)
{
    bool named = has_named(head);
    for (unsigned i = 0; i < head->field_count; i++) {
        const struct http_field *f = &head->fields[i];
        if ((ways_of(f) & ways) && !(named && named_by_connection(head, f->name))) fields[n++] = *f;
    }
    return n;
}

/* With what the client asks of a response in its query. */
static struct str with_query(const struct exchange *x, struct str target)
{
    struct str query = x->call->head->query;
    if (!target.ptr || query.len == 0) return target;
    char mark = str_find_char(target, '?') >= 0 ? '&' : '?';
    target = arena_try_cat(x->call->arena, target, str_n(&mark, 1));
    return target.ptr ? arena_try_cat(x->call->arena, target, query) : target;
}

/* Where the request goes: to the client's own path, or to the surface's. */
static struct str target_of(const struct exchange *x, const struct endpoint *e,
                            enum surface surface)
{
    const struct surface_row *row = surface_row(surface);
    bool beside = route_is(&x->match, ROUTE_BESIDE);
    if (x->bodiless)
        return with_query(x, endpoint_target(x->call->arena, e, x->match.rest, beside));
    if (surface == x->ask.surface) return endpoint_target(x->call->arena, e, x->match.rest, beside);
    return endpoint_target(x->call->arena, e, row->path, row->beside);
}

int forward_request(struct exchange *x, const struct endpoint *e, enum surface surface,
                    struct http_request *r)
{
    struct arena *arena = x->call->arena;
    const struct http_head *head = x->call->head;
    struct str via = x->lane->home->via;
    if (exchange_has(x, HDR_VIA)) via = via_onward(arena, head, via);
    const struct http_field own[] = {
        HTTP_FIELD(ACCEPT_ENCODING, STR("identity")),
        HTTP_FIELD(CONTENT_TYPE, STR("application/json")),
        HTTP_FIELD(VIA, via),
        HTTP_FIELD(X_REQUEST_ID, str_of(x->id)),
    };
    struct http_field *fields = arena_try(
        arena, (head->field_count + ARRAY_LEN(own) + STANDING_FIELDS_MAX + 1 + e->field_count) *
                   sizeof *fields);
    struct str target = target_of(x, e, surface);
    if (!fields || !target.ptr || !via.ptr) return -ENOMEM;
    unsigned n = choose(head, UP, fields, 0);
    if (e->overrides) n = without_overridden(e, fields, n);
    n = add_fields(e, fields, n);
    memcpy(fields + n, own, sizeof own);
    n += ARRAY_LEN(own);
    if (e->private_engine && add_standing(x, fields, &n)) return -ENOMEM;
    *r = (struct http_request){
        .method = x->bodiless ? head->method : METHOD_POST,
        .target = target,
        .authority = e->host,
        .fields = fields,
        .field_count = n,
    };
    return 0;
}

static bool is_event_stream(const struct http_head *head)
{
    struct str type = http_head_get(head, HDR_CONTENT_TYPE);
    return str_starts_nocase(type, STR("text/event-stream")) ||
           str_starts_nocase(type, STR("application/x-ndjson"));
}

bool forward_readable(const struct http_head *head, const char **why)
{
    struct str first = http_head_get(head, HDR_CONTENT_TYPE), value;
    for (unsigned at = 0; http_head_next(head, HDR_CONTENT_TYPE, &at, &value);)
        if (!str_eq_nocase(value, first)) {
            *why = "answers with two content types";
            return false;
        }
    for (unsigned at = 0; http_head_next(head, HDR_CONTENT_ENCODING, &at, &value);)
        if (is_event_stream(head) && value.len && !str_eq_nocase(value, STR("identity"))) {
            *why = "compresses its event stream, which it was not asked to do";
            return false;
        }
    return true;
}

bool forward_is_stream(const struct http_head *head)
{
    return head->status < 400 && is_event_stream(head); /* an error is one text */
}

/* Whether an upstream's field stands for bytes or ids that the client does not get. */
static bool is_replaced(const struct exchange *x, const struct http_field *f, bool made)
{
    struct str id = x->match.dialect->id_header;
    if (id.len && f->id == HDR_OTHER && str_eq_nocase(f->name, id)) return true;
    return made && f->id == HDR_CONTENT_TYPE;
}

static unsigned without_replaced(const struct exchange *x, struct http_field *fields, unsigned n,
                                 bool made)
{
    unsigned kept = 0;
    if (!made && x->match.dialect->id_header.len == 0) return n;
    for (unsigned i = 0; i < n; i++)
        if (!is_replaced(x, &fields[i], made)) fields[kept++] = fields[i];
    return kept;
}

int forward_response_head(struct exchange *x, const struct http_head *head, bool is_stream,
                          const struct forward_made *made)
{
    static const struct http_field unbuffered[] = {
        HTTP_FIELD(CACHE_CONTROL, STR_INIT("no-cache, no-transform")),
        HTTP_FIELD(X_ACCEL_BUFFERING, STR_INIT("no")),
    };
    struct http_field *fields = arena_try(
        x->call->arena,
        (head->field_count + ARRAY_LEN(unbuffered) + 4 + RATELIMIT_FIELDS_MAX) * sizeof *fields);
    if (!fields) return -ENOMEM;
    unsigned n = choose(head, is_stream || made ? DOWN : DOWN | WHOLE, fields, 0);
    n = without_replaced(x, fields, n, made != NULL);
    for (unsigned i = 0; is_stream && i < ARRAY_LEN(unbuffered); i++)
        fields[n++] = unbuffered[i];
    fields[n++] = (struct http_field)HTTP_FIELD(X_REQUEST_ID, str_of(x->id));
    if (x->match.dialect->id_header.len)
        fields[n++] =
            (struct http_field){.name = x->match.dialect->id_header, .value = str_of(x->id)};
    if (made) fields[n++] = (struct http_field)HTTP_FIELD(CONTENT_TYPE, made->content_type);
    if (made)
        n = ratelimit_translate(x->call->arena, head, x->ask.surface, made->sent, clock_wall_us(),
                                fields, n);
    if (made && made->dropped.len)
        fields[n++] = (struct http_field){.name = STR("x-hostler-dropped"), .value = made->dropped};
    bool known = head->has_length && !is_stream;
    x->status = head->status;
    cors_begin(x->call, &x->cors, head->status, fields, n,
               made    ? made->length
               : known ? head->length
                       : HTTP_LENGTH_UNKNOWN);
    return 0;
}
