/* SPDX-License-Identifier: Apache-2.0 */
#include "dialect/openai/vectors.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/err.h"
#include "json/scan.h"
#include "json/skim.h"
#include "json/write.h"

/* --- base64 --- */

static int digit_of(char c)
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Appends a number of four bytes, the lowest first; one that JSON cannot say as null. */
static int write_number(uint32_t bits, struct buf *out)
{
    float number;
    memcpy(&number, &bits, sizeof number);
    if (!isfinite(number)) return buf_append(out, STR("null"));
    return buf_printf(out, "%.9g", (double)number);
}

/* Appends the numbers of base64 (without escapes but for "\/") as a list. ERR_INVALID: it has
 * others than base64's letters, or is not of whole numbers. */
static int write_numbers(struct str text, struct buf *out)
{
    uint64_t bits = 0; /* the last that came in, 6 each */
    unsigned have = 0; /* of them, how many are not used */
    uint32_t number = 0;
    unsigned bytes = 0;
    int err = buf_append(out, STR("["));
    for (size_t i = 0; !err && i < text.len && text.ptr[i] != '='; i++) {
        if (text.ptr[i] == '\\') continue;
        int digit = digit_of(text.ptr[i]);
        if (digit < 0) return ERR_INVALID;
        bits = bits << 6 | (uint64_t)digit;
        have += 6;
        if (have < 8) continue;
        have -= 8;
        number |= (uint32_t)(bits >> have & 0xff) << 8 * bytes;
        if (++bytes < 4) continue;
        if (out->ptr[out->end - 1] != '[') err = buf_append(out, STR(","));
        if (!err) err = write_number(number, out);
        number = bytes = 0;
    }
    if (bytes) return ERR_INVALID;
    return err ? err : buf_append(out, STR("]"));
}

/* --- the list --- */

static int put(const struct answer_sink *to, struct str vector)
{
    return to->put(to->owner, &(struct answer_event){.kind = ANSWER_VECTOR, .raw = vector});
}

static int put_vector(const struct json_span *vector, const struct answer_sink *to)
{
    struct buf numbers;
    if (vector->type == JSON_ARRAY) return put(to, vector->raw);
    if (vector->type != JSON_STRING) return ERR_INVALID;
    buf_init(&numbers, ANSWER_HELD_MAX);
    int err = write_numbers(str_n(vector->raw.ptr + 1, vector->raw.len - 2), &numbers);
    if (!err) err = put(to, buf_str(&numbers));
    buf_fini(&numbers);
    return err;
}

static size_t count_elements(struct str array)
{
    struct json_span element;
    size_t count = 0;
    while (json_skim_element(&array, &element))
        count++;
    return count;
}

/* Finds each vector by the index that its element has. ERR_INVALID: one has none, or another's. */
static int sort(struct str array, struct json_span *vectors, size_t count)
{
    static const struct str names[] = {STR_INIT("index"), STR_INIT("embedding")};
    struct json_span element, fields[ARRAY_LEN(names)];
    for (size_t i = 0; json_skim_element(&array, &element); i++) {
        int64_t index = (int64_t)i;
        if (json_scan_span(&element, names, ARRAY_LEN(names), fields, NULL)) return ERR_INVALID;
        (void)json_span_i64(&fields[0], &index);
        if (index < 0 || (uint64_t)index >= count || vectors[index].type != JSON_NONE)
            return ERR_INVALID;
        if (fields[1].type == JSON_NONE) return ERR_INVALID;
        vectors[index] = fields[1];
    }
    return 0;
}

static int whole(struct answer_source *s, struct str body, const struct answer_sink *to)
{
    static const struct str names[] = {STR_INIT("data")};
    struct json_span data[1];
    if (json_scan(body, names, 1, data, NULL) || data[0].type != JSON_ARRAY) return ERR_INVALID;
    size_t count = count_elements(data[0].raw);
    struct json_span *vectors = arena_try_zero(s->t->arena, (count + 1) * sizeof *vectors);
    if (!vectors) return -ENOMEM;
    int err = sort(data[0].raw, vectors, count);
    for (size_t i = 0; !err && i < count; i++)
        err = put_vector(&vectors[i], to);
    return err;
}

/* They are never streamed. */
static int event(struct answer_source *s UNUSED, struct str name UNUSED, struct str data UNUSED,
                 const struct answer_sink *to UNUSED)
{
    return ERR_INVALID;
}

const struct answer_source_ops openai_vectors_source = {
    .size = sizeof(struct answer_source),
    .event = event,
    .whole = whole,
};
