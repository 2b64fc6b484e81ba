/* SPDX-License-Identifier: Apache-2.0 */
/* What the gateway reads in a request body. */
#include "dialect/responses/responses_priv.h"
#include "dialect/peek.h"
#include "json/skim.h"

/* Tools that the client runs itself but that are no functions (Codex). */
static bool has_other_tools(const struct json_span *tools)
{
    static const struct str names[] = {STR_INIT("type")};
    static const struct str others[] = {STR_INIT("\"namespace\""), STR_INIT("\"custom\""),
                                        STR_INIT("\"tool_search\"")};
    struct str rest = tools->raw;
    struct json_span tool, type[1];
    while (tools->type == JSON_ARRAY && json_skim_element(&rest, &tool)) {
        if (json_scan_span(&tool, names, 1, type, NULL)) continue;
        for (size_t i = 0; i < ARRAY_LEN(others); i++)
            if (str_eq(type[0].raw, others[i])) return true;
    }
    return false;
}

int responses__peek(struct arena *arena, struct str body, struct ask *out, struct refusal *why)
{
    static const struct str names[] = {STR_INIT("model"), STR_INIT("stream"), STR_INIT("tools"),
                                       STR_INIT("background")};
    struct json_span spans[ARRAY_LEN(names)];
    *out = (struct ask){.surface = out->surface, .asks_usage = true};
    int err = peek_scan(arena, body, names, ARRAY_LEN(names), spans, why);
    if (!err) err = peek_model(arena, &spans[0], out, why);
    if (!err) err = peek_flag(arena, &spans[1], "stream", false, &out->stream, why);
    if (!err) err = peek_flag(arena, &spans[3], "background", false, &out->background, why);
    if (!err) out->other_tools = has_other_tools(&spans[2]);
    return err;
}
