/* SPDX-License-Identifier: Apache-2.0 */
/* Pieces of answers that streams and whole ones have in common. */
#include <inttypes.h>

#include "dialect/anthropic/answer_priv.h"
#include "json/write.h"

int anthropic__put_head(const struct answer *a, struct buf *out)
{
    const struct translation *t = a->base.t;
    int err = buf_printf(out,
                         "{\"id\":\"msg_%" STR_FMT
                         "\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"",
                         STR_ARG(t->id));
    if (!err) err = json_escape(out, t->model);
    return err ? err : buf_append(out, STR("\",\"content\":["));
}

/* A truncated call is no call. A client waits for one that tool_use promises. */
static const char *stop_reason(const struct answer *a)
{
    switch (a->finish) {
    case FINISH_LENGTH: return "max_tokens";
    case FINISH_FILTER: return "refusal";
    case FINISH_PAUSE: return "pause_turn";
    case FINISH_STOP:
    case FINISH_CALLS: break;
    }
    if (a->refused) return "refusal";
    if (a->called) return "tool_use";
    return a->stop.len ? "stop_sequence" : "end_turn";
}

int anthropic__put_ending(const struct answer *a, struct buf *out)
{
    const char *reason = stop_reason(a);
    int err = buf_printf(out, "\"stop_reason\":\"%s\",\"stop_sequence\":", reason);
    if (err) return err;
    if (!str_eq(str_of(reason), STR("stop_sequence"))) return buf_append(out, STR("null"));
    err = buf_append(out, STR("\""));
    if (!err) err = buf_append(out, a->stop);
    return err ? err : buf_append(out, STR("\""));
}

int anthropic__put_usage(const struct answer *a, const struct usage *u, struct buf *out)
{
    uint64_t prompt = u->known ? u->prompt : a->base.t->prompt_estimate;
    uint64_t besides = u->cached + u->written;
    int err = buf_printf(
        out,
        "\"usage\":{\"input_tokens\":%" PRIu64 ",\"cache_creation_input_tokens\":%" PRIu64
        ",\"cache_read_input_tokens\":%" PRIu64 ",\"output_tokens\":%" PRIu64,
        prompt > besides ? prompt - besides : 0, u->written, u->cached, u->completion);
    if (!err && u->reasoning)
        err = buf_printf(out, ",\"output_tokens_details\":{\"thinking_tokens\":%" PRIu64 "}",
                         u->reasoning);
    return err ? err : buf_append(out, STR("}"));
}

int anthropic__put_call(const struct answer *a, unsigned call, struct str id, struct str name,
                        struct buf *out)
{
    int err = buf_append(out, STR("\"id\":\""));
    if (!err) err = buf_append(out, id);
    if (!err && id.len == 0)
        err = buf_printf(out, "toolu_%" STR_FMT "%u", STR_ARG(a->base.t->id), call);
    if (!err) err = buf_append(out, STR("\",\"name\":\""));
    if (!err) err = buf_append(out, name);
    return err ? err : buf_append(out, STR("\""));
}
