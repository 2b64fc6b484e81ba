/* SPDX-License-Identifier: Apache-2.0 */
/* json.dumps, as transformers' filter tojson calls it. */
#ifndef HOSTLER_JINJA_TOJSON_H
#define HOSTLER_JINJA_TOJSON_H

#include "jinja/args.h"

/* A filter: ensure_ascii, indent, separators, sort_keys. */
MUST_CHECK int tojson(struct run *r, const struct value *self, const struct args *args,
                      struct value *out);

#endif
