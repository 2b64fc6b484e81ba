/* SPDX-License-Identifier: Apache-2.0 */
/* The subcommands. Each takes its own name as argv[0] and returns the program's exit code: 0
 * done, 1 failed, 2 used wrongly. */
#ifndef HOSTLER_CMD_CMD_H
#define HOSTLER_CMD_CMD_H

int cmd_bench(int argc, char **argv);
int cmd_cert(int argc, char **argv);   /* make, show and check certificates */
int cmd_check(int argc, char **argv);  /* is a configuration in order? */
int cmd_config(int argc, char **argv); /* schema, manual, metrics, show */
int cmd_chat(int argc, char **argv);
int cmd_client(int argc, char **argv);
int cmd_init(int argc, char **argv); /* write a first configuration */
int cmd_launch(int argc, char **argv);
int cmd_mock(int argc, char **argv);
int cmd_models(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_serve(int argc, char **argv);

#endif
