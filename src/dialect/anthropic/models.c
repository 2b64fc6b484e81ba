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

#define SUPPORTED "{\"supported\":true}"
#define THINKS \
    "{\"supported\":true,\"types\":{\"adaptive\":" SUPPORTED ",\"enabled\":" SUPPORTED "}}"

static void write_capability(struct json_writer *w, bool there, const char *name, struct str value)
{
    if (!there) return;
    json_write_key(w, name);
    json_write_raw(w, value);
}

/* By Anthropic's names, of what is there: what else a model can do is not known, so nothing is said
 * not to be supported. */
static void write_capabilities(struct json_writer *w, const struct model_card *card)
{
    bool images = card->input & CARD_BIT(IMAGE), files = card->input & CARD_BIT(FILE);
    bool thinks = card->capabilities & CARD_BIT(THINKING);
    if (!images && !files && !thinks) return;
    json_write_key(w, "capabilities");
    json_write_object(w);
    write_capability(w, images, "image_input", STR(SUPPORTED));
    write_capability(w, files, "pdf_input", STR(SUPPORTED));
    write_capability(w, thinks, "thinking", STR(THINKS));
    json_write_object_end(w);
}

void anthropic_write_model(struct json_writer *w, struct str id, uint64_t created_s,
                           const struct model_card *card)
{
    char room[CLOCK_RFC3339_SIZE];
    json_write_object(w);
    json_write_str_member(w, "type", STR("model"));
    json_write_str_member(w, "id", id);
    json_write_str_member(w, "display_name", id);
    json_write_str_member(w, "created_at", time_of(created_s, room));
    json_write_str_member(w, "lifecycle", STR("active"));
    if (card->context) json_write_u64_member(w, "max_input_tokens", card->context);
    write_capabilities(w, card);
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
