/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "dialect/anthropic/write.h"

void anthropic_begin_models(struct json_writer *w)
{
    json_write_object(w);
    json_write_key(w, "data");
    json_write_array(w);
}

/* To the second, as Anthropic has it. */
static struct str time_of(uint64_t created_s, char room[CLOCK_RFC3339_SIZE])
{
    enum { TO_SECONDS = sizeof "2026-11-21T02:15:56" - 1 };
    clock_rfc3339(created_s * USEC_PER_SEC, room);
    room[TO_SECONDS] = 'Z';
    return str_n(room, TO_SECONDS + 1);
}

void anthropic_write_model(struct json_writer *w, struct str id, uint64_t created_s)
{
    char room[CLOCK_RFC3339_SIZE];
    json_write_object(w);
    json_write_str_member(w, "type", STR("model"));
    json_write_str_member(w, "id", id);
    json_write_str_member(w, "display_name", id);
    json_write_str_member(w, "created_at", time_of(created_s, room));
    json_write_str_member(w, "lifecycle", STR("active"));
    json_write_object_end(w);
}

static void write_id(struct json_writer *w, const char *name, struct str id)
{
    if (id.ptr)
        json_write_str_member(w, name, id);
    else
        json_write_null_member(w, name);
}

void anthropic_end_models(struct json_writer *w, struct str first, struct str last)
{
    json_write_array_end(w);
    json_write_bool_member(w, "has_more", false);
    write_id(w, "first_id", first);
    write_id(w, "last_id", last);
    json_write_object_end(w);
}
