/* SPDX-License-Identifier: Apache-2.0 */
/* libedit, loaded when the first line is edited: with what it stands on it takes 0.4 MB, which a
 * gateway that no person types at need not have. */
#ifndef HOSTLER_CMD_EDITLINE_H
#define HOSTLER_CMD_EDITLINE_H

#include <histedit.h>

#define EDITLINE_FUNCTIONS(X) \
    X(el_init)                \
    X(el_end)                 \
    X(el_set)                 \
    X(el_wset)                \
    X(el_get)                 \
    X(el_gets)                \
    X(el_line)                \
    X(el_wline)               \
    X(el_cursor)              \
    X(el_insertstr)           \
    X(el_push)                \
    X(el_resize)              \
    X(history)                \
    X(history_init)           \
    X(history_end)

/* Its functions, by their own names (editline(3)). */
struct editline {
#define EDITLINE_MEMBER(name) __typeof__(name) *name;
    EDITLINE_FUNCTIONS(EDITLINE_MEMBER)
#undef EDITLINE_MEMBER
};

/* NULL: it is not there, or an older one. Loaded once, for good. Main thread. */
const struct editline *editline_load(void);

#endif
