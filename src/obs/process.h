/* SPDX-License-Identifier: Apache-2.0 */
/* What every Prometheus expects to know of a process, under the names that its own clients use:
 * the ASKED functions of the process_ rows. What cannot be found out is not written.
 *
 * They read /proc, which takes a moment; any thread. */
#ifndef HOSTLER_OBS_PROCESS_H
#define HOSTLER_OBS_PROCESS_H

#include "obs/metrics.h"

void process_ask_cpu(const struct metric_series *s);
void process_ask_resident(const struct metric_series *s);
void process_ask_virtual(const struct metric_series *s);
void process_ask_open_files(const struct metric_series *s);
void process_ask_most_files(const struct metric_series *s);
void process_ask_start(const struct metric_series *s);

#endif
