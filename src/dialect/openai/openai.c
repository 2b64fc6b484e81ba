/* SPDX-License-Identifier: Apache-2.0 */
#include "dialect/openai/openai_priv.h"

const struct dialect dialect_openai = {
    .name = "openai",
    .peek = openai__peek,
    .splice = openai__splice,
    .choices = openai__choices,
    .reader = &openai__reader,
    .write_error = openai_write_error,
    .write_error_event = openai__write_error_event,
};
