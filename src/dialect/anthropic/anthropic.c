/* SPDX-License-Identifier: Apache-2.0 */
#include "dialect/anthropic/anthropic_priv.h"
#include "dialect/peek.h"

const struct dialect dialect_anthropic = {
    .name = "anthropic",
    .peek = anthropic__peek,
    .splice = splice_name,
    .choices = one_choice,
    .reader = &anthropic__reader,
    .write_error = anthropic__write_error,
    .write_error_event = anthropic__write_error_event,
    .id_header = STR_INIT("request-id"),
    .ping = STR_INIT("event: ping\ndata: {\"type\":\"ping\"}\n\n"),
    .tells_errors = true,
    .is_error = anthropic__is_error,
};
