/* SPDX-License-Identifier: Apache-2.0 */
/* Chats of any messages: what is rendered has the control tokens of the template and no others, one
 * to open and one to close each turn. The first byte chooses the template. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "engine/body.h"
#include "engine/model/fake.h"
#include "engine/prompt.h"

enum { ROOM = 1 << 20 };

static const struct {
    const char *script;
    int32_t open, close;
} kinds[] = {
    {"fake:template plain", FAKE_OPEN, FAKE_CLOSE},
    {"fake:template trims", FAKE_TURN, FAKE_LINE},
    {"fake:template thinks", FAKE_OPEN, FAKE_CLOSE},
    {"fake:template users", FAKE_OPEN, FAKE_CLOSE},
};

static struct model *models[ARRAY_LEN(kinds)];
static struct chat_template *templates[ARRAY_LEN(kinds)];

static void must(bool holds)
{
    if (!holds) abort();
}

static void load(unsigned kind)
{
    const struct model_options model = {.path = kinds[kind].script, .slots = 1, .batch = 32};
    const struct chat_template_options options = {.source = NULL};
    char why[CHAT_WHY_MAX];
    if (models[kind]) return;
    must(!model_load(&model, &models[kind], why));
    must(!chat_template_new(&options, model_info(models[kind]), model_vocab(models[kind]),
                            &templates[kind], why));
}

static size_t times(const struct prompt *p, int32_t token)
{
    size_t n = 0;
    for (size_t i = 0; i < p->count; i++)
        n += p->tokens[i] == token;
    return n;
}

static bool is_role(const struct json *message, const char *role)
{
    return str_eq(json_str_or(message, "role", STR_NULL), str_of(role));
}

/* Messages as the templates get them, which know nothing of tools: these are listed in the system's,
 * and what several of them answered in a row is one with what the user says behind it. */
static size_t turns(const struct chat *chat)
{
    const struct json *first = json_at(chat->messages, 0), *message;
    bool has_system = is_role(first, "system") || is_role(first, "developer");
    size_t n = chat->tools && !has_system;
    bool results = false;
    struct json_iter it = {0};
    while (json_next_item(chat->messages, &it, &message)) {
        bool result = is_role(message, "tool"), user = is_role(message, "user");
        n += !(results && (result || user));
        results = result;
    }
    return n;
}

static void check(unsigned kind, const struct chat *chat, struct prompt *p)
{
    int err = 0;
    while (!err && (err = prompt_step(p)) == PROMPT_MORE)
        err = 0;
    must(!err || err == ERR_TOO_LARGE);
    if (err) return;
    size_t open = times(p, kinds[kind].open), close = times(p, kinds[kind].close);
    size_t messages = turns(chat);
    must(times(p, FAKE_BOS) == 1 && times(p, FAKE_END) == 0);
    must(open <= messages + 1 && close <= messages && open - close <= 1);
    if (kind != 3) must(close == messages - chat->goes_on);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct refusal error;
    struct str model;
    struct chat chat;
    struct chat_prompt rendered;
    struct prompt p;
    if (!size) return 0;
    unsigned kind = data[0] % ARRAY_LEN(kinds);
    load(kind);
    arena_init(&arena, 64 << 20, 4096);
    int err =
        body_read_template(&arena, str_n((const char *)data + 1, size - 1), &model, &chat, &error);
    if (!err) err = chat_render(templates[kind], &arena, &chat, &rendered, &error);
    if (!err)
        err = prompt_of_parts(&p, &arena, model_vocab(models[kind]), rendered.parts, rendered.count,
                              ROOM);
    if (!err) check(kind, &chat, &p);
    arena_fini(&arena);
    return 0;
}
