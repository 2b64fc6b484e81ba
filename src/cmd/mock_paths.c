/* SPDX-License-Identifier: Apache-2.0 */
/* The paths of the mock runtime, a row for each, and which kind of runtime has them. */
#include <string.h>

#include "cmd/mock_priv.h"

/* A row reads best as one line. */
/* clang-format off */
static const struct mock_path posts[] = {
    {STR_INIT("/chat/completions"), .surface = SURFACE_CHAT},
    {STR_INIT("/completions"), .surface = SURFACE_COMPLETIONS},
    {STR_INIT("/embeddings"), .surface = SURFACE_EMBEDDINGS, .object = mock__embeddings},
    {STR_INIT("/responses"), .surface = SURFACE_RESPONSES},
    {STR_INIT("/messages"), .surface = SURFACE_MESSAGES},
    {STR_INIT("/api/chat"), BESIDE, .surface = SURFACE_OLLAMA_CHAT},
    {STR_INIT("/api/generate"), BESIDE, .surface = SURFACE_OLLAMA_GENERATE},
    {STR_INIT("/api/embed"), BESIDE, .surface = SURFACE_OLLAMA_EMBED, .object = mock__ollama_embed},
    {STR_INIT("/api/embeddings"), BESIDE, .surface = SURFACE_OLLAMA_EMBEDDINGS, .object = mock__ollama_embeddings},
    {STR_INIT("/api/show"), BESIDE, .kinds = "ollama", .dialect = &dialect_ollama, .object = mock__show},
    {STR_INIT("/rerank"), BOTH, .surface = SURFACE_RERANK, .object = mock__rerank},
    {STR_INIT("/score"), BOTH, .kinds = "vllm", .object = mock__score},
    {STR_INIT("/apply-template"), BESIDE, .surface = SURFACE_TEMPLATE, .object = mock__template},
    {STR_INIT("/chat/completions/input_tokens"), .surface = SURFACE_COUNT_CHAT, .object = mock__count},
    {STR_INIT("/responses/input_tokens"), .surface = SURFACE_COUNT_RESPONSES, .object = mock__count},
    {STR_INIT("/messages/count_tokens"), .surface = SURFACE_COUNT_MESSAGES, .object = mock__count},
    {STR_INIT("/tokenize"), BESIDE, .surface = SURFACE_COUNT_TOKENIZE, .object = mock__tokenize},
    {STR_INIT("/mock/reset"), BESIDE, .kinds = "all", .page = mock__reset},
    {STR_INIT("/mock/knobs"), BESIDE, .kinds = "all", .page = mock__set_knobs},
    {STR_INIT("/mock/script"), BESIDE, .kinds = "all", .page = mock__set_script},
};

static const char serve_health[] = "vllm sglang llama-server tgi trt-llm";

static const struct mock_path gets[] = {
    {STR_INIT("/health"), BESIDE, .kinds = serve_health, .page = mock__health},
    {STR_INIT("/metrics"), BESIDE, .kinds = serve_health, .page = mock__metrics},
    {STR_INIT("/models"), .kinds = "all", .page = mock__models},
    {STR_INIT("/models/"), .begins = true, .kinds = "all", .page = mock__model},
    {STR_INIT("/"), BESIDE, .kinds = "ollama", .page = mock__ollama_root},
    {STR_INIT("/api/version"), BESIDE, .kinds = "ollama", .page = mock__ollama_version},
    {STR_INIT("/api/tags"), BESIDE, .kinds = "ollama", .page = mock__ollama_tags},
    {STR_INIT("/api/ps"), BESIDE, .kinds = "ollama", .page = mock__ollama_ps},
    {STR_INIT("/version"), BESIDE, .kinds = "vllm", .page = mock__vllm_version},
    {STR_INIT("/props"), BESIDE, .kinds = "llama-server", .page = mock__llama_props},
    {STR_INIT("/mock/stats"), BESIDE, .kinds = "all", .page = mock__stats},
    {STR_INIT("/mock/requests"), BESIDE, .kinds = "all", .page = mock__requests},
    {STR_INIT("/mock/script"), BESIDE, .kinds = "all", .page = mock__script},
};
/* clang-format on */

/* --- which row --- */

/* Whether a name is among those between blanks. */
static bool among(const char *names, struct str name)
{
    struct str rest = str_of(names), one;
    while (str_cut(&rest, ' ', &one))
        if (str_eq(one, name) || str_eq(one, STR("all"))) return true;
    return false;
}

static bool serves(const struct runtime_kind *kind, const struct mock_path *row)
{
    if (!kind || (row->kinds && among(row->kinds, kind->name))) return true;
    return row->surface && (kind->surfaces & SURFACE_BIT(row->surface));
}

/* Without a kind, what is below /v1 is beside it, too. */
static bool stands_there(const struct runtime_kind *kind, const struct mock_path *row, bool below)
{
    return row->where == BOTH || (row->where == BELOW) == below || (!kind && row->where == BELOW);
}

static const struct mock_path *find(const struct mock *m, const struct mock_path *rows,
                                    size_t count, struct str path)
{
    const bool below = str_starts(path, STR("/v1/"));
    if (below) path = str_skip(path, strlen("/v1"));
    for (size_t i = 0; i < count; i++) {
        const struct mock_path *row = &rows[i];
        bool same = row->begins ? str_starts(path, row->path) : str_eq(path, row->path);
        if (same && stands_there(m->kind, row, below) && serves(m->kind, row)) return row;
    }
    return NULL;
}

static const struct mock_path *find_row(const struct mock *m, const struct http_head *head)
{
    switch (head->method) {
    case METHOD_POST: return find(m, posts, ARRAY_LEN(posts), head->path);
    case METHOD_GET:
    case METHOD_HEAD: return find(m, gets, ARRAY_LEN(gets), head->path);
    default: return NULL;
    }
}

/* A field that the product's requests must have and this one has not, or NULL. */
static const struct http_field *missing_field(const struct runtime_kind *kind,
                                              const struct http_head *head)
{
    for (size_t i = 0; kind && i < ARRAY_LEN(kind->fields) && kind->fields[i].name.len; i++)
        if (!http_head_get_name(head, kind->fields[i].name).ptr) return &kind->fields[i];
    return NULL;
}

static void start(struct mock_worker *w, struct http_call *c, const struct mock_path *row)
{
    const struct http_field *missing = missing_field(w->mock->kind, c->head);
    if (row->page)
        row->page(w, c);
    else if (missing)
        mock__reply_error(
            c, surface_row(row->surface)->dialect, 400, NULL,
            arena_printf(c->arena, "%" STR_FMT ": header is required", STR_ARG(missing->name)).ptr);
    else
        mock__start_request(w, c, row);
}

void mock__on_call(void *worker, struct http_call *c)
{
    struct mock_worker *w = worker;
    if (c->refused) {
        mock__reply_error(c, &dialect_openai, c->refused, NULL, c->refused_why);
        return;
    }
    const enum http_method method = c->head->method;
    const struct mock_path *row = find_row(w->mock, c->head);
    if (row)
        start(w, c, row);
    else if (method == METHOD_POST || method == METHOD_GET || method == METHOD_HEAD)
        mock__reply_not_found(w->mock->kind, c);
    else
        mock__reply_error(c, &dialect_openai, 405, NULL, "GET and POST only");
}
