/* SPDX-License-Identifier: Apache-2.0 */
/* The values of a template: Python's, as far as templates see them.
 *
 * Small and copied freely; what they point to lives on the run's arena, in the template or in the
 * JSON document, and does not change (but for namespaces, loops, cyclers, joiners and streams).
 * `own` says that the template itself wrote the value; a text whose bytes are of both origins has
 * marks instead. */
#ifndef HOSTLER_JINJA_VALUE_H
#define HOSTLER_JINJA_VALUE_H

#include "base/base.h"
#include "base/str.h"
#include "jinja/run.h"
#include "json/json.h"

enum kind {
    KIND_MISSING, /* no value at all: a variable before it is set, an argument that was left out */
    KIND_UNDEFINED,
    KIND_NONE,
    KIND_BOOL,
    KIND_INT,
    KIND_BIG, /* an integer beyond 64 bits: its digits */
    KIND_FLOAT,
    KIND_TEXT,
    KIND_LIST,
    KIND_TUPLE,
    KIND_DICT,
    KIND_VIEW, /* keys, values or items of a dict */
    KIND_RANGE,
    KIND_STREAM, /* a generator: can be gone through once */
    KIND_SPACE,  /* namespace() */
    KIND_MACRO,
    KIND_FUNCTION, /* a global */
    KIND_METHOD,   /* a function and its object */
    KIND_LOOP,
    KIND_CYCLER,
    KIND_JOINER
};

/* Where runs of bytes of the same origin end. */
struct mark {
    uint32_t end;
    bool own;
};

struct marks {
    uint32_t count;
    const struct mark *list; /* rising; the last one ends where the text does */
};

struct list;
struct dict;
struct range;
struct bound;
struct cycler;
struct joiner;
struct space;

struct value {
    uint8_t kind;
    bool own;
    bool markup;  /* a text of |safe or |escape */
    uint32_t len; /* bytes of a text, of a big integer's digits, of an undefined one's name */
    union {
        bool truth;
        int64_t integer;
        double real;
        const char *bytes;
        struct list *list; /* also of tuples, views and streams */
        struct dict *dict;
        const struct range *range;
        struct space *space;
        const struct macro *macro;
        const struct builtin *function;
        const struct bound *bound;
        struct iteration *loop;
        struct cycler *cycler;
        struct joiner *joiner;
        const void *pointer;
    };
    const struct marks *marks; /* of a text of both origins; else NULL */
};

struct list {
    struct value *items;
    size_t count;
    size_t next;      /* of a stream: what comes next */
    const char *name; /* of a view: "dict_keys"; NULL */
    bool grouped;     /* a tuple of groupby: its members are also .grouper and .list */
};

struct entry {
    struct value key, value;
};

struct dict {
    struct entry *entries;
    size_t count, cap;
    uint32_t *index; /* by hash, open addressing: number of the entry and 1, 0 for none */
    size_t index_size;
};

struct range {
    int64_t start, stop, step;
    size_t count;
};

struct space {
    struct dict *dict;
};

struct bound {
    struct value self;
    const struct builtin *function;
};

struct cycler {
    const struct value *items;
    size_t count, at;
};

struct joiner {
    struct value separator;
    bool used;
};

/* What a call was given. */
struct named {
    struct str name;
    struct value value;
};

struct args {
    const struct value *items;
    size_t count;
    const struct named *named;
    size_t named_count;
};

typedef int (*builtin_fn)(struct run *r, const struct value *self, const struct args *args,
                          struct value *out);

/* A filter, test, method or global. `params`: names divided by blanks, a '?' before those that may
 * be left out (they are KIND_MISSING then); "*": the call's arguments as they are. */
struct builtin {
    const char *name;
    builtin_fn fn;
    const char *params;
};

#define VALUE_MISSING ((struct value){.kind = KIND_MISSING})
#define VALUE_NONE ((struct value){.kind = KIND_NONE, .own = true})

static inline struct value value_bool(bool truth)
{
    return (struct value){.kind = KIND_BOOL, .own = true, .truth = truth};
}

static inline struct value value_int(int64_t integer)
{
    return (struct value){.kind = KIND_INT, .own = true, .integer = integer};
}

static inline struct value value_float(double real)
{
    return (struct value){.kind = KIND_FLOAT, .own = true, .real = real};
}

/* Borrows the bytes, of which there are less than 4 GiB. */
static inline struct value value_text(struct str s, bool own)
{
    return (struct value){.kind = KIND_TEXT, .own = own, .len = (uint32_t)s.len, .bytes = s.ptr};
}

/* With the name of what was not there. */
static inline struct value value_undefined(struct str name)
{
    return (struct value){
        .kind = KIND_UNDEFINED, .own = true, .len = (uint32_t)name.len, .bytes = name.ptr};
}

static inline struct str value_str(const struct value *v)
{
    return str_n(v->bytes, v->len);
}

static inline bool value_is_text(const struct value *v)
{
    return v->kind == KIND_TEXT;
}

static inline bool value_is_sequence(const struct value *v)
{
    return v->kind == KIND_LIST || v->kind == KIND_TUPLE;
}

/* An int or a bool, which Python counts as one. */
static inline bool value_to_int(const struct value *v, int64_t *out)
{
    if (v->kind == KIND_INT)
        *out = v->integer;
    else if (v->kind == KIND_BOOL)
        *out = v->truth;
    else
        return false;
    return true;
}

bool value_is_number(const struct value *v); /* bools too */
bool value_to_double(const struct value *v, double *out);
bool value_is_true(const struct value *v);
const char *value_type(const struct value *v); /* Python's name of its type */

/* No byte of it, nor of what is in it, came with the request's data. */
bool value_is_own(struct run *r, const struct value *v);

/* A list of `kind` with room for `count` items, which the caller fills. */
MUST_CHECK int list_new(struct run *r, enum kind kind, size_t count, struct value *out);

/* A list that grows. */
struct items {
    struct value *list;
    size_t count, cap;
};
MUST_CHECK int items_add(struct run *r, struct items *items, const struct value *v);
MUST_CHECK int items_end(struct run *r, const struct items *items, enum kind kind,
                         struct value *out);

#endif
