/* SPDX-License-Identifier: Apache-2.0 */
/* Writes calls of tools as a family of models does: what call_parts.h reads. */
#ifndef HOSTLER_ENGINE_TEXT_CALL_WRITER_H
#define HOSTLER_ENGINE_TEXT_CALL_WRITER_H

#include "base/base.h"
#include "base/buf.h"
#include "base/str.h"
#include "engine/text/call_formats.h"
#include "json/json.h"

struct call_said {
    struct str name;
    const struct json *arguments; /* an object; anything else counts as an empty one */
};

/* Appends the calls. The buf's maximum is the only failure. */
MUST_CHECK int calls_write(const struct call_format *f, struct buf *out,
                           const struct call_said *calls, size_t count);

#endif
