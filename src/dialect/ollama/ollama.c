/* SPDX-License-Identifier: Apache-2.0 */
#include "dialect/ollama/ollama_priv.h"
#include "dialect/ollama/purpose.h"
#include "dialect/peek.h"

const struct dialect dialect_ollama = {
    .name = "ollama",
    .other_name = ollama_name,
    .peek = ollama__peek,
    .splice = splice_name,
    .choices = one_choice,
    .reader = &ollama__reader,
    .write_error = ollama__write_error,
    .write_error_event = ollama__write_error_event,
    .tells_errors = true,
    .is_error = ollama__is_error,
};
