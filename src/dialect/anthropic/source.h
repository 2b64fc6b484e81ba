/* SPDX-License-Identifier: Apache-2.0 */
/* What runtimes answer on Anthropic's Messages API, as events of the pivot. */
#ifndef HOSTLER_DIALECT_ANTHROPIC_SOURCE_H
#define HOSTLER_DIALECT_ANTHROPIC_SOURCE_H

#include "dialect/pivot.h"

/* Of a stream or a whole message. What servers' own tools did, citations and what is not known are
 * passed over. */
extern const struct answer_source_ops anthropic_source;

#endif
