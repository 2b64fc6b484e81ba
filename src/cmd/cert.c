/* SPDX-License-Identifier: Apache-2.0 */
/* hostler cert: makes, shows and checks certificates. */
#include <stdio.h>
#include <string.h>

#include "cmd/cert_priv.h"
#include "cmd/cli.h"
#include "cmd/cmd.h"

static const char command[] = "cert";

static const char help[] =
    "Usage: hostler cert init DIR [--name NAME]... [--force]\n"
    "       hostler cert show FILE... [--json]\n"
    "       hostler cert check FILE... [--key FILE] [--ca FILE] [--name NAME]... [--days N]\n"
    "\n"
    "  init   make a CA of your own and a certificate for this machine\n"
    "  show   print what certificates say\n"
    "  check  tell what is wrong with them\n"
    "\n"
    "hostler cert init --help explains one of them. docs/tls.md tells what they are for.\n"
    "Exit codes: 0 done, 1 failed, 2 wrong usage.\n"
    "\n"
    "Examples:\n"
    "  hostler cert init tls --name llm.example.org\n"
    "  hostler cert show tls/node.pem\n"
    "  hostler cert check tls/node.pem --key tls/node.key --ca tls/ca.pem --days 30\n";

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} parts[] = {{"init", cert_init}, {"show", cert_show}, {"check", cert_check}};

int cmd_cert(int argc, char **argv)
{
    if (argc < 2) return cli_usage(command, "say which: init, show or check");
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        fputs(help, stdout);
        return CLI_OK;
    }
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        if (strcmp(argv[1], parts[i].name) == 0) return parts[i].run(argc - 1, argv + 1);
    return cli_usage(command, "there is no `%s`", argv[1]);
}
