/* SPDX-License-Identifier: Apache-2.0 */
/* A model file that was named on the command line. */
#ifndef HOSTLER_CMD_MODEL_FILE_H
#define HOSTLER_CMD_MODEL_FILE_H

#include <stdint.h>

#include "base/base.h"

/* What clients call it: the file's name, of characters that a model's name may have. On the heap. */
char *model_file_name(const char *path);

/* Whether it is there and looks like a GGUF file. An exit code: else stderr was told; with its
 * size in bytes. */
MUST_CHECK int model_file_check(const char *command, const char *path, uint64_t *size);

#endif
