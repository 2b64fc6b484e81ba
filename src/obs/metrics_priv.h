/* SPDX-License-Identifier: Apache-2.0 */
/* Writing the text format as the files of metrics share it. */
#ifndef HOSTLER_OBS_METRICS_PRIV_H
#define HOSTLER_OBS_METRICS_PRIV_H

#include "obs/metrics.h"

void metrics__put(struct metrics_writer *w, struct str s);

/* HELP and TYPE, before the first series of a metric. */
void metrics__begin(struct metrics_writer *w, const struct metric_row *row);

/* A label with what stands before it; its value is escaped. */
void metrics__put_label(struct metrics_writer *w, struct str name, struct str value, bool first);

#endif
