/* SPDX-License-Identifier: Apache-2.0 */
/* What the gateway answers itself: the models, the probes, the metrics. */
#include <stdlib.h>

#include "base/clock.h"
#include "gate/exchange.h"
#include "gate/gate.h"
#include "json/write.h"

#define ANSWER_MAX ((size_t)64 << 20)

static void write_model(struct json_writer *w, const struct service_name *name)
{
    json_write_object(w);
    json_write_str_member(w, "id", name->id);
    json_write_str_member(w, "object", STR("model"));
    json_write_u64_member(w, "created", name->service->created_s);
    json_write_str_member(w, "owned_by", STR("hostler"));
    json_write_object_end(w);
}

/* Sends what the writer wrote. */
static enum step reply_json(struct exchange *x, int status, struct json_writer *w, struct buf *body)
{
    if (json_write_end(w)) {
        buf_fini(body);
        return exchange_refuse(x, OUTCOME_NO_ENDPOINT, 500, STR("The answer is too large."), NULL,
                               NULL, 0);
    }
    struct str text = arena_dup(x->call->arena, buf_str(body));
    buf_fini(body);
    return exchange_reply(x, status == 200 ? OUTCOME_OK : OUTCOME_NOT_READY, status,
                          STR("application/json"), text);
}

static enum step list_models(struct exchange *x)
{
    size_t count;
    const struct service_name *names = snapshot_names(x->snapshot, &count);
    struct buf body;
    struct json_writer w;
    buf_init(&body, ANSWER_MAX);
    json_write_init(&w, &body);
    json_write_object(&w);
    json_write_str_member(&w, "object", STR("list"));
    json_write_key(&w, "data");
    json_write_array(&w);
    for (size_t i = 0; i < count; i++)
        if (exchange_may_ask(x, names[i].id, names[i].service)) write_model(&w, &names[i]);
    json_write_array_end(&w);
    json_write_object_end(&w);
    return reply_json(x, 200, &w, &body);
}

static enum step show_model(struct exchange *x)
{
    size_t count;
    const struct service_name *names = snapshot_names(x->snapshot, &count);
    for (size_t i = 0; i < count; i++) {
        if (!str_eq(names[i].id, x->match.arg) ||
            !exchange_may_ask(x, names[i].id, names[i].service))
            continue;
        struct buf body;
        struct json_writer w;
        buf_init(&body, ANSWER_MAX);
        json_write_init(&w, &body);
        write_model(&w, &names[i]);
        return reply_json(x, 200, &w, &body);
    }
    return exchange_refuse(x, OUTCOME_NOT_FOUND, 404,
                           arena_printf(x->call->arena, "The model '%" STR_FMT "' does not exist.",
                                        STR_ARG(str_sub(x->match.arg, 0, 200))),
                           "model", "model_not_found", 0);
}

/* Ready: not shutting down, and at least one model would be served, or there is none yet. With keys, what there is and
 * what is wrong with it is for those who present one; the status is for every probe. */
static enum step show_ready(struct exchange *x)
{
    size_t count;
    uint64_t now = loop_now(x->worker->loop);
    const struct service *services = snapshot_services(x->snapshot, &count);
    bool draining = gate_draining(x->worker->gate);
    struct buf body, reason;
    struct json_writer w;
    bool ok = snapshot_ready(x->snapshot, now) && !draining;
    buf_init(&body, ANSWER_MAX);
    buf_init(&reason, 4096);
    json_write_init(&w, &body);
    json_write_object(&w);
    json_write_str_member(&w, "status", ok ? STR("ready") : STR("not ready"));
    if (draining) json_write_str_member(&w, "reason", STR("shutting down"));
    bool details = !keyring_required(x->keyring) || x->key;
    if (ok && details && count == 0)
        json_write_str_member(&w, "reason", STR("no models are configured yet"));
    if (details) {
        json_write_key(&w, "models");
        json_write_array(&w);
    }
    for (size_t i = 0; details && i < count; i++) {
        if (!exchange_may_use(x, &services[i])) continue;
        buf_clear(&reason);
        bool up = service_ready(&services[i], now, &reason);
        json_write_object(&w);
        json_write_str_member(&w, "model", services[i].name);
        json_write_bool_member(&w, "ready", up);
        if (!up) json_write_str_member(&w, "reason", buf_str(&reason));
        json_write_object_end(&w);
    }
    if (details) json_write_array_end(&w);
    json_write_object_end(&w);
    buf_fini(&reason);
    return reply_json(x, ok ? 200 : 503, &w, &body);
}

/* --- metrics: the main thread writes them, since engines are its --- */

struct scrape {
    struct mail mail;
    struct gate *gate;
    struct worker *worker;
    struct exchange *exchange; /* NULL: it has ended meanwhile */
    struct buf text;
    bool done;
};

static void scrape_free(struct scrape *s)
{
    buf_fini(&s->text);
    free(s);
}

static void on_scraped(struct mail *mail)
{
    struct scrape *s = CONTAINER_OF(mail, struct scrape, mail);
    s->done = true;
    if (s->exchange)
        loop_wake(s->worker->loop, &s->exchange->task);
    else
        scrape_free(s);
}

static void on_scrape(struct mail *mail)
{
    struct scrape *s = CONTAINER_OF(mail, struct scrape, mail);
    gate_write_metrics(s->gate, &s->text);
    s->mail.deliver = on_scraped;
    loop_post(s->worker->loop, &s->mail);
}

void local_forget(struct exchange *x)
{
    if (!x->scrape) return;
    x->scrape->exchange = NULL;
    if (x->scrape->done) scrape_free(x->scrape);
    x->scrape = NULL;
}

static enum step show_metrics(struct exchange *x)
{
    if (!x->scrape) {
        struct scrape *s = calloc(1, sizeof *s);
        if (!s) abort();
        *s = (struct scrape){
            .mail.deliver = on_scrape, .gate = x->worker->gate, .worker = x->worker, .exchange = x};
        buf_init(&s->text, ANSWER_MAX);
        x->scrape = s;
        loop_post(gate_loop(s->gate), &s->mail);
    }
    if (!x->scrape->done) return STEP_WAIT;
    return exchange_reply(x, OUTCOME_OK, 200, STR("text/plain; version=0.0.4; charset=utf-8"),
                          arena_dup(x->call->arena, buf_str(&x->scrape->text)));
}

enum step exchange_local(struct exchange *x)
{
    switch (x->match.route) {
    case API_MODELS: return list_models(x);
    case API_MODEL: return show_model(x);
    case API_READYZ: return show_ready(x);
    case API_METRICS: return show_metrics(x);
    default:
        return exchange_reply(x, OUTCOME_OK, 200, STR("application/json"),
                              STR("{\"status\":\"ok\"}"));
    }
}
