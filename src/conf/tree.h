/* SPDX-License-Identifier: Apache-2.0 */
/* A configuration file as a tree of nodes that know their lines. The only door to libyaml.
 *
 * Everything lives on the caller's arena and is read by one thread. Refused: anchors and aliases,
 * tags, a second document, names given twice, more than the limits below. */
#ifndef HOSTLER_CONF_TREE_H
#define HOSTLER_CONF_TREE_H

#include "base/arena.h"
#include "base/base.h"
#include "base/str.h"

enum {
    TREE_DEPTH_MAX = 16,
    TREE_NODES_MAX = 500000,
    TREE_NAMES_MAX = 1000, /* in one map */
};

enum node_kind { NODE_NULL, NODE_SCALAR, NODE_LIST, NODE_MAP };

struct node {
    enum node_kind kind;
    unsigned line;        /* from 1 */
    struct str text;      /* scalar: its value */
    struct str name;      /* in a map: what it is called */
    struct str written;   /* the old name under which it stands there; empty: its name */
    bool unnamed;         /* in a map: the name is not written in the file, see tree_wrap */
    const char *variable; /* environment variable that it came from, or NULL: the file */
    struct node *first;   /* list and map: children in order */
    struct node *last;
    struct node *next;   /* in the parent */
    struct node **items; /* a list that was read: the children once more, by place */
    size_t count;        /* children */
    bool quoted;         /* when shown: the text, or a map's names, stand in quotes in YAML */
    bool plain;          /* when shown: a number or boolean stands for itself in JSON */
};

struct tree_error {
    unsigned line;
    const char *text; /* static or on the arena */
};

/* *root is NULL for an empty file. On any error *error tells what is wrong and where. */
MUST_CHECK int tree_parse(struct arena *a, struct str text, struct node **root,
                          struct tree_error *error);

struct node *tree_new(struct arena *a, enum node_kind kind, unsigned line);
void tree_append(struct node *parent, struct node *child);

/* A map with `n` as its only member, unnamed but found by `name`. The two share their text. */
struct node *tree_wrap(struct arena *a, const struct node *n, struct str name);

/* The member called `name`, or NULL. */
struct node *tree_get(const struct node *map, struct str name);

/* Adds `child` to the map, in place of a member of the same name. */
void tree_put(struct node *map, struct str name, struct node *child);

/* Takes a child out of its map or list. */
void tree_remove(struct node *parent, const struct node *child);

/* The node at a path such as "models[0].endpoints[1].url", or the deepest one on the way to it. */
const struct node *tree_find(const struct node *root, struct str path);

/* Overwrites all scalars, which may be secrets. */
void tree_wipe(struct node *root);

/* "a list", "a map", "a value", "nothing" */
const char *node_kind_text(enum node_kind kind);

#endif
