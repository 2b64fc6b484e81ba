/* SPDX-License-Identifier: Apache-2.0 */
/* IP addresses and networks of them, as settings and messages write them.
 *
 * There is one form for both families: an IPv4 address is the IPv6 address that maps it
 * (::ffff:a.b.c.d, RFC 4291 section 2.5.5.2), so that a peer is the same whichever kind of socket
 * it came by. Pure functions. */
#ifndef HOSTLER_BASE_IP_H
#define HOSTLER_BASE_IP_H

#include "base/base.h"
#include "base/str.h"

struct ip {
    uint8_t bytes[16]; /* in network order */
};

/* All addresses that begin with the first `bits` bits of `base`. */
struct ip_network {
    struct ip base;
    unsigned bits; /* 0 to 128; of an IPv4 network at least 96 */
};

/* "192.0.2.1", "2001:db8::1"; no zone, no port. ERR_SYNTAX. */
MUST_CHECK int ip_parse(struct str text, struct ip *out);

/* An address as peers and proxies tell it, perhaps with a port: "192.0.2.1", "192.0.2.1:80",
 * "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:80". The port may also be an obfuscated one,
 * "_word" (RFC 7239 section 6.3). ERR_SYNTAX. */
MUST_CHECK int ip_parse_node(struct str text, struct ip *out);

/* "192.0.2.1", "2001:db8::1", written into `room`. */
enum { IP_TEXT_ROOM = 46 };
struct str ip_text(const struct ip *a, char room[IP_TEXT_ROOM]);

/* "10.0.0.0/8", "fd00::/8", or one address. ERR_SYNTAX: that is no network; ERR_RANGE: the address
 * has bits behind the prefix, so that one of the two is not what was meant. */
MUST_CHECK int ip_network_parse(struct str text, struct ip_network *out);

/* A network of IPv6 has no address of IPv4 in it, however short its prefix. */
bool ip_network_has(const struct ip_network *n, const struct ip *a);

/* True when one of them has it. */
bool ip_networks_have(const struct ip_network *all, size_t count, const struct ip *a);

#endif
