/* SPDX-License-Identifier: Apache-2.0 */
#include "jinja/strftime.h"

#include <time.h>

#include "jinja/text.h"

enum { PART_MAX = 256 };

/* One directive, in the language of the C locale as Python starts with. */
static int put_directive(struct run *r, struct sink *s, const char *directive,
                         const struct tm *local, bool own)
{
    char room[PART_MAX];
    if (directive[1] == 'f') return sink_put(r, s, STR("000000"), own);
    if (directive[1] == 'z' || directive[1] == 'Z') return 0; /* the time has no zone */
    size_t len = strftime(room, sizeof room, directive, local);
    return sink_put(r, s, str_n(room, len), own);
}

/* What stands behind a '%': its letter, with glibc's flag before it. */
static size_t directive_length(struct str s, size_t at)
{
    size_t n = 1;
    if (at + n < s.len && strchr("-_0^#", s.ptr[at + n])) n++;
    return at + n < s.len ? n + 1 : 0;
}

int strftime_now(struct run *r, const struct value *self UNUSED, const struct args *args,
                 struct value *out)
{
    struct sink sink = {0};
    struct value format;
    struct tm local;
    time_t now = (time_t)r->now;
    int err = arg_text(r, &args->items[0], &format);
    if (err) return err;
    if (!localtime_r(&now, &local)) return run_raise(r, "no time");
    struct str s = value_str(&format);
    for (size_t at = 0; !err && at < s.len;) {
        size_t len = s.ptr[at] == '%' ? directive_length(s, at) : 0;
        char directive[4] = {0};
        if (!len) {
            err = sink_put_part(r, &sink, &format, at, at + 1);
            at++;
            continue;
        }
        memcpy(directive, s.ptr + at, len);
        err = put_directive(r, &sink, directive, &local, text_own_at(&format, at));
        at += len;
    }
    return err ? err : sink_end(r, &sink, out);
}
