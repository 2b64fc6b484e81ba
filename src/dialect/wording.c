/* SPDX-License-Identifier: Apache-2.0 */
#include "dialect/wording.h"

#include <string.h>

/* What a path of the pivot's has in common with a row. */
struct fit {
    struct str index; /* "[3]"; empty: the row has none */
    struct str rest;  /* what stands within the row's field */
};

static struct str index_at(struct str path)
{
    size_t n = 1;
    if (!str_starts(path, STR("["))) return STR("");
    while (n < path.len && path.ptr[n] >= '0' && path.ptr[n] <= '9')
        n++;
    bool ends = n > 1 && n < path.len && path.ptr[n] == ']';
    return ends ? str_sub(path, 0, n + 1) : STR("");
}

static bool is_within(struct str rest)
{
    return rest.len == 0 || rest.ptr[0] == '.' || rest.ptr[0] == '[';
}

static bool fits(const struct wording *row, struct str path, struct fit *out)
{
    const char *mark = strstr(row->pivot, "[]");
    struct str before =
        mark ? (struct str){row->pivot, (size_t)(mark - row->pivot)} : str_of(row->pivot);
    *out = (struct fit){.index = STR("")};
    if (!str_starts(path, before)) return false;
    out->rest = str_skip(path, before.len);
    if (mark) {
        struct str behind = str_of(mark + 2);
        out->index = index_at(out->rest);
        out->rest = str_skip(out->rest, out->index.len);
        if (out->index.len == 0 || !str_starts(out->rest, behind)) return false;
        out->rest = str_skip(out->rest, behind.len);
    }
    return is_within(out->rest);
}

/* ptr NULL: no memory. */
static struct str cat(struct arena *arena, struct str first, struct str second)
{
    return first.ptr ? arena_try_cat(arena, first, second) : STR_NULL;
}

/* The row's own name with the index in its place, and what stands within it. */
static struct str say(struct arena *arena, const struct wording *row, const struct fit *fit)
{
    const char *mark = strstr(row->own, "[]");
    struct str own = str_of(row->own);
    if (mark) {
        size_t before = (size_t)(mark - row->own);
        struct str behind = str_of(mark + 2);
        own = cat(arena, cat(arena, str_sub(own, 0, before), fit->index), behind);
    }
    return cat(arena, own, row->alone ? STR("") : fit->rest);
}

/* ptr NULL: the path is the client's, too. */
static struct str own_path(struct arena *arena, const struct wording *words, struct str path)
{
    struct fit fit;
    for (const struct wording *row = words; row && row->pivot; row++)
        if (fits(row, path, &fit)) return say(arena, row, &fit);
    return STR_NULL;
}

/* The name in quotes that a message begins with; empty: none. */
static struct str first_name(struct str message)
{
    struct str name;
    if (!str_starts(message, STR("'"))) return STR("");
    name = str_skip(message, 1);
    ptrdiff_t end = str_find(name, STR("'"));
    return end < 0 ? STR("") : str_sub(name, 0, (size_t)end);
}

static void reword_text(struct arena *arena, const struct wording *words, struct refusal *why)
{
    struct str name = first_name(why->message);
    struct str own = own_path(arena, words, name);
    if (!own.ptr) return;
    struct str rest = str_skip(why->message, 1 + name.len);
    struct str text = cat(arena, cat(arena, STR("'"), own), rest);
    if (text.ptr) why->message = text;
}

void wording_apply(struct arena *arena, const struct wording *words, bool text, struct refusal *why)
{
    struct str own = why->param ? own_path(arena, words, str_of(why->param)) : STR_NULL;
    if (own.ptr) why->param = own.ptr;
    if (text) reword_text(arena, words, why);
}
