/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "conf/conf_priv.h"
#include "conf/text.h"

enum { TEXT_MAX = 1024 };

void conf_problems_init(struct conf_problems *p)
{
    *p = (struct conf_problems){0};
    arena_init(&p->arena, SIZE_MAX, 1024);
}

void conf_problems_fini(struct conf_problems *p)
{
    arena_fini(&p->arena);
    free(p->items);
    *p = (struct conf_problems){0};
}

static struct conf_problem *add(struct conf_problems *p)
{
    if (p->count == p->cap) {
        size_t cap = p->cap ? p->cap * 2 : 8;
        p->items = mem_must_grow(p->items, cap, sizeof *p->items);
        p->cap = cap;
    }
    return &p->items[p->count++];
}

/* A copy without control characters. */
static struct str printable(struct arena *a, struct str s)
{
    struct str copy = arena_dup(a, s);
    for (size_t i = 0; i < copy.len; i++)
        memset((char *)(uintptr_t)copy.ptr + i, '?', conf__forbidden(copy, i));
    return copy;
}

void conf_problems_add(struct conf_problems *p, const struct conf_problem *problem)
{
    if (p->count >= CONF_PROBLEMS_MAX) return;
    *add(p) = (struct conf_problem){
        .file = arena_dup(&p->arena, problem->file),
        .line = problem->line,
        .setting = printable(&p->arena, problem->setting),
        .text = printable(&p->arena, problem->text),
    };
}

bool conf__problems_full(const struct conf__load *l)
{
    return l->problems->count - l->first >= CONF_PROBLEMS_MAX;
}

/* To `p`, of which `first` are of earlier loadings. */
static void addv(struct conf__load *l, struct conf_problems *p, size_t first, const struct node *at,
                 struct str setting, const char *fmt, va_list args)
{
    char text[TEXT_MAX];
    if (p->count - first >= CONF_PROBLEMS_MAX) return;
    if (p->count - first == CONF_PROBLEMS_MAX - 1) {
        *add(p) = (struct conf_problem){
            .file = arena_dup(&p->arena, l->path),
            .line = UINT32_MAX,
            .text = STR("more problems follow; they are left out"),
        };
        return;
    }
    vsnprintf(text, sizeof text, fmt, args);
    bool variable = at && at->variable;
    *add(p) = (struct conf_problem){
        .file = arena_dup(&p->arena, variable ? STR("environment") : l->path),
        .line = at && !variable ? at->line : 0,
        .setting = printable(&p->arena, variable ? str_of(at->variable) : setting),
        .text = printable(&p->arena, str_n(text, utf8_complete(str_of(text)))),
    };
}

void conf__problem(struct conf__load *l, const struct node *at, struct str setting, const char *fmt,
                   ...)
{
    va_list args;
    va_start(args, fmt);
    addv(l, l->problems, l->first, at, setting, fmt, args);
    va_end(args);
}

void conf__warn(struct conf__load *l, const struct node *at, struct str setting, const char *fmt,
                ...)
{
    va_list args;
    va_start(args, fmt);
    addv(l, l->warnings, 0, at, setting, fmt, args);
    va_end(args);
}

/* True when one setting is the other or lies within it. */
static bool related(struct str a, struct str b)
{
    struct str outer = a.len < b.len ? a : b;
    struct str inner = a.len < b.len ? b : a;
    if (outer.len == 0 || !str_starts(inner, outer)) return false;
    return inner.len == outer.len || inner.ptr[outer.len] == '.' || inner.ptr[outer.len] == '[';
}

void conf__finding(struct conf__load *l, struct str setting, const char *fmt, ...)
{
    for (size_t i = l->first; i < l->reading_problems; i++)
        if (related(l->problems->items[i].setting, setting)) return;
    va_list args;
    va_start(args, fmt);
    addv(l, l->problems, l->first, tree_find(l->root, setting), setting, fmt, args);
    va_end(args);
}

/* By line, otherwise in the order in which they were found. */
void conf__problems_sort(struct conf_problems *p, size_t first)
{
    for (size_t i = first + 1; i < p->count; i++) {
        struct conf_problem moving = p->items[i];
        size_t j = i;
        for (; j > first && p->items[j - 1].line > moving.line; j--)
            p->items[j] = p->items[j - 1];
        p->items[j] = moving;
    }
    for (size_t i = first; i < p->count; i++)
        if (p->items[i].line == UINT32_MAX) p->items[i].line = 0;
}

struct str conf__setting(struct conf__load *l, struct str path, struct str name)
{
    return arena_printf(&l->scratch, "%" STR_FMT "%s%" STR_FMT, STR_ARG(path), path.len ? "." : "",
                        STR_ARG(str_sub(name, 0, 64)));
}

struct str conf__quote(struct conf__load *l, struct str text)
{
    return conf__quoted(&l->scratch, text);
}
