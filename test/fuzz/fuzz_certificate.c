/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates of any contents: as PEM text, or as the bytes that PEM stands for. Whatever they are,
 * they are refused with a reason or described in texts that a terminal may show, and judged. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/buf.h"
#include "transport/certificate.h"

#define CHECK(fact) ((fact) ? (void)0 : abort())

enum { TEXT_MAX = 1 << 20, MEMORY_MAX = 16 << 20, NOW = 1795757123 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(struct str text)
{
    CHECK(text.ptr);
    for (size_t i = 0; i < text.len; i++)
        CHECK((unsigned char)text.ptr[i] >= ' ' && text.ptr[i] != 0x7f);
}

static void check_why(int err, const struct certificate_why *why)
{
    if (!err) return;
    CHECK(strncmp(why->text, "x.pem: ", 7) == 0 && why->text[7]);
    check_text(str_of(why->text));
}

static void describe(const struct certificate *c, size_t i)
{
    struct arena arena;
    struct certificate_facts facts;
    arena_init(&arena, MEMORY_MAX, 4096);
    if (certificate_facts(c, i, &arena, &facts) == 0) {
        check_text(facts.subject);
        check_text(facts.issuer);
        check_text(facts.key_type);
        for (size_t k = 0; k < facts.name_count; k++)
            check_text(facts.names[k].text);
        CHECK(strlen(facts.pin) == PIN_TEXT_SIZE - 1);
    }
    arena_fini(&arena);
}

static void judge(const struct certificate *c)
{
    static const struct str names[] = {STR_INIT("localhost"), STR_INIT("::1"),
                                       STR_INIT("spiffe://a/b")};
    struct certificate_why why;
    check_why(certificate_check_time(c, NOW, 30, &why), &why);
    check_why(certificate_check_any(c, NOW, &why), &why);
    check_why(certificate_check_strength(c, &why), &why);
    check_why(certificate_check_signed(c, c, NOW, &why), &why);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        check_why(certificate_check_name(c, names[i], &why), &why);
}

static void parse(struct str pem)
{
    struct certificate *c;
    struct certificate_why why;
    int err = certificate_parse(pem, "x.pem", &c, &why);
    check_why(err, &why);
    if (err) return;
    CHECK(certificate_count(c) > 0);
    for (size_t i = 0; i < certificate_count(c); i++)
        describe(c, i);
    judge(c);
    certificate_free(c);
}

static void parse_bytes(struct str der)
{
    struct buf text;
    buf_init(&text, TEXT_MAX);
    int err = buf_append(&text, STR("-----BEGIN CERTIFICATE-----\n"));
    for (; der.len && !err; der = str_skip(der, 48)) {
        err = base64_append(&text, str_sub(der, 0, 48));
        if (!err) err = buf_append(&text, STR("\n"));
    }
    if (!err) err = buf_append(&text, STR("-----END CERTIFICATE-----\n"));
    if (!err) parse(buf_str(&text));
    buf_fini(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str input = str_n((const char *)data, size);
    if (str_starts(input, STR("-----")))
        parse(input);
    else
        parse_bytes(input);
    return 0;
}
