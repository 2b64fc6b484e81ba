/* SPDX-License-Identifier: Apache-2.0 */
/* The engine's request bodies: the first byte chooses the route. What is accepted lies within the
 * limits of body.h, what is refused has an error whose JSON can be read. */
#include <stdint.h>
#include <stdlib.h>

#include "engine/body.h"
#include "json/json.h"

enum { VOCAB = 1000 };

static void must(bool holds)
{
    if (!holds) abort();
}

static void check_error(struct arena *arena, const struct refusal *error)
{
    const struct json *v;
    must(error->status == 400);
    must(!json_parse(arena, openai_error_body(arena, error), &v, NULL));
    must(json_type(json_get(json_get(v, "error"), "message")) == JSON_STRING);
}

static void check_prompts(const struct body_prompt *p, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (uint32_t t = 0; p[i].tokens && t < p[i].token_count; t++)
            must(p[i].tokens[t] >= 0 && p[i].tokens[t] < VOCAB);
    }
}

static void check_tools(const struct tools *t)
{
    must(t->count <= TOOLS_MAX && (t->count == 0) == !t->list && (t->count || !t->must));
    for (size_t i = 0; i < t->count; i++) {
        must(t->all[i].name.len && t->all[i].name.len <= TOOL_NAME_MAX);
        must(str_eq(t->all[i].name, t->called[i].name));
    }
}

static void check_request(const struct body_generate *r)
{
    const struct sampler_params *p = &r->sampling;
    must(r->n >= 1 && r->n <= BODY_CHOICES_MAX);
    must(p->temperature >= 0 && p->temperature <= 2 && p->top_p >= 0 && p->top_p <= 1 &&
         p->top_k >= 0);
    must(p->top_logprobs <= SAMPLER_TOP_MAX && r->stop_count <= STOP_MAX);
    for (uint32_t i = 0; i < p->bias_count; i++)
        must(p->bias[i].token >= 0 && p->bias[i].token < VOCAB);
    for (uint32_t i = 0; i < r->end_count; i++)
        must(r->ends[i] >= 0 && r->ends[i] < VOCAB);
    must(r->end_count <= BODY_ENDS_MAX && (!r->chat.goes_on || json_count(r->chat.messages)));
    check_prompts(r->prompts, r->prompt_count);
    check_tools(&r->tools);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct model_sampling none = {-1, -1, -1, -1, -1};
    struct sampler_params defaults = body_defaults(&none);
    struct arena arena;
    struct refusal error;
    struct body_generate request;
    struct body_embed embedding;
    struct body_prompt prompt;
    struct str content;
    bool add;
    int err = 0;
    if (!size) return 0;
    struct str body = str_n((const char *)data + 1, size - 1);
    arena_init(&arena, 1 << 22, 4096);
    switch (data[0] % 5) {
    case 0:
        err = body_read_chat(&arena, body, &defaults, VOCAB, &request, &error);
        if (!err) check_request(&request);
        break;
    case 1:
        err = body_read_completion(&arena, body, &defaults, VOCAB, &request, &error);
        if (!err) check_request(&request);
        break;
    case 2:
        err = body_read_embed(&arena, body, VOCAB, &embedding, &error);
        if (!err) check_prompts(embedding.inputs, embedding.input_count);
        break;
    case 3: err = body_read_tokenize(&arena, body, &content, &add, &error); break;
    default:
        err = body_read_detokenize(&arena, body, VOCAB, &prompt, &error);
        if (!err) check_prompts(&prompt, 1);
    }
    if (err) check_error(&arena, &error);
    arena_fini(&arena);
    return 0;
}
