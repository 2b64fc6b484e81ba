/* SPDX-License-Identifier: Apache-2.0 */
/* Arguments that are complete. They came as an object's text in a string; custom tools take a text,
 * a search takes the object. */
#include "dialect/responses/answer_priv.h"

#include <errno.h>

#include "base/err.h"
#include "json/scan.h"

/* The text that an escaped one stands for. ERR_SYNTAX: for none; -ENOMEM. */
static int unescape(struct arena *arena, struct str escaped, struct str *out)
{
    char *quoted = arena_try(arena, escaped.len + 2);
    if (!quoted) return -ENOMEM;
    quoted[0] = quoted[escaped.len + 1] = '"';
    if (escaped.len) memcpy(quoted + 1, escaped.ptr, escaped.len);
    struct json_span span = {.type = JSON_STRING, .raw = str_n(quoted, escaped.len + 2)};
    return json_span_str(&span, arena, out);
}

/* {"input": TEXT} becomes TEXT, which stands there as escaped as it is needed. What is no such
 * object is taken for the text itself. */
static int settle_custom(struct output *o, struct str object)
{
    static const struct str names[] = {STR_INIT("input")};
    struct json_span input[1];
    if (json_scan(object, names, 1, input, NULL) || input[0].type != JSON_STRING) return 0;
    buf_clear(&o->text);
    return buf_append(&o->text, str_n(input[0].raw.ptr + 1, input[0].raw.len - 2));
}

void responses__join_lines(struct buf *text, size_t from)
{
    char *p = text->ptr + text->start;
    for (size_t i = from; i < buf_len(text); i++)
        if (p[i] == '\n' || p[i] == '\r') p[i] = ' ';
}

static int settle_search(struct output *o, struct str object)
{
    bool is_object = json_scan(object, NULL, 0, NULL, NULL) == 0;
    buf_clear(&o->text);
    int err = buf_append(&o->text, is_object ? object : STR("{}"));
    if (!err) responses__join_lines(&o->text, 0);
    return err;
}

int responses__settle(struct output *o)
{
    struct arena arena;
    struct str object = STR("");
    if (o->kind == OUTPUT_FUNCTION) return buf_len(&o->text) ? 0 : buf_append(&o->text, STR("{}"));
    if (o->kind != OUTPUT_CUSTOM && o->kind != OUTPUT_SEARCH) return 0;
    arena_init(&arena, SIZE_MAX, 1024);
    int err = unescape(&arena, buf_str(&o->text), &object);
    if (err == ERR_SYNTAX) err = 0; /* half a character: it is no object */
    if (!err) err = o->kind == OUTPUT_CUSTOM ? settle_custom(o, object) : settle_search(o, object);
    arena_fini(&arena);
    return err;
}
