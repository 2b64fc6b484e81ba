/* SPDX-License-Identifier: Apache-2.0 */
#include "dialect/openai/chat_priv.h"

struct str chat__finish_word(const struct chat_writer *w, enum finish finish)
{
    static const struct str words[] = {
        [FINISH_STOP] = STR_INIT("stop"),        [FINISH_LENGTH] = STR_INIT("length"),
        [FINISH_CALLS] = STR_INIT("tool_calls"), [FINISH_FILTER] = STR_INIT("content_filter"),
        [FINISH_PAUSE] = STR_INIT("stop"),
    };
    return words[finish == FINISH_STOP && w->call_count ? FINISH_CALLS : finish];
}

int chat__append_call(struct chat_writer *w, const struct answer_event *e, struct buf *out)
{
    char room[STR_U64_ROOM];
    const struct str made[] = {STR("\"id\":\"call_"), w->base.t->id, STR("_"),
                               str_of_u64(e->call, 10, room)};
    const struct str given[] = {STR("\"id\":\""), e->id};
    const struct str rest[] = {STR("\",\"type\":\"function\",\"function\":{\"name\":\""), e->name,
                               STR("\",\"arguments\":\"")};
    int err = e->id.len ? buf_append_all(out, given, ARRAY_LEN(given))
                        : buf_append_all(out, made, ARRAY_LEN(made));
    return err ? err : buf_append_all(out, rest, ARRAY_LEN(rest));
}

void chat__write_usage(struct json_writer *w, const struct usage *u)
{
    json_write_object(w);
    json_write_u64_member(w, "prompt_tokens", u->prompt);
    json_write_u64_member(w, "completion_tokens", u->completion);
    json_write_u64_member(w, "total_tokens", u->prompt + u->completion);
    json_write_key(w, "prompt_tokens_details");
    json_write_object(w);
    json_write_u64_member(w, "cached_tokens", u->cached);
    json_write_u64_member(w, "cache_write_tokens", u->written);
    json_write_object_end(w);
    json_write_key(w, "completion_tokens_details");
    json_write_object(w);
    json_write_u64_member(w, "reasoning_tokens", u->reasoning);
    json_write_object_end(w);
    json_write_object_end(w);
}
