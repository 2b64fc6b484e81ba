/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/mock_knobs.h"

#include <string.h>

#include "base/err.h"
#include "json/scan.h"

enum knob_kind { KNOB_REAL, KNOB_COUNT, KNOB_BOOL, KNOB_WORD };

struct knob {
    const char *name;
    enum knob_kind kind;
    size_t offset;
    double max;        /* numbers lie in 0..max */
    const char *value; /* what help calls it; NULL: takes none */
    const char *help;
    const char *const *words; /* of a KNOB_WORD, which is the index of one; with NULL at the end */
};

static const char *const deaths[] = {"fin", "rst", NULL};
static const char *const reasoning_names[] = {"reasoning_content", "reasoning", "both", NULL};

#define ROW(member, kind, max, value, help) \
    {#member, kind, offsetof(struct mock_knobs, member), max, value, help, NULL}
#define WORD_ROW(member, words, value, help) \
    {#member, KNOB_WORD, offsetof(struct mock_knobs, member), 0, value, help, words}

static const struct knob knobs[] = {
    ROW(ttft_ms, KNOB_REAL, 3600e3, "MS", "time to the first token (0)"),
    ROW(rate, KNOB_REAL, 1e6, "R",
        "tokens per second and stream; 0: as fast as the client reads (0)"),
    ROW(tokens, KNOB_COUNT, MOCK_TOKENS_MAX, "N",
        "tokens of an answer (the request's max_tokens, or 16)"),
    ROW(pad, KNOB_COUNT, MOCK_PAD_MAX, "BYTES", "filler behind each token (0)"),
    ROW(prompt_tokens, KNOB_COUNT, 1e9, "N",
        "prompt tokens that usage reports (bytes of the prompt / 4)"),
    ROW(cached_tokens, KNOB_COUNT, 1e9, "N", "cached tokens that usage reports (0)"),
    ROW(written_tokens, KNOB_COUNT, 1e9, "N", "tokens written to a cache that usage reports (0)"),
    ROW(completion_tokens, KNOB_COUNT, 1e9, "N",
        "completion tokens that usage reports (those of the answer)"),
    ROW(reasoning_tokens, KNOB_COUNT, 1e9, "N",
        "reasoning tokens that usage reports (those of the answer)"),
    ROW(error_rate, KNOB_REAL, 1, "P", "share of requests that get the error (0)"),
    ROW(status, KNOB_COUNT, 599, "CODE",
        "every request gets this error; with error_rate or fail_first: those"),
    ROW(fail_first, KNOB_COUNT, 1e6, "N", "the first N requests with the same id get the error"),
    ROW(retry_after, KNOB_REAL, 1e6, "S", "Retry-After of an error"),
    ROW(stall_after, KNOB_COUNT, MOCK_NEVER, "N", "falls silent after N tokens"),
    ROW(stall_ms, KNOB_REAL, 3600e3, "MS", "silent for so long (until the client leaves)"),
    ROW(die_after, KNOB_COUNT, MOCK_NEVER, "N", "closes the connection after N tokens"),
    WORD_ROW(die, deaths, "HOW", "how it closes (fin):"),
    ROW(die_before_head, KNOB_BOOL, 0, NULL, "closes instead of answering"),
    ROW(error_after, KNOB_COUNT, MOCK_NEVER, "N", "an error event after N tokens ends the stream"),
    ROW(no_done, KNOB_BOOL, 0, NULL, "streams end without finish_reason, usage and [DONE]"),
    ROW(early_head, KNOB_BOOL, 0, NULL, "the head leaves at once, not with the first token"),
    ROW(comment_ms, KNOB_REAL, 3600e3, "MS", "comment lines while nothing else is sent"),
    ROW(usage_always, KNOB_BOOL, 0, NULL, "streams carry usage though nobody asked"),
    ROW(no_usage, KNOB_BOOL, 0, NULL, "answers carry no usage"),
    ROW(echo, KNOB_BOOL, 0, NULL, "the answer is the text of the last message"),
    WORD_ROW(reasoning_name, reasoning_names, "NAME", "what a chat calls it (reasoning_content):"),
    ROW(health, KNOB_COUNT, 599, "CODE", "status of /health (200)"),
};

void mock_knobs_init(struct mock_knobs *k)
{
    *k = (struct mock_knobs){
        .stall_after = MOCK_NEVER,
        .die_after = MOCK_NEVER,
        .error_after = MOCK_NEVER,
        .health = 200,
    };
}

const char *mock_knob_name(size_t index)
{
    return index < ARRAY_LEN(knobs) ? knobs[index].name : NULL;
}

const char *mock_knob_help(size_t index)
{
    return knobs[index].help;
}

const char *mock_knob_value(size_t index)
{
    return knobs[index].value;
}

const char *const *mock_knob_words(size_t index)
{
    return knobs[index].words;
}

static bool same_name(const char *name, struct str given)
{
    if (strlen(name) != given.len) return false;
    for (size_t i = 0; i < given.len; i++) {
        char c = given.ptr[i];
        if (c == '-') c = '_';
        if (c >= 'A' && c <= 'Z') c = (char)(c - 'A' + 'a');
        if (c != name[i]) return false;
    }
    return true;
}

static int to_bool(struct str value, bool *out)
{
    if (value.len == 0 || str_eq(value, STR("1")) || str_eq(value, STR("true"))) {
        *out = true;
    } else if (str_eq(value, STR("0")) || str_eq(value, STR("false"))) {
        *out = false;
    } else {
        return ERR_SYNTAX;
    }
    return 0;
}

static int to_word(struct str value, const char *const *words, uint32_t *out)
{
    for (uint32_t i = 0; words[i]; i++) {
        if (!str_eq(value, str_of(words[i]))) continue;
        *out = i;
        return 0;
    }
    return ERR_SYNTAX;
}

static int to_number(struct str value, double max, double *out)
{
    double v;
    int err = str_to_double(value, &v);
    if (err) return err;
    if (!(v >= 0 && v <= max)) return ERR_RANGE;
    *out = v;
    return 0;
}

static int set(struct mock_knobs *k, const struct knob *knob, struct str value)
{
    void *at = (char *)k + knob->offset;
    double v;
    int err;
    switch (knob->kind) {
    case KNOB_BOOL: return to_bool(value, at);
    case KNOB_WORD: return to_word(value, knob->words, at);
    case KNOB_REAL: return to_number(value, knob->max, at);
    case KNOB_COUNT:
        err = to_number(value, knob->max, &v);
        if (!err) *(uint32_t *)at = (uint32_t)v;
        return err;
    }
    return ERR_NOT_FOUND;
}

int mock_knobs_set(struct mock_knobs *k, struct str name, struct str value)
{
    for (size_t i = 0; i < ARRAY_LEN(knobs); i++) {
        if (same_name(knobs[i].name, name)) return set(k, &knobs[i], value);
    }
    return ERR_NOT_FOUND;
}

/* The value as a flag would have it: strings without their quotes. */
static struct str plain(const struct json_span *span)
{
    struct str raw = span->raw;
    if (span->type == JSON_STRING) raw = str_sub(raw, 1, raw.len - 2);
    return raw;
}

int mock_knobs_set_object(struct mock_knobs *k, struct str json)
{
    struct str names[ARRAY_LEN(knobs)];
    struct json_span spans[ARRAY_LEN(knobs)];
    for (size_t i = 0; i < ARRAY_LEN(knobs); i++)
        names[i] = str_of(knobs[i].name);
    int err = json_scan(json, names, ARRAY_LEN(knobs), spans, NULL);
    for (size_t i = 0; !err && i < ARRAY_LEN(knobs); i++) {
        if (spans[i].type != JSON_NONE && spans[i].type != JSON_NULL)
            err = set(k, &knobs[i], plain(&spans[i]));
    }
    return err;
}

static bool known(struct str name, const char *const *besides)
{
    for (size_t i = 0; i < ARRAY_LEN(knobs); i++)
        if (str_eq(name, str_of(knobs[i].name))) return true;
    for (size_t i = 0; besides[i]; i++)
        if (str_eq(name, str_of(besides[i]))) return true;
    return false;
}

const char *mock_knobs_unknown(struct arena *arena, struct str json, const char *const *besides)
{
    const struct json *doc, *value;
    struct json_iter it = {0};
    struct str name;
    if (json_parse(arena, json, &doc, NULL)) return NULL;
    while (json_next_member(doc, &it, &name, &value))
        if (!known(name, besides))
            return arena_printf(arena, "there is no mock knob %" STR_FMT, STR_ARG(name)).ptr;
    return NULL;
}

int mock_knobs_set_headers(struct mock_knobs *k, const struct http_head *head)
{
    const struct str prefix = STR("x-mock-");
    for (unsigned i = 0; i < head->field_count; i++) {
        const struct http_field *h = &head->fields[i];
        if (h->id != HDR_OTHER || !str_starts_nocase(h->name, prefix)) continue;
        int err = mock_knobs_set(k, str_skip(h->name, prefix.len), h->value);
        if (err && err != ERR_NOT_FOUND) return err;
    }
    return 0;
}
