/* SPDX-License-Identifier: Apache-2.0 */
/* How long a response asks its client to wait (RFC 9110, section 10.2.3). Any thread. */
#ifndef HOSTLER_HTTP_RETRY_AFTER_H
#define HOSTLER_HTTP_RETRY_AFTER_H

#include "base/base.h"
#include "http/message.h"

/* At most this is believed. */
#define HTTP_RETRY_AFTER_MAX_US UINT64_C(3600000000)

/* The wait in microseconds from `now_wall_us` (since 1970 UTC) on; 0: none is asked for, or it
 * is over, or it is not understood. Reads retry-after-ms (milliseconds, as OpenAI's SDKs do)
 * before Retry-After: seconds, or a date in one of the three forms of section 5.6.7. Both
 * numbers may have a fraction. */
uint64_t http_retry_after(const struct http_head *head, uint64_t now_wall_us);

/* A date in one of those forms as seconds since 1970 UTC. ERR_SYNTAX. */
MUST_CHECK int http_parse_date(struct str text, uint64_t now_wall_us, int64_t *out);

#endif
