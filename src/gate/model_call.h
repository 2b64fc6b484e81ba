/* SPDX-License-Identifier: Apache-2.0 */
/* The handler of requests that a runtime answers: chat, completions, embeddings. */
#ifndef HOSTLER_GATE_MODEL_CALL_H
#define HOSTLER_GATE_MODEL_CALL_H

#include "gate/exchange.h"

extern const struct handler model_call_handler;

#endif
