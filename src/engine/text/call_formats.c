/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/text/call_formats.h"

#include <string.h>

#define S(text) STR_INIT(text)
#define NAME_ARGUMENTS .name_key = S("name"), .arguments_key = S("arguments")
#define DEEPSEEK                                                           \
    .open = S("<｜tool▁call▁begin｜>"), .close = S("<｜tool▁call▁end｜>"), \
    .noise = {S("<｜tool▁calls▁begin｜>"), S("<｜tool▁calls▁end｜>")}

/* Where a template's calls fit several rows, the first is taken. */
/* clang-format off */
const struct call_format call_formats[] = {
    {.name = "hermes", .shape = CALL_OBJECT, .lines = true, .open = S("<tool_call>"), .close = S("</tool_call>"),
     NAME_ARGUMENTS, .sign = S("<tool_call>")},
    {.name = "smollm2", .shape = CALL_LIST, .open = S("<tool_call>"), .close = S("</tool_call>"),
     NAME_ARGUMENTS, .sign = S("named SmolLM, trained by Hugging Face")},
    {.name = "qwen-coder", .shape = CALL_TAGGED, .lines = true, .open = S("<tool_call>"), .lead = S("<function="),
     .behind_name = S(">"), .key_open = S("<parameter="), .key_close = S(">"),
     .value_close = S("</parameter>"), .tail = S("</function>"), .close = S("</tool_call>")},
    {.name = "seed", .shape = CALL_TAGGED, .lines = true, .open = S("<seed:tool_call>"), .lead = S("<function="),
     .behind_name = S(">"), .key_open = S("<parameter="), .key_close = S(">"),
     .value_close = S("</parameter>"), .tail = S("</function>"), .close = S("</seed:tool_call>")},
    {.name = "minimax", .shape = CALL_TAGGED, .lines = true, .open = S("<invoke name=\""), .behind_name = S("\">"),
     .key_open = S("<parameter name=\""), .key_close = S("\">"), .value_close = S("</parameter>"),
     .close = S("</invoke>"), .noise = {S("<minimax:tool_call>"), S("</minimax:tool_call>")}},
    {.name = "glm", .shape = CALL_TAGGED, .lines = true, .open = S("<tool_call>"), .key_open = S("<arg_key>"),
     .key_close = S("</arg_key>"), .value_open = S("<arg_value>"), .value_close = S("</arg_value>"),
     .close = S("</tool_call>")},
    {.name = "mistral", .shape = CALL_LIST, .open = S("[TOOL_CALLS]"), .short_ids = true,
     NAME_ARGUMENTS},
    {.name = "mistral-v11", .shape = CALL_NAMED, .open = S("[TOOL_CALLS]"),
     .behind_name = S("[ARGS]"), .skips = true, .short_ids = true},
    {.name = "deepseek-v3.1", .shape = CALL_NAMED, DEEPSEEK, .behind_name = S("<｜tool▁sep｜>")},
    {.name = "deepseek", .shape = CALL_NAMED, .lines = true, DEEPSEEK, .lead = S("function<｜tool▁sep｜>"),
     .behind_name = S("```json"), .tail = S("```")},
    {.name = "granite", .shape = CALL_LIST, .open = S("<|tool_call|>"), NAME_ARGUMENTS,
     .sign = S("<|tool_call|>")},
    {.name = "granite-20b", .shape = CALL_OBJECT, .open = S("<function_call>"), NAME_ARGUMENTS},
    {.name = "phi4", .shape = CALL_LIST, .open = S("<|tool_call|>"), .close = S("<|/tool_call|>"),
     NAME_ARGUMENTS, .sign = S("<|/tool|>")},
    {.name = "command-r", .shape = CALL_LIST, .lines = true, .open = S("Action:"), .lead = S("```json"),
     .tail = S("```"), .name_key = S("tool_name"), .arguments_key = S("parameters")},
    {.name = "command-r7b", .shape = CALL_LIST, .open = S("<|START_ACTION|>"),
     .close = S("<|END_ACTION|>"), .name_key = S("tool_name"), .arguments_key = S("parameters"),
     .noise = {S("<|START_RESPONSE|>"), S("<|END_RESPONSE|>"), S("<|START_TEXT|>"), S("<|END_TEXT|>")}},
    {.name = "gpt-oss", .shape = CALL_NAMED, .open = S("to=functions."),
     .behind_name = S("<|message|>"), .skips = true, .filler = S(" <|constrain|>json"),
     .close = S("<|call|>"), .close_ends = true,
     .noise = {S("<|start|>assistant"), S("<|channel|>commentary"), S("<|channel|>analysis"),
               S("<|channel|>final"), S("<|message|>"), S("<|end|>")}},
    {.name = "kimi", .shape = CALL_NAMED, .open = S("<|tool_call_begin|>"), .lead = S("functions."),
     .behind_name = S("<|tool_call_argument_begin|>"), .skips = true, .filler = S(":0"),
     .close = S("<|tool_call_end|>"),
     .noise = {S("<|tool_calls_section_begin|>"), S("<|tool_calls_section_end|>")},
     .sign = S("<|tool_call_begin|>")},
    {.name = "functionary", .shape = CALL_NAMED, .open = S(">>>"), .noise = {S(">>>all\n")}},
    {.name = "functionary-v3.1", .shape = CALL_NAMED, .open = S("<function="),
     .behind_name = S(">"), .close = S("</function>")},
    {.name = "nemotron", .shape = CALL_LIST, .open = S("<TOOLCALL>"), .close = S("</TOOLCALL>"),
     NAME_ARGUMENTS},
    {.name = "functools", .shape = CALL_LIST, .open = S("functools"), NAME_ARGUMENTS,
     .sign = S("functools[")},
    {.name = "tool-calls", .shape = CALL_LIST, .open = S("<tool_calls>"),
     .close = S("</tool_calls>"), NAME_ARGUMENTS, .sign = S("<tool_calls>")},
    {.name = "lfm2", .shape = CALL_PYTHON, .open = S("<|tool_call_start|>"),
     .close = S("<|tool_call_end|>"), .sign = S("List of tools: ")},
    {.name = "gemma", .shape = CALL_OBJECT, .lines = true, .open = S("```json"), .close = S("```"),
     .name_key = S("name"), .arguments_key = S("parameters"), .sign = S("<start_of_turn>")},
    /* Its open is a mark that only some of its models write, so it is the last one to be tried. */
    {.name = "llama3", .shape = CALL_OBJECT, .open = S("<|python_tag|>"), .bare = true,
     .name_key = S("name"), .arguments_key = S("parameters")},
    {.name = "python", .shape = CALL_PYTHON, .open = S("<|python_start|>"),
     .close = S("<|python_end|>"), .bare = true},
};
/* clang-format on */

const size_t call_format_count = ARRAY_LEN(call_formats);

const struct call_format *call_format_generic(void)
{
    return &call_formats[0];
}

const struct call_format *call_format_named(const char *name)
{
    for (size_t i = 0; i < call_format_count; i++)
        if (!strcmp(call_formats[i].name, name)) return &call_formats[i];
    return NULL;
}
