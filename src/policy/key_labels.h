/* SPDX-License-Identifier: Apache-2.0 */
/* Under which name a key's requests are counted.
 *
 * A list of names that only grows, so that what was counted for a key outlives reloads, and that has
 * an end, so that the metrics page has one: keys beyond it are counted as "other". The names are the
 * configured ones, never secrets. Main thread; others have the places that keys know. */
#ifndef HOSTLER_POLICY_KEY_LABELS_H
#define HOSTLER_POLICY_KEY_LABELS_H

#include "base/base.h"
#include "base/str.h"

/* The first place is for requests without a key, the second for keys that have no place of their own. */
enum { KEY_LABEL_NONE, KEY_LABEL_OTHER, KEY_LABELS_OWN, KEY_LABELS = KEY_LABELS_OWN + 100 };

struct key_labels {
    struct str names[KEY_LABELS]; /* from KEY_LABELS_OWN on owned */
    unsigned count;
};

void key_labels_init(struct key_labels *l);
void key_labels_fini(struct key_labels *l); /* fine on a zeroed one */

/* The place of that name, a new one if need be, or KEY_LABEL_OTHER. */
unsigned key_labels_place(struct key_labels *l, struct str name);

#endif
