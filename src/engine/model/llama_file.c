/* SPDX-License-Identifier: Apache-2.0 */
/* What a model's file says, by key. */
#include <stdio.h>
#include <stdlib.h>

#include "engine/model/llama_priv.h"

void *llama__must(void *ptr)
{
    if (!ptr) abort();
    return ptr;
}

bool llama__meta(const struct model *m, const char *key, char *out, size_t size)
{
    return llama_model_meta_val_str(m->llama, key, out, size) > 0;
}

uint64_t llama__meta_number(const struct model *m, const char *suffix, uint64_t otherwise)
{
    char key[160], text[64];
    uint64_t n;
    (void)snprintf(key, sizeof key, "%s.%s", m->info.arch, suffix);
    return llama__meta(m, key, text, sizeof text) && !str_to_u64(str_of(text), &n) ? n : otherwise;
}
