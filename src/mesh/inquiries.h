/* SPDX-License-Identifier: Apache-2.0 */
/* Who is asked what it is: endpoints whose kind is to be found (`kind: auto`), and Hostler's own
 * engines, which tell what their files are for. All others are never asked.
 *
 * Each when it is there at first, again at the interval of probes until it has answered, and anew
 * when it was down or a request could not reach it, since another may stand there then. Some at a
 * time. The main thread. */
#ifndef HOSTLER_MESH_INQUIRIES_H
#define HOSTLER_MESH_INQUIRIES_H

#include "base/base.h"
#include "base/list.h"
#include "http/client.h"
#include "loop/loop.h"
#include "mesh/service.h"

struct inquiries {
    struct loop *loop;
    struct http_client *client;
    struct list running;
    unsigned count;
};

void inquiries_init(struct inquiries *all, struct loop *loop, struct http_client *client);

/* Stops those that run; their endpoints are asked again. Before their snapshot goes. */
void inquiries_stop(struct inquiries *all);

/* Another snapshot: asks who is due, also those again that nothing told, as what they are asked
 * with may have changed. */
void inquiries_renew(struct inquiries *all, const struct snapshot *s);

/* Asks who is due. From time to time. */
void inquiries_look(struct inquiries *all, const struct snapshot *s);

#endif
