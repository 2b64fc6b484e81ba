/* SPDX-License-Identifier: Apache-2.0 */
#include "dialect/openai/write.h"

#include "dialect/openai/openai_priv.h"

void openai_begin_model(struct json_writer *w, struct str id, uint64_t created_s,
                        struct str owned_by)
{
    json_write_object(w);
    json_write_str_member(w, "id", id);
    json_write_str_member(w, "object", STR("model"));
    json_write_u64_member(w, "created", created_s);
    json_write_str_member(w, "owned_by", owned_by);
}

struct str openai_error_body(struct arena *arena, const struct refusal *why)
{
    struct buf json;
    buf_init(&json, 16 * 1024);
    openai_write_error(&json, why);
    struct str body = buf_len(&json) ? arena_try_dup(arena, buf_str(&json)) : STR_NULL;
    buf_fini(&json);
    return body.ptr ? body : STR("{}");
}
