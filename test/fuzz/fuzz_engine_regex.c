/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns, grammars and names of formats of any contents. The first byte chooses which and in how
 * much memory; behind a byte 0x1e stands what is walked along them. Whatever they are, all ends
 * within the limits, what is refused has a reason, what is taken is valid text, and an automaton
 * takes what its compiler's set takes. */
#include <stdint.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/utf8.h"
#include "engine/grammar/formats.h"
#include "engine/grammar/gbnf.h"
#include "engine/grammar/regex.h"
#include "limited.h"

enum { ROOM = 8 << 20, SMALL_ROOM = 64 << 10, WALK_MAX = 64 };

enum { AS_GBNF = 1, AS_FORMAT = 2, AS_JSON = 4, AS_WHOLE = 8, IN_SMALL_ROOM = 16 };

static void must(bool holds)
{
    if (!holds) abort();
}

static int compile(struct terms *t, unsigned how, struct str text, struct grammar_why *why,
                   term *out)
{
    enum chars_form form = how & AS_JSON ? CHARS_JSON : CHARS_PLAIN;
    if (how & AS_GBNF) return gbnf_term(t, text, why, out);
    if (how & AS_FORMAT) return format_term(t, text, why, out);
    return regex_term(t, text, how & AS_WHOLE, form, why, out);
}

static void check_refusal(int err, const struct grammar_why *why)
{
    must(err == ERR_UNSUPPORTED || err == ERR_SYNTAX || err == ERR_TOO_LARGE ||
         err == FORMAT_UNKNOWN);
    must(err == FORMAT_UNKNOWN || why->text.len > 0);
    must(utf8_valid(why->text));
}

/* The first byte that may come behind `given`, or `given`. */
static int choose(struct terms *t, term a, unsigned char given)
{
    for (unsigned i = 0; i < 256; i++) {
        unsigned char byte = (unsigned char)(given + i);
        if (term_next(t, a, byte) != TERM_NONE) return byte;
    }
    return -1;
}

/* Along the bytes of `path`, or the next ones that are possible. Nothing leads nowhere. */
static void walk(struct terms *t, term a, struct str path)
{
    char text[WALK_MAX];
    size_t len = 0;
    for (; len < MIN(path.len, WALK_MAX); len++) {
        int byte = choose(t, a, (unsigned char)path.ptr[len]);
        if (terms_failed(t)) return;
        must(byte >= 0 || term_may_end(t, a));
        if (byte < 0) break;
        must(term_forced(t, a) < 0 || term_forced(t, a) == byte);
        text[len] = (char)byte;
        a = term_next(t, a, (unsigned char)byte);
    }
    if (term_may_end(t, a)) must(utf8_valid(str_n(text, len)));
}

static void check_taken(struct terms *t, term root, struct str path)
{
    uint32_t rule;
    int err = terms_finish(t, root, &rule);
    must(!err || err == ERR_INVALID || err == ERR_TOO_LARGE);
    if (err || terms_root(t) == TERM_NONE) return;
    struct terms *automaton = limited_terms(ROOM);
    term a = terms_import(automaton, t);
    if (!terms_failed(automaton)) walk(automaton, a, path);
    terms_free(automaton);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct str path = str_n((const char *)data, size), text;
    if (!size) return 0;
    path = str_skip(path, 1);
    must(str_cut(&path, 0x1e, &text));
    arena_init(&arena, ROOM, 4096);
    struct grammar_why why = {.arena = &arena};
    struct terms *t = limited_terms(data[0] & IN_SMALL_ROOM ? SMALL_ROOM : ROOM);
    term root = TERM_NONE;
    int err = compile(t, data[0], text, &why, &root);
    if (err)
        check_refusal(err, &why);
    else
        check_taken(t, root, path);
    terms_free(t);
    arena_fini(&arena);
    return 0;
}
