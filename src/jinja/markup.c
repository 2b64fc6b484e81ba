/* SPDX-License-Identifier: Apache-2.0 */
#include "jinja/markup.h"

#include "base/utf8.h"
#include "jinja/text_parts.h"

static struct str entity(char c)
{
    switch (c) {
    case '&': return STR("&amp;");
    case '<': return STR("&lt;");
    case '>': return STR("&gt;");
    case '\'': return STR("&#39;");
    case '"': return STR("&#34;");
    default: return STR_NULL;
    }
}

int markup_put_escaped(struct run *r, struct sink *s, const struct value *text)
{
    int err = 0;
    size_t from = 0;
    for (size_t at = 0; !err && at < text->len; at++) {
        struct str e = entity(text->bytes[at]);
        if (!e.ptr) continue;
        err = sink_put_part(r, s, text, from, at);
        if (!err) err = sink_put(r, s, e, text_own_at(text, at));
        from = at + 1;
    }
    return err ? err : sink_put_part(r, s, text, from, text->len);
}

int markup_escape(struct run *r, const struct value *text, struct value *out)
{
    struct sink s = {0};
    if (text->markup) {
        *out = *text;
        return 0;
    }
    int err = markup_put_escaped(r, &s, text);
    if (!err) err = sink_end(r, &s, out);
    if (!err) out->markup = true;
    return err;
}

int markup_add(struct run *r, const struct value *a, const struct value *b, struct value *out)
{
    struct value left, right;
    if (!a->markup && !b->markup) return text_join(r, a, b, out);
    int err = markup_escape(r, a, &left);
    if (!err) err = markup_escape(r, b, &right);
    if (!err) err = text_join(r, &left, &right, out);
    if (!err) out->markup = true;
    return err;
}

/* --- striptags --- */

/* Where the tag or comment that begins at `open` ends; -1: it does not. */
static ptrdiff_t tag_end(struct str s, size_t open)
{
    bool comment = str_starts(str_skip(s, open), STR("<!--"));
    struct str end = comment ? STR("-->") : STR(">");
    ptrdiff_t at = text_find(s, end, comment ? open + 4 : open);
    return at < 0 ? -1 : at + (ptrdiff_t)end.len;
}

static int put_without_tags(struct run *r, struct sink *s, const struct value *text)
{
    int err = 0;
    for (size_t at = 0; !err && at < text->len;) {
        ptrdiff_t open = text_find(value_str(text), STR("<"), at);
        ptrdiff_t end = open < 0 ? -1 : tag_end(value_str(text), (size_t)open);
        err = sink_put_part(r, s, text, at, end < 0 ? text->len : (size_t)open);
        at = end < 0 ? text->len : (size_t)end;
    }
    return err;
}

/* The code of "&#39;" or "&#x27;" without '&' and ';'; 0: none. */
static uint32_t numeric_code(struct str name)
{
    uint32_t code = 0;
    bool hex = name.len > 2 && (name.ptr[1] | 0x20) == 'x';
    for (size_t i = hex ? 2 : 1; i < name.len; i++) {
        unsigned char c = (unsigned char)name.ptr[i];
        unsigned digit = c >= '0' && c <= '9' ? (unsigned)(c - '0')
                         : hex                ? (c | 0x20U) - 'a' + 10U
                                              : 99;
        if (digit >= (hex ? 16U : 10U)) return 0;
        code = code * (hex ? 16 : 10) + digit;
        if (code > 0x10ffff) return 0;
    }
    return code >= 0xd800 && code < 0xe000 ? 0 : code;
}

static uint32_t entity_code(struct str name)
{
    static const struct {
        const char *name;
        uint32_t code;
    } rows[] = {{"amp", '&'},  {"lt", '<'},    {"gt", '>'},
                {"quot", '"'}, {"apos", '\''}, {"nbsp", 0xa0}};
    if (name.len > 1 && name.ptr[0] == '#') return numeric_code(name);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (str_eq(name, str_of(rows[i].name))) return rows[i].code;
    return 0;
}

static int unescape(struct run *r, const struct value *text, struct value *out)
{
    struct sink s = {0};
    struct str all = value_str(text);
    int err = 0;
    for (size_t at = 0; !err && at < all.len;) {
        char room[4];
        ptrdiff_t and = text_find(all, STR("&"), at);
        size_t from = and < 0 ? all.len : (size_t)and, end = from + 1;
        err = sink_put_part(r, &s, text, at, from);
        at = from;
        if (err || from == all.len) break;
        while (end < all.len && end - from < 12 && all.ptr[end] != ';')
            end++;
        bool ends = end < all.len && all.ptr[end] == ';';
        uint32_t code = ends ? entity_code(str_n(all.ptr + from + 1, end - from - 1)) : 0;
        at = code ? end + 1 : from + 1;
        err = code ? sink_put(r, &s, str_n(room, utf8_encode(code, room)), text_own_at(text, from))
                   : sink_put_part(r, &s, text, from, at);
    }
    return err ? err : sink_end(r, &s, out);
}

int markup_strip(struct run *r, const struct value *text, struct value *out)
{
    const struct value none = VALUE_NONE, blank = value_text(STR(" "), true);
    struct sink s = {0};
    struct value plain, words, joined;
    int err = put_without_tags(r, &s, text);
    if (!err) err = sink_end(r, &s, &plain);
    if (!err) err = text_split(r, &plain, &none, -1, false, &words);
    if (!err) err = text_join_all(r, &blank, &words, false, &joined);
    return err ? err : unescape(r, &joined, out);
}
