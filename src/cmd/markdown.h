/* SPDX-License-Identifier: Apache-2.0 */
/* Markdown as it streams in, made readable on a terminal: bold text, code, headings and bullets.
 *
 * A marker goes only where it is replaced by what it says; a ** that is never closed stays. So text may
 * wait until its line tells what it is, for SPAN_MAX bytes at most. */
#ifndef HOSTLER_CMD_MARKDOWN_H
#define HOSTLER_CMD_MARKDOWN_H

#include "base/base.h"
#include "base/buf.h"
#include "base/str.h"

struct markdown {
    struct buf waiting; /* what cannot be told yet */
    struct str rest;    /* of it; during a call, as the next two */
    struct buf *out;
    bool last;    /* nothing comes that could change what it means */
    bool inside;  /* a line: its beginning has been told */
    bool heading; /* it is one */
    char before;  /* the last byte told; a newline at the start */
    char fence;   /* of code that goes on; 0: none does */
    size_t fence_len;
    int err;
};

void markdown_init(struct markdown *m);
void markdown_fini(struct markdown *m);

/* Appends to `out` what can be told with `text`: whole characters without control characters but tab and
 * newline. 0 or an error of buf_append. */
MUST_CHECK int markdown_add(struct markdown *m, struct str text, struct buf *out);

/* The end of the text: appends what waited, and ends all styles. Another text may follow. */
MUST_CHECK int markdown_end(struct markdown *m, struct buf *out);

#endif
