/* SPDX-License-Identifier: Apache-2.0 */
#include "jinja/letters.h"

#include <wctype.h>

#include "base/utf8.h"

/* --- classes --- */

bool letter_is_space(uint32_t code)
{
    if (code < 0x80) return (code >= 9 && code <= 13) || (code >= 28 && code <= 32);
    return code == 0x85 || code == 0xa0 || code == 0x1680 || (code >= 0x2000 && code <= 0x200a) ||
           code == 0x2028 || code == 0x2029 || code == 0x202f || code == 0x205f || code == 0x3000;
}

bool letter_is_digit(uint32_t code)
{
    return code >= '0' && code <= '9';
}

bool letter_is_upper(const struct run *r, uint32_t code)
{
    if (code < 0x80) return code >= 'A' && code <= 'Z';
    return r->locale && iswupper_l((wint_t)code, r->locale);
}

bool letter_is_lower(const struct run *r, uint32_t code)
{
    if (code < 0x80) return code >= 'a' && code <= 'z';
    return r->locale && iswlower_l((wint_t)code, r->locale);
}

bool letter_is_alpha(const struct run *r, uint32_t code)
{
    if (code < 0x80) return letter_is_upper(r, code) || letter_is_lower(r, code);
    return r->locale && iswalpha_l((wint_t)code, r->locale);
}

/* Characters that only steer how others are shown, and those for private use. */
static bool is_format(uint32_t code)
{
    static const uint32_t ranges[][2] = {
        {0xad, 0xad},        {0x600, 0x605},     {0x61c, 0x61c},     {0x6dd, 0x6dd},
        {0x70f, 0x70f},      {0x890, 0x891},     {0x8e2, 0x8e2},     {0x180e, 0x180e},
        {0x200b, 0x200f},    {0x202a, 0x202e},   {0x2060, 0x206f},   {0xd800, 0xf8ff},
        {0xfeff, 0xfeff},    {0xfff9, 0xfffb},   {0x110bd, 0x110bd}, {0x110cd, 0x110cd},
        {0x13430, 0x1343f},  {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a}, {0xe0000, 0xe00ff},
        {0xf0000, 0x10ffff},
    };
    for (size_t i = 0; i < ARRAY_LEN(ranges); i++)
        if (code >= ranges[i][0] && code <= ranges[i][1]) return true;
    return false;
}

bool letter_is_printable(const struct run *r, uint32_t code)
{
    if (code < 0x80) return code >= ' ' && code < 0x7f;
    if (letter_is_space(code) || code < 0xa0 || is_format(code)) return false;
    return r->locale && iswprint_l((wint_t)code, r->locale);
}

/* --- case --- */

static uint32_t upper(const struct run *r, uint32_t code)
{
    if (code < 0x80) return code >= 'a' && code <= 'z' ? code - 32 : code;
    return r->locale ? (uint32_t)towupper_l((wint_t)code, r->locale) : code;
}

static uint32_t lower(const struct run *r, uint32_t code)
{
    if (code < 0x80) return code >= 'A' && code <= 'Z' ? code + 32 : code;
    return r->locale ? (uint32_t)towlower_l((wint_t)code, r->locale) : code;
}

/* Letters that become several ones. */
static const struct {
    uint32_t code;
    const char *upper, *title;
} longer[] = {
    {0xdf, "SS", "Ss"},     {0x149, "\xca\xbcN", "\xca\xbcN"},
    {0xfb00, "FF", "Ff"},   {0xfb01, "FI", "Fi"},
    {0xfb02, "FL", "Fl"},   {0xfb03, "FFI", "Ffi"},
    {0xfb04, "FFL", "Ffl"}, {0xfb05, "ST", "St"},
    {0xfb06, "ST", "St"},
};

static struct str uppercased(const struct run *r, uint32_t code, bool title, char room[4])
{
    for (size_t i = 0; i < ARRAY_LEN(longer); i++)
        if (longer[i].code == code) return str_of(title ? longer[i].title : longer[i].upper);
    return str_n(room, utf8_encode(upper(r, code), room));
}

static bool is_cased(const struct run *r, uint32_t code)
{
    return letter_is_upper(r, code) || letter_is_lower(r, code);
}

/* A sigma that ends a word has a form of its own. */
static bool ends_word(const struct run *r, struct str s, size_t at, bool in_word)
{
    size_t bytes;
    uint32_t code = text_code(s, at, &bytes);
    if (code != 0x3a3 || !in_word) return false;
    return at + bytes == s.len || !is_cased(r, text_code(s, at + bytes, &bytes));
}

static struct str lowercased(const struct run *r, struct str s, size_t at, bool in_word,
                             char room[4])
{
    size_t bytes;
    uint32_t code = text_code(s, at, &bytes);
    if (code == 0x130) return STR("i\xcc\x87");
    if (ends_word(r, s, at, in_word)) return STR("\xcf\x82");
    return str_n(room, utf8_encode(lower(r, code), room));
}

static bool wants_upper(const struct run *r, enum letter_case wanted, uint32_t code, size_t at,
                        bool in_word)
{
    switch (wanted) {
    case CASE_UPPER: return true;
    case CASE_LOWER: return false;
    case CASE_CAPITAL: return at == 0;
    case CASE_TITLE: return !in_word;
    case CASE_SWAPPED: return !letter_is_upper(r, code);
    }
    return false;
}

static int put_letter(struct run *r, struct sink *sink, const struct value *text, size_t at,
                      enum letter_case wanted, bool in_word)
{
    char room[4];
    size_t bytes;
    struct str s = value_str(text);
    uint32_t code = text_code(s, at, &bytes);
    bool up = wants_upper(r, wanted, code, at, in_word);
    if (wanted == CASE_SWAPPED && !is_cased(r, code))
        return sink_put_part(r, sink, text, at, at + bytes);
    struct str letter =
        up ? uppercased(r, code, wanted != CASE_UPPER && wanted != CASE_SWAPPED, room)
           : lowercased(r, s, at, in_word, room);
    return sink_put(r, sink, letter, text_own_at(text, at));
}

int text_in_case(struct run *r, const struct value *text, enum letter_case wanted,
                 struct value *out)
{
    struct sink sink = {0};
    struct str s = value_str(text);
    bool in_word = false;
    size_t bytes;
    for (size_t at = 0; at < s.len; at += bytes) {
        uint32_t code = text_code(s, at, &bytes);
        int err = put_letter(r, &sink, text, at, wanted, in_word);
        if (err) return err;
        in_word = is_cased(r, code);
    }
    int err = run_charge_bytes(r, s.len * 8);
    return err ? err : sink_end(r, &sink, out);
}

int text_is_cased(struct run *r, const struct value *text, bool in_upper, struct value *out)
{
    struct str s = value_str(text);
    bool any = false, all = true;
    size_t bytes;
    for (size_t at = 0; all && at < s.len; at += bytes) {
        uint32_t code = text_code(s, at, &bytes);
        bool wanted = in_upper ? letter_is_upper(r, code) : letter_is_lower(r, code);
        all = wanted || !is_cased(r, code);
        any = any || wanted;
    }
    *out = value_bool(any && all);
    return run_charge_bytes(r, s.len);
}

/* --- ends --- */

static bool is_one_of(struct str s, size_t at, size_t bytes, const struct value *chars)
{
    size_t step;
    if (!chars) return letter_is_space(text_code(s, at, &step));
    struct str all = value_str(chars), one = str_n(s.ptr + at, bytes);
    for (size_t i = 0; i < all.len; i += step) {
        step = text_step(all, i);
        if (str_eq(str_n(all.ptr + i, step), one)) return true;
    }
    return false;
}

int text_strip(struct run *r, const struct value *text, const struct value *chars, bool left,
               bool right, struct value *out)
{
    struct str s = value_str(text);
    size_t from = 0, to = s.len;
    size_t each = chars ? chars->len : 0;
    int err = run_charge_bytes(r, s.len);
    while (!err && left && from < to && is_one_of(s, from, text_step(s, from), chars)) {
        from += text_step(s, from);
        err = run_charge_bytes(r, each);
    }
    while (!err && right && to > from) {
        size_t step = text_step_back(s, to);
        if (!is_one_of(s, to - step, step, chars)) break;
        to -= step;
        err = run_charge_bytes(r, each);
    }
    return err ? err : text_part(r, text, from, to, out);
}

size_t text_line_break(struct str s, size_t at)
{
    unsigned char c = (unsigned char)s.ptr[at];
    if (c == '\r' && at + 1 < s.len && s.ptr[at + 1] == '\n') return 2;
    if ((c >= 10 && c <= 13) || (c >= 28 && c <= 30)) return 1;
    if (c < 0x80) return 0;
    size_t bytes;
    uint32_t code = text_code(s, at, &bytes);
    return code == 0x85 || code == 0x2028 || code == 0x2029 ? bytes : 0;
}
