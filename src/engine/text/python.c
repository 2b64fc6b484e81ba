/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/text/python.h"

#include <string.h>

#include "engine/text/marks.h"
#include "json/write.h"

static bool is_quote(char c)
{
    return c == '"' || c == '\'';
}

/* Length of a string with its quotes; beyond the text when it has no end in it. */
static size_t string_length(struct str text)
{
    size_t n = 1;
    while (n < text.len && text.ptr[n] != text.ptr[0])
        n += text.ptr[n] == '\\' ? 2 : 1;
    return n + 1;
}

ptrdiff_t python_literal(struct str text)
{
    size_t depth = 0, n = 0;
    while (n < text.len) {
        char c = text.ptr[n];
        if (is_quote(c)) {
            n += string_length(str_skip(text, n));
            continue;
        }
        bool closes = c == ')' || c == ']' || c == '}';
        if (!depth && (closes || c == ',')) return (ptrdiff_t)n;
        depth += c == '(' || c == '[' || c == '{';
        depth -= closes;
        n++;
    }
    return -1;
}

/* --- to JSON --- */

struct writer {
    struct str rest;
    struct buf *out;
    int err;
};

static void put(struct writer *w, struct str text)
{
    if (!w->err) w->err = buf_append(w->out, text);
}

static struct str take(struct writer *w, size_t len)
{
    struct str text = str_sub(w->rest, 0, len);
    w->rest = str_skip(w->rest, text.len);
    return text;
}

/* Behind a backslash. */
static void put_escaped(struct writer *w)
{
    struct str c = take(w, 1);
    if (str_eq(c, STR("'"))) {
        put(w, c);
    } else if (str_eq(c, STR("x"))) {
        put(w, STR("\\u00"));
        put(w, take(w, 2));
    } else {
        put(w, c.len && strchr("\"\\/bfnrtu", c.ptr[0]) ? STR("\\") : STR("\\\\"));
        put(w, c);
    }
}

/* Up to a backslash or the closing quote. */
static void put_plain(struct writer *w, char quote)
{
    size_t n = 0;
    while (n < w->rest.len && w->rest.ptr[n] != quote && w->rest.ptr[n] != '\\')
        n++;
    struct str text = take(w, n);
    if (!w->err) w->err = json_escape(w->out, text);
}

static void put_string(struct writer *w)
{
    char quote = take(w, 1).ptr[0];
    put(w, STR("\""));
    put_plain(w, quote);
    while (!w->err && str_starts(w->rest, STR("\\"))) {
        (void)take(w, 1);
        put_escaped(w);
        put_plain(w, quote);
    }
    put(w, STR("\""));
    (void)take(w, 1);
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("_.+-", c));
}

struct str python_word(struct str word)
{
    if (str_eq(word, STR("True"))) return STR("true");
    if (str_eq(word, STR("False"))) return STR("false");
    if (str_eq(word, STR("None"))) return STR("null");
    return word;
}

static void put_word(struct writer *w)
{
    size_t n = 0;
    while (n < w->rest.len && is_word(w->rest.ptr[n]))
        n++;
    put(w, python_word(take(w, n)));
}

/* True when nothing but a closing bracket follows. */
static bool closes(struct str text)
{
    text = str_skip(text, mark_blanks(text));
    return text.len && strchr(")]}", text.ptr[0]) && text.ptr[0];
}

/* Tuples are lists, and the last item may have a comma. */
static void put_sign(struct writer *w)
{
    struct str c = take(w, 1);
    if (str_eq(c, STR("("))) c = STR("[");
    if (str_eq(c, STR(")"))) c = STR("]");
    if (!str_eq(c, STR(",")) || !closes(w->rest)) put(w, c);
}

int python_to_json(struct str literal, struct buf *out)
{
    struct writer w = {.rest = literal, .out = out};
    while (w.rest.len && !w.err) {
        if (is_quote(w.rest.ptr[0]))
            put_string(&w);
        else if (is_word(w.rest.ptr[0]))
            put_word(&w);
        else
            put_sign(&w);
    }
    return w.err;
}
