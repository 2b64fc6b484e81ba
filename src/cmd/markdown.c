/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/markdown.h"

#include <string.h>

/* A phrase or the beginning of a line that is longer is none. */
enum { SPAN_MAX = 1000 };

#define BOLD "\033[1m"
#define NOT_BOLD "\033[22m"
#define TITLE "\033[1;4m"
#define DIM "\033[2m"
#define NOT_DIM "\033[22m"
#define CODE "\033[36m"
#define NOT_CODE "\033[39m"
#define ALL_PLAIN "\033[0m"
#define BULLET "\xe2\x80\xa2"

void markdown_init(struct markdown *m)
{
    *m = (struct markdown){.before = '\n'};
    buf_init(&m->waiting, SIZE_MAX / 2);
}

void markdown_fini(struct markdown *m)
{
    buf_fini(&m->waiting);
}

/* --- what is told --- */

/* A part of the text. */
static void tell(struct markdown *m, struct str text)
{
    if (!m->err) m->err = buf_append(m->out, text);
    if (text.len) m->before = text.ptr[text.len - 1];
}

/* What only the terminal sees. */
static void style(struct markdown *m, const char *sequence)
{
    if (!m->err) m->err = buf_append(m->out, str_of(sequence));
}

static void skip(struct markdown *m, size_t len)
{
    m->rest = str_skip(m->rest, len);
}

static bool tell_as_it_is(struct markdown *m, size_t len)
{
    tell(m, str_sub(m->rest, 0, len));
    skip(m, len);
    return true;
}

/* --- what is seen --- */

/* How often the byte at `from` comes in a row; 0 at the end. */
static size_t run_at(struct str s, size_t from)
{
    size_t len = 0;
    while (from + len < s.len && s.ptr[from + len] == s.ptr[from])
        len++;
    return len;
}

static size_t indent_of(struct str s)
{
    size_t len = 0;
    while (len < s.len && (s.ptr[len] == ' ' || s.ptr[len] == '\t'))
        len++;
    return len;
}

static bool is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* What is none in ASCII may be a letter. */
static bool is_letter(char c)
{
    return is_alnum(c) || (unsigned char)c >= 0x80;
}

/* Where the code ends that begins with `run` backticks: at as many. 0: it does not. */
static size_t code_end(struct str s, size_t run)
{
    for (size_t i = run, len; i < s.len; i += len) {
        len = run_at(s, i);
        if (s.ptr[i] == '`' && len == run) return i;
    }
    return 0;
}

/* Where the bold text ends that begins with **: at a ** after a word, or between a mark and no word. 0: it
 * does not, or more of the line must come. */
static size_t bold_end(struct str s, bool last)
{
    for (size_t i = 3; i + 1 < s.len; i++) {
        if (s.ptr[i] != '*' || s.ptr[i + 1] != '*' || s.ptr[i - 1] == ' ') continue;
        bool at_end = i + 2 == s.len;
        if (is_letter(s.ptr[i - 1]) || (at_end ? last : !is_letter(s.ptr[i + 2]))) return i;
    }
    return 0;
}

/* Each function below takes something off `rest`, which is not empty, and tells it. False: what it is
 * cannot be said before more has come, which there is no more if `last`. */

/* --- in a line: `rest` is the rest of it --- */

static bool tell_code(struct markdown *m)
{
    size_t run = run_at(m->rest, 0);
    size_t end = code_end(m->rest, run);
    bool ends = end && end + run < m->rest.len; /* else a backtick more may come */
    if (!ends && !m->last) return false;
    if (!end) return tell_as_it_is(m, run);
    style(m, CODE);
    tell(m, str_sub(m->rest, run, end - run));
    style(m, NOT_CODE);
    skip(m, end + run);
    return true;
}

static bool tell_piece(struct markdown *m);

static bool tell_bold(struct markdown *m)
{
    struct str s = m->rest;
    size_t run = run_at(s, 0);
    bool last = m->last;
    if (run == s.len && !last) return false;
    bool begins = run == 2 && s.len > 2 && s.ptr[2] != ' ' && !is_alnum(m->before);
    size_t end = begins ? bold_end(s, last) : 0;
    if (begins && !end && !last) return false;
    if (!end) return tell_as_it_is(m, run);
    style(m, BOLD);
    m->last = true;
    for (m->rest = str_sub(s, 2, end - 2); m->rest.len;)
        tell_piece(m);
    if (!m->heading) style(m, NOT_BOLD);
    m->last = last;
    m->rest = str_skip(s, end + 2);
    return true;
}

static bool tell_piece(struct markdown *m)
{
    size_t len = 0;
    if (m->rest.ptr[0] == '`') return tell_code(m);
    if (m->rest.ptr[0] == '*') return tell_bold(m);
    if (m->rest.ptr[0] == '\\') /* what follows is no marker */
        return (m->rest.len > 1 || m->last) && tell_as_it_is(m, MIN(m->rest.len, (size_t)2));
    while (len < m->rest.len && !memchr("`*\\", m->rest.ptr[len], 3))
        len++;
    return tell_as_it_is(m, len);
}

/* --- the beginning of a line: `rest` is the line --- */

static bool begin(struct markdown *m)
{
    m->inside = true;
    return true;
}

/* The line that begins or ends code is shown, as it says which language. */
static bool tell_fence(struct markdown *m)
{
    style(m, DIM);
    tell_as_it_is(m, m->rest.len);
    style(m, NOT_DIM);
    return begin(m);
}

static bool is_fence(struct str rest, size_t run)
{
    if (run < 3 || (rest.ptr[0] != '`' && rest.ptr[0] != '~')) return false;
    return rest.ptr[0] == '~' || str_find_char(str_skip(rest, run), '`') < 0;
}

static bool open_fence(struct markdown *m, size_t indent, size_t run)
{
    if (!m->last) return false;
    m->fence = m->rest.ptr[indent];
    m->fence_len = run;
    tell_fence(m);
    style(m, CODE);
    return true;
}

static bool begin_line(struct markdown *m)
{
    size_t indent = indent_of(m->rest);
    struct str rest = str_skip(m->rest, indent);
    size_t run = run_at(rest, 0);
    bool open = run == rest.len && !m->last; /* the marker may go on */
    char marker = rest.len ? rest.ptr[0] : '\0';
    bool blank = run < rest.len && rest.ptr[run] == ' ';
    if (open && (!marker || strchr("#-*`~", marker))) return false;
    if (is_fence(rest, run)) return open_fence(m, indent, run);
    begin(m);
    if (marker == '#' && run <= 6 && blank) {
        m->heading = true;
        style(m, run <= 2 ? TITLE : BOLD);
        skip(m, indent + run + 1);
        return true;
    }
    tell_as_it_is(m, indent);
    if ((marker == '-' || marker == '*') && run == 1 && blank) {
        tell(m, STR(BULLET));
        skip(m, 1);
    }
    return true;
}

/* The same within code, which only its fence ends. */
static bool begin_code_line(struct markdown *m)
{
    size_t indent = indent_of(m->rest);
    struct str rest = str_skip(m->rest, indent);
    size_t run = rest.len && rest.ptr[0] == m->fence ? run_at(rest, 0) : 0;
    bool closes = indent_of(str_skip(rest, run)) == rest.len - run; /* so far */
    if (closes && !m->last) return false;
    if (!closes || run < m->fence_len) return begin(m);
    style(m, NOT_CODE);
    m->fence = '\0';
    return tell_fence(m);
}

/* --- all --- */

static bool end_line(struct markdown *m)
{
    if (m->heading) style(m, ALL_PLAIN);
    m->heading = m->inside = false;
    return tell_as_it_is(m, 1);
}

static bool tell_next(struct markdown *m)
{
    if (m->rest.ptr[0] == '\n') return end_line(m);
    if (m->fence) return m->inside ? tell_as_it_is(m, m->rest.len) : begin_code_line(m);
    return m->inside ? tell_piece(m) : begin_line(m);
}

/* Tells what can be told of what waits, line by line. */
static int tell_all(struct markdown *m, bool last)
{
    bool goes_on = true;
    while (goes_on && !m->err && buf_len(&m->waiting)) {
        struct str all = buf_str(&m->waiting);
        ptrdiff_t end = str_find_char(all, '\n');
        m->rest = end > 0 ? str_sub(all, 0, (size_t)end) : all;
        m->last = last || end >= 0 || all.len > SPAN_MAX;
        size_t before = m->rest.len;
        goes_on = tell_next(m);
        buf_consume(&m->waiting, before - m->rest.len);
    }
    int err = m->err;
    m->err = 0;
    return err;
}

int markdown_add(struct markdown *m, struct str text, struct buf *out)
{
    m->out = out;
    int err = buf_append(&m->waiting, text);
    return err ? err : tell_all(m, false);
}

int markdown_end(struct markdown *m, struct buf *out)
{
    m->out = out;
    int err = tell_all(m, true);
    if (!err && (m->heading || m->fence)) err = buf_append(out, STR(ALL_PLAIN));
    m->heading = m->inside = false;
    m->fence = '\0';
    return err;
}
