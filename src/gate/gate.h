/* SPDX-License-Identifier: Apache-2.0 */
/* The gateway as a whole: the main thread with its configuration, mesh, supervisor and signals, and the workers.
 *
 * gate_run is `hostler serve`. SIGHUP reloads the configuration, SIGTERM or SIGINT drains, a second one ends at once. */
#ifndef HOSTLER_GATE_GATE_H
#define HOSTLER_GATE_GATE_H

#include "base/base.h"
#include "base/buf.h"
#include "base/str.h"
#include "conf/conf.h"
#include "loop/loop.h"

struct gate;

/* Serves until a signal ends it. `conf` is taken over. Returns 0 after a clean end, a negative error when it could not start
 * (the reason is in the log). */
MUST_CHECK int gate_run(struct conf *conf);

/* --- for the workers, any thread --- */

bool gate_draining(const struct gate *g);
struct loop *gate_loop(struct gate *g); /* the main thread's */

/* This process's entry in Via headers (RFC 9110 section 7.6.3), "1.1 NAME": the name is a pseudonym that it has for its life and nobody else has. */
struct str gate_via(const struct gate *g);

/* --- the main thread --- */

/* All metrics in the text format. */
void gate_write_metrics(struct gate *g, struct buf *out);

#endif
