/* SPDX-License-Identifier: Apache-2.0 */
/* For those who carry calls: what they do for them. */
#ifndef HOSTLER_HTTP_CALL_IMPL_H
#define HOSTLER_HTTP_CALL_IMPL_H

#include "http/call.h"

/* As the functions of the same names in http/call.h promise. */
struct call_ops {
    void (*read_body)(struct http_call *c, size_t max);
    bool (*skip_body)(struct http_call *c); /* NULL: nothing of a body is in the way of others */
    bool (*hold)(struct http_call *c, size_t more);
    void (*begin)(struct http_call *c, int status, const struct http_field *fields, unsigned count,
                  uint64_t length);
    void (*write)(struct http_call *c, const struct str *slices, unsigned count, bool last);
    void (*end)(struct http_call *c);
    void (*abort)(struct http_call *c, bool reset);
    size_t (*pending)(const struct http_call *c);
    const struct stream_facts *(*facts)(const struct http_call *c);
    void (*set_low_mark)(struct http_call *c, size_t low);
};

/* Statuses whose answers have no body (RFC 9110 section 6.4.1). */
static inline bool call_is_bodiless(int status)
{
    return status < 200 || status == 204 || status == 304;
}

#endif
