/* SPDX-License-Identifier: Apache-2.0 */
/* Members of a request: reading them, and refusing them by where they stand. */
#include <stdarg.h>
#include <stdio.h>

#include "dialect/anthropic/request_priv.h"

/* --- refusals --- */

struct path {
    char text[160];
    size_t len;
};

static void add_name(struct path *p, const char *name, size_t index)
{
    char *to = p->text + p->len;
    size_t room = sizeof p->text - p->len;
    const char *dot = p->len ? "." : "";
    int n = index == NO_INDEX ? snprintf(to, room, "%s%s", dot, name)
                              : snprintf(to, room, "%s%s[%zu]", dot, name, index);
    p->len += MIN((size_t)MAX(n, 0), room - 1);
}

/* Places are few within each other: content of documents in results in content in messages. */
static void add_place(struct path *p, const struct place *at)
{
    if (!at) return;
    add_place(p, at->outer);
    add_name(p, at->name, at->index);
}

int anthropic__refuse(struct request *q, const struct place *at, const char *name, const char *fmt,
                      ...)
{
    struct path path = {.len = 0};
    char says[256];
    va_list args;
    add_place(&path, at);
    if (name) add_name(&path, name, NO_INDEX);
    va_start(args, fmt);
    (void)vsnprintf(says, sizeof says, fmt, args);
    va_end(args);
    return pivot_refuse(q->t, q->why, arena_say(q->t->arena, "%s", path.text).ptr, "'%s' %s.",
                        path.text, says);
}

/* --- reading --- */

bool anthropic__absent(const struct json *v)
{
    return json_type(v) == JSON_NONE || json_type(v) == JSON_NULL;
}

int anthropic__str(struct request *q, const struct place *at, const struct json *object,
                   const char *name, struct str *out)
{
    if (json_to_str(json_get(object, name), out)) return 0;
    return anthropic__refuse(q, at, name, "must be a string");
}

int anthropic__str_or(struct request *q, const struct place *at, const struct json *object,
                      const char *name, struct str *out)
{
    if (anthropic__absent(json_get(object, name))) return 0;
    return anthropic__str(q, at, object, name, out);
}

int anthropic__flag_or(struct request *q, const struct place *at, const struct json *object,
                       const char *name, bool *out)
{
    const struct json *v = json_get(object, name);
    if (anthropic__absent(v) || json_to_bool(v, out)) return 0;
    return anthropic__refuse(q, at, name, "must be true or false");
}

void anthropic__drop(struct request *q, const struct json *object, const char *const *names)
{
    for (; *names; names++)
        if (!anthropic__absent(json_get(object, *names))) pivot_drop(q->t, *names);
}
