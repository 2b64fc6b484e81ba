/* SPDX-License-Identifier: Apache-2.0 */
/* The log: one event per line, an event name and key=value pairs; JSON, or text on a terminal.
 *
 * A line is built on the caller's stack and handed over whole. Lines are gathered per thread and
 * written when 16 KiB are full or log_flush is called; warnings and errors are written at once,
 * with all before them. Secrets and prompt text have no place here: there is no function that
 * prints them.
 *
 * Any thread; log_init before the first other thread starts. */
#ifndef HOSTLER_OBS_LOG_H
#define HOSTLER_OBS_LOG_H

#include <string.h>

#include "base/base.h"
#include "base/str.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* AUTO: text when fd is a terminal. Text shows local time, and colours on a
 * terminal unless NO_COLOR is set. */
enum log_format { LOG_FORMAT_AUTO, LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

/* By the names that settings use; AUTO and INFO for any other. */
enum log_format log_format_named(struct str name);
enum log_level log_level_named(struct str name);

/* Until it is called, lines from LOG_INFO on go to fd 2 as JSON. The fd stays the caller's and
 * open. A reader that does not keep up, or is gone, never blocks a caller: lines wait in their
 * threads' 16 KiB and are then dropped and counted. */
void log_init(int fd, enum log_format format, enum log_level least);
void log_set(enum log_format format, enum log_level least); /* after a reload */

/* Writes what this thread has gathered. Its loop does so within 100 ms; a thread without a loop
 * calls it before it waits or ends. */
void log_flush(void);
bool log_gathered(void); /* this thread has lines that were not written yet */

uint64_t log_dropped(void); /* lines lost so far, all threads */

/* Longer lines are cut at a field border and marked "truncated":true. */
enum { LOG_LINE_MAX = 4096 };

struct log_line {
    enum log_level level;
    bool on; /* level is enabled; the calls below do nothing otherwise */
    bool truncated;
    bool json; /* the format that was set when the line began */
    size_t len;
    char text[LOG_LINE_MAX];
};

/* Starts a line: time, level, event name (a word, our own literal). */
void log_begin(struct log_line *l, enum log_level level, const char *event);

/* Fields. Values are escaped (control characters, ESC, U+2028, bidi marks; invalid UTF-8 becomes
 * U+FFFD) and cut at 512 bytes, which an ellipsis shows. Keys are words, our own literals. */
ALWAYS_INLINE void log_str(struct log_line *l, const char *key, struct str value);
ALWAYS_INLINE void log_cstr(struct log_line *l, const char *key, const char *value);
ALWAYS_INLINE void log_u64(struct log_line *l, const char *key, uint64_t value);
ALWAYS_INLINE void log_i64(struct log_line *l, const char *key, int64_t value);
ALWAYS_INLINE void log_bool(struct log_line *l, const char *key, bool value);
void log_end(struct log_line *l);

/* A line with one message: log_note(LOG_INFO, "reload", "12 models") gives
 * event=reload msg="12 models". */
void log_note(enum log_level level, const char *event, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* --- inline, so that the compiler counts the bytes of a key --- */

void log__str(struct log_line *l, struct str key, struct str value);
void log__number(struct log_line *l, struct str key, bool negative, uint64_t value);
void log__bool(struct log_line *l, struct str key, bool value);

ALWAYS_INLINE void log_str(struct log_line *l, const char *key, struct str value)
{
    if (l->on) log__str(l, str_n(key, strlen(key)), value);
}

ALWAYS_INLINE void log_cstr(struct log_line *l, const char *key, const char *value)
{
    log_str(l, key, str_of(value));
}

ALWAYS_INLINE void log_u64(struct log_line *l, const char *key, uint64_t value)
{
    if (l->on) log__number(l, str_n(key, strlen(key)), false, value);
}

ALWAYS_INLINE void log_i64(struct log_line *l, const char *key, int64_t value)
{
    uint64_t amount = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    if (l->on) log__number(l, str_n(key, strlen(key)), value < 0, amount);
}

ALWAYS_INLINE void log_bool(struct log_line *l, const char *key, bool value)
{
    if (l->on) log__bool(l, str_n(key, strlen(key)), value);
}

#endif
