/* SPDX-License-Identifier: Apache-2.0 */
#include "http/sse.h"

#include <string.h>

#include "base/err.h"

void sse_init(struct sse *s, size_t event_max)
{
    buf_init(&s->carry, event_max);
    buf_init(&s->given, event_max);
    s->line = s->looked = 0;
    s->begun = s->lines = s->skipping = s->at_start = s->after_cr = false;
}

void sse_fini(struct sse *s)
{
    buf_fini(&s->carry);
    buf_fini(&s->given);
}

struct str sse_rest(const struct sse *s)
{
    return buf_str(&s->carry);
}

/* Index of the first line end at or after `at`, s.len when there is none. */
static size_t find_line_end(struct str s, size_t at)
{
    const char *lf = memchr(s.ptr + at, '\n', s.len - at);
    size_t end = lf ? (size_t)(lf - s.ptr) : s.len;
    const char *cr = memchr(s.ptr + at, '\r', end - at);
    return cr ? (size_t)(cr - s.ptr) : end;
}

/* Length of the line end at `at`: 1 or 2; 0 for a final \r, whose \n may still come. */
static size_t line_end_length(struct str s, size_t at)
{
    if (s.ptr[at] == '\n') return 1;
    if (at + 1 == s.len) return 0;
    return s.ptr[at + 1] == '\n' ? 2 : 1;
}

/* Length of the first event in `text` with the blank line that ends it (or, of lines, with its line
 * end), 0 when it is not whole: then s->line and s->looked, which say where to go on, have moved. */
static size_t event_length(struct sse *s, struct str text)
{
    while (s->line < text.len) {
        size_t end = find_line_end(text, MIN(MAX(s->line, s->looked), text.len));
        size_t n = end < text.len ? line_end_length(text, end) : 0;
        s->looked = end;
        if (n == 0) return 0;
        if (s->lines || end == s->line) return end + n;
        s->line = end + n;
    }
    return 0;
}

/* The next line of *rest, without its end. */
static bool next_line(struct str *rest, struct str *line)
{
    if (rest->len == 0) return false;
    size_t end = find_line_end(*rest, 0);
    *line = str_n(rest->ptr, end);
    size_t used = end < rest->len ? end + MAX(line_end_length(*rest, end), (size_t)1) : end;
    *rest = str_n(rest->ptr + used, rest->len - used);
    return true;
}

static struct str field_value(struct str line, size_t name_len)
{
    struct str value = str_skip(line, name_len + 1);
    if (value.len && value.ptr[0] == ' ') value = str_skip(value, 1);
    return value;
}

static inline bool is_field(struct str line, struct str name)
{
    return line.len > name.len && memcmp(line.ptr, name.ptr, name.len) == 0 &&
           line.ptr[name.len] == ':';
}

static inline void read_line(struct str line, struct sse_event *event)
{
    if (is_field(line, STR("data"))) {
        if (event->data.ptr)
            event->multi = true;
        else
            event->data = field_value(line, 4);
    } else if (is_field(line, STR("event"))) {
        event->event = field_value(line, 5);
    }
}

static struct str without_mark(struct str s)
{
    static const struct str mark = STR_INIT("\xef\xbb\xbf");
    return str_starts(s, mark) ? str_skip(s, mark.len) : s;
}

static void read_fields(struct sse *s, struct str raw, struct sse_event *event)
{
    struct str rest = s->begun ? raw : without_mark(raw), line;
    s->begun = true;
    *event = (struct sse_event){.raw = raw};
    while (next_line(&rest, &line))
        if (!s->lines)
            read_line(line, event);
        else if (line.len)
            event->data = line;
}

/* What nearly all events are: a single line and an empty one. Takes it off *input; false when
 * something else is there. */
static bool take_plain(struct sse *s, struct str *input, struct sse_event *event)
{
    const char *end = memchr(input->ptr, '\n', input->len), *last = input->ptr + input->len;
    if (!s->begun || !end || end == input->ptr || end + 1 == last || end[1] != '\n') return false;
    struct str line = {input->ptr, (size_t)(end - input->ptr)};
    if (s->lines || memchr(line.ptr, '\r', line.len)) return false;
    *event = (struct sse_event){.raw = {line.ptr, line.len + 2}};
    read_line(line, event);
    *input = (struct str){end + 2, (size_t)(last - end) - 2};
    return true;
}

/* Moves the carry to where the next carry does not overwrite it. */
static struct str give_carry(struct sse *s)
{
    struct buf given = s->given;
    s->given = s->carry;
    s->carry = given;
    buf_clear(&s->carry);
    s->line = s->looked = 0;
    return buf_str(&s->given);
}

/* An event whose beginning is carried, or shall be. Its end may straddle the border: joins, looks,
 * and leaves what lies beyond in the input. */
RARE static int next_in_pieces(struct sse *s, struct str *input, struct sse_event *event)
{
    size_t carried = buf_len(&s->carry), add = MIN(input->len, s->carry.max - carried);
    int err = buf_append(&s->carry, str_n(input->ptr, add));
    if (err) return err;
    size_t n = event_length(s, buf_str(&s->carry));
    size_t used = n ? n - carried : add;
    *input = str_n(input->ptr + used, input->len - used);
    if (n == 0) return input->len ? ERR_TOO_LARGE : 0;
    s->carry.end = s->carry.start + n;
    read_fields(s, give_carry(s), event);
    return SSE_EVENT;
}

int sse_next(struct sse *s, struct str *input, struct sse_event *event)
{
    if (input->len == 0) return 0;
    if (s->skipping) return ERR_TOO_LARGE;
    if (buf_len(&s->carry)) return next_in_pieces(s, input, event);
    s->line = s->looked = 0;
    if (take_plain(s, input, event)) return SSE_EVENT;
    size_t n = event_length(s, *input);
    if (n == 0) return next_in_pieces(s, input, event);
    read_fields(s, str_n(input->ptr, n), event);
    *input = str_n(input->ptr + n, input->len - n);
    return SSE_EVENT;
}

/* Length of what s has of the event that is skipped; *whole: it ends there. */
static size_t skip_length(struct sse *s, struct str in, bool *whole)
{
    size_t at = s->after_cr && in.ptr[0] == '\n'; /* the rest of that line's end */
    s->after_cr = *whole = false;
    while (at < in.len && !*whole) {
        size_t end = find_line_end(in, at);
        *whole = (s->lines || (s->at_start && end == at)) && end < in.len;
        s->at_start = end < in.len;
        if (end == in.len) return end;
        size_t n = line_end_length(in, end);
        s->after_cr = n == 0;
        at = end + MAX(n, (size_t)1);
    }
    return at;
}

void sse_skip(struct sse *s, struct str *input, struct str *part)
{
    bool whole = false;
    if (!s->skipping) {
        size_t line = s->line;
        *part = give_carry(s);
        s->after_cr = str_ends(*part, STR("\r"));
        s->at_start = s->after_cr || line == part->len;
        s->skipping = !(s->after_cr && line + 1 == part->len);
        return;
    }
    size_t n = skip_length(s, *input, &whole);
    *part = str_n(input->ptr, n);
    *input = str_n(input->ptr + n, input->len - n);
    if (whole) s->skipping = s->after_cr = false;
}

int sse_finish(struct sse *s, struct sse_event *event)
{
    struct str rest = buf_str(&s->carry);
    if (rest.len == 0 || s->skipping) return 0;
    bool ended = s->lines || str_ends(rest, STR("\n"));
    struct str end = ended ? STR("\n") : STR("\n\n");
    if (buf_append(&s->carry, end)) return 0;
    s->carry.end = s->carry.start + event_length(s, buf_str(&s->carry));
    read_fields(s, give_carry(s), event);
    return SSE_EVENT;
}

int sse_join(const struct sse_event *event, struct buf *out)
{
    const char *behind = event->data.ptr + event->data.len;
    struct str rest = str_skip(event->raw, (size_t)(behind - event->raw.ptr)), line;
    int err = buf_append(out, event->data);
    while (!err && next_line(&rest, &line)) {
        if (!is_field(line, STR("data"))) continue;
        err = buf_append(out, STR("\n"));
        if (!err) err = buf_append(out, field_value(line, 4));
    }
    return err;
}
