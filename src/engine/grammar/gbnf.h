/* SPDX-License-Identifier: Apache-2.0 */
/* llama.cpp's GBNF, to terms; also the EBNF of its kind that vLLM's users write (root ::= ...). */
#ifndef HOSTLER_ENGINE_GRAMMAR_GBNF_H
#define HOSTLER_ENGINE_GRAMMAR_GBNF_H

#include "engine/grammar/terms.h"
#include "engine/grammar/why.h"

/* Adds the grammar's rules; *out is its rule `root`. Left recursion is terms_finish's to find.
 * ERR_UNSUPPORTED or ERR_SYNTAX, and why, with the line; ERR_TOO_LARGE, and why unless `t` failed. */
MUST_CHECK int gbnf_term(struct terms *t, struct str text, struct grammar_why *why, term *out);

/* Says that a rule begins with itself: the one that gbnf_term added as number `rule`, from 0. */
void gbnf_refuse_recursion(struct str text, uint32_t rule, struct grammar_why *why);

#endif
