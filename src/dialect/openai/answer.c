/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of chat and completions, as runtimes give them: with reasoning under either name, content
 * in parts, calls whose index, id or arguments are not quite OpenAI's. */
#include "dialect/openai/answer.h"

#include "base/err.h"
#include "base/hash.h"
#include "json/scan.h"
#include "json/skim.h"
#include "json/write.h"

enum { CALLS_MAX = 64, NO_CALL };

struct source {
    struct answer_source base;
    unsigned call_count;
    struct {
        int64_t index; /* the runtime's */
        uint64_t id;   /* a hash of the id; 0: none */
    } calls[CALLS_MAX];
    bool finished;
    struct buf escaped; /* arguments that came as an object, as text in a string */
};

static struct source *of(struct answer_source *s)
{
    return CONTAINER_OF(s, struct source, base);
}

static void init(struct answer_source *s)
{
    buf_init(&of(s)->escaped, ANSWER_HELD_MAX);
}

static void fini(struct answer_source *s)
{
    buf_fini(&of(s)->escaped);
}

static int put(const struct answer_sink *to, struct answer_event e)
{
    return to->put(to->owner, &e);
}

/* What stands between a string's quotes; empty for other values. */
static struct str inside(const struct json_span *span)
{
    return span->type == JSON_STRING ? str_n(span->raw.ptr + 1, span->raw.len - 2) : STR("");
}

static int put_text(const struct answer_sink *to, enum answer_kind kind, struct str text,
                    struct str logprobs)
{
    if (text.len == 0 && logprobs.len == 0) return 0;
    return put(to, (struct answer_event){.kind = kind, .text = text, .raw = logprobs});
}

/* --- content --- */

/* Parts of a list within: their texts. */
static int put_texts(const struct answer_sink *to, enum answer_kind kind,
                     const struct json_span *list)
{
    static const struct str names[] = {STR_INIT("text")};
    struct str rest = list->raw;
    struct json_span part, text[1];
    int err = 0;
    if (list->type == JSON_STRING) return put_text(to, kind, inside(list), STR(""));
    while (!err && list->type == JSON_ARRAY && json_skim_element(&rest, &part))
        if (json_scan_span(&part, names, 1, text, NULL) == 0)
            err = put_text(to, kind, inside(&text[0]), STR(""));
    return err;
}

/* A part of content: text, or (Mistral's) what is thought. */
static int put_part(const struct answer_sink *to, const struct json_span *part)
{
    static const struct str names[] = {STR_INIT("text"), STR_INIT("thinking"), STR_INIT("refusal")};
    struct json_span fields[ARRAY_LEN(names)];
    if (json_scan_span(part, names, ARRAY_LEN(names), fields, NULL)) return 0;
    int err = put_texts(to, ANSWER_REASONING, &fields[1]);
    if (!err) err = put_text(to, ANSWER_TEXT, inside(&fields[0]), STR(""));
    return err ? err : put_text(to, ANSWER_REFUSAL, inside(&fields[2]), STR(""));
}

static int put_content(const struct answer_sink *to, const struct json_span *content,
                       struct str logprobs)
{
    struct str rest = content->raw;
    struct json_span part;
    int err = 0;
    if (content->type != JSON_ARRAY) return put_text(to, ANSWER_TEXT, inside(content), logprobs);
    while (!err && json_skim_element(&rest, &part))
        err = put_part(to, &part);
    return err;
}

/* --- calls --- */

/* The number of the call that an element belongs to; *begins: it is a new one. CALLS_MAX: there are
 * too many; NO_CALL: to none. A new id at an index that is known is a new call: some runtimes count
 * none. But a call begins with its name: without one, what belongs nowhere else is of the last. */
static unsigned call_of(struct source *s, int64_t index, struct str id, bool named, bool *begins)
{
    uint64_t hash = id.len ? hash_fnv(id) | 1 : 0;
    *begins = false;
    for (unsigned i = s->call_count; i-- > 0;) {
        bool other = hash && s->calls[i].id && hash != s->calls[i].id;
        if (s->calls[i].index != index || (other && named)) continue;
        if (hash && !other) s->calls[i].id = hash;
        return i;
    }
    if (!named) return s->call_count ? s->call_count - 1 : NO_CALL;
    if (s->call_count == CALLS_MAX) return CALLS_MAX;
    s->calls[s->call_count].index = index;
    s->calls[s->call_count].id = hash;
    *begins = true;
    return s->call_count++;
}

static int put_arguments(struct source *s, unsigned call, const struct json_span *arguments,
                         const struct answer_sink *to)
{
    struct str text = inside(arguments);
    if (arguments->type == JSON_OBJECT) {
        buf_clear(&s->escaped);
        int err = json_escape(&s->escaped, arguments->raw);
        if (err) return err;
        text = buf_str(&s->escaped);
    }
    if (text.len == 0) return 0;
    return put(to, (struct answer_event){.kind = ANSWER_ARGUMENTS, .call = call, .text = text});
}

static int put_function(struct source *s, int64_t index, struct str id,
                        const struct json_span *function, const struct answer_sink *to)
{
    static const struct str names[] = {STR_INIT("name"), STR_INIT("arguments")};
    struct json_span fields[ARRAY_LEN(names)];
    bool begins;
    if (json_scan_span(function, names, ARRAY_LEN(names), fields, NULL)) return 0;
    struct str name = inside(&fields[0]);
    unsigned call = call_of(s, index, id, name.len > 0, &begins);
    if (call == NO_CALL) return 0;
    if (call == CALLS_MAX) return ERR_TOO_LARGE;
    int err = 0;
    if (begins)
        err = put(to,
                  (struct answer_event){.kind = ANSWER_CALL, .call = call, .id = id, .name = name});
    return err ? err : put_arguments(s, call, &fields[1], to);
}

static int put_calls(struct source *s, const struct json_span *list, const struct answer_sink *to)
{
    static const struct str names[] = {STR_INIT("index"), STR_INIT("id"), STR_INIT("function")};
    struct str rest = list->raw;
    struct json_span call, fields[ARRAY_LEN(names)];
    int64_t place = 0;
    int err = 0;
    if (list->type != JSON_ARRAY) return 0;
    for (; !err && json_skim_element(&rest, &call); place++) {
        int64_t index = place;
        if (json_scan_span(&call, names, ARRAY_LEN(names), fields, NULL)) continue;
        (void)json_span_i64(&fields[0], &index);
        err = put_function(s, index, inside(&fields[1]), &fields[2], to);
    }
    return err;
}

/* --- a choice --- */

static int put_delta(struct source *s, const struct json_span *delta, struct str logprobs,
                     const struct answer_sink *to)
{
    static const struct str names[] = {STR_INIT("reasoning_content"), STR_INIT("reasoning"),
                                       STR_INIT("content"),           STR_INIT("refusal"),
                                       STR_INIT("tool_calls"),        STR_INIT("function_call")};
    struct json_span fields[ARRAY_LEN(names)];
    if (json_scan_span(delta, names, ARRAY_LEN(names), fields, NULL)) return 0;
    struct str thought = inside(&fields[0]);
    int err = put_text(to, ANSWER_REASONING, thought.len ? thought : inside(&fields[1]), STR(""));
    if (!err) err = put_content(to, &fields[2], logprobs);
    if (!err) err = put_text(to, ANSWER_REFUSAL, inside(&fields[3]), STR(""));
    if (!err) err = put_calls(s, &fields[4], to);
    if (!err && fields[5].type == JSON_OBJECT) err = put_function(s, 0, STR(""), &fields[5], to);
    return err;
}

static enum finish finish_of(struct str reason)
{
    if (str_eq(reason, STR("length"))) return FINISH_LENGTH;
    if (str_eq(reason, STR("tool_calls")) || str_eq(reason, STR("function_call")))
        return FINISH_CALLS;
    if (str_eq(reason, STR("content_filter"))) return FINISH_FILTER;
    return FINISH_STOP;
}

/* `stop`: vLLM's stop_reason, the text that ended the answer, or a token's number. */
static int put_finish(struct source *s, const struct json_span *reason,
                      const struct json_span *stop, const struct answer_sink *to)
{
    struct str why = inside(reason);
    if (why.len == 0 || s->finished) return 0;
    s->finished = true;
    return put(to, (struct answer_event){
                       .kind = ANSWER_FINISH, .finish = finish_of(why), .text = inside(stop)});
}

static struct str logprobs_of(const struct json_span *logprobs)
{
    static const struct str names[] = {STR_INIT("content")};
    struct json_span content[1];
    if (json_scan_span(logprobs, names, 1, content, NULL)) return STR("");
    return content[0].type == JSON_ARRAY ? content[0].raw : STR("");
}

/* ERR_INVALID: it has nothing of an answer. */
static int put_choice(struct source *s, const struct json_span *choice,
                      const struct answer_sink *to)
{
    static const struct str names[] = {
        STR_INIT("index"),    STR_INIT("delta"),         STR_INIT("message"),    STR_INIT("text"),
        STR_INIT("logprobs"), STR_INIT("finish_reason"), STR_INIT("stop_reason")};
    struct json_span fields[ARRAY_LEN(names)];
    int64_t index = 0;
    if (json_scan_span(choice, names, ARRAY_LEN(names), fields, NULL)) return ERR_INVALID;
    if (json_span_i64(&fields[0], &index) && index != 0) return 0;
    const struct json_span *delta = fields[1].type == JSON_OBJECT ? &fields[1] : &fields[2];
    int err = put_delta(s, delta, logprobs_of(&fields[4]), to);
    if (!err) err = put_text(to, ANSWER_TEXT, inside(&fields[3]), STR(""));
    if (!err) err = put_finish(s, &fields[5], &fields[6], to);
    bool any = delta->type == JSON_OBJECT || fields[3].type == JSON_STRING;
    return err ? err : any || fields[5].type == JSON_STRING ? 0 : ERR_INVALID;
}

/* *any: there is a choice. */
static int put_choices(struct source *s, struct str text, const struct answer_sink *to, bool *any)
{
    static const struct str names[] = {STR_INIT("choices")};
    struct json_span choices[1], choice;
    int err = 0;
    *any = false;
    if (json_scan(text, names, 1, choices, NULL)) return ERR_INVALID;
    struct str rest = choices[0].raw;
    while (!err && choices[0].type == JSON_ARRAY && json_skim_element(&rest, &choice)) {
        err = put_choice(s, &choice, to);
        *any = true;
    }
    return err;
}

static int event(struct answer_source *s, struct str name UNUSED, struct str data,
                 const struct answer_sink *to)
{
    bool any; /* events without a choice bring usage, or nothing */
    return put_choices(of(s), data, to, &any);
}

static int whole(struct answer_source *s, struct str body, const struct answer_sink *to)
{
    bool any;
    int err = put_choices(of(s), body, to, &any);
    return err ? err : any ? 0 : ERR_INVALID;
}

const struct answer_source_ops openai_chat_source = {
    .size = sizeof(struct source),
    .init = init,
    .fini = fini,
    .event = event,
    .whole = whole,
};
