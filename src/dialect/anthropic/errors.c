/* SPDX-License-Identifier: Apache-2.0 */
/* Errors, as Anthropic's SDKs parse them. */
#include <stdio.h>

#include "dialect/anthropic/anthropic_priv.h"
#include "dialect/error.h"
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

/* By these words Claude Code knows that it must compact its conversation. */
static void write_message(struct json_writer *w, const struct refusal *why)
{
    static const struct str words = STR_INIT("prompt is too long");
    bool overflow = why->code && str_eq(str_of(why->code), STR("context_length_exceeded"));
    char text[1024];
    if (!overflow || str_starts_nocase(why->message, words)) {
        json_write_str_member(w, "message", why->message);
        return;
    }
    int n = snprintf(text, sizeof text, "%s: %" STR_FMT, words.ptr, STR_ARG(why->message));
    json_write_str_member(w, "message", str_n(text, MIN((size_t)n, sizeof text - 1)));
}

bool anthropic__is_error(struct str body)
{
    static const struct str names[] = {STR_INIT("type"), STR_INIT("error")};
    struct json_span fields[ARRAY_LEN(names)];
    return json_scan(body, names, ARRAY_LEN(names), fields, NULL) == 0 &&
           str_eq(fields[0].raw, STR("\"error\"")) && fields[1].type == JSON_OBJECT;
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
    write_message(&w, why);
    if (why->code && str_eq(str_of(why->code), STR(ANTHROPIC_NO_THREADS))) {
        json_write_key(&w, "details");
        json_write_object(&w);
        json_write_str_member(&w, "error_code", str_of(why->code));
        json_write_object_end(&w);
    }
    json_write_object_end(&w);
    if (why->id) json_write_str_member(&w, "request_id", str_of(why->id));
    json_write_object_end(&w);
    if (json_write_end(&w)) buf_clear(out); /* an empty body rather than half of one */
}

void anthropic__write_error_event(struct buf *out, const struct refusal *why,
                                  const struct stream_mark *mark UNUSED)
{
    size_t before = buf_len(out);
    struct buf json;
    buf_init(&json, ERROR_TOLD_MAX);
    anthropic__write_error(&json, why);
    bool lost = buf_len(&json) == 0 || buf_append(out, STR("event: error\ndata: ")) ||
                buf_append(out, buf_str(&json)) || buf_append(out, STR("\n\n"));
    if (lost) out->end = out->start + before;
    buf_fini(&json);
}
