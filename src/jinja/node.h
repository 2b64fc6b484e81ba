/* SPDX-License-Identifier: Apache-2.0 */
/* The tree that a template is compiled to. Constant once jinja_compile is done.
 *
 * Variables have slots: each function (the template, a macro, a recursive loop) has one activation
 * for all scopes within it, and a variable is so many functions outward, slot such. */
#ifndef HOSTLER_JINJA_NODE_H
#define HOSTLER_JINJA_NODE_H

#include "jinja/operator.h"
#include "jinja/value.h"

/* Expressions and statements within each other. */
enum { NODE_HEIGHT_MAX = 250 };

enum node_type {
    /* expressions */
    NODE_CONSTANT,
    NODE_VARIABLE,
    NODE_LIST,
    NODE_TUPLE,
    NODE_DICT, /* keys and values by turns */
    NODE_ATTRIBUTE,
    NODE_ITEM,
    NODE_SLICE, /* of left: three operands, each may be NULL */
    NODE_CALL,
    NODE_FILTER, /* without operand: of what a block wrote */
    NODE_TEST,
    NODE_NOT,
    NODE_NEGATE,
    NODE_PLUS,
    NODE_AND,
    NODE_OR,
    NODE_IF_ELSE,
    NODE_COMPARE,
    NODE_BINARY,
    NODE_CONCAT,
    NODE_MEMBER, /* target only: a namespace's member */
    /* statements */
    NODE_TEXT,
    NODE_PRINT,
    NODE_IF,
    NODE_FOR,
    NODE_SET,
    NODE_SET_BLOCK,
    NODE_MACRO,
    NODE_CALL_BLOCK,
    NODE_FILTER_BLOCK,
    NODE_WITH,
    NODE_GENERATION,
    NODE_BREAK,
    NODE_CONTINUE
};

struct node;

struct nodes {
    struct node **list;
    size_t count, cap;
};

struct keyword {
    struct str name;
    struct node *value;
};

struct call {
    struct nodes items;
    struct keyword *named;
    size_t named_count, named_cap;
    struct node *star, *star_star; /* NULL: none */
};

struct operand {
    enum compare how;
    struct node *node;
};

struct place {
    uint32_t slot;
    uint16_t outward; /* functions between */
};

/* What a variable of a scope holds when the scope is entered. */
enum load_how { LOAD_NOTHING, LOAD_GLOBAL, LOAD_OUTER };
struct load {
    enum load_how how;
    uint32_t slot;
    uint32_t global;    /* its number */
    struct place outer; /* as seen from the scope's own function */
};

struct scope {
    struct load *loads;
    size_t count, cap;
};

struct branch {
    struct node *test; /* NULL: else */
    struct nodes body;
};

struct parameter {
    struct str name;
    struct node *otherwise; /* NULL: none */
    uint32_t slot;
};

/* A macro, a call block's body, or a recursive loop's. */
struct function {
    struct str name;
    struct parameter *parameters;
    size_t count, cap;
    uint32_t slots; /* of its activation */
    bool has_caller, has_varargs, has_kwargs;
    uint32_t caller, varargs, kwargs; /* slots of these */
    struct scope scope;
    struct nodes body;
};

struct for_loop {
    struct node *target, *iter, *test; /* test may be NULL */
    struct nodes body, otherwise;
    struct scope scope, test_scope, else_scope;
    struct node *test_target; /* the target, in the test's scope */
    bool extended;            /* `loop` is used */
    uint32_t loop_slot;
    struct function *function; /* of a recursive one, else NULL */
};

struct node {
    uint8_t type;
    uint8_t op;      /* enum binary */
    uint16_t height; /* of the tree below */
    uint32_t at;     /* where it is in the source */
    union {
        struct value constant;
        struct {
            struct str name;
            struct place place;
            struct str member; /* of NODE_MEMBER */
        } variable;
        struct nodes items;
        struct {
            struct node *left, *right; /* one operand: left */
            struct value key;          /* of NODE_ATTRIBUTE */
        };
        struct {
            struct node *left_of_slice, *bounds[3];
        };
        struct {
            struct node *condition, *yes, *no; /* no: may be NULL */
        };
        struct {
            struct node *first;
            struct operand *operands;
            size_t operand_count, operand_cap;
        };
        struct {
            struct node *callee; /* or what is filtered or tested */
            struct call *call;
            struct str name; /* of a filter or test */
            const struct builtin *builtin;
        };
        struct str text;
        struct {
            struct branch *branches;
            size_t branch_count, branch_cap;
        };
        struct for_loop *loop;
        struct {
            struct node *target;
            struct node *value; /* of a set block: its filter, may be NULL */
            struct nodes body;
            struct scope scope;
        } set;
        struct {
            struct function *function;
            struct place place; /* of a macro's name */
            struct node *call;  /* of a call block */
            struct str name;
        } macro;
        struct {
            struct nodes targets, values;
            struct nodes body;
            struct scope scope;
        } with;
    };
};

#endif
