/* SPDX-License-Identifier: Apache-2.0 */
/* Small files of secrets and certificates: read whole, written whole or not at all. Any thread. */
#ifndef HOSTLER_TRANSPORT_PEM_FILE_H
#define HOSTLER_TRANSPORT_PEM_FILE_H

#include "base/base.h"
#include "base/buf.h"
#include "base/str.h"

enum { PEM_FILE_MAX = 4 << 20 }; /* bytes; the CAs that a system trusts have a quarter of a MiB */

/* Reads a regular file into *out, which it sets up; pem_file_wipe ends it, whatever came back.
 * A negative errno, ERR_TYPE: not a regular file, ERR_TOO_LARGE, -EAGAIN: it changes. */
MUST_CHECK int pem_file_read(const char *path, struct buf *out);

/* Overwrites what the buffer holds, and finishes it. */
void pem_file_wipe(struct buf *b);

/* Writes a file of that mode, whatever the umask is, which appears complete or not at all. Where
 * there is one already it is replaced, or without `replace` left alone: -EEXIST. ERR_TYPE: there
 * is something that is no file, which is never replaced. Otherwise a negative errno. */
MUST_CHECK int pem_file_write(const char *path, struct str text, unsigned mode, bool replace);

#endif
