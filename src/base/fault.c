/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fault.h"

#ifdef HOSTLER_FAULTS

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sanitizer/common_interface_defs.h>

static const char *const names[FAULT_KIND_COUNT] = {
#define X(kind, name) [FAULT_##kind] = name,
    FAULT_KINDS(X)
#undef X
};

static struct {
    _Atomic uint64_t points[FAULT_KIND_COUNT];
    _Atomic uint64_t nth; /* which one of the armed kind; 0: nothing is armed */
    atomic_uint kind;
    atomic_bool onward;
    atomic_bool fired;
} state;

static _Thread_local unsigned held;

/* HOSTLER_FAULT_TRACE=1 shows where each failure is. */
static void tell(enum fault_kind kind, uint64_t n)
{
    if (!getenv("HOSTLER_FAULT_TRACE")) return;
    fprintf(stderr, "fault: %s:%llu\n", names[kind], (unsigned long long)n);
    __sanitizer_print_stack_trace();
}

bool fault_point(enum fault_kind kind)
{
    if (held) return false;
    uint64_t n = atomic_fetch_add(&state.points[kind], 1) + 1, nth = atomic_load(&state.nth);
    if (nth == 0 || kind != atomic_load(&state.kind)) return false;
    bool fails = n == nth || (n > nth && atomic_load(&state.onward));
    if (!fails) return false;
    atomic_store(&state.fired, true);
    held++;
    tell(kind, n);
    held--;
    return true;
}

void fault_hold(void)
{
    held++;
}

void fault_release(void)
{
    assert(held > 0);
    held--;
}

void fault_arm(enum fault_kind kind, uint64_t n, bool onward)
{
    for (unsigned i = 0; i < FAULT_KIND_COUNT; i++)
        atomic_store(&state.points[i], 0);
    atomic_store(&state.fired, false);
    atomic_store(&state.kind, kind);
    atomic_store(&state.onward, onward);
    atomic_store(&state.nth, n);
}

void fault_disarm(void)
{
    atomic_store(&state.nth, 0);
}

uint64_t fault_points(enum fault_kind kind)
{
    return atomic_load(&state.points[kind]);
}

bool fault_fired(void)
{
    return atomic_load(&state.fired);
}

const char *fault_name(enum fault_kind kind)
{
    return names[kind];
}

/* --- processes --- */

static void print_points(void)
{
    fprintf(stderr, "fault points:");
    for (unsigned i = 0; i < FAULT_KIND_COUNT; i++)
        fprintf(stderr, " %s:%llu", names[i], (unsigned long long)fault_points(i));
    fprintf(stderr, "\n");
}

static NORETURN void misunderstood(const char *text)
{
    fprintf(stderr, "HOSTLER_FAULT=%s: say KIND:N, KIND:N+ or count\n", text);
    _Exit(64);
}

static void arm_by(const char *text)
{
    char *end;
    size_t len = strcspn(text, ":");
    unsigned kind = 0;
    while (kind < FAULT_KIND_COUNT &&
           (strlen(names[kind]) != len || memcmp(names[kind], text, len) != 0))
        kind++;
    uint64_t n = text[len] ? strtoull(text + len + 1, &end, 10) : 0;
    if (kind == FAULT_KIND_COUNT || n == 0 || (*end && strcmp(end, "+") != 0)) misunderstood(text);
    fault_arm(kind, n, *end == '+');
}

__attribute__((constructor)) static void read_environment(void)
{
    const char *text = getenv("HOSTLER_FAULT");
    if (!text || !*text) return;
    if (strcmp(text, "count") == 0)
        atexit(print_points);
    else
        arm_by(text);
}

#endif
