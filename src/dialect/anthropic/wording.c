/* SPDX-License-Identifier: Apache-2.0 */
#include "dialect/anthropic/messages.h"

const struct wording anthropic_wording[] = {
    {"messages", "messages", .alone = true},
    {"response_format.json_schema.schema", "output_config.format.schema", false},
    {"response_format.json_schema", "output_config.format", false},
    {"response_format", "output_config.format", false},
    {"tools[].function.parameters", "tools[].input_schema", false},
    {"tools[].function", "tools[]", false},
    {"tool_choice.function", "tool_choice", false},
    {"parallel_tool_calls", "tool_choice.disable_parallel_tool_use", false},
    {"reasoning_effort", "output_config.effort", false},
    {"stop", "stop_sequences", false},
    {"user", "metadata.user_id", false},
    {NULL, NULL, false},
};
