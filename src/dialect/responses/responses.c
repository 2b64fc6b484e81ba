/* SPDX-License-Identifier: Apache-2.0 */
#include "dialect/responses/responses_priv.h"

#include "dialect/openai/errors.h"
#include "dialect/peek.h"

const struct dialect dialect_responses = {
    .name = "responses",
    .peek = responses__peek,
    .splice = splice_name,
    .choices = one_choice,
    .reader = &responses__reader,
    .write_error = openai_write_error,
    .write_error_event = responses__write_error_event,
    .ping = STR_INIT(": ping\n\n"),
    .tells_errors = true,
    .is_error = openai_is_error,
};
