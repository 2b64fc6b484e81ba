/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/cors.h"

#include <string.h>

#include "gate/caller.h"

static const struct http_field vary = {.name = STR_INIT("vary"), .value = STR_INIT("Origin")};

static struct http_field allow_field(const struct cors *cors)
{
    return (struct http_field){.name = STR("access-control-allow-origin"), .value = cors->allow};
}

/* --- judging --- */

static bool is_configured(const struct settings *s, const struct origin *o)
{
    for (size_t i = 0; i < s->origin_count; i++)
        if (origin_matches(&s->origins[i], o)) return true;
    return false;
}

static bool is_local(const struct settings *s, const struct origin *o)
{
    return !origin_is_web(o) || caller_is_local_name(o->host, s->hosts, s->host_count);
}

/* True for a page that the very host has sent that it asks now. */
static bool is_own_page(const struct http_call *call, struct str origin)
{
    ptrdiff_t end = str_find(origin, STR("://"));
    struct str host = call->head->authority;
    return end > 0 && host.len && str_eq_nocase(str_skip(origin, (size_t)end + 3), host);
}

/* The only Origin, or ptr NULL. *any: there is one at least. */
static struct str only_origin(const struct http_head *head, bool *any)
{
    struct str first = STR_NULL, more;
    unsigned at = 0;
    *any = http_head_next(head, HDR_ORIGIN, &at, &first);
    if (*any && http_head_next(head, HDR_ORIGIN, &at, &more)) return STR_NULL;
    return first;
}

/* POST's answers are nobody's to keep (RFC 9110 section 9.3.3). */
static bool may_be_kept(const struct http_head *head)
{
    return head->method == METHOD_GET || head->method == METHOD_HEAD;
}

void cors_judge(const struct http_call *call, const struct settings *s, bool keys, struct cors *out)
{
    bool any, matters = !keys || s->origin_count || s->any_origin;
    struct str text = only_origin(call->head, &any);
    struct origin o;
    *out = (struct cors){.varies = matters && (any || may_be_kept(call->head))};
    if (!any) return;
    bool known = text.ptr && origin_parse(text, &o) == 0;
    if (known && (is_configured(s, &o) || (!keys && is_local(s, &o))))
        out->allow = text;
    else if (keys && s->any_origin)
        out->allow = STR("*");
    else if (!keys)
        out->foreign = !known || !str_eq(call->peer, STR("unix")) || !is_own_page(call, text);
}

/* --- preflights --- */

static const struct str ask_method = STR_INIT("access-control-request-method"),
                        ask_headers = STR_INIT("access-control-request-headers"),
                        ask_network = STR_INIT("access-control-request-private-network");

bool cors_is_preflight(const struct http_head *head)
{
    return head->method == METHOD_OPTIONS && http_head_get_name(head, ask_method).len > 0;
}

/* True for names of headers, separated by commas. */
static bool is_name_list(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        bool word = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!word && (!c || !strchr("!#$%&'*+-.^_`|~, \t", c))) return false;
    }
    return s.len > 0;
}

/* All headers may be sent, since forward.c decides what becomes of them; "*" would not do, as it
 * does not mean authorization, and older browsers take it for a name. All methods may: what a path
 * cannot do it says itself, so that the page can read it. */
void cors_answer_preflight(struct http_call *call, const struct cors *cors, struct str id)
{
    struct http_field fields[7] = {
        allow_field(cors),
        {.name = STR("access-control-allow-methods"), .value = STR("GET, HEAD, POST, DELETE")},
        {.name = STR("access-control-max-age"), .value = STR("7200")},
        HTTP_FIELD(X_REQUEST_ID, id),
    };
    unsigned n = 4;
    struct str headers = http_head_get_name(call->head, ask_headers);
    if (is_name_list(headers))
        fields[n++] =
            (struct http_field){.name = STR("access-control-allow-headers"), .value = headers};
    if (str_eq(http_head_get_name(call->head, ask_network), STR("true")))
        fields[n++] = (struct http_field){.name = STR("access-control-allow-private-network"),
                                          .value = STR("true")};
    fields[n++] = vary;
    call_begin(call, 204, fields, n, 0);
    call_write(call, NULL, 0, true);
}

/* --- answers --- */

enum { FIELDS_MAX = 3 };

/* The names of the answer's fields, "a, b": without it a page sees but a few of them. ptr NULL: no
 * memory. */
static struct str names_of(struct arena *arena, const struct http_field *fields, unsigned count)
{
    size_t len = 0;
    for (unsigned i = 0; i < count; i++)
        len += http_field_name(&fields[i]).len + 2;
    char *names = arena_try(arena, len + 1), *at = names;
    for (unsigned i = 0; names && i < count; i++) {
        struct str name = http_field_name(&fields[i]);
        if (i) at = mempcpy(at, ", ", 2);
        at = mempcpy(at, name.ptr, name.len);
    }
    return str_n(names, (size_t)(at - names));
}

/* Adds what browsers are told. Returns how many fields there are then; the first `count` are the
 * answer's own. */
static unsigned add_fields(struct http_call *call, const struct cors *cors,
                           struct http_field *fields, unsigned count)
{
    unsigned n = count;
    fields[n++] = vary;
    if (cors->allow.len == 0) return n;
    struct str names = names_of(call->arena, fields, count);
    if (names.len)
        fields[n++] =
            (struct http_field){.name = STR("access-control-expose-headers"), .value = names};
    fields[n++] = allow_field(cors);
    return n;
}

void cors_begin(struct http_call *call, const struct cors *cors, int status,
                const struct http_field *fields, unsigned count, uint64_t length)
{
    struct http_field *all =
        cors->varies ? arena_try(call->arena, (count + FIELDS_MAX) * sizeof *all) : NULL;
    if (all) {
        if (count) memcpy(all, fields, count * sizeof *all);
        count = add_fields(call, cors, all, count);
    }
    call_begin(call, status, all ? all : fields, count, length);
}
