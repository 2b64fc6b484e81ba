/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of any text: calls are told the same however the text is cut, and arguments come behind
 * the name of a tool. The first byte chooses the family, the second how the text is cut. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/text/calls.h"

static const struct str texts[] = {STR_INIT("city")};
static const struct call_tool tools[] = {{STR_INIT("f"), texts, 1},
                                         {STR_INIT("get_weather"), NULL, 0}};

enum { SAID_MAX = 64 << 20 };

static void must(bool holds)
{
    if (!holds) abort();
}

static bool is_tool(struct str name)
{
    return str_eq(name, tools[0].name) || str_eq(name, tools[1].name);
}

/* Contents, names and arguments, each change of kind told by its number. */
static void note(struct buf *said, const struct pieces *pieces, enum piece_kind *kind)
{
    for (unsigned i = 0; i < pieces->count; i++) {
        const struct piece *p = &pieces->all[i];
        must(p->text.len > 0 && p->kind != PIECE_REASONING);
        must(p->kind != PIECE_CALL || is_tool(p->text));
        must(p->kind != PIECE_ARGUMENTS || *kind == PIECE_CALL || *kind == PIECE_ARGUMENTS);
        if (p->kind != *kind || p->kind == PIECE_CALL)
            must(buf_printf(said, "\n%d:", (int)p->kind) == 0);
        must(buf_append(said, p->text) == 0);
        *kind = p->kind;
    }
}

static void read_all(const struct call_marks *marks, struct str text, size_t step, struct buf *said)
{
    const struct calls_spec spec = {.marks = marks, .tools = tools, .tool_count = ARRAY_LEN(tools)};
    enum piece_kind kind = PIECE_CONTENT;
    struct calls c;
    calls_init(&c, &spec);
    for (bool last = false; !last;) {
        struct str part = str_sub(text, 0, MIN(step, text.len));
        text = str_skip(text, part.len);
        last = !text.len;
        for (bool more = true; more; part = STR("")) {
            struct pieces pieces = {.count = 0};
            more = calls_feed(&c, part, last, &pieces);
            note(said, &pieces, &kind);
        }
    }
    calls_fini(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf whole, cut;
    if (size < 2) return 0;
    const struct call_marks marks = {.format = &call_formats[data[0] % call_format_count]};
    struct str text = str_n((const char *)data + 2, size - 2);
    buf_init(&whole, SAID_MAX);
    buf_init(&cut, SAID_MAX);
    read_all(&marks, text, text.len + 1, &whole);
    read_all(&marks, text, 1 + data[1] % 16, &cut);
    must(str_eq(buf_str(&whole), buf_str(&cut)));
    buf_fini(&whole);
    buf_fini(&cut);
    return 0;
}
