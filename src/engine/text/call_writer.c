/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/text/call_writer.h"

#include "json/write.h"

/* The first failure stays, and nothing is written behind it. */
struct writer {
    const struct call_format *format;
    struct buf *out;
    int err;
};

static void put(struct writer *w, struct str text)
{
    if (!w->err) w->err = buf_append(w->out, text);
}

/* A line end, where the family has its marks on lines of their own. */
static void end_line(struct writer *w)
{
    if (w->format->lines) put(w, STR("\n"));
}

static void put_json(struct writer *w, const struct json *v)
{
    struct json_writer j;
    if (w->err) return;
    json_write_init(&j, w->out);
    json_write_json(&j, v);
    w->err = json_write_end(&j);
}

static void put_arguments(struct writer *w, const struct json *arguments)
{
    if (json_type(arguments) == JSON_OBJECT)
        put_json(w, arguments);
    else
        put(w, STR("{}"));
}

static void put_name(struct writer *w, struct str name)
{
    if (!w->err) w->err = json_escape(w->out, name);
}

static void put_object(struct writer *w, const struct call_said *call)
{
    put(w, STR("{\""));
    put(w, w->format->name_key);
    put(w, STR("\": \""));
    put_name(w, call->name);
    put(w, STR("\", \""));
    put(w, w->format->arguments_key);
    put(w, STR("\": "));
    put_arguments(w, call->arguments);
    put(w, STR("}"));
}

/* --- parameters --- */

static void put_value(struct writer *w, const struct json *v)
{
    struct str text;
    if (json_to_str(v, &text))
        put(w, text);
    else
        put_json(w, v);
}

static void put_parameters(struct writer *w, const struct json *arguments)
{
    const struct call_format *f = w->format;
    struct json_iter it = {0};
    const struct json *v;
    struct str key;
    while (json_next_member(arguments, &it, &key, &v)) {
        put(w, f->key_open);
        put(w, key);
        put(w, f->key_close);
        end_line(w);
        put(w, f->value_open);
        put_value(w, v);
        if (!f->value_open.len) end_line(w);
        put(w, f->value_close);
        end_line(w);
    }
}

/* --- calls --- */

static void put_named(struct writer *w, const struct call_said *call)
{
    const struct call_format *f = w->format;
    put(w, call->name);
    put(w, f->filler);
    put(w, f->behind_name);
    if (f->shape == CALL_TAGGED) {
        end_line(w);
        put_parameters(w, call->arguments);
        return;
    }
    if (f->lines || !f->behind_name.len) put(w, STR("\n"));
    put_arguments(w, call->arguments);
    end_line(w);
}

/* NAME(KEY=VALUE, ...); values as JSON, which is nearly Python. */
static void put_python(struct writer *w, const struct call_said *call)
{
    struct json_iter it = {0};
    const struct json *v;
    struct str key;
    const char *before = "";
    put(w, call->name);
    put(w, STR("("));
    for (; json_next_member(call->arguments, &it, &key, &v); before = ", ") {
        put(w, str_of(before));
        put(w, key);
        put(w, STR("="));
        put_json(w, v);
    }
    put(w, STR(")"));
}

static void put_list(struct writer *w, const struct call_said *calls, size_t count)
{
    put(w, STR("["));
    for (size_t i = 0; i < count; i++) {
        if (i) put(w, STR(", "));
        if (w->format->shape == CALL_PYTHON)
            put_python(w, &calls[i]);
        else
            put_object(w, &calls[i]);
    }
    put(w, STR("]"));
}

/* One call, or a list of them, between the marks. */
static void put_marked(struct writer *w, const struct call_said *calls, size_t count)
{
    const struct call_format *f = w->format;
    put(w, f->open);
    if (f->shape != CALL_NAMED) end_line(w);
    put(w, f->lead);
    if (f->shape == CALL_LIST || f->shape == CALL_PYTHON)
        put_list(w, calls, count);
    else if (f->shape == CALL_OBJECT)
        put_object(w, calls);
    else
        put_named(w, calls);
    if (f->shape == CALL_OBJECT) end_line(w);
    put(w, f->tail);
    if (f->tail.len) end_line(w);
    put(w, f->close);
}

int calls_write(const struct call_format *f, struct buf *out, const struct call_said *calls,
                size_t count)
{
    struct writer w = {.format = f, .out = out};
    bool lists = f->shape == CALL_LIST || f->shape == CALL_PYTHON;
    size_t each = lists ? count : 1;
    for (size_t i = 0; i < count; i += each) {
        if (i) put(&w, STR("\n"));
        put_marked(&w, calls + i, each);
    }
    return w.err;
}
