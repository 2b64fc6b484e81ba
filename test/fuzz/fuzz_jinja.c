/* SPDX-License-Identifier: Apache-2.0 */
/* Templates of any contents, over data of any contents: the bytes before the first 0x1e are the
 * template, those behind it JSON. Whatever they are, compiling and rendering end within their
 * limits, and what is rendered is in order: pieces that are not empty, of origins that change, and
 * nothing of the template's own that it does not have. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "jinja/jinja.h"

#define CHECK(fact) ((fact) ? (void)0 : abort())

enum { OUTPUT_MAX = 1 << 16, MEMORY_MAX = 16 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The byte 0x1f is in none of the template's texts, nor can an escape make it. */
static bool lacks_marker(struct str source)
{
    return str_find_char(source, 0x1f) < 0 && str_find_char(source, '\\') < 0 &&
           str_find(source, STR("&#")) < 0;
}

static void check_output(const struct jinja_output *out, bool marked)
{
    size_t bytes = 0;
    for (size_t i = 0; i < out->count; i++) {
        CHECK(out->pieces[i].text.len > 0);
        CHECK(i == 0 || out->pieces[i].own != out->pieces[i - 1].own);
        CHECK(!marked || !out->pieces[i].own || str_find_char(out->pieces[i].text, 0x1f) < 0);
        bytes += out->pieces[i].text.len;
    }
    CHECK(bytes == out->bytes && bytes <= OUTPUT_MAX);
}

static void check_error(int err, const struct jinja_error *why)
{
    CHECK(err < 0 && why->text[0] && why->line >= 1 && why->column >= 1);
    CHECK(memchr(why->text, 0, sizeof why->text));
}

static void render(const struct jinja *t, struct str json, bool marked)
{
    struct arena arena;
    const struct json *doc = NULL;
    struct jinja_output out;
    struct jinja_error why;
    const struct jinja_limits limits = {.steps = 20000, .output = OUTPUT_MAX, .time_us = 5000000};
    arena_init(&arena, MEMORY_MAX, 4096);
    int err = json_parse(&arena, json, &doc, NULL);
    const struct jinja_variable variables[] = {
        {.name = STR("messages"), .kind = JINJA_JSON, .json = err ? NULL : doc},
        {.name = STR("x"), .kind = JINJA_JSON, .json = err ? NULL : json_at(doc, 0)},
        {.name = STR("bos_token"), .kind = JINJA_OWN, .text = STR("<s>")},
        {.name = STR("add_generation_prompt"), .kind = JINJA_BOOL, .value = true},
    };
    err = jinja_render(t, &arena, variables, ARRAY_LEN(variables), 1753142400, &limits, &out, &why);
    if (err)
        check_error(err, &why);
    else
        check_output(&out, marked);
    arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct jinja *t;
    struct jinja_error why;
    struct str all = str_n((const char *)data, size), source;
    if (!str_cut(&all, 0x1e, &source)) return 0;
    int err = jinja_compile(source, &t, &why);
    if (err) {
        check_error(err, &why);
        return 0;
    }
    render(t, all.ptr ? all : STR("[]"), lacks_marker(source));
    jinja_free(t);
    return 0;
}
