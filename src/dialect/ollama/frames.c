/* SPDX-License-Identifier: Apache-2.0 */
/* Chat and generate. An object of either begins with the model and a time and has a piece of the
 * answer, or all of it; the last one is done and has the counts. */
#include "dialect/ollama/frames.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "dialect/ollama/calls.h"
#include "dialect/ollama/ollama_priv.h"
#include "json/write.h"

struct writer {
    struct answer_writer base;
    struct str head;   /* how lines begin; on the arena, ptr NULL: not made yet */
    uint64_t first_us; /* when the answer's first piece was there; 0: not yet */
    uint64_t last_us;  /* when it ended */
    bool cut;          /* by the limit of tokens */
    struct ollama__calls calls;
    /* What is said, of a whole answer; of a stream only in between. Escaped; lists have commas. */
    struct buf text, thoughts, called, logprobs;
};

static struct writer *of(struct answer_writer *w)
{
    return CONTAINER_OF(w, struct writer, base);
}

static void init(struct answer_writer *base)
{
    struct writer *w = of(base);
    buf_init(&w->text, ANSWER_HELD_MAX);
    buf_init(&w->thoughts, ANSWER_HELD_MAX);
    buf_init(&w->called, ANSWER_HELD_MAX);
    buf_init(&w->logprobs, ANSWER_HELD_MAX);
}

static void fini(struct answer_writer *base)
{
    struct writer *w = of(base);
    ollama__calls_fini(&w->calls);
    buf_fini(&w->text);
    buf_fini(&w->thoughts);
    buf_fini(&w->called);
    buf_fini(&w->logprobs);
}

/* --- objects --- */

/* {"model":"...","created_at":"...", on the arena. ptr NULL: no memory. */
static struct str make_head(const struct translation *t, uint64_t time_us)
{
    char time[CLOCK_RFC3339_SIZE];
    struct buf head;
    buf_init(&head, SIZE_MAX);
    clock_rfc3339(time_us, time);
    int err = buf_append(&head, STR("{\"model\":\""));
    if (!err) err = json_escape(&head, t->model);
    if (!err) err = buf_printf(&head, "\",\"created_at\":\"%s\",", time);
    struct str text = err ? STR_NULL : arena_try_dup(t->arena, buf_str(&head));
    buf_fini(&head);
    return text;
}

/* Line ends beyond ASCII, at which clients in Python cut lines; Ollama escapes the first two. */
static const struct line_end {
    struct str bytes, escape;
} line_ends[] = {
    {STR_INIT("\xe2\x80\xa8"), STR_INIT("\\u2028")},
    {STR_INIT("\xe2\x80\xa9"), STR_INIT("\\u2029")},
    {STR_INIT("\xc2\x85"), STR_INIT("\\u0085")},
};

static const struct line_end *line_end_at(struct str s)
{
    for (size_t i = 0; i < ARRAY_LEN(line_ends); i++)
        if (str_starts(s, line_ends[i].bytes)) return &line_ends[i];
    return NULL;
}

/* Nearly all lines have no character that begins as one does. */
static bool has_line_end(struct str s)
{
    if (str_find_char(s, '\xe2') < 0 && str_find_char(s, '\xc2') < 0) return false;
    while (s.len && !line_end_at(s))
        s = str_skip(s, 1);
    return s.len > 0;
}

/* What was appended behind `from` without such line ends. */
static int escape_line_ends(struct buf *out, size_t from)
{
    struct buf rest;
    struct str made = str_skip(buf_str(out), from);
    if (!has_line_end(made)) return 0;
    buf_init(&rest, out->max);
    int err = buf_append(&rest, made);
    out->end -= made.len;
    for (struct str s = buf_str(&rest); !err && s.len;) {
        const struct line_end *e = line_end_at(s);
        err = buf_append(out, e ? e->escape : str_sub(s, 0, 1));
        s = str_skip(s, e ? e->bytes.len : 1);
    }
    buf_fini(&rest);
    return err;
}

/* What an object says, escaped; lists without their brackets. */
struct said {
    struct str text, thoughts, calls, logprobs;
};

static struct str if_any(struct str what, struct str then)
{
    return what.len ? then : STR("");
}

/* Appends an object that begins with `head` and ends with `tail`. */
static int put_object(const struct writer *w, struct str head, const struct said *s,
                      struct str tail, struct buf *out)
{
    bool chat = w->base.t->asked == SURFACE_OLLAMA_CHAT;
    const struct str parts[] = {
        head,
        chat ? STR("\"message\":{\"role\":\"assistant\",\"content\":\"") : STR("\"response\":\""),
        s->text,
        STR("\""),
        if_any(s->thoughts, STR(",\"thinking\":\"")),
        s->thoughts,
        if_any(s->thoughts, STR("\"")),
        if_any(s->calls, STR(",\"tool_calls\":[")),
        s->calls,
        if_any(s->calls, STR("]")),
        chat ? STR("}") : STR(""),
        if_any(s->logprobs, STR(",\"logprobs\":[")),
        s->logprobs,
        if_any(s->logprobs, STR("]")),
        tail,
    };
    size_t before = buf_len(out);
    int err = buf_append_all(out, parts, ARRAY_LEN(parts));
    return err || !w->base.t->stream ? err : escape_line_ends(out, before);
}

static int put_line(struct writer *w, const struct said *s, struct buf *out)
{
    if (!w->head.ptr) w->head = make_head(w->base.t, w->base.t->created_us);
    if (!w->head.ptr) return -ENOMEM;
    return put_object(w, w->head, s, STR(",\"done\":false}\n"), out);
}

/* --- pieces --- */

/* Adds the elements of a JSON array. Line ends between its tokens must not end a line of ours. */
static int add_list(struct buf *list, struct str array)
{
    struct str inside = str_sub(array, 1, array.len < 2 ? 0 : array.len - 2);
    char *room;
    if (inside.len == 0) return 0;
    int err = buf_reserve(list, inside.len + 1, &room);
    if (err) return err;
    bool further = buf_len(list) > 0;
    if (further) *room++ = ',';
    for (size_t i = 0; i < inside.len; i++)
        room[i] = inside.ptr[i] == '\n' || inside.ptr[i] == '\r' ? ' ' : inside.ptr[i];
    buf_commit(list, inside.len + further);
    return 0;
}

static int put_text(struct writer *w, const struct answer_event *e, struct buf *out)
{
    int err = add_list(&w->logprobs, e->raw);
    if (err) return err;
    if (!w->base.t->stream) return buf_append(&w->text, e->text);
    err = put_line(w, &(struct said){.text = e->text, .logprobs = buf_str(&w->logprobs)}, out);
    buf_clear(&w->logprobs);
    return err;
}

static int put_thoughts(struct writer *w, const struct answer_event *e, struct buf *out)
{
    if (!w->base.t->stream) return buf_append(&w->thoughts, e->text);
    return put_line(w, &(struct said){.thoughts = e->text}, out);
}

/* Of a stream, a line with the calls that are complete, or with all. */
static int put_calls(struct writer *w, bool all, struct buf *out)
{
    int err = ollama__calls_write(&w->calls, w->base.t, all, &w->called);
    if (err || !w->base.t->stream || buf_len(&w->called) == 0) return err;
    err = put_line(w, &(struct said){.calls = buf_str(&w->called)}, out);
    buf_clear(&w->called);
    return err;
}

/* Calls may take turns, so that another one begins does not mean that those before are complete. */
static int take_call(struct writer *w, const struct answer_event *e, struct buf *out)
{
    int err = e->kind == ANSWER_CALL && w->base.t->stream ? put_calls(w, false, out) : 0;
    return err ? err : ollama__calls_take(&w->calls, w->base.t, e);
}

/* --- the end --- */

static unsigned long long nanoseconds(uint64_t from_us, uint64_t to_us)
{
    return (unsigned long long)(to_us > from_us ? to_us - from_us : 1) * 1000;
}

static void print_counts(const struct usage *u, char prompt[64], char answer[64])
{
    prompt[0] = answer[0] = '\0';
    if (!u->known) return;
    (void)snprintf(prompt, 64, "\"prompt_eval_count\":%llu,", (unsigned long long)u->prompt);
    (void)snprintf(answer, 64, "\"eval_count\":%llu,", (unsigned long long)u->completion);
}

static struct str make_tail(const struct writer *w, const struct usage *usage, char room[512])
{
    const struct translation *t = w->base.t;
    uint64_t began = t->began_us, now = clock_mono_us(), last = w->last_us ? w->last_us : now;
    uint64_t first = !t->stream ? began : w->first_us ? w->first_us : last;
    char prompt[64], answer[64];
    print_counts(usage, prompt, answer);
    int n = snprintf(
        room, 512,
        ",\"done\":true,\"done_reason\":\"%s\",\"total_duration\":%llu,"
        "\"load_duration\":0,%s\"prompt_eval_duration\":%llu,%s\"eval_duration\":%llu}%s",
        w->cut ? "length" : "stop", nanoseconds(began, now), prompt, nanoseconds(began, first),
        answer, nanoseconds(first, last), t->stream ? "\n" : "");
    return str_n(room, (size_t)n);
}

static int put_end(struct writer *w, const struct usage *usage, struct buf *out)
{
    char tail[512];
    int err = put_calls(w, true, out);
    if (err) return err;
    struct str head = make_head(w->base.t, clock_wall_us());
    struct said s = {.text = buf_str(&w->text),
                     .thoughts = buf_str(&w->thoughts),
                     .calls = buf_str(&w->called),
                     .logprobs = buf_str(&w->logprobs)};
    return head.ptr ? put_object(w, head, &s, make_tail(w, usage, tail), out) : -ENOMEM;
}

static int put_finish(struct writer *w, const struct answer_event *e, struct buf *out)
{
    w->cut = e->finish == FINISH_LENGTH;
    w->last_us = clock_mono_us();
    return put_calls(w, true, out);
}

static int put(struct answer_writer *base, const struct answer_event *e, struct buf *out)
{
    struct writer *w = of(base);
    if (!w->first_us) w->first_us = clock_mono_us();
    switch (e->kind) {
    case ANSWER_TEXT:
    case ANSWER_REFUSAL: return put_text(w, e, out);
    case ANSWER_REASONING: return put_thoughts(w, e, out);
    case ANSWER_CALL:
    case ANSWER_ARGUMENTS: return take_call(w, e, out);
    case ANSWER_FINISH: return put_finish(w, e, out);
    case ANSWER_END: return put_end(w, &e->usage, out);
    case ANSWER_ERROR: ollama__write_error_event(out, e->refusal, NULL); return 0;
    case ANSWER_SIGNATURE: /* what follows has no place in Ollama's answers */
    case ANSWER_REDACTED:
    case ANSWER_VECTOR:
    case ANSWER_COUNT: break;
    }
    return 0;
}

const struct answer_writer_ops ollama_chat_writer = {
    .size = sizeof(struct writer),
    .init = init,
    .fini = fini,
    .put = put,
};
