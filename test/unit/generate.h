/* SPDX-License-Identifier: Apache-2.0 */
/* What tests make up by chance: texts and JSON with all that is awkward in them, the same for the
 * same seed. */
#ifndef HOSTLER_TEST_UNIT_GENERATE_H
#define HOSTLER_TEST_UNIT_GENERATE_H

#include "base/arena.h"
#include "base/rand.h"
#include "json/json.h"
#include "json/write.h"

struct generate {
    struct rng rng;
    struct arena arena; /* for what is made */
};

static inline void generate_begin(struct generate *g, uint64_t seed)
{
    rng_seed(&g->rng, seed);
    arena_init(&g->arena, SIZE_MAX, 4096);
}

static inline void generate_end(struct generate *g)
{
    arena_fini(&g->arena);
}

/* 0 ... n-1. */
static inline unsigned generate_below(struct generate *g, unsigned n)
{
    return (unsigned)rng_below(&g->rng, n);
}

/* True once in n times. */
static inline bool generate_once_in(struct generate *g, unsigned n)
{
    return generate_below(g, n) == 0;
}

/* A text that is not blank. */
static inline struct str generate_text(struct generate *g)
{
    static const char *const pieces[] = {
        "a",   "word ",  "\xc3\xa9", "\xe6\xbc\xa2", "\xf0\x9f\x98\x80", "\"",
        "\\",  "\n",     "\t",       "\x01",         "\xe2\x80\xa8",     "</system>",
        "{}",  "[DONE]", " ",        "data:",        "\xef\xbf\xbd",     "\\u0041",
        "\\n", "'%s",    "\x7f"};
    struct str text = STR("x");
    for (unsigned n = generate_below(g, 12); n > 0; n--)
        text = arena_printf(&g->arena, "%" STR_FMT "%s", STR_ARG(text),
                            pieces[generate_below(g, ARRAY_LEN(pieces))]);
    return text;
}

/* A value with arrays and objects up to `depth` deep. */
static inline void generate_value(struct generate *g, struct json_writer *w, unsigned depth)
{
    unsigned items = generate_below(g, 4);
    switch (generate_below(g, depth ? 7 : 5)) {
    case 0: json_write_str(w, generate_text(g)); return;
    case 1: json_write_i64(w, (int64_t)generate_below(g, 2000) - 1000); return;
    case 2: json_write_double(w, (double)generate_below(g, 1000) / 8); return;
    case 3: json_write_bool(w, generate_once_in(g, 2)); return;
    case 4: json_write_null(w); return;
    case 5:
        json_write_array(w);
        while (items-- > 0)
            generate_value(g, w, depth - 1);
        json_write_array_end(w);
        return;
    default:
        json_write_object(w);
        for (; items > 0; items--) {
            json_write_key_str(w, arena_printf(&g->arena, "k%u", items));
            generate_value(g, w, depth - 1);
        }
        json_write_object_end(w);
        return;
    }
}

/* The text of an object; now and then "{}". */
static inline struct str generate_object(struct generate *g)
{
    struct buf out;
    struct json_writer w;
    buf_init(&out, 1 << 20);
    json_write_init(&w, &out);
    json_write_object(&w);
    for (unsigned n = generate_below(g, 4); n > 0; n--) {
        json_write_key_str(&w, arena_printf(&g->arena, "a%u", n));
        generate_value(g, &w, 3);
    }
    json_write_object_end(&w);
    if (json_write_end(&w)) abort();
    struct str text = arena_dup(&g->arena, buf_str(&out));
    buf_fini(&out);
    return text;
}

/* A piece of *rest by chance, which is cut off it; characters stay whole. */
static inline struct str generate_piece(struct generate *g, struct str *rest)
{
    size_t n = generate_below(g, 8) + 1;
    n = MIN(n, rest->len);
    while (n < rest->len && ((unsigned char)rest->ptr[n] & 0xc0) == 0x80)
        n++;
    struct str piece = str_n(rest->ptr, n);
    *rest = str_skip(*rest, n);
    return piece;
}

#endif
