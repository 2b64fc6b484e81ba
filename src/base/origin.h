/* SPDX-License-Identifier: Apache-2.0 */
/* Origins of web pages, as browsers and settings write them (RFC 6454 section 6.2), and patterns
 * of them. Pure functions; strings borrow from what was parsed. */
#ifndef HOSTLER_BASE_ORIGIN_H
#define HOSTLER_BASE_ORIGIN_H

#include "base/base.h"
#include "base/str.h"

struct origin {
    struct str scheme;
    struct str host; /* "[::1]" with its brackets; programs' may be empty */
    struct str port; /* empty: none, or the scheme's own */
    bool below;      /* a pattern: names of one more label than `host` */
};

/* "https://app.example.com", "http://[::1]:3000", "app://x", "file://". ERR_SYNTAX, also for
 * "null", which every page can make itself to be, and for lists of origins. */
MUST_CHECK int origin_parse(struct str text, struct origin *out);

/* The same, or with "*." before the host: "https://" "*.example.com". ERR_SYNTAX. */
MUST_CHECK int origin_parse_pattern(struct str text, struct origin *out);

/* Scheme, host and port are the same, but that a pattern's "*." stands for one label, as in
 * certificates: it has neither example.com nor a.b.example.com. */
bool origin_matches(const struct origin *pattern, const struct origin *o);

/* True for http and https: what web sites can have. Programs on a machine have schemes of their
 * own (app://, tauri://, vscode-webview://, chrome-extension://). */
bool origin_is_web(const struct origin *o);

#endif
