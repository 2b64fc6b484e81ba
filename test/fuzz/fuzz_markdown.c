/* SPDX-License-Identifier: Apache-2.0 */
/* Markdown on a terminal: the same however the text is cut, and only markers are lost. */
#include <stdlib.h>
#include <string.h>

#include "cmd/markdown.h"

#define CHECK(fact) ((fact) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A longer one is cut where it is too long to wait, and that depends on the pieces. */
enum { TEXT_MAX = 900 };

static void show(struct str text, size_t piece, struct buf *out)
{
    struct markdown m;
    markdown_init(&m);
    buf_init(out, 64 * TEXT_MAX);
    for (; text.len; text = str_skip(text, MIN(piece, text.len)))
        CHECK(markdown_add(&m, str_sub(text, 0, piece), out) == 0);
    CHECK(markdown_end(&m, out) == 0);
    markdown_fini(&m);
}

/* Without styles, and without what markers and bullets are made of. Returns the new length. */
static size_t strip(char *text, size_t len)
{
    size_t to = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\033') {
            while (text[i] != 'm')
                i++;
        } else if (!memchr("`*#- \t\xe2\x80\xa2", text[i], 9)) {
            text[to++] = text[i];
        }
    }
    return to;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[TEXT_MAX];
    struct buf whole, cut;
    if (size < 2) return 0;
    size_t piece = (size_t)data[0] % 16 + 1;
    size_t len = MIN(size - 1, sizeof text);
    memcpy(text, data + 1, len);
    for (size_t i = 0; i < len; i++)
        if (text[i] == '\033') text[i] = '?';
    show(str_n(text, len), SIZE_MAX, &whole);
    show(str_n(text, len), piece, &cut);
    CHECK(str_eq(buf_str(&whole), buf_str(&cut)));
    size_t told = whole.ptr ? strip(whole.ptr + whole.start, buf_len(&whole)) : 0;
    len = strip(text, len);
    CHECK(told == len && (len == 0 || memcmp(whole.ptr + whole.start, text, len) == 0));
    buf_fini(&whole);
    buf_fini(&cut);
    return 0;
}
