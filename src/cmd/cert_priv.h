/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of `hostler cert`. */
#ifndef HOSTLER_CMD_CERT_PRIV_H
#define HOSTLER_CMD_CERT_PRIV_H

#include "base/base.h"
#include "base/clock.h"
#include "cmd/command.h"

extern const struct cli_command cert_init;  /* makes a CA and a certificate */
extern const struct cli_command cert_show;  /* what certificates say */
extern const struct cli_command cert_check; /* what is wrong with them */

/* Seconds since 1970 UTC. */
static inline int64_t cert_now(void)
{
    return (int64_t)(clock_wall_us() / USEC_PER_SEC);
}

#endif
