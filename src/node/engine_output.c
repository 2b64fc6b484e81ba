/* SPDX-License-Identifier: Apache-2.0 */
#include "node/engine_output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "json/json.h"
#include "loop/process.h"
#include "obs/log.h"

enum {
    READ_MAX = 16384,    /* in one go; other work of the thread comes between */
    LAST_MAX = 1 << 20,  /* what is read at the end: others may hold the pipe, and go on */
    ARENA_BLOCK = 16384, /* a whole line's document */
    WORD_MAX = 32,
};

#define SECOND_US ((uint64_t)USEC_PER_SEC)

/* --- lines of our own engine --- */

/* Names of events and fields, which the log takes only from those it can trust. */
static bool to_word(struct str s, char out[WORD_MAX])
{
    if (s.len == 0 || s.len >= WORD_MAX) return false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (c != '_' && !(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9')) return false;
    }
    memcpy(out, s.ptr, s.len);
    out[s.len] = '\0';
    return true;
}

static void log_member(struct log_line *l, struct str name, const struct json *value)
{
    char key[WORD_MAX];
    struct str text;
    int64_t number;
    bool truth;
    if (!to_word(name, key)) return;
    if (json_to_str(value, &text))
        log_str(l, key, text);
    else if (json_to_i64(value, &number))
        log_i64(l, key, number);
    else if (json_to_bool(value, &truth))
        log_bool(l, key, truth);
}

static bool is_set_by_us(struct str name)
{
    return str_eq(name, STR("time")) || str_eq(name, STR("level")) || str_eq(name, STR("event")) ||
           str_eq(name, STR("model"));
}

/* What a request came to is in its own line here, which has the same id. */
static enum log_level level_here(const struct json *doc)
{
    enum log_level level = log_level_named(json_str_or(doc, "level", STR_NULL));
    bool is_request = json_str_or(doc, "request_id", STR_NULL).ptr;
    return is_request && level == LOG_INFO ? LOG_DEBUG : level;
}

/* False when the line is not one that obs/log wrote. */
static bool log_own(const struct engine_output *o, struct str line, struct arena *arena)
{
    static const struct str prefix = STR_INIT("engine_"); /* not to be taken for an event of ours */
    const struct json *doc;
    char event[WORD_MAX + 8] = "engine_";
    if (json_parse(arena, line, &doc, NULL)) return false;
    if (!json_str_or(doc, "level", STR_NULL).ptr || !json_str_or(doc, "time", STR_NULL).ptr)
        return false;
    if (!to_word(json_str_or(doc, "event", STR_NULL), event + prefix.len)) return false;
    struct log_line l;
    struct json_iter it = {0};
    struct str name;
    const struct json *value;
    log_begin(&l, level_here(doc), event);
    log_str(&l, "model", o->model);
    while (json_next_member(doc, &it, &name, &value))
        if (!is_set_by_us(name)) log_member(&l, name, value);
    log_end(&l);
    return true;
}

/* --- any line --- */

static void tell_left_out(struct engine_output *o)
{
    struct log_line l;
    if (o->left_out == 0) return;
    log_begin(&l, LOG_WARN, "engine_output");
    log_str(&l, "model", o->model);
    log_u64(&l, "lines_left_out", o->left_out);
    log_end(&l);
    o->left_out = 0;
}

static void on_second(struct task *task)
{
    tell_left_out(CONTAINER_OF(task, struct engine_output, task));
}

/* Whether a line of that length is within what may be logged in a second. */
static bool take_share(struct engine_output *o, size_t len)
{
    uint64_t now = loop_now(o->loop);
    if (now - o->second_us >= SECOND_US) {
        tell_left_out(o);
        o->second_us = now;
        o->lines = o->bytes = 0;
    }
    if (o->lines < ENGINE_OUTPUT_LINES && o->bytes + len <= ENGINE_OUTPUT_BYTES) {
        o->lines++;
        o->bytes += len;
        return true;
    }
    if (o->left_out++ == 0) timer_start(o->loop, &o->timer, o->second_us + SECOND_US);
    return false;
}

static bool log_as_own(const struct engine_output *o, struct str line)
{
    struct arena arena;
    if (!o->own || line.ptr[0] != '{') return false;
    arena_init(&arena, SIZE_MAX, ARENA_BLOCK);
    bool done = log_own(o, line, &arena);
    arena_fini(&arena);
    return done;
}

static void log_text(const struct engine_output *o, struct str line, bool complaint)
{
    struct log_line l;
    log_begin(&l, complaint ? LOG_ERROR : LOG_INFO, "engine_output");
    log_str(&l, "model", o->model);
    log_str(&l, "line", line);
    log_end(&l);
}

static void take_line(struct engine_output *o, struct str line)
{
    static const struct str own = STR_INIT("hostler-engine: ");
    if (line.len > 0 && line.ptr[line.len - 1] == '\r') line.len--;
    line = str_trim(line);
    if (line.len == 0) return;
    bool complaint = o->own && str_starts(line, own); /* the engine's last words */
    if (complaint)
        snprintf(o->reason, sizeof o->reason, "%" STR_FMT, STR_ARG(str_skip(line, own.len)));
    if (take_share(o, line.len) && !log_as_own(o, line)) log_text(o, line, complaint);
}

static void take_bytes(struct engine_output *o, struct str bytes)
{
    struct str piece;
    while (bytes.len > 0) {
        ptrdiff_t end = str_find_char(bytes, '\n');
        piece = end < 0 ? bytes : str_sub(bytes, 0, (size_t)end);
        bytes = str_skip(bytes, piece.len + (end >= 0));
        size_t n = MIN(piece.len, sizeof o->text - o->len);
        memcpy(o->text + o->len, piece.ptr, n);
        o->len += n;
        bool full = o->len == sizeof o->text;
        if ((full || end >= 0) && !o->cutting) take_line(o, str_n(o->text, o->len));
        if (full || end >= 0) o->len = 0;
        o->cutting = end < 0 && (o->cutting || full);
    }
}

static void close_pipe(struct engine_output *o)
{
    if (!o->watch) return;
    fd_watch_close(o->watch);
    close(o->fd);
    o->watch = NULL;
}

/* How many bytes were taken; 0 when nothing more can be read now. */
static size_t read_some(struct engine_output *o)
{
    char bytes[READ_MAX];
    ssize_t n;
    do
        n = read(o->fd, bytes, sizeof bytes);
    while (n < 0 && errno == EINTR);
    if (n > 0) {
        take_bytes(o, str_n(bytes, (size_t)n));
        return (size_t)n;
    }
    if (n == 0 || errno != EAGAIN) close_pipe(o);
    return 0;
}

static void on_readable(void *owner)
{
    (void)read_some(owner);
}

int engine_output_open(struct engine_output *o, struct loop *loop, struct str model, bool own,
                       int *write_end)
{
    int ends[2];
    *o = (struct engine_output){.loop = loop, .model = model, .own = own, .fd = -1};
    task_init(&o->task, on_second);
    timer_init(&o->timer, &o->task);
    if (pipe2(ends, O_CLOEXEC)) return -errno;
    int err = fcntl(ends[0], F_SETFL, O_NONBLOCK) ? -errno : 0;
    if (!err) err = fd_watch_open(loop, ends[0], on_readable, o, &o->watch);
    if (err) {
        close(ends[0]);
        close(ends[1]);
        return err;
    }
    o->fd = ends[0];
    *write_end = ends[1];
    return 0;
}

void engine_output_end(struct engine_output *o)
{
    size_t n = 1, total = 0;
    if (!o->loop) return;
    while (o->watch && n > 0 && total < LAST_MAX) {
        n = read_some(o);
        total += n;
    }
    if (o->len > 0 && !o->cutting) take_line(o, str_n(o->text, o->len));
    o->len = 0;
    close_pipe(o);
    tell_left_out(o);
    timer_stop(o->loop, &o->timer);
    task_cancel(&o->task);
}

const char *engine_output_reason(const struct engine_output *o)
{
    return o->reason;
}
