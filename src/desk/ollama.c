/* SPDX-License-Identifier: Apache-2.0 */
/* What clients of Ollama ask besides answers: whether it is there, and what is not done here. */
#include "desk/desk.h"

/* The version of Ollama whose API this is. Clients refuse old ones (editors want 0.6.4 and newer), and
 * by others decide what they may send. */
#define OLLAMA_VERSION STR("0.32.0")

static enum step show_running(struct exchange *x)
{
    return exchange_reply(x, OUTCOME_OK, 200, STR("text/plain; charset=utf-8"),
                          STR("Hostler is running"));
}

static enum step show_version(struct exchange *x)
{
    struct desk_page p;
    desk_page_init(&p);
    json_write_object(&p.w);
    json_write_str_member(&p.w, "version", OLLAMA_VERSION);
    json_write_str_member(&p.w, "hostler", STR(HOSTLER_VERSION));
    json_write_object_end(&p.w);
    return desk_page_reply(x, 200, &p);
}

static enum step refuse(struct exchange *x)
{
    return exchange_refuse(
        x, OUTCOME_NOT_FOUND,
        &(struct refusal){
            .status = 501,
            .message = STR("Hostler serves the models that its configuration names. It does not "
                           "create, copy, push or delete models."),
            .code = "not_implemented"},
        0);
}

const struct handler desk_ollama_running = {.step = show_running};
const struct handler desk_ollama_version = {.step = show_version};
const struct handler desk_ollama_refused = {.step = refuse};
