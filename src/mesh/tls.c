/* SPDX-License-Identifier: Apache-2.0 */
/* What endpoints behind TLS need: contexts that outlive snapshots, one for all endpoints that are
 * told the same. */
#include <errno.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "mesh/mesh_priv.h"
#include "obs/log.h"

struct tls_entry {
    struct list link; /* mesh.tls */
    char *key;        /* the settings as text */
    struct tls_context *context;
    unsigned generation; /* of the load that used it last */
};

static struct str key_of(struct arena *arena, const struct tls_settings *s)
{
    struct str key = arena_printf(arena, "%d\n%" STR_FMT "\n", s->no_verify, STR_ARG(s->ca));
    for (size_t i = 0; i < s->identity_count; i++)
        key = arena_printf(arena, "%" STR_FMT "%" STR_FMT "\n%" STR_FMT "\n", STR_ARG(key),
                           STR_ARG(s->identities[i].certificate), STR_ARG(s->identities[i].key));
    for (size_t i = 0; i < s->pin_count; i++)
        key = arena_printf(arena, "%" STR_FMT "%" STR_FMT "\n", STR_ARG(key), STR_ARG(s->pins[i]));
    return key;
}

static struct tls_entry *find(struct mesh *m, struct str key)
{
    LIST_EACH(&m->tls, it)
    {
        struct tls_entry *e = LIST_ITEM(it, struct tls_entry, link);
        if (str_eq(str_of(e->key), key)) return e;
    }
    return NULL;
}

static void forget(struct tls_entry *e)
{
    list_remove(&e->link);
    tls_context_unref(e->context);
    free(e->key);
    free(e);
}

static int add(struct mesh *m, struct str key, const struct tls_settings *settings,
               struct tls_entry **out, char why[TLS_WHY_ROOM])
{
    struct tls_context *context;
    int err = tls_context_new(settings, &context, why);
    if (err) return err;
    struct tls_entry *e = mem_must_zero(1, sizeof *e);
    e->key = str_dup(key);
    e->context = context;
    list_push_back(&m->tls, &e->link);
    *out = e;
    return 0;
}

static void unref_context(void *context)
{
    tls_context_unref(context);
}

int mesh__tls(struct snapshot *s, const struct tls_settings *settings, struct tls_context **out,
              char why[TLS_WHY_ROOM])
{
    struct mesh *m = s->mesh;
    struct str key = key_of(&s->arena, settings);
    struct tls_entry *e = find(m, key);
    int err = e ? 0 : add(m, key, settings, &e, why);
    if (err) return err;
    e->generation = m->tls_generation;
    *out = tls_context_ref(e->context);
    arena_on_reset(&s->arena, unref_context, *out);
    return 0;
}

void mesh__tls_begin(struct mesh *m)
{
    m->tls_generation++;
}

void mesh__tls_sweep(struct mesh *m)
{
    LIST_EACH_SAFE(&m->tls, it, next)
    {
        struct tls_entry *e = LIST_ITEM(it, struct tls_entry, link);
        if (e->generation != m->tls_generation) forget(e);
    }
}

void mesh__tls_fini(struct mesh *m)
{
    LIST_EACH_SAFE(&m->tls, it, next)
    forget(LIST_ITEM(it, struct tls_entry, link));
}

void mesh_each_tls(struct mesh *m, void (*fn)(void *owner, struct tls_context *context),
                   void *owner)
{
    LIST_EACH(&m->tls, it)
    fn(owner, LIST_ITEM(it, struct tls_entry, link)->context);
}
