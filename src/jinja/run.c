/* SPDX-License-Identifier: Apache-2.0 */
#include "jinja/run.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"

enum { STEPS_PER_CLOCK = 2048 };

void jinja__locate(struct jinja_error *why, struct str source, uint32_t at)
{
    why->line = 1;
    why->column = 1;
    for (size_t i = 0; i < at && i < source.len; i++) {
        unsigned char c = (unsigned char)source.ptr[i];
        if (c == '\n') {
            why->line++;
            why->column = 1;
        } else if ((c & 0xc0) != 0x80) {
            why->column++;
        }
    }
}

int run_fail(struct run *r, int code, const char *fmt, ...)
{
    if (r->failure) return r->failure;
    r->failure = code;
    r->steps_left = 0;
    jinja__locate(r->why, r->source, r->at);
    va_list args;
    va_start(args, fmt);
    vsnprintf(r->why->text, sizeof r->why->text, fmt, args);
    va_end(args);
    return code;
}

int run_charge_slowly(struct run *r, uint64_t steps)
{
    if (r->failure) return r->failure;
    if (steps >= r->steps_left) return run_fail(r, ERR_TOO_LARGE, "too many steps");
    r->steps_left -= steps;
    r->until_clock = STEPS_PER_CLOCK;
    if (r->deadline && clock_mono_us() > r->deadline)
        return run_fail(r, ERR_TIMEOUT, "took too long");
    return 0;
}

/* Whether the arena refused for its cap, or the system for want of memory. */
static int lacking(struct run *r, size_t size)
{
    size_t used = arena_used(r->arena);
    bool fits = used < r->arena->cap && size <= r->arena->cap - used;
    return run_fail(r, fits ? -ENOMEM : ERR_TOO_LARGE, fits ? "out of memory" : "too much memory");
}

int run_alloc(struct run *r, size_t count, size_t size, void *out)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX / 4)
        return run_fail(r, ERR_TOO_LARGE, "too much memory");
    void *taken = arena_try(r->arena, bytes ? bytes : 1);
    if (!taken) return lacking(r, bytes);
    memcpy(out, &taken, sizeof taken);
    return 0;
}

int run_grow(struct run *r, void *items, size_t count, size_t *cap, size_t size)
{
    void *old, *grown;
    if (count < *cap) return 0;
    size_t wanted = MAX(*cap * 2, (size_t)8);
    int err = run_alloc(r, wanted, size, &grown);
    if (err) return err;
    memcpy(&old, items, sizeof old);
    if (count) memcpy(grown, old, count * size);
    memcpy(items, &grown, sizeof grown);
    *cap = wanted;
    return 0;
}

int run_enter(struct run *r)
{
    if (++r->depth <= RUN_DEPTH_MAX) return 0;
    return run_fail(r, ERR_DEPTH, "nested too deeply");
}
