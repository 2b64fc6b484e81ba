/* SPDX-License-Identifier: Apache-2.0 */
/* The models that a key may use, as Ollama tells of them. Of most that it can say of a file nothing is
 * known of a runtime: what clients rely on is there, and empty. */
#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/hash.h"
#include "desk/desk.h"
#include "dialect/ollama/purpose.h"
#include "dialect/peek.h"
#include "dialect/runtime.h"

/* --- what is told of a model --- */

static void write_time(struct json_writer *w, const char *name, uint64_t time_us)
{
    char text[CLOCK_RFC3339_SIZE];
    clock_rfc3339(time_us, text);
    json_write_str_member(w, name, str_of(text));
}

/* Of its name: clients tell models apart by it, and show a part. */
static void write_digest(struct json_writer *w, struct str name)
{
    char text[65];
    for (unsigned i = 0; i < 4; i++)
        (void)snprintf(text + (size_t)16 * i, 17, "%016llx",
                       (unsigned long long)hash_sip(name, i, UINT64_C(0x6f6c6c616d61)));
    json_write_str_member(w, "digest", str_n(text, 64));
}

static void write_details(struct json_writer *w, const struct model_card *card)
{
    static const char *const empty[] = {"parent_model", "format", "family"};
    json_write_key(w, "details");
    json_write_object(w);
    for (size_t i = 0; i < ARRAY_LEN(empty); i++)
        json_write_str_member(w, empty[i], STR(""));
    json_write_key(w, "families");
    json_write_array(w);
    json_write_array_end(w);
    json_write_str_member(w, "parameter_size", STR(""));
    json_write_str_member(w, "quantization_level", STR(""));
    if (card->context) json_write_u64_member(w, "context_length", card->context);
    json_write_object_end(w);
}

/* Our own engine, which says itself what it can. */
static bool is_ours(const struct service *s)
{
    bool ours = s->endpoint_count > 0;
    for (size_t i = 0; i < s->endpoint_count; i++)
        ours = ours && endpoint_kind(&s->endpoints[i]) == &runtime_engine;
    return ours;
}

/* That a chat's model can call tools is taken for granted where nobody says what it can, since
 * clients do not offer it any otherwise. */
static void write_capabilities(struct json_writer *w, const struct service *s,
                               const struct model_card *card)
{
    uint32_t set = card->capabilities;
    if (!s->card.capabilities && (set & CARD_BIT(COMPLETION)) && !is_ours(s))
        set |= CARD_BIT(TOOLS);
    json_write_key(w, "capabilities");
    card_write_capabilities(w, set);
}

static uint64_t modified_us(const struct service *s)
{
    return s->created_s * USEC_PER_SEC;
}

/* Begins an element of a list. */
static void begin_model(struct json_writer *w, struct str name, const struct model_card *card)
{
    json_write_object(w);
    json_write_str_member(w, "name", name);
    json_write_str_member(w, "model", name);
    json_write_u64_member(w, "size", 0);
    write_digest(w, name);
    write_details(w, card);
}

static void begin_list(struct desk_page *p)
{
    desk_page_init(p);
    json_write_object(&p->w);
    json_write_key(&p->w, "models");
    json_write_array(&p->w);
}

static enum step end_list(struct exchange *x, struct desk_page *p)
{
    json_write_array_end(&p->w);
    json_write_object_end(&p->w);
    return desk_page_reply(x, 200, p);
}

/* --- lists --- */

static enum step list_models(struct exchange *x)
{
    size_t count;
    const struct service_name *names = snapshot_names(x->snapshot, &count);
    struct desk_page p;
    begin_list(&p);
    for (size_t i = 0; i < count; i++) {
        if (!exchange_may_ask(x, names[i].id, names[i].service)) continue;
        struct model_card card = service_card(names[i].service);
        begin_model(&p.w, names[i].id, &card);
        write_time(&p.w, "modified_at", modified_us(names[i].service));
        write_capabilities(&p.w, names[i].service, &card);
        json_write_object_end(&p.w);
    }
    return end_list(x, &p);
}

/* Clients take a time far off for a model that stays. */
#define STAYS STR("2318-01-01T00:00:00Z")

static enum step list_running(struct exchange *x)
{
    size_t count;
    const struct service *services = snapshot_services(x->snapshot, &count);
    struct desk_page p;
    begin_list(&p);
    for (size_t i = 0; i < count; i++) {
        if (!exchange_may_use(x, &services[i]) || !service_up(&services[i], exchange_now(x)))
            continue;
        struct model_card card = service_card(&services[i]);
        begin_model(&p.w, services[i].name, &card);
        json_write_str_member(&p.w, "expires_at", STAYS);
        json_write_u64_member(&p.w, "size_vram", 0);
        json_write_u64_member(&p.w, "context_length", card.context);
        json_write_object_end(&p.w);
    }
    return end_list(x, &p);
}

/* --- one of them --- */

/* The model that the body names, with or without its tag. ERR_INVALID, -ENOMEM. */
static int read_name(struct exchange *x, struct str *out, struct refusal *why)
{
    static const struct str names[] = {STR_INIT("model"), STR_INIT("name")};
    struct json_span spans[ARRAY_LEN(names)];
    struct ask ask = {.surface = SURFACE_NONE};
    int err = dialect_check_media(x->call->head, why);
    if (!err) err = peek_scan(x->call->arena, x->call->body, names, ARRAY_LEN(names), spans, why);
    if (!err) err = peek_model(x->call->arena, &spans[spans[0].type == JSON_NONE], &ask, why);
    *out = ask.model;
    return err;
}

/* *name becomes the name that it has here. NULL: the key may use none of that name. */
static const struct service *find(const struct exchange *x, struct str *name)
{
    const struct service *s = snapshot_service(x->snapshot, *name);
    if (!s) *name = ollama_name(*name);
    if (!s) s = snapshot_service(x->snapshot, *name);
    return s && exchange_may_ask(x, *name, s) ? s : NULL;
}

static enum step refuse_name(struct exchange *x, int err, const struct refusal *why)
{
    return err == ERR_INVALID ? exchange_refuse(x, OUTCOME_BAD_REQUEST, why, 0)
                              : exchange_lack_memory(x);
}

/* Editors read the length of the context here, under the name of the architecture; they bear its
 * absence. */
static void write_info(struct json_writer *w, struct str name, const struct model_card *card)
{
    json_write_key(w, "model_info");
    json_write_object(w);
    json_write_str_member(w, "general.architecture", STR("hostler"));
    json_write_str_member(w, "general.basename", name);
    if (card->context) json_write_u64_member(w, "hostler.context_length", card->context);
    json_write_object_end(w);
}

static enum step write_model(struct exchange *x, struct str name, const struct service *s)
{
    static const char *const empty[] = {"license", "modelfile", "parameters", "template"};
    struct model_card card = service_card(s);
    struct desk_page p;
    desk_page_init(&p);
    json_write_object(&p.w);
    for (size_t i = 0; i < ARRAY_LEN(empty); i++)
        json_write_str_member(&p.w, empty[i], STR(""));
    write_details(&p.w, &card);
    write_info(&p.w, name, &card);
    write_capabilities(&p.w, s, &card);
    write_time(&p.w, "modified_at", modified_us(s));
    json_write_object_end(&p.w);
    return desk_page_reply(x, 200, &p);
}

static enum step refuse_unknown(struct exchange *x, struct str name)
{
    x->ask.model = name;
    return exchange_refuse(
        x, OUTCOME_NOT_FOUND,
        &(struct refusal){.status = 404,
                          .message = arena_say(x->call->arena, "model '%" STR_FMT "' not found",
                                               STR_ARG(str_sub(name, 0, 200))),
                          .param = "model",
                          .code = "model_not_found"},
        0);
}

static enum step show_model(struct exchange *x)
{
    struct refusal why;
    struct str name;
    int err = read_name(x, &name, &why);
    if (err) return refuse_name(x, err, &why);
    const struct service *s = find(x, &name);
    return s ? write_model(x, name, s) : refuse_unknown(x, name);
}

static enum step refuse_pull(struct exchange *x, struct str name)
{
    return exchange_refuse(
        x, OUTCOME_NOT_FOUND,
        &(struct refusal){
            .status = 501,
            .message = arena_say(x->call->arena,
                                 "Hostler does not fetch models, and its configuration has none "
                                 "that is called '%" STR_FMT "'.",
                                 STR_ARG(str_sub(name, 0, 200))),
            .param = "model",
            .code = "not_implemented"},
        0);
}

/* A model that is there need not be fetched, which those who always do so want to hear. */
static enum step pull_model(struct exchange *x)
{
    struct refusal why;
    struct str name;
    int err = read_name(x, &name, &why);
    if (err) return refuse_name(x, err, &why);
    if (!find(x, &name)) return refuse_pull(x, name);
    return exchange_reply(x, OUTCOME_OK, 200, STR("application/x-ndjson"),
                          STR("{\"status\":\"success\"}\n"));
}

const struct handler desk_ollama_tags = {.step = list_models};
const struct handler desk_ollama_ps = {.step = list_running};
const struct handler desk_ollama_show = {.step = show_model};
const struct handler desk_ollama_pull = {.step = pull_model};
