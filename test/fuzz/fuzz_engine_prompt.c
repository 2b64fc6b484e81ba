/* SPDX-License-Identifier: Apache-2.0 */
/* Prompts of parts: own parts are a template's turns, the others anything; the tokens are those that
 * the template's text and the contents, taken as text, are known to have. The first byte chooses the
 * turns; a byte 0x1e ends a content. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/model/fake.h"
#include "engine/prompt.h"

enum { CONTENTS_MAX = 8, ROOM = 1 << 20 };

static struct model *model;

static void must(bool holds)
{
    if (!holds) abort();
}

struct expected {
    int32_t *tokens;
    size_t count;
};

static void expect(struct expected *e, int32_t token)
{
    e->tokens[e->count++] = token;
}

/* A name that is read in every text is one token, unless the template uses it. */
static void expect_text(struct expected *e, struct str text, bool reads)
{
    while (text.len) {
        bool name = reads && str_starts(text, STR("<turn>"));
        expect(e, name ? FAKE_TURN : (unsigned char)text.ptr[0]);
        text = str_skip(text, name ? 6 : 1);
    }
}

/* A turn is: its opening, a content, its end. */
struct turn {
    struct prompt_part open, close;
    int32_t open_token, close_token;
    bool reads; /* contents' <turn> is a token, since the turns do without it */
};

static const struct turn turns[] = {
    {{STR_INIT("<|im_start|>user\n"), true, -1},
     {STR_INIT("<|im_end|>"), true, -1},
     FAKE_OPEN,
     FAKE_CLOSE,
     true},
    {{STR_INIT("<turn>user\n"), true, -1},
     {STR_INIT("<turn>"), true, -1},
     FAKE_TURN,
     FAKE_TURN,
     false},
};

static size_t put_together(const struct turn *turn, struct str rest, struct expected *e,
                           struct prompt_part *parts)
{
    size_t n = 0;
    struct str content;
    expect(e, FAKE_BOS);
    while (n < 3 * CONTENTS_MAX && str_cut(&rest, 0x1e, &content)) {
        parts[n++] = turn->open;
        parts[n++] = (struct prompt_part){content, false, -1};
        parts[n++] = turn->close;
        expect(e, turn->open_token);
        expect_text(e, STR("user\n"), false);
        expect_text(e, content, turn->reads);
        expect(e, turn->close_token);
    }
    return n;
}

/* White space behind <|n|> goes with it, which the expectation does not know. */
static bool is_simple(struct str text)
{
    return str_find(text, STR("<|n|>")) < 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct model_options options = {.path = "fake:mode echo", .slots = 1, .batch = 32};
    struct prompt_part parts[3 * CONTENTS_MAX];
    char why[MODEL_WHY_MAX];
    struct arena arena;
    struct prompt p;
    if (!model) must(!model_load(&options, &model, why));
    if (!size || !is_simple(str_n((const char *)data + 1, size - 1))) return 0;
    arena_init(&arena, 64 << 20, 4096);
    struct expected e = {arena_alloc(&arena, (size + 16 * CONTENTS_MAX) * sizeof *e.tokens), 0};
    size_t count =
        put_together(&turns[data[0] & 1], str_n((const char *)data + 1, size - 1), &e, parts);
    int err = prompt_of_parts(&p, &arena, model_vocab(model), parts, count, ROOM);
    while (!err && (err = prompt_step(&p)) == PROMPT_MORE)
        err = 0;
    must(!err && p.count == e.count);
    must(memcmp(p.tokens, e.tokens, e.count * sizeof *e.tokens) == 0);
    arena_fini(&arena);
    return 0;
}
