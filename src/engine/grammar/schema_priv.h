/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of schemas share.
 *
 * A schema is compiled by what is demanded of a value: a goal is a list of demands, all of which must
 * hold, mostly "is valid under this schema" and "is not valid under that one". Read, they make a
 * shape, which has their keywords side by side, and choices that are still open (anyOf, oneOf, if and
 * the ways to fail a schema). Taking one way of each choice after the other gives shapes without
 * choices: each is written as a term, and the goal is one of these. So allOf, $ref and whatever
 * stands beside them need no merging of schemas, and a member's demands are again a goal, which is
 * made a term once.
 *
 * The files, each resting on those before it: schema_job.c (memory, refusals, lists), schema_ref.c
 * ($ref), schema_equal.c (the same value), schema_number.c and schema_string.c, schema_member.c
 * (what is demanded of a property or an item), schema_check.c (are keywords well-formed),
 * schema_fail.c (the ways to fail), schema_read.c (demands into a shape), schema_dead.c (shapes of
 * no value), schema_choice.c (shapes without choices), schema_admit.c (is this very value valid),
 * schema_value.c (texts of values), schema_possible.c (is any), schema_goal.c (goals to terms),
 * schema_unique.c, schema_array.c, schema_keys.c (properties without a place), schema_object.c, and
 * schema.c, which has the loop. */
#ifndef HOSTLER_ENGINE_GRAMMAR_SCHEMA_PRIV_H
#define HOSTLER_ENGINE_GRAMMAR_SCHEMA_PRIV_H

#include "engine/grammar/numbers.h"
#include "engine/grammar/schema.h"

enum {
    SCHEMA_ARENA = 128 << 20,  /* bytes that compiling may take besides the terms */
    SCHEMA_STEPS = 1 << 18,    /* demands that may be read */
    SCHEMA_LOOKS = 64,         /* values that a $ref is looked for in, for one step */
    SCHEMA_STEP_EFFORT = 32,   /* of the terms' effort, for one of these */
    SCHEMA_CHEAP = 32,         /* comparisons for one step */
    SCHEMA_WORK = 3 << 18,     /* derivatives: what searches may take */
    SCHEMA_NAMES_MAX = 2000,   /* that are required, or must not be there */
    SCHEMA_CHOICES_MAX = 200,  /* open at once */
    SCHEMA_PLACE_DEPTH = 200,  /* schemas that lead to each other in place */
    SCHEMA_SHAPES_MAX = 2000,  /* of one goal */
    SCHEMA_PATTERNS_MAX = 12,  /* patternProperties of one object */
    SCHEMA_COUNT_MAX = 1000,   /* members or items that are counted one by one */
    SCHEMA_HITS_MAX = 8,       /* minContains */
    SCHEMA_UNIQUE_MAX = 8,     /* values of items that must differ */
    SCHEMA_DEPTH = 3,          /* how far within each other values are looked at for a proof */
    SCHEMA_PROOF_STEPS = 4000, /* demands that may be read for one */
    SCHEMA_SLOTS_MAX = 800,    /* named properties of one object: terms_next.c goes through them */
    SCHEMA_CELLS_MAX = 20000,  /* of a table of properties by how many have been there */
    SCHEMA_CLASSES_MAX = 64,   /* of names, by the patterns that they match */
    SCHEMA_GOALS = 4096,       /* slots of their table */
};

/* Kinds of values. */
enum {
    IS_NULL = 1,
    IS_FALSE = 2,
    IS_TRUE = 4,
    IS_WHOLE = 8,   /* numbers */
    IS_BROKEN = 16, /* numbers that are not whole */
    IS_STRING = 32,
    IS_ARRAY = 64,
    IS_OBJECT = 128,
    IS_BOOLEAN = IS_FALSE | IS_TRUE,
    IS_NUMBER = IS_WHOLE | IS_BROKEN,
    IS_ANY = 255,
};

enum demand_kind {
    DEMAND_MEETS,   /* valid under `schema` */
    DEMAND_FAILS,   /* not valid under `schema` */
    DEMAND_KINDS,   /* of these kinds */
    DEMAND_OTHER,   /* none of the values `at` (keyword `name`: enum or const) */
    DEMAND_HAS,     /* an object with the property `name` */
    DEMAND_LACKS,   /* an object without */
    DEMAND_WITHOUT, /* if it is an object, one without */
    DEMAND_KEY,     /* an object with a name that no place is for, of the set that breaks keyword
                     * `name` of `schema`; `at`: of patternProperties the pattern's schema */
    DEMAND_WRONG,   /* an object whose `name` fails the schema `at` */
    DEMAND_BREAKS,  /* of the keyword's kind, and breaks it: `name`, `at`, in `schema` */
    DEMAND_ITEM,    /* an array with an item that fails `at` */
    DEMAND_NO_ITEM, /* an array without one that meets `at` */
};

struct demand {
    enum demand_kind kind;
    unsigned kinds;
    const struct json *schema;
    const struct json *at;
    struct str name;
    const struct demand *within; /* whose reading led here, in place; NULL: a goal's own */
};

/* Lists grow in front, so that a copy of a shape shares them. `next` is the first field of all. */
struct demands {
    const struct demands *next;
    struct demand demand;
};

/* A way to resolve a choice: all of its demands. */
struct way {
    const struct way *next;
    const struct demands *demands;
};

struct values {
    const struct values *next;
    const struct json *at;
    bool single; /* const; else enum's array */
};

struct names {
    const struct names *next;
    struct str name;
};

struct numbers {
    const struct numbers *next;
    struct decimal of;
    const struct json *at;
    bool breaks; /* must be none of them */
};

struct strings { /* pattern or format */
    const struct strings *next;
    const struct json *at;
    const struct json *schema;
    bool format;
    bool breaks; /* must not match */
};

struct lists { /* prefixItems and items of one schema */
    const struct lists *next;
    const struct demand *from;
    const struct json *prefix; /* NULL: none */
    const struct json *rest;   /* NULL: anything */
    bool fails;                /* each must fail `rest` */
};

struct hits { /* contains */
    const struct hits *next;
    struct demand demand;
    uint32_t least;
};

struct unevaluated { /* unevaluatedProperties or unevaluatedItems */
    const struct unevaluated *next;
    const struct demand *from;
    const struct json *at;
};

struct members { /* properties, patternProperties and additionalProperties of one schema */
    const struct members *next;
    const struct demand *from;
    const struct json *named, *patterns, *others;
};

/* A choice that is open. */
struct choice {
    const struct choice *next;
    enum choice_kind { CHOICE_ANY, CHOICE_ONE, CHOICE_IF, CHOICE_DEPEND } kind;
    struct demand from;
    const struct json *at;
};

struct shape {
    unsigned kinds;
    unsigned steps;              /* choices taken */
    const struct demands *seen;  /* schemas that have been read */
    const struct values *values; /* it is in each of these */
    const struct values *others; /* and in none of these */
    struct bound low, high;
    const struct numbers *multiples;
    uint64_t length_least, length_most;
    const struct strings *strings;
    uint64_t items_least, items_most;
    const struct lists *lists;
    const struct hits *hits;
    const struct json *unique; /* uniqueItems */
    uint64_t members_least, members_most;
    const struct json *members_at; /* the schema with minProperties */
    const struct members *members;
    const struct unevaluated *unevaluated, *unevaluated_items;
    const struct names *required, *forbidden;
    const struct demands *extra; /* DEMAND_KEY */
    const struct demands *wrong; /* what is demanded of properties besides */
    const struct demands *keys;  /* of names */
    const struct choice *choices;
    const struct demands *fails; /* schemas it must fail */
    const struct demands *hard;  /* likewise, in one of several ways: choices, which come last */
};

#define SCHEMA_NO_LIMIT UINT64_MAX

struct shapes {
    const struct shapes *next;
    struct shape shape;
};

struct goal;

struct schema_job {
    struct terms *t; /* NULL: nothing is compiled */
    struct arena arena;
    const struct json *root;
    const struct schema_options *options;
    struct grammar_why *why;
    int err; /* first failure; from then on nothing means anything */
    uint32_t steps, steps_limit;
    uint64_t looks;                /* values that a $ref was looked for in */
    uint64_t visits;               /* shapes without choices that were come to */
    bool proving;                  /* refusals are not told */
    bool old_refs;                 /* what stands beside $ref is ignored */
    bool has_ids;                  /* a schema within has an id of its own */
    term space;                    /* between tokens */
    term any_char, plain_text;     /* of strings; TERM_NONE: not yet made */
    struct goal **goals;           /* by hash */
    struct goal *open, **open_end; /* whose rule has no body yet */
    struct pattern *patterns;      /* compiled ones */
    /* Whether a value may be there that has the shape and meets all of the schemas. */
    bool (*possible)(struct schema_job *job, const struct shape *shape,
                     const struct json *const *also, size_t count, const struct demand *within);
};

/* --- schema_job.c --- */

/* Says that `keyword` of `schema` cannot be enforced: the path is looked for. */
void schema__refuse(struct schema_job *job, const struct json *schema, const char *keyword,
                    const char *why);
void schema__fail(struct schema_job *job, int err);

/* The same of what no schema may have there. */
void schema__malformed(struct schema_job *job, const struct json *schema, const char *keyword,
                       const char *why);

/* Work is counted, so that it ends. False, and failed: there was too much, here or in the terms. */
bool schema__spend(struct schema_job *job, uint32_t steps);

/* Zeroed memory; NULL, and failed: there is none. */
void *schema__take(struct schema_job *job, size_t size);

/* A new first element of a list, zeroed but for `next`. NULL as before. `list`: a pointer to the
 * pointer to the first. */
void *schema__push(struct schema_job *job, void *list, size_t size);

const struct demands *schema__with(struct schema_job *job, const struct demands *list,
                                   struct demand demand);

/* With a schema to be valid under, unless any value is (also NULL). */
const struct demands *schema__meets(struct schema_job *job, const struct demands *list,
                                    const struct json *schema);

/* Terms of which one is to be taken. Starts zeroed. */
struct term_list {
    term *all;
    size_t count, cap;
};
void schema__add_term(struct schema_job *job, struct term_list *list, term a);
term schema__one_of(struct schema_job *job, const struct term_list *list);

/* The schemas that any value is valid under, and none. */
bool schema__is_true(const struct json *schema);
bool schema__is_false(const struct json *schema);

/* Whether a list has it. */
bool schema__named(const struct names *list, struct str name);

/* A limit that is a whole number; SCHEMA_NO_LIMIT when it is beyond all. False, and failed: it is
 * none. */
bool schema__limit(struct schema_job *job, const struct json *schema, struct str keyword,
                   const struct json *at, uint64_t *out);

/* True, and refused or failed: reading this schema has led back to it, and would never end; or so
 * deep that the stack might. */
bool schema__circles(struct schema_job *job, const struct demand *d);

/* --- schema_ref.c --- */

/* What $ref refers to; NULL, and refused: it is not there, or not within the document. */
const struct json *schema__target(struct schema_job *job, const struct json *schema,
                                  const struct json *ref);
bool schema__has_ids(struct schema_job *job, const struct json *root);

/* --- schema_check.c --- */

/* Refuses keywords that do not have what they must: of this schema; also of those within. */
void schema__check(struct schema_job *job, const struct json *schema);
void schema__check_all(struct schema_job *job, const struct json *schema);

/* The kinds that a type names; 0: there is none of that name. */
unsigned schema__kinds(const struct json *type);

/* --- schema_fail.c --- */

/* The ways to fail a schema, for a value of this shape. *lost: there are others, which cannot be
 * said. */
const struct way *schema__ways_to_fail(struct schema_job *job, const struct shape *shape,
                                       const struct demand *d, bool *lost);

/* --- schema_read.c --- */

void schema__init_shape(struct shape *s);
void schema__read(struct schema_job *job, struct shape *s, const struct demand *d);
void schema__read_all(struct schema_job *job, struct shape *s, const struct demands *list);

/* --- schema_equal.c --- */

bool schema__equal(const struct json *a, const struct json *b);

/* The values of an enum or a const, one after the other; NULL: the end. Starts with a zeroed `at`. */
struct value_iter {
    struct json_iter it;
    bool done;
};
const struct json *schema__listed(const struct values *list, struct value_iter *at);
bool schema__is_listed(const struct values *list, const struct json *v);

/* One of what fn makes of the values that a shape must not be. */
typedef void (*schema_add_fn)(struct schema_job *job, struct term_list *list, const struct json *v);
term schema__others(struct schema_job *job, const struct shape *s, schema_add_fn fn);

/* --- schema_dead.c --- */

/* True: no value can have the shape. */
bool schema__is_dead(const struct shape *s);

/* True: all values that can have the shape go this way. */
bool schema__is_implied(const struct shape *s, const struct demands *way);

/* --- schema_choice.c --- */

/* Calls fn for each shape without choices, until it returns false. */
typedef bool (*schema_shape_fn)(struct schema_job *job, const struct shape *shape, void *user);
bool schema__each(struct schema_job *job, const struct shape *shape, schema_shape_fn fn,
                  void *user);

/* The same for what is demanded by a list. */
bool schema__each_of(struct schema_job *job, const struct demands *list, schema_shape_fn fn,
                     void *user);

/* --- of scalars: schema_number.c, schema_string.c --- */

term schema__number(struct schema_job *job, const struct shape *s);
term schema__string(struct schema_job *job, const struct shape *s); /* between the quotes */

/* Any number of any characters, without needless escapes. */
term schema__plain_text(struct schema_job *job);
term schema__pattern(struct schema_job *job, const struct json *schema, struct str pattern);
bool schema__text_takes(struct schema_job *job, term a, struct str text); /* text is not escaped */

/* Nothing but `others` limits its strings. */
bool schema__any_text(const struct shape *s);

/* False only when no string can have the shape. */
bool schema__string_possible(struct schema_job *job, const struct shape *s);

/* --- schema_member.c --- */

const struct demands *schema__property(struct schema_job *job, const struct shape *s,
                                       struct str name);
const struct demands *schema__item(struct schema_job *job, const struct shape *s, size_t index);

/* Whether what led to a property's schema applies in place within the schema of `u`: then it is
 * evaluated. */
bool schema__is_within(const struct demand *from, const struct unevaluated *u);

/* Whether nothing is left to be unevaluated. */
bool schema__evaluates_all(const struct shape *s, const struct unevaluated *u);

/* Whether a name is in the set of a DEMAND_KEY. */
bool schema__is_key(struct schema_job *job, const struct demand *d, struct str name);
size_t schema__prefix(const struct shape *s); /* items that have demands of their own */

/* --- schema_admit.c --- */

bool schema__admits(struct schema_job *job, const struct shape *s, const struct json *value);

/* Values of enum and const that are left; NULL: the end. Starts with a zeroed `at`. */
const struct json *schema__next_value(struct schema_job *job, const struct shape *s,
                                      struct value_iter *at);

/* --- schema_value.c --- */

term schema__value(struct schema_job *job, const struct json *value, unsigned kinds);

/* `first`, white space, `rest`. */
term schema__spaced(struct schema_job *job, term first, term rest);

term schema__name(struct schema_job *job, struct str name); /* with its quotes */
term schema__pair(struct schema_job *job, term name, term value);

/* --- schema_possible.c --- */

bool schema__possible(struct schema_job *job, const struct shape *shape,
                      const struct json *const *also, size_t count, const struct demand *within);

/* --- schema_goal.c --- */

struct goal {
    struct goal *same_hash;
    struct goal *next; /* open */
    const struct demand *demands;
    size_t count;
    const struct shapes *shapes; /* with arrays or objects: those of its rule */
    uint32_t rule;
    term term;
};

/* What takes the values that all of these are demanded of. */
term schema__goal(struct schema_job *job, const struct demands *list);

/* null, true, false, numbers and strings of a shape; all values of one that lists them. */
term schema__scalars(struct schema_job *job, const struct shape *s);

/* The texts of names, between the quotes, that meet demands. */
term schema__key(struct schema_job *job, const struct demands *list);

/* --- schema_unique.c, schema_array.c, schema_keys.c, schema_object.c --- */

/* Behind the bracket, for a shape with uniqueItems. */
term schema__unique(struct schema_job *job, const struct shape *s);
term schema__array(struct schema_job *job, const struct shape *s);

/* Name and value of any property but those that are taken (texts between the quotes), and of one
 * whose name does what all DEMAND_KEY want. */
struct others {
    term any, extra;
};
struct others schema__other_members(struct schema_job *job, const struct shape *s, term taken);
term schema__object(struct schema_job *job, const struct shape *s);

#endif
