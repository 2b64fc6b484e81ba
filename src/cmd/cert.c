/* SPDX-License-Identifier: Apache-2.0 */
/* hostler cert: makes, shows and checks certificates. */
#include "cmd/cert_priv.h"
#include "cmd/cmd.h"

static const struct cli_command *const parts[] = {&cert_init, &cert_show, &cert_check, NULL};

const struct cli_command cmd_cert = {
    .name = "cert",
    .about = "make, show and check certificates for TLS",
    .usage = "init DIR [--name NAME]... [--force]\n"
             "show FILE... [--json]\n"
             "check FILE... [--key FILE] [--ca FILE] [--name NAME]... [--days N]",
    .text = "Makes, shows and checks certificates. docs/tls.md tells what they are for.",
    .parts = parts,
    .notes = "Exit codes: 0 done, 1 failed, 2 wrong usage.",
    .examples = "hostler cert init tls --name llm.example.org\n"
                "hostler cert show tls/node.pem\n"
                "hostler cert check tls/node.pem --key tls/node.key --ca tls/ca.pem --days 30",
    .run = cli_run_part,
};
