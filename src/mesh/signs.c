/* SPDX-License-Identifier: Apache-2.0 */
#include "mesh/signs.h"

#include "json/skim.h"

static const struct str paths[SIGN_PAGES] = {
    [SIGN_MODELS] = STR_INIT("/models"),
    [SIGN_VERSION] = STR_INIT("/version"),
    [SIGN_OLLAMA_VERSION] = STR_INIT("/api/version"),
    [SIGN_PROPS] = STR_INIT("/props"),
    [SIGN_MODEL_INFO] = STR_INIT("/get_model_info"),
    [SIGN_INFO] = STR_INIT("/info"),
};

/* What tells one kind; each of it alone does. Empty: nothing of that. A member counts with any
 * value where none is given. */
struct signs {
    struct str kind;
    struct str server; /* how its Server header begins */
    struct str owner;  /* who owns the models of its list */
    struct {
        struct str name, value;
    } model; /* what each of them has */
    enum sign_page page;
    struct str member; /* what it says on that page */
};

/* A row reads best as a line. */
/* clang-format off */
static const struct signs table[] = {
    {.kind = STR_INIT("hostler"), .owner = STR_INIT("hostler"), .page = SIGN_OLLAMA_VERSION, .member = STR_INIT("hostler")},
    {.kind = STR_INIT("llama-server"), .server = STR_INIT("llama.cpp"), .owner = STR_INIT("llamacpp"),
     .page = SIGN_PROPS, .member = STR_INIT("default_generation_settings")},
    {.kind = STR_INIT("sglang"), .owner = STR_INIT("sglang"), .page = SIGN_MODEL_INFO, .member = STR_INIT("model_path")},
    {.kind = STR_INIT("trt-llm"), .owner = STR_INIT("tensorrt_llm")},
    {.kind = STR_INIT("vllm"), .owner = STR_INIT("vllm"), .page = SIGN_VERSION, .member = STR_INIT("version")},
    {.kind = STR_INIT("ollama"), .owner = STR_INIT("library"), .page = SIGN_OLLAMA_VERSION, .member = STR_INIT("version")},
    {.kind = STR_INIT("tgi"), .owner = STR_INIT("tgi"), .page = SIGN_INFO, .member = STR_INIT("max_total_tokens")},
    {.kind = STR_INIT("mistral"), .owner = STR_INIT("mistralai")},
    {.kind = STR_INIT("openrouter"), .model = {STR_INIT("top_provider"), STR_INIT("")}},
    {.kind = STR_INIT("groq"), .model = {STR_INIT("public_apps"), STR_INIT("")}},
    {.kind = STR_INIT("anthropic"), .model = {STR_INIT("type"), STR_INIT("\"model\"")}},
};
/* clang-format on */

bool sign_helps(enum sign_page page, bool listed)
{
    return page != SIGN_VERSION || !listed;
}

struct str sign_path(enum sign_page page)
{
    return paths[page];
}

static const struct runtime_kind *kind_of(const struct signs *s)
{
    const struct runtime_kind *kind = runtime_kind(s->kind);
    return kind ? kind : &runtime_engine;
}

/* --- lists of models --- */

struct str sign_list(struct str list)
{
    static const struct str names[] = {STR_INIT("data")};
    struct json_span data[1];
    struct str text = str_trim(list);
    if (str_starts(text, STR("["))) return text;
    if (json_scan(text, names, 1, data, NULL)) return STR_NULL;
    if (data[0].type == JSON_NULL) return STR("[]"); /* as Go writes one that is empty */
    return data[0].type == JSON_ARRAY ? data[0].raw : STR_NULL;
}

/* Whether a member is there, with that value unless it is empty. */
static bool has_member(const struct json_span *object, struct str name, struct str value)
{
    struct json_span span[1];
    if (!name.len || json_scan_span(object, &name, 1, span, NULL)) return false;
    return span[0].type != JSON_NONE && (!value.len || str_eq(span[0].raw, value));
}

static const struct runtime_kind *kind_of_model(const struct json_span *model)
{
    static const struct str names[] = {STR_INIT("owned_by")};
    struct json_span owner[1];
    if (json_scan_span(model, names, 1, owner, NULL)) return NULL;
    struct str quoted = owner[0].type == JSON_STRING ? owner[0].raw : STR("\"\"");
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        const struct signs *s = &table[i];
        if (s->owner.len && str_eq(str_sub(quoted, 1, quoted.len - 2), s->owner)) return kind_of(s);
        if (has_member(model, s->model.name, s->model.value)) return kind_of(s);
    }
    return NULL;
}

static const struct runtime_kind *read_models(struct str list)
{
    struct str rest = sign_list(list);
    struct json_span model;
    const struct runtime_kind *kind = NULL;
    while (!kind && rest.ptr && json_skim_element(&rest, &model))
        kind = kind_of_model(&model);
    return kind;
}

/* --- other pages --- */

static const struct runtime_kind *read_server(struct str server)
{
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (table[i].server.len && str_starts_nocase(server, table[i].server))
            return kind_of(&table[i]);
    return NULL;
}

static const struct runtime_kind *read_page(enum sign_page page, struct str body)
{
    const struct json_span object = {.type = JSON_OBJECT, .raw = str_trim(body)};
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (table[i].page == page && has_member(&object, table[i].member, STR("")))
            return kind_of(&table[i]);
    return NULL;
}

const struct runtime_kind *sign_read(enum sign_page page, const struct sign_answer *answer)
{
    const struct runtime_kind *kind = read_server(answer->server);
    if (kind || answer->status != 200) return kind;
    return page == SIGN_MODELS ? read_models(answer->body) : read_page(page, answer->body);
}

bool sign_next_name(struct str *rest, struct arena *arena, struct str *name)
{
    static const struct str names[] = {STR_INIT("id")};
    struct json_span model, id[1];
    while (rest->ptr && json_skim_element(rest, &model))
        if (!json_scan_span(&model, names, 1, id, NULL) && id[0].type == JSON_STRING &&
            !json_span_str(&id[0], arena, name) && name->len)
            return true;
    return false;
}

/* --- cards --- */

static bool is_called(const struct json_span *model, struct str name)
{
    static const struct str names[] = {STR_INIT("id")};
    struct json_span id[1];
    if (json_scan_span(model, names, 1, id, NULL) || id[0].type != JSON_STRING) return false;
    return str_eq(str_sub(id[0].raw, 1, id[0].raw.len - 2), name);
}

void sign_card(struct str list, struct str model, struct model_card *out)
{
    struct str rest = sign_list(list);
    struct json_span one, only = {0};
    size_t count = 0;
    *out = (struct model_card){0};
    while (rest.ptr && json_skim_element(&rest, &one)) {
        if (count++ == 0) only = one;
        if (!is_called(&one, model)) continue;
        card_read(&one, out);
        return;
    }
    if (count == 1) card_read(&only, out);
}
