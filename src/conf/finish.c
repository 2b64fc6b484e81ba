/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "conf/conf_priv.h"
#include "conf/url.h"

static void name_endpoint(struct conf__load *l, struct conf_endpoint *e)
{
    struct url url;
    if (e->name.len || url_parse(e->url, &url)) return;
    if (url.scheme == URL_UNIX)
        e->name = arena_printf(l->arena, "unix:%" STR_FMT, STR_ARG(url.path));
    else
        e->name = arena_printf(l->arena, "%" STR_FMT ":%u", STR_ARG(url.host), url.port);
}

/* Requests to our engine for each of its slots. It knows better than the queue whose turn is next, and
 * which of them begin alike. */
enum { REQUESTS_PER_SLOT = 4 };

static struct conf_endpoint engine_endpoint(const struct conf_engine *engine)
{
    bool ours = engine->file.len > 0;
    return (struct conf_endpoint){
        .name = STR("engine"),
        .model = engine->model,
        .kind = ours ? STR("engine") : engine->kind,
        .capacity =
            engine->capacity || !ours ? engine->capacity : engine->slots * REQUESTS_PER_SLOT,
        .weight = 1,
    };
}

static void append_engine(struct conf__load *l, struct conf_model *m)
{
    struct conf_endpoint *all = arena_alloc(l->arena, (m->endpoint_count + 1) * sizeof *all);
    for (size_t i = 0; i < m->endpoint_count; i++)
        all[i] = m->endpoints[i];
    all[m->endpoint_count++] = engine_endpoint(m->engine);
    m->endpoints = all;
    m->has_engine_endpoint = true;
}

/* One file may hold both. */
static void finish_key(struct str certificate, struct str *key)
{
    if (key->len == 0) *key = certificate;
}

static void finish_listen_tls(struct conf_listen_tls *tls)
{
    finish_key(tls->certificate, &tls->key);
    for (size_t i = 0; i < tls->certificate_count; i++)
        finish_key(tls->certificates[i].certificate, &tls->certificates[i].key);
}

/* Who writes first_byte alone means every answer by it. */
static void finish_own_timeouts(struct conf_timeouts *t)
{
    if (t && t->whole_us == CONF_UNSET) t->whole_us = t->first_byte_us;
}

static void finish_timeouts(struct conf__load *l, struct conf *c)
{
    const struct node *group = tree_get(l->root, STR("timeouts"));
    const struct node *written = group ? tree_get(group, STR("first_byte")) : NULL;
    if (c->timeouts.whole_us != CONF_UNSET) return;
    c->timeouts.whole_us = written ? c->timeouts.first_byte_us : CONF_WHOLE_STANDARD_US;
}

static void finish_endpoint(struct conf__load *l, struct conf_endpoint *e)
{
    name_endpoint(l, e);
    finish_own_timeouts(e->timeouts);
    if (e->tls) finish_key(e->tls->certificate, &e->tls->key);
}

static void finish_engine(struct conf__load *l, struct conf_model *m)
{
    if (m->engine->file.len == 0) m->engine->file = STR_NULL;
    m->engine->withheld = l->secrets;
    append_engine(l, m);
}

void conf__finish(struct conf__load *l, struct conf *c)
{
    finish_timeouts(l, c);
    for (size_t i = 0; i < c->listen_count; i++)
        if (c->listen[i].tls) finish_listen_tls(c->listen[i].tls);
    for (size_t i = 0; i < c->model_count; i++) {
        struct conf_model *m = &c->models[i];
        for (size_t j = 0; j < m->endpoint_count; j++)
            finish_endpoint(l, &m->endpoints[j]);
        finish_own_timeouts(m->timeouts);
        if (m->engine) finish_engine(l, m);
    }
    for (size_t i = 0; i < c->runtime_count; i++) {
        c->runtimes[i].endpoint.weight = 1;
        finish_endpoint(l, &c->runtimes[i].endpoint);
    }
}
