/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of a Messages request. */
#include "dialect/anthropic/to_messages.h"

#include "base/err.h"
#include "dialect/anthropic/to_messages_priv.h"
#include "dialect/shapes.h"

enum { USER_MAX = 256 }; /* characters of a user's id */

/* --- fields without a counterpart --- */

/* null, false, 0, "", [] and {}. */
static bool says_nothing(const struct json *v)
{
    struct str text;
    bool truth;
    double number;
    if (json_to_str(v, &text)) return text.len == 0;
    if (json_to_bool(v, &truth)) return !truth;
    if (json_to_double(v, &number)) return number == 0;
    return json_count(v) == 0;
}

static bool is_never(const struct json *v UNUSED)
{
    return false;
}

static bool is_one(const struct json *v)
{
    double number;
    return json_to_double(v, &number) && number == 1;
}

/* The modalities ["text"]. */
static bool is_text_alone(const struct json *v)
{
    struct str text;
    return json_count(v) == 1 && json_to_str(json_at(v, 0), &text) && str_eq(text, STR("text"));
}

/* A word for what would be without it. */
static bool is_usual(const struct json *v)
{
    struct str text;
    return json_to_str(v, &text) && (str_eq(text, STR("auto")) || str_eq(text, STR("default")) ||
                                     str_eq(text, STR("medium")));
}

/* What changes an answer's meaning is refused, what only shades it is left out. Other fields than
 * these are left out without a word. */
static const struct field {
    const char *name;
    bool (*harmless)(const struct json *v); /* it asks for nothing, not null */
    bool refused;
} fields[] = {
    {"n", is_one, true},
    {"logprobs", says_nothing, true},
    {"top_logprobs", says_nothing, true},
    {"logit_bias", says_nothing, true},
    {"modalities", is_text_alone, true},
    {"audio", is_never, true},
    {"web_search_options", is_never, true},
    {"functions", says_nothing, true},
    {"seed", is_never, false},
    {"frequency_penalty", says_nothing, false},
    {"presence_penalty", says_nothing, false},
    {"repetition_penalty", is_one, false},
    {"min_p", says_nothing, false},
    {"prediction", is_never, false},
    {"verbosity", is_usual, false},
    {"service_tier", is_usual, false},
    {"store", says_nothing, false},
    {"metadata", says_nothing, false},
};

static int check_fields(struct to_messages *m)
{
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        const struct json *v = to_messages_get(m->chat, fields[i].name);
        if (!v || fields[i].harmless(v)) continue;
        if (fields[i].refused)
            return pivot_refuse(m->t, m->why, fields[i].name,
                                "'%s' is not available: this model's runtime has nothing like it.",
                                fields[i].name);
        pivot_drop(m->t, fields[i].name);
    }
    return shapes_refuse_own(m->t, m->chat, m->why);
}

/* --- fields that have one --- */

/* The JSON schema that the answer must have; NULL: none. *further: what the system is told for
 * want of one. */
static int read_format(struct to_messages *m, const struct json **schema, struct str *further)
{
    const struct json *format = to_messages_get(m->chat, "response_format");
    struct str type = json_str_or(format, "type", STR(""));
    if (!format || str_eq(type, STR("text"))) return 0;
    if (str_eq(type, STR("json_object"))) {
        *further = STR("Answer with one JSON object and nothing else.");
        pivot_drop(m->t, "response_format");
        return 0;
    }
    if (!str_eq(type, STR("json_schema")))
        return pivot_refuse(m->t, m->why, "response_format.type",
                            "'response_format' must be text, json_object or json_schema.");
    *schema = json_get(json_get(format, "json_schema"), "schema");
    if (json_type(*schema) == JSON_OBJECT) return 0;
    return pivot_refuse(m->t, m->why, "response_format.json_schema.schema",
                        "A response format needs a JSON schema.");
}

static bool has_letter(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.ptr[i] > ' ') return true;
    return false;
}

/* Anthropic does not stop at white space, and would refuse it. */
static int check_stop(struct to_messages *m, const struct json *stop)
{
    struct str text;
    if (!json_to_str(stop, &text))
        return pivot_refuse(m->t, m->why, "stop", "'stop' must be a string or a list of strings.");
    if (text.len == 0 || has_letter(text)) return 0;
    return pivot_refuse(m->t, m->why, "stop",
                        "This model's runtime cannot stop at white space alone.");
}

static void write_stop(struct json_writer *w, const struct json *stop)
{
    struct str text;
    if (json_to_str(stop, &text) && text.len) json_write_str(w, text);
}

static int write_stops(struct to_messages *m)
{
    const struct json *stop = to_messages_get(m->chat, "stop"), *one;
    bool list = json_type(stop) == JSON_ARRAY;
    int err = 0;
    if (!stop || says_nothing(stop)) return 0;
    for (struct json_iter it = {0}; !err && json_next_item(stop, &it, &one);)
        err = check_stop(m, one);
    if (!list) err = check_stop(m, stop);
    if (err) return err;
    json_write_key(m->w, "stop_sequences");
    json_write_array(m->w);
    for (struct json_iter it = {0}; json_next_item(stop, &it, &one);)
        write_stop(m->w, one);
    if (!list) write_stop(m->w, stop);
    json_write_array_end(m->w);
    return 0;
}

/* Longer ids are refused by Anthropic. */
static void write_user(struct to_messages *m)
{
    struct str user = json_str_or(m->chat, "user", STR(""));
    user = json_str_or(m->chat, "safety_identifier", user);
    if (user.len == 0) return;
    if (user.len > USER_MAX) {
        pivot_drop(m->t, "user");
        return;
    }
    json_write_key(m->w, "metadata");
    json_write_object(m->w);
    json_write_str_member(m->w, "user_id", user);
    json_write_object_end(m->w);
}

/* What only those requests have that are answered. */
static int write_answering(struct to_messages *m)
{
    int err = check_fields(m);
    if (!err) err = write_stops(m);
    write_user(m);
    if (json_bool_or(m->chat, "stream", false)) json_write_bool_member(m->w, "stream", true);
    return err;
}

int anthropic_from_pivot(struct translation *t, struct str model, const struct json *chat,
                         struct json_writer *out, struct refusal *why)
{
    struct to_messages m = {.t = t,
                            .w = out,
                            .why = why,
                            .model = model,
                            .chat = chat,
                            .messages = json_get(chat, "messages"),
                            .counting = t->sent == SURFACE_COUNT_MESSAGES,
                            .part = -1};
    const struct json *schema = NULL;
    struct str further = STR("");
    json_write_object(out);
    json_write_str_member(out, "model", model);
    int err = read_format(&m, &schema, &further);
    if (!err) err = anthropic__check_messages(&m);
    if (!err) err = anthropic__write_thinking(&m, schema);
    if (!err && !m.counting) err = write_answering(&m);
    if (!err) err = anthropic__write_tools(&m);
    if (!err) err = anthropic__write_turns(&m, further);
    if (err) return err;
    json_write_object_end(out);
    return 0;
}
