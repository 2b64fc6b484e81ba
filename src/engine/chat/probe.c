/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "engine/chat/template_priv.h"
#include "engine/text/calls.h"

enum { PROBE_MEMORY = 4 * 1024 * 1024, PROBE_US = 50 * 1000 };

#define USER "{\"role\":\"user\",\"content\":\"question\"}"
#define ANSWER "{\"role\":\"assistant\",\"content\":\"answer\"}"
#define CALL(content, arguments)                                                             \
    "{\"role\":\"assistant\",\"content\":" content ",\"tool_calls\":[{\"id\":\"call00001\"," \
    "\"type\":\"function\",\"function\":{\"name\":\"tool_needle\",\"arguments\":" arguments "}}]}"
#define RESULT                                                                   \
    "{\"role\":\"tool\",\"content\":\"result_needle\",\"name\":\"tool_needle\"," \
    "\"tool_call_id\":\"call00001\"}"
#define OBJECT "{\"argument_needle\":\"x\"}"
#define STRING "\"{\\\"argument_needle\\\": \\\"x\\\"}\""
#define TOOLS                                                                   \
    "[{\"type\":\"function\",\"function\":{\"name\":\"tool_needle\","           \
    "\"description\":\"d\",\"parameters\":{\"type\":\"object\",\"properties\":" \
    "{\"property_needle\":{\"type\":\"string\",\"description\":\"d\"}}}}}]"
/* The call at the end, and in the middle: some templates write only one of them. */
#define CALLS(content, arguments)               \
    {"[" USER "," CALL(content, arguments) "]", \
     "[" USER "," CALL(content, arguments) "," RESULT "," ANSWER "," USER "]"}

/* One way to write a message that calls: its content, and its arguments. */
static const struct {
    bool null, object;
    const char *texts[2];
} call_ways[] = {
    {false, true, CALLS("\"\"", OBJECT)},
    {false, false, CALLS("\"\"", STRING)},
    {true, true, CALLS("null", OBJECT)},
    {true, false, CALLS("null", STRING)},
};

/* The one that a template takes. */
static size_t way_of(const struct chat_caps *c)
{
    size_t first = c->null_calls ? 2 : 0;
    return c->objects ? first : first + 1;
}

/* What a text of messages becomes, on the arena; empty when it cannot be rendered. */
static struct str rendered(const struct chat_template *t, struct arena *arena, const char *text,
                           const char *tools)
{
    struct jinja_output out;
    struct jinja_error why;
    struct chat chat = {.tools = NULL};
    const struct json *messages;
    struct str all = STR("");
    if (json_parse(arena, str_of(text), &messages, NULL)) return all;
    if (tools && json_parse(arena, str_of(tools), &chat.tools, NULL)) return all;
    if (chat__render(t, arena, &chat, messages, true, PROBE_US, &out, &why)) return all;
    char *at = arena_try(arena, out.bytes + 1);
    if (!at) return all;
    all = str_n(at, out.bytes);
    for (size_t i = 0; i < out.count; i++) {
        struct str piece = out.pieces[i].text;
        if (piece.len) memcpy(at, piece.ptr, piece.len);
        at += piece.len;
    }
    return all;
}

/* True when the rendering of a text of messages has `needle` in it, and `spoiler` (or NULL)
 * not. */
static bool shows(const struct chat_template *t, const char *text, const char *tools,
                  const char *needle, const char *spoiler)
{
    struct arena arena;
    arena_init(&arena, PROBE_MEMORY, 4096);
    struct str all = rendered(t, &arena, text, tools);
    bool spoiled = spoiler && str_find(all, str_of(spoiler)) >= 0;
    bool found = str_find(all, str_of(needle)) >= 0 && !spoiled;
    arena_fini(&arena);
    return found;
}

/* A template that is for tools is asked with some. */
static const char *tools_for_calls(const struct chat_template *t)
{
    return t->tools ? TOOLS : NULL;
}

static bool shows_call(const struct chat_template *t, const char *const texts[2],
                       const char *needle)
{
    const char *tools = tools_for_calls(t);
    return shows(t, texts[0], tools, needle, NULL) || shows(t, texts[1], tools, needle, NULL);
}

/* A template that writes any message takes the role as it is; it must know it. */
static bool knows_results(struct str source)
{
    return str_find(source, STR("'tool'")) >= 0 || str_find(source, STR("\"tool\"")) >= 0;
}

static void probe_calls(struct chat_template *t, struct str source)
{
    struct chat_caps *c = &t->caps;
    for (size_t i = 0; i < ARRAY_LEN(call_ways) && !c->tool_calls; i += 2) {
        bool object = shows_call(t, call_ways[i].texts, "argument_needle");
        bool string = shows_call(t, call_ways[i + 1].texts, "{\"argument_needle\"");
        c->tool_calls = object || string;
        c->objects = object || !string;
        c->null_calls = call_ways[i].null && c->tool_calls;
    }
    c->tools = shows(t, "[" USER "]", TOOLS, "property_needle", NULL);
    c->results =
        knows_results(source) && shows_call(t, call_ways[way_of(c)].texts, "result_needle");
}

/* --- how the model writes calls --- */

static const struct str needles[] = {STR_INIT("argument_needle")};
static const struct call_tool needle_tool = {STR_INIT("tool_needle"), needles, 1};

/* True when a family's reader finds the call in a text. */
static bool reads_call(const struct call_format *format, struct str text)
{
    const struct call_marks marks = {.format = format};
    const struct calls_spec spec = {.marks = &marks, .tools = &needle_tool, .tool_count = 1};
    struct calls c;
    bool more = true, called = false, found = false;
    calls_init(&c, &spec);
    while (more) {
        struct pieces pieces = {.count = 0};
        more = calls_feed(&c, text, true, &pieces);
        text = STR("");
        for (unsigned i = 0; i < pieces.count; i++) {
            const struct piece *p = &pieces.all[i];
            called |= p->kind == PIECE_CALL;
            found |= p->kind == PIECE_ARGUMENTS && str_find(p->text, needles[0]) >= 0;
        }
    }
    calls_fini(&c);
    return called && found;
}

/* What a rendering has behind the prompt for the answer: there is where calls without a mark are. */
static struct str answer_in(const struct chat_template *t, struct arena *arena, struct str text)
{
    struct str prompt = rendered(t, arena, "[" USER "]", tools_for_calls(t));
    return prompt.len && str_starts(text, prompt) ? str_skip(text, prompt.len) : STR("");
}

static const struct call_format *format_of_calls(const struct chat_template *t,
                                                 const char *messages)
{
    const struct call_format *found = NULL;
    struct arena arena;
    arena_init(&arena, PROBE_MEMORY, 4096);
    struct str text = rendered(t, &arena, messages, tools_for_calls(t));
    for (size_t i = 0; i < call_format_count && !found; i++) {
        const struct call_format *f = &call_formats[i];
        if (reads_call(f, f->bare ? answer_in(t, &arena, text) : text)) found = f;
    }
    arena_fini(&arena);
    return found;
}

static const struct call_format *format_of_sign(struct str source)
{
    for (size_t i = 0; i < call_format_count; i++) {
        const struct call_format *f = &call_formats[i];
        if (f->sign.len && str_find(source, f->sign) >= 0) return f;
    }
    return NULL;
}

/* By a call that the template writes; by what it says, where it writes none. */
static const struct call_format *format_of(const struct chat_template *t, struct str source)
{
    if (!t->caps.tool_calls) return format_of_sign(source);
    const char *const *texts = call_ways[way_of(&t->caps)].texts;
    const struct call_format *f = format_of_calls(t, texts[0]);
    return f ? f : format_of_calls(t, texts[1]);
}

static void probe_format(struct chat_template *t, struct str source)
{
    const struct call_format *f = format_of(t, source);
    bool knows_tools = t->caps.tools || t->caps.tool_calls;
    t->calls.format = f ? f : call_format_generic();
    t->calls_are_strange = !f && knows_tools;
    t->caps.short_ids = t->calls.format->short_ids;
}

static void add_controls(struct call_marks *m, struct str mark, const struct vocab *vocab)
{
    while (mark.len && m->control_count < CALL_CONTROLS_MAX) {
        const struct vocab_special *s = vocab_special_at(vocab, mark);
        if (s && s->control) m->controls[m->control_count++] = s->token;
        mark = str_skip(mark, s ? s->name.len : 1);
    }
}

static void find_controls(struct call_marks *m, const struct vocab *vocab)
{
    const struct call_format *f = m->format;
    const struct str marks[] = {f->open,     f->lead,      f->filler,     f->behind_name,
                                f->key_open, f->key_close, f->value_open, f->value_close,
                                f->tail,     f->close};
    for (size_t i = 0; i < ARRAY_LEN(marks); i++)
        add_controls(m, marks[i], vocab);
    for (size_t i = 0; i < CALL_NOISE_MAX; i++)
        add_controls(m, f->noise[i], vocab);
}

void chat__probe(struct chat_template *t, struct str source)
{
    struct chat_caps *c = &t->caps;
    c->text = shows(t, "[" USER "]", NULL, "question", NULL);
    c->parts =
        shows(t, "[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"question\"}]}]",
              NULL, "question", "'type'");
    /* One that fails with either is asked with the usual one, and says itself what it wants. */
    c->text |= !c->parts;
    c->system =
        shows(t, "[{\"role\":\"system\",\"content\":\"needle\"}," USER "]", NULL, "needle", NULL) ||
        shows(t,
              "[{\"role\":\"system\",\"content\":[{\"type\":\"text\",\"text\":\"needle\"}]}," USER
              "]",
              NULL, "needle", NULL);
    c->developer = jinja_mentions(t->chat, STR("developer"));
    probe_calls(t, source);
    probe_format(t, source);
    find_controls(&t->calls, t->vocab);
}
