/* SPDX-License-Identifier: Apache-2.0 */
/* What `hostler bench` prints: a table for people, JSON for programs. */
#ifndef HOSTLER_CMD_BENCH_REPORT_H
#define HOSTLER_CMD_BENCH_REPORT_H

#include <stdio.h>

#include "base/buf.h"
#include "cmd/bench_run.h"

void bench_report_table(FILE *out, const struct bench_spec *spec, const struct bench_result *r);

/* One object; durations in milliseconds. */
MUST_CHECK int bench_report_json(struct buf *out, const struct bench_spec *spec,
                                 const struct bench_result *r);

#endif
