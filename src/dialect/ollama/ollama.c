/* SPDX-License-Identifier: Apache-2.0 */
/* Ollama's errors: its clients call paths that are not served yet, and read those answers in
 * their own shape. */
#include "dialect/dialect.h"
#include "json/write.h"

static void write_error(struct buf *out, const struct refusal *why)
{
    struct json_writer w;
    json_write_init(&w, out);
    json_write_object(&w);
    json_write_str_member(&w, "error", why->message);
    json_write_object_end(&w);
    if (json_write_end(&w)) buf_clear(out);
}

const struct dialect dialect_ollama = {.name = "ollama", .write_error = write_error};
