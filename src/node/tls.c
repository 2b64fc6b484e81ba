/* SPDX-License-Identifier: Apache-2.0 */
#include "node/tls.h"

#include <stdlib.h>
#include <time.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "obs/log.h"

enum { LOOK_US = 60 * USEC_PER_SEC, WARN_S = 21 * 24 * 3600, WARN_EVERY_S = 24 * 3600 };

struct tls_watch {
    struct loop *loop;
    struct mesh *mesh;
    struct lists *lists;
    struct tls_context **listeners;
    size_t count;
    struct task task;
    struct timer timer;
    int64_t warned; /* when the log was told of an expiry last, in seconds since 1970 */
};

static int64_t wall_s(void)
{
    return (int64_t)(clock_wall_us() / USEC_PER_SEC);
}

static void look_at(void *owner UNUSED, struct tls_context *context)
{
    char why[TLS_WHY_ROOM];
    int err = tls_context_refresh(context, why);
    if (err == 0)
        log_note(LOG_INFO, "tls", "certificates were read again");
    else if (err < 0)
        log_note(LOG_ERROR, "tls", "%s; what was read before stays",
                 err == ERR_INVALID ? why : err_text(err));
}

int64_t tls_watch_expires(const struct tls_watch *w)
{
    int64_t first = 0;
    for (size_t i = 0; i < w->count; i++) {
        int64_t expires = tls_context_expires(w->listeners[i]);
        if (expires && (!first || expires < first)) first = expires;
    }
    return first;
}

static void warn_of_expiry(struct tls_watch *w)
{
    int64_t now = wall_s(), expires = tls_watch_expires(w);
    if (!expires || expires - now > WARN_S || now - w->warned < WARN_EVERY_S) return;
    w->warned = now;
    if (expires > now)
        log_note(LOG_WARN, "tls", "a listener's certificate expires in %lld days",
                 (long long)((expires - now) / (24 * 3600)));
    else
        log_note(LOG_ERROR, "tls", "a listener's certificate has expired");
}

void tls_watch_look(struct tls_watch *w)
{
    for (size_t i = 0; i < w->count; i++)
        look_at(NULL, w->listeners[i]);
    mesh_each_tls(w->mesh, look_at, NULL);
    lists_each_tls(w->lists, look_at, NULL);
    warn_of_expiry(w);
    timer_start(w->loop, &w->timer, loop_now(w->loop) + LOOK_US);
}

static void run_look(struct task *task)
{
    tls_watch_look(CONTAINER_OF(task, struct tls_watch, task));
}

struct tls_watch *tls_watch_new(struct loop *l, struct mesh *mesh, struct lists *lists)
{
    struct tls_watch *w = mem_must_zero(1, sizeof *w);
    w->loop = l;
    w->mesh = mesh;
    w->lists = lists;
    task_init(&w->task, run_look);
    timer_init(&w->timer, &w->task);
    timer_start(l, &w->timer, loop_now(l) + LOOK_US);
    return w;
}

void tls_watch_free(struct tls_watch *w)
{
    if (!w) return;
    timer_stop(w->loop, &w->timer);
    task_cancel(&w->task);
    for (size_t i = 0; i < w->count; i++)
        tls_context_unref(w->listeners[i]);
    free(w->listeners);
    free(w);
}

static enum tls_clients clients_of(enum conf_client client)
{
    switch (client) {
    case CONF_CLIENT_OPTIONAL: return TLS_CLIENTS_OPTIONAL;
    case CONF_CLIENT_REQUIRED: return TLS_CLIENTS_REQUIRED;
    case CONF_CLIENT_OFF: break;
    }
    return TLS_CLIENTS_OFF;
}

/* The certificate that stands alone is the standard one, then come those of the list. */
static struct tls_identity *identities_of(struct arena *arena, const struct conf_listen_tls *tls,
                                          size_t *count)
{
    struct tls_identity *all = arena_zalloc(arena, (tls->certificate_count + 1) * sizeof *all);
    size_t n = 0;
    if (tls->certificate.len) all[n++] = (struct tls_identity){tls->certificate, tls->key};
    for (size_t i = 0; i < tls->certificate_count; i++)
        all[n++] =
            (struct tls_identity){tls->certificates[i].certificate, tls->certificates[i].key};
    *count = n;
    return all;
}

int tls_watch_listener(struct tls_watch *w, const struct conf_listen *listen, bool h2,
                       struct tls_context **out)
{
    const struct conf_listen_tls *tls = listen->tls;
    char why[TLS_WHY_ROOM] = "";
    struct arena arena;
    arena_init(&arena, SIZE_MAX, 1024);
    struct tls_settings settings = {
        .server = true, .ca = tls->client_ca, .clients = clients_of(tls->client), .no_h2 = !h2};
    settings.identities = identities_of(&arena, tls, &settings.identity_count);
    int err = tls_context_new(&settings, out, why);
    arena_fini(&arena);
    if (err) {
        log_note(LOG_ERROR, "tls", "%" STR_FMT ": %s", STR_ARG(listen->address),
                 why[0] ? why : err_text(err));
        return err;
    }
    w->listeners = mem_must_grow(w->listeners, w->count + 1, sizeof(struct tls_context *));
    w->listeners[w->count++] = *out;
    warn_of_expiry(w);
    return 0;
}
