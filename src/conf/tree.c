/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/tree.h"

#include <errno.h>
#include <string.h>
#include <yaml.h>

#include "base/err.h"

struct builder {
    struct arena *arena;
    struct node *root;
    struct node *open[TREE_DEPTH_MAX]; /* containers that have not ended */
    size_t depth;
    size_t nodes;
    struct str name; /* the map member whose value comes next; ptr NULL: none */
    unsigned name_line;
    struct tree_error *error;
};

struct node *tree_new(struct arena *a, enum node_kind kind, unsigned line)
{
    struct node *n = arena_zalloc(a, sizeof *n);
    n->kind = kind;
    n->line = line;
    return n;
}

void tree_append(struct node *parent, struct node *child)
{
    child->next = NULL;
    if (parent->last)
        parent->last->next = child;
    else
        parent->first = child;
    parent->last = child;
    parent->count++;
}

struct node *tree_wrap(struct arena *a, const struct node *n, struct str name)
{
    struct node *map = tree_new(a, NODE_MAP, n->line);
    struct node *member = tree_new(a, n->kind, n->line);
    *member = *n;
    member->name = name;
    member->unnamed = true;
    map->variable = n->variable;
    tree_append(map, member);
    return map;
}

struct node *tree_get(const struct node *map, struct str name)
{
    if (!map || map->kind != NODE_MAP) return NULL;
    for (struct node *n = map->first; n; n = n->next)
        if (str_eq(n->name, name)) return n;
    return NULL;
}

void tree_put(struct node *map, struct str name, struct node *child)
{
    struct node *old = tree_get(map, name);
    child->name = name;
    if (!old) {
        tree_append(map, child);
        return;
    }
    struct node *next = old->next;
    tree_wipe(old);
    *old = *child;
    old->next = next;
}

void tree_remove(struct node *parent, const struct node *child)
{
    struct node *before = NULL;
    for (struct node *n = parent->first; n != child; n = n->next)
        before = n;
    if (before)
        before->next = child->next;
    else
        parent->first = child->next;
    if (parent->last == child) parent->last = before;
    parent->count--;
}

static const struct node *nth(const struct node *list, struct str index)
{
    uint64_t i;
    if (list->kind != NODE_LIST || str_to_u64(index, &i)) return NULL;
    if (list->items) return i < list->count ? list->items[i] : NULL;
    const struct node *n = list->first;
    while (n && i--)
        n = n->next;
    return n;
}

const struct node *tree_find(const struct node *root, struct str path)
{
    const struct node *at = root;
    struct str name;
    while (at && str_cut(&path, '.', &name)) {
        struct str piece = name;
        struct str rest = STR_NULL;
        ptrdiff_t bracket = str_find_char(name, '[');
        if (bracket >= 0) {
            piece = str_sub(name, 0, (size_t)bracket);
            rest = str_skip(name, (size_t)bracket + 1);
        }
        const struct node *next = tree_get(at, piece);
        if (!next) return at;
        at = next;
        if (rest.len) {
            next = nth(at, str_sub(rest, 0, rest.len - 1));
            if (!next) return at;
            at = next;
        }
    }
    return at;
}

/* Recursion is as deep as TREE_DEPTH_MAX. */
void tree_wipe(struct node *root)
{
    if (!root) return;
    if (root->text.len) explicit_bzero((char *)(uintptr_t)root->text.ptr, root->text.len);
    for (struct node *n = root->first; n; n = n->next)
        tree_wipe(n);
}

const char *node_kind_text(enum node_kind kind)
{
    switch (kind) {
    case NODE_NULL: return "nothing";
    case NODE_SCALAR: return "a value";
    case NODE_LIST: return "a list";
    case NODE_MAP: return "a map";
    }
    return "?";
}

static int fail(struct builder *b, int err, size_t line, const char *text)
{
    *b->error = (struct tree_error){(unsigned)line, text};
    return err;
}

/* Hangs `n` where the parser stands. */
static int place(struct builder *b, struct node *n)
{
    if (++b->nodes > TREE_NODES_MAX)
        return fail(b, ERR_TOO_LARGE, n->line, "more values than a configuration may have");
    if (b->depth == 0) {
        b->root = n;
        return 0;
    }
    struct node *parent = b->open[b->depth - 1];
    if (parent->kind == NODE_MAP) {
        n->name = b->name;
        b->name = STR_NULL;
    }
    tree_append(parent, n);
    return 0;
}

static int open_container(struct builder *b, enum node_kind kind, size_t line)
{
    struct node *n = tree_new(b->arena, kind, (unsigned)line);
    if (b->depth == TREE_DEPTH_MAX) return fail(b, ERR_DEPTH, line, "nested too deeply");
    if (b->name.ptr) n->line = b->name_line;
    int err = place(b, n);
    if (!err) b->open[b->depth++] = n;
    return err;
}

/* A scalar where a map expects a name. */
static int take_name(struct builder *b, struct str name, size_t line)
{
    const struct node *map = b->open[b->depth - 1];
    if (map->count >= TREE_NAMES_MAX)
        return fail(b, ERR_TOO_LARGE, line, "too many names in one map");
    if (tree_get(map, name)) {
        struct str shown = str_sub(name, 0, 64);
        struct str text = arena_printf(b->arena, "\"%" STR_FMT "\" is given twice", STR_ARG(shown));
        return fail(b, ERR_DUPLICATE, line, text.ptr);
    }
    b->name = arena_dup(b->arena, name);
    b->name_line = (unsigned)line;
    return 0;
}

static void close_container(struct builder *b)
{
    struct node *list = b->open[--b->depth], *n = list->first;
    if (list->kind != NODE_LIST) return;
    list->items = arena_alloc(b->arena, (list->count + 1) * sizeof(struct node *));
    for (size_t i = 0; i < list->count; i++, n = n->next)
        list->items[i] = n;
}

static bool expects_name(const struct builder *b)
{
    return b->depth && b->open[b->depth - 1]->kind == NODE_MAP && !b->name.ptr;
}

static bool is_null(struct str text)
{
    return text.len == 0 || str_eq(text, STR("~")) || str_eq(text, STR("null"));
}

static int on_scalar(struct builder *b, const yaml_event_t *e)
{
    size_t line = e->start_mark.line + 1;
    struct str text = str_n((const char *)e->data.scalar.value, e->data.scalar.length);
    if (expects_name(b)) return take_name(b, text, line);
    bool plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    struct node *n =
        tree_new(b->arena, plain && is_null(text) ? NODE_NULL : NODE_SCALAR, (unsigned)line);
    if (n->kind == NODE_SCALAR) n->text = arena_dup(b->arena, text);
    return place(b, n);
}

static bool has_anchor(const yaml_event_t *e)
{
    return e->type == YAML_ALIAS_EVENT || (e->type == YAML_SCALAR_EVENT && e->data.scalar.anchor) ||
           (e->type == YAML_SEQUENCE_START_EVENT && e->data.sequence_start.anchor) ||
           (e->type == YAML_MAPPING_START_EVENT && e->data.mapping_start.anchor);
}

static bool has_tag(const yaml_event_t *e)
{
    return (e->type == YAML_SCALAR_EVENT && e->data.scalar.tag) ||
           (e->type == YAML_SEQUENCE_START_EVENT && e->data.sequence_start.tag) ||
           (e->type == YAML_MAPPING_START_EVENT && e->data.mapping_start.tag);
}

static int on_event(struct builder *b, const yaml_event_t *e)
{
    size_t line = e->start_mark.line + 1;
    if (has_anchor(e))
        return fail(b, ERR_UNSUPPORTED, line,
                    "anchors and aliases are not supported: write the value out");
    if (has_tag(e)) return fail(b, ERR_UNSUPPORTED, line, "tags are not supported: leave it out");
    switch (e->type) {
    case YAML_SCALAR_EVENT: return on_scalar(b, e);
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        if (expects_name(b)) return fail(b, ERR_SYNTAX, line, "a name must be a single word");
        return open_container(b, e->type == YAML_MAPPING_START_EVENT ? NODE_MAP : NODE_LIST, line);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT: close_container(b); return 0;
    case YAML_DOCUMENT_START_EVENT:
        if (b->root) return fail(b, ERR_UNSUPPORTED, line, "a second document: keep one per file");
        return 0;
    default: return 0;
    }
}

/* Whether the mark is at a tab that indents its line. */
static bool at_indenting_tab(struct str text, const yaml_mark_t *mark)
{
    struct str line = STR("");
    for (size_t i = 0; i <= mark->line; i++)
        if (!str_cut(&text, '\n', &line)) return false;
    size_t blanks = 0;
    while (blanks < line.len && (line.ptr[blanks] == ' ' || line.ptr[blanks] == '\t'))
        blanks++;
    return mark->column < blanks && line.ptr[mark->column] == '\t';
}

static int syntax_error(struct builder *b, const yaml_parser_t *p, struct str input)
{
    size_t line = p->problem_mark.line ? p->problem_mark.line : p->context_mark.line;
    bool tab = p->problem && strstr(p->problem, "tab character");
    if (tab || at_indenting_tab(input, &p->problem_mark))
        return fail(b, ERR_SYNTAX, line + 1, "a tab: YAML is indented with spaces, not tabs");
    struct str text =
        arena_printf(b->arena, "%s%s%s", p->problem ? p->problem : "not readable as YAML",
                     p->context ? " " : "", p->context ? p->context : "");
    return fail(b, ERR_SYNTAX, line + 1, text.ptr);
}

int tree_parse(struct arena *a, struct str text, struct node **root, struct tree_error *error)
{
    struct builder b = {.arena = a, .error = error};
    yaml_parser_t parser;
    int err = 0;
    bool end = false;
    if (!yaml_parser_initialize(&parser)) return fail(&b, -ENOMEM, 0, "out of memory");
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text.ptr, text.len);
    while (!err && !end) {
        yaml_event_t event;
        if (!yaml_parser_parse(&parser, &event)) {
            err = syntax_error(&b, &parser, text);
            break;
        }
        end = event.type == YAML_STREAM_END_EVENT;
        err = on_event(&b, &event);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    if (!err)
        *root = b.root;
    else
        tree_wipe(b.root);
    return err;
}
