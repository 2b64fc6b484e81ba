/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/standing.h"

#include "base/clock.h"
#include "base/err.h"
#include "engine/fair.h"
#include "engine/refuse.h"

enum { TENANT_DIGITS = 16 };

static int digit_of(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

static bool read_tenant(struct str text, uint64_t *out)
{
    uint64_t tenant = 0;
    if (text.len != TENANT_DIGITS) return false;
    for (size_t i = 0; i < text.len; i++) {
        int digit = digit_of(text.ptr[i]);
        if (digit < 0) return false;
        tenant = tenant << 4 | (unsigned)digit;
    }
    *out = tenant;
    return true;
}

static bool read_priority(struct str text, uint64_t *out)
{
    return str_to_u64(text, out) == 0 && *out <= FAIR_CLASS_TOP;
}

static bool read_milliseconds(struct str text, uint64_t *out)
{
    return str_to_u64(text, out) == 0 && *out <= UINT32_MAX;
}

/* A header that may be missing. Written to *out only where it is there. */
static int read_header(const struct http_call *call, const char *name,
                       bool (*read)(struct str text, uint64_t *out), const char *wanted,
                       uint64_t *out, struct refusal *error)
{
    struct str text = http_head_get_name(call->head, str_of(name));
    if (!text.ptr || read(text, out)) return 0;
    return refuse_field(call->arena, error, NULL, NULL, "The header '%s' must be %s.", name,
                        wanted);
}

int standing_read(const struct http_call *call, uint64_t now_us, struct standing *out,
                  struct refusal *error)
{
    uint64_t priority = FAIR_CLASS_STANDARD, left_ms = UINT64_MAX;
    *out = (struct standing){.priority = FAIR_CLASS_STANDARD};
    if (!str_eq(call->peer, STR("unix"))) return 0;
    int err = read_header(call, "x-hostler-tenant", read_tenant, "16 hexadecimal digits",
                          &out->tenant, error);
    if (!err)
        err = read_header(call, "x-hostler-priority", read_priority, "a number from 0 to 9",
                          &priority, error);
    if (!err)
        err = read_header(call, "x-hostler-deadline", read_milliseconds,
                          "a number of milliseconds, at most 4294967295", &left_ms, error);
    if (err) return err;
    out->priority = (uint8_t)priority;
    out->deadline_us = left_ms == UINT64_MAX ? 0 : now_us + left_ms * USEC_PER_MS;
    return 0;
}
