/* SPDX-License-Identifier: Apache-2.0 */
#include "dialect/anthropic/source.h"

#include "base/err.h"
#include "json/scan.h"
#include "json/skim.h"
#include "json/write.h"

struct source {
    struct answer_source base;
    unsigned calls;  /* that have begun */
    bool in_call;    /* a call's block is open */
    bool has_pieces; /* and had pieces of arguments */
    int64_t index;   /* of that block */
    bool finished;
    struct buf input;     /* the call's arguments as its start gave them, as text in a string */
    struct buf signature; /* of the block of thoughts that is open, as told last */
};

static struct source *of(struct answer_source *s)
{
    return CONTAINER_OF(s, struct source, base);
}

static void init(struct answer_source *s)
{
    buf_init(&of(s)->input, ANSWER_HELD_MAX);
    buf_init(&of(s)->signature, ANSWER_HELD_MAX);
}

static void fini(struct answer_source *s)
{
    buf_fini(&of(s)->input);
    buf_fini(&of(s)->signature);
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

static int put_text(const struct answer_sink *to, enum answer_kind kind,
                    const struct json_span *text)
{
    struct str inner = inside(text);
    return inner.len ? put(to, (struct answer_event){.kind = kind, .text = inner}) : 0;
}

/* --- blocks --- */

enum {
    BLOCK_TYPE,
    BLOCK_TEXT,
    BLOCK_THINKING,
    BLOCK_SIGNATURE,
    BLOCK_DATA,
    BLOCK_ID,
    BLOCK_NAME,
    BLOCK_INPUT,
    BLOCK_FIELDS
};

static int put_block_text(struct source *s UNUSED, const struct json_span *block,
                          const struct answer_sink *to)
{
    return put_text(to, ANSWER_TEXT, &block[BLOCK_TEXT]);
}

/* Later ones replace it; it is told when its block ends. */
static int keep_signature(struct source *s, const struct json_span *signature)
{
    if (inside(signature).len == 0) return 0;
    buf_clear(&s->signature);
    return buf_append(&s->signature, inside(signature));
}

static int put_thoughts(struct source *s, const struct json_span *block,
                        const struct answer_sink *to)
{
    int err = put_text(to, ANSWER_REASONING, &block[BLOCK_THINKING]);
    return err ? err : keep_signature(s, &block[BLOCK_SIGNATURE]);
}

static int put_redacted(struct source *s UNUSED, const struct json_span *block,
                        const struct answer_sink *to)
{
    return put_text(to, ANSWER_REDACTED, &block[BLOCK_DATA]);
}

/* The arguments as a start has them: an object, which is empty where pieces follow; some runtimes
 * give all of them here, or their text. */
static int keep_input(struct source *s, const struct json_span *input)
{
    buf_clear(&s->input);
    if (input->type == JSON_STRING) return buf_append(&s->input, inside(input));
    if (input->type != JSON_OBJECT || json_skim_empty(input->raw)) return 0;
    return json_escape(&s->input, input->raw);
}

static int begin_call(struct source *s, const struct json_span *block, const struct answer_sink *to)
{
    if (block[BLOCK_NAME].type != JSON_STRING) return ERR_INVALID;
    s->in_call = true;
    s->has_pieces = false;
    int err = keep_input(s, &block[BLOCK_INPUT]);
    if (err) return err;
    return put(to, (struct answer_event){.kind = ANSWER_CALL,
                                         .call = s->calls++,
                                         .id = inside(&block[BLOCK_ID]),
                                         .name = inside(&block[BLOCK_NAME])});
}

static int put_arguments(struct source *s, struct str text, const struct answer_sink *to)
{
    return put(to,
               (struct answer_event){.kind = ANSWER_ARGUMENTS, .call = s->calls - 1, .text = text});
}

static int put_signature(struct source *s, const struct answer_sink *to)
{
    struct answer_event e = {.kind = ANSWER_SIGNATURE, .text = buf_str(&s->signature)};
    int err = e.text.len ? put(to, e) : 0;
    buf_clear(&s->signature);
    return err;
}

/* Arguments are never empty: without any they are {}. */
static int end_block(struct source *s, const struct answer_sink *to)
{
    int err = put_signature(s, to);
    if (err || !s->in_call) return err;
    s->in_call = false;
    if (s->has_pieces) return 0;
    return put_arguments(s, buf_len(&s->input) ? buf_str(&s->input) : STR("{}"), to);
}

static const struct block {
    struct str type; /* with its quotes */
    int (*put)(struct source *s, const struct json_span *block, const struct answer_sink *to);
} blocks[] = {
    {STR_INIT("\"text\""), put_block_text},
    {STR_INIT("\"thinking\""), put_thoughts},
    {STR_INIT("\"redacted_thinking\""), put_redacted},
    {STR_INIT("\"tool_use\""), begin_call},
};

/* A block's beginning, or all of it. */
static int put_block(struct source *s, const struct json_span *block, const struct answer_sink *to)
{
    static const struct str names[BLOCK_FIELDS] = {
        [BLOCK_TYPE] = STR_INIT("type"),         [BLOCK_TEXT] = STR_INIT("text"),
        [BLOCK_THINKING] = STR_INIT("thinking"), [BLOCK_SIGNATURE] = STR_INIT("signature"),
        [BLOCK_DATA] = STR_INIT("data"),         [BLOCK_ID] = STR_INIT("id"),
        [BLOCK_NAME] = STR_INIT("name"),         [BLOCK_INPUT] = STR_INIT("input")};
    struct json_span fields[BLOCK_FIELDS];
    if (json_scan_span(block, names, BLOCK_FIELDS, fields, NULL)) return ERR_INVALID;
    for (size_t i = 0; i < ARRAY_LEN(blocks); i++)
        if (str_eq(fields[BLOCK_TYPE].raw, blocks[i].type)) return blocks[i].put(s, fields, to);
    return 0;
}

/* --- the end --- */

static enum finish finish_of(struct str reason, bool calls)
{
    static const struct {
        struct str reason;
        enum finish finish;
    } rows[] = {
        {STR_INIT("max_tokens"), FINISH_LENGTH},
        {STR_INIT("model_context_window_exceeded"), FINISH_LENGTH},
        {STR_INIT("tool_use"), FINISH_CALLS},
        {STR_INIT("refusal"), FINISH_FILTER},
        {STR_INIT("pause_turn"), FINISH_PAUSE},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (str_eq(reason, rows[i].reason)) return rows[i].finish;
    return calls ? FINISH_CALLS : FINISH_STOP;
}

/* What a refusal says of itself. */
static int put_explanation(const struct json_span *details, const struct answer_sink *to)
{
    static const struct str names[] = {STR_INIT("type"), STR_INIT("explanation")};
    struct json_span fields[ARRAY_LEN(names)];
    if (json_scan_span(details, names, ARRAY_LEN(names), fields, NULL)) return 0;
    if (!str_eq(inside(&fields[0]), STR("refusal"))) return 0;
    return put_text(to, ANSWER_REFUSAL, &fields[1]);
}

/* `holder`: a message, or the delta of one. */
static int put_finish(struct source *s, const struct json_span *holder,
                      const struct answer_sink *to)
{
    static const struct str names[] = {STR_INIT("stop_reason"), STR_INIT("stop_sequence"),
                                       STR_INIT("stop_details")};
    struct json_span fields[ARRAY_LEN(names)];
    if (json_scan_span(holder, names, ARRAY_LEN(names), fields, NULL)) return ERR_INVALID;
    struct str reason = inside(&fields[0]);
    if (reason.len == 0 || s->finished) return 0;
    s->finished = true;
    int err = end_block(s, to);
    if (!err) err = put_explanation(&fields[2], to);
    if (err) return err;
    return put(to, (struct answer_event){.kind = ANSWER_FINISH,
                                         .finish = finish_of(reason, s->calls > 0),
                                         .text = inside(&fields[1])});
}

/* --- streams --- */

enum { EVENT_TYPE, EVENT_INDEX, EVENT_DELTA, EVENT_BLOCK, EVENT_FIELDS };

static int on_block_start(struct source *s, const struct json_span *event,
                          const struct answer_sink *to)
{
    int err = end_block(s, to);
    s->index = -1;
    (void)json_span_i64(&event[EVENT_INDEX], &s->index);
    return err ? err : put_block(s, &event[EVENT_BLOCK], to);
}

/* Pieces of a server's tool's arguments are not the client's. */
static int put_piece(struct source *s, const struct json_span *event, const struct json_span *piece,
                     const struct answer_sink *to)
{
    int64_t index = s->index;
    (void)json_span_i64(&event[EVENT_INDEX], &index);
    if (!s->in_call || index != s->index || inside(piece).len == 0) return 0;
    s->has_pieces = true;
    return put_arguments(s, inside(piece), to);
}

static int on_block_delta(struct source *s, const struct json_span *event,
                          const struct answer_sink *to)
{
    static const struct str names[] = {STR_INIT("text"), STR_INIT("thinking"),
                                       STR_INIT("signature"), STR_INIT("partial_json")};
    struct json_span fields[ARRAY_LEN(names)];
    if (json_scan_span(&event[EVENT_DELTA], names, ARRAY_LEN(names), fields, NULL))
        return ERR_INVALID;
    int err = put_text(to, ANSWER_TEXT, &fields[0]);
    if (!err) err = put_text(to, ANSWER_REASONING, &fields[1]);
    if (!err) err = keep_signature(s, &fields[2]);
    return err ? err : put_piece(s, event, &fields[3], to);
}

static int on_block_stop(struct source *s, const struct json_span *event UNUSED,
                         const struct answer_sink *to)
{
    return end_block(s, to);
}

static int on_message_delta(struct source *s, const struct json_span *event,
                            const struct answer_sink *to)
{
    return put_finish(s, &event[EVENT_DELTA], to);
}

static const struct kind {
    struct str type; /* with its quotes */
    int (*take)(struct source *s, const struct json_span *event, const struct answer_sink *to);
} kinds[] = {
    {STR_INIT("\"content_block_delta\""), on_block_delta},
    {STR_INIT("\"content_block_start\""), on_block_start},
    {STR_INIT("\"content_block_stop\""), on_block_stop},
    {STR_INIT("\"message_delta\""), on_message_delta},
};

static int event(struct answer_source *s, struct str name UNUSED, struct str data,
                 const struct answer_sink *to)
{
    static const struct str names[EVENT_FIELDS] = {[EVENT_TYPE] = STR_INIT("type"),
                                                   [EVENT_INDEX] = STR_INIT("index"),
                                                   [EVENT_DELTA] = STR_INIT("delta"),
                                                   [EVENT_BLOCK] = STR_INIT("content_block")};
    struct json_span fields[EVENT_FIELDS];
    if (json_scan(data, names, EVENT_FIELDS, fields, NULL)) return ERR_INVALID;
    if (fields[EVENT_TYPE].type != JSON_STRING) return ERR_INVALID;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (str_eq(fields[EVENT_TYPE].raw, kinds[i].type)) return kinds[i].take(of(s), fields, to);
    return 0;
}

/* --- whole messages --- */

static int whole(struct answer_source *s, struct str body, const struct answer_sink *to)
{
    static const struct str names[] = {STR_INIT("content")};
    struct json_span content[1], block;
    int err = 0;
    if (json_scan(body, names, 1, content, NULL)) return ERR_INVALID;
    if (content[0].type != JSON_ARRAY) return ERR_INVALID;
    for (struct str rest = content[0].raw; !err && json_skim_element(&rest, &block);) {
        err = put_block(of(s), &block, to);
        if (!err) err = end_block(of(s), to);
    }
    struct json_span message = {.type = JSON_OBJECT, .raw = body};
    return err ? err : put_finish(of(s), &message, to);
}

const struct answer_source_ops anthropic_source = {
    .size = sizeof(struct source),
    .init = init,
    .fini = fini,
    .event = event,
    .whole = whole,
};
