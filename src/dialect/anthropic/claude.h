/* SPDX-License-Identifier: Apache-2.0 */
/* What generations of Claude take, by the model's name: newer ones refuse what older ones want. */
#ifndef HOSTLER_DIALECT_ANTHROPIC_CLAUDE_H
#define HOSTLER_DIALECT_ANTHROPIC_CLAUDE_H

#include "base/base.h"
#include "base/str.h"

struct claude {
    bool known;          /* it is a Claude */
    bool adaptive;       /* takes thinking {adaptive} with an effort, for {enabled} with a budget */
    bool thinks;         /* thinks unless it is told not to */
    bool always_thinks;  /* cannot be told not to */
    bool xhigh;          /* has that effort */
    bool keeps_sampling; /* takes temperature, top_p and top_k */
};

/* Of "claude-opus-4-6", "us.anthropic.claude-3-7-sonnet-20250219" and the like. Other names than
 * Claude's get what the dialect had first. */
struct claude claude_of(struct str model);

#endif
