/* SPDX-License-Identifier: Apache-2.0 */
/* The scan against yyjson: both accept the same texts (but for depth, which only the scan
 * limits, and half surrogate pairs, which only yyjson refuses) and find the same values; and
 * json_parse, which uses both, agrees with them once U+FFFD stands for each half. On a valid object the skim finds what the scan
 * finds, whole or in pieces. */
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#include "base/err.h"
#include "json/json.h"
#include "json/scan.h"
#include "json/skim.h"

#define CHECK(fact) ((fact) ? (void)0 : abort())

static const struct str names[] = {STR_INIT("model"), STR_INIT("stream"), STR_INIT("n"),
                                   STR_INIT("o"), STR_INIT("")};
enum { NAMES = ARRAY_LEN(names) };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t times_in(yyjson_val *object, struct str name)
{
    size_t times = 0;
    yyjson_obj_iter it;
    yyjson_obj_iter_init(object, &it);
    for (yyjson_val *key; (key = yyjson_obj_iter_next(&it));)
        times += str_eq(name, str_n(yyjson_get_str(key), yyjson_get_len(key)));
    return times;
}

/* The name in small letters, as parsers have it that ignore case. */
static struct str folded(struct arena *arena, struct str name)
{
    static const struct {
        struct str from;
        char to;
    } wide[] = {{STR_INIT("\u017f"), 's'},
                {STR_INIT("\u212a"), 'k'},
                {STR_INIT("\u0130"), 'i'},
                {STR_INIT("\u0131"), 'i'}};
    char *to = arena_alloc(arena, name.len + 1);
    size_t n = 0;
    while (name.len) {
        size_t step = 1;
        to[n] = (char)(name.ptr[0] >= 'A' && name.ptr[0] <= 'Z' ? name.ptr[0] + 32 : name.ptr[0]);
        for (size_t i = 0; i < ARRAY_LEN(wide); i++)
            if (str_starts(name, wide[i].from)) {
                to[n] = wide[i].to;
                step = wide[i].from.len;
            }
        n++;
        name = str_skip(name, step);
    }
    return str_n(to, n);
}

/* A span is told to have namesakes when there are some but for case; when it is, there is at least
 * one (perhaps by escapes). */
static void check_alike(const struct json_span *span, yyjson_val *object, struct str name)
{
    struct arena arena;
    bool some = false, other = false;
    yyjson_obj_iter it;
    arena_init(&arena, SIZE_MAX, 1024);
    yyjson_obj_iter_init(object, &it);
    for (yyjson_val *key; (key = yyjson_obj_iter_next(&it));) {
        struct str k = str_n(yyjson_get_str(key), yyjson_get_len(key));
        if (!str_eq(folded(&arena, k), name)) continue;
        some = true;
        other |= !str_eq(k, name);
    }
    CHECK(span->alike ? some : !other);
    arena_fini(&arena);
}

static enum json_type type_of(yyjson_val *v)
{
    return json_type((const struct json *)(const void *)v);
}

static void compare_value(const struct json_span *span, yyjson_val *v)
{
    struct arena arena;
    arena_init(&arena, SIZE_MAX, 64);
    struct str text;
    bool flag;
    int64_t number, same = 0;
    CHECK(span->type == type_of(v));
    CHECK((json_span_str(span, &arena, &text) == 0) == yyjson_is_str(v));
    if (yyjson_is_str(v)) CHECK(str_eq(text, str_n(yyjson_get_str(v), yyjson_get_len(v))));
    CHECK(json_span_bool(span, &flag) == yyjson_is_bool(v));
    if (yyjson_is_bool(v)) CHECK(flag == yyjson_get_bool(v));
    bool fits = json_to_i64((const struct json *)(const void *)v, &same);
    CHECK(json_span_i64(span, &number) == fits);
    if (fits) CHECK(number == same);
    arena_fini(&arena);
}

static void compare_members(const struct json_span *spans, yyjson_val *object)
{
    for (size_t i = 0; i < NAMES; i++) {
        CHECK(times_in(object, names[i]) == (spans[i].type != JSON_NONE));
        check_alike(&spans[i], object, names[i]);
        if (spans[i].type == JSON_NONE) continue;
        yyjson_val *v = yyjson_obj_getn(object, names[i].ptr, names[i].len);
        compare_value(&spans[i], v);
        struct json_span inner[NAMES];
        int err = json_scan_span(&spans[i], names, NAMES, inner, NULL);
        if (spans[i].type != JSON_OBJECT)
            CHECK(err == ERR_TYPE);
        else if (err == 0)
            compare_members(inner, v);
        else
            CHECK(err == ERR_DUPLICATE);
    }
}

static void check_twice(yyjson_val *object)
{
    bool twice = false;
    for (size_t i = 0; i < NAMES; i++)
        twice |= times_in(object, names[i]) > 1;
    CHECK(twice);
}

static void check_skim(struct str text, const struct json_span *spans)
{
    struct json_skim s;
    struct json_member m;
    size_t found = 0, there = 0;
    json_skim_init(&s, text);
    while (json_skim_next(&s, &m))
        for (size_t i = 0; m.depth == 1 && i < NAMES; i++) {
            if (!json_member_is(&m, names[i])) continue;
            struct json_span value = json_skim_value(m.value);
            CHECK(value.type == spans[i].type && str_eq(value.raw, spans[i].raw));
            found++;
        }
    for (size_t i = 0; i < NAMES; i++)
        there += spans[i].type != JSON_NONE;
    CHECK(found == there);
}

/* In pieces as long as the text's own bytes say, or not at all to be trusted:
 * then it only must not break. */
static void check_find(struct str text, const struct json_span *span)
{
    struct json_find f;
    json_find_init(&f, names[3], SIZE_MAX);
    for (size_t at = 0; at < text.len;) {
        size_t n = 1 + (unsigned char)text.ptr[(at * 7) % text.len] % 70;
        struct str piece = str_sub(text, at, n);
        char *copy = malloc(piece.len);
        CHECK(copy);
        memcpy(copy, piece.ptr, piece.len);
        json_find_feed(&f, str_n(copy, piece.len));
        free(copy);
        at += piece.len;
    }
    struct str value = json_find_value(&f);
    if (span && span->type == JSON_OBJECT) CHECK(str_eq(value, span->raw));
    if (span && span->type != JSON_OBJECT) CHECK(value.len == 0);
    json_find_fini(&f);
}

/* Whatever the text is, what is made of its numbers is an object of numbers. */
static void check_numbers(struct str text)
{
    struct json_find f;
    json_find_init(&f, STR(""), 1000);
    for (size_t at = 0, n = 1; at < text.len; at += n, n = 1 + n * 3 % 70)
        json_find_feed(&f, str_sub(text, at, n));
    struct str value = json_find_value(&f);
    if (value.len) CHECK(value.ptr[0] == '{' && str_ends(value, STR("}")));
    json_find_fini(&f);
}

static void skim_anything(struct str text)
{
    struct json_skim s;
    struct json_member m;
    struct json_span element;
    json_skim_init(&s, text);
    while (json_skim_next(&s, &m)) {
        struct str rest = json_skim_value(m.value).raw;
        CHECK(rest.len <= m.value.len);
        if (rest.len && rest.ptr[0] == '[')
            while (json_skim_element(&rest, &element))
                CHECK(element.raw.len > 0);
        (void)json_skim_empty(m.value);
        (void)json_skim_inside(m.value);
    }
    check_find(text, NULL);
    check_numbers(text);
}

static void check_scan(struct str text, yyjson_val *root)
{
    struct json_span spans[NAMES];
    struct json_error error = {SIZE_MAX, NULL};
    int err = json_scan(text, names, NAMES, spans, &error);
    if (err) CHECK(error.offset <= text.len && error.text);
    switch (err) {
    case 0:
        CHECK(yyjson_is_obj(root));
        compare_members(spans, root);
        check_skim(text, spans);
        check_find(text, &spans[3]);
        break;
    case ERR_SYNTAX:
    case ERR_UTF8: CHECK(!root); break;
    case ERR_TYPE: CHECK(!yyjson_is_obj(root)); break;
    case ERR_DUPLICATE:
        if (root) check_twice(root);
        break;
    default: CHECK(err == ERR_DEPTH);
    }
}

/* The number in an escape \uXXXX, or -1 where there is none. */
static long unit_at(const char *at, size_t len)
{
    char digits[5] = {0}, *end;
    if (len < 6 || at[0] != '\\' || at[1] != 'u') return -1;
    memcpy(digits, at + 2, 4);
    if (strspn(digits, "0123456789abcdefABCDEF") != 4) return -1;
    return strtol(digits, &end, 16);
}

/* Makes U+FFFD of each half of a surrogate pair; true when there was one. */
static bool mend(char *text, size_t len)
{
    bool any = false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] != '\\') continue;
        long unit = unit_at(text + i, len - i);
        long low = len - i > 6 ? unit_at(text + i + 6, len - i - 6) : -1;
        bool high = unit >= 0xd800 && unit < 0xdc00, pair = high && low >= 0xdc00 && low < 0xe000;
        if (!pair && unit >= 0xd800 && unit < 0xe000) {
            memcpy(text + i + 2, "fffd", 4);
            any = true;
        }
        i += pair ? 11 : 1;
    }
    return any;
}

/* With halves of surrogate pairs, the scan finds what it finds with U+FFFD in their places. */
static void check_mended(struct str text, char *mended)
{
    struct json_span spans[NAMES], whole[NAMES];
    struct json_error error = {0, NULL}, same = {0, NULL};
    int err = json_scan(text, names, NAMES, spans, &error);
    CHECK(err == json_scan(str_n(mended, text.len), names, NAMES, whole, &same));
    CHECK(error.offset == same.offset);
    for (size_t i = 0; !err && i < NAMES; i++) {
        struct arena arena;
        struct str value;
        CHECK(spans[i].type == whole[i].type && spans[i].alike == whole[i].alike);
        if (spans[i].type == JSON_NONE) continue;
        CHECK(spans[i].raw.ptr - text.ptr == whole[i].raw.ptr - mended);
        CHECK(spans[i].raw.len == whole[i].raw.len);
        arena_init(&arena, SIZE_MAX, 64);
        bool halves = !str_eq(spans[i].raw, whole[i].raw);
        if (spans[i].type == JSON_STRING)
            CHECK((json_span_str(&spans[i], &arena, &value) == 0) == !halves);
        arena_fini(&arena);
    }
}

static void check_parse(struct str text, const yyjson_val *root)
{
    struct arena arena;
    arena_init(&arena, SIZE_MAX, 4096);
    const struct json *v;
    struct json_error error = {SIZE_MAX, NULL};
    int err = json_parse(&arena, text, &v, &error);
    if (err) CHECK(error.offset <= text.len && error.text);
    CHECK(err == ERR_DEPTH || (err == 0) == (root != NULL));
    arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_n((const char *)data, size);
    char *mended = malloc(size + 1);
    CHECK(mended);
    if (size) memcpy(mended, data, size);
    bool halves = mend(mended, size);
    yyjson_doc *doc = yyjson_read_opts(mended, size, YYJSON_READ_BIGNUM_AS_RAW, NULL, NULL);
    yyjson_val *root = yyjson_doc_get_root(doc);
    if (halves)
        check_mended(text, mended);
    else
        check_scan(str_n(mended, size), root);
    skim_anything(text);
    check_parse(text, root);
    free(mended);
    yyjson_doc_free(doc);
    return 0;
}
