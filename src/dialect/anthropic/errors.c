/* SPDX-License-Identifier: Apache-2.0 */
/* Errors, as Anthropic's SDKs parse them. */
#include "dialect/anthropic/anthropic_priv.h"
#include "json/write.h"

static const char *error_type(int status)
{
    switch (status) {
    case 401: return "authentication_error";
    case 402: return "billing_error";
    case 403: return "permission_error";
    case 404: return "not_found_error";
    case 413: return "request_too_large";
    case 429: return "rate_limit_error";
    case 503:
    case 529: return "overloaded_error";
    case 408:
    case 504: return "timeout_error";
    default: return status >= 500 ? "api_error" : "invalid_request_error";
    }
}

void anthropic__write_error(struct buf *out, const struct refusal *why)
{
    struct json_writer w;
    json_write_init(&w, out);
    json_write_object(&w);
    json_write_str_member(&w, "type", STR("error"));
    json_write_key(&w, "error");
    json_write_object(&w);
    json_write_str_member(&w, "type", str_of(error_type(why->status)));
    json_write_str_member(&w, "message", why->message);
    json_write_object_end(&w);
    if (why->id) json_write_str_member(&w, "request_id", str_of(why->id));
    json_write_object_end(&w);
    if (json_write_end(&w)) buf_clear(out); /* an empty body rather than half of one */
}

void anthropic__write_error_event(struct buf *out, const struct refusal *why,
                                  const struct stream_mark *mark UNUSED)
{
    struct buf json;
    buf_init(&json, 8192);
    anthropic__write_error(&json, why);
    bool lost = buf_len(&json) == 0 || buf_append(out, STR("event: error\ndata: ")) ||
                buf_append(out, buf_str(&json)) || buf_append(out, STR("\n\n"));
    if (lost) buf_clear(out);
    buf_fini(&json);
}
