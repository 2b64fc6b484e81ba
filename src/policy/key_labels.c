/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/key_labels.h"

#include <stdlib.h>

void key_labels_init(struct key_labels *l)
{
    *l = (struct key_labels){
        .names = {[KEY_LABEL_NONE] = STR_INIT(""), [KEY_LABEL_OTHER] = STR_INIT("other")},
        .count = KEY_LABELS_OWN,
    };
}

void key_labels_fini(struct key_labels *l)
{
    for (unsigned i = KEY_LABELS_OWN; i < l->count; i++)
        free((char *)(uintptr_t)l->names[i].ptr);
    l->count = 0;
}

unsigned key_labels_place(struct key_labels *l, struct str name)
{
    for (unsigned i = 0; i < l->count; i++)
        if (str_eq(l->names[i], name)) return i;
    if (l->count == KEY_LABELS) return KEY_LABEL_OTHER;
    l->names[l->count] = str_n(str_dup(name), name.len);
    return l->count++;
}
