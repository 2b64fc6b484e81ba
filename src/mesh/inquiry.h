/* SPDX-License-Identifier: Apache-2.0 */
/* An inquiry: an endpoint is asked what it is and what it tells of its model, one page after the
 * other (mesh/signs.h), each over a new connection and within a time and a size.
 *
 * Of an endpoint whose kind is known only the list of models is asked. Embedded in its owner;
 * belongs to the loop's thread. */
#ifndef HOSTLER_MESH_INQUIRY_H
#define HOSTLER_MESH_INQUIRY_H

#include "base/arena.h"
#include "base/base.h"
#include "base/buf.h"
#include "http/client.h"
#include "loop/loop.h"
#include "mesh/endpoint.h"
#include "mesh/signs.h"

enum { INQUIRY_PAGE_MAX = 2 << 20 }; /* what is larger is not read */

struct inquiry {
    struct loop *loop;
    struct http_client *client;
    /* Runs once per start, from a task, unless stopped. May start the inquiry again or free its
     * owner. */
    void (*done)(struct inquiry *q);
    /* The list of models, as sign_list has it, before done, if one was shown; NULL: nobody wants it.
     * The text is valid during the call. */
    void (*shown)(struct inquiry *q, struct str list);
    bool list_only; /* whatever is known of the kind; may change between inquiries */
    bool running;

    /* what came of it, when done */
    bool answered;                   /* there is no need to ask again */
    const struct runtime_kind *kind; /* NULL: nothing told it */
    struct str sign;                 /* the path of what did */
    struct model_card card;

    const struct endpoint *endpoint;
    uint64_t timeout_us; /* for each page */
    enum sign_page page;
    bool listed; /* the list of models was shown */
    bool failed; /* a page could not be answered now */
    struct arena arena;
    struct fetch fetch;
    struct buf body;
    int err; /* of the page's body */
    struct task task;
    struct timer timer;
};

void inquiry_init(struct inquiry *q, struct loop *loop, struct http_client *client,
                  void (*done)(struct inquiry *q));
void inquiry_fini(struct inquiry *q); /* stops it */

/* `e` lives until it is done or stopped. Not while it runs. */
void inquiry_start(struct inquiry *q, const struct endpoint *e, uint64_t timeout_us);
void inquiry_stop(struct inquiry *q); /* legal when it does not run */

#endif
