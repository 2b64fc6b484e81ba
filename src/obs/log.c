/* SPDX-License-Identifier: Apache-2.0 */
#include "obs/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "obs/log_priv.h"

enum { VALUE_MAX = 512, BATCH_MAX = 16384, MESSAGE_MAX = 1024 }; /* bytes */

#define TRUNCATED_JSON ",\"truncated\":true"
#define TRUNCATED_TEXT " truncated=true"

/* What the end of a line may need. */
enum { LINE_ROOM = LOG_LINE_MAX - (int)sizeof TRUNCATED_JSON - 2 };

/* How lines look: one word, so that a reload in one thread never shows half of it to another. */
enum { SHOW_JSON = 1, SHOW_COLOUR = 2 };

static struct {
    atomic_int least;
    atomic_uint show;
    atomic_int terminal; /* the fd is one */
} setup = {LOG_INFO, SHOW_JSON, 0};

static _Thread_local struct {
    size_t len; /* whole lines */
    char data[BATCH_MAX];
    uint64_t second; /* the one that stamp shows */
    bool stamp_json;
    char stamp[24];
} batch;

static unsigned look_of(enum log_format format)
{
    bool terminal = atomic_load_explicit(&setup.terminal, memory_order_relaxed);
    const char *no_colour = getenv("NO_COLOR"), *term = getenv("TERM");
    if (format == LOG_FORMAT_JSON || (format == LOG_FORMAT_AUTO && !terminal)) return SHOW_JSON;
    if (!terminal || (no_colour && *no_colour) || (term && strcmp(term, "dumb") == 0)) return 0;
    return SHOW_COLOUR;
}

void log_init(int fd, enum log_format format, enum log_level least)
{
    log__sink_open(fd);
    atomic_store(&setup.terminal, isatty(fd));
    log_set(format, least);
}

void log_set(enum log_format format, enum log_level least)
{
    atomic_store_explicit(&setup.show, look_of(format), memory_order_relaxed);
    atomic_store_explicit(&setup.least, (int)least, memory_order_relaxed);
}

enum log_format log_format_named(struct str name)
{
    if (str_eq(name, STR("json"))) return LOG_FORMAT_JSON;
    return str_eq(name, STR("text")) ? LOG_FORMAT_TEXT : LOG_FORMAT_AUTO;
}

enum log_level log_level_named(struct str name)
{
    if (str_eq(name, STR("debug"))) return LOG_DEBUG;
    if (str_eq(name, STR("warn"))) return LOG_WARN;
    return str_eq(name, STR("error")) ? LOG_ERROR : LOG_INFO;
}

static bool is_enabled(enum log_level level)
{
    return (int)level >= atomic_load_explicit(&setup.least, memory_order_relaxed);
}

/* Room for `len` more bytes of the line, NULL when it has not so much left: then it is cut. */
static inline char *grow(struct log_line *l, size_t len)
{
    char *at = l->text + l->len;
    if (len > (size_t)LINE_ROOM - l->len) l->truncated = true;
    if (l->truncated) return NULL;
    l->len += len;
    return at;
}

static inline void put(struct log_line *l, const char *text, size_t len)
{
    char *at = grow(l, len);
    if (at) memcpy(at, text, len);
}

static inline void put_text(struct log_line *l, const char *text)
{
    put(l, text, strlen(text));
}

/* The second as text, made once per second and thread. */
static const char *stamp_of(uint64_t second, bool json)
{
    if (batch.second != second || batch.stamp_json != json) {
        time_t now = (time_t)second;
        struct tm tm;
        if (json)
            gmtime_r(&now, &tm);
        else
            localtime_r(&now, &tm);
        strftime(batch.stamp, sizeof batch.stamp, json ? "%Y-%m-%dT%H:%M:%S" : "%H:%M:%S", &tm);
        batch.second = second;
        batch.stamp_json = json;
    }
    return batch.stamp;
}

/* "." and the first `count` digits of the microseconds. */
static void put_fraction(struct log_line *l, unsigned us, size_t count)
{
    char text[7] = ".";
    for (size_t i = 6; i > 0; i--, us /= 10)
        text[i] = (char)('0' + us % 10);
    put(l, text, count + 1);
}

static void begin_json(struct log_line *l, uint64_t now, const char *event)
{
    static const char *const levels[] = {"debug", "info", "warn", "error"};
    put_text(l, "{\"time\":\"");
    put_text(l, stamp_of(now / USEC_PER_SEC, true));
    put_fraction(l, (unsigned)(now % USEC_PER_SEC), 6);
    put_text(l, "Z\",\"level\":\"");
    put_text(l, levels[l->level]);
    put_text(l, "\",\"event\":\"");
    put_text(l, event);
    put_text(l, "\"");
}

static void begin_text(struct log_line *l, uint64_t now, const char *event, bool colour)
{
    static const char *const levels[] = {" DEBUG ", " INFO  ", " WARN  ", " ERROR "};
    static const char *const colours[] = {"\x1b[2m", "\x1b[32m", "\x1b[33m", "\x1b[31m"};
    put_text(l, stamp_of(now / USEC_PER_SEC, false));
    put_fraction(l, (unsigned)(now % USEC_PER_SEC), 3);
    if (colour) put_text(l, colours[l->level]);
    put_text(l, levels[l->level]);
    if (colour) put_text(l, "\x1b[0;1m");
    put_text(l, event);
    if (colour) put_text(l, "\x1b[0m");
    put_text(l, " ");
}

void log_begin(struct log_line *l, enum log_level level, const char *event)
{
    unsigned show = atomic_load_explicit(&setup.show, memory_order_relaxed);
    l->level = level;
    l->on = is_enabled(level);
    l->truncated = false;
    l->json = show & SHOW_JSON;
    l->len = 0;
    if (!l->on) return;
    if (l->json)
        begin_json(l, clock_wall_us(), event);
    else
        begin_text(l, clock_wall_us(), event, show & SHOW_COLOUR);
}

/* A field's key and room for `len` bytes of its value, NULL when both do not fit. */
static inline char *put_key(struct log_line *l, struct str key, size_t len)
{
    bool json = l->json;
    char *at = grow(l, key.len + len + (json ? sizeof ",\"\":" - 1 : sizeof " =" - 1));
    if (!at) return NULL;
    if (json) *at++ = ',';
    *at++ = json ? '"' : ' ';
    memcpy(at, key.ptr, key.len);
    at += key.len;
    if (json) *at++ = '"';
    *at++ = json ? ':' : '=';
    return at;
}

/* Characters that could forge lines, move the cursor or turn the text
 * around on a reader's screen. */
static bool is_dangerous(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x61c || (c >= 0x200b && c <= 0x200f) ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

/* The code of the valid character of n bytes at p. */
static uint32_t code_at(const unsigned char *p, int n)
{
    uint32_t code = n == 1 ? *p : *p & (0x7fu >> n);
    for (int i = 1; i < n; i++)
        code = code << 6 | (p[i] & 0x3f);
    return code;
}

static void put_escape(struct log_line *l, uint32_t code)
{
    char text[8];
    const char *letter = code == '\n' ? "\\n" : code == '\t' ? "\\t" : code == '\r' ? "\\r" : NULL;
    snprintf(text, sizeof text, "\\u%04x", code & 0xffff);
    put_text(l, letter ? letter : text);
}

/* A bit for each of eight bytes: it cannot stand as it is, or stands behind one that cannot. */
static inline uint64_t special_of_8(const unsigned char *p)
{
    uint64_t ones = UINT64_MAX / 255, v;
    memcpy(&v, p, 8);
    uint64_t hit =
        v | (v + ones) | (v - ones * ' ') | ((v ^ ones * '"') - ones) | ((v ^ ones * '\\') - ones);
    return hit & ones * 0x80;
}

/* How many bytes may stand as they are. */
static inline size_t plain_run(const unsigned char *p, const unsigned char *end)
{
    static const bool plain[256] = {
        ['"' + 1 ... '\\' - 1] = true,
        ['\\' + 1 ... '~'] = true,
        [' '] = true,
        ['!'] = true,
    };
    const unsigned char *start = p;
    while (end - p >= 8 && !special_of_8(p))
        p += 8;
    while (p < end && plain[*p])
        p++;
    return (size_t)(p - start);
}

static void put_escaped(struct log_line *l, struct str value)
{
    const unsigned char *p = (const unsigned char *)value.ptr, *end = p + value.len;
    while (p < end) {
        size_t run = plain_run(p, end);
        put(l, (const char *)p, run);
        p += run;
        if (p == end) break;
        int n = utf8_step(p, end);
        uint32_t code = n > 0 ? code_at(p, n) : 0xfffd;
        if (n < 0)
            put_text(l, "\xef\xbf\xbd");
        else if (is_dangerous(code))
            put_escape(l, code);
        else if (n == 1)
            put(l, (const char[]){'\\', (char)*p}, 2);
        else
            put(l, (const char *)p, (size_t)n);
        p += n < 0 ? -n : n;
    }
}

/* In text, a word needs no quotes. */
static bool is_word(struct str value)
{
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        if (c <= ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '=') return false;
    }
    return value.len > 0;
}

/* A value that must not stand as it is, or not whole. */
static void put_changed(struct log_line *l, struct str key, struct str value)
{
    size_t start = l->len;
    bool cut = value.len > VALUE_MAX;
    if (cut) value.len = utf8_complete(str_n(value.ptr, VALUE_MAX));
    put_key(l, key, 0);
    put_text(l, "\"");
    put_escaped(l, value);
    put_text(l, cut ? "\xe2\x80\xa6\"" : "\"");
    if (l->truncated) l->len = start; /* a field that did not fit is taken back whole */
}

static bool is_plain(struct str value)
{
    const unsigned char *p = (const unsigned char *)value.ptr;
    return value.len <= VALUE_MAX && plain_run(p, p + value.len) == value.len;
}

void log__str(struct log_line *l, struct str key, struct str value)
{
    if (!value.ptr) value = STR("");
    if (!is_plain(value)) {
        put_changed(l, key, value);
        return;
    }
    bool quoted = l->json || !is_word(value);
    char *at = put_key(l, key, value.len + (quoted ? 2 : 0));
    if (!at) return;
    if (quoted) *at++ = '"';
    memcpy(at, value.ptr, value.len);
    if (quoted) at[value.len] = '"';
}

void log__number(struct log_line *l, struct str key, bool negative, uint64_t value)
{
    char text[24], *end = text + sizeof text, *p = end;
    do
        *--p = (char)('0' + value % 10);
    while (value /= 10);
    if (negative) *--p = '-';
    char *at = put_key(l, key, (size_t)(end - p));
    if (at) memcpy(at, p, (size_t)(end - p));
}

void log__bool(struct log_line *l, struct str key, bool value)
{
    struct str text = value ? STR("true") : STR("false");
    char *at = put_key(l, key, text.len);
    if (at) memcpy(at, text.ptr, text.len);
}

static size_t finish(struct log_line *l)
{
    char *end = l->text + l->len;
    if (l->truncated) end = stpcpy(end, l->json ? TRUNCATED_JSON : TRUNCATED_TEXT);
    end = stpcpy(end, l->json ? "}\n" : "\n");
    return (size_t)(end - l->text);
}

static bool gather(const struct log_line *l, size_t len)
{
    if (len > BATCH_MAX - batch.len) return false;
    memcpy(batch.data + batch.len, l->text, len);
    batch.len += len;
    return true;
}

/* The reader is back: the first line it gets then says how many it missed. */
static void tell_of(uint64_t lost)
{
    NOT_ZEROED struct log_line l;
    log_begin(&l, LOG_WARN, "log_dropped");
    log_u64(&l, "lines", lost);
    if (l.on) gather(&l, finish(&l));
}

uint64_t log_dropped(void)
{
    return log__sink_dropped();
}

bool log_gathered(void)
{
    return batch.len > 0;
}

void log_flush(void)
{
    if (batch.len == 0) return;
    uint64_t lost;
    size_t done = log__sink_write(batch.data, batch.len, &lost);
    memmove(batch.data, batch.data + done, batch.len - done);
    batch.len -= done;
    if (lost) tell_of(lost);
}

void log_end(struct log_line *l)
{
    if (!l->on) return;
    size_t len = finish(l);
    if (!gather(l, len)) {
        log_flush();
        if (!gather(l, len)) log__sink_drop(1);
    }
    if (l->level >= LOG_WARN) log_flush();
}

void log_note(enum log_level level, const char *event, const char *fmt, ...)
{
    if (!is_enabled(level)) return;
    NOT_ZEROED char message[MESSAGE_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    NOT_ZEROED struct log_line l;
    log_begin(&l, level, event);
    log_cstr(&l, "msg", message);
    log_end(&l);
}
