/* SPDX-License-Identifier: Apache-2.0 */
/* GGUF files: whole, cut off at every byte, damaged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "engine/model/gguf.h"

static void put(struct buf *b, const void *p, size_t n)
{
    assert_int_equal(buf_append(b, str_n(p, n)), 0);
}

static void put_u32(struct buf *b, uint32_t v)
{
    put(b, &v, sizeof v);
}

static void put_u64(struct buf *b, uint64_t v)
{
    put(b, &v, sizeof v);
}

static void put_text(struct buf *b, const char *text)
{
    put_u64(b, strlen(text));
    put(b, text, strlen(text));
}

static void put_tensor(struct buf *b, const char *name, uint64_t columns, uint64_t rows,
                       uint32_t type, uint64_t offset)
{
    put_text(b, name);
    put_u32(b, 2);
    put_u64(b, columns);
    put_u64(b, rows);
    put_u32(b, type);
    put_u64(b, offset);
}

/* A file with two tensors: F32 of 4x2 (32 bytes) and Q8_0 of 32x3 (102 bytes). Returns where its
 * data begins. */
static size_t make(struct buf *b)
{
    buf_init(b, 1 << 20);
    put(b, "GGUF", 4);
    put_u32(b, 3);
    put_u64(b, 2);
    put_u64(b, 4);
    put_text(b, "general.architecture");
    put_u32(b, 8);
    put_text(b, "llama");
    put_text(b, "general.alignment");
    put_u32(b, 4);
    put_u32(b, 32);
    put_text(b, "words");
    put_u32(b, 9);
    put_u32(b, 8);
    put_u64(b, 2);
    put_text(b, "a");
    put_text(b, "bc");
    put_text(b, "numbers");
    put_u32(b, 9);
    put_u32(b, 6);
    put_u64(b, 3);
    put(b, "123456789012", 12);
    put_tensor(b, "one", 4, 2, 0, 0);
    put_tensor(b, "two", 32, 3, 8, 32);
    size_t data = (buf_len(b) + 31) / 32 * 32;
    while (buf_len(b) < data + 32 + 102)
        put(b, "", 1);
    return data;
}

static int check(struct str file, char why[GGUF_WHY_MAX])
{
    struct gguf_facts facts;
    why[0] = 0;
    return gguf_check(file, file.len, &facts, why);
}

static void a_whole_file_passes(void **state)
{
    (void)state;
    struct buf b;
    char why[GGUF_WHY_MAX];
    make(&b);
    assert_int_equal(check(buf_str(&b), why), 0);
    buf_fini(&b);
}

static void every_cut_is_found(void **state)
{
    (void)state;
    struct buf b;
    char why[GGUF_WHY_MAX];
    make(&b);
    for (size_t n = 0; n < buf_len(&b); n++) {
        /* A copy of just that size, so that a sanitizer sees any byte read beyond. */
        char *copy = malloc(n + 1);
        memcpy(copy, buf_str(&b).ptr, n);
        assert_int_equal(check(str_n(copy, n), why), ERR_INVALID);
        assert_true(strlen(why) > 0);
        if (n >= 4) assert_non_null(strstr(why, n < 24 ? "cut off" : ""));
        free(copy);
    }
    assert_int_equal(check(str_n(buf_str(&b).ptr, buf_len(&b) - 1), why), ERR_INVALID);
    assert_non_null(strstr(why, "cut off"));
    assert_non_null(strstr(why, "two"));
    buf_fini(&b);
}

static void damage_is_no_crash(void **state)
{
    (void)state;
    struct buf b;
    char why[GGUF_WHY_MAX];
    size_t data = make(&b);
    struct str whole = buf_str(&b);
    char *copy = malloc(whole.len);
    srand(9);
    for (size_t at = 0; at < data; at++) {
        for (int i = 0; i < 40; i++) {
            memcpy(copy, whole.ptr, whole.len);
            copy[at] = (char)rand();
            if (i % 2 && at + 8 <= data) memset(copy + at, i % 4 == 1 ? 0xff : 0x7f, 8);
            int err = check(str_n(copy, whole.len), why);
            assert_true(err == 0 || err == ERR_INVALID || err == ERR_UNSUPPORTED);
        }
    }
    free(copy);
    buf_fini(&b);
}

static void what_is_none_is_named(void **state)
{
    (void)state;
    char why[GGUF_WHY_MAX];
    assert_int_equal(check(STR("<html>not a model</html>"), why), ERR_INVALID);
    assert_non_null(strstr(why, "no GGUF file"));
    assert_int_equal(check(STR("GGUF\x01\0\0\0"), why), ERR_UNSUPPORTED);
    assert_non_null(strstr(why, "version 1"));
    assert_int_equal(check(STR("GGUF\0\0\0\x03"), why), ERR_UNSUPPORTED);
    assert_non_null(strstr(why, "big-endian"));
    struct gguf_facts facts;
    assert_int_equal(gguf_check_file("/nonexistent/x.gguf", &facts, why), -2);
    assert_int_equal(gguf_check_file("/", &facts, why), ERR_INVALID);
    assert_int_equal(gguf_check_file("/dev/null", &facts, why), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_file_passes),
        cmocka_unit_test(every_cut_is_found),
        cmocka_unit_test(damage_is_no_crash),
        cmocka_unit_test(what_is_none_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
