/* SPDX-License-Identifier: Apache-2.0 */
/* How much is thought, answered and left to chance: what Anthropic takes of these depends on each
 * other, and on the model. */
#include "dialect/anthropic/to_messages_priv.h"

#include "base/err.h"
#include "dialect/anthropic/claude.h"

enum {
    ANSWER_TOKENS = 4096,  /* max_tokens where a client gives none; thoughts come on top */
    THOUGHT_TOKENS = 8192, /* for those of a model that thinks unasked */
    BUDGET_MIN = 1024,     /* Anthropic's */
};

/* --- thinking --- */

enum mode {
    THINKING_UNSAID,
    THINKING_OFF,
    THINKING_ADAPTIVE,
    THINKING_BUDGET,
    THINKING_GIVEN, /* as the client wrote it in `thinking`, which Anthropic's own chat takes */
};

struct thinking {
    struct claude claude;
    enum mode mode;
    struct str effort;  /* of output_config; empty: none */
    int64_t room;       /* tokens for thoughts */
    int64_t max_tokens; /* as the client gave it; 0: not */
};

static bool thinks(const struct thinking *th, const struct json *given)
{
    if (th->mode == THINKING_GIVEN)
        return !str_eq(json_str_or(given, "type", STR("")), STR("disabled"));
    return th->mode == THINKING_ADAPTIVE || th->mode == THINKING_BUDGET;
}

static const struct level {
    struct str word;
    int64_t room; /* 0: nothing is thought */
} levels[] = {
    {STR_INIT("none"), 0},      {STR_INIT("minimal"), 0},  {STR_INIT("low"), 1024},
    {STR_INIT("medium"), 8192}, {STR_INIT("high"), 24576}, {STR_INIT("xhigh"), 24576},
    {STR_INIT("max"), 24576},
};

static const struct level *level_of(struct str word)
{
    for (size_t i = 0; i < ARRAY_LEN(levels); i++)
        if (str_eq(word, levels[i].word)) return &levels[i];
    return NULL;
}

static void stop_thinking(struct to_messages *m, struct thinking *th)
{
    th->room = 0;
    th->mode = THINKING_OFF;
    if (!th->claude.always_thinks) return;
    th->mode = THINKING_UNSAID;
    th->effort = STR("low");
    pivot_drop(m->t, "reasoning_effort");
}

static void think_as_asked(struct to_messages *m, struct thinking *th, const struct level *level)
{
    if (level->room == 0) {
        stop_thinking(m, th);
        return;
    }
    th->room = level->room;
    th->mode = th->claude.adaptive ? THINKING_ADAPTIVE : THINKING_BUDGET;
    if (!th->claude.adaptive) return;
    bool lacks = str_eq(level->word, STR("xhigh")) && !th->claude.xhigh;
    th->effort = lacks ? STR("high") : level->word;
}

static int read_effort(struct to_messages *m, struct thinking *th)
{
    const struct json *effort = to_messages_get(m->chat, "reasoning_effort");
    const struct json *given = to_messages_get(m->chat, "thinking");
    struct str word = STR("");
    (void)json_to_str(effort, &word);
    const struct level *level = level_of(word);
    th->room = th->claude.thinks ? THOUGHT_TOKENS : 0;
    if (effort && !level)
        return pivot_refuse(m->t, m->why, "reasoning_effort",
                            "'reasoning_effort' must be none, minimal, low, medium, high, xhigh or "
                            "max.");
    if (json_type(given) == JSON_OBJECT) {
        th->mode = THINKING_GIVEN;
        th->room = MAX(json_i64_or(given, "budget_tokens", th->room), 0);
    } else if (level) {
        think_as_asked(m, th, level);
    }
    return 0;
}

/* A tool that must be called and thoughts exclude each other; the tool is what the client needs. */
static void give_way_to_tool(struct to_messages *m, struct thinking *th)
{
    if (th->mode == THINKING_GIVEN || !anthropic__forces_tool(m->chat)) return;
    if (thinks(th, NULL)) pivot_drop(m->t, "reasoning_effort");
    if (th->claude.always_thinks) {
        th->mode = THINKING_UNSAID;
        return;
    }
    th->mode = th->claude.thinks ? THINKING_OFF : THINKING_UNSAID;
    th->room = 0;
}

/* A budget must be below max_tokens, which has the answer in it, too. */
static void fit_budget(struct to_messages *m, struct thinking *th)
{
    if (th->mode != THINKING_BUDGET || th->max_tokens == 0 || th->max_tokens > th->room) return;
    th->room = th->max_tokens / 2;
    if (th->room >= BUDGET_MIN) return;
    th->mode = THINKING_UNSAID;
    pivot_drop(m->t, "reasoning_effort");
}

static int read_max_tokens(struct to_messages *m, struct thinking *th)
{
    static const char *const names[] = {"max_completion_tokens", "max_tokens"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const struct json *v = to_messages_get(m->chat, names[i]);
        if (!v) continue;
        if (json_to_i64(v, &th->max_tokens) && th->max_tokens > 0) return 0;
        return pivot_refuse(m->t, m->why, names[i], "'%s' must be a number above 0.", names[i]);
    }
    return 0;
}

static void write_thinking(struct to_messages *m, const struct thinking *th)
{
    /* older ones do not think unless told, and some do not know the word */
    bool needless = th->mode == THINKING_OFF && th->claude.known && !th->claude.thinks;
    if (th->mode == THINKING_UNSAID || needless) return;
    json_write_key(m->w, "thinking");
    if (th->mode == THINKING_GIVEN) {
        json_write_json(m->w, json_get(m->chat, "thinking"));
        return;
    }
    static const char *const types[] = {[THINKING_OFF] = "disabled",
                                        [THINKING_ADAPTIVE] = "adaptive",
                                        [THINKING_BUDGET] = "enabled"};
    json_write_object(m->w);
    json_write_str_member(m->w, "type", str_of(types[th->mode]));
    if (th->mode == THINKING_BUDGET) json_write_i64_member(m->w, "budget_tokens", th->room);
    json_write_object_end(m->w);
}

static void write_config(struct to_messages *m, const struct thinking *th,
                         const struct json *schema)
{
    if (th->effort.len == 0 && !schema) return;
    json_write_key(m->w, "output_config");
    json_write_object(m->w);
    if (th->effort.len) json_write_str_member(m->w, "effort", th->effort);
    if (schema) {
        json_write_key(m->w, "format");
        json_write_object(m->w);
        json_write_str_member(m->w, "type", STR("json_schema"));
        json_write_key(m->w, "schema");
        json_write_json(m->w, schema);
        json_write_object_end(m->w);
    }
    json_write_object_end(m->w);
}

/* --- sampling --- */

/* A number within [least, most]; *out stays as it was where there is none. */
static int read_number(struct to_messages *m, const char *name, double least, double most,
                       double *out)
{
    const struct json *v = to_messages_get(m->chat, name);
    if (!v || (json_to_double(v, out) && *out >= least && *out <= most)) return 0;
    return pivot_refuse(m->t, m->why, name, "'%s' must be a number from %g to %g.", name, least,
                        most);
}

/* Writes the client's number, or drops it where the model takes none such. */
static void write_number(struct to_messages *m, const char *name, bool takes)
{
    if (!takes) {
        pivot_drop(m->t, name);
        return;
    }
    json_write_key(m->w, name);
    json_write_json(m->w, json_get(m->chat, name));
}

/* What is as it would be without is left out: newer models refuse to be told. */
static int write_sampling(struct to_messages *m, bool keeps, bool thinking)
{
    double temperature = 1, top_p = 1, top_k = 0;
    int err = read_number(m, "temperature", 0, 2, &temperature);
    if (!err) err = read_number(m, "top_p", 0, 1, &top_p);
    if (!err) err = read_number(m, "top_k", -1, 1e9, &top_k);
    if (err) return err;
    bool warm = keeps && !thinking && temperature < 1; /* above 1 is 1 */
    if (temperature != 1) write_number(m, "temperature", warm);
    if (top_p != 1) write_number(m, "top_p", keeps && !warm && (!thinking || top_p >= 0.95));
    if (top_k > 0) write_number(m, "top_k", keeps && !thinking);
    return 0;
}

/* --- both --- */

int anthropic__write_thinking(struct to_messages *m, const struct json *schema)
{
    struct thinking th = {.claude = claude_of(m->model)};
    int err = read_max_tokens(m, &th);
    if (!err) err = read_effort(m, &th);
    if (err) return err;
    give_way_to_tool(m, &th);
    fit_budget(m, &th);
    write_thinking(m, &th);
    write_config(m, &th, schema);
    if (m->counting) return 0;
    json_write_i64_member(m->w, "max_tokens",
                          th.max_tokens ? th.max_tokens
                                        : ANSWER_TOKENS + MIN(th.room, INT64_MAX / 2));
    return write_sampling(m, th.claude.keeps_sampling, thinks(&th, json_get(m->chat, "thinking")));
}
