/* SPDX-License-Identifier: Apache-2.0 */
/* How an engine process is started: its program, arguments and environment. */
#ifndef HOSTLER_NODE_ENGINE_COMMAND_H
#define HOSTLER_NODE_ENGINE_COMMAND_H

#include "base/arena.h"
#include "base/base.h"
#include "conf/conf.h"
#include "mesh/endpoint.h"

/* The arguments, NULL-terminated: of our own engine, or of the configured command with ${socket}
 * and ${port} replaced by the endpoint's address. `e` is a supervised endpoint. */
char **engine_arguments(struct arena *arena, const struct endpoint *e);

/* NAME=value, NULL-terminated: what the configuration adds to what the child inherits. Our own
 * engine, which parses files of others, inherits a short list; a command inherits all but what is
 * ours: our own settings, what the service manager said to us, and what secrets of the
 * configuration came from. */
char **engine_environment(struct arena *arena, const struct conf_engine *c);

#endif
