/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/text/call_parts.h"

#include <string.h>

#include "engine/text/marks.h"
#include "engine/text/python.h"

enum {
    SKIPPED_MAX = 64, /* bytes of other words before behind_name */
};

/* Where reading has come to in a text that may be the beginning of more. */
struct cursor {
    struct str rest;
    bool more; /* what was looked for may still come */
};

static void skip_blanks(struct cursor *c)
{
    c->rest = str_skip(c->rest, mark_blanks(c->rest));
}

static bool take(struct cursor *c, struct str what)
{
    if (!str_starts(c->rest, what)) {
        c->more |= str_starts(what, c->rest);
        return false;
    }
    c->rest = str_skip(c->rest, what.len);
    return true;
}

/* Blanks and then the text, which may be empty. */
static bool take_next(struct cursor *c, struct str what)
{
    skip_blanks(c);
    return !what.len || take(c, what);
}

/* The byte is next and stays. */
static bool sees(struct cursor *c, char byte)
{
    c->more |= !c->rest.len;
    return c->rest.len && c->rest.ptr[0] == byte;
}

/* A JSON string, as it stands between its quotes. */
static bool take_string(struct cursor *c, struct str *out)
{
    if (!take(c, STR("\""))) return false;
    for (size_t i = 0; i < c->rest.len; i++) {
        if (c->rest.ptr[i] == '\\')
            i++;
        else if (c->rest.ptr[i] == '"') {
            *out = str_sub(c->rest, 0, i);
            c->rest = str_skip(c->rest, i + 1);
            return true;
        }
    }
    c->more = true;
    return false;
}

static bool is_word(char byte)
{
    return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
           (byte >= 'A' && byte <= 'Z') || strchr("_-./+", byte);
}

/* A tool's name without quotes, a number or a word of JSON. */
static bool take_word(struct cursor *c, struct str *out)
{
    size_t n = 0;
    while (n < c->rest.len && c->rest.ptr[n] && is_word(c->rest.ptr[n]))
        n++;
    c->more |= n == c->rest.len;
    if (!n || n == c->rest.len) return false;
    *out = str_sub(c->rest, 0, n);
    c->rest = str_skip(c->rest, n);
    return true;
}

/* A member's value that is neither an object nor an array. */
static bool take_scalar(struct cursor *c)
{
    struct str value;
    return sees(c, '"') ? take_string(c, &value) : take_word(c, &value);
}

static bool take_key(struct cursor *c, struct str *out)
{
    skip_blanks(c);
    return take_string(c, out) && take_next(c, STR(":")) && take_next(c, STR(""));
}

/* --- heads --- */

static const struct call_tool *tool_of(struct str name, const struct call_tool *tools, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq(tools[i].name, name)) return &tools[i];
    return NULL;
}

static bool is_name(struct str key)
{
    return str_eq(key, STR("name")) || str_eq(key, STR("tool_name"));
}

static bool is_arguments(struct str key)
{
    return str_eq(key, STR("arguments")) || str_eq(key, STR("parameters"));
}

/* Up to the arguments of an object, whose name must come before them. */
static bool read_object(struct cursor *c, const struct call_tool *tools, size_t count,
                        struct call_head *out)
{
    struct str key, name;
    if (!take_next(c, STR("{"))) return false;
    do {
        if (!take_key(c, &key)) return false;
        if (is_arguments(key)) return out->tool && sees(c, '{');
        if (!is_name(key)) {
            if (!take_scalar(c)) return false;
        } else if (!take_string(c, &name) || !(out->tool = tool_of(name, tools, count))) {
            return false;
        }
    } while (take_next(c, STR(",")));
    out->empty = out->tool && sees(c, '}');
    return out->empty;
}

/* Other words may stand before it. */
static bool take_behind_name(const struct call_format *f, struct cursor *c)
{
    ptrdiff_t at = f->skips ? str_find(c->rest, f->behind_name) : -1;
    if (at > SKIPPED_MAX) return false;
    if (at > 0) c->rest = str_skip(c->rest, (size_t)at);
    if (f->skips && at < 0) c->more = c->rest.len < SKIPPED_MAX + f->behind_name.len;
    return (!f->skips || at >= 0) && take_next(c, f->behind_name);
}

static bool sees_parameters(const struct call_format *f, const struct cursor *c, bool *more)
{
    struct str end = f->tail.len ? f->tail : f->close;
    struct cursor key = *c, none = *c;
    bool found = take_next(&key, f->key_open) || take_next(&none, end);
    *more |= key.more || none.more;
    return found;
}

static bool read_named(const struct call_format *f, struct cursor *c, const struct call_tool *tools,
                       size_t count, struct call_head *out)
{
    struct str name;
    if (!take_word(c, &name)) return false;
    out->tool = tool_of(name, tools, count);
    if (!out->tool || !take_behind_name(f, c)) return false;
    if (f->shape == CALL_TAGGED) return sees_parameters(f, c, &c->more);
    skip_blanks(c);
    return sees(c, '{');
}

static bool read_python(struct cursor *c, const struct call_tool *tools, size_t count,
                        struct call_head *out)
{
    struct str name;
    if (!take_word(c, &name) || !(out->tool = tool_of(name, tools, count))) return false;
    return take_next(c, STR("("));
}

static bool read_head(const struct call_format *f, enum call_place place, struct cursor *c,
                      const struct call_tool *tools, size_t count, struct call_head *out)
{
    if (place == CALL_AT_OPEN && !take(c, f->open)) return false;
    if (place != CALL_AT_ITEM && f->lead.len && !take_next(c, f->lead)) return false;
    skip_blanks(c);
    if (f->shape == CALL_NAMED || f->shape == CALL_TAGGED)
        return read_named(f, c, tools, count, out);
    if (place != CALL_AT_ITEM && take(c, STR("["))) skip_blanks(c);
    return f->shape == CALL_PYTHON ? read_python(c, tools, count, out)
                                   : read_object(c, tools, count, out);
}

enum call_found call_find_head(const struct call_format *f, enum call_place place, struct str text,
                               const struct call_tool *tools, size_t count, struct call_head *out)
{
    struct cursor c = {.rest = text};
    *out = (struct call_head){.tool = NULL};
    bool found = read_head(f, place, &c, tools, count, out);
    out->used = text.len - c.rest.len;
    if (found) return CALL_FOUND;
    return c.more ? CALL_MORE : CALL_NONE;
}

/* --- tails --- */

/* What is not there is left out. */
static void take_maybe(struct cursor *c, struct str what)
{
    struct cursor next = *c;
    if (!what.len) return;
    bool there = take_next(&next, what);
    c->more |= next.more;
    if (there) c->rest = next.rest;
}

/* The rest of an object behind its arguments. */
static void finish_object(struct cursor *c)
{
    struct cursor member = *c;
    struct str key;
    while (take_next(&member, STR(",")) && take_key(&member, &key) && take_scalar(&member))
        c->rest = member.rest;
    c->more |= member.more;
    take_maybe(c, STR("}"));
}

/* What an item of a list begins with is next. */
static bool sees_item(const struct call_format *f, struct cursor *c)
{
    if (f->shape != CALL_PYTHON) return sees(c, '{');
    c->more |= !c->rest.len;
    return c->rest.len && c->rest.ptr[0] && is_word(c->rest.ptr[0]);
}

/* True when a list goes on. */
static bool finish_item(const struct call_format *f, struct cursor *c)
{
    struct cursor next = *c;
    bool again = take_next(&next, STR(",")) && take_next(&next, STR("")) && sees_item(f, &next);
    c->more |= next.more;
    if (again)
        c->rest = next.rest;
    else
        take_maybe(c, STR("]"));
    return again;
}

enum call_found call_find_tail(const struct call_format *f, struct str text, bool last,
                               struct call_tail *out)
{
    struct cursor c = {.rest = text};
    *out = (struct call_tail){.used = 0};
    if (f->shape == CALL_OBJECT || f->shape == CALL_LIST) finish_object(&c);
    if (f->shape == CALL_PYTHON) take_maybe(&c, STR(")"));
    if (f->shape != CALL_NAMED && f->shape != CALL_TAGGED) out->again = finish_item(f, &c);
    if (!out->again) {
        take_maybe(&c, f->tail);
        take_maybe(&c, f->close);
    }
    if (c.more && !last) return CALL_MORE;
    /* An answer that was cut within it is none the worse. */
    out->used = c.more ? text.len : text.len - c.rest.len;
    return CALL_FOUND;
}

/* --- parameters --- */

/* Up to the mark, and behind it. */
static bool take_until(struct cursor *c, struct str mark, struct str *out)
{
    ptrdiff_t at = str_find(c->rest, mark);
    c->more |= at < 0;
    if (at < 0) return false;
    *out = str_sub(c->rest, 0, (size_t)at);
    c->rest = str_skip(c->rest, (size_t)at + mark.len);
    return true;
}

/* Values may stand on lines of their own. */
static struct str without_line_ends(struct str value)
{
    if (str_starts(value, STR("\n"))) value = str_skip(value, 1);
    if (value.len && value.ptr[value.len - 1] == '\n') value.len--;
    return value;
}

/* KEY=VALUE, behind a comma that may be there. */
static bool take_python(struct cursor *c, struct call_parameter *out)
{
    take_maybe(c, STR(","));
    skip_blanks(c);
    if (!take_word(c, &out->key) || !take_next(c, STR("="))) return false;
    ptrdiff_t len = python_literal(c->rest);
    c->more |= len < 0;
    if (len <= 0) return false;
    out->value = str_trim(str_sub(c->rest, 0, (size_t)len));
    c->rest = str_skip(c->rest, (size_t)len);
    return true;
}

bool call_is_text(const struct call_tool *tool, struct str key)
{
    for (size_t i = 0; i < tool->text_count; i++)
        if (str_eq(tool->texts[i], key)) return true;
    return false;
}

bool call_is_of_json(char byte)
{
    return byte && strchr("{}[]:,\"+-.0123456789eE truefalsn\t\r\n", byte);
}

/* Length of a JSON string that a text begins with, as far as it goes; 0: it is none. */
static size_t json_string(struct str text)
{
    for (size_t n = 1; n < text.len; n++) {
        if ((unsigned char)text.ptr[n] < ' ') return 0;
        if (text.ptr[n] == '"') return n + 1;
        n += text.ptr[n] == '\\';
    }
    return text.len;
}

/* Length of a string, an object or an array of JSON with the white space before it. 0: there is
 * none, -1: it goes on. */
static ptrdiff_t json_value(struct str text)
{
    size_t n = mark_blanks(text), depth = 0, string;
    if (n == text.len) return -1;
    if (!strchr("{[\"", text.ptr[n])) return 0;
    while (n < text.len) {
        char c = text.ptr[n];
        if (!call_is_of_json(c) || !(string = c == '"' ? json_string(str_skip(text, n)) : 1))
            return 0;
        depth += c == '{' || c == '[';
        depth -= c == '}' || c == ']';
        n += string;
        if (!depth && n < text.len) return (ptrdiff_t)n;
    }
    return -1;
}

/* Up to the closing mark, and behind it. */
static bool take_value(const struct call_format *f, bool is_text, bool last, struct cursor *c,
                       struct str *out)
{
    ptrdiff_t len = is_text ? 0 : json_value(c->rest);
    struct cursor behind = {.rest = str_skip(c->rest, len > 0 ? (size_t)len : 0)};
    bool closes = len > 0 && take_next(&behind, f->value_close);
    if (!last && (len < 0 || behind.more)) {
        c->more = true;
        return false;
    }
    if (!closes) return take_until(c, f->value_close, out);
    *out = str_n(c->rest.ptr, c->rest.len - behind.rest.len - f->value_close.len);
    c->rest = behind.rest;
    return true;
}

static bool take_tagged(const struct call_format *f, const struct call_tool *tool, bool last,
                        struct cursor *c, struct call_parameter *out)
{
    bool found = take_next(c, f->key_open) && take_until(c, f->key_close, &out->key);
    if (found && f->value_open.len) found = take_next(c, f->value_open);
    if (found) found = take_value(f, call_is_text(tool, out->key), last, c, &out->value);
    if (found) out->value = without_line_ends(out->value);
    return found;
}

enum call_found call_find_parameter(const struct call_format *f, const struct call_tool *tool,
                                    struct str text, bool last, struct call_parameter *out)
{
    struct cursor c = {.rest = text};
    bool found =
        f->shape == CALL_PYTHON ? take_python(&c, out) : take_tagged(f, tool, last, &c, out);
    out->used = text.len - c.rest.len;
    if (found) return CALL_FOUND;
    return c.more ? CALL_MORE : CALL_NONE;
}
