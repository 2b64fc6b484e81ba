/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/err.h"
#include "engine/chat/template_priv.h"

enum { PROBE_MEMORY = 4 * 1024 * 1024 };

#define USER "{\"role\":\"user\",\"content\":\"question\"}"
#define ANSWER "{\"role\":\"assistant\",\"content\":\"answer\"}"
#define CALL(arguments)                                                               \
    "{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[{\"id\":\"call00001\"," \
    "\"type\":\"function\",\"function\":{\"name\":\"tool_needle\",\"arguments\":" arguments "}}]}"

/* True when the rendering of a text of messages has `needle` in it, and `not` (or NULL) not. */
static bool shows(const struct chat_template *t, const char *text, const char *needle,
                  const char * not)
{
    struct jinja_output out;
    struct jinja_error why;
    struct chat chat = {0};
    struct arena arena;
    bool found = false, spoiled = false;
    const struct json *messages;
    arena_init(&arena, PROBE_MEMORY, 4096);
    if (json_parse(&arena, str_of(text), &messages, NULL) == 0 &&
        chat__render(t, &arena, &chat, messages, true, &out, &why) == 0) {
        for (size_t i = 0; i < out.count; i++) {
            found |= str_find(out.pieces[i].text, str_of(needle)) >= 0;
            spoiled |= not && str_find(out.pieces[i].text, str_of(not)) >= 0;
        }
    }
    arena_fini(&arena);
    return found && !spoiled;
}

void chat__probe(struct chat_template *t)
{
    struct chat_caps *c = &t->caps;
    c->text = shows(t, "[" USER "]", "question", NULL);
    c->parts =
        shows(t, "[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"question\"}]}]",
              "question", "'type'");
    /* One that fails with either is asked with the usual one, and says itself what it wants. */
    c->text |= !c->parts;
    c->system =
        shows(t, "[{\"role\":\"system\",\"content\":\"needle\"}," USER "]", "needle", NULL) ||
        shows(t,
              "[{\"role\":\"system\",\"content\":[{\"type\":\"text\",\"text\":\"needle\"}]}," USER
              "]",
              "needle", NULL);
    c->developer = jinja_mentions(t->chat, STR("developer"));
    bool object =
        shows(t, "[" USER "," CALL("{\"argument_needle\":\"x\"}") "]", "argument_needle", NULL);
    bool string = shows(t, "[" USER "," CALL("\"{\\\"argument_needle\\\": \\\"x\\\"}\"") "]",
                        "{\"argument_needle\"", NULL);
    c->tool_calls = object || string;
    c->objects = object || !string;
}
