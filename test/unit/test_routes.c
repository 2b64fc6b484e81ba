/* SPDX-License-Identifier: Apache-2.0 */
/* node, gate: which route a request takes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "node/routes.h"

static void routes_are_found(void **state)
{
    (void)state;
    static const struct {
        enum http_method method;
        const char *path;
        const char *query;
        const char *route;
        bool method_ok;
        const char *rest;
        const char *arg;
    } rows[] = {
        {METHOD_POST, "/v1/chat/completions", "", "chat", true, "/chat/completions", ""},
        {METHOD_POST, "/chat/completions", "", "chat", true, "/chat/completions", ""},
        {METHOD_POST, "/openai/v1/chat/completions", "", "chat", true, "/chat/completions", ""},
        {METHOD_POST, "/v1/chat/completions", "a=b", "chat", true, "/chat/completions", ""},
        {METHOD_GET, "/v1/chat/completions", "", "chat", false, "/chat/completions", ""},
        {METHOD_POST, "/v1/completions", "", "completions", true, "/completions", ""},
        {METHOD_POST, "/v1/embeddings", "", "embeddings", true, "/embeddings", ""},
        {METHOD_POST, "/v1/rerank", "", "rerank", true, "/rerank", ""},
        {METHOD_POST, "/reranking", "", "rerank", true, "/reranking", ""},
        {METHOD_POST, "/v1/score", "", "score", true, "/score", ""},
        {METHOD_POST, "/apply-template", "", "apply_template", true, "/apply-template", ""},
        {METHOD_POST, "/v1/apply-template", "", "unknown", false, "/apply-template", ""},
        {METHOD_GET, "/v1/models", "", "models", true, "/models", ""},
        {METHOD_HEAD, "/v1/models", "", "models", true, "/models", ""},
        {METHOD_POST, "/v1/models", "", "models", false, "/models", ""},
        {METHOD_GET, "/v1/models/a", "", "model", true, "/models/a", "a"},
        {METHOD_GET, "/v1/models/org/name", "", "model", true, "/models/org/name", "org/name"},
        {METHOD_GET, "/v1/models/org%2Fname%3a", "", "model", true, "/models/org%2Fname%3a",
         "org/name:"},
        {METHOD_GET, "/v1/models/%zz", "", "unknown", false, "/models/%zz", ""},
        {METHOD_GET, "/v1/models/", "", "unknown", false, "/models/", ""},
        {METHOD_GET, "/livez", "", "livez", true, "/livez", ""},
        {METHOD_GET, "/readyz", "verbose", "readyz", true, "/readyz", ""},
        {METHOD_GET, "/health", "", "healthz", true, "/health", ""},
        {METHOD_GET, "/healthz", "", "healthz", true, "/healthz", ""},
        {METHOD_GET, "/metrics", "", "metrics", true, "/metrics", ""},
        {METHOD_GET, "/v1/metrics", "", "unknown", false, "/metrics", ""},
        {METHOD_GET, "/", "", "front", true, "/", ""},
        {METHOD_GET, "/v1/responses/resp_1", "", "response", true, "/responses/resp_1", "resp_1"},
        {METHOD_DELETE, "/v1/responses/resp_1", "", "response", true, "/responses/resp_1",
         "resp_1"},
        {METHOD_POST, "/v1/responses/resp_1/cancel", "", "response", true,
         "/responses/resp_1/cancel", "resp_1/cancel"},
        {METHOD_PUT, "/v1/responses/resp_1", "", "response", false, "/responses/resp_1", "resp_1"},
        {METHOD_POST, "/anthropic/v1/messages", "beta=true", "messages", true, "/messages", ""},
        {METHOD_GET, "", "", "unknown", false, "", ""},
        {METHOD_GET, "/v1", "", "unknown", false, "/v1", ""},
        {METHOD_GET, "/v1/", "", "unknown", false, "/", ""},
        {METHOD_POST, "/v1/chat/completions/", "", "unknown", false, "/chat/completions/", ""},
        {METHOD_POST, "/V1/chat/completions", "", "unknown", false, "/V1/chat/completions", ""},
        {METHOD_POST, "/v1/v1/chat/completions", "", "unknown", false, "/v1/chat/completions", ""},
    };
    size_t count;
    const struct route *routes = node_routes(&count);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena arena;
        struct route_match m;
        char target[200];
        arena_init(&arena, SIZE_MAX, 256);
        snprintf(target, sizeof target, "%s%s%s", rows[i].path, rows[i].query[0] ? "?" : "",
                 rows[i].query);
        size_t path_len = strlen(rows[i].path);
        struct http_head head = {.method = rows[i].method,
                                 .target = str_of(target),
                                 .path = str_n(target, path_len),
                                 .query =
                                     rows[i].query[0] ? str_of(target + path_len + 1) : STR("")};
        assert_int_equal(routes_match(routes, count, &head, &arena, &m), 0);
        if (strcmp(route_name(&m), rows[i].route) || m.method_ok != rows[i].method_ok)
            fail_msg("%s: route %s, method %d", target, route_name(&m), m.method_ok);
        if (!str_eq(m.rest, str_of(rows[i].rest)))
            fail_msg("%s: rest %" STR_FMT, target, STR_ARG(m.rest));
        if (!str_eq(m.arg, str_of(rows[i].arg)))
            fail_msg("%s: arg %" STR_FMT, target, STR_ARG(m.arg));
        if (m.route) assert_true(m.allow.len > 0);
        arena_fini(&arena);
    }
}

/* What a client reads is told by the route; where that has several dialects, or there is none, by
 * the path or a header. */
static void the_dialect_is_the_clients(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        bool claude; /* with the header anthropic-version */
        const struct dialect *dialect;
    } rows[] = {
        {"/v1/models", false, &dialect_openai},
        {"/v1/models", true, &dialect_anthropic},
        {"/models/a", true, &dialect_anthropic},
        {"/anthropic/v1/models", false, &dialect_anthropic},
        {"/anthropic/v1/models/a", false, &dialect_anthropic},
        {"/openai/v1/models", false, &dialect_openai},
        {"/v1/nothing", false, &dialect_openai},
        {"/v1/nothing", true, &dialect_anthropic},
        {"/api/nothing", false, &dialect_ollama},
        {"/v1/chat/completions", true, &dialect_openai},
        {"/v1/responses/a", true, &dialect_responses},
        {"/v1/messages", false, &dialect_anthropic},
        {"/api/tags", true, &dialect_ollama},
    };
    struct http_field version = {
        .id = HDR_OTHER, .name = STR("Anthropic-Version"), .value = STR("2023-06-01")};
    size_t count;
    const struct route *routes = node_routes(&count);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena arena;
        struct route_match m;
        arena_init(&arena, SIZE_MAX, 256);
        struct http_head head = {.method = METHOD_GET,
                                 .target = str_of(rows[i].path),
                                 .path = str_of(rows[i].path),
                                 .fields = &version,
                                 .field_count = rows[i].claude};
        assert_int_equal(routes_match(routes, count, &head, &arena, &m), 0);
        if (m.dialect != rows[i].dialect) fail_msg("%s: %s", rows[i].path, m.dialect->name);
        arena_fini(&arena);
    }
}

static void a_path_that_was_meant_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        const char *meant; /* NULL: no idea */
    } rows[] = {
        {"/v1/v1/chat/completions", "/v1/chat/completions"},
        {"//v1/chat/completions", "/v1/chat/completions"},
        {"/v1/chat//completions/", "/v1/chat/completions"},
        {"/V1/Chat/Completions", "/v1/chat/completions"},
        {"/api/v1/completions", "/v1/completions"},
        {"/v1/embeddings//", "/v1/embeddings"},
        {"/v1/models/", "/v1/models"},
        {"/v1/metrics", "/metrics"},
        {"/readyz/", "/readyz"},
        {"/", NULL},
        {"", NULL},
        {"/v1", NULL},
        {"/v1/chat", NULL},
        {"/api//chat/", "/api/chat"},
        {"/api/nothing", NULL},
        {"/v1/xcompletions", NULL},
        {"/v1/images", NULL},
    };
    size_t count;
    const struct route *routes = node_routes(&count);
    struct arena arena;
    arena_init(&arena, SIZE_MAX, 256);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct str meant = routes_suggest(routes, count, &arena, str_of(rows[i].path));
        if (!str_eq(meant, str_of(rows[i].meant)))
            fail_msg("%s: %" STR_FMT, rows[i].path, STR_ARG(meant));
        assert_true(rows[i].meant || !meant.ptr);
    }
    arena_fini(&arena);
}

/* Every row can be reached, and says what handles it. */
static void rows_are_whole(void **state)
{
    (void)state;
    size_t count;
    const struct route *routes = node_routes(&count);
    for (size_t i = 0; i < count; i++) {
        const struct route *r = &routes[i];
        assert_non_null(r->handler);
        assert_true(str_starts(r->path, STR("/")) && r->name[0]);
        assert_true(!(r->flags & ROUTE_MODEL) == (r->surface == SURFACE_NONE));
        for (size_t k = 0; k < i; k++)
            assert_false(str_eq(routes[k].path, r->path) &&
                         !((routes[k].flags ^ r->flags) & ROUTE_POST));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(routes_are_found),
        cmocka_unit_test(the_dialect_is_the_clients),
        cmocka_unit_test(a_path_that_was_meant_is_told),
        cmocka_unit_test(rows_are_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
