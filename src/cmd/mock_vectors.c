/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/mock_vectors.h"

#include <math.h>

#include "base/err.h"
#include "base/hash.h"
#include "json/write.h"

static void vector_of(struct str input, float *v, unsigned dimensions)
{
    uint64_t h = hash_fnv(input);
    double sum = 0;
    for (unsigned i = 0; i < dimensions; i++) {
        h = h * 6364136223846793005u + 1442695040888963407u;
        v[i] = (float)((double)(h >> 33) / (double)(1u << 30) - 1.0);
        sum += (double)v[i] * (double)v[i];
    }
    double scale = sum > 0 ? 1 / sqrt(sum) : 0;
    for (unsigned i = 0; i < dimensions; i++)
        v[i] = (float)((double)v[i] * scale);
}

static void write_base64(struct json_writer *w, struct arena *arena, const void *bytes, size_t len)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *in = bytes;
    char *out = arena_alloc(arena, len / 3 * 4 + 8);
    size_t n = 0;
    for (size_t i = 0; i < len; i += 3) {
        unsigned have = (unsigned)MIN(len - i, (size_t)3);
        uint32_t v = (uint32_t)in[i] << 16;
        if (have > 1) v |= (uint32_t)in[i + 1] << 8;
        if (have > 2) v |= in[i + 2];
        for (unsigned d = 0; d < 4; d++)
            out[n++] = d <= have ? alphabet[v >> (18 - 6 * d) & 63] : '=';
    }
    json_write_str(w, str_n(out, n));
}

static void write_numbers(struct json_writer *w, const float *v, unsigned dimensions)
{
    json_write_array(w);
    for (unsigned i = 0; i < dimensions; i++)
        json_write_double(w, (double)v[i]);
    json_write_array_end(w);
}

/* --- the inputs --- */

struct inputs {
    struct arena *arena;
    struct str raw;
    const struct json *doc;
    bool one; /* a string, or an array of token ids */
    struct json_iter it;
    size_t index;
};

static int inputs_of(struct inputs *in, struct arena *arena, struct str raw)
{
    *in = (struct inputs){.arena = arena, .raw = raw};
    int err = json_parse(arena, raw, &in->doc, NULL);
    if (err) return err;
    const bool string = json_type(in->doc) == JSON_STRING;
    in->one = string || json_type(json_at(in->doc, 0)) == JSON_NUMBER;
    return string || (json_type(in->doc) == JSON_ARRAY && json_count(in->doc)) ? 0 : ERR_TYPE;
}

/* False: no more. */
static bool next_input(struct inputs *in, struct str *text)
{
    const struct json *item = in->doc;
    const size_t at = in->index++;
    if (in->one ? at > 0 : !json_next_item(in->doc, &in->it, &item)) return false;
    /* Inputs of token ids differ by place only; the mock has no vocabulary. */
    if (!json_to_str(item, text))
        *text = arena_printf(in->arena, "ids %zu of %.*s", at, STR_ARG(in->raw));
    return true;
}

/* --- OpenAI's --- */

static void write_embedding(struct json_writer *w, struct arena *arena, struct str input,
                            size_t index, unsigned dimensions, bool base64)
{
    float v[MOCK_DIMENSIONS_MAX];
    vector_of(input, v, dimensions);
    json_write_object(w);
    json_write_str_member(w, "object", STR("embedding"));
    json_write_u64_member(w, "index", index);
    json_write_key(w, "embedding");
    if (base64)
        write_base64(w, arena, v, dimensions * sizeof v[0]);
    else
        write_numbers(w, v, dimensions);
    json_write_object_end(w);
}

int mock_embeddings(struct arena *arena, struct str input, struct str model, unsigned dimensions,
                    bool base64, uint32_t prompt_tokens, struct buf *out)
{
    struct inputs in;
    struct json_writer w;
    struct str text;
    int err = inputs_of(&in, arena, input);
    if (err) return err;
    dimensions = MIN(MAX(dimensions, 1u), (unsigned)MOCK_DIMENSIONS_MAX);
    json_write_init(&w, out);
    json_write_object(&w);
    json_write_str_member(&w, "object", STR("list"));
    json_write_key(&w, "data");
    json_write_array(&w);
    for (size_t i = 0; next_input(&in, &text); i++)
        write_embedding(&w, arena, text, i, dimensions, base64);
    json_write_array_end(&w);
    json_write_str_member(&w, "model", model);
    json_write_key(&w, "usage");
    json_write_object(&w);
    json_write_u64_member(&w, "prompt_tokens", prompt_tokens);
    json_write_u64_member(&w, "total_tokens", prompt_tokens);
    json_write_object_end(&w);
    json_write_object_end(&w);
    return json_write_end(&w);
}

/* --- bare ones --- */

int mock_vectors_write(struct arena *arena, struct str input, unsigned dimensions, bool first,
                       struct json_writer *w)
{
    float v[MOCK_DIMENSIONS_MAX];
    struct inputs in;
    struct str text;
    int err = inputs_of(&in, arena, input);
    if (err) return err;
    dimensions = MIN(MAX(dimensions, 1u), (unsigned)MOCK_DIMENSIONS_MAX);
    if (!first) json_write_array(w);
    while (next_input(&in, &text)) {
        vector_of(text, v, dimensions);
        write_numbers(w, v, dimensions);
        if (first) return 0;
    }
    json_write_array_end(w);
    return 0;
}

/* --- how well texts fit --- */

double mock_score(struct str query, struct str text)
{
    const uint64_t both = hash_fnv(query) * 31 + hash_fnv(text);
    const uint64_t mixed = (both ^ both >> 29) * UINT64_C(0xbf58476d1ce4e5b9);
    return (double)(mixed >> 40) / (double)(1u << 24);
}
