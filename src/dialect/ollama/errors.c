/* SPDX-License-Identifier: Apache-2.0 */
/* Errors, as Ollama's clients parse them: of a stream, a line like any other. */
#include "dialect/error.h"
#include "dialect/ollama/ollama_priv.h"
#include "json/write.h"

void ollama__write_error(struct buf *out, const struct refusal *why)
{
    struct json_writer w;
    json_write_init(&w, out);
    json_write_object(&w);
    json_write_str_member(&w, "error", why->message);
    json_write_object_end(&w);
    if (json_write_end(&w)) buf_clear(out); /* an empty body rather than half of one */
}

bool ollama__is_error(struct str body)
{
    static const struct str names[] = {STR_INIT("error")};
    struct json_span error[1];
    return json_scan(body, names, 1, error, NULL) == 0 && error[0].type == JSON_STRING;
}

void ollama__write_error_event(struct buf *out, const struct refusal *why,
                               const struct stream_mark *mark UNUSED)
{
    size_t before = buf_len(out);
    struct buf json;
    buf_init(&json, ERROR_TOLD_MAX);
    ollama__write_error(&json, why);
    if (buf_len(&json) == 0 || buf_append(&json, STR("\n")) || buf_append(out, buf_str(&json)))
        out->end = out->start + before;
    buf_fini(&json);
}
