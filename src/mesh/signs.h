/* SPDX-License-Identifier: Apache-2.0 */
/* Signs: by what it can be told which product a runtime is, and what it tells of its models. All
 * of it is asked with GET, none of it computes.
 *
 * Pure functions, constant data, any thread. */
#ifndef HOSTLER_MESH_SIGNS_H
#define HOSTLER_MESH_SIGNS_H

#include "base/arena.h"
#include "base/base.h"
#include "base/str.h"
#include "dialect/card.h"
#include "dialect/runtime.h"

/* What is asked, in this order, until one answer tells. */
enum sign_page {
    SIGN_MODELS,  /* the list of models, of the API */
    SIGN_VERSION, /* many have it: it tells something of who does not show that list */
    SIGN_OLLAMA_VERSION,
    SIGN_PROPS,
    SIGN_MODEL_INFO,
    SIGN_INFO,
    SIGN_PAGES
};

/* Whether the page is to be asked of who did or did not show his list of models. */
bool sign_helps(enum sign_page page, bool listed);

/* The page's path: below /v1 for the list of models, beside it for the rest. */
struct str sign_path(enum sign_page page);

struct sign_answer {
    int status;
    struct str server; /* the header of that name; empty: none */
    struct str body;
};

/* Which product answers this to that page. NULL: others may, too. */
const struct runtime_kind *sign_read(enum sign_page page, const struct sign_answer *answer);

/* What a list of models tells of the one called `model`, or of the only one that is on it. */
void sign_card(struct str list, struct str model, struct model_card *out);

/* The array of a list of models, from its bracket on; some write nothing around it. ptr NULL: that is
 * no list. */
struct str sign_list(struct str list);

/* The names on it, one after the other: *rest begins as that array. False at the end. A name with
 * escapes is resolved on `arena`; one without stands in the list. */
bool sign_next_name(struct str *rest, struct arena *arena, struct str *name);

#endif
