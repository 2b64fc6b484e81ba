/* SPDX-License-Identifier: Apache-2.0 */
/* A template's source as tokens, with white space taken away as trim_blocks, lstrip_blocks and the
 * signs of tags want it. */
#ifndef HOSTLER_JINJA_LEX_H
#define HOSTLER_JINJA_LEX_H

#include "jinja/run.h"

enum token_type {
    TOKEN_DATA,
    TOKEN_VARIABLE_BEGIN,
    TOKEN_VARIABLE_END,
    TOKEN_BLOCK_BEGIN,
    TOKEN_BLOCK_END,
    TOKEN_NAME,
    TOKEN_STRING, /* its text without escapes */
    TOKEN_INTEGER,
    TOKEN_FLOAT,
    TOKEN_END,
    TOKEN_POW, /* operators from here on */
    TOKEN_FLOOR,
    TOKEN_EQ,
    TOKEN_NE,
    TOKEN_GE,
    TOKEN_LE,
    TOKEN_ADD,
    TOKEN_SUB,
    TOKEN_DIV,
    TOKEN_MUL,
    TOKEN_MOD,
    TOKEN_TILDE,
    TOKEN_LEFT_BRACKET,
    TOKEN_RIGHT_BRACKET,
    TOKEN_LEFT_PAREN,
    TOKEN_RIGHT_PAREN,
    TOKEN_LEFT_BRACE,
    TOKEN_RIGHT_BRACE,
    TOKEN_GT,
    TOKEN_LT,
    TOKEN_ASSIGN,
    TOKEN_DOT,
    TOKEN_COLON,
    TOKEN_PIPE,
    TOKEN_COMMA,
    TOKEN_SEMICOLON
};

struct token {
    enum token_type type;
    uint32_t at;
    struct str text;
};

struct tokens {
    struct token *list; /* the last one is TOKEN_END */
    size_t count, cap;
};

/* The source has '\n' only for line breaks. */
MUST_CHECK int lex(struct run *r, struct tokens *out);

/* The same with '\n' for "\r\n" and "\r", and without one at the end. On the arena. */
MUST_CHECK int lex_normalise(struct run *r, struct str source, struct str *out);

/* "'x'", "a name", for errors. */
struct str lex_describe(const struct token *t);

#endif
