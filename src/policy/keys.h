/* SPDX-License-Identifier: Apache-2.0 */
/* API keys: who is asking, and which models they may use.
 *
 * A keyring is built from a configuration, holds only salted SHA-256 digests, never changes, and
 * is reference-counted; any thread may use it. A presented key is digested and looked up by
 * digest, and the digests are compared in constant time. A thread knows the keys that it found
 * lately again by a keyed tag, which costs a tenth; tags are compared in constant time, too, and
 * end with their keyring, because each has a key of its own. */
#ifndef HOSTLER_POLICY_KEYS_H
#define HOSTLER_POLICY_KEYS_H

#include "base/base.h"
#include "base/str.h"
#include "conf/conf.h"
#include "policy/digest.h"
#include "policy/key_labels.h"

struct keyring;
struct key;

/* Copies what it needs; `conf` may go after. -ENOMEM or ERR_WRONG_STATE when libcrypto lacks SHA-256. */
MUST_CHECK int keyring_new(const struct conf *conf, struct keyring **out);

/* Gives each key the place at which its requests are counted. Before another thread has the keyring;
 * without it all have KEY_LABEL_OTHER. */
void keyring_label(struct keyring *k, struct key_labels *labels);

struct keyring *keyring_ref(struct keyring *k);
void keyring_unref(struct keyring *k);

/* False when no keys are configured: then everybody on a loopback listener may ask. */
bool keyring_required(const struct keyring *k);

/* *out: the key that was presented (without "Bearer "), or NULL. Valid while the keyring is. Each
 * worker brings its own digester. ERR_WRONG_STATE: libcrypto has no memory, and nobody knows. */
MUST_CHECK int keyring_find(const struct keyring *k, struct digester *d, struct str presented,
                            const struct key **out);

/* For logs and metrics; never the secret. */
struct str key_name(const struct key *key);

/* Where a request with that key (NULL: without one) is counted: a place in the process's key_labels. */
unsigned key_label(const struct key *key);

/* 16 hexadecimal digits of a hash of the name, the same in every process: tells keys apart where
 * their names are nobody's business. Borrowed from the keyring. */
struct str key_tenant(const struct key *key);

/* True when one of the key's patterns ("*", "prefix*", or a name) matches. Ask for the name as
 * requested and, when that was an alias, for the service's own name: either suffices. NULL (no
 * keys configured) allows all. */
bool key_allows(const struct key *key, struct str model);

#endif
