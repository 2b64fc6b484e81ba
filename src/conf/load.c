/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/err.h"
#include "conf/conf_priv.h"

enum { ARENA_BLOCK = 4096 };

/* Absolute where the folder exists; as written otherwise. */
static struct str folder_of(struct arena *a, struct str path)
{
    size_t end = path.len;
    while (end && path.ptr[end - 1] != '/')
        end--;
    struct str folder = end ? arena_dup(a, str_sub(path, 0, end)) : STR(".");
    char *real = realpath(folder.ptr, NULL);
    if (!real) return end > 1 ? str_sub(folder, 0, end - 1) : folder;
    folder = arena_dup(a, str_of(real));
    free(real);
    return folder.len == 1 ? STR("") : folder;
}

void conf__load_init(struct conf__load *l, const struct conf_group *schema, void *base,
                     struct arena *arena, struct str path, struct conf_problems *problems,
                     struct conf_problems *warnings)
{
    *l = (struct conf__load){
        .schema = schema,
        .base = base,
        .arena = arena,
        .path = path,
        .problems = problems,
        .warnings = warnings,
        .first = problems->count,
        .reading_problems = problems->count,
    };
    arena_init(&l->scratch, SIZE_MAX, ARENA_BLOCK);
    l->folder = folder_of(&l->scratch, path);
}

static bool parse(struct conf__load *l, struct str text)
{
    struct tree_error error = {0};
    if (text.len > CONF__FILE_MAX) {
        conf__problem(l, NULL, STR(""), "is larger than 8 MiB");
        return false;
    }
    if (tree_parse(&l->scratch, text, &l->root, &error)) {
        conf__problem(l, &(struct node){.line = error.line}, STR(""), "%s", error.text);
        return false;
    }
    /* More likely a file that is being written than one that is meant. */
    if (l->root && l->root->kind != NODE_NULL) return true;
    conf__problem(l, l->root, STR(""), "has nothing in it: write at least `models: []`");
    return false;
}

bool conf__load_text(struct conf__load *l, struct str text)
{
    if (!parse(l, text)) return false;
    conf__former_names(l);
    conf__override(l);
    conf__read(l);
    l->reading_problems = l->problems->count;
    return l->root->kind == NODE_MAP;
}

void conf__defaults(const struct conf_group *group, struct arena *arena, void *base)
{
    struct conf_problems none;
    struct conf__load l = {
        .schema = group, .base = base, .arena = arena, .problems = &none, .warnings = &none};
    conf_problems_init(&none);
    arena_init(&l.scratch, SIZE_MAX, ARENA_BLOCK);
    conf__read(&l);
    assert(none.count == 0);
    arena_fini(&l.scratch);
    conf_problems_fini(&none);
}

void conf__load_fini(struct conf__load *l)
{
    conf__problems_sort(l->problems, l->first);
    conf__problems_sort(l->warnings, 0);
    tree_wipe(l->root);
    arena_fini(&l->scratch);
}
