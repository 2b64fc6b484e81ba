/* SPDX-License-Identifier: Apache-2.0 */
/* What the gateway reads in a request body. */
#include "dialect/ollama/ollama_priv.h"
#include "dialect/peek.h"
#include "json/skim.h"

enum {
    FIELD_MODEL,
    FIELD_STREAM,
    FIELD_KEEP_ALIVE,
    FIELD_MESSAGES,
    FIELD_PROMPT,
    FIELD_INPUT,
    FIELD_RAW,
    FIELD_SUFFIX,
    FIELD_COUNT
};

static const struct str field_names[FIELD_COUNT] = {
    [FIELD_MODEL] = STR_INIT("model"),
    [FIELD_STREAM] = STR_INIT("stream"),
    [FIELD_KEEP_ALIVE] = STR_INIT("keep_alive"),
    [FIELD_MESSAGES] = STR_INIT("messages"),
    [FIELD_PROMPT] = STR_INIT("prompt"),
    [FIELD_INPUT] = STR_INIT("input"),
    [FIELD_RAW] = STR_INIT("raw"),
    [FIELD_SUFFIX] = STR_INIT("suffix"),
};

static bool may_stream(enum surface s)
{
    return s != SURFACE_OLLAMA_EMBED && s != SURFACE_OLLAMA_EMBEDDINGS;
}

/* What a model is asked with. */
static const struct json_span *question(enum surface s, const struct json_span *fields)
{
    if (s == SURFACE_OLLAMA_CHAT) return &fields[FIELD_MESSAGES];
    return &fields[s == SURFACE_OLLAMA_EMBED ? FIELD_INPUT : FIELD_PROMPT];
}

static bool is_empty(const struct json_span *span)
{
    bool may = span->type == JSON_STRING || span->type == JSON_ARRAY;
    return span->type == JSON_NONE || span->type == JSON_NULL ||
           (may && json_skim_empty(span->raw));
}

/* A time that is none: 0, "0", "0s", "0h0m0s". */
static bool is_no_time(const struct json_span *span)
{
    bool zero = false;
    if (span->type != JSON_NUMBER && span->type != JSON_STRING) return false;
    for (size_t i = 0; i < span->raw.len; i++) {
        char c = span->raw.ptr[i];
        if (c >= '1' && c <= '9') return false;
        zero = zero || c == '0';
    }
    return zero;
}

static enum ask_purpose purpose_of(enum surface s, const struct json_span *fields)
{
    if (!is_empty(question(s, fields))) return ASK_ANSWER;
    return is_no_time(&fields[FIELD_KEEP_ALIVE]) ? ASK_UNLOAD : ASK_LOAD;
}

/* Without a template, or with text that the answer stands before, a prompt is no chat. */
static int narrow(struct arena *arena, const struct json_span *fields, struct ask *out,
                  struct refusal *why)
{
    bool raw;
    if (out->surface != SURFACE_OLLAMA_GENERATE) return 0;
    int err = peek_flag(arena, &fields[FIELD_RAW], "raw", false, &raw, why);
    if (err) return err;
    if (raw || !is_empty(&fields[FIELD_SUFFIX])) out->surface = SURFACE_OLLAMA_RAW;
    return 0;
}

int ollama__peek(struct arena *arena, struct str body, struct ask *out, struct refusal *why)
{
    struct json_span fields[FIELD_COUNT];
    *out = (struct ask){.surface = out->surface, .asks_usage = true};
    int err = peek_scan(arena, body, field_names, FIELD_COUNT, fields, why);
    if (!err) err = peek_model(arena, &fields[FIELD_MODEL], out, why);
    if (!err && may_stream(out->surface))
        err = peek_flag(arena, &fields[FIELD_STREAM], "stream", true, &out->stream, why);
    if (!err) err = narrow(arena, fields, out, why);
    if (!err) out->purpose = purpose_of(out->surface, fields);
    return err;
}
