/* SPDX-License-Identifier: Apache-2.0 */
/* Terms as the engine has them: what they may take of time is limited as their memory is. */
#ifndef HOSTLER_TEST_FUZZ_LIMITED_H
#define HOSTLER_TEST_FUZZ_LIMITED_H

#include <stdlib.h>

#include "engine/grammar/terms.h"

/* A part of what the engine grants: with sanitizers each takes some forty times as long. */
enum { LIMITED_EFFORT = 1 << 18 };

static inline struct terms *limited_terms(size_t bytes)
{
    struct terms *t = terms_new(bytes);
    if (!t) abort();
    terms_limit_effort(t, LIMITED_EFFORT);
    return t;
}

#endif
