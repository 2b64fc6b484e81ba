/* SPDX-License-Identifier: Apache-2.0 */
/* The models that a key may use. */
#include "desk/desk.h"
#include "dialect/openai/write.h"

static void write_model(struct json_writer *w, const struct service_name *name)
{
    openai_begin_model(w, name->id, name->service->created_s, STR("hostler"));
    json_write_object_end(w);
}

static enum step list_models(struct exchange *x)
{
    size_t count;
    const struct service_name *names = snapshot_names(x->snapshot, &count);
    struct desk_page p;
    desk_page_init(&p);
    json_write_object(&p.w);
    json_write_str_member(&p.w, "object", STR("list"));
    json_write_key(&p.w, "data");
    json_write_array(&p.w);
    for (size_t i = 0; i < count; i++)
        if (exchange_may_ask(x, names[i].id, names[i].service)) write_model(&p.w, &names[i]);
    json_write_array_end(&p.w);
    json_write_object_end(&p.w);
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
        write_model(&p.w, &names[i]);
        return desk_page_reply(x, 200, &p);
    }
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
