/* SPDX-License-Identifier: Apache-2.0 */
/* Fills structs from the tree, row by row. */
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/utf8.h"
#include "conf/conf_priv.h"
#include "conf/value.h"

static void read_group(struct conf__load *l, const struct conf_group *group, void *base,
                       const struct node *map, struct str path);

/* What a message may show of the value: the reference rather than what it stands for, no secret. */
static const char *shown(struct conf__load *l, const struct conf_row *row, const struct node *n)
{
    return row->flags & CONF_SECRET ? "the value" : conf__quote(l, n->text).ptr;
}

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
    if (row->max && text.len > row->max && row->type != CONF_COUNT && row->type != CONF_SIZE &&
        row->type != CONF_DURATION) {
        conf__problem(l, n, setting, "is %zu bytes long; at most %zu are possible", text.len,
                      (size_t)row->max);
        return false;
    }
    return true;
}

/* The text of a scalar node, on the conf's arena. */
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
    *out = text;
    return true;
}

static const char *number_hint(const struct conf_row *row)
{
    switch (row->type) {
    case CONF_DURATION: return "a duration such as 500ms, 30s, 5m or 1h";
    case CONF_SIZE:
        return row->unit ? "a count such as 4096 or 32k" : "a size such as 65536, 64KiB or 10MiB";
    default: return "a whole number";
    }
}

/* Whether the text is a number of the row's kind but for a minus in front. */
static bool negative(const struct conf_row *row, struct str text)
{
    uint64_t value;
    return str_starts(text, STR("-")) &&
           conf__parse_number(row, str_skip(text, 1), &value) != ERR_SYNTAX;
}

static void read_number(struct conf__load *l, const struct conf_row *row, const struct node *n,
                        struct str setting, struct str text, uint64_t *out)
{
    uint64_t value;
    int err = conf__parse_number(row, text, &value);
    if (err == ERR_SYNTAX && !negative(row, text)) {
        conf__problem(l, n, setting, "%s is not %s%s%s", shown(l, row, n), number_hint(row),
                      row->zero ? " or the word " : "", row->zero ? row->zero : "");
    } else if (!err && value == 0 && row->zero && !str_eq(text, str_of(row->zero))) {
        conf__problem(l, n, setting, "%s could mean two things: say \"%s\", or a number",
                      shown(l, row, n), row->zero);
    } else if (err || value > row->max || (value < row->min && !(value == 0 && row->zero))) {
        conf__problem(l, n, setting, "%s is out of range: %s", shown(l, row, n),
                      conf__range_text(&l->scratch, row).ptr);
    } else {
        *out = value;
    }
}

static struct str word_candidate(const void *ctx, size_t i)
{
    return str_of(((const struct conf_row *)ctx)->words[i]);
}

/* Index of the word, or -1 with a problem. */
static int read_word(struct conf__load *l, const struct conf_row *row, const struct node *n,
                     struct str setting, struct str text)
{
    int index = conf__word_index(row, text);
    if (index >= 0) return index;
    size_t count = 0;
    while (row->words[count])
        count++;
    struct str near = conf__nearest(text, word_candidate, row, count);
    conf__problem(l, n, setting, "%s is not known: %s%" STR_FMT "%s%s", shown(l, row, n),
                  near.len ? "did you mean \"" : "use ",
                  STR_ARG(near.len ? near : conf__words_text(&l->scratch, row)),
                  near.len ? "\"?" : "", "");
    return -1;
}

static struct str absolute(struct conf__load *l, struct str path)
{
    if (path.len == 0 || path.ptr[0] == '/') return path;
    return arena_printf(&l->conf->arena, "%" STR_FMT "/%" STR_FMT, STR_ARG(l->folder),
                        STR_ARG(path));
}

static void read_scalar(struct conf__load *l, const struct conf_row *row, void *field,
                        const struct node *n, struct str setting)
{
    struct str text;
    if (!take_text(l, row, n, setting, &text)) return;
    switch (row->type) {
    case CONF_TEXT: *(struct str *)field = row->flags & CONF_PATH ? absolute(l, text) : text; break;
    case CONF_WORD:
        if (read_word(l, row, n, setting, text) >= 0) *(struct str *)field = text;
        break;
    case CONF_ENUM: {
        int index = read_word(l, row, n, setting, text);
        if (index >= 0) *(unsigned *)field = (unsigned)index;
        break;
    }
    case CONF_BOOL:
        if (conf__parse_bool(text, field))
            conf__problem(l, n, setting, "%s is neither true nor false", shown(l, row, n));
        break;
    default: read_number(l, row, n, setting, text, field); break;
    }
}

/* Calls item(...) for each value of a list, or for the one value that stands instead of a list. */
static void read_texts(struct conf__load *l, const struct conf_row *row, void *base,
                       const struct node *n, struct str setting)
{
    bool single = n->kind == NODE_SCALAR;
    bool addresses = row->type == CONF_ADDRESSES;
    if (!single && n->kind != NODE_LIST) {
        conf__problem(l, n, setting, "is %s; a list such as [a, b] is expected",
                      node_kind_text(n->kind));
        return;
    }
    size_t count = single ? 1 : n->count;
    size_t size = addresses ? sizeof(struct conf_listen) : sizeof(struct str);
    char *items = count ? arena_zalloc(&l->conf->arena, count * size) : NULL;
    const struct node *item = single ? n : n->first;
    for (size_t i = 0; i < count; i++, item = item->next) {
        struct str path = arena_printf(&l->scratch, "%" STR_FMT "[%zu]", STR_ARG(setting), i);
        struct str text = STR_NULL;
        if (take_text(l, row, item, path, &text) && text.len == 0)
            conf__problem(l, item, path, "is empty");
        if (addresses)
            *(struct conf_listen *)(void *)(items + i * size) =
                (struct conf_listen){text, item->line};
        else
            *(struct str *)(void *)(items + i * size) = text;
    }
    *(void **)conf__field(row, base) = items;
    *(size_t *)(void *)((char *)base + row->count_offset) = count;
}

static void read_pairs(struct conf__load *l, const struct conf_row *row, void *base,
                       const struct node *n, struct str setting)
{
    if (n->kind != NODE_MAP) {
        conf__problem(l, n, setting, "is %s; names with values such as { a: b } are expected",
                      node_kind_text(n->kind));
        return;
    }
    struct conf_pair *pairs =
        n->count ? arena_zalloc(&l->conf->arena, n->count * sizeof *pairs) : NULL;
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
        pairs[count++].name = arena_dup(&l->conf->arena, item->name);
    }
    *(void **)conf__field(row, base) = pairs;
    *(size_t *)(void *)((char *)base + row->count_offset) = count;
}

static bool is_map(struct conf__load *l, const struct conf_group *group, const struct node *n,
                   struct str setting)
{
    if (n->kind == NODE_MAP) return true;
    conf__problem(l, n, setting, "is %s; settings such as `%s:` are expected below it",
                  node_kind_text(n->kind), group->rows[0].name);
    return false;
}

static void read_list(struct conf__load *l, const struct conf_row *row, void *base,
                      const struct node *n, struct str setting)
{
    const struct conf_group *group = row->group;
    if (n->kind != NODE_LIST) {
        conf__problem(l, n, setting,
                      "is %s; a list is expected, each item of it begins with \"- %s:\"",
                      node_kind_text(n->kind), group->rows[0].name);
        return;
    }
    if (n->count > row->max) {
        conf__problem(l, n, setting, "has more than %zu items", (size_t)row->max);
        return;
    }
    char *items = n->count ? arena_zalloc(&l->conf->arena, n->count * group->size) : NULL;
    const struct node *item = n->first;
    *(void **)conf__field(row, base) = items;
    *(size_t *)(void *)((char *)base + row->count_offset) = n->count;
    for (size_t i = 0; i < n->count; i++, item = item->next) {
        struct str path = arena_printf(&l->scratch, "%" STR_FMT "[%zu]", STR_ARG(setting), i);
        read_group(l, group, items + i * group->size, is_map(l, group, item, path) ? item : NULL,
                   path);
    }
}

static void read_row(struct conf__load *l, const struct conf_row *row, void *base,
                     const struct node *n, struct str setting)
{
    void *field = conf__field(row, base);
    switch (row->type) {
    case CONF_TEXTS:
    case CONF_ADDRESSES: read_texts(l, row, base, n, setting); break;
    case CONF_PAIRS: read_pairs(l, row, base, n, setting); break;
    case CONF_LIST: read_list(l, row, base, n, setting); break;
    case CONF_GROUP:
        if (is_map(l, row->group, n, setting)) read_group(l, row->group, field, n, setting);
        break;
    case CONF_OPTIONAL: {
        void *inner = arena_zalloc(&l->conf->arena, row->group->size);
        read_group(l, row->group, inner, is_map(l, row->group, n, setting) ? n : NULL, setting);
        *(void **)field = inner;
        break;
    }
    default: read_scalar(l, row, field, n, setting); break;
    }
}

/* Defaults are text in the table and go through the same readers. */
static void set_default(struct conf__load *l, const struct conf_row *row, void *base)
{
    if (row->type == CONF_GROUP) read_group(l, row->group, conf__field(row, base), NULL, STR(""));
    if (row->flags & CONF_INHERIT) *(uint64_t *)conf__field(row, base) = CONF_UNSET;
    if (!row->standard) return;
    struct node n = {.kind = NODE_SCALAR, .text = str_of(row->standard)};
    read_row(l, row, base, &n, str_of(row->name));
}

static struct str row_candidate(const void *ctx, size_t i)
{
    return str_of(((const struct conf_group *)ctx)->rows[i].name);
}

static void unknown(struct conf__load *l, const struct conf_group *group, const struct node *n,
                    struct str setting)
{
    struct str near = conf__nearest(n->name, row_candidate, group, group->row_count);
    if (near.len) {
        conf__problem(l, n, setting, "unknown setting; did you mean \"%" STR_FMT "\"?",
                      STR_ARG(near));
        return;
    }
    struct str known = STR("");
    for (size_t i = 0; i < group->row_count; i++)
        known = arena_printf(&l->scratch, "%" STR_FMT "%s%s", STR_ARG(known), i ? ", " : "",
                             group->rows[i].name);
    conf__problem(l, n, setting, "unknown setting; known here are %" STR_FMT, STR_ARG(known));
}

static struct str join(struct conf__load *l, struct str path, struct str name)
{
    return arena_printf(&l->scratch, "%" STR_FMT "%s%" STR_FMT, STR_ARG(path), path.len ? "." : "",
                        STR_ARG(str_sub(name, 0, 64)));
}

static void require(struct conf__load *l, const struct conf_group *group, const struct node *map,
                    struct str path)
{
    for (size_t i = 0; i < group->row_count; i++) {
        const struct conf_row *row = &group->rows[i];
        const struct node *n = tree_get(map, str_of(row->name));
        if (!(row->flags & CONF_REQUIRED) || (n && n->kind != NODE_NULL)) continue;
        conf__problem(l, n ? n : map, join(l, path, str_of(row->name)), "is missing: write %s",
                      row->wanted);
    }
}

/* `map` NULL: defaults only. */
static void read_group(struct conf__load *l, const struct conf_group *group, void *base,
                       const struct node *map, struct str path)
{
    for (size_t i = 0; i < group->row_count; i++)
        set_default(l, &group->rows[i], base);
    if (!map) return;
    for (const struct node *n = map->first; n; n = n->next) {
        const struct conf_row *row = conf__row(group, n->name);
        struct str setting = join(l, path, n->name);
        if (!row)
            unknown(l, group, n, setting);
        else if (n->kind != NODE_NULL)
            read_row(l, row, base, n, setting);
    }
    require(l, group, map, path);
}

void conf__read(struct conf__load *l)
{
    if (is_map(l, &conf__root, l->root, STR("")))
        read_group(l, &conf__root, l->conf, l->root, STR(""));
}
