/* SPDX-License-Identifier: Apache-2.0 */
/* JSON documents as values; all that is in them is data. */
#ifndef HOSTLER_JINJA_FROM_JSON_H
#define HOSTLER_JINJA_FROM_JSON_H

#include "jinja/value.h"

/* Texts borrow from the document. */
MUST_CHECK int from_json(struct run *r, const struct json *json, struct value *out);

#endif
