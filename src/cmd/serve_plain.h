/* SPDX-License-Identifier: Apache-2.0 */
/* `hostler serve` without a configuration file: model files and runtimes of the command line. */
#ifndef HOSTLER_CMD_SERVE_PLAIN_H
#define HOSTLER_CMD_SERVE_PLAIN_H

#include "base/base.h"
#include "conf/conf.h"

/* A file for everyone is a configuration's business; so many fit a command line well. */
enum { SERVE_PLAIN_MAX = 64 };

struct serve_plain {
    const char *command;
    const char *listen; /* NULL: the standard */
    const char *key;    /* for the runtimes; NULL: none is sent */
    const char *files[SERVE_PLAIN_MAX];
    size_t file_count;
    const char *upstreams[SERVE_PLAIN_MAX];
    size_t upstream_count;
};

/* Adds the files of one --model: paths with commas between them. Splits `list` in place. An exit code,
 * or -1 to go on. */
MUST_CHECK int serve_plain_add_files(struct serve_plain *p, char *list);
MUST_CHECK int serve_plain_add_upstream(struct serve_plain *p, const char *url);

/* A configuration of what was given, with one reference and no path. An exit code: 0, else stderr was told
 * what is wrong. */
MUST_CHECK int serve_plain_load(const struct serve_plain *p, struct conf **out);

#endif
