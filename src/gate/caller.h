/* SPDX-License-Identifier: Apache-2.0 */
/* Who is asking, as far as a request's head and connection tell. Pure functions. */
#ifndef HOSTLER_GATE_CALLER_H
#define HOSTLER_GATE_CALLER_H

#include "base/base.h"
#include "base/str.h"
#include "http/message.h"
#include "http/server.h"

/* The API key that a head presents (Authorization: Bearer, x-api-key, api-key), or ptr NULL.
 * Borrowed from the head. ERR_DUPLICATE: different keys; a proxy that looked at one of them
 * would not know who we think it is. */
MUST_CHECK int caller_key(const struct http_head *head, struct str *out);

/* Without keys, only pages and programs of this machine may ask: a web site that made its name
 * resolve to 127.0.0.1 (DNS rebinding) still sends its own name as Host, and one that posts
 * blindly its own Origin. Of this machine are also origins of any scheme but http and https:
 * desktop programs (app://, vscode-webview://, file://) have such, web sites never do. `hosts`:
 * further names, compared without case and port, that count as this machine's in both headers. */
bool caller_is_local(const struct http_call *call, const struct str *hosts, size_t host_count);

#endif
