/* SPDX-License-Identifier: Apache-2.0 */
/* strftime_now, the date that templates tell the model. */
#ifndef HOSTLER_JINJA_STRFTIME_H
#define HOSTLER_JINJA_STRFTIME_H

#include "jinja/args.h"

MUST_CHECK int strftime_now(struct run *r, const struct value *self, const struct args *args,
                            struct value *out);

#endif
