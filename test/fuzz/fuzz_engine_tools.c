/* SPDX-License-Identifier: Apache-2.0 */
/* Tools of any request: their grammar is compiled within its room, or refused with a reason, and what
 * it takes is read back as calls whose arguments are objects. The first byte chooses the family, the
 * second what is demanded. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "engine/grammar/call_term.h"
#include "engine/text/calls.h"
#include "engine/tools.h"
#include "limited.h"

enum { ROOM = 8 << 20, ARENA = 64 << 20, WALK_MAX = 600, WALKS = 4 };

static void must(bool holds)
{
    if (!holds) abort();
}

/* What is read, up to the present call's arguments. */
struct heard {
    struct arena *arena;
    struct buf arguments;
    unsigned calls;
};

static void end_call(struct heard *h)
{
    const struct json *v;
    if (!h->calls) return;
    must(json_parse(h->arena, buf_str(&h->arguments), &v, NULL) == 0);
    must(json_type(v) == JSON_OBJECT);
    buf_clear(&h->arguments);
}

static void hear(struct heard *h, const struct piece *p)
{
    must(p->kind == PIECE_CALL || (p->kind == PIECE_ARGUMENTS && h->calls));
    if (p->kind == PIECE_CALL) {
        end_call(h);
        h->calls++;
    } else {
        must(buf_append(&h->arguments, p->text) == 0);
    }
}

static void read_back(struct arena *arena, const struct call_demand *demand,
                      const struct tools *tools, struct str text)
{
    const struct call_marks marks = {.format = demand->format};
    const struct calls_spec spec = {.marks = &marks,
                                    .tools = tools->called,
                                    .tool_count = tools->count,
                                    .begun = demand->begun};
    struct heard h = {.arena = arena};
    struct calls c;
    buf_init(&h.arguments, ARENA);
    calls_init(&c, &spec);
    for (bool more = true; more; text = STR("")) {
        struct pieces pieces = {.count = 0};
        more = calls_feed(&c, text, true, &pieces);
        for (unsigned i = 0; i < pieces.count; i++)
            hear(&h, &pieces.all[i]);
    }
    end_call(&h);
    must(h.calls >= 1 && (!demand->single || h.calls == 1) && h.calls <= CALLS_MUST_MAX);
    calls_fini(&c);
    buf_fini(&h.arguments);
}

static uint32_t next_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33);
}

/* A byte that may come next; -1: none may. */
static int pick(struct terms *t, term state, uint64_t *seed)
{
    unsigned char all[256];
    unsigned count = 0;
    for (unsigned b = 0; b < 256; b++)
        if (term_next(t, state, (unsigned char)b) != TERM_NONE) all[count++] = (unsigned char)b;
    return count ? all[next_random(seed) % count] : -1;
}

/* A text of the root's; false: it did not come to an end. */
static bool walk(struct terms *t, term root, uint64_t *seed, char room[WALK_MAX], size_t *len)
{
    term state = root;
    int byte;
    for (*len = 0; *len < WALK_MAX; state = term_next(t, state, (unsigned char)byte)) {
        if (term_may_end(t, state) && next_random(seed) % 3 == 0) return true;
        byte = pick(t, state, seed);
        if (byte < 0) return term_may_end(t, state);
        room[(*len)++] = (char)byte;
    }
    return false;
}

static void check_texts(struct arena *arena, const struct call_demand *demand,
                        const struct tools *tools, struct terms *from)
{
    char room[WALK_MAX];
    size_t len;
    uint64_t seed = tools->count;
    struct terms *t = limited_terms(ROOM);
    term root = terms_import(t, from);
    for (unsigned i = 0; i < WALKS && root != TERM_NONE; i++) {
        bool whole = walk(t, root, &seed, room, &len);
        if (whole && demand->must && !terms_failed(t))
            read_back(arena, demand, tools, str_n(room, len));
    }
    terms_free(t);
}

static void check_grammar(struct arena *arena, const struct call_demand *demand,
                          const struct tools *tools)
{
    struct grammar_why why = {.arena = arena};
    struct terms *t = limited_terms(ROOM);
    term root = TERM_NONE;
    int err = call_term(t, demand, &why, &root);
    must(err != ERR_UNSUPPORTED || why.text.len);
    if (!err) err = terms_finish(t, root, NULL);
    if (!err) check_texts(arena, demand, tools, t);
    terms_free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct refusal error;
    struct fields f;
    struct tools tools;
    if (size < 2) return 0;
    arena_init(&arena, ARENA, 4096);
    int err = fields_begin(&f, &arena, str_n((const char *)data + 2, size - 2), 1000, &error);
    if (!err) err = tools_read(&f, &tools);
    if (!err && tools.count) {
        const struct call_demand demand = {.format = &call_formats[data[0] % call_format_count],
                                           .tools = tools.all,
                                           .count = tools.count,
                                           .must = data[1] & 1,
                                           .single = data[1] & 2,
                                           .begun = data[1] & 4};
        check_grammar(&arena, &demand, &tools);
    }
    arena_fini(&arena);
    return 0;
}
