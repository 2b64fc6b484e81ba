/* SPDX-License-Identifier: Apache-2.0 */
/* In what the products differ besides the paths that they have. */
#include "cmd/mock_priv.h"

/* A row reads best as one line. */
/* clang-format off */
/* What products say of a path that they do not have, and who owns their models. */
static const struct manners {
    struct str kind;
    struct str owner;
    struct str not_found;
    bool plain; /* ... is no JSON */
} manners[] = {
    {STR_INIT("vllm"), STR_INIT("vllm"), STR_INIT("{\"detail\":\"Not Found\"}"), false},
    {STR_INIT("sglang"), STR_INIT("sglang"), STR_INIT("{\"detail\":\"Not Found\"}"), false},
    {STR_INIT("trt-llm"), STR_INIT("tensorrt_llm"), STR_INIT("{\"detail\":\"Not Found\"}"), false},
    {STR_INIT("llama-server"), STR_INIT("llamacpp"), STR_INIT("{\"error\":{\"code\":404,\"message\":\"File Not Found\",\"type\":\"not_found_error\"}}"), false},
    {STR_INIT("ollama"), STR_INIT("library"), STR_INIT("404 page not found"), true},
    {STR_INIT("tgi"), STR_INIT("tgi"), STR_INIT(""), true},
    {STR_INIT("mistral"), STR_INIT("mistralai"), STR_INIT("{\"message\":\"no Route matched with those values\"}"), false},
    {STR_INIT("azure"), STR_INIT("azure"), STR_INIT("{\"error\":{\"code\":\"404\",\"message\":\"Resource not found\"}}"), false},
    {STR_INIT("anthropic"), STR_INIT("anthropic"), STR_INIT("{\"type\":\"error\",\"error\":{\"type\":\"not_found_error\",\"message\":\"Not found\"}}"), false},
};
/* clang-format on */

static const struct manners *manners_of(const struct runtime_kind *kind)
{
    for (size_t i = 0; kind && i < ARRAY_LEN(manners); i++)
        if (str_eq(manners[i].kind, kind->name)) return &manners[i];
    return NULL;
}

struct str mock__owner(const struct runtime_kind *kind)
{
    const struct manners *own = manners_of(kind);
    return own ? own->owner : STR("mock");
}

void mock__reply_not_found(const struct runtime_kind *kind, struct http_call *c)
{
    const struct manners *own = manners_of(kind);
    const struct http_field plain = HTTP_FIELD(CONTENT_TYPE, STR("text/plain"));
    if (!own)
        mock__reply_error(c, &dialect_openai, 404, NULL, "no such path");
    else if (own->plain)
        call_reply(c, 404, &plain, 1, own->not_found);
    else
        mock__reply_json(c, 404, own->not_found);
}
