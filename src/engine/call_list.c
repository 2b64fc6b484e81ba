/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/call_list.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rand.h"

enum { SHORT_LETTERS = 9, LETTERS = 24 };

void call_make_id(char out[CALL_ID_SIZE], bool is_short)
{
    static const char prefix[] = "call_";
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    uint8_t random[LETTERS];
    size_t before = is_short ? 0 : sizeof prefix - 1;
    size_t count = is_short ? SHORT_LETTERS : LETTERS;
    rand_bytes(random, sizeof random);
    memcpy(out, prefix, before);
    for (size_t i = 0; i < count; i++)
        out[before + i] = letters[random[i] % (sizeof letters - 1)];
    out[before + count] = 0;
}

void call_list_init(struct call_list *l, size_t max)
{
    *l = (struct call_list){.all = NULL};
    buf_init(&l->text, max);
}

void call_list_fini(struct call_list *l)
{
    buf_fini(&l->text);
    free(l->all);
}

int call_list_add(struct call_list *l, struct str name, bool short_id)
{
    size_t at = buf_len(&l->text);
    int err = buf_append(&l->text, name);
    if (err) return err;
    if (l->count == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 4;
        l->all = mem_must_grow(l->all, l->cap, sizeof *l->all);
    }
    struct call_entry *e = &l->all[l->count++];
    *e = (struct call_entry){.name_at = at, .name_len = name.len, .arguments_at = at + name.len};
    call_make_id(e->id, short_id);
    return 0;
}

int call_list_go_on(struct call_list *l, struct str arguments)
{
    assert(l->count > 0);
    return buf_append(&l->text, arguments);
}

struct call_part call_list_at(const struct call_list *l, size_t index)
{
    const struct call_entry *e = &l->all[index];
    struct str text = buf_str(&l->text);
    size_t end = index + 1 < l->count ? l->all[index + 1].name_at : text.len;
    struct call_part part = {.name = str_sub(text, e->name_at, e->name_len)};
    part.arguments = str_sub(text, e->arguments_at, end - e->arguments_at);
    memcpy(part.id, e->id, sizeof part.id);
    return part;
}
