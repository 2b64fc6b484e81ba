/* SPDX-License-Identifier: Apache-2.0 */
/* Markdown on a terminal: what is styled, and that nothing is lost however the text is cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "cmd/markdown.h"

#define B "\033[1m"
#define _B "\033[22m"
#define T "\033[1;4m"
#define C "\033[36m"
#define _C "\033[39m"
#define D "\033[2m"
#define _D "\033[22m"
#define P "\033[0m"

/* The text in pieces of `size` bytes. */
static char *shown(const char *text, size_t size)
{
    struct markdown m;
    struct buf out;
    struct str rest = str_of(text);
    markdown_init(&m);
    buf_init(&out, SIZE_MAX / 2);
    while (rest.len) {
        assert_int_equal(markdown_add(&m, str_sub(rest, 0, size), &out), 0);
        rest = str_skip(rest, MIN(size, rest.len));
    }
    assert_int_equal(markdown_end(&m, &out), 0);
    char *copy = str_dup(buf_str(&out));
    markdown_fini(&m);
    buf_fini(&out);
    return copy;
}

static void test_styles(void **state)
{
    static const char *const cases[][2] = {
        {"", ""},
        {"plain *text*\nhere", "plain *text*\nhere"},
        {"a **bold one** here", "a " B "bold one" _B " here"},
        {"**a** and **b**", B "a" _B " and " B "b" _B},
        {"**with `code` in it**", B "with " C "code" _C " in it" _B},
        {"some `code **x**` and ``a`b``.", "some " C "code **x**" _C " and " C "a`b" _C "."},
        {"2**10 is 1024, ** no **, f(**kwargs)\nnext**",
         "2**10 is 1024, ** no **, f(**kwargs)\nnext**"},
        {"an `open one\nand `", "an `open one\nand `"},
        {"\\*\\*not bold\\** \\`x", "\\*\\*not bold\\** \\`x"},
        {"# Title\ntext", T "Title" P "\ntext"},
        {"### Small **one** `c`\n", B "Small " B "one " C "c" _C P "\n"},
        {"#hashtag\n####### seven\n#\n", "#hashtag\n####### seven\n#\n"},
        {"- one\n  * two\n1. three\n-5 and *x\n+ x\n---\n",
         "\u2022 one\n  \u2022 two\n1. three\n-5 and *x\n+ x\n---\n"},
        {"- [ ] **do**:\n", "\u2022 [ ] " B "do" _B ":\n"},
        {"```py\n# no title\n\n  - x **y** `z`\n```\nafter",
         D "```py" _D C "\n# no title\n\n  - x **y** `z`\n" _C D "```" _D "\nafter"},
        {"~~~~\n~~~\n```\n~~~~ x\n ~~~~~ \n`a`",
         D "~~~~" _D C "\n~~~\n```\n~~~~ x\n" _C D " ~~~~~ " _D "\n" C "a" _C},
        {"```x``` is code\n", C "x" _C " is code\n"},
        {"    ```\n    never closed", D "    ```" _D C "\n    never closed" P},
        {"# Title at the end", T "Title at the end" P},
        {"gr\u00fcn**\u00fcber**", "gr\u00fcn**\u00fcber**"},
        {"\u8fd9**\u91cd\u70b9\uff1a**\u5185 **(x)**.",
         "\u8fd9" B "\u91cd\u70b9\uff1a" _B "\u5185 " B "(x)" _B "."},
        {"(**\u00fcber**)", "(" B "\u00fcber" _B ")"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (size_t size = 1; size < 40; size++) {
            char *told = shown(cases[i][0], size);
            assert_string_equal(told, cases[i][1]);
            free(told);
        }
    }
}

/* What may be bold or code is shown at the latest when it has become too long for that. */
static void test_what_waits(void **state)
{
    struct markdown m;
    struct buf out;
    (void)state;
    markdown_init(&m);
    buf_init(&out, SIZE_MAX / 2);
    assert_int_equal(markdown_add(&m, STR("so **a"), &out), 0);
    assert_true(str_eq(buf_str(&out), STR("so ")));
    for (int i = 0; i < 1000; i++)
        assert_int_equal(markdown_add(&m, STR("b"), &out), 0);
    assert_true(str_starts(buf_str(&out), STR("so **abbb")));
    assert_int_equal(markdown_add(&m, STR("\n"), &out), 0);
    assert_int_equal(buf_len(&out), strlen("so **a\n") + 1000);
    markdown_fini(&m);
    buf_fini(&out);
}

/* A second text begins anew. */
static void test_two_texts(void **state)
{
    struct markdown m;
    struct buf out;
    (void)state;
    markdown_init(&m);
    buf_init(&out, SIZE_MAX / 2);
    assert_int_equal(markdown_add(&m, STR("```\ncode"), &out), 0);
    assert_int_equal(markdown_end(&m, &out), 0);
    buf_clear(&out);
    assert_int_equal(markdown_add(&m, STR("- **x**\n"), &out), 0);
    assert_true(str_eq(buf_str(&out), STR("\u2022 " B "x" _B "\n")));
    markdown_fini(&m);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_styles),
        cmocka_unit_test(test_what_waits),
        cmocka_unit_test(test_two_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
