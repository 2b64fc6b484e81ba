/* SPDX-License-Identifier: Apache-2.0 */
/* Names, and what is answered where the model was not asked. */
#include "dialect/ollama/purpose.h"

#include "base/clock.h"

struct str ollama_name(struct str name)
{
    static const struct str tag = STR_INIT(":latest");
    return name.len > tag.len && str_ends(name, tag) ? str_n(name.ptr, name.len - tag.len) : name;
}

static void write_list(struct json_writer *w, const char *name)
{
    json_write_key(w, name);
    json_write_array(w);
    json_write_array_end(w);
}

static void write_message(struct json_writer *w)
{
    json_write_key(w, "message");
    json_write_object(w);
    json_write_str_member(w, "role", STR("assistant"));
    json_write_str_member(w, "content", STR(""));
    json_write_object_end(w);
}

static void write_done(struct json_writer *w, const struct ask *ask, uint64_t now_us)
{
    char time[CLOCK_RFC3339_SIZE];
    clock_rfc3339(now_us, time);
    json_write_str_member(w, "model", ask->model);
    json_write_str_member(w, "created_at", str_of(time));
    if (ask->surface == SURFACE_OLLAMA_CHAT)
        write_message(w);
    else
        json_write_str_member(w, "response", STR(""));
    json_write_bool_member(w, "done", true);
    json_write_str_member(w, "done_reason",
                          ask->purpose == ASK_UNLOAD ? STR("unload") : STR("load"));
}

void ollama_write_purpose(struct json_writer *w, const struct ask *ask, uint64_t now_us)
{
    json_write_object(w);
    if (ask->surface == SURFACE_OLLAMA_EMBEDDINGS) {
        write_list(w, "embedding");
    } else if (ask->surface == SURFACE_OLLAMA_EMBED) {
        json_write_str_member(w, "model", ask->model);
        write_list(w, "embeddings");
    } else {
        write_done(w, ask, now_us);
    }
    json_write_object_end(w);
}
