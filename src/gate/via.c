/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/via.h"

#include <string.h>

/* An entry is "1.1 name (comment)"; the name may be a host with its port. */
struct entry {
    struct str protocol;
    struct str name;
};

/* Cuts off what stands before the first blank. */
static struct str cut_word(struct str *rest)
{
    size_t len = 0;
    while (len < rest->len && rest->ptr[len] != ' ' && rest->ptr[len] != '\t')
        len++;
    struct str word = str_sub(*rest, 0, len);
    *rest = str_trim(str_skip(*rest, len));
    return word;
}

static struct entry read_entry(struct str text)
{
    struct entry e;
    e.protocol = cut_word(&text);
    e.name = cut_word(&text);
    return e;
}

/* The next entry of all Via fields: *at and *rest remember where, 0 and ptr NULL at first. */
static bool next_entry(const struct http_head *head, unsigned *at, struct str *rest,
                       struct entry *out)
{
    struct str piece;
    while (!str_cut(rest, ',', &piece))
        if (!http_head_next(head, HDR_VIA, at, rest)) return false;
    *out = read_entry(str_trim(piece));
    return true;
}

static bool is_hostler(const struct entry *e)
{
    if (!str_starts_nocase(e->name, STR(VIA_PSEUDONYM))) return false;
    struct str number = str_skip(e->name, sizeof VIA_PSEUDONYM - 1);
    for (size_t i = 0; i < number.len; i++) {
        char c = number.ptr[i];
        if ((c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z')) return false;
    }
    return true;
}

bool via_loops(const struct http_head *head, struct str own)
{
    struct str rest = STR_NULL, name = read_entry(own).name;
    struct entry e;
    unsigned at = 0, hops = 0;
    while (next_entry(head, &at, &rest, &e)) {
        hops += is_hostler(&e);
        if (hops > VIA_HOPS_MAX || str_eq_nocase(e.name, name)) return true;
    }
    return false;
}

/* "1.1", "2", "HTTP/1.0". What is none is no entry, but the rest of a comment with a comma. */
static bool is_protocol(struct str s)
{
    if (str_starts_nocase(s, STR("HTTP/"))) s = str_skip(s, sizeof "HTTP/" - 1);
    for (size_t i = 0; i < s.len; i++)
        if ((s.ptr[i] < '0' || s.ptr[i] > '9') && s.ptr[i] != '.') return false;
    return s.len > 0;
}

static bool next_onward(const struct http_head *head, unsigned *at, struct str *rest,
                        struct entry *out)
{
    while (next_entry(head, at, rest, out)) {
        if (!is_protocol(out->protocol) || !out->name.len) continue;
        if (!is_hostler(out)) out->name = STR("proxy");
        return true;
    }
    return false;
}

/* Bytes of the client's entries as they are passed on, each with what separates it. */
static size_t onward_size(const struct http_head *head)
{
    struct str rest = STR_NULL;
    struct entry e;
    unsigned at = 0;
    size_t size = 0;
    while (next_onward(head, &at, &rest, &e))
        size += e.protocol.len + sizeof " " - 1 + e.name.len + sizeof ", " - 1;
    return size;
}

struct str via_onward(struct arena *arena, const struct http_head *head, struct str own)
{
    size_t size = onward_size(head);
    struct str rest = STR_NULL;
    struct entry e;
    unsigned at = 0;
    if (size == 0) return own;
    char *value = arena_try(arena, size + own.len), *end = value;
    if (!value) return STR_NULL;
    while (next_onward(head, &at, &rest, &e)) {
        end = mempcpy(end, e.protocol.ptr, e.protocol.len);
        *end++ = ' ';
        end = mempcpy(end, e.name.ptr, e.name.len);
        end = mempcpy(end, ", ", 2);
    }
    memcpy(end, own.ptr, own.len);
    return str_n(value, size + own.len);
}
