/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/screen.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "cmd/cli.h"

#define DIM "\033[2m"
#define PLAIN "\033[0m"
#define CLEAR_LINE "\r\033[K"

/* What comes at once is not announced by a flicker. */
enum { FIRST_TURN_US = 300 * USEC_PER_MS, TURN_US = 100 * USEC_PER_MS };

static void on_turn(struct task *task);

void screen_init(struct screen *s, struct loop *loop)
{
    const char *no_color = getenv("NO_COLOR");
    *s = (struct screen){.loop = loop, .terminal = isatty(STDOUT_FILENO), .last = '\n'};
    s->moves = s->terminal && !cli_terminal_is_dumb();
    s->styles = s->moves && !(no_color && *no_color);
    task_init(&s->task, on_turn);
    timer_init(&s->timer, &s->task);
    buf_init(&s->text, SIZE_MAX / 2);
    buf_init(&s->clean, SIZE_MAX / 2);
    buf_init(&s->styled, SIZE_MAX / 2);
    markdown_init(&s->markdown);
}

void screen_fini(struct screen *s)
{
    timer_stop(s->loop, &s->timer);
    task_cancel(&s->task);
    buf_fini(&s->text);
    buf_fini(&s->clean);
    buf_fini(&s->styled);
    markdown_fini(&s->markdown);
}

/* --- characters --- */

/* Moves whole characters from `text` to `shown`. */
static int clean(struct buf *text, struct buf *shown)
{
    struct str whole = buf_str(text);
    whole.len = utf8_complete(whole);
    int err = cli_clean(whole, false, shown);
    buf_consume(text, whole.len);
    return err;
}

void screen_note(const struct screen *s, const char *fmt, ...)
{
    struct buf text, shown;
    va_list args;
    FILE *out = s->person ? stdout : stderr;
    bool dim = s->person && s->styles;
    buf_init(&text, SIZE_MAX / 2);
    buf_init(&shown, SIZE_MAX / 2);
    va_start(args, fmt);
    if (buf_vprintf(&text, fmt, args) || clean(&text, &shown)) mem_exhausted();
    va_end(args);
    fprintf(out, "%s%" STR_FMT "%s\n", dim ? DIM : "", STR_ARG(buf_str(&shown)), dim ? PLAIN : "");
    fflush(out);
    buf_fini(&text);
    buf_fini(&shown);
}

/* --- what moves --- */

static void turn_later(struct screen *s, uint64_t in_us)
{
    timer_start(s->loop, &s->timer, loop_now(s->loop) + in_us);
}

static void on_turn(struct task *task)
{
    struct screen *s = CONTAINER_OF(task, struct screen, task);
    uint64_t seconds = (clock_mono_us() - s->since_us) / USEC_PER_SEC;
    printf(CLEAR_LINE "%c", "|/-\\"[s->turn++ % 4]);
    if (seconds) printf(" %llu s", (unsigned long long)seconds);
    fflush(stdout);
    turn_later(s, TURN_US);
}

static void stop_waiting(struct screen *s)
{
    if (s->turn) fputs(CLEAR_LINE, stdout);
    timer_stop(s->loop, &s->timer);
    task_cancel(&s->task);
    s->turn = 0;
}

/* --- the answer --- */

static void put(struct str text)
{
    if (text.len) fwrite(text.ptr, 1, text.len, stdout);
}

static void print(struct screen *s, struct str text)
{
    if (text.len == 0) return;
    put(text);
    s->last = text.ptr[text.len - 1];
}

/* What is not written to a terminal stays as it is. */
static void print_piece(struct screen *s, struct str piece)
{
    if (!s->terminal) {
        print(s, piece);
        return;
    }
    buf_clear(&s->clean);
    if (buf_append(&s->text, piece) || clean(&s->text, &s->clean)) mem_exhausted();
    print(s, buf_str(&s->clean));
}

static void print_styled(struct screen *s)
{
    put(buf_str(&s->styled)); /* nothing, while the beginning of a marker is held back */
    s->last = s->markdown.before;
    buf_clear(&s->styled);
}

static void print_markdown(struct screen *s, struct str piece)
{
    if (!s->styles) {
        print_piece(s, piece);
        return;
    }
    buf_clear(&s->clean);
    if (buf_append(&s->text, piece) || clean(&s->text, &s->clean) ||
        markdown_add(&s->markdown, buf_str(&s->clean), &s->styled))
        mem_exhausted();
    print_styled(s);
}

/* What was held back comes; the start of a character that never came to its end does not. */
static void end_kind(struct screen *s)
{
    buf_clear(&s->text);
    if (!s->styles) return;
    if (s->kind == SCREEN_TEXT) {
        if (markdown_end(&s->markdown, &s->styled)) mem_exhausted();
        print_styled(s);
    }
    if (s->kind == SCREEN_THOUGHT) fputs(PLAIN, stdout);
}

/* Each kind begins a line, and is set apart from thoughts. */
static void begin_kind(struct screen *s, enum screen_kind kind)
{
    if (kind == s->kind) return;
    end_kind(s);
    if (s->last != '\n') print(s, STR("\n"));
    if (s->kind == SCREEN_THOUGHT) print(s, STR("\n"));
    if (kind == SCREEN_THOUGHT && s->styles) fputs(DIM, stdout);
    s->kind = kind;
}

void screen_begin(struct screen *s)
{
    s->last = '\n';
    s->kind = SCREEN_NOTHING;
    s->since_us = clock_mono_us();
    buf_clear(&s->text);
    if (s->moves) turn_later(s, FIRST_TURN_US);
}

void screen_text(struct screen *s, struct str text, bool reasoning)
{
    if (reasoning && !s->person) return;
    stop_waiting(s);
    begin_kind(s, reasoning ? SCREEN_THOUGHT : SCREEN_TEXT);
    if (reasoning)
        print_piece(s, text);
    else
        print_markdown(s, text);
    fflush(stdout);
}

void screen_call(struct screen *s, struct str name, struct str arguments)
{
    stop_waiting(s);
    begin_kind(s, SCREEN_CALL);
    if (name.len) {
        if (s->last != '\n') print(s, STR("\n"));
        print(s, STR("call "));
        print_piece(s, name);
        print(s, STR(" "));
    }
    print_piece(s, arguments);
    fflush(stdout);
}

void screen_end(struct screen *s)
{
    stop_waiting(s);
    end_kind(s);
    if (s->last != '\n') print(s, STR("\n"));
    s->kind = SCREEN_NOTHING;
    fflush(stdout);
}
