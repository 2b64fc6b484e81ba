/* SPDX-License-Identifier: Apache-2.0 */
/* yyjson builds the values; what it leaves open (depth, exact reasons) is
 * decided by our own scan before. */
#include <yyjson.h>

#include "base/err.h"
#include "json/json.h"
#include "json/json_priv.h"

static void *on_malloc(void *ctx, size_t size)
{
    return arena_try(ctx, size);
}

static void *on_realloc(void *ctx, void *ptr, size_t old_size, size_t size)
{
    return size <= old_size ? ptr : arena_try_grow(ctx, ptr, old_size, size);
}

static void on_free(void *ctx UNUSED, void *ptr UNUSED)
{
}

int json_parse_scanned(struct arena *arena, struct str text, const struct json **out,
                       struct json_error *error)
{
    const yyjson_alc alc = {on_malloc, on_realloc, on_free, arena};
    yyjson_read_err why = {.code = YYJSON_READ_ERROR_MEMORY_ALLOCATION};
    yyjson_doc *doc = NULL;
    /* Without YYJSON_READ_INSITU the text is only read. */
    if (json__mend(arena, text, &text) == 0)
        doc = yyjson_read_opts((char *)(uintptr_t)text.ptr, text.len, YYJSON_READ_BIGNUM_AS_RAW,
                               &alc, &why);
    if (doc) {
        *out = (const struct json *)(const void *)yyjson_doc_get_root(doc);
        return 0;
    }
    bool memory = why.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION;
    if (error) *error = (struct json_error){why.pos, memory ? "larger than the limit" : why.msg};
    return memory ? ERR_TOO_LARGE : ERR_SYNTAX;
}

int json_parse(struct arena *arena, struct str text, const struct json **out,
               struct json_error *error)
{
    int err = json__check(text, error);
    return err ? err : json_parse_scanned(arena, text, out, error);
}
