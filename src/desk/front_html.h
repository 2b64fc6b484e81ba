/* SPDX-License-Identifier: Apache-2.0 */
/* The text of the front page, in pieces. @ stands for what the page is about. */
#ifndef HOSTLER_DESK_FRONT_HTML_H
#define HOSTLER_DESK_FRONT_HTML_H

#include <stddef.h>

extern const char FRONT_HEAD[];  /* @: the style's nonce */
extern const char FRONT_STYLE[]; /* light, and dark where the browser is */
extern const char FRONT_BODY[];  /* @: the version */
extern const char FRONT_READY[], FRONT_NOT_READY[];
extern const char FRONT_MODELS_BEGIN[], FRONT_MODELS_END[];
extern const char FRONT_NO_MODELS[];
extern const char FRONT_MORE_MODELS[]; /* @: how many are not shown */
extern const char FRONT_LOCKED[];      /* in place of the models: a key is needed */
extern const char FRONT_CALLS_BEGIN[];
extern const char FRONT_END[];

/* A way to call: pieces of text in which @ stands for the origin or a model. */
struct front_piece {
    const char *text; /* as HTML; NULL: the end */
    enum { FRONT_ORIGIN, FRONT_MODEL } gap;
    enum { FRONT_ALWAYS, FRONT_WITH_KEY, FRONT_WITHOUT_KEY } when;
};

struct front_call {
    const char *title;
    struct front_piece pieces[8];
};

enum { FRONT_CALL_COUNT = 5 };
extern const struct front_call front_calls[FRONT_CALL_COUNT];

/* What stands for the character in HTML; NULL: itself. */
const char *front_entity(char c);

#endif
