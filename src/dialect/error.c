/* SPDX-License-Identifier: Apache-2.0 */
#include "dialect/error.h"

#include <string.h>

#include "base/utf8.h"
#include "http/message.h"
#include "json/skim.h"

enum {
    TEXT_MAX = 500,      /* of a plain text that is told */
    ERROR_WORD_MAX = 64, /* of a name that is logged */
};

/* A string member's value up to so many bytes, with a terminator; ptr NULL: another type, or no
 * memory. */
static struct str text_of(struct arena *arena, const struct json_span *span, size_t most)
{
    struct str text;
    if (span->type != JSON_STRING || json_span_str(span, arena, &text)) return STR_NULL;
    return arena_try_dup(arena, utf8_cut(text, most));
}

static const char *name_of(struct arena *arena, const struct json_span *span)
{
    struct str text = text_of(arena, span, ERROR_NAME_MAX);
    return text.len ? text.ptr : NULL;
}

/* An object with the error's words in it. */
static void read_object(struct arena *arena, struct str object, struct refusal *out)
{
    static const struct str names[] = {STR_INIT("message"), STR_INIT("detail"), STR_INIT("code"),
                                       STR_INIT("type"),    STR_INIT("param"),  STR_INIT("error")};
    struct json_span f[ARRAY_LEN(names)];
    if (json_scan(object, names, ARRAY_LEN(names), f, NULL)) return;
    if (f[5].type == JSON_OBJECT) {
        read_object(arena, f[5].raw, out);
        return;
    }
    for (size_t i = 0; i < 6 && !out->message.len; i += i == 1 ? 4 : 1)
        out->message = text_of(arena, &f[i], ERROR_TEXT_MAX);
    out->code = name_of(arena, &f[2]);
    out->type = name_of(arena, &f[3]);
    out->param = name_of(arena, &f[4]);
}

static bool is_text(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.ptr[i] < ' ' && !json_is_blank((unsigned char)s.ptr[i])) return false;
    return s.len > 0 && s.ptr[0] != '<' && utf8_valid(s);
}

void error_read(struct arena *arena, int status, struct str body, struct refusal *out)
{
    struct str text = str_trim(body);
    struct json_span first;
    *out = (struct refusal){.status = status, .theirs = true};
    if (text.len && text.ptr[0] == '[' && json_skim_element(&text, &first)) text = first.raw;
    if (text.len && text.ptr[0] == '{')
        read_object(arena, text, out);
    else if (is_text(utf8_cut(text, TEXT_MAX)))
        out->message = arena_try_dup(arena, utf8_cut(text, TEXT_MAX));
    if (!out->message.len)
        out->message = arena_say(arena, "The runtime answered %d %" STR_FMT ".", status,
                                 STR_ARG(http_reason(status)));
}

static bool is_error_word(const char *text)
{
    size_t n = text ? strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_") : 0;
    return n > 0 && n <= ERROR_WORD_MAX && text[n] == '\0';
}

struct str error_word(const struct refusal *why)
{
    if (is_error_word(why->code)) return str_of(why->code);
    return is_error_word(why->type) ? str_of(why->type) : STR_NULL;
}
