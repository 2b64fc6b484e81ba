/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/routes.h"

#include <errno.h>

const char *route_name(const struct route_match *m)
{
    return m->route ? m->route->name : "unknown";
}

bool route_is(const struct route_match *m, enum route_flag flag)
{
    return m->route && (m->route->flags & flag);
}

/* Takes /v1, or one below a dialect's name, off the front of a path. */
static struct str without_version(struct str path)
{
    static const struct str prefixes[] = {STR_INIT("/v1"), STR_INIT("/openai/v1"),
                                          STR_INIT("/anthropic/v1")};
    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
        if (str_starts(path, prefixes[i]) && path.len > prefixes[i].len &&
            path.ptr[prefixes[i].len] == '/')
            return str_skip(path, prefixes[i].len);
    return path;
}

/* *fits: whether the path is the route's. -ENOMEM. */
static int compare(const struct route *r, struct str path, struct arena *arena, struct str *arg,
                   bool *fits)
{
    *fits = r->flags & ROUTE_REST ? str_starts(path, r->path) && path.len > r->path.len
                                  : str_eq(path, r->path);
    if (!*fits || !(r->flags & ROUTE_REST)) return 0;
    int err = http_percent_decode(arena, str_skip(path, r->path.len), arg);
    if (err) *fits = false;
    return err == -ENOMEM ? err : 0;
}

/* Whether the client says that it speaks Anthropic's dialect. */
static bool is_claude(const struct http_head *head)
{
    return str_starts(head->path, STR("/anthropic/")) ||
           http_head_get_name(head, STR("anthropic-version")).ptr;
}

/* What a client speaks that calls what is not served: what it says, else the dialect of the route
 * that begins as its path does. */
static const struct dialect *probable_dialect(const struct route *routes, size_t count,
                                              const struct route_match *m,
                                              const struct http_head *head)
{
    const struct dialect *dialect = &dialect_openai;
    size_t longest = 0;
    struct str path = head->path;
    if (is_claude(head)) return &dialect_anthropic;
    if (str_starts(path, STR("/api/"))) return &dialect_ollama;
    for (size_t i = 0; i < count; i++) {
        const struct route *r = &routes[i];
        struct str whole = r->flags & ROUTE_API ? m->rest : path;
        if (r->path.len <= longest || !str_starts(whole, r->path)) continue;
        longest = r->path.len;
        dialect = r->dialect;
    }
    return dialect;
}

static void found(const struct route *r, const struct http_head *head, struct route_match *out)
{
    bool post = r->flags & ROUTE_POST;
    out->route = r;
    out->dialect = (r->flags & ROUTE_CLAUDE) && is_claude(head) ? &dialect_anthropic : r->dialect;
    bool deletes = r->flags & ROUTE_DELETE;
    out->allow = post      ? STR("POST, OPTIONS")
                 : deletes ? STR("GET, HEAD, DELETE, OPTIONS")
                           : STR("GET, HEAD, OPTIONS");
    bool gets = head->method == METHOD_GET || head->method == METHOD_HEAD;
    out->method_ok =
        post ? head->method == METHOD_POST : gets || (deletes && head->method == METHOD_DELETE);
}

int routes_match(const struct route *routes, size_t count, const struct http_head *head,
                 struct arena *arena, struct route_match *out)
{
    *out = (struct route_match){.rest = without_version(head->path), .dialect = &dialect_openai};
    for (size_t i = 0; i < count; i++) {
        const struct route *r = &routes[i];
        bool fits;
        int err =
            compare(r, r->flags & ROUTE_API ? out->rest : head->path, arena, &out->arg, &fits);
        if (err) return err;
        if (!fits) continue;
        if (!out->method_ok) found(r, head, out);
        if (out->method_ok) return 0;
    }
    if (out->route) return 0;
    out->dialect = probable_dialect(routes, count, out, head);
    return 0;
}

/* A path in small letters, with one slash where there are several and none at its end. */
static struct str tidied(struct arena *arena, struct str path)
{
    char *to = arena_try(arena, path.len + 1);
    size_t n = 0;
    for (size_t i = 0; to && i < path.len; i++) {
        char c = path.ptr[i];
        if (c == '/' && n && to[n - 1] == '/') continue;
        to[n++] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
    }
    while (n && to[n - 1] == '/')
        n--;
    return str_n(to, n);
}

struct str routes_suggest(const struct route *routes, size_t count, struct arena *arena,
                          struct str path)
{
    struct str tidy = tidied(arena, path);
    for (size_t i = 0; i < count; i++)
        if (str_ends(tidy, routes[i].path))
            return routes[i].flags & ROUTE_API ? arena_try_cat(arena, STR("/v1"), routes[i].path)
                                               : routes[i].path;
    return STR_NULL;
}
