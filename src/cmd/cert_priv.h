/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of `hostler cert`. Each takes its own name as argv[0] and returns an exit code. */
#ifndef HOSTLER_CMD_CERT_PRIV_H
#define HOSTLER_CMD_CERT_PRIV_H

#include "base/base.h"
#include "base/clock.h"

int cert_init(int argc, char **argv);  /* makes a CA and a certificate */
int cert_show(int argc, char **argv);  /* what certificates say */
int cert_check(int argc, char **argv); /* what is wrong with them */

/* Seconds since 1970 UTC. */
static inline int64_t cert_now(void)
{
    return (int64_t)(clock_wall_us() / USEC_PER_SEC);
}

#endif
