/* SPDX-License-Identifier: Apache-2.0 */
/* The calls of an answer as they come, for one that is told whole: ids, names and arguments. */
#ifndef HOSTLER_ENGINE_CALL_LIST_H
#define HOSTLER_ENGINE_CALL_LIST_H

#include "base/base.h"
#include "base/buf.h"
#include "base/str.h"

enum { CALL_ID_SIZE = 32 };

/* One call, or a part of it in a stream. */
struct call_part {
    char id[CALL_ID_SIZE];
    struct str name;      /* empty: this goes on with arguments */
    struct str arguments; /* bytes of a JSON object */
};

/* "call_" and what nobody else has; `is_short`: nine letters and digits. */
void call_make_id(char out[CALL_ID_SIZE], bool is_short);

struct call_entry {
    char id[CALL_ID_SIZE];
    size_t name_at, name_len; /* in the text */
    size_t arguments_at;      /* up to where the next one's name begins */
};

struct call_list {
    struct call_entry *all;
    size_t count, cap;
    struct buf text; /* names and arguments, in order */
};

/* `max`: bytes of all of them. */
void call_list_init(struct call_list *l, size_t max);
void call_list_fini(struct call_list *l);

/* A new call, and more of its arguments. ERR_TOO_LARGE. */
MUST_CHECK int call_list_add(struct call_list *l, struct str name, bool short_id);
MUST_CHECK int call_list_go_on(struct call_list *l, struct str arguments);

/* Borrows from the list until it changes. */
struct call_part call_list_at(const struct call_list *l, size_t index);

#endif
