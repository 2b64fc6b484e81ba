/* SPDX-License-Identifier: Apache-2.0 */
/* Statements: from tokens to the tree, without the variables' places. */
#ifndef HOSTLER_JINJA_PARSE_H
#define HOSTLER_JINJA_PARSE_H

#include "jinja/lex.h"
#include "jinja/node.h"

/* ERR_SYNTAX, ERR_UNSUPPORTED, ERR_DEPTH. */
MUST_CHECK int parse_template(struct run *r, const struct tokens *tokens, struct nodes *out);

#endif
