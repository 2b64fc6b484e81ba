/* SPDX-License-Identifier: Apache-2.0 */
/* Fills one setting from its node: a value, texts, pairs. */
#include <string.h>

#include "base/utf8.h"
#include "conf/conf_priv.h"
#include "conf/group.h"
#include "conf/text.h"
#include "conf/types.h"

static bool clean(const struct conf_row *row, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        bool layout = text.ptr[i] == '\n' || text.ptr[i] == '\t';
        if (layout && (row->flags & CONF_MULTILINE)) continue;
        if (conf__forbidden(text, i)) return false;
    }
    return utf8_valid(text);
}

static bool text_fits(struct conf__load *l, const struct conf_row *row, const struct node *n,
                      struct str setting, struct str text)
{
    if (!clean(row, text)) {
        conf__problem(l, n, setting, "has a control character in it or is not UTF-8");
        return false;
    }
    bool sized = !conf__scalar(row->type) || conf__kind(row->type)->sized;
    if (sized && row->max && text.len > row->max) {
        conf__problem(l, n, setting, "is %zu bytes long; at most %zu are possible", text.len,
                      (size_t)row->max);
        return false;
    }
    return true;
}

static struct str absolute(struct conf__load *l, const struct conf_row *row, struct str path)
{
    if (path.len == 0 || path.ptr[0] == '/') return path;
    if (row->scheme && str_starts(path, str_of(row->scheme))) return path;
    return arena_printf(l->arena, "%" STR_FMT "/%" STR_FMT, STR_ARG(l->folder), STR_ARG(path));
}

/* Whether an item of a list is one of the words that it may be. */
static bool item_fits(struct conf__load *l, const struct conf_row *row, const struct node *n,
                      struct str setting, struct str item)
{
    struct conf_input in = {.text = item, .written = n->text, .arena = &l->scratch};
    struct str word;
    if (!row->words || conf__kind(CONF_WORD)->parse(row, &in, &word)) return true;
    conf__problem(l, n, setting, "%" STR_FMT, STR_ARG(in.problem));
    return false;
}

/* The text of a scalar node, on the load's arena. */
static bool take_text(struct conf__load *l, const struct conf_row *row, const struct node *n,
                      struct str setting, struct str *out)
{
    struct str text;
    if (n->kind != NODE_SCALAR && n->kind != NODE_NULL) {
        conf__problem(l, n, setting, "is %s; one value is expected", node_kind_text(n->kind));
        return false;
    }
    if (!conf__expand(l, row, n, setting, &text)) return false;
    if (!text_fits(l, row, n, setting, text)) {
        explicit_bzero((char *)(uintptr_t)text.ptr, text.len);
        return false;
    }
    *out = row->flags & CONF_PATH ? absolute(l, row, text) : text;
    return true;
}

void conf__read_value(struct conf__load *l, const struct conf_row *row, void *base,
                      const struct node *n, struct str setting)
{
    struct conf_input in = {.written = n->text, .arena = &l->scratch};
    if (!take_text(l, row, n, setting, &in.text)) return;
    if (!conf__kind(row->type)->parse(row, &in, conf__field(row, base)))
        conf__problem(l, n, setting, "%" STR_FMT, STR_ARG(in.problem));
}

void conf__read_texts(struct conf__load *l, const struct conf_row *row, void *base,
                      const struct node *n, struct str setting)
{
    bool single = n->kind == NODE_SCALAR;
    if (!single && n->kind != NODE_LIST) {
        conf__problem(l, n, setting, "is %s; a list such as [a, b] is expected",
                      node_kind_text(n->kind));
        return;
    }
    size_t count = single ? 1 : n->count;
    struct str *items = count ? arena_zalloc(l->arena, count * sizeof *items) : NULL;
    const struct node *item = single ? n : n->first;
    for (size_t i = 0; i < count; i++, item = item->next) {
        struct str path = arena_printf(&l->scratch, "%" STR_FMT "[%zu]", STR_ARG(setting), i);
        if (!take_text(l, row, item, path, &items[i])) continue;
        if (items[i].len == 0)
            conf__problem(l, item, path, "is empty");
        else
            (void)item_fits(l, row, item, path, items[i]);
    }
    conf__set_items(row, base, items, count);
}

void conf__read_pairs(struct conf__load *l, const struct conf_row *row, void *base,
                      const struct node *n, struct str setting)
{
    if (n->kind != NODE_MAP) {
        conf__problem(l, n, setting, "is %s; names with values such as { a: b } are expected",
                      node_kind_text(n->kind));
        return;
    }
    struct conf_pair *pairs = n->count ? arena_zalloc(l->arena, n->count * sizeof *pairs) : NULL;
    size_t count = 0;
    for (const struct node *item = n->first; item; item = item->next) {
        struct str path = arena_printf(&l->scratch, "%" STR_FMT ".%" STR_FMT, STR_ARG(setting),
                                       STR_ARG(item->name));
        if (item->name.len == 0 || !clean(row, item->name) || str_find_char(item->name, '=') >= 0) {
            conf__problem(l, item, setting, "%s is no possible name",
                          conf__quote(l, item->name).ptr);
            continue;
        }
        if (!take_text(l, row, item, path, &pairs[count].value)) continue;
        pairs[count++].name = arena_dup(l->arena, item->name);
    }
    conf__set_items(row, base, pairs, count);
}
