/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/promise.h"

#include "engine/refuse.h"

/* A field, and which of its values ask for nothing, besides null, false, 0 and empty ones. */
struct promise {
    const char *name;
    const char *words[2]; /* these texts, arrays of nothing else, and objects whose `type` is one */
    double number;        /* this number */
    bool truth;           /* true */
    bool any;             /* an empty object asks for something, too: any JSON */
    const char *instead;  /* what does the same; NULL: nothing does */
};

static const struct promise request_promises[] = {
    /* The shape of the answer, but for what shape.h reads. */
    {.name = "guided_decoding", .instead = "'structured_outputs'"},
    {.name = "guided_whitespace_pattern"},
    {.name = "structural_tag"},
    {.name = "format", .instead = "'response_format'"},
    {.name = "modalities", .words = {"text"}},
    {.name = "audio"},
    {.name = "functions", .instead = "'tools'"},
    {.name = "function_call", .words = {"auto", "none"}, .instead = "'tool_choice'"},
    {.name = "web_search_options"},
    /* Its tokens. */
    {.name = "allowed_token_ids"},
    {.name = "n_predict", .number = -1},
    {.name = "num_predict", .number = -1},
    {.name = "max_new_tokens"},
    {.name = "stop_regex"},
    {.name = "n_probs"},
    {.name = "prompt_logprobs"},
    {.name = "include_stop_str_in_output"},
    {.name = "skip_special_tokens", .truth = true},
    {.name = "logits_processors"},
    /* What it is made of. */
    {.name = "lora"},
    {.name = "chat_template"},
    {.name = "truncate_prompt_tokens"},
    /* How it is chosen. */
    {.name = "samplers"},
    {.name = "typical_p", .number = 1},
    {.name = "tfs_z", .number = 1},
    {.name = "top_a"},
    {.name = "top_n_sigma", .number = -1},
    {.name = "mirostat"},
    {.name = "mirostat_mode"},
    {.name = "dry_multiplier"},
    {.name = "xtc_probability"},
    {.name = "dynatemp_range"},
    {.name = "no_repeat_ngram_size"},
    {.name = "use_beam_search"},
    {.name = "length_penalty", .number = 1},
    {.name = "negative_prompt"},
};

static const struct promise message_promises[] = {
    {.name = "function_call", .instead = "'tool_calls'"},
    {.name = "thinking_blocks"},
    {.name = "audio"},
};

static bool is_word(const struct promise *p, const struct json *v)
{
    struct str text;
    if (!json_to_str(v, &text)) return false;
    for (size_t i = 0; i < ARRAY_LEN(p->words); i++)
        if (p->words[i] && str_eq(text, str_of(p->words[i]))) return true;
    return false;
}

static bool are_words(const struct promise *p, const struct json *array)
{
    struct json_iter it = {0};
    const struct json *v;
    while (json_next_item(array, &it, &v))
        if (!is_word(p, v)) return false;
    return true;
}

static bool asks_for_nothing(const struct promise *p, const struct json *v)
{
    double number = 0;
    bool truth = false;
    struct str text = STR_NULL;
    switch (json_type(v)) {
    case JSON_NONE:
    case JSON_NULL: return true;
    case JSON_BOOL: return json_to_bool(v, &truth) && truth == p->truth;
    case JSON_NUMBER: return json_to_double(v, &number) && (number == 0 || number == p->number);
    case JSON_STRING: return (json_to_str(v, &text) && !text.len) || is_word(p, v);
    case JSON_ARRAY: return are_words(p, v);
    case JSON_OBJECT: return (!json_count(v) && !p->any) || is_word(p, json_get(v, "type"));
    }
    return false;
}

/* The first one of the table that asks for something; NULL: none does. */
static const struct promise *find(const struct json *object, const struct promise *promises,
                                  size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!asks_for_nothing(&promises[i], json_get(object, promises[i].name)))
            return &promises[i];
    return NULL;
}

static int refuse(const struct promise *p, const char *path, struct arena *arena,
                  struct refusal *error)
{
    return refuse_field(arena, error, path, "unsupported_parameter",
                        "This value of '%s' is not supported by this engine yet%s%s.", path,
                        p->instead ? ": use " : "", p->instead ? p->instead : "");
}

int promise_check_request(const struct json *body, struct arena *arena, struct refusal *error)
{
    const struct promise *p = find(body, request_promises, ARRAY_LEN(request_promises));
    return p ? refuse(p, p->name, arena, error) : 0;
}

int promise_check_message(const struct json *message, size_t index, struct arena *arena,
                          struct refusal *error)
{
    const struct promise *p = find(message, message_promises, ARRAY_LEN(message_promises));
    if (!p) return 0;
    return refuse(p, arena_printf(arena, "messages[%zu].%s", index, p->name).ptr, arena, error);
}
