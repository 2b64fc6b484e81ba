/* SPDX-License-Identifier: Apache-2.0 */
#include "jinja/wrap.h"

#include "jinja/letters.h"
#include "jinja/text_parts.h"

/* A line under way: the bytes from..to, where its last chunk begins, and how many characters it
 * has. */
struct line {
    size_t from, to, last;
    int64_t length;
};

struct wrapper {
    struct run *r;
    const struct value *text;
    const struct wrap *wrap;
    const struct value *newline;
    struct sink out;
    bool any; /* a line was written */
};

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_letter(const struct wrapper *w, size_t at)
{
    size_t bytes;
    return at < w->text->len && letter_is_alpha(w->r, text_code(value_str(w->text), at, &bytes));
}

/* A hyphen between letters, two of which are before it: a line may end there. */
static bool breaks_after(const struct wrapper *w, size_t start, size_t at)
{
    if (!w->wrap->hyphens || w->text->bytes[at] != '-' || at < start + 2) return false;
    size_t before = at - text_step_back(value_str(w->text), at);
    if (before <= start) return false;
    size_t second = before - text_step_back(value_str(w->text), before);
    return is_letter(w, before) && is_letter(w, second) && is_letter(w, at + 1);
}

/* The end of the run of blanks, or of the word, that begins at `at`. */
static size_t chunk_end(const struct wrapper *w, size_t at)
{
    size_t end = at;
    bool blank = is_blank(w->text->bytes[at]);
    for (; end < w->text->len && is_blank(w->text->bytes[end]) == blank; end++)
        if (!blank && breaks_after(w, at, end)) return end + 1;
    return end;
}

/* Of white space of any kind, which chunks do not end at. */
static bool is_white(const struct wrapper *w, size_t from, size_t to)
{
    size_t bytes;
    for (size_t at = from; at < to; at += bytes)
        if (!letter_is_space(text_code(value_str(w->text), at, &bytes))) return false;
    return true;
}

static int put_line(struct wrapper *w, const struct line *line)
{
    size_t to = is_white(w, line->last, line->to) ? line->last : line->to;
    if (to == line->from) return 0;
    int err = w->any ? sink_put_text(w->r, &w->out, w->newline) : 0;
    w->any = true;
    return err ? err : sink_put_part(w->r, &w->out, w->text, line->from, to);
}

/* Fills lines with a word that fits none. */
static int cut_word(struct wrapper *w, struct line *line, size_t end)
{
    struct str s = value_str(w->text);
    int err = 0;
    line->last = line->to; /* even when no character of it fits, blanks before it stay */
    while (!err && line->to < end) {
        if (line->length >= w->wrap->width) {
            err = put_line(w, line);
            *line = (struct line){line->to, line->to, line->to, 0};
        }
        line->to += text_step(s, line->to);
        line->length++;
    }
    return err;
}

static int add_chunk(struct wrapper *w, struct line *line, size_t end)
{
    size_t at = line->to;
    bool blank = is_white(w, at, end);
    int64_t length = (int64_t)text_length(str_n(w->text->bytes + at, end - at));
    int err = 0;
    if (line->length + length > w->wrap->width) {
        bool cuts = length > w->wrap->width && w->wrap->long_words;
        if (cuts && !blank) return cut_word(w, line, end);
        err = put_line(w, line);
        *line = (struct line){at, at, at, 0};
        if (blank && w->any) {
            *line = (struct line){end, end, end, 0};
            return err;
        }
    }
    line->last = at;
    line->to = end;
    line->length += length;
    return err;
}

static int wrap_line(struct wrapper *w)
{
    struct line line = {0};
    int err = 0;
    for (size_t at = 0; !err && at < w->text->len;) {
        at = chunk_end(w, at);
        err = run_charge(w->r, 1);
        if (!err) err = add_chunk(w, &line, at);
    }
    return err ? err : put_line(w, &line);
}

int wrap_text(struct run *r, const struct value *text, const struct wrap *wrap,
              const struct value *newline, struct value *out)
{
    struct value lines;
    struct sink s = {0};
    if (wrap->width <= 0) return run_raise(r, "invalid width (must be > 0)");
    int err = text_lines(r, text, false, &lines);
    for (size_t i = 0; !err && i < lines.list->count; i++) {
        struct wrapper w = {
            .r = r, .text = &lines.list->items[i], .wrap = wrap, .newline = newline};
        w.out = s;
        if (i) err = sink_put_text(r, &w.out, newline);
        if (!err) err = wrap_line(&w);
        s = w.out;
    }
    return err ? err : sink_end(r, &s, out);
}
