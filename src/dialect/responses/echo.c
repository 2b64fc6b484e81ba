/* SPDX-License-Identifier: Apache-2.0 */
/* What a response repeats of its request: members that its clients' types require. */
#include "dialect/responses/responses_priv.h"

#include <errno.h>

#include "base/err.h"

enum { SETTINGS_MAX = 16 << 10, TOOLS_MAX = 16 << 10 };

struct setting {
    const char *name;
    const char *standard; /* where it is not given; JSON */
};

static const struct setting settings[] = {
    {"background", "false"},
    {"max_output_tokens", "null"},
    {"max_tool_calls", "null"},
    {"metadata", "{}"},
    {"parallel_tool_calls", "true"},
    {"previous_response_id", "null"},
    {"prompt_cache_key", "null"},
    {"reasoning", "{\"effort\":null,\"summary\":null}"},
    {"safety_identifier", "null"},
    {"service_tier", "\"default\""},
    {"store", "true"},
    {"temperature", "null"},
    {"text", "{\"format\":{\"type\":\"text\"}}"},
    {"tool_choice", "\"auto\""},
    {"top_logprobs", "0"},
    {"top_p", "null"},
    {"truncation", "\"disabled\""},
    {"user", "null"},
};

/* Those that may be large. */
static const struct setting tools[] = {{"instructions", "null"}, {"tools", "[]"}};

#define NO_SETTINGS                                                                      \
    "\"background\":false,\"max_output_tokens\":null,\"metadata\":{},"                   \
    "\"parallel_tool_calls\":true,\"previous_response_id\":null,\"temperature\":null,"   \
    "\"text\":{\"format\":{\"type\":\"text\"}},\"tool_choice\":\"auto\",\"top_p\":null," \
    "\"truncation\":\"disabled\""
#define NO_TOOLS "\"instructions\":null,\"tools\":[]"

const struct responses_memo responses__no_memo = {
    .settings = STR_INIT(NO_SETTINGS),
    .tools = STR_INIT(NO_TOOLS),
};

static int write_settings(const struct json *body, const struct setting *rows, size_t count,
                          struct buf *out)
{
    struct json_writer w;
    json_write_init(&w, out);
    json_write_object(&w);
    for (size_t i = 0; i < count; i++) {
        const struct json *v = json_get(body, rows[i].name);
        json_write_key(&w, rows[i].name);
        if (responses__absent(v))
            json_write_raw(&w, str_of(rows[i].standard));
        else
            json_write_json(&w, v);
    }
    json_write_object_end(&w);
    return json_write_end(&w);
}

/* The members without their braces. What is too large is left as it was. */
static int keep(struct translation *t, const struct json *body, const struct setting *rows,
                size_t count, size_t most, struct str *out)
{
    struct buf text;
    buf_init(&text, most);
    int err = write_settings(body, rows, count, &text);
    if (!err) {
        struct str kept = arena_try_dup(t->arena, str_sub(buf_str(&text), 1, buf_len(&text) - 2));
        if (kept.ptr)
            *out = kept;
        else
            err = -ENOMEM;
    }
    buf_fini(&text);
    return err == ERR_TOO_LARGE || err == ERR_DEPTH ? 0 : err;
}

int responses__keep_settings(struct translation *t, const struct json *body,
                             struct responses_memo *memo)
{
    memo->settings = responses__no_memo.settings;
    memo->tools = responses__no_memo.tools;
    int err = keep(t, body, settings, ARRAY_LEN(settings), SETTINGS_MAX, &memo->settings);
    return err ? err : keep(t, body, tools, ARRAY_LEN(tools), TOOLS_MAX, &memo->tools);
}
