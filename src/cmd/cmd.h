/* SPDX-License-Identifier: Apache-2.0 */
/* The commands, each with its table in the file of its name. */
#ifndef HOSTLER_CMD_CMD_H
#define HOSTLER_CMD_CMD_H

#include "cmd/command.h"

extern const struct cli_command cmd_bench, cmd_cert, cmd_chat, cmd_check, cmd_client, cmd_config,
    cmd_init, cmd_launch, cmd_mock, cmd_models, cmd_run, cmd_serve;

#endif
