/* SPDX-License-Identifier: Apache-2.0 */
/* Via: through whom a request has come (RFC 9110 section 7.6.3). Pure functions. */
#ifndef HOSTLER_GATE_VIA_H
#define HOSTLER_GATE_VIA_H

#include "base/arena.h"
#include "base/base.h"
#include "base/str.h"
#include "http/message.h"

/* What our name begins with; a number follows that is another in each process, so that it says
 * nothing to anybody else. */
#define VIA_PSEUDONYM "hostler-"

/* More Hostlers than that on a request's way make a loop (the RFC leaves the number open). */
enum { VIA_HOPS_MAX = 8 };

/* True when a request has passed `own` before (our entry, "1.1 hostler-NUMBER"), or too many of its
 * kind. */
bool via_loops(const struct http_head *head, struct str own);

/* The value for the next one on the way: the client's entries and ours. Of others than Hostlers
 * their protocol alone is passed on, since their names and comments are of the client's network. On
 * the arena, or `own`; ptr NULL: no memory. */
struct str via_onward(struct arena *arena, const struct http_head *head, struct str own);

#endif
