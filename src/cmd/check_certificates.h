/* SPDX-License-Identifier: Apache-2.0 */
/* What is in the certificates' files that a configuration names. */
#ifndef HOSTLER_CMD_CHECK_CERTIFICATES_H
#define HOSTLER_CMD_CHECK_CERTIFICATES_H

#include "conf/conf.h"

/* Adds to `problems` what keeps TLS from working: files that do not parse, have expired, do not fit
 * their key; and to `warnings` certificates that expire within two weeks. */
void check_certificates(const struct conf *c, struct conf_problems *problems,
                        struct conf_problems *warnings);

#endif
