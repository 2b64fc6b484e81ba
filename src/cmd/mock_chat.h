/* SPDX-License-Identifier: Apache-2.0 */
/* Writes scripted chats: what the slices of mock_answer.h cannot say. One choice.
 *
 * t->memo is the request's struct mock_knobs. Strings of events are kept as they are: they must
 * outlive the writer. */
#ifndef HOSTLER_CMD_MOCK_CHAT_H
#define HOSTLER_CMD_MOCK_CHAT_H

#include "dialect/pivot.h"

extern const struct answer_writer_ops mock_chat_writer;

#endif
