/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/err.h"
#include "engine/chat/template_priv.h"

enum { PROBE_MEMORY = 4 * 1024 * 1024, PROBE_US = 50 * 1000 };

#define USER "{\"role\":\"user\",\"content\":\"question\"}"
#define ANSWER "{\"role\":\"assistant\",\"content\":\"answer\"}"
#define CALL(content, arguments)                                                             \
    "{\"role\":\"assistant\",\"content\":" content ",\"tool_calls\":[{\"id\":\"call00001\"," \
    "\"type\":\"function\",\"function\":{\"name\":\"tool_needle\",\"arguments\":" arguments "}}]}"
#define RESULT \
    "{\"role\":\"tool\",\"content\":\"result\",\"name\":\"tool_needle\",\"tool_call_id\":\"call00001\"}"
#define OBJECT "{\"argument_needle\":\"x\"}"
#define STRING "\"{\\\"argument_needle\\\": \\\"x\\\"}\""
/* The call at the end, and in the middle: some templates write only one of them. */
#define CALLS(content, arguments)               \
    {"[" USER "," CALL(content, arguments) "]", \
     "[" USER "," CALL(content, arguments) "," RESULT "," ANSWER "," USER "]"}

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
        chat__render(t, &arena, &chat, messages, true, PROBE_US, &out, &why) == 0) {
        for (size_t i = 0; i < out.count; i++) {
            found |= str_find(out.pieces[i].text, str_of(needle)) >= 0;
            spoiled |= not && str_find(out.pieces[i].text, str_of(not)) >= 0;
        }
    }
    arena_fini(&arena);
    return found && !spoiled;
}

static bool shows_call(const struct chat_template *t, const char *const texts[2],
                       const char *needle)
{
    return shows(t, texts[0], needle, NULL) || shows(t, texts[1], needle, NULL);
}

static void probe_calls(struct chat_template *t)
{
    static const char *const objects[2][2] = {CALLS("\"\"", OBJECT), CALLS("null", OBJECT)};
    static const char *const strings[2][2] = {CALLS("\"\"", STRING), CALLS("null", STRING)};
    struct chat_caps *c = &t->caps;
    for (unsigned null = 0; null < 2 && !c->tool_calls; null++) {
        bool object = shows_call(t, objects[null], "argument_needle");
        bool string = shows_call(t, strings[null], "{\"argument_needle\"");
        c->tool_calls = object || string;
        c->objects = object || !string;
        c->null_calls = null && c->tool_calls;
    }
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
    probe_calls(t);
}
