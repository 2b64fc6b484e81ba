/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration that `hostler init` writes, with comments for who reads it next. */
#ifndef HOSTLER_CMD_INIT_FILE_H
#define HOSTLER_CMD_INIT_FILE_H

#include "base/arena.h"
#include "base/base.h"
#include "base/buf.h"
#include "base/str.h"

struct init_runtime {
    struct str name, url;
    const char *key; /* NULL: none is sent */
    const struct str *models;
    size_t model_count;
};

struct init_file {
    struct str listen;
    struct str key; /* of a client; empty: nobody needs one */
    struct init_runtime *runtimes;
    size_t runtime_count;
    struct str *model_files; /* absolute paths */
    struct str *model_names;
    size_t model_count;
};

/* Appends the text. Strings are written so that they mean themselves, whatever is in them. A negative
 * error when memory is lacking. */
MUST_CHECK int init_file_write(const struct init_file *f, struct arena *arena, struct buf *out);

#endif
