/* SPDX-License-Identifier: Apache-2.0 */
#include "dialect/anthropic/claude.h"

enum { NEWEST = 9900 }; /* of names without a number, such as previews */

/* How many digits `s` begins with. */
static size_t digits(struct str s)
{
    size_t n = 0;
    while (n < s.len && s.ptr[n] >= '0' && s.ptr[n] <= '9')
        n++;
    return n;
}

static unsigned number(struct str s, size_t n)
{
    unsigned value = 0;
    for (size_t i = 0; i < n; i++)
        value = value * 10 + (unsigned)(s.ptr[i] - '0');
    return value;
}

/* True for the digits of a version; more are a date. */
static bool is_version(size_t n)
{
    return n == 1 || n == 2;
}

/* "opus-4-6" is 406, "3-7-sonnet-20250219" is 307, "sonnet-4-20250514" is 400. */
static unsigned version_of(struct str name)
{
    size_t n = digits(name);
    while (name.len && !is_version(n)) {
        name = str_skip(name, MAX(n, 1u));
        n = digits(name);
    }
    if (name.len == 0) return NEWEST;
    unsigned version = number(name, n) * 100;
    name = str_skip(name, n);
    if (name.len == 0 || (name.ptr[0] != '-' && name.ptr[0] != '.')) return version;
    name = str_skip(name, 1);
    n = digits(name);
    return is_version(n) ? version + number(name, n) : version;
}

struct claude claude_of(struct str model)
{
    ptrdiff_t at = str_find(model, STR("claude-"));
    if (at < 0) return (struct claude){.keeps_sampling = true};
    struct str name = str_skip(model, (size_t)at + 7);
    unsigned version = version_of(name);
    bool always = str_find(name, STR("fable")) >= 0 || str_find(name, STR("mythos")) >= 0;
    return (struct claude){
        .known = true,
        .adaptive = version >= 406,
        .thinks = version >= 500 || always,
        .always_thinks = always,
        .xhigh = version >= 407,
        .keeps_sampling = version < 407,
    };
}
