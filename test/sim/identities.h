/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates and contexts of TLS for tests: files in a folder of their own, made when the test
 * begins. Whatever cannot be made aborts. */
#ifndef HOSTLER_TEST_IDENTITIES_H
#define HOSTLER_TEST_IDENTITIES_H

#include "base/base.h"
#include "base/str.h"
#include "transport/tls_context.h"

enum { IDENTITIES_PATH = 200 };

/* A folder of PEM files, and two authorities. */
struct identities {
    char folder[64];
    char ca[IDENTITIES_PATH];       /* that tests trust */
    char stranger[IDENTITIES_PATH]; /* and one that they do not */
};

/* A certificate and its key. */
struct identity {
    char certificate[IDENTITIES_PATH];
    char key[IDENTITIES_PATH];
};

void identities_init(struct identities *all);
void identities_fini(struct identities *all); /* removes the folder */

/* Makes, or makes anew, the files NAME.pem and NAME.key: a certificate for `host`, signed by the
 * authority in that file. */
void identity_make(struct identities *all, const char *ca, const char *name, const char *host,
                   struct identity *out);

/* The same, by an authority NAME-ca.pem of its own, both valid until `seconds` from now. */
void identity_make_dying(struct identities *all, unsigned seconds, const char *name,
                         const char *host, struct identity *out);

/* The pin of its key. */
void identity_pin(const struct identity *identity, char out[64]);

/* As tls_context_new; errors abort. */
struct tls_context *context_make(const struct tls_settings *settings);

/* A server with one identity, and a client that trusts `ca`. */
struct tls_context *context_server(const struct identity *identity);
struct tls_context *context_client(const char *ca);

#endif
