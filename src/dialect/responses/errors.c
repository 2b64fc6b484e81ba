/* SPDX-License-Identifier: Apache-2.0 */
/* How a stream ends that cannot be completed: as a response that failed, which is what clients wait
 * for. */
#include "dialect/responses/responses_priv.h"
#include "json/write.h"

const char *responses__error_code(const struct refusal *why)
{
    if (why->status == 429) return "rate_limit_exceeded";
    if (why->code && str_eq(str_of(why->code), STR("context_length_exceeded"))) return why->code;
    return why->status >= 500 || why->status == 0 ? "server_error" : "invalid_prompt";
}

static void write_response(struct json_writer *w, const struct refusal *why,
                           const struct stream_mark *mark)
{
    json_write_object(w);
    json_write_str_member(w, "id", mark->id[0] ? str_of(mark->id) : STR("resp_unknown"));
    json_write_str_member(w, "object", STR("response"));
    json_write_str_member(w, "status", STR("failed"));
    json_write_key(w, "error");
    json_write_object(w);
    json_write_str_member(w, "code", str_of(responses__error_code(why)));
    json_write_str_member(w, "message", why->message);
    json_write_object_end(w);
    json_write_null_member(w, "incomplete_details");
    json_write_key(w, "output");
    json_write_array(w);
    json_write_array_end(w);
    json_write_null_member(w, "usage");
    json_write_object_end(w);
}

void responses__write_error_event(struct buf *out, const struct refusal *why,
                                  const struct stream_mark *mark)
{
    struct json_writer w;
    if (buf_append(out, STR("event: response.failed\ndata: "))) return;
    json_write_init(&w, out);
    json_write_object(&w);
    json_write_str_member(&w, "type", STR("response.failed"));
    json_write_u64_member(&w, "sequence_number", mark->next);
    json_write_key(&w, "response");
    write_response(&w, why, mark);
    json_write_object_end(&w);
    if (json_write_end(&w) || buf_append(out, STR("\n\n"))) buf_clear(out);
}
