/* SPDX-License-Identifier: Apache-2.0 */
/* What orchestrators and load balancers ask: whether the process lives, and whether requests
 * would be served. */
#include "desk/desk.h"
#include "dialect/runtime.h"

static enum step show_alive(struct exchange *x)
{
    return exchange_reply(x, OUTCOME_OK, 200, STR("application/json"), STR("{\"status\":\"ok\"}"));
}

/* What those are that were asked; null: they have not told yet. */
static void write_kinds(struct json_writer *w, const struct service *s)
{
    bool any = false;
    for (size_t i = 0; i < s->endpoint_count; i++) {
        const struct endpoint *e = &s->endpoints[i];
        const struct runtime_kind *kind = endpoint_found_kind(e);
        if (!e->finds_kind) continue;
        if (!any) {
            json_write_key(w, "kinds");
            json_write_object(w);
            any = true;
        }
        json_write_key_str(w, e->name);
        if (kind)
            json_write_str(w, kind->name);
        else
            json_write_null(w);
    }
    if (any) json_write_object_end(w);
}

static void write_model(struct json_writer *w, const struct service *s, uint64_t now)
{
    struct buf reason;
    buf_init(&reason, 4096);
    bool up = service_ready(s, now, &reason);
    json_write_object(w);
    json_write_str_member(w, "model", s->name);
    json_write_bool_member(w, "ready", up);
    if (!up) json_write_str_member(w, "reason", buf_str(&reason));
    write_kinds(w, s);
    json_write_object_end(w);
    buf_fini(&reason);
}

/* Ready: not shutting down, and at least one model would be served, or there is none yet. With
 * keys, what there is and what is wrong with it is for those who present one; the status is for
 * every probe. */
static enum step show_ready(struct exchange *x)
{
    size_t count;
    uint64_t now = exchange_now(x);
    const struct service *services = snapshot_services(x->snapshot, &count);
    bool draining = x->lane->draining;
    bool ok = snapshot_ready(x->snapshot, now) && !draining;
    struct desk_page p;
    desk_page_init(&p);
    json_write_object(&p.w);
    json_write_str_member(&p.w, "status", ok ? STR("ready") : STR("not ready"));
    if (draining) json_write_str_member(&p.w, "reason", STR("shutting down"));
    if (!keyring_required(x->keyring) || x->key) {
        if (ok && count == 0)
            json_write_str_member(&p.w, "reason", STR("no models are configured yet"));
        json_write_key(&p.w, "models");
        json_write_array(&p.w);
        for (size_t i = 0; i < count; i++)
            if (exchange_may_use(x, &services[i])) write_model(&p.w, &services[i], now);
        json_write_array_end(&p.w);
    }
    json_write_object_end(&p.w);
    return desk_page_reply(x, ok ? 200 : 503, &p);
}

const struct handler desk_alive = {.step = show_alive};
const struct handler desk_ready = {.step = show_ready};
