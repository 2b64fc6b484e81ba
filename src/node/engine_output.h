/* SPDX-License-Identifier: Apache-2.0 */
/* What the process behind a model writes to its stdout and stderr.
 *
 * Each line becomes one line of our log, in our format: the fields of our own engine's lines as
 * they are, under the event "engine_" and theirs; any other text, whatever it looks like, as the
 * field `line` of event "engine_output". So a log stays readable by machines, and an event of
 * ours is true, whatever a runtime prints. What is more than ENGINE_OUTPUT_LINES or
 * ENGINE_OUTPUT_BYTES in a second is left out, and counted in one line at the second's end.
 * Belongs to one loop's thread. */
#ifndef HOSTLER_NODE_ENGINE_OUTPUT_H
#define HOSTLER_NODE_ENGINE_OUTPUT_H

#include "base/arena.h"
#include "base/base.h"
#include "base/str.h"
#include "loop/loop.h"

enum { ENGINE_OUTPUT_LINE_MAX = 4096, ENGINE_OUTPUT_REASON_MAX = 256 }; /* bytes */
enum { ENGINE_OUTPUT_LINES = 1000, ENGINE_OUTPUT_BYTES = 256 * 1024 };  /* per second */

struct engine_output {
    struct loop *loop;
    struct str model;       /* borrowed */
    bool own;               /* our engine, whose lines are taken apart */
    struct fd_watch *watch; /* NULL: not open */
    int fd;
    bool cutting; /* in a line that was too long: its rest is left out */
    size_t len;
    char text[ENGINE_OUTPUT_LINE_MAX]; /* a line that has not ended yet */
    char reason[ENGINE_OUTPUT_REASON_MAX];
    uint64_t second_us; /* when the second began that these are counted in */
    size_t lines, bytes;
    uint64_t left_out; /* lines */
    struct task task;
    struct timer timer; /* armed while lines are left out: the second's end */
};

/* Makes a pipe and watches it. The caller gives *write_end to the process and closes it. 0 or a
 * negative errno. `o` was zeroed or ended before; `model` must outlive it. `own`: it is our own
 * engine that writes. */
MUST_CHECK int engine_output_open(struct engine_output *o, struct loop *loop, struct str model,
                                  bool own, int *write_end);

/* Takes what was written so far and closes. Fine to call again. */
void engine_output_end(struct engine_output *o);

/* What our own engine last gave as the cause of its end ("hostler-engine: CAUSE"), or ""; "" for
 * others. */
const char *engine_output_reason(const struct engine_output *o);

#endif
