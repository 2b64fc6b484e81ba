/* SPDX-License-Identifier: Apache-2.0 */
/* An answer as the client gets it: a stream of numbered events, or one response at the end.
 *
 * Texts and what is thought are one after the other; calls stay open until the answer ends, since
 * runtimes may send pieces of one after the next has begun. */
#include "dialect/responses/responses.h"
#include "dialect/responses/answer_priv.h"

#include <errno.h>

#include "base/err.h"
#include "json/skim.h"

#define DELTA(type) STR_INIT("event: " type "\ndata: {\"type\":\"" type "\",\"sequence_number\":")

/* The events of an item's only part, or of its arguments. */
static const struct events {
    const char *added, *done, *part_done;
    struct str delta;  /* how each begins, up to its number; empty: there are none */
    const char *index; /* the part's place in its item; NULL: there are no parts */
    const char *text;  /* the member that has it all */
} events[] = {
    [OUTPUT_TEXT] = {"response.content_part.added", "response.output_text.done",
                     "response.content_part.done", DELTA("response.output_text.delta"),
                     "content_index", "text"},
    [OUTPUT_REFUSAL] = {"response.content_part.added", "response.refusal.done",
                        "response.content_part.done", DELTA("response.refusal.delta"),
                        "content_index", "refusal"},
    [OUTPUT_REASONING] = {"response.content_part.added", "response.reasoning_text.done",
                          "response.content_part.done", DELTA("response.reasoning_text.delta"),
                          "content_index", "text"},
    [OUTPUT_FUNCTION] = {NULL, "response.function_call_arguments.done", NULL,
                         DELTA("response.function_call_arguments.delta"), NULL, "arguments"},
    [OUTPUT_CUSTOM] = {NULL, "response.custom_tool_call_input.done", NULL,
                       DELTA("response.custom_tool_call_input.delta"), NULL, "input"},
    [OUTPUT_SEARCH] = {0},
};

/* Of reasoning that is shown as its summary. */
static const struct events summary_events = {"response.reasoning_summary_part.added",
                                             "response.reasoning_summary_text.done",
                                             "response.reasoning_summary_part.done",
                                             DELTA("response.reasoning_summary_text.delta"),
                                             "summary_index",
                                             "text"};

static const struct events *events_of(const struct writer *a, const struct output *o)
{
    bool summary = o->kind == OUTPUT_REASONING && a->memo->summary;
    return summary ? &summary_events : &events[o->kind];
}

/* --- one event --- */

static void begin_event(struct writer *a, struct json_writer *w, struct buf *out, const char *type)
{
    int err = buf_printf(out, "event: %s\ndata: ", type);
    json_write_init(w, out);
    w->err = err;
    json_write_object(w);
    json_write_str_member(w, "type", str_of(type));
    json_write_u64_member(w, "sequence_number", a->number++);
}

static int end_event(struct json_writer *w)
{
    json_write_object_end(w);
    int err = json_write_end(w);
    return err ? err : buf_append(w->out, STR("\n\n"));
}

static int put_response_event(struct writer *a, const char *type, struct buf *out)
{
    struct json_writer w;
    begin_event(a, &w, out, type);
    json_write_key(&w, "response");
    responses__put_response(&w, a);
    return end_event(&w);
}

static int put_item_event(struct writer *a, const struct output *o, bool begins, struct buf *out)
{
    struct json_writer w;
    begin_event(a, &w, out, begins ? "response.output_item.added" : "response.output_item.done");
    json_write_u64_member(&w, "output_index", o->index);
    json_write_key(&w, "item");
    responses__put_item(&w, a, o, begins);
    return end_event(&w);
}

/* Which part or arguments an event is about. */
static void put_place(struct json_writer *w, const struct writer *a, const struct output *o)
{
    responses__put_id(w, "item_id", a, o);
    json_write_u64_member(w, "output_index", o->index);
    if (events_of(a, o)->index) json_write_u64_member(w, events_of(a, o)->index, 0);
}

/* An event of a part or of arguments, as far as all of them are alike. */
static void begin_part_event(struct writer *a, const struct output *o, const char *type,
                             struct json_writer *w, struct buf *out)
{
    begin_event(a, w, out, type);
    put_place(w, a, o);
}

static int put_part_event(struct writer *a, const struct output *o, const char *type, bool empty,
                          struct buf *out)
{
    struct json_writer w;
    if (!type) return 0;
    begin_part_event(a, o, type, &w, out);
    json_write_key(&w, "part");
    responses__put_part(&w, a, o, empty);
    return end_event(&w);
}

static void put_logprobs(struct json_writer *w, const struct output *o, struct str elements)
{
    if (o->kind != OUTPUT_TEXT) return;
    json_write_key(w, "logprobs");
    json_write_array(w);
    if (elements.len) json_write_raw(w, elements);
    json_write_array_end(w);
}

/* What each delta of an item has between its number and its piece: most events of a stream are some,
 * so it is made once. */
static int make_place(const struct writer *a, struct output *o)
{
    struct json_writer w;
    struct buf text;
    if (o->place.ptr) return 0;
    buf_init(&text, 1024);
    json_write_init(&w, &text);
    json_write_object(&w);
    put_place(&w, a, o);
    json_write_key(&w, "delta");
    if (!w.err) o->place = arena_try_dup(a->base.t->arena, str_skip(buf_str(&text), 1));
    buf_fini(&text);
    return w.err ? w.err : o->place.ptr ? 0 : -ENOMEM;
}

static int put_delta(struct writer *a, struct output *o, struct str piece, struct str logprobs,
                     struct buf *out)
{
    struct str begin = events_of(a, o)->delta;
    char digits[STR_U64_ROOM];
    if (begin.len == 0 || !a->base.t->stream) return 0;
    int err = make_place(a, o);
    if (err) return err;
    bool text = o->kind == OUTPUT_TEXT;
    const struct str pieces[] = {begin,
                                 str_of_u64(a->number++, 10, digits),
                                 STR(","),
                                 o->place,
                                 STR("\""),
                                 piece,
                                 text ? STR("\",\"logprobs\":[") : STR("\""),
                                 text ? logprobs : STR(""),
                                 text ? STR("]}\n\n") : STR("}\n\n")};
    return buf_append_all(out, pieces, ARRAY_LEN(pieces));
}

static int put_text_done(struct writer *a, const struct output *o, struct buf *out)
{
    const struct events *e = events_of(a, o);
    struct json_writer w;
    if (!e->done) return 0;
    begin_part_event(a, o, e->done, &w, out);
    responses__put_escaped(&w, e->text, buf_str(&o->text));
    if (o->kind == OUTPUT_FUNCTION) responses__put_escaped(&w, "name", o->name);
    put_logprobs(&w, o, buf_str(&o->logprobs));
    return end_event(&w);
}

/* --- the stream's beginning --- */

static int begin(struct writer *a, struct buf *out)
{
    if (a->begun || !a->base.t->stream) return 0;
    a->begun = true;
    int err = put_response_event(a, "response.created", out);
    return err ? err : put_response_event(a, "response.in_progress", out);
}

/* --- items --- */

static bool is_call(const struct output *o)
{
    return o->kind == OUTPUT_FUNCTION || o->kind == OUTPUT_CUSTOM || o->kind == OUTPUT_SEARCH;
}

/* The events that end an item. Of reasoning that nobody may see there was no part. */
static int put_done(struct writer *a, const struct output *o, struct buf *out)
{
    bool told = o->begun || is_call(o);
    int err = told ? put_text_done(a, o, out) : 0;
    if (!err && told) err = put_part_event(a, o, events_of(a, o)->part_done, false, out);
    return err ? err : put_item_event(a, o, false, out);
}

/* What a custom tool gets, or a call without arguments, is known at its end only. */
static int put_late_delta(struct writer *a, struct output *o, bool empty, struct buf *out)
{
    if (o->kind != OUTPUT_CUSTOM && !(o->kind == OUTPUT_FUNCTION && empty)) return 0;
    return put_delta(a, o, buf_str(&o->text), STR(""), out);
}

static int close_item(struct writer *a, struct output *o, bool cut, struct buf *out)
{
    bool empty = buf_len(&o->text) == 0;
    if (o == a->open) a->open = NULL;
    int err = responses__settle(o);
    o->done = true;
    o->cut = cut;
    if (err || !a->base.t->stream) return err;
    err = put_late_delta(a, o, empty, out);
    return err ? err : put_done(a, o, out);
}

static int close_open(struct writer *a, struct buf *out)
{
    return a->open ? close_item(a, a->open, false, out) : 0;
}

/* All that is open. The last one is cut where the answer is. */
static int close_all(struct writer *a, struct buf *out)
{
    bool cut = a->finish == FINISH_LENGTH || a->finish == FINISH_FILTER;
    int err = 0;
    for (struct output *o = a->first; !err && o; o = o->next)
        if (!o->done) err = close_item(a, o, cut && o == a->last, out);
    return err;
}

/* Adds an item, which is not told yet. */
static int add_output(struct writer *a, enum output_kind kind, struct output **made)
{
    if (a->count == OUTPUTS_MAX) return ERR_TOO_LARGE;
    struct output *o = arena_try_zero(a->base.t->arena, sizeof *o);
    if (!o) return -ENOMEM;
    o->kind = kind;
    o->index = a->count++;
    buf_init(&o->text, ANSWER_HELD_MAX);
    buf_init(&o->proof, ANSWER_HELD_MAX);
    buf_init(&o->logprobs, ANSWER_HELD_MAX);
    if (a->last)
        a->last->next = o;
    else
        a->first = o;
    a->last = o;
    *made = o;
    return 0;
}

static int count_held(struct writer *a, size_t bytes)
{
    if (bytes > OUTPUT_HELD_MAX - a->held) return ERR_TOO_LARGE;
    a->held += bytes;
    return 0;
}

static int hold(struct writer *a, struct buf *where, struct str piece)
{
    int err = count_held(a, piece.len);
    return err ? err : buf_append(where, piece);
}

/* --- texts, refusals, reasoning --- */

/* The open item, if it is of that kind, else a new one. */
static int open_item(struct writer *a, enum output_kind kind, struct buf *out)
{
    if (a->open && a->open->kind == kind) return 0;
    struct output *o;
    int err = close_open(a, out);
    if (!err) err = add_output(a, kind, &o);
    if (err) return err;
    a->open = o;
    return a->base.t->stream ? put_item_event(a, o, true, out) : 0;
}

/* The elements of an array of logprobs. */
static struct str elements_of(struct str array)
{
    array = str_trim(array);
    if (array.len < 2 || array.ptr[0] != '[') return STR("");
    return str_trim(str_n(array.ptr + 1, array.len - 2));
}

/* *added: what was added, without the ends of lines that may stand between values. */
static int hold_logprobs(struct writer *a, struct output *o, struct str elements, struct str *added)
{
    size_t before = buf_len(&o->logprobs);
    *added = STR("");
    if (elements.len == 0) return 0;
    int err = before ? hold(a, &o->logprobs, STR(",")) : 0;
    if (!err) err = hold(a, &o->logprobs, elements);
    if (err) return err;
    responses__join_lines(&o->logprobs, before);
    *added = str_skip(buf_str(&o->logprobs), before + (before > 0));
    return 0;
}

static int begin_part(struct writer *a, struct output *o, struct buf *out)
{
    if (o->begun) return 0;
    o->begun = true;
    return a->base.t->stream ? put_part_event(a, o, events_of(a, o)->added, true, out) : 0;
}

static int put_text(struct writer *a, enum output_kind kind, const struct answer_event *e,
                    struct buf *out)
{
    struct str elements = a->memo->logprobs ? elements_of(e->raw) : STR(""), logprobs;
    int err = open_item(a, kind, out);
    if (!err) err = begin_part(a, a->open, out);
    if (!err) err = hold(a, &a->open->text, e->text);
    if (!err) err = hold_logprobs(a, a->open, elements, &logprobs);
    return err ? err : put_delta(a, a->open, e->text, logprobs, out);
}

/* Proved reasoning is complete: what follows is another one. */
static int put_reasoning(struct writer *a, const struct answer_event *e, struct buf *out)
{
    bool proved = a->open && a->open->kind == OUTPUT_REASONING && buf_len(&a->open->proof);
    int err = proved ? close_open(a, out) : 0;
    if (err || e->text.len == 0) return err;
    return put_text(a, OUTPUT_REASONING, e, out);
}

static int put_signature(struct writer *a, const struct answer_event *e, struct buf *out)
{
    if (e->text.len == 0) return 0;
    int err = open_item(a, OUTPUT_REASONING, out);
    if (err) return err;
    buf_clear(&a->open->proof);
    return hold(a, &a->open->proof, e->text);
}

static int put_redacted(struct writer *a, const struct answer_event *e, struct buf *out)
{
    int err = close_open(a, out);
    if (!err) err = put_signature(a, e, out);
    if (err || !a->open) return err;
    a->open->redacted = true;
    return close_open(a, out);
}

/* --- calls --- */

/* The client's name of a function; NULL: it is the same. */
static const struct tool_name *find_name(const struct writer *a, struct str flat)
{
    for (size_t i = 0; i < a->memo->name_count; i++)
        if (str_eq(a->memo->names[i].flat, flat)) return &a->memo->names[i];
    return NULL;
}

static bool is_taken(const struct writer *a, const struct output *call)
{
    for (const struct output *o = a->first; o && o != call; o = o->next)
        if (o->call_id.len && str_eq(o->call_id, call->call_id)) return true;
    return false;
}

/* The runtime's id, or one of ours where it gave none or the same twice. */
static int set_call_id(struct writer *a, struct output *o, struct str id)
{
    const struct translation *t = a->base.t;
    o->call_id = arena_try_dup(t->arena, id);
    if (!o->call_id.ptr) return -ENOMEM;
    if (id.len && !is_taken(a, o)) return 0;
    o->call_id = arena_say(t->arena, "call_%.*s_%u", STR_ARG(t->id), o->index);
    return 0;
}

static int dup_escaped(struct arena *arena, struct str s, struct str *out)
{
    struct buf text;
    buf_init(&text, 6 * s.len + 6);
    int err = json_escape(&text, s);
    if (!err) *out = arena_try_dup(arena, buf_str(&text));
    buf_fini(&text);
    return err ? err : out->ptr ? 0 : -ENOMEM;
}

static int set_name(struct writer *a, struct output *o, const struct tool_name *known,
                    struct str name)
{
    struct arena *arena = a->base.t->arena;
    if (!known) {
        o->name = arena_try_dup(arena, name);
        return o->name.ptr ? 0 : -ENOMEM;
    }
    int err = dup_escaped(arena, known->name, &o->name);
    return err ? err : dup_escaped(arena, known->space, &o->space);
}

static int begin_call(struct writer *a, const struct answer_event *e, struct buf *out)
{
    static const enum output_kind kinds[] = {[TOOL_FUNCTION] = OUTPUT_FUNCTION,
                                             [TOOL_CUSTOM] = OUTPUT_CUSTOM,
                                             [TOOL_SEARCH] = OUTPUT_SEARCH};
    const struct tool_name *known = find_name(a, e->name);
    struct output *o;
    int err = close_open(a, out);
    if (!err) err = count_held(a, e->id.len + e->name.len);
    if (!err) err = add_output(a, known ? kinds[known->kind] : OUTPUT_FUNCTION, &o);
    if (err) return err;
    o->call = e->call;
    err = set_call_id(a, o, e->id);
    if (!err) err = set_name(a, o, known, e->name);
    return err || !a->base.t->stream ? err : put_item_event(a, o, true, out);
}

static int put_arguments(struct writer *a, const struct answer_event *e, struct buf *out)
{
    struct output *o = a->first;
    while (o && !(is_call(o) && o->call == e->call))
        o = o->next;
    if (!o || o->done || e->text.len == 0) return 0;
    int err = hold(a, &o->text, e->text);
    if (err || o->kind != OUTPUT_FUNCTION) return err;
    return put_delta(a, o, e->text, STR(""), out);
}

/* --- the end --- */

static int put_finish(struct writer *a, const struct answer_event *e, struct buf *out)
{
    a->finish = e->finish;
    return close_all(a, out);
}

static int put_whole(const struct writer *a, struct buf *out)
{
    struct json_writer w;
    json_write_init(&w, out);
    responses__put_response(&w, a);
    return json_write_end(&w);
}

static int put_end(struct writer *a, const struct answer_event *e, struct buf *out)
{
    int err = close_all(a, out);
    if (err) return err;
    bool cut = a->finish == FINISH_LENGTH || a->finish == FINISH_FILTER;
    a->usage = e->usage;
    a->outcome = OUTCOME_DONE;
    if (!a->base.t->stream) return put_whole(a, out);
    return put_response_event(a, cut ? "response.incomplete" : "response.completed", out);
}

static int put_error(struct writer *a, const struct refusal *why, struct buf *out)
{
    a->outcome = OUTCOME_FAILED;
    a->error_code = responses__error_code(why);
    a->error_message = arena_try_dup(a->base.t->arena, why->message);
    return put_response_event(a, "response.failed", out);
}

/* --- all --- */

static int put_any(struct writer *a, const struct answer_event *e, struct buf *out)
{
    int err = begin(a, out);
    if (err) return err;
    switch (e->kind) {
    case ANSWER_TEXT: return put_text(a, OUTPUT_TEXT, e, out);
    case ANSWER_REFUSAL: return put_text(a, OUTPUT_REFUSAL, e, out);
    case ANSWER_REASONING: return put_reasoning(a, e, out);
    case ANSWER_SIGNATURE: return put_signature(a, e, out);
    case ANSWER_REDACTED: return put_redacted(a, e, out);
    case ANSWER_CALL: return begin_call(a, e, out);
    case ANSWER_ARGUMENTS: return put_arguments(a, e, out);
    case ANSWER_FINISH: return put_finish(a, e, out);
    case ANSWER_END: return put_end(a, e, out);
    case ANSWER_ERROR: return put_error(a, e->refusal, out);
    case ANSWER_VECTOR:
    case ANSWER_COUNT: break;
    }
    return 0;
}

static void init(struct answer_writer *base)
{
    struct writer *a = responses__writer_of(base);
    a->memo = base->t->memo ? base->t->memo : &responses__no_memo;
}

static void fini_outputs(struct output *o)
{
    for (; o; o = o->next) {
        buf_fini(&o->text);
        buf_fini(&o->proof);
        buf_fini(&o->logprobs);
    }
}

static void fini(struct answer_writer *base)
{
    fini_outputs(responses__writer_of(base)->first);
}

/* Items behind `last` are none. */
static void drop_outputs(struct writer *a, struct output *last, unsigned count)
{
    fini_outputs(last ? last->next : a->first);
    if (last)
        last->next = NULL;
    else
        a->first = NULL;
    if (a->last != last) a->open = NULL;
    a->last = last;
    a->count = count;
}

/* What is written of an event counts when all of it is: else the client gets nothing of it. */
static int put(struct answer_writer *base, const struct answer_event *e, struct buf *out)
{
    struct writer *a = responses__writer_of(base);
    struct output *last = a->last;
    uint64_t number = a->number;
    unsigned count = a->count;
    bool begun = a->begun;
    int err = put_any(a, e, out);
    if (!err) return 0;
    a->number = number;
    a->begun = begun;
    drop_outputs(a, last, count);
    return err;
}

int responses_write_response(const struct answer_writer *w, struct buf *out)
{
    return put_whole(responses__writer_of(w), out);
}

const struct answer_writer_ops responses_writer = {
    .size = sizeof(struct writer),
    .init = init,
    .fini = fini,
    .put = put,
    .ping = STR_INIT(": ping\n\n"),
};
