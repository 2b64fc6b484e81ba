/* SPDX-License-Identifier: Apache-2.0 */
/* One loading of a configuration, shared by the files that take part in it. */
#ifndef HOSTLER_CONF_CONF_PRIV_H
#define HOSTLER_CONF_CONF_PRIV_H

#include "conf/conf.h"
#include "conf/schema.h"
#include "conf/tree.h"

enum {
    CONF__FILE_MAX = 8 << 20,  /* the configuration file, bytes */
    CONF__VALUE_MAX = 1 << 16, /* one value with its references replaced, bytes */
};

/* What is being filled is a struct that a schema describes: struct conf by conf__root, or a
 * test's own. */
struct conf__load {
    const struct conf_group *schema;
    void *base;                          /* the struct, zeroed before */
    struct arena *arena;                 /* where its values live */
    struct str path;                     /* the file, for messages */
    struct conf_problems *problems;      /* the caller's */
    struct conf_problems *warnings;      /* likewise: what is no problem yet */
    struct arena scratch;                /* the tree and names of settings */
    struct node *root;                   /* a map; NULL: nothing was read */
    struct str folder;                   /* the file's, absolute; on scratch */
    size_t first;                        /* problems that were there before */
    const struct conf_variable *secrets; /* variables of the environment in secret settings */
    size_t reading_problems;             /* problems->count when what was read was looked at */
};

/* load.c: begins a loading of the file called `path`. */
void conf__load_init(struct conf__load *l, const struct conf_group *schema, void *base,
                     struct arena *arena, struct str path, struct conf_problems *problems,
                     struct conf_problems *warnings);

/* The file's text into the struct: its tree, overrides, values. False when nothing could be
 * read, so that there is nothing to check either. */
bool conf__load_text(struct conf__load *l, struct str text);

/* Sets the zeroed struct of a group to its defaults. */
void conf__defaults(const struct conf_group *group, struct arena *arena, void *base);

/* Puts problems and warnings in order and wipes what was read. */
void conf__load_fini(struct conf__load *l);

/* problem.c: adds one. `at` gives line and origin and may be NULL. */
void conf__problem(struct conf__load *l, const struct node *at, struct str setting, const char *fmt,
                   ...) PRINTF_LIKE(4, 5);

/* The same for a warning. */
void conf__warn(struct conf__load *l, const struct node *at, struct str setting, const char *fmt,
                ...) PRINTF_LIKE(4, 5);

/* The same for what is found once values are read; the line is looked up. Left out when reading
 * that setting, a part of it or what it is part of failed already, which is then the cause. */
void conf__finding(struct conf__load *l, struct str setting, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

/* "PATH.NAME", shortened; on scratch. */
struct str conf__setting(struct conf__load *l, struct str path, struct str name);

/* True when nothing more is added, so that nobody need look for words. */
bool conf__problems_full(const struct conf__load *l);

void conf__problems_sort(struct conf_problems *p, size_t first);

/* `text` in quotes, shortened, safe to print; on scratch. */
struct str conf__quote(struct conf__load *l, struct str text);

/* file.c: opens a file to be read as it stands, so that whoever may reload never waits: nothing
 * but a regular one. Its descriptor, or a negative error; conf__file_error says in words which. */
MUST_CHECK int conf__open_file(const char *path, size_t *size);
const char *conf__file_error(int err);

/* reference.c: the node's text with ${env.X} and ${file:PATH} replaced, on the load's arena.
 * False: a problem was added. */
bool conf__expand(struct conf__load *l, const struct conf_row *row, const struct node *n,
                  struct str setting, struct str *out);

/* former.c: gives what has an old name in the tree its new one. */
void conf__former_names(struct conf__load *l);

/* override.c: HOSTLER_<PATH> variables take the place of what the tree says. */
void conf__override(struct conf__load *l);

/* read.c: defaults, then what the tree says if there is one, into the struct. */
void conf__read(struct conf__load *l);

/* choice.c: whether the group that `map` was read into says one of its alternatives. */
void conf__choices(struct conf__load *l, const struct conf_group *group, const void *base,
                   const struct node *map, struct str path);

/* read_value.c: one setting that is no group, from its node. */
void conf__read_value(struct conf__load *l, const struct conf_row *row, void *base,
                      const struct node *n, struct str setting);
void conf__read_texts(struct conf__load *l, const struct conf_row *row, void *base,
                      const struct node *n, struct str setting);
void conf__read_pairs(struct conf__load *l, const struct conf_row *row, void *base,
                      const struct node *n, struct str setting);

/* finish.c: what follows from other settings: the engine's endpoint, names of endpoints. */
void conf__finish(struct conf__load *l, struct conf *c);

/* check.c: what no single row can tell. */
void conf__check(struct conf__load *l, struct conf *c);

/* compare.c: appends the names of settings that differ and need a restart. */
MUST_CHECK int conf__compare(const struct conf_group *schema, const void *a, const void *b,
                             struct buf *names);

/* show.c, manual.c, json_schema.c: what conf_write_... do, for any schema. */
MUST_CHECK int conf__write_yaml(const struct conf_group *schema, const void *base, struct buf *out);
MUST_CHECK int conf__write_json(const struct conf_group *schema, const void *base, struct buf *out);
MUST_CHECK int conf__write_manual(const struct conf_group *schema, struct buf *out);
MUST_CHECK int conf__write_json_schema(const struct conf_group *schema, struct buf *out);

#endif
