/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/openai.h"

#include <string.h>

#include "base/err.h"
#include "json/skim.h"
#include "json/write.h"

/* --- bodies --- */

enum { FIELD_MODEL, FIELD_STREAM, FIELD_OPTIONS, FIELD_COUNT };

static const struct str field_names[FIELD_COUNT] = {
    [FIELD_MODEL] = STR_INIT("model"),
    [FIELD_STREAM] = STR_INIT("stream"),
    [FIELD_OPTIONS] = STR_INIT("stream_options"),
};

static int refuse(struct api_problem *problem, struct str message, const char *param)
{
    *problem = (struct api_problem){message, param, NULL};
    return ERR_INVALID;
}

/* True for a content type's parameter (" charset=utf-8") unless it is another charset. However odd it is written: somebody reads it. */
static bool is_utf8_or_no_charset(struct str parameter)
{
    struct str name, value = parameter;
    str_cut(&value, '=', &name);
    if (!str_eq_nocase(str_trim(name), STR("charset"))) return true;
    value = str_trim(value);
    if (value.len >= 2 && (value.ptr[0] == '"' || value.ptr[0] == '\''))
        value = str_n(value.ptr + 1, value.len - 2);
    return str_eq_nocase(value, STR("utf-8")) || str_eq_nocase(value, STR("utf8"));
}

int api_check_media(const struct http_head *head, struct api_problem *problem)
{
    struct str value, piece;
    for (unsigned at = 0; http_head_next(head, HDR_CONTENT_ENCODING, &at, &value);)
        while (str_cut(&value, ',', &piece)) {
            piece = str_trim(piece);
            if (piece.len == 0 || str_eq_nocase(piece, STR("identity"))) continue;
            *problem = (struct api_problem){STR("Compressed request bodies are not supported."),
                                            NULL, "unsupported_encoding"};
            return ERR_INVALID;
        }
    for (unsigned at = 0; http_head_next(head, HDR_CONTENT_TYPE, &at, &value);)
        while (str_cut(&value, ';', &piece)) {
            if (is_utf8_or_no_charset(piece)) continue;
            *problem = (struct api_problem){STR("The request body must be JSON in UTF-8."), NULL,
                                            "unsupported_charset"};
            return ERR_INVALID;
        }
    return 0;
}

static int explain_scan(struct arena *arena, int err, const struct json_error *at,
                        struct api_problem *problem)
{
    switch (err) {
    case ERR_DUPLICATE:
        return refuse(problem, arena_printf(arena, "The field '%s' is given twice.", at->text),
                      at->text);
    case ERR_TYPE: return refuse(problem, STR("The request body must be a JSON object."), NULL);
    case ERR_DEPTH:
        return refuse(problem, STR("The request body is nested too deeply (over 64 levels)."),
                      NULL);
    case ERR_UTF8:
        return refuse(
            problem,
            arena_printf(arena, "The request body is not valid UTF-8 at byte %zu.", at->offset),
            NULL);
    default:
        return refuse(problem,
                      arena_printf(arena, "The request body is not valid JSON at byte %zu: %s.",
                                   at->offset, at->text ? at->text : "syntax error"),
                      NULL);
    }
}

/* A runtime whose parser ignores case would obey a field that we do not see. */
static int refuse_alike(struct arena *arena, const struct json_span *spans,
                        struct api_problem *problem)
{
    for (size_t i = 0; i < FIELD_COUNT; i++)
        if (spans[i].alike)
            return refuse(problem,
                          arena_printf(arena, "The name of the field '%s' must be written just so.",
                                       field_names[i].ptr),
                          field_names[i].ptr);
    return 0;
}

static int read_options(const struct json_span *options, struct api_request *out,
                        struct api_problem *problem)
{
    static const struct str names[] = {STR_INIT("include_usage")};
    if (options->type == JSON_NONE || options->type == JSON_NULL) return 0;
    if (options->type != JSON_OBJECT)
        return refuse(problem, STR("'stream_options' must be an object."), "stream_options");
    if (json_scan_span(options, names, 1, &out->usage_span, NULL))
        return refuse(problem, STR("'stream_options.include_usage' is given twice."),
                      "stream_options");
    if (out->usage_span.alike)
        return refuse(problem,
                      STR("The name of 'stream_options.include_usage' must be written just so."),
                      "stream_options");
    if (out->usage_span.type != JSON_NONE && out->usage_span.type != JSON_NULL &&
        !json_span_bool(&out->usage_span, &out->asks_usage))
        return refuse(problem, STR("'stream_options.include_usage' must be true or false."),
                      "stream_options");
    return 0;
}

int api_read_body(struct arena *arena, struct str body, struct api_request *out,
                  struct api_problem *problem)
{
    struct json_span spans[FIELD_COUNT];
    struct json_error at = {0};
    *out = (struct api_request){0};
    if (body.len == 0)
        return refuse(problem, STR("The request has no body; a JSON object is needed."), NULL);
    int err = json_scan(body, field_names, FIELD_COUNT, spans, &at);
    if (err) return explain_scan(arena, err, &at, problem);
    if (refuse_alike(arena, spans, problem)) return ERR_INVALID;
    out->model_span = spans[FIELD_MODEL];
    out->options_span = spans[FIELD_OPTIONS];
    if (out->model_span.type == JSON_NONE)
        return refuse(problem, STR("The field 'model' is missing."), "model");
    if (!json_span_str(&out->model_span, arena, &out->model))
        return refuse(problem, STR("'model' must be a string of valid Unicode."), "model");
    const struct json_span *stream = &spans[FIELD_STREAM];
    if (stream->type != JSON_NONE && stream->type != JSON_NULL &&
        !json_span_bool(stream, &out->stream))
        return refuse(problem, STR("'stream' must be true or false."), "stream");
    return read_options(&out->options_span, out, problem);
}

/* A list of texts or of token lists is several prompts; one of tokens is one. */
static unsigned count_prompts(const struct json_span *prompt)
{
    struct str rest = prompt->raw;
    struct json_span item;
    unsigned count = 0;
    if (prompt->type != JSON_ARRAY) return 1;
    while (json_skim_element(&rest, &item)) {
        if (item.type == JSON_NUMBER) return 1;
        count++;
    }
    return MAX(count, 1u);
}

unsigned api_choices(struct str body)
{
    static const struct str names[] = {STR_INIT("n"), STR_INIT("prompt")};
    struct json_span spans[ARRAY_LEN(names)];
    int64_t n = 1;
    if (json_scan(body, names, ARRAY_LEN(names), spans, NULL)) return 1;
    if (!json_span_i64(&spans[0], &n) || n < 1) n = 1;
    return (unsigned)MIN(n, 1000) * MIN(count_prompts(&spans[1]), 1000u);
}

/* One replacement in a body: the bytes at [start, start+len) become `text`. */
struct edit {
    size_t start;
    size_t len;
    struct str text;
};

static struct str quoted(struct arena *arena, struct str s)
{
    struct buf out;
    buf_init(&out, s.len * 6 + 16);
    struct json_writer w;
    json_write_init(&w, &out);
    json_write_str(&w, s);
    struct str text = json_write_end(&w) ? STR("\"\"") : arena_dup(arena, buf_str(&out));
    buf_fini(&out);
    return text;
}

static size_t offset_in(struct str body, struct str part)
{
    return (size_t)(part.ptr - body.ptr);
}

/* How to make a body ask for usage. */
static struct edit usage_edit(const struct api_request *r, struct str body)
{
    if (r->usage_span.type != JSON_NONE)
        return (struct edit){offset_in(body, r->usage_span.raw), r->usage_span.raw.len,
                             STR("true")};
    if (r->options_span.type == JSON_OBJECT) {
        struct str raw = r->options_span.raw;
        return (struct edit){offset_in(body, raw) + 1, 0,
                             json_skim_empty(raw) ? STR("\"include_usage\":true")
                                                  : STR("\"include_usage\":true,")};
    }
    if (r->options_span.type == JSON_NULL)
        return (struct edit){offset_in(body, r->options_span.raw), r->options_span.raw.len,
                             STR("{\"include_usage\":true}")};
    size_t close = body.len;
    while (close && body.ptr[close - 1] != '}')
        close--;
    return (struct edit){close - 1, 0, STR(",\"stream_options\":{\"include_usage\":true}")};
}

unsigned api_splice(const struct api_request *r, struct str body, struct str model, bool ask_usage,
                    struct arena *arena, struct str slices[API_SLICES_MAX])
{
    struct edit edits[2];
    unsigned edit_count = 0, n = 0;
    if (!str_eq(model, r->model))
        edits[edit_count++] = (struct edit){offset_in(body, r->model_span.raw),
                                            r->model_span.raw.len, quoted(arena, model)};
    if (ask_usage && r->stream && !r->asks_usage) edits[edit_count++] = usage_edit(r, body);
    if (edit_count == 2 && edits[1].start < edits[0].start) {
        struct edit first = edits[1];
        edits[1] = edits[0];
        edits[0] = first;
    }
    size_t at = 0;
    for (unsigned i = 0; i < edit_count; i++) {
        slices[n++] = str_sub(body, at, edits[i].start - at);
        slices[n++] = edits[i].text;
        at = edits[i].start + edits[i].len;
    }
    slices[n++] = str_n(body.ptr + at, body.len - at);
    return n;
}

/* --- errors --- */

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

void api_write_error(struct buf *out, int status, struct str message, const char *param,
                     const char *code)
{
    struct json_writer w;
    json_write_init(&w, out);
    json_write_object(&w);
    json_write_key(&w, "error");
    json_write_object(&w);
    json_write_str_member(&w, "message", message);
    json_write_str_member(&w, "type", str_of(error_type(status)));
    write_nullable(&w, "param", param);
    write_nullable(&w, "code", code);
    json_write_object_end(&w);
    json_write_object_end(&w);
    if (json_write_end(&w)) buf_clear(out); /* an empty body rather than half of one */
}

void api_write_ollama_error(struct buf *out, struct str message)
{
    struct json_writer w;
    json_write_init(&w, out);
    json_write_object(&w);
    json_write_str_member(&w, "error", message);
    json_write_object_end(&w);
    if (json_write_end(&w)) buf_clear(out);
}

void api_write_error_event(struct buf *out, int status, struct str message, const char *code)
{
    if (buf_append(out, STR("data: "))) return;
    struct buf json;
    buf_init(&json, 8192);
    api_write_error(&json, status, message, NULL, code);
    if (buf_append(out, buf_str(&json)) || buf_append(out, STR("\n\n"))) buf_clear(out);
    buf_fini(&json);
}
