/* SPDX-License-Identifier: Apache-2.0 */
/* The operators of expressions that have two sides. */
#ifndef HOSTLER_JINJA_OPERATOR_H
#define HOSTLER_JINJA_OPERATOR_H

enum binary {
    BINARY_ADD,
    BINARY_SUB,
    BINARY_MUL,
    BINARY_DIV,
    BINARY_FLOOR,
    BINARY_MOD,
    BINARY_POW
};

enum compare {
    COMPARE_EQ,
    COMPARE_NE,
    COMPARE_LT,
    COMPARE_LE,
    COMPARE_GT,
    COMPARE_GE,
    COMPARE_IN,
    COMPARE_NOT_IN
};

#endif
