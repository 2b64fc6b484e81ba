/* SPDX-License-Identifier: Apache-2.0 */
#include "dialect/openai/count.h"

#include "base/err.h"
#include "json/scan.h"

/* --- what runtimes answer --- */

static int put_count(struct str body, struct str member, const struct answer_sink *to)
{
    struct json_span count[1];
    int64_t n;
    if (json_scan(body, &member, 1, count, NULL)) return ERR_INVALID;
    if (!json_span_i64(&count[0], &n) || n < 0) return ERR_INVALID;
    struct answer_event e = {.kind = ANSWER_COUNT, .usage = {.known = true, .prompt = (uint64_t)n}};
    return to->put(to->owner, &e);
}

/* These are no streams. */
static int event(struct answer_source *s UNUSED, struct str name UNUSED, struct str data UNUSED,
                 const struct answer_sink *to UNUSED)
{
    return ERR_INVALID;
}

static int whole_input_tokens(struct answer_source *s UNUSED, struct str body,
                              const struct answer_sink *to)
{
    return put_count(body, STR("input_tokens"), to);
}

static int whole_count(struct answer_source *s UNUSED, struct str body,
                       const struct answer_sink *to)
{
    return put_count(body, STR("count"), to);
}

const struct answer_source_ops count_source = {
    .size = sizeof(struct answer_source), .event = event, .whole = whole_input_tokens};

const struct answer_source_ops tokenize_source = {
    .size = sizeof(struct answer_source), .event = event, .whole = whole_count};

/* --- what clients get --- */

struct writer {
    struct answer_writer base;
    struct usage count;
};

static int write_count(uint64_t tokens, struct buf *out)
{
    struct json_writer w;
    json_write_init(&w, out);
    json_write_object(&w);
    json_write_u64_member(&w, "input_tokens", tokens);
    json_write_object_end(&w);
    return json_write_end(&w);
}

/* The count is the source's, or else what the answer's usage says. */
static int put(struct answer_writer *base, const struct answer_event *e, struct buf *out)
{
    struct writer *w = CONTAINER_OF(base, struct writer, base);
    if (e->kind == ANSWER_COUNT) w->count = e->usage;
    if (e->kind != ANSWER_END) return 0;
    return write_count(w->count.known ? w->count.prompt : e->usage.prompt, out);
}

const struct answer_writer_ops count_writer = {.size = sizeof(struct writer), .put = put};

/* --- what vLLM is asked --- */

int tokenize_from_pivot(struct translation *t, struct str model, const struct json *chat,
                        struct json_writer *out, struct refusal *why)
{
    static const char *const same[] = {"messages", "tools", "chat_template_kwargs"};
    if (json_type(json_get(chat, "messages")) != JSON_ARRAY)
        return pivot_refuse(t, why, "messages", "'messages' must be a list of messages.");
    json_write_object(out);
    json_write_str_member(out, "model", model);
    for (size_t i = 0; i < ARRAY_LEN(same); i++) {
        const struct json *v = json_get(chat, same[i]);
        if (!v || json_type(v) == JSON_NULL) continue;
        json_write_key(out, same[i]);
        json_write_json(out, v);
    }
    json_write_bool_member(out, "add_generation_prompt", true);
    json_write_object_end(out);
    return 0;
}
