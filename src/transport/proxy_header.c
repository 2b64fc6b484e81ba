/* SPDX-License-Identifier: Apache-2.0 */
#include "transport/proxy_header.h"

#include <string.h>

/* The fixed part: signature, version and command, family and protocol, length of the rest. */
enum { SIGNATURE = 12, VERSION_AT = 12, FAMILY_AT = 13, LENGTH_AT = 14, FIXED = 16 };

static const char signature[SIGNATURE] = {'\r', '\n', '\r', '\n', '\0', '\r',
                                          '\n', 'Q',  'U',  'I',  'T',  '\n'};

enum { COMMAND_LOCAL = 0, COMMAND_PROXY = 1 };

/* The address block of a family: two addresses, then two ports. */
enum family {
    FAMILY_UNKNOWN = 0x00,
    FAMILY_TCP4 = 0x11,
    FAMILY_UDP4 = 0x12,
    FAMILY_TCP6 = 0x21,
    FAMILY_UDP6 = 0x22,
    FAMILY_UNIX_STREAM = 0x31,
    FAMILY_UNIX_DATAGRAM = 0x32,
};

enum { V4_SIZE = 4, V6_SIZE = 16, PORT_SIZE = 2 };

static unsigned byte_at(struct str bytes, size_t at)
{
    return (unsigned char)bytes.ptr[at];
}

static unsigned number_at(struct str bytes, size_t at)
{
    return byte_at(bytes, at) << 8 | byte_at(bytes, at + 1);
}

static enum proxy_header_outcome invalid(struct proxy_header *out, const char *why)
{
    out->why = why;
    return PROXY_HEADER_INVALID;
}

static struct ip address_at(struct str bytes, size_t at, size_t size)
{
    struct ip a = {.bytes = {[10] = 0xff, [11] = 0xff}};
    memcpy(a.bytes + sizeof a.bytes - size, bytes.ptr + at, size);
    return a;
}

/* The two ends in a block of addresses that have `size` bytes each. */
static enum proxy_header_outcome read_ends(struct str block, size_t size, struct proxy_header *out)
{
    if (block.len < 2 * (size + PORT_SIZE)) return invalid(out, "its addresses are cut off");
    out->source.address = address_at(block, 0, size);
    out->destination.address = address_at(block, size, size);
    out->source.port = (uint16_t)number_at(block, 2 * size);
    out->destination.port = (uint16_t)number_at(block, 2 * size + PORT_SIZE);
    return PROXY_HEADER_CLIENT;
}

/* What follows the addresses is skipped unread. */
static enum proxy_header_outcome read_block(unsigned family, struct str block,
                                            struct proxy_header *out)
{
    switch (family) {
    case FAMILY_TCP4: return read_ends(block, V4_SIZE, out);
    case FAMILY_TCP6: return read_ends(block, V6_SIZE, out);
    case FAMILY_UNKNOWN:
    case FAMILY_UDP4:
    case FAMILY_UDP6:
    case FAMILY_UNIX_STREAM:
    case FAMILY_UNIX_DATAGRAM: return PROXY_HEADER_LOCAL;
    default: return invalid(out, "its address family is unknown");
    }
}

static enum proxy_header_outcome check_version(struct str bytes, struct proxy_header *out)
{
    unsigned version = byte_at(bytes, VERSION_AT) >> 4, command = byte_at(bytes, VERSION_AT) & 0xf;
    if (version != 2) return invalid(out, "its version is not 2");
    if (command != COMMAND_LOCAL && command != COMMAND_PROXY)
        return invalid(out, "its command is neither LOCAL nor PROXY");
    return PROXY_HEADER_MORE;
}

/* Judges as early as it can, so that who speaks something else is not waited for. */
static enum proxy_header_outcome check_beginning(struct str bytes, struct proxy_header *out)
{
    if (memcmp(bytes.ptr, signature, MIN(bytes.len, (size_t)SIGNATURE)) != 0)
        return invalid(out, str_starts(bytes, STR("PROXY "))
                                ? "it is of version 1"
                                : "it does not begin with the signature of version 2");
    return bytes.len > VERSION_AT ? check_version(bytes, out) : PROXY_HEADER_MORE;
}

enum proxy_header_outcome proxy_header_parse(struct str bytes, struct proxy_header *out)
{
    if (bytes.len == 0) return PROXY_HEADER_MORE;
    enum proxy_header_outcome so_far = check_beginning(bytes, out);
    if (so_far == PROXY_HEADER_INVALID || bytes.len < FIXED) return so_far;
    size_t size = FIXED + number_at(bytes, LENGTH_AT);
    if (size > PROXY_HEADER_MAX) return invalid(out, "it is longer than 4096 bytes");
    if (bytes.len < size) return PROXY_HEADER_MORE;
    out->size = size;
    if ((byte_at(bytes, VERSION_AT) & 0xf) == COMMAND_LOCAL) return PROXY_HEADER_LOCAL;
    return read_block(byte_at(bytes, FAMILY_AT), str_sub(bytes, FIXED, size - FIXED), out);
}
