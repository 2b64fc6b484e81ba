/* SPDX-License-Identifier: Apache-2.0 */
/* Model files: whatever they hold, the check reads nothing beyond them and says something when it
 * refuses. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "engine/model/gguf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gguf_facts facts;
    char why[GGUF_WHY_MAX] = "";
    int err = gguf_check(str_n((const char *)data, size), size, &facts, why);
    if (err && (err != ERR_INVALID && err != ERR_UNSUPPORTED)) abort();
    if (err && !why[0]) abort();
    return 0;
}
