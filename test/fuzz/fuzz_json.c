/* SPDX-License-Identifier: Apache-2.0 */
/* What json_parse read, the writer writes so that it reads the same again. */
#include <stdlib.h>

#include "base/buf.h"
#include "json/json.h"
#include "json/write.h"

#define CHECK(fact) ((fact) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_value(struct json_writer *w, const struct json *v);

static void write_number(struct json_writer *w, const struct json *v)
{
    int64_t whole;
    double real;
    if (json_to_i64(v, &whole))
        json_write_i64(w, whole);
    else if (json_to_double(v, &real))
        json_write_double(w, real);
    else
        json_write_null(w);
}

static void write_object(struct json_writer *w, const struct json *object)
{
    struct str name;
    const struct json *value;
    json_write_object(w);
    for (struct json_iter it = {0}; json_next_member(object, &it, &name, &value);) {
        json_write_key_str(w, name);
        write_value(w, value);
    }
    json_write_object_end(w);
}

static void write_array(struct json_writer *w, const struct json *array)
{
    const struct json *item;
    json_write_array(w);
    for (struct json_iter it = {0}; json_next_item(array, &it, &item);)
        write_value(w, item);
    json_write_array_end(w);
}

static void write_value(struct json_writer *w, const struct json *v)
{
    struct str text;
    bool flag = false;
    switch (json_type(v)) {
    case JSON_OBJECT: write_object(w, v); break;
    case JSON_ARRAY: write_array(w, v); break;
    case JSON_NUMBER: write_number(w, v); break;
    case JSON_STRING:
        CHECK(json_to_str(v, &text));
        json_write_str(w, text);
        break;
    case JSON_BOOL:
        CHECK(json_to_bool(v, &flag));
        json_write_bool(w, flag);
        break;
    case JSON_NULL: json_write_null(w); break;
    case JSON_NONE: abort();
    }
}

/* Parses `text` and writes it to out; false when it is refused. */
static bool rewrite(struct str text, struct buf *out)
{
    struct arena arena;
    arena_init(&arena, SIZE_MAX, 4096);
    const struct json *v;
    bool ok = json_parse(&arena, text, &v, NULL) == 0;
    if (ok) {
        struct json_writer w;
        json_write_init(&w, out);
        write_value(&w, v);
        CHECK(json_write_end(&w) == 0);
    }
    arena_fini(&arena);
    return ok;
}

/* Bytes that are no JSON are still a text that can be written as a string. */
static void check_string(struct str bytes, struct buf *out)
{
    struct json_writer w;
    json_write_init(&w, out);
    json_write_str(&w, bytes);
    CHECK(json_write_end(&w) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf once, twice;
    buf_init(&once, SIZE_MAX / 4);
    buf_init(&twice, SIZE_MAX / 4);
    struct str text = str_n((const char *)data, size);
    if (!rewrite(text, &once)) check_string(text, &once);
    CHECK(rewrite(buf_str(&once), &twice));
    CHECK(str_eq(buf_str(&once), buf_str(&twice)));
    buf_fini(&once);
    buf_fini(&twice);
    return 0;
}
