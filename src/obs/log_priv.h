/* SPDX-License-Identifier: Apache-2.0 */
/* Where the log's lines go: one file descriptor for all threads, written without
 * ever waiting for its reader. */
#ifndef HOSTLER_OBS_LOG_PRIV_H
#define HOSTLER_OBS_LOG_PRIV_H

#include "obs/log.h"

void log__sink_open(int fd);

/* Writes whole lines; the bytes that are done with, which end at a line's end. The others are to
 * be tried again later. Lines that can never be written (no reader, disk full) are done with,
 * too, and counted as dropped.
 * *lost: lines dropped since this was said last, said only when all was written, so
 * that a line can tell of them. */
size_t log__sink_write(const char *lines, size_t len, uint64_t *lost);

/* Counts lines that were lost before they came here. */
void log__sink_drop(uint64_t lines);

uint64_t log__sink_dropped(void); /* so far, all threads */

#endif
