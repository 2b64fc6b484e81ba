/* SPDX-License-Identifier: Apache-2.0 */
/* Members of a request, and their refusal. */
#include "base/err.h"
#include "dialect/ollama/ollama_priv.h"

bool ollama__absent(const struct json *v)
{
    return json_type(v) == JSON_NONE || json_type(v) == JSON_NULL;
}

int ollama__refuse(struct ollama__request *r, int message, const char *name, const char *should)
{
    const char *path =
        message < 0 ? name : arena_say(r->t->arena, "messages[%d].%s", message, name).ptr;
    return pivot_refuse(r->t, r->why, path, "'%s' must be %s.", path, should);
}

int ollama__text(struct ollama__request *r, const struct json *object, int message,
                 const char *name, struct str *out)
{
    const struct json *v = json_get(object, name);
    if (ollama__absent(v) || json_to_str(v, out)) return 0;
    return ollama__refuse(r, message, name, "a string");
}

int ollama__flag(struct ollama__request *r, const char *name, bool *out)
{
    const struct json *v = json_get(r->body, name);
    if (ollama__absent(v) || json_to_bool(v, out)) return 0;
    return ollama__refuse(r, OLLAMA__OUTERMOST, name, "true or false");
}
