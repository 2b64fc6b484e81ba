/* SPDX-License-Identifier: Apache-2.0 */
#include "dialect/responses/responses.h"

const struct wording responses_wording[] = {
    {"messages", "input", .alone = true},
    {"response_format.json_schema", "text.format", false},
    {"response_format", "text.format", false},
    {"verbosity", "text.verbosity", false},
    {"tools[].function", "tools[]", false},
    {"tool_choice.function", "tool_choice", false},
    {"reasoning_effort", "reasoning.effort", false},
    {"max_tokens", "max_output_tokens", false},
    {NULL, NULL, false},
};
