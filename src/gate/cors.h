/* SPDX-License-Identifier: Apache-2.0 */
/* Web pages as callers: which may ask, which may read the answers, and what browsers must be told
 * for that (the CORS protocol of the Fetch standard, section 3.2).
 *
 * Credentials are never allowed: a page sends its key in a header, and no cookie of ours exists.
 * So "*" is harmless where it is configured, which it can only be together with keys. Pure
 * functions but for those that begin an answer; the call's thread. */
#ifndef HOSTLER_GATE_CORS_H
#define HOSTLER_GATE_CORS_H

#include "base/base.h"
#include "base/str.h"
#include "http/server.h"
#include "mesh/settings.h"

/* What the origin of a request comes to. Zeroed: there is none, and it would make no difference. */
struct cors {
    struct str allow; /* who may read the answer, as browsers are told; empty: no page */
    bool foreign;     /* it is a page that may not even ask */
    bool varies;      /* another origin would get another answer */
};

/* Judges the origin of a call; also of one whose head was refused, as far as it was read. `keys`:
 * keys decide who may ask, and origins only who may read. Strings borrow from the head.
 *
 * Without keys, pages may ask that come from this machine (caller_is_local_name) or from an origin
 * that is configured, and programs, whose schemes no web site can have. By a UNIX socket, which
 * pages only reach through a proxy, those may ask, too, whose origin is the host that they ask.
 * More than one Origin is that of no page. */
void cors_judge(const struct http_call *call, const struct settings *s, bool keys,
                struct cors *out);

/* True for the question of a browser whether a page may send a request. */
bool cors_is_preflight(const struct http_head *head);

/* Answers it for an origin that may read answers, all of it: 204. `id`: the x-request-id. */
void cors_answer_preflight(struct http_call *call, const struct cors *cors, struct str id);

/* call_begin, with what the origin's browser must be told besides: who may read, which of the
 * fields, and that it depends on who asked. Without memory for that it is left out, and no page can
 * read the answer. */
void cors_begin(struct http_call *call, const struct cors *cors, int status,
                const struct http_field *fields, unsigned count, uint64_t length);

#endif
