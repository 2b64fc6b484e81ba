/* SPDX-License-Identifier: Apache-2.0 */
/* Series that another process tells, passed on line by line. */
#include <string.h>

#include "obs/metrics_priv.h"

enum {
    SERIES_MAX = 64, /* of a row in one page */
    VALUE_MAX = 32,  /* bytes of a number or a label's value */
};

struct line {
    struct str name;   /* with its suffix */
    struct str labels; /* without braces; empty: none */
    struct str value;
};

static bool consists_of(struct str text, const char *bytes)
{
    if (text.len == 0 || text.len > VALUE_MAX) return false;
    for (size_t i = 0; i < text.len; i++)
        if (!text.ptr[i] || !strchr(bytes, text.ptr[i])) return false;
    return true;
}

/* name="value" */
static bool is_label(struct str text, struct str name)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.+-";
    if (!str_starts(text, name)) return false;
    struct str value = str_skip(text, name.len);
    return value.len > 3 && str_starts(value, STR("=\"")) && str_ends(value, STR("\"")) &&
           consists_of(str_n(value.ptr + 2, value.len - 3), plain);
}

static bool has_labels(struct str text, const struct metric_row *row, bool bucket)
{
    struct str names = *row->labels ? str_of(row->labels) : STR_NULL, name, label;
    struct str rest = text.len ? text : STR_NULL;
    while (str_cut(&names, ',', &name))
        if (!str_cut(&rest, ',', &label) || !is_label(label, name)) return false;
    if (bucket && (!str_cut(&rest, ',', &label) || !is_label(label, STR("le")))) return false;
    return !str_cut(&rest, ',', &label);
}

static bool is_number(struct str text)
{
    double number;
    return consists_of(text, "0123456789.eE+-") && str_to_double(text, &number) == 0;
}

/* Takes the series' name off the front of a line: the row's, of a histogram with a suffix. */
static bool take_name(struct str *text, const struct metric_row *row, struct str *name,
                      bool *bucket)
{
    static const struct str suffixes[] = {STR_INIT("_bucket"), STR_INIT("_sum"),
                                          STR_INIT("_count")};
    size_t len = strlen(row->name);
    if (!str_starts(*text, str_of(row->name))) return false;
    *bucket = false;
    for (size_t i = 0; row->kind >= METRIC_HISTOGRAM; i++) {
        if (i == ARRAY_LEN(suffixes)) return false;
        if (!str_starts(str_skip(*text, len), suffixes[i])) continue;
        len += suffixes[i].len;
        *bucket = i == 0;
        break;
    }
    *name = str_n(text->ptr, len);
    *text = str_skip(*text, len);
    return true;
}

/* False for a line that is no series of the row. */
static bool read_line(struct str text, const struct metric_row *row, struct line *out)
{
    bool bucket;
    if (!take_name(&text, row, &out->name, &bucket)) return false;
    ptrdiff_t space = str_find_char(text, ' ');
    if (space < 0) return false;
    out->labels = str_n(text.ptr, (size_t)space);
    out->value = str_skip(text, (size_t)space + 1);
    if (out->labels.len) {
        if (!str_starts(out->labels, STR("{")) || !str_ends(out->labels, STR("}"))) return false;
        out->labels = str_n(out->labels.ptr + 1, out->labels.len - 2);
    }
    return has_labels(out->labels, row, bucket) && is_number(out->value);
}

static bool is_same_series(const struct line *a, const struct line *b)
{
    return str_eq(a->name, b->name) && str_eq(a->labels, b->labels);
}

static void write_line(struct metrics_writer *w, const struct line *line, struct str label,
                       struct str value)
{
    metrics__put(w, line->name);
    metrics__put_label(w, label, value, true);
    if (line->labels.len) metrics__put(w, STR(","));
    metrics__put(w, line->labels);
    metrics__put(w, STR("} "));
    metrics__put(w, line->value);
    metrics__put(w, STR("\n"));
}

void metrics_pass_on(struct metrics_writer *w, const struct metric_row *row, struct str label,
                     struct str value, struct str page)
{
    struct line seen[SERIES_MAX];
    size_t count = 0;
    for (struct str text; count < SERIES_MAX && str_cut(&page, '\n', &text);) {
        struct line *line = &seen[count];
        bool known = !read_line(text, row, line);
        for (size_t i = 0; i < count && !known; i++)
            known = is_same_series(&seen[i], line);
        if (known) continue;
        count++;
        metrics__begin(w, row);
        write_line(w, line, label, value);
    }
}
