/* SPDX-License-Identifier: Apache-2.0 */
/* Literals, names, and what stands behind them: members, subscripts, calls. */
#ifndef HOSTLER_JINJA_PARSE_PRIMARY_H
#define HOSTLER_JINJA_PARSE_PRIMARY_H

#include "jinja/parser.h"

/* `members`: "a.b" is a namespace's member that is assigned to. */
MUST_CHECK int parse_primary(struct parser *p, bool members, struct node **out);

MUST_CHECK int parse_postfix(struct parser *p, struct node **out);
MUST_CHECK int parse_call(struct parser *p, struct node **out);

/* From the '(' on. */
MUST_CHECK int parse_call_arguments(struct parser *p, struct call **out);

/* Makes the node higher than the arguments of its call. */
MUST_CHECK int parse_call_heights(struct parser *p, struct node *n);

#endif
