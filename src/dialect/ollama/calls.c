/* SPDX-License-Identifier: Apache-2.0 */
#include "dialect/ollama/calls.h"

#include <errno.h>

#include "base/err.h"
#include "json/scan.h"

enum { CALLS_MAX = 128 };

struct ollama__call {
    struct ollama__call *next;
    unsigned number;
    struct str id, name;  /* escaped; on the arena */
    struct buf arguments; /* RAW_BEGIN and their text so far, escaped */
    size_t partial;       /* so many bytes of that were not whole; 0: it was not tried */
};

#define RAW_BEGIN STR("{\"_raw\":\"")
#define RAW_END STR("\"}")

static void drop_first(struct ollama__calls *k)
{
    struct ollama__call *call = k->first;
    k->held -= buf_len(&call->arguments);
    buf_fini(&call->arguments);
    k->first = call->next;
    if (!k->first) k->last = NULL;
}

void ollama__calls_fini(struct ollama__calls *k)
{
    while (k->first)
        drop_first(k);
}

/* --- taking --- */

static int append(struct ollama__calls *k, struct ollama__call *call, struct str text)
{
    int err =
        k->held + text.len > ANSWER_HELD_MAX ? ERR_TOO_LARGE : buf_append(&call->arguments, text);
    if (!err) k->held += text.len;
    return err;
}

static int begin(struct ollama__calls *k, const struct translation *t, const struct answer_event *e)
{
    size_t kept = e->id.len + e->name.len;
    if (k->count == CALLS_MAX || k->held + kept > ANSWER_HELD_MAX) return ERR_TOO_LARGE;
    struct ollama__call *call = arena_try_zero(t->arena, sizeof *call);
    if (!call) return -ENOMEM;
    k->held += kept;
    call->number = e->call;
    call->id = arena_try_dup(t->arena, e->id);
    call->name = arena_try_dup(t->arena, e->name);
    if (!call->id.ptr || !call->name.ptr) return -ENOMEM;
    buf_init(&call->arguments, ANSWER_HELD_MAX);
    if (k->last)
        k->last->next = call;
    else
        k->first = call;
    k->last = call;
    k->count++;
    return append(k, call, RAW_BEGIN);
}

int ollama__calls_take(struct ollama__calls *k, const struct translation *t,
                       const struct answer_event *e)
{
    if (e->kind == ANSWER_CALL) return begin(k, t, e);
    struct ollama__call *call = k->first;
    while (call && call->number != e->call)
        call = call->next;
    return call ? append(k, call, e->text) : 0;
}

/* --- writing --- */

static bool is_blank(struct str text)
{
    while (text.len && json_is_blank((unsigned char)text.ptr[0]))
        text = str_skip(text, 1);
    return text.len == 0;
}

/* The object that the arguments are. ERR_SYNTAX: they are none; ERR_INVALID: nor are they text. */
static int read_object(const struct json_span *text, struct arena *scratch, struct str *out)
{
    int err = json_span_str(text, scratch, out);
    if (err) return err;
    if (is_blank(*out) || str_eq(*out, STR("null"))) *out = STR("{}");
    return json_scan(*out, NULL, 0, NULL, NULL) ? ERR_SYNTAX : 0;
}

/* Appends what goes into one line of a stream: line ends can only stand between tokens. */
static int append_flat(struct buf *out, struct str json)
{
    char *room;
    int err = buf_reserve(out, json.len, &room);
    if (err) return err;
    for (size_t i = 0; i < json.len; i++)
        room[i] = json.ptr[i] == '\n' || json.ptr[i] == '\r' ? ' ' : json.ptr[i];
    buf_commit(out, json.len);
    return 0;
}

/* ERR_SYNTAX: they are not whole, and `all` is not wanted. */
static int write_arguments(struct ollama__call *call, bool all, struct buf *out)
{
    static const struct str name[] = {STR_INIT("_raw")};
    struct json_span text[1];
    struct arena scratch;
    struct str object;
    size_t have = buf_len(&call->arguments);
    if (!all && call->partial == have) return ERR_SYNTAX;
    int err = buf_append(&call->arguments, RAW_END);
    if (err) return err;
    struct str raw = buf_str(&call->arguments);
    arena_init(&scratch, SIZE_MAX, 4096);
    bool sound = json_scan(raw, name, 1, text, NULL) == 0;
    err = sound ? read_object(&text[0], &scratch, &object) : ERR_SYNTAX;
    if (err == ERR_SYNTAX) call->partial = have;
    if (err == ERR_SYNTAX && all) {
        object = sound ? raw : STR("{}"); /* a runtime's escapes that are none are lost */
        err = 0;
    }
    if (!err) err = append_flat(out, object);
    call->arguments.end -= RAW_END.len;
    arena_fini(&scratch);
    return err;
}

/* A call's own id, or one that no other answer has. */
static int write_id(const struct ollama__call *call, const struct translation *t, struct buf *out)
{
    if (call->id.len) return buf_append(out, call->id);
    return buf_printf(out, "call_%" STR_FMT "_%u", STR_ARG(t->id), call->number);
}

static int write_call(struct ollama__call *call, const struct translation *t, bool all,
                      struct buf *out)
{
    int err = buf_append(out, buf_len(out) ? STR(",{\"id\":\"") : STR("{\"id\":\""));
    if (!err) err = write_id(call, t, out);
    if (!err) err = buf_printf(out, "\",\"function\":{\"index\":%u,\"name\":\"", call->number);
    if (!err) err = buf_append(out, call->name);
    if (!err) err = buf_append(out, STR("\",\"arguments\":"));
    if (!err) err = write_arguments(call, all, out);
    return err ? err : buf_append(out, STR("}}"));
}

int ollama__calls_write(struct ollama__calls *k, const struct translation *t, bool all,
                        struct buf *out)
{
    while (k->first) {
        size_t before = buf_len(out);
        int err = write_call(k->first, t, all, out);
        if (err) out->end = out->start + before;
        if (err) return err == ERR_SYNTAX ? 0 : err;
        drop_first(k);
    }
    return 0;
}
