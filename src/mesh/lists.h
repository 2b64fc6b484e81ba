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
struct tls_context;

/* `changed` runs from a task, whenever lists_models would tell something else than before. `client`
 * belongs to `loop`. */
MUST_CHECK int lists_new(struct loop *loop, struct http_client *client,
                         void (*changed)(void *owner), void *owner, struct lists **out);
void lists_free(struct lists *l); /* NULL is fine */

/* The runtimes of another configuration, on which a reference is held. One that was there before, at
 * the same URL and with the same key, keeps what it listed. */
MUST_CHECK int lists_load(struct lists *l, struct conf *conf);

/* Models that the lists make, each with an endpoint for every runtime that has it, in the order of
 * runtimes and of their lists; without those that the configuration names itself. On the arena, and
 * what they point to is the configuration's. */
struct conf_model *lists_models(const struct lists *l, struct arena *arena, size_t *count);

/* mesh_each_tls of the connections by which lists are asked for. */
void lists_each_tls(struct lists *l, void (*fn)(void *owner, struct tls_context *context),
                    void *owner);

#endif
