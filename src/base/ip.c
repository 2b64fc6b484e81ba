/* SPDX-License-Identifier: Apache-2.0 */
#include "base/ip.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/err.h"

enum { V4_BITS = 96, ALL_BITS = 128 };

/* What an IPv4 address begins with. */
static const uint8_t mapped[V4_BITS / 8] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static bool is_v4(const struct ip *a)
{
    return memcmp(a->bytes, mapped, sizeof mapped) == 0;
}

int ip_parse(struct str text, struct ip *out)
{
    char copy[IP_TEXT_ROOM];
    struct ip a;
    if (text.len == 0 || text.len >= sizeof copy) return ERR_SYNTAX;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    if (strlen(copy) != text.len) return ERR_SYNTAX;
    memcpy(a.bytes, mapped, sizeof mapped);
    if (inet_pton(AF_INET, copy, a.bytes + sizeof mapped) != 1 &&
        inet_pton(AF_INET6, copy, a.bytes) != 1)
        return ERR_SYNTAX;
    *out = a;
    return 0;
}

static bool is_port(struct str text)
{
    uint64_t port;
    if (str_starts(text, STR("_"))) return text.len > 1;
    return text.len <= 5 && str_to_u64(text, &port) == 0 && port <= UINT16_MAX;
}

/* ":80" or nothing. */
static bool is_port_part(struct str text)
{
    return text.len == 0 || (text.ptr[0] == ':' && is_port(str_skip(text, 1)));
}

int ip_parse_node(struct str text, struct ip *out)
{
    ptrdiff_t colon = str_find_char(text, ':');
    if (str_starts(text, STR("["))) {
        ptrdiff_t end = str_find_char(text, ']');
        if (end < 0 || !is_port_part(str_skip(text, (size_t)end + 1))) return ERR_SYNTAX;
        struct str inside = str_sub(text, 1, (size_t)end - 1);
        return str_find_char(inside, ':') < 0 ? ERR_SYNTAX : ip_parse(inside, out);
    }
    if (colon < 0 || str_find_char(str_skip(text, (size_t)colon + 1), ':') >= 0)
        return ip_parse(text, out);
    if (!is_port_part(str_skip(text, (size_t)colon))) return ERR_SYNTAX;
    return ip_parse(str_sub(text, 0, (size_t)colon), out);
}

struct str ip_text(const struct ip *a, char room[IP_TEXT_ROOM])
{
    const void *bytes = is_v4(a) ? a->bytes + sizeof mapped : a->bytes;
    return str_of(inet_ntop(is_v4(a) ? AF_INET : AF_INET6, bytes, room, IP_TEXT_ROOM));
}

/* "8" as the number of bits of an address that has at most `most`; no sign, no leading zero. */
static int parse_bits(struct str text, unsigned most, unsigned *out)
{
    uint64_t bits;
    bool padded = text.len > 1 && text.ptr[0] == '0';
    if (text.len > 3 || padded || str_to_u64(text, &bits) || bits > most) return ERR_SYNTAX;
    *out = (unsigned)bits;
    return 0;
}

/* Whether the first `bits` bits of both are the same. */
static bool same_prefix(const struct ip *a, const struct ip *b, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;
    if (memcmp(a->bytes, b->bytes, whole) != 0) return false;
    return rest == 0 || (a->bytes[whole] ^ b->bytes[whole]) >> (8 - rest) == 0;
}

/* Whether all bits behind the prefix are 0. */
static bool ends_with_prefix(const struct ip *a, unsigned bits)
{
    for (unsigned i = bits; i < ALL_BITS; i++)
        if (a->bytes[i / 8] >> (7 - i % 8) & 1) return false;
    return true;
}

int ip_network_parse(struct str text, struct ip_network *out)
{
    struct ip_network n = {.bits = ALL_BITS};
    struct str rest = text, address;
    str_cut(&rest, '/', &address);
    if (!text.len || ip_parse(address, &n.base)) return ERR_SYNTAX;
    if (rest.ptr) {
        bool short_form = str_find_char(address, ':') < 0; /* counts from the address's own bits */
        unsigned before = short_form ? V4_BITS : 0;
        if (parse_bits(rest, ALL_BITS - before, &n.bits)) return ERR_SYNTAX;
        n.bits += before;
    }
    if (!ends_with_prefix(&n.base, n.bits)) return ERR_RANGE;
    *out = n;
    return 0;
}

bool ip_network_has(const struct ip_network *n, const struct ip *a)
{
    bool v4 = n->bits >= V4_BITS && is_v4(&n->base);
    return is_v4(a) == v4 && same_prefix(&n->base, a, n->bits);
}

bool ip_networks_have(const struct ip_network *all, size_t count, const struct ip *a)
{
    for (size_t i = 0; i < count; i++)
        if (ip_network_has(&all[i], a)) return true;
    return false;
}
