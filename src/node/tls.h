/* SPDX-License-Identifier: Apache-2.0 */
/* The certificates of the node: what listeners present, and looking whether files have changed. */
#ifndef HOSTLER_NODE_TLS_H
#define HOSTLER_NODE_TLS_H

#include "conf/conf.h"
#include "loop/loop.h"
#include "mesh/lists.h"
#include "mesh/service.h"
#include "transport/tls_context.h"

struct tls_watch;

/* Looks each minute whether the files of listeners and of endpoints have changed, and warns in the
 * log of certificates that expire within three weeks. Main thread. A failure aborts. */
struct tls_watch *tls_watch_new(struct loop *l, struct mesh *mesh, struct lists *lists);
void tls_watch_free(struct tls_watch *w); /* fine with NULL */

/* The context of a listener, which the watch keeps. ERR_INVALID: the log has said why. */
MUST_CHECK int tls_watch_listener(struct tls_watch *w, const struct conf_listen *listen, bool h2,
                                  struct tls_context **out);

/* Looks now. */
void tls_watch_look(struct tls_watch *w);

/* When the first certificate of a listener expires, in seconds since 1970; 0: there is none. */
int64_t tls_watch_expires(const struct tls_watch *w);

#endif
