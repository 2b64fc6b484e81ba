/* SPDX-License-Identifier: Apache-2.0 */
/* All texts of a vocabulary's tokens, those with the same beginning behind each other, so that one
 * walk asks an automaton about every token. Constant once it is made: any thread. */
#ifndef HOSTLER_ENGINE_GRAMMAR_TRIE_H
#define HOSTLER_ENGINE_GRAMMAR_TRIE_H

#include "base/base.h"
#include "base/str.h"
#include "engine/model/vocab.h"

/* One byte behind those of the nodes around it. In order of a walk from the root, which is the first
 * and has no byte: a node's children follow it, up to `end`. */
struct trie_node {
    uint32_t end;         /* the first node that is not below this one */
    uint32_t first_token; /* its tokens: in `tokens`, up to the next node's */
    uint16_t depth;       /* bytes so far */
    uint8_t byte;
    bool plain; /* it and all below it are printable ASCII, without quotes and backslashes */
};

struct trie {
    struct trie_node *nodes; /* and one behind the last, for its first_token */
    uint32_t count;
    int32_t *tokens; /* in the order of the nodes; several may have the same text */
    uint32_t token_count;
    uint32_t vocab;     /* tokens are 0 .. vocab-1; those without text are in no node */
    uint32_t depth_max; /* bytes of the longest token */
};

/* Of `vocab` tokens' texts; a token with an empty one is in no node. NULL: there is no memory. */
MUST_CHECK struct trie *trie_new(const struct str *texts, uint32_t vocab);
MUST_CHECK struct trie *trie_of_vocab(const struct vocab *vocab);
void trie_free(struct trie *t); /* also NULL */

/* True for the bytes that make nodes plain: those that a JSON string has as they are. */
static inline bool trie_is_plain(uint8_t byte)
{
    return byte >= ' ' && byte < 0x7f && byte != '"' && byte != '\\';
}

/* The node that a text leads to from another node; 0: none. An empty one leads nowhere. */
uint32_t trie_find(const struct trie *t, uint32_t node, struct str text);

/* Adds the tokens of a node to a set, bit i of word i / 64 being token i. */
void trie_add_tokens(const struct trie *t, uint32_t node, uint64_t *bits);

static inline void token_set_add(uint64_t *bits, int32_t token)
{
    bits[token / 64] |= UINT64_C(1) << (token % 64);
}

#endif
