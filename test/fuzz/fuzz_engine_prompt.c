/* SPDX-License-Identifier: Apache-2.0 */
/* Chats of any contents: the tokens are those that the template's text and the contents, taken as
 * text, are known to have. The first byte chooses the template and whether the last message goes
 * on; a byte 0x1e ends a content. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/model/fake.h"
#include "engine/prompt.h"

enum { MESSAGES_MAX = 8, ROOM = 1 << 20 };

static struct model *models[2];

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

static struct str trimmed(struct str s, bool right)
{
    while (s.len && s.ptr[0] && strchr(" \t\n\v\f\r", s.ptr[0]))
        s = str_skip(s, 1);
    while (right && s.len && s.ptr[s.len - 1] && strchr(" \t\n\v\f\r", s.ptr[s.len - 1]))
        s.len--;
    return s;
}

static void expect_chat(struct expected *e, const struct prompt_message *all, size_t count,
                        bool trims, bool goes_on)
{
    expect(e, FAKE_BOS);
    for (size_t i = 0; i < count; i++) {
        bool last = goes_on && i == count - 1;
        expect(e, trims ? FAKE_TURN : FAKE_OPEN);
        expect_text(e, STR("user\n"), false);
        expect_text(e, trims ? trimmed(all[i].content, !last) : all[i].content, !trims);
        if (last) return;
        expect(e, trims ? FAKE_LINE : FAKE_CLOSE);
        if (!trims) expect(e, '\n');
    }
    expect(e, trims ? FAKE_TURN : FAKE_OPEN);
    expect_text(e, STR("assistant\n"), false);
}

static size_t split(struct str rest, struct prompt_message *all)
{
    size_t count = 0;
    struct str content;
    while (count < MESSAGES_MAX && str_cut(&rest, 0x1e, &content))
        all[count++] = (struct prompt_message){"user", content};
    return count;
}

static void load(void)
{
    static const char *const scripts[] = {"fake:mode echo", "fake:mode echo;template trims"};
    char why[MODEL_WHY_MAX];
    for (unsigned i = 0; i < 2; i++) {
        const struct model_options options = {.path = scripts[i], .slots = 1, .batch = 32};
        if (!models[i]) must(!model_load(&options, &models[i], why));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct prompt_message all[MESSAGES_MAX];
    struct arena arena;
    struct prompt p;
    if (!size || memchr(data + 1, 0, size - 1)) return 0;
    load();
    bool trims = data[0] & 1, goes_on = data[0] & 2;
    size_t count = split(str_n((const char *)data + 1, size - 1), all);
    if (!count) return 0;
    arena_init(&arena, 64 << 20, 4096);
    struct expected e = {arena_alloc(&arena, (size + 32 * MESSAGES_MAX) * sizeof *e.tokens), 0};
    expect_chat(&e, all, count, trims, goes_on);
    int err = prompt_of_chat(&p, &arena, models[trims], all, count, goes_on, ROOM);
    while (!err && (err = prompt_step(&p)) == PROMPT_MORE)
        err = 0;
    must(!err && p.count == e.count);
    must(memcmp(p.tokens, e.tokens, e.count * sizeof *e.tokens) == 0);
    arena_fini(&arena);
    return 0;
}
