/* SPDX-License-Identifier: Apache-2.0 */
/* Refusing new requests while there is more to do than can be done (docs/overload.md).
 *
 * A refusal costs a fraction of a request: it comes before anything is looked up or kept, its words
 * are fixed, and a body that has come is dropped. Probes and metrics are never refused. */
#ifndef HOSTLER_GATE_SHED_H
#define HOSTLER_GATE_SHED_H

#include "gate/lane.h"

/* True: the call was refused with 503 and Retry-After, counted, and is dead. The lane's thread. */
MUST_CHECK bool shed_call(struct lane *l, struct http_call *call);

/* What the refusal says, in the words that clients of that path read. */
struct str shed_text(struct str path);

#endif
