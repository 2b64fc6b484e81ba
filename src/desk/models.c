/* SPDX-License-Identifier: Apache-2.0 */
/* The models that a key may use, as OpenAI lists them, or as Anthropic does for its clients. */
#include "desk/desk.h"
#include "dialect/anthropic/write.h"
#include "dialect/openai/write.h"

static bool is_anthropic(const struct exchange *x)
{
    return x->match.dialect == &dialect_anthropic;
}

static void write_model(const struct exchange *x, struct json_writer *w,
                        const struct service_name *name)
{
    struct model_card card = service_card(name->service);
    if (is_anthropic(x)) {
        anthropic_write_model(w, name->id, name->service->created_s, &card);
        return;
    }
    openai_begin_model(w, name->id, name->service->created_s, STR("hostler"));
    card_write(w, &card);
    json_write_object_end(w);
}

static void begin_list(const struct exchange *x, struct json_writer *w)
{
    if (is_anthropic(x)) {
        anthropic_begin_models(w);
        return;
    }
    json_write_object(w);
    json_write_str_member(w, "object", STR("list"));
    json_write_key(w, "data");
    json_write_array(w);
}

static void end_list(const struct exchange *x, struct json_writer *w, struct str first,
                     struct str last)
{
    if (is_anthropic(x)) {
        anthropic_end_models(w, first, last);
        return;
    }
    json_write_array_end(w);
    json_write_object_end(w);
}

static enum step list_models(struct exchange *x)
{
    size_t count;
    const struct service_name *names = snapshot_names(x->snapshot, &count);
    struct str first = STR_NULL, last = STR_NULL;
    struct desk_page p;
    desk_page_init(&p);
    begin_list(x, &p.w);
    for (size_t i = 0; i < count; i++) {
        if (!exchange_may_ask(x, names[i].id, names[i].service)) continue;
        write_model(x, &p.w, &names[i]);
        if (!first.ptr) first = names[i].id;
        last = names[i].id;
    }
    end_list(x, &p.w, first, last);
    return desk_page_reply(x, 200, &p);
}

static enum step show_model(struct exchange *x)
{
    size_t count;
    const struct service_name *names = snapshot_names(x->snapshot, &count);
    for (size_t i = 0; i < count; i++) {
        if (!str_eq(names[i].id, x->match.arg) ||
            !exchange_may_ask(x, names[i].id, names[i].service))
            continue;
        struct desk_page p;
        desk_page_init(&p);
        write_model(x, &p.w, &names[i]);
        return desk_page_reply(x, 200, &p);
    }
    x->ask.model = x->match.arg;
    return exchange_refuse(
        x, OUTCOME_NOT_FOUND,
        &(struct refusal){.status = 404,
                          .message =
                              arena_say(x->call->arena, "The model '%" STR_FMT "' does not exist.",
                                        STR_ARG(str_sub(x->match.arg, 0, 200))),
                          .param = "model",
                          .code = "model_not_found"},
        0);
}

const struct handler desk_models = {.step = list_models};
const struct handler desk_model = {.step = show_model};
