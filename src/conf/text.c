/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/text.h"

#include "base/utf8.h"

enum { QUOTE_MAX = 80 };

size_t conf__forbidden(struct str s, size_t at)
{
    static const char *const sequences[] = {"\xe2\x80\xa8", "\xe2\x80\xa9", "\xef\xbb\xbf",
                                            "\xef\xbf\xbe", "\xef\xbf\xbf"};
    struct str rest = str_skip(s, at);
    unsigned char c = (unsigned char)rest.ptr[0];
    if (c < ' ' || c == 0x7f) return 1;
    if (c < 0x80) return 0;
    if (c == 0xc2 && rest.len > 1 && (unsigned char)rest.ptr[1] < 0xa0) return 2;
    for (size_t i = 0; i < ARRAY_LEN(sequences); i++)
        if (str_starts(rest, str_of(sequences[i]))) return 3;
    return 0;
}

struct str conf__quoted(struct arena *a, struct str text)
{
    if (text.len <= QUOTE_MAX) return arena_printf(a, "\"%" STR_FMT "\"", STR_ARG(text));
    struct str cut = str_sub(text, 0, QUOTE_MAX);
    cut.len = utf8_complete(cut);
    return arena_printf(a, "\"%" STR_FMT "...\"", STR_ARG(cut));
}
