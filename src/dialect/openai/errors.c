/* SPDX-License-Identifier: Apache-2.0 */
/* Errors, as the SDKs parse them. */
#include "dialect/error.h"
#include "dialect/openai/openai_priv.h"
#include "json/write.h"

static const char *error_type(int status)
{
    switch (status) {
    case 401: return "authentication_error";
    case 403: return "permission_error";
    case 429: return "rate_limit_error";
    default: return status >= 500 ? "server_error" : "invalid_request_error";
    }
}

static void write_nullable(struct json_writer *w, const char *name, const char *value)
{
    if (value)
        json_write_str_member(w, name, str_of(value));
    else
        json_write_null_member(w, name);
}

void openai_write_error(struct buf *out, const struct refusal *why)
{
    struct json_writer w;
    json_write_init(&w, out);
    json_write_object(&w);
    json_write_key(&w, "error");
    json_write_object(&w);
    json_write_str_member(&w, "message", why->message);
    json_write_str_member(&w, "type", str_of(why->type ? why->type : error_type(why->status)));
    write_nullable(&w, "param", why->param);
    write_nullable(&w, "code", why->code);
    json_write_object_end(&w);
    json_write_object_end(&w);
    if (json_write_end(&w)) buf_clear(out); /* an empty body rather than half of one */
}

bool openai_is_error(struct str body)
{
    static const struct str names[] = {STR_INIT("error")}, inner[] = {STR_INIT("message")};
    struct json_span error[1], message[1];
    return json_scan(body, names, 1, error, NULL) == 0 &&
           json_scan_span(&error[0], inner, 1, message, NULL) == 0 &&
           message[0].type == JSON_STRING;
}

void openai__write_error_event(struct buf *out, const struct refusal *why,
                               const struct stream_mark *mark UNUSED)
{
    size_t before = buf_len(out);
    struct buf json;
    buf_init(&json, ERROR_TOLD_MAX);
    openai_write_error(&json, why);
    bool lost = buf_len(&json) == 0 || buf_append(out, STR("data: ")) ||
                buf_append(out, buf_str(&json)) || buf_append(out, STR("\n\n"));
    if (lost) out->end = out->start + before;
    buf_fini(&json);
}
