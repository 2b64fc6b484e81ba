/* SPDX-License-Identifier: Apache-2.0 */
/* JSON schemas: a schema, a zero byte, and what chooses the bytes of a text that it takes. It compiles,
 * or says why not; whatever text is taken is JSON. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "engine/grammar/schema.h"
#include "limited.h"

enum { ROOM = 16 << 20, TEXT_MAX = 400 };

static void must(bool holds)
{
    if (!holds) abort();
}

/* The first byte from `wanted` on that may come next; -1: none. */
static int choose(struct terms *t, term *at, unsigned char wanted)
{
    for (unsigned i = 0; i < 256; i++) {
        term next = term_next(t, *at, (unsigned char)(wanted + i));
        if (next == TERM_NONE) continue;
        *at = next;
        return (unsigned char)(wanted + i);
    }
    return -1;
}

static void check_text(struct arena *arena, struct str text)
{
    const struct json *v;
    int err = json_parse(arena, text, &v, NULL);
    must(err == 0 || err == ERR_DEPTH || err == ERR_TOO_LARGE);
}

static void walk(struct arena *arena, struct terms *t, term at, struct str choices)
{
    char text[TEXT_MAX];
    size_t len = 0;
    for (int byte = 0; byte >= 0 && len < TEXT_MAX && !terms_failed(t); len += byte >= 0) {
        if (term_may_end(t, at)) check_text(arena, str_n(text, len));
        unsigned char wanted = len < choices.len ? (unsigned char)choices.ptr[len] : '"';
        byte = choose(t, &at, wanted);
        if (byte < 0) must(term_may_end(t, at) || terms_failed(t));
        if (byte >= 0) text[len] = (char)byte;
    }
}

static void check_compiled(struct arena *arena, struct terms *compiled, struct str choices)
{
    struct terms *t = limited_terms(ROOM);
    term root = terms_import(t, compiled);
    if (root != TERM_NONE) walk(arena, t, root, choices);
    terms_free(t);
}

static void check_schema(struct arena *arena, const struct json *schema, struct str choices)
{
    static const struct schema_options options = {.spaces = true};
    struct grammar_why why = {.arena = arena};
    struct terms *t = limited_terms(ROOM);
    term root = TERM_NONE;
    int err = schema_term(t, schema, &options, &why, &root);
    bool refused = err == ERR_UNSUPPORTED || err == ERR_SYNTAX || err == ERR_TOO_LARGE;
    must(err == 0 || (refused && why.text.len));
    if (!err) err = terms_finish(t, root, NULL);
    must(err != ERR_INVALID);
    if (!err) check_compiled(arena, t, choices);
    terms_free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    const struct json *schema;
    struct str all = str_n((const char *)data, size);
    ptrdiff_t zero = str_find_char(all, '\0');
    struct str text = zero < 0 ? all : str_n(all.ptr, (size_t)zero);
    struct str choices = zero < 0 ? STR("") : str_skip(all, (size_t)zero + 1);
    arena_init(&arena, 1 << 24, 1 << 12);
    if (!json_parse(&arena, text, &schema, NULL)) check_schema(&arena, schema, choices);
    arena_fini(&arena);
    return 0;
}
