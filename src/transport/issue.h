/* SPDX-License-Identifier: Apache-2.0 */
/* Makes certificates: a CA of one's own, and certificates that it signs. Keys are EC P-256. Any
 * thread. */
#ifndef HOSTLER_TRANSPORT_ISSUE_H
#define HOSTLER_TRANSPORT_ISSUE_H

#include "base/base.h"
#include "base/buf.h"
#include "base/str.h"
#include "transport/certificate.h"

enum {
    ISSUE_CA_DAYS = 3652,        /* ten years */
    ISSUE_DAYS = 397,            /* what browsers take at most, less one */
    ISSUE_COMMON_NAME_MAX = 64,  /* X.520 */
    ISSUE_BACKDATED_S = 60 * 60, /* clients' clocks may be behind */
};

/* A certificate and its private key, as PEM text. */
struct issued {
    struct buf certificate;
    struct buf key; /* secret */
};

void issued_fini(struct issued *made); /* wipes the key; fine on a zeroed one */

/* Whether `name` may stand in a certificate: a host name, with `*.` before it or not, an IP address
 * without brackets, or a URI. */
bool issue_name_ok(struct str name);

/* A CA with `common_name`, at most ISSUE_COMMON_NAME_MAX bytes of it, that signs itself. Valid from
 * ISSUE_BACKDATED_S before `now_s`, for ISSUE_CA_DAYS. 0: *made is to be finished. -ENOMEM, or
 * ERR_INVALID, and *why says what is wrong. */
MUST_CHECK int issue_ca(struct str common_name, int64_t now_s, struct issued *made,
                        struct certificate_why *why);

/* A certificate for servers and clients that goes by `names`, one at least, all of them ok; its common
 * name is the first that fits. Signed by `ca`, whose certificates follow it in the text. Valid for
 * ISSUE_DAYS, or as long as its CA is. As issue_ca; ERR_INVALID also when `ca` is none, has
 * expired, or `ca_key` is not its key. */
MUST_CHECK int issue_certificate(const struct certificate *ca, const struct certificate_key *ca_key,
                                 const struct str *names, size_t name_count, int64_t now_s,
                                 struct issued *made, struct certificate_why *why);

#endif
