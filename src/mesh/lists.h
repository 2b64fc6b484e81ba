/* SPDX-License-Identifier: Apache-2.0 */
/* The lists of runtimes whose models need not be configured (`runtimes`).
 *
 * Each runtime is asked for its list when it is configured, and then at its interval. What it listed
 * last counts until it lists something else: a list that cannot be had changes nothing. The main
 * thread. */
#ifndef HOSTLER_MESH_LISTS_H
#define HOSTLER_MESH_LISTS_H

#include "base/base.h"
#include "conf/conf.h"
#include "http/client.h"
#include "loop/loop.h"

struct lists;
struct mesh;
struct runtime_kind;
struct tls_context;

/* `changed` runs from a task, whenever a list tells something else than before. `client`
 * belongs to `loop`. */
MUST_CHECK int lists_new(struct loop *loop, struct http_client *client,
                         void (*changed)(void *owner), void *owner, struct lists **out);
void lists_free(struct lists *l); /* NULL is fine */

/* The runtimes of another configuration, on which a reference is held. One that was there before, at
 * the same URL and with the same key, keeps what it listed. */
MUST_CHECK int lists_load(struct lists *l, struct conf *conf);

/* What is known of a runtime. */
struct list_facts {
    bool asked;                      /* at least once, whatever came of it */
    bool answered;                   /* with an answer, if not with a list */
    bool listed;                     /* a list has been had */
    const struct runtime_kind *kind; /* as it told itself; NULL: it did not */
    const struct str *names;         /* of the last list; valid until the loop goes on */
    size_t name_count;
};

/* Of the runtime at that place in the configuration. */
struct list_facts lists_facts(const struct lists *l, size_t at);

/* mesh_each_tls of the connections by which lists are asked for. */
void lists_each_tls(struct lists *l, void (*fn)(void *owner, struct tls_context *context),
                    void *owner);

/* mesh_load with what a configuration says, on which a reference is held, and with the models that
 * its runtimes list: each with an endpoint for every runtime that has it, in the order of runtimes
 * and of their lists. A name that the configuration has itself is its own. `lists` has that
 * configuration; NULL: nothing is listed. */
MUST_CHECK int mesh_load_conf(struct mesh *m, struct conf *conf, const struct lists *lists,
                              uint64_t now_us);

#endif
