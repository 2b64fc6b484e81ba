/* SPDX-License-Identifier: Apache-2.0 */
/* Reasoning as clients carry it from one request to the next without reading it. What proves it to
 * its maker is in there, too. It is not secret: whoever has it was told the same. */
#include "dialect/responses/responses_priv.h"

#include "base/base64.h"

#define BEGINNING "{\"hostler\":1,\"blocks\":"
#define SEALED_BEGINNING "eyJob3N0bGVyIjox" /* of the first twelve bytes */

int responses__seal(struct buf *out, struct str blocks)
{
    struct buf text;
    buf_init(&text, ANSWER_HELD_MAX);
    int err = buf_append(&text, STR(BEGINNING));
    if (!err) err = buf_append(&text, blocks);
    if (!err) err = buf_append(&text, STR("}"));
    if (!err) err = base64_append(out, buf_str(&text));
    buf_fini(&text);
    return err;
}

/* True for {type: thinking, thinking, signature?} and {type: redacted_thinking, data}. */
static bool is_block(const struct json *block)
{
    struct str type = json_str_or(block, "type", STR(""));
    const char *text = str_eq(type, STR("thinking"))            ? "thinking"
                       : str_eq(type, STR("redacted_thinking")) ? "data"
                                                                : NULL;
    return text && json_type(json_get(block, text)) == JSON_STRING;
}

static bool are_blocks(const struct json *blocks)
{
    struct json_iter it = {0};
    const struct json *block;
    if (json_type(blocks) != JSON_ARRAY) return false;
    while (json_next_item(blocks, &it, &block))
        if (!is_block(block)) return false;
    return true;
}

const struct json *responses__unseal(struct arena *arena, struct str sealed)
{
    const struct json *doc;
    if (!str_starts(sealed, STR(SEALED_BEGINNING))) return NULL;
    char *room = arena_try(arena, BASE64_ROOM(sealed.len));
    ptrdiff_t len = room ? base64_read(sealed, room) : -1;
    if (len < 0 || json_parse(arena, str_n(room, (size_t)len), &doc, NULL)) return NULL;
    const struct json *blocks = json_get(doc, "blocks");
    return are_blocks(blocks) ? blocks : NULL;
}
