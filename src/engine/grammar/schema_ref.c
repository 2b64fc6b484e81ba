/* SPDX-License-Identifier: Apache-2.0 */
/* References within a document: "#", "#/a/pointer", "#anchor", and those that begin with the $id of a
 * schema in it. */
#include <stdio.h>

#include "base/err.h"
#include "engine/grammar/schema_priv.h"

enum { REF_SHOWN_MAX = 128 };

static bool is_text(const struct json *v, struct str *out)
{
    return json_to_str(v, out);
}

/* $id, or id in old drafts: a property of that name is an object. */
static bool id_of(const struct json *schema, struct str *out)
{
    return is_text(json_get(schema, "$id"), out) || is_text(json_get(schema, "id"), out);
}

/* --- what a document has --- */

typedef bool (*find_fn)(const struct json *v, struct str text);

/* False: too many values were looked at. */
static bool look(struct schema_job *job)
{
    return !job->err && (++job->looks % SCHEMA_LOOKS || schema__spend(job, 1));
}

/* The first value that fn holds of, parents before children, and how many there are. */
static const struct json *find(struct schema_job *job, const struct json *v, find_fn fn,
                               struct str text, size_t *count)
{
    struct json_iter it = {0};
    struct str name;
    const struct json *child, *out = NULL;
    if (!look(job)) return NULL;
    if (json_type(v) == JSON_OBJECT && fn(v, text)) {
        (*count)++;
        out = v;
    }
    while (json_type(v) == JSON_OBJECT && json_next_member(v, &it, &name, &child)) {
        const struct json *found = find(job, child, fn, text, count);
        if (!out) out = found;
    }
    while (json_type(v) == JSON_ARRAY && json_next_item(v, &it, &child)) {
        const struct json *found = find(job, child, fn, text, count);
        if (!out) out = found;
    }
    return out;
}

static bool has_id(const struct json *v, struct str text)
{
    struct str id;
    (void)text;
    return id_of(v, &id) && id.len && id.ptr[0] != '#';
}

bool schema__has_ids(struct schema_job *job, const struct json *root)
{
    struct str id;
    size_t count = 0;
    (void)find(job, root, has_id, STR(""), &count);
    return count > (id_of(root, &id) && id.len && id.ptr[0] != '#');
}

static bool has_anchor(const struct json *v, struct str text)
{
    struct str anchor;
    if (is_text(json_get(v, "$anchor"), &anchor) && str_eq(anchor, text)) return true;
    return id_of(v, &anchor) && anchor.len == text.len + 1 && anchor.ptr[0] == '#' &&
           str_eq(str_skip(anchor, 1), text);
}

/* An id that is the text, or ends in it behind a slash. */
static bool has_this_id(const struct json *v, struct str text)
{
    struct str id;
    if (!id_of(v, &id)) return false;
    if (id.len && id.ptr[id.len - 1] == '#') id.len--;
    if (str_eq(id, text)) return true;
    return str_ends(id, text) && id.len > text.len && id.ptr[id.len - text.len - 1] == '/';
}

/* The innermost schema with an id that has `wanted` in it. */
static bool find_home(struct schema_job *job, const struct json *v, const struct json *wanted,
                      const struct json **home)
{
    struct json_iter it = {0};
    struct str name;
    const struct json *child, *outer = *home;
    if (!look(job)) return false;
    if (json_type(v) == JSON_OBJECT && has_id(v, STR(""))) *home = v;
    if (v == wanted) return true;
    while (json_type(v) == JSON_OBJECT && json_next_member(v, &it, &name, &child))
        if (find_home(job, child, wanted, home)) return true;
    while (json_type(v) == JSON_ARRAY && json_next_item(v, &it, &child))
        if (find_home(job, child, wanted, home)) return true;
    *home = outer;
    return false;
}

/* --- pointers --- */

static int hex(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One part of a pointer as the name that it means. */
static struct str unescape(struct str part, char *room)
{
    size_t n = 0;
    for (size_t i = 0; i < part.len; i++) {
        char c = part.ptr[i];
        int high = i + 2 < part.len && c == '%' ? hex(part.ptr[i + 1]) : -1;
        int low = high >= 0 ? hex(part.ptr[i + 2]) : -1;
        if (low >= 0) {
            c = (char)(high * 16 + low);
            i += 2;
        }
        bool after_tilde = n && room[n - 1] == '~';
        if (after_tilde && (c == '0' || c == '1'))
            room[n - 1] = c == '0' ? '\0' : '/';
        else
            room[n++] = c;
    }
    for (size_t i = 0; i < n; i++)
        if (room[i] == '\0') room[i] = '~'; /* only now, since ~01 means ~1 */
    return str_n(room, n);
}

static const struct json *step(const struct json *v, struct str name)
{
    uint64_t index;
    if (json_type(v) == JSON_ARRAY) return str_to_u64(name, &index) ? NULL : json_at(v, index);
    return json_get_str(v, name);
}

static const struct json *follow(struct schema_job *job, const struct json *v, struct str pointer)
{
    struct str part, rest = str_skip(pointer, 1);
    char *room = schema__take(job, pointer.len + 1);
    while (room && v && str_cut(&rest, '/', &part))
        v = step(v, unescape(part, room));
    return room ? v : NULL;
}

static const struct json *within(struct schema_job *job, const struct json *home,
                                 struct str fragment)
{
    size_t count = 0;
    if (!fragment.len) return home;
    if (fragment.ptr[0] == '/') return follow(job, home, fragment);
    return find(job, home, has_anchor, fragment, &count);
}

static const struct json *locate(struct schema_job *job, const struct json *schema, struct str ref)
{
    ptrdiff_t mark = str_find_char(ref, '#');
    struct str base = mark < 0 ? ref : str_n(ref.ptr, (size_t)mark);
    struct str fragment = mark < 0 ? STR("") : str_skip(ref, (size_t)mark + 1);
    const struct json *home = job->root, *out = NULL;
    size_t count = 0;
    if (base.len) {
        home = find(job, job->root, has_this_id, base, &count);
        return home && (count == 1 || home == job->root) ? within(job, home, fragment) : NULL;
    }
    if (job->has_ids && find_home(job, job->root, schema, &home)) out = within(job, home, fragment);
    return out ? out : within(job, job->root, fragment);
}

static void refuse_missing(struct schema_job *job, const struct json *schema, struct str ref)
{
    char why[REF_SHOWN_MAX + 32];
    (void)snprintf(why, sizeof why, "%.*s is not there", (int)MIN(ref.len, REF_SHOWN_MAX), ref.ptr);
    schema__malformed(job, schema, "$ref", why);
}

const struct json *schema__target(struct schema_job *job, const struct json *schema,
                                  const struct json *ref)
{
    struct str text;
    const struct json *out = is_text(ref, &text) ? locate(job, schema, text) : NULL;
    if (out || job->err) return out;
    if (is_text(ref, &text) && str_starts(text, STR("#")))
        refuse_missing(job, schema, text);
    else
        schema__refuse(job, schema, "$ref", "only schemas of the same document can be meant");
    return NULL;
}
