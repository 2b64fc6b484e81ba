/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/editor.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>
#include <wchar.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "cmd/cli.h"
#include "cmd/editline.h"
#include "loop/process.h"

enum {
    HISTORY_MAX = 1000,
    TYPED_MAX = 16 * 1024 * 1024,
    CTRL_C = 3,
    CTRL_Z = 26,
    OFFERS_SHOWN = 20
};

#define PASTE_BEGIN "\033[200~"
#define PASTE_END "\033[201~"

static const struct editline *lib; /* from the first editor on */

struct editor {
    struct loop *loop;
    const struct editor_owner *functions;
    void *owner;
    EditLine *el;
    History *history;
    const char *prompt;
    int fd; /* the terminal, for reading: a descriptor of our own, as it does not block */
    struct fd_watch *watch; /* NULL: the terminal is gone */
    struct signal_watch *resize;
    struct signal_watch *end;
    struct termios found; /* the terminal as it is for others */
    struct buf typed;     /* keys that nobody has taken yet */
    struct buf pasted;    /* the paste that is coming */
    bool edits;           /* a line is wanted */
    bool waits;           /* the loop runs until something is typed */
    unsigned columns;     /* the terminal's, when the line was drawn */
    bool resized;         /* since then */
    bool interrupted;
};

static struct editor *editor_of(EditLine *el)
{
    struct editor *e = NULL;
    lib->el_get(el, EL_CLIENTDATA, &e);
    return e;
}

static char *tell_prompt(EditLine *el)
{
    return (char *)(uintptr_t)editor_of(el)->prompt;
}

/* --- drawing --- */

static unsigned columns(void)
{
    struct winsize size = {0};
    (void)ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    return size.ws_col ? size.ws_col : 80;
}

/* In which row the cursor is, counted from the prompt's, after the terminal became `now` columns wide and
 * wrapped its rows anew. A full row was one with the next for it; not so one with blanks at its
 * end, which are not drawn. */
static unsigned cursor_row(const struct editor *e, unsigned now)
{
    const LineInfoW *line = lib->el_wline(e->el);
    unsigned rows = 0, before = 0; /* cells that are one with this row's */
    unsigned column = (unsigned)strlen(e->prompt), drawn = column;
    for (const wchar_t *c = line->buffer; c < line->cursor; c++) {
        unsigned width = *c == L'\t' ? 8 - column % 8 : (unsigned)MAX(wcwidth(*c), 0);
        if (*c == L'\n' || column + width > e->columns) {
            bool full = *c != L'\n' && drawn == e->columns;
            before += drawn;
            if (!full) rows += before ? (before + now - 1) / now : 1;
            if (!full) before = 0;
            column = drawn = 0;
        }
        if (*c == L'\n') continue;
        column += width;
        if (*c != L' ' && *c != L'\t') drawn = column;
    }
    return rows + (before + column) / now;
}

static void redraw(struct editor *e)
{
    unsigned now = columns();
    unsigned row = cursor_row(e, now);
    e->resized = false;
    e->columns = now;
    if (row) printf("\033[%uA", row);
    /* Below the row from its second column, as a screen that is cleared from its corner is kept by
     * some terminals, and then the row. */
    fputs("\r\033[C\033[J\r\033[K", stdout);
    lib->el_resize(e->el);
    lib->el_set(e->el, EL_REFRESH);
}

/* --- the terminal --- */

static void mark_pastes(bool on)
{
    if (!cli_terminal_is_dumb()) fputs(on ? "\033[?2004h" : "\033[?2004l", stdout);
    fflush(stdout);
}

/* To the shell, until that lets us go on. */
static void suspend(struct editor *e)
{
    struct termios ours;
    if (tcgetattr(STDIN_FILENO, &ours)) return;
    mark_pastes(false);
    (void)tcsetattr(STDIN_FILENO, TCSADRAIN, &e->found);
    kill(0, SIGTSTP);
    (void)tcgetattr(STDIN_FILENO, &e->found);
    (void)tcsetattr(STDIN_FILENO, TCSADRAIN, &ours);
    mark_pastes(true);
}

static void on_terminate(void *owner, int signum)
{
    const struct editor *e = owner;
    mark_pastes(false);
    (void)tcsetattr(STDIN_FILENO, TCSADRAIN, &e->found);
    signal(signum, SIG_DFL);
    raise(signum);
}

/* --- keys --- */

static void wake(struct editor *e)
{
    if (e->waits) loop_stop(e->loop);
}

/* A person does not type so much, so what goes beyond is lost. */
static void put_typed(struct editor *e, struct str keys)
{
    if (buf_append(&e->typed, keys)) fputc('\a', stderr);
    wake(e);
}

/* Takes a key out of what is typed ahead. False: it is not there. */
static bool take_key(struct editor *e, char wanted)
{
    struct str keys = buf_str(&e->typed);
    ptrdiff_t at = str_find_char(keys, wanted);
    if (at < 0) return false;
    char *key = e->typed.ptr + e->typed.start + at;
    memmove(key, key + 1, keys.len - (size_t)at - 1);
    e->typed.end--;
    return true;
}

void editor_listen(struct editor *e)
{
    bool typed = str_find_char(buf_str(&e->typed), CTRL_C) >= 0;
    if (typed && e->functions->on_interrupt(e->owner)) take_key(e, CTRL_C);
    if (take_key(e, CTRL_Z)) suspend(e);
}

static void on_readable(void *owner)
{
    struct editor *e = owner;
    char keys[4096];
    ssize_t n = read(e->fd, keys, sizeof keys);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) return;
    if (n > 0) {
        put_typed(e, str_n(keys, (size_t)n));
        if (!e->edits) editor_listen(e);
        return;
    }
    fd_watch_close(e->watch);
    e->watch = NULL;
    wake(e);
}

void editor_interrupt(struct editor *e)
{
    put_typed(e, str_n((const char[]){CTRL_C}, 1));
}

static void on_resize(void *owner, int signum UNUSED)
{
    struct editor *e = owner;
    e->resized = true;
    wake(e);
}

/* Waits for the next byte. False at the end. */
static bool next_byte(struct editor *e, char *byte)
{
    while (buf_len(&e->typed) == 0 && e->watch) {
        if (e->resized) redraw(e);
        e->waits = true;
        loop_run(e->loop);
        e->waits = false;
    }
    if (buf_len(&e->typed) == 0) return false;
    *byte = buf_str(&e->typed).ptr[0];
    buf_consume(&e->typed, 1);
    return true;
}

/* The next character: 1, or 0 at the end. */
static int read_character(EditLine *el, wchar_t *out)
{
    mbstate_t state = {0};
    char byte;
    while (next_byte(editor_of(el), &byte)) {
        size_t taken = mbrtowc(out, &byte, 1, &state);
        if (taken <= 1) return 1;
        if (taken == (size_t)-1) state = (mbstate_t){0}; /* no UTF-8: left out */
    }
    return 0;
}

/* Shows that the line was given up, and ends it. */
static unsigned char on_ctrl_c(EditLine *el, int key UNUSED)
{
    const LineInfoW *line = lib->el_wline(el);
    editor_of(el)->interrupted = true;
    lib->el_cursor(el, (int)(line->lastchar - line->cursor));
    lib->el_insertstr(el, "^C");
    lib->el_push(el, "\r");
    return CC_REFRESH;
}

static unsigned char on_ctrl_z(EditLine *el, int key UNUSED)
{
    struct editor *e = editor_of(el);
    suspend(e);
    e->columns = columns();
    lib->el_resize(el);
    lib->el_set(el, EL_REFRESH);
    return CC_NORM;
}

/* --- pasting --- */

/* Takes the whole paste, as it came. False when Ctrl-C or the terminal's end came first, or it is too
 * long. */
static bool read_paste(struct editor *e)
{
    char byte;
    bool fits = true;
    buf_clear(&e->pasted);
    while (next_byte(e, &byte) && byte != CTRL_C) {
        /* The end is seen of a paste that is too long, too. */
        if (!fits) buf_consume(&e->pasted, 1);
        if (buf_append(&e->pasted, str_n(&byte, 1))) fits = false;
        if (str_ends(buf_str(&e->pasted), STR(PASTE_END))) return fits;
    }
    return false;
}

/* Makes a paste a text for a line, with a terminator: without control characters but tabs and newlines,
 * which terminals send as the Enter key does, and without what is no UTF-8. Returns its length. */
static size_t clean_paste(char *text, size_t len)
{
    size_t to = 0;
    int step;
    for (size_t from = 0; from < len; from += (size_t)abs(step)) {
        const unsigned char *p = (const unsigned char *)text + from;
        step = utf8_step(p, (const unsigned char *)text + len);
        if (step < 0) continue;
        if (*p == '\r' && from + 1 < len && p[1] == '\n') continue;
        if ((*p < ' ' && !memchr("\t\r\n", *p, 3)) || *p == 0x7f) continue;
        memmove(text + to, p, (size_t)step);
        if (text[to] == '\r') text[to] = '\n';
        to += (size_t)step;
    }
    text[to] = '\0';
    return to;
}

static unsigned char on_paste(EditLine *el, int key UNUSED)
{
    struct editor *e = editor_of(el);
    bool whole = read_paste(e);
    size_t len = buf_len(&e->pasted);
    unsigned char result = CC_ERROR;
    if (whole) {
        char *text = e->pasted.ptr + e->pasted.start;
        len = clean_paste(text, len - strlen(PASTE_END));
        if (len == 0 || lib->el_insertstr(el, text) == 0) result = CC_REFRESH;
    }
    buf_release(&e->pasted);
    return result;
}

/* As if it were pasted before what was typed ahead. */
void editor_prefill(struct editor *e, struct str text)
{
    struct buf keys;
    struct str pieces[] = {STR(PASTE_BEGIN), text, STR(PASTE_END), buf_str(&e->typed)};
    buf_init(&keys, TYPED_MAX);
    if (buf_append_all(&keys, pieces, ARRAY_LEN(pieces))) {
        fputc('\a', stderr);
        return;
    }
    buf_fini(&e->typed);
    e->typed = keys;
}

/* --- completion --- */

struct editor_offers {
    size_t typed;      /* length of what there is */
    size_t shown_from; /* in an offer: behind the last blank typed */
    size_t count;
    struct buf common; /* what all of them begin with */
    struct buf list;   /* for people */
};

void editor_offer(struct editor_offers *o, struct str whole)
{
    struct str common = buf_str(&o->common);
    size_t same = 0;
    while (same < MIN(common.len, whole.len) && common.ptr[same] == whole.ptr[same])
        same++;
    if (o->count++ == 0)
        (void)!buf_append(&o->common, whole);
    else
        o->common.end = o->common.start + utf8_complete(str_sub(common, 0, same));
    if (o->count <= OFFERS_SHOWN)
        (void)!buf_printf(&o->list, "  %" STR_FMT "\n", STR_ARG(str_skip(whole, o->shown_from)));
}

/* Below the line, which is drawn anew under them. */
static void show_offers(const struct editor *e, const struct editor_offers *o)
{
    printf("\n\033[J%" STR_FMT, STR_ARG(buf_str(&o->list)));
    if (o->count > OFFERS_SHOWN) printf("  ... and %zu more\n", o->count - OFFERS_SHOWN);
    lib->el_set(e->el, EL_REFRESH);
}

static unsigned char complete(const struct editor *e, const struct editor_offers *o)
{
    if (o->count == 0) return CC_ERROR;
    if (buf_len(&o->common) > o->typed) {
        lib->el_insertstr(e->el, buf_str(&o->common).ptr + o->typed);
        return CC_REFRESH;
    }
    if (o->count > 1) show_offers(e, o);
    return CC_NORM;
}

static unsigned char on_tab(EditLine *el, int key UNUSED)
{
    const struct editor *e = editor_of(el);
    const LineInfo *info = lib->el_line(el);
    struct str line = str_n(info->buffer, (size_t)(info->cursor - info->buffer));
    struct editor_offers o = {.typed = line.len};
    for (size_t i = 0; i < line.len; i++)
        if (line.ptr[i] == ' ') o.shown_from = i + 1;
    buf_init(&o.common, SIZE_MAX / 2);
    buf_init(&o.list, SIZE_MAX / 2);
    e->functions->on_complete(e->owner, line, &o);
    int err = buf_append(&o.common, str_n("", 1));
    if (!err) o.common.end--; /* there is a terminator behind it */
    unsigned char result = err ? CC_ERROR : complete(e, &o);
    buf_fini(&o.common);
    buf_fini(&o.list);
    return result;
}

/* --- life --- */

/* /dev/tty is not used where stdin is another terminal. */
static int open_terminal(struct editor *e)
{
    if (tcgetpgrp(STDIN_FILENO) < 0) return -errno;
    e->fd = open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC);
    if (e->fd < 0 || tcgetattr(STDIN_FILENO, &e->found)) return -errno;
    int err = fd_watch_open(e->loop, e->fd, on_readable, e, &e->watch);
    if (!err) err = signal_watch_open(e->loop, SIGWINCH, on_resize, e, &e->resize);
    return err ? err : signal_watch_open(e->loop, SIGTERM, on_terminate, e, &e->end);
}

static void begin_history(struct editor *e)
{
    HistEvent event;
    (void)lib->history(e->history, &event, H_SETSIZE, HISTORY_MAX);
    (void)lib->history(e->history, &event, H_SETUNIQUE, 1);
    lib->el_set(e->el, EL_HIST, lib->history, e->history);
}

static void bind_keys(struct editor *e)
{
    lib->el_set(e->el, EL_EDITOR, "emacs");
    /* el_set would lose the memory of these names. */
    lib->el_wset(e->el, EL_ADDFN, L"interrupt", L"gives the line up", on_ctrl_c);
    lib->el_wset(e->el, EL_ADDFN, L"paste", L"takes a pasted text", on_paste);
    lib->el_wset(e->el, EL_ADDFN, L"suspend", L"goes back to the shell", on_ctrl_z);
    lib->el_wset(e->el, EL_ADDFN, L"complete", L"completes the line", on_tab);
    lib->el_set(e->el, EL_BIND, "^I", "complete", NULL);
    lib->el_set(e->el, EL_BIND, "^C", "interrupt", NULL);
    lib->el_set(e->el, EL_BIND, "^Z", "suspend", NULL);
    lib->el_set(e->el, EL_BIND, PASTE_BEGIN, "paste", NULL);
    lib->el_set(e->el, EL_BIND, "^R", "em-inc-search-prev", NULL);
}

/* While a line is edited (-d) and between two (-x): all that is typed comes as keys, in its order. A
 * signal would overtake what was typed before, and an echo would go into the midst of an answer. */
static void take_terminal(struct editor *e)
{
    lib->el_set(e->el, EL_SETTY, "-d", "-isig", "-icrnl", "-inlcr", NULL);
    lib->el_set(e->el, EL_SETTY, "-x", "-isig", "-icrnl", "-inlcr", "-icanon", "-echo", NULL);
    mark_pastes(true);
}

struct editor *editor_new(struct loop *loop, const struct editor_owner *functions, void *owner)
{
    struct editor *e = mem_must_zero(1, sizeof *e);
    *e = (struct editor){.loop = loop, .functions = functions, .owner = owner, .fd = -1};
    buf_init(&e->typed, TYPED_MAX);
    buf_init(&e->pasted, TYPED_MAX);
    (void)setlocale(LC_CTYPE, "C.UTF-8");
    lib = editline_load();
    int err = lib ? open_terminal(e) : ERR_NOT_FOUND;
    if (!err) e->el = lib->el_init("hostler", stdin, stdout, stderr);
    if (!err) e->history = lib->history_init();
    if (!e->el || !e->history) {
        editor_free(e);
        return NULL;
    }
    lib->el_set(e->el, EL_CLIENTDATA, e);
    lib->el_set(e->el, EL_PROMPT, tell_prompt);
    lib->el_set(e->el, EL_GETCFN, read_character);
    begin_history(e);
    bind_keys(e);
    take_terminal(e);
    return e;
}

void editor_free(struct editor *e)
{
    if (!e) return;
    if (e->el) {
        mark_pastes(false);
        lib->el_end(e->el);
    }
    if (e->history) lib->history_end(e->history);
    fd_watch_close(e->watch);
    if (e->resize) signal_watch_close(e->resize);
    if (e->end) signal_watch_close(e->end);
    if (e->fd >= 0) close(e->fd);
    buf_fini(&e->typed);
    buf_fini(&e->pasted);
    free(e);
}

void editor_remember(struct editor *e, struct str line)
{
    HistEvent event;
    (void)lib->history(e->history, &event, H_ENTER, line.ptr);
}

enum editor_end editor_line(struct editor *e, const char *prompt, struct str *line)
{
    int count = 0;
    e->prompt = prompt;
    e->interrupted = false;
    e->edits = true;
    e->resized = false;
    e->columns = columns();
    lib->el_resize(e->el);
    const char *text = lib->el_gets(e->el, &count);
    e->edits = false;
    if (!text || count <= 0) return EDITOR_EOF;
    *line = str_n(text, (size_t)count);
    if (str_ends(*line, STR("\n"))) line->len--;
    if (e->interrupted) {
        line->len -= strlen("^C");
        return EDITOR_INTERRUPTED;
    }
    if (str_trim(*line).len) editor_remember(e, str_n(text, (size_t)count));
    return EDITOR_LINE;
}
