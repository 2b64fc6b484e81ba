/* SPDX-License-Identifier: Apache-2.0 */
/* A response and its items as JSON. */
#include "dialect/responses/answer_priv.h"

#include "base/err.h"

static const struct output_type {
    const char *type;
    const char *prefix; /* of its id */
    const char *part;   /* of what it says */
    const char *text;   /* the member that has its text */
} types[] = {
    [OUTPUT_TEXT] = {"message", "msg", "output_text", "text"},
    [OUTPUT_REFUSAL] = {"message", "msg", "refusal", "refusal"},
    [OUTPUT_REASONING] = {"reasoning", "rs", "reasoning_text", "text"},
    [OUTPUT_FUNCTION] = {"function_call", "fc", NULL, "arguments"},
    [OUTPUT_CUSTOM] = {"custom_tool_call", "ctc", NULL, "input"},
    [OUTPUT_SEARCH] = {"tool_search_call", "tsc", NULL, "arguments"},
};

void responses__put_escaped(struct json_writer *w, const char *name, struct str escaped)
{
    json_write_key(w, name);
    json_write_raw(w, STR("\""));
    if (!w->err) w->err = buf_append(w->out, escaped);
    if (!w->err) w->err = buf_append(w->out, STR("\""));
}

void responses__put_id(struct json_writer *w, const char *name, const struct writer *a,
                       const struct output *o)
{
    json_write_key(w, name);
    json_write_raw(w, STR("\""));
    if (w->err) return;
    w->err =
        buf_printf(w->out, "%s_%.*s_%u\"", types[o->kind].prefix, STR_ARG(a->base.t->id), o->index);
}

/* --- parts --- */

static void put_list(struct json_writer *w, const char *name, struct str elements)
{
    json_write_key(w, name);
    json_write_array(w);
    if (elements.len) json_write_raw(w, elements);
    json_write_array_end(w);
}

void responses__put_part(struct json_writer *w, const struct writer *a, const struct output *o,
                         bool empty)
{
    bool summary = o->kind == OUTPUT_REASONING && a->memo->summary;
    json_write_object(w);
    json_write_str_member(w, "type", str_of(summary ? "summary_text" : types[o->kind].part));
    responses__put_escaped(w, types[o->kind].text, empty ? STR("") : buf_str(&o->text));
    if (o->kind == OUTPUT_TEXT) {
        put_list(w, "annotations", STR(""));
        put_list(w, "logprobs", empty ? STR("") : buf_str(&o->logprobs));
    }
    json_write_object_end(w);
}

static void put_parts(struct json_writer *w, const char *name, const struct writer *a,
                      const struct output *o, bool any)
{
    json_write_key(w, name);
    json_write_array(w);
    if (any) responses__put_part(w, a, o, false);
    json_write_array_end(w);
}

/* --- reasoning --- */

static int append_block(struct buf *out, const struct output *o)
{
    struct json_writer w;
    json_write_init(&w, out);
    json_write_array(&w);
    json_write_object(&w);
    json_write_str_member(&w, "type", o->redacted ? STR("redacted_thinking") : STR("thinking"));
    if (o->redacted)
        responses__put_escaped(&w, "data", buf_str(&o->proof));
    else
        responses__put_escaped(&w, "thinking", buf_str(&o->text));
    if (!o->redacted && buf_len(&o->proof))
        responses__put_escaped(&w, "signature", buf_str(&o->proof));
    json_write_object_end(&w);
    json_write_array_end(&w);
    return json_write_end(&w);
}

static int seal(struct buf *out, const struct output *o)
{
    struct buf blocks;
    buf_init(&blocks, 2 * (size_t)OUTPUT_HELD_MAX);
    int err = append_block(&blocks, o);
    if (!err) err = responses__seal(out, buf_str(&blocks));
    buf_fini(&blocks);
    return err;
}

/* What is proved must come back as it was, whether the client asks for it or not. */
static void put_sealed(struct json_writer *w, const struct writer *a, const struct output *o)
{
    if (!a->memo->sealed && buf_len(&o->proof) == 0) return;
    json_write_key(w, "encrypted_content");
    json_write_raw(w, STR("\""));
    if (!w->err) w->err = seal(w->out, o);
    if (!w->err) w->err = buf_append(w->out, STR("\""));
}

static void put_reasoning(struct json_writer *w, const struct writer *a, const struct output *o,
                          bool empty)
{
    bool any = !empty && buf_len(&o->text), summary = a->memo->summary;
    put_parts(w, "summary", a, o, any && summary);
    if (!summary) put_parts(w, "content", a, o, any);
    if (!empty) put_sealed(w, a, o);
}

/* --- items --- */

static void put_message(struct json_writer *w, const struct writer *a, const struct output *o,
                        bool empty)
{
    json_write_str_member(w, "role", STR("assistant"));
    put_parts(w, "content", a, o, !empty);
}

static void put_search(struct json_writer *w, const struct output *o, bool empty)
{
    json_write_str_member(w, "execution", STR("client"));
    json_write_key(w, "arguments");
    json_write_raw(w, empty || !o->done ? STR("{}") : buf_str(&o->text));
}

static void put_call(struct json_writer *w, const struct output *o, bool empty)
{
    responses__put_escaped(w, "call_id", o->call_id);
    if (o->kind == OUTPUT_SEARCH) {
        put_search(w, o, empty);
        return;
    }
    responses__put_escaped(w, "name", o->name);
    if (o->space.len) responses__put_escaped(w, "namespace", o->space);
    bool unknown = empty || (o->kind == OUTPUT_CUSTOM && !o->done);
    responses__put_escaped(w, types[o->kind].text, unknown ? STR("") : buf_str(&o->text));
}

static struct str status_of(const struct output *o, bool empty)
{
    if (empty) return STR("in_progress");
    return o->cut || !o->done ? STR("incomplete") : STR("completed");
}

void responses__put_item(struct json_writer *w, const struct writer *a, const struct output *o,
                         bool empty)
{
    json_write_object(w);
    responses__put_id(w, "id", a, o);
    json_write_str_member(w, "type", str_of(types[o->kind].type));
    json_write_str_member(w, "status", status_of(o, empty));
    if (o->kind == OUTPUT_REASONING)
        put_reasoning(w, a, o, empty);
    else if (types[o->kind].part)
        put_message(w, a, o, empty);
    else
        put_call(w, o, empty);
    json_write_object_end(w);
}

/* --- the response --- */

static const char *cut_reason(const struct writer *a)
{
    if (a->outcome != OUTCOME_DONE) return NULL;
    if (a->finish == FINISH_LENGTH) return "max_output_tokens";
    return a->finish == FINISH_FILTER ? "content_filter" : NULL;
}

static const char *response_status(const struct writer *a)
{
    if (a->outcome == OUTCOME_NONE) return "in_progress";
    if (a->outcome == OUTCOME_FAILED) return "failed";
    return cut_reason(a) ? "incomplete" : "completed";
}

static void put_error(struct json_writer *w, const struct writer *a)
{
    json_write_key(w, "error");
    if (!a->error_code) {
        json_write_null(w);
        return;
    }
    json_write_object(w);
    json_write_str_member(w, "code", str_of(a->error_code));
    json_write_str_member(w, "message", a->error_message);
    json_write_object_end(w);
}

static void put_cut_reason(struct json_writer *w, const struct writer *a)
{
    json_write_key(w, "incomplete_details");
    if (!cut_reason(a)) {
        json_write_null(w);
        return;
    }
    json_write_object(w);
    json_write_str_member(w, "reason", str_of(cut_reason(a)));
    json_write_object_end(w);
}

static void put_usage(struct json_writer *w, const struct usage *u)
{
    json_write_key(w, "usage");
    if (!u->known && !u->estimated) {
        json_write_null(w);
        return;
    }
    json_write_object(w);
    json_write_u64_member(w, "input_tokens", u->prompt);
    json_write_key(w, "input_tokens_details");
    json_write_object(w);
    json_write_u64_member(w, "cached_tokens", u->cached);
    json_write_u64_member(w, "cache_write_tokens", u->written);
    json_write_object_end(w);
    json_write_u64_member(w, "output_tokens", u->completion);
    json_write_key(w, "output_tokens_details");
    json_write_object(w);
    json_write_u64_member(w, "reasoning_tokens", u->reasoning);
    json_write_object_end(w);
    json_write_u64_member(w, "total_tokens", u->prompt + u->completion);
    json_write_object_end(w);
}

static void put_output(struct json_writer *w, const struct writer *a)
{
    json_write_key(w, "output");
    json_write_array(w);
    for (const struct output *o = a->first; o; o = o->next)
        responses__put_item(w, a, o, false);
    json_write_array_end(w);
}

static void put_name(struct json_writer *w, const struct writer *a)
{
    json_write_key(w, "id");
    json_write_raw(w, STR("\"resp_"));
    if (!w->err) w->err = buf_append(w->out, a->base.t->id);
    if (!w->err) w->err = buf_append(w->out, STR("\""));
    json_write_str_member(w, "object", STR("response"));
    json_write_u64_member(w, "created_at", a->base.t->created_us / 1000000);
    json_write_str_member(w, "status", str_of(response_status(a)));
}

/* What is asked for is repeated where the response ends: before, nobody needs it twice. */
void responses__put_response(struct json_writer *w, const struct writer *a)
{
    bool ended = a->outcome != OUTCOME_NONE;
    json_write_object(w);
    put_name(w, a);
    put_error(w, a);
    put_cut_reason(w, a);
    json_write_str_member(w, "model", a->base.t->model);
    json_write_raw(w, a->memo->settings);
    json_write_raw(w, ended ? a->memo->tools : responses__no_memo.tools);
    put_output(w, a);
    put_usage(w, &a->usage);
    json_write_object_end(w);
}
