/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/rand.h"
#include "engine/chat/template_priv.h"
#include "engine/chat/tool_text.h"
#include "engine/refuse.h"

enum {
    VARIABLES_MAX = 48,
    KWARGS_MAX = 32,
    OUTPUT_MAX = 64 * 1024 * 1024,
    RENDER_US = 1000 * 1000
};

/* --- variables --- */

struct variables {
    struct jinja_variable all[VARIABLES_MAX];
    size_t count;
};

static void set(struct variables *v, struct jinja_variable new)
{
    for (size_t i = 0; i < v->count; i++) {
        if (!str_eq(v->all[i].name, new.name)) continue;
        v->all[i] = new;
        return;
    }
    assert(v->count < VARIABLES_MAX);
    v->all[v->count++] = new;
}

static void set_json(struct variables *v, struct str name, const struct json *value)
{
    if (value) set(v, (struct jinja_variable){.name = name, .kind = JINJA_JSON, .json = value});
}

static void set_own(struct variables *v, struct str name, struct str text)
{
    set(v, (struct jinja_variable){.name = name, .kind = JINJA_OWN, .text = text});
}

static void set_bool(struct variables *v, struct str name, bool value)
{
    set(v, (struct jinja_variable){.name = name, .kind = JINJA_BOOL, .value = value});
}

/* Both names that templates have for it. */
static void set_thinking(struct variables *v, const struct chat *chat)
{
    bool thinks = true;
    bool said = json_to_bool(chat->thinking, &thinks);
    struct str effort;
    if (!said && !json_to_str(chat->effort, &effort)) return;
    if (!said) thinks = !str_eq(effort, STR("none"));
    set_bool(v, STR("enable_thinking"), thinks);
    set_bool(v, STR("thinking"), thinks);
}

static void set_kwargs(struct variables *v, const struct json *kwargs)
{
    struct json_iter it = {0};
    const struct json *value;
    struct str name;
    for (size_t i = 0; i < KWARGS_MAX && json_next_member(kwargs, &it, &name, &value); i++)
        set_json(v, name, value);
}

static bool has_calls(const struct json *messages)
{
    struct json_iter it = {0};
    const struct json *message;
    while (json_next_item(messages, &it, &message))
        if (json_count(json_get(message, "tool_calls"))) return true;
    return false;
}

int chat__render(const struct chat_template *t, struct arena *arena, const struct chat *chat,
                 const struct json *messages, bool new_turn, uint64_t time_us,
                 struct jinja_output *out, struct jinja_error *why)
{
    const struct jinja_limits limits = {.steps = 4000000, .output = OUTPUT_MAX, .time_us = time_us};
    struct variables v = {.count = 0};
    set_own(&v, STR("bos_token"), t->bos);
    set_own(&v, STR("eos_token"), t->eos);
    set_thinking(&v, chat);
    set_json(&v, STR("reasoning_effort"), chat->effort);
    set_kwargs(&v, chat->kwargs);
    set_json(&v, STR("messages"), messages);
    set_json(&v, STR("tools"), chat->tools);
    set_json(&v, STR("xml_tools"), chat->tools);
    set_json(&v, STR("documents"), chat->documents);
    set_bool(&v, STR("add_generation_prompt"), new_turn);
    bool tools = t->tools && (chat->tools || has_calls(messages));
    const struct jinja *jinja = tools ? t->tools : t->chat;
    int64_t now = (int64_t)(clock_wall_us() / USEC_PER_SEC);
    return jinja_render(jinja, arena, v.all, v.count, now, &limits, out, why);
}

/* --- prompts --- */

static int take_pieces(struct arena *arena, const struct jinja_output *rendered,
                       struct chat_prompt *out)
{
    *out = (struct chat_prompt){.count = rendered->count, .bytes = rendered->bytes};
    out->parts = arena_try(arena, (rendered->count + 1) * sizeof *out->parts);
    if (!out->parts) return ERR_TOO_LARGE;
    for (size_t i = 0; i < rendered->count; i++)
        out->parts[i] = (struct prompt_part){rendered->pieces[i].text, rendered->pieces[i].own, -1};
    return 0;
}

/* Where `text` begins for the last time; -1: nowhere. */
static ptrdiff_t find_last(struct str in, struct str text)
{
    if (!text.len) return -1;
    for (size_t at = in.len < text.len ? 0 : in.len - text.len + 1; at-- > 0;)
        if (in.ptr[at] == text.ptr[0] && str_starts(str_skip(in, at), text)) return (ptrdiff_t)at;
    return -1;
}

/* Cuts a prompt where the mark stands in it. False: it is not there. */
static bool cut_at(struct chat_prompt *p, struct str mark)
{
    for (size_t i = p->count; i-- > 0;) {
        struct prompt_part *part = &p->parts[i];
        ptrdiff_t at = part->own ? -1 : find_last(part->text, mark);
        if (at < 0) continue;
        part->text = str_sub(part->text, 0, (size_t)at);
        p->count = i + (at > 0);
        p->bytes = 0;
        for (size_t k = 0; k < p->count; k++)
            p->bytes += p->parts[k].text.len;
        return true;
    }
    return false;
}

/* True when thoughts begin in a text and do not end in it. */
static bool opens_thoughts(struct str text, const struct reasoning_markers *m)
{
    return find_last(text, m->start) > find_last(text, m->end);
}

/* The same of a prompt's end. An answer's own beginning may do it, what others said may not. */
static bool ends_thinking(const struct chat_prompt *p, const struct reasoning_markers *m,
                          struct str beginning)
{
    if (!m->start.ptr) return false;
    if (opens_thoughts(beginning, m)) return true;
    if (find_last(beginning, m->end) >= 0) return false;
    for (size_t i = p->count; i-- > 0;) {
        struct str text = p->parts[i].text;
        bool marked = find_last(text, m->start) >= 0 || find_last(text, m->end) >= 0;
        if (p->parts[i].own && marked) return opens_thoughts(text, m);
        if (!p->parts[i].own && !beginning.len && str_trim(text).len) return false;
    }
    return false;
}

/* True when the template itself ends with a text. */
static bool ends_with(const struct chat_prompt *p, struct str text)
{
    const struct prompt_part *last = p->count ? &p->parts[p->count - 1] : NULL;
    if (!last || !last->own || last->text.len < text.len) return false;
    return str_eq(str_skip(last->text, last->text.len - text.len), text);
}

static int refuse(const struct chat_template *t, struct arena *arena, int err,
                  const struct jinja_error *why, struct refusal *error)
{
    if (err == ERR_TOO_LARGE || err == ERR_TIMEOUT)
        return refuse_field(arena, error, "messages", NULL,
                            "The chat template needs more %s for these messages than it may have.",
                            err == ERR_TIMEOUT ? "time" : "steps or memory");
    if (err == ERR_DEPTH && !why->text[0])
        return refuse_field(arena, error, "messages", NULL, "'messages' is nested too deeply.");
    if (why->raised)
        return refuse_field(arena, error, "messages", "template_refused",
                            "The model's chat template refuses these messages: %s", why->text);
    return refuse_field(arena, error, "messages", "template_failed",
                        "The chat template (%s) fails in line %u, column %u: %s.", t->name,
                        why->line, why->column, why->text);
}

static int check_kwargs(const struct chat *chat, struct arena *arena, struct refusal *error)
{
    static const char *const own[] = {"messages",  "tools",    "documents", "add_generation_prompt",
                                      "bos_token", "eos_token"};
    if (json_count(chat->kwargs) > KWARGS_MAX)
        return refuse_field(arena, error, "chat_template_kwargs", NULL,
                            "'chat_template_kwargs' may have at most %d members.", KWARGS_MAX);
    for (size_t i = 0; i < ARRAY_LEN(own); i++)
        if (json_get(chat->kwargs, own[i]))
            return refuse_field(arena, error, "chat_template_kwargs", NULL,
                                "'chat_template_kwargs' must not have '%s'.", own[i]);
    return 0;
}

/* Nothing that is asked for is left out in silence. */
static int check_places(const struct chat_template *t, const struct chat *chat, struct arena *arena,
                        struct refusal *error)
{
    if (!chat->documents || jinja_mentions(t->chat, STR("documents"))) return 0;
    return refuse_field(arena, error, "documents", "unsupported_parameter",
                        "The model's chat template has no place for documents.");
}

/* What no message has. */
static struct str new_mark(struct arena *arena)
{
    uint64_t bits[2];
    rand_bytes(bits, sizeof bits);
    return arena_printf(arena, "(%016llx%016llx)", (unsigned long long)bits[0],
                        (unsigned long long)bits[1]);
}

/* What the template can do with this chat. One whose way to call nobody here can read must not ask
 * for it. */
static struct chat_caps caps_for(const struct chat_template *t, const struct chat *chat)
{
    struct chat_caps caps = t->caps;
    if (t->calls_are_strange && chat->tools) caps.tools = caps.results = caps.tool_calls = false;
    return caps;
}

/* The messages in the template's shape, and whether it gets the tools, too. */
static int shape_messages(const struct chat_template *t, struct arena *arena, struct chat *chat,
                          struct str mark)
{
    struct chat_caps caps = caps_for(t, chat);
    int err = tool_text_messages(arena, chat->messages, chat->tools, &caps, t->calls.format,
                                 &chat->messages);
    if (!err) err = chat_messages(arena, chat->messages, mark, &caps, &chat->messages);
    if (!caps.tools) chat->tools = NULL;
    return err;
}

/* Where the last message is the answer's beginning, the prompt ends with it. Templates close a turn,
 * so a mark behind its content shows where that is, and the rest is cut off. */
static int render(const struct chat_template *t, struct arena *arena, const struct chat *chat,
                  struct chat_prompt *out, struct jinja_error *why)
{
    struct str mark = chat->goes_on ? new_mark(arena) : STR_NULL;
    bool new_turn = chat->new_turn && !chat->goes_on;
    struct jinja_output rendered;
    struct chat shaped = *chat;
    int err = shape_messages(t, arena, &shaped, mark);
    if (!err)
        err = chat__render(t, arena, &shaped, shaped.messages, new_turn, RENDER_US, &rendered, why);
    if (!err) err = take_pieces(arena, &rendered, out);
    if (err || !chat->goes_on || cut_at(out, mark)) return err;
    (void)snprintf(why->text, sizeof why->text, "it leaves the last message out");
    why->raised = true;
    return ERR_INVALID;
}

int chat_render(const struct chat_template *t, struct arena *arena, const struct chat *chat,
                struct chat_prompt *out, struct refusal *error)
{
    struct jinja_error why = {0};
    if (t->why[0])
        return refuse_field(arena, error, "messages", "template_failed",
                            "The model's chat template cannot be used: %s. Set another one with "
                            "'template'.",
                            t->why);
    int err = check_kwargs(chat, arena, error);
    if (err) return err;
    err = render(t, arena, chat, out, &why);
    if (err) return refuse(t, arena, err, &why, error);
    const struct json *last = json_at(chat->messages, json_count(chat->messages) - 1);
    struct str beginning = chat->goes_on ? chat_content(arena, last) : STR("");
    out->thinks = ends_thinking(out, &t->markers, beginning);
    out->calls = ends_with(out, t->calls.format->open);
    return check_places(t, chat, arena, error);
}
