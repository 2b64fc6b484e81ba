/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/rank.h"

#include <math.h>

#include "base/err.h"
#include "engine/prompt.h"

/* A model that ranks computes each pair; another one each text, the first ones before the second
 * ones. */
static bool of_pairs(const struct vectors *v)
{
    return v->preparation.hosted->info->ranks;
}

int rank_check(struct vectors *v, const struct rank *r, struct str model)
{
    size_t prompts = of_pairs(v) ? r->count : r->first_count + r->count;
    for (size_t i = 0; i < r->count; i++)
        v->preparation.bytes += r->second[i].len;
    return vectors_check(v, model, r->second_name, prompts);
}

static const struct str *first_of(const struct rank *r, size_t index)
{
    return &r->first[r->first_count == 1 ? 0 : index];
}

/* The model's own template, with the texts in their places. */
static size_t fill_template(struct str template, struct str query, struct str document,
                            struct prompt_part *out, size_t max)
{
    static const struct str names[] = {STR_INIT("{query}"), STR_INIT("{document}")};
    size_t n = 0;
    while (template.len && n + 2 < max) {
        ptrdiff_t q = str_find(template, names[0]), d = str_find(template, names[1]);
        bool query_next = q >= 0 && (d < 0 || q < d);
        ptrdiff_t at = query_next ? q : d;
        if (at < 0) break;
        out[n++] = (struct prompt_part){str_sub(template, 0, (size_t)at), true, -1};
        out[n++] = (struct prompt_part){query_next ? query : document, false, -1};
        template = str_skip(template, (size_t)at + names[query_next ? 0 : 1].len);
    }
    out[n++] = (struct prompt_part){template, true, -1};
    return n;
}

/* Both texts, with the tokens between and behind them that the model was trained with. */
static size_t join(const struct vocab_info *info, struct str query, struct str document,
                   struct prompt_part *out)
{
    size_t n = 0;
    out[n++] = (struct prompt_part){query, false, -1};
    for (uint32_t i = 0; i < info->between_count; i++)
        out[n++] = (struct prompt_part){.token = info->between[i]};
    out[n++] = (struct prompt_part){document, false, -1};
    if (info->end >= 0) out[n++] = (struct prompt_part){.token = info->end};
    return n;
}

/* One text, which may not hold control tokens either. */
static size_t alone(const struct vocab_info *info, struct str text, struct prompt_part *out)
{
    out[0] = (struct prompt_part){text, false, -1};
    out[1] = (struct prompt_part){.token = info->end};
    return info->end >= 0 ? 2 : 1;
}

int rank_begin_prompt(struct vectors *v, const struct rank *r, size_t index)
{
    enum { PARTS = 16 };
    struct preparation *p = &v->preparation;
    const struct hosted *h = p->hosted;
    const struct vocab_info *info = vocab_info(h->vocab);
    struct prompt_part parts[PARTS];
    size_t n;
    if (!of_pairs(v)) {
        bool first = index < r->first_count;
        p->param = first ? r->first_name : r->second_name;
        n = alone(info, first ? r->first[index] : r->second[index - r->first_count], parts);
    } else {
        struct str query = *first_of(r, index), document = r->second[index];
        p->param = query.len > document.len ? r->first_name : r->second_name;
        n = h->info->rank_template
                ? fill_template(str_of(h->info->rank_template), query, document, parts, PARTS)
                : join(info, query, document, parts);
    }
    return prompt_of_parts(&p->prompt, &p->arena, h->vocab, parts, n, p->room);
}

float rank_score(const struct vectors *v, const struct rank *r, size_t index)
{
    uint32_t length = v->preparation.hosted->embedder->length;
    double sum = 0;
    if (of_pairs(v)) return vectors_at(v, index)[0];
    const float *a = vectors_at(v, r->first_count == 1 ? 0 : index);
    const float *b = vectors_at(v, r->first_count + index);
    for (uint32_t i = 0; i < length; i++)
        sum += (double)a[i] * (double)b[i];
    /* Equal texts differ in the last digits by where they stood in a batch. */
    return (float)(round(sum * 1e6) / 1e6);
}
