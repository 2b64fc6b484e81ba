/* SPDX-License-Identifier: Apache-2.0 */
/* The effective configuration as YAML or JSON. Secrets have no way through here. */
#include <string.h>

#include "base/err.h"
#include "conf/conf_priv.h"
#include "conf/value.h"
#include "json/write.h"

static const struct str redacted = STR_INIT("[redacted]");

static bool is_placeholder(const struct conf_row *row, struct str rest)
{
    return (row->flags & CONF_PLACES) &&
           (str_starts(rest, STR("${socket}")) || str_starts(rest, STR("${port}")));
}

/* The text as the file would write it: a secret's stand-in, ${ as $${; on the arena or borrowed. */
static struct str written(struct arena *a, const struct conf_row *row, struct str text)
{
    size_t n = 0;
    if ((row->flags & CONF_SECRET) && text.len) return redacted;
    if (str_find(text, STR("${")) < 0) return text;
    char *out = arena_alloc(a, text.len * 2);
    for (size_t i = 0; i < text.len; i++) {
        struct str rest = str_skip(text, i);
        if (str_starts(rest, STR("${")) && !is_placeholder(row, rest)) out[n++] = '$';
        out[n++] = text.ptr[i];
    }
    return str_n(out, n);
}

/* A scalar as the file writes it, on the arena or borrowed. *quoted: it is a text. */
static struct str scalar_text(struct arena *a, const struct conf_row *row, const void *base,
                              bool *quoted)
{
    const void *field = conf__field(row, base);
    *quoted = row->type == CONF_TEXT;
    switch (row->type) {
    case CONF_TEXT:
    case CONF_WORD: return written(a, row, *(const struct str *)field);
    case CONF_ENUM: return str_of(row->words[*(const unsigned *)field]);
    case CONF_BOOL: return *(const bool *)field ? STR("true") : STR("false");
    default: return conf__number_text(a, row, *(const uint64_t *)field);
    }
}

/* Text i of a list of texts or addresses. */
static struct str item_text(struct arena *a, const struct conf_row *row, const void *base, size_t i)
{
    const void *items = *(void **)conf__field(row, base);
    if (row->type == CONF_ADDRESSES)
        return written(a, row, ((const struct conf_listen *)items)[i].text);
    return written(a, row, ((const struct str *)items)[i]);
}

/* True when nothing was written for the row and there is nothing to show. */
static bool empty(const struct conf_row *row, const void *base)
{
    if (row->flags & CONF_OF_FILE && ((const struct conf_engine *)base)->file.len == 0) return true;
    if (row->flags & CONF_INHERIT) return *(const uint64_t *)conf__field(row, base) == CONF_UNSET;
    switch (row->type) {
    case CONF_TEXT: return ((const struct str *)conf__field(row, base))->len == 0;
    case CONF_OPTIONAL: return *(void **)conf__field(row, base) == NULL;
    case CONF_TEXTS:
    case CONF_PAIRS: return conf__count(row, base) == 0;
    default: return false;
    }
}

/* YAML */

struct yaml_out {
    struct buf *out;
    struct arena arena;
    int err;
};

static void put(struct yaml_out *y, const char *text)
{
    if (!y->err) y->err = buf_append(y->out, str_of(text));
}

static void put_quoted(struct yaml_out *y, struct str text)
{
    put(y, "\"");
    if (!y->err) y->err = json_escape(y->out, text);
    put(y, "\"");
}

static void put_text(struct yaml_out *y, struct str text, bool quoted)
{
    if (quoted)
        put_quoted(y, text);
    else if (!y->err)
        y->err = buf_append(y->out, text);
}

static void indent(struct yaml_out *y, unsigned depth)
{
    while (depth--)
        put(y, "  ");
}

static void yaml_group(struct yaml_out *y, const struct conf_group *group, const void *base,
                       unsigned depth, bool in_item);

static void yaml_texts(struct yaml_out *y, const struct conf_row *row, const void *base)
{
    put(y, " [");
    for (size_t i = 0; i < conf__count(row, base); i++) {
        if (i) put(y, ", ");
        put_quoted(y, item_text(&y->arena, row, base, i));
    }
    put(y, "]\n");
}

static void yaml_pairs(struct yaml_out *y, const struct conf_row *row, const void *base,
                       unsigned depth)
{
    const struct conf_pair *pairs = *(struct conf_pair **)conf__field(row, base);
    put(y, "\n");
    for (size_t i = 0; i < conf__count(row, base); i++) {
        indent(y, depth + 1);
        put_quoted(y, pairs[i].name);
        put(y, ": ");
        put_quoted(y, written(&y->arena, row, pairs[i].value));
        put(y, "\n");
    }
}

static void yaml_list(struct yaml_out *y, const struct conf_row *row, const void *base,
                      unsigned depth)
{
    const char *items = *(char **)conf__field(row, base);
    size_t count = conf__count(row, base);
    put(y, count ? "\n" : " []\n");
    for (size_t i = 0; i < count; i++) {
        indent(y, depth + 1);
        put(y, "- ");
        yaml_group(y, row->group, items + i * row->group->size, depth + 2, true);
    }
}

static void yaml_row(struct yaml_out *y, const struct conf_row *row, const void *base,
                     unsigned depth)
{
    bool quoted;
    put(y, row->name);
    put(y, ":");
    switch (row->type) {
    case CONF_TEXTS:
    case CONF_ADDRESSES: yaml_texts(y, row, base); break;
    case CONF_PAIRS: yaml_pairs(y, row, base, depth); break;
    case CONF_LIST: yaml_list(y, row, base, depth); break;
    case CONF_GROUP:
    case CONF_OPTIONAL: {
        const void *field = conf__field(row, base);
        put(y, "\n");
        yaml_group(y, row->group, row->type == CONF_GROUP ? field : *(void *const *)field,
                   depth + 1, false);
        break;
    }
    default:
        put(y, " ");
        struct str text = scalar_text(&y->arena, row, base, &quoted);
        put_text(y, text, quoted);
        put(y, "\n");
        break;
    }
}

/* `in_item`: the first line stands behind "- " already. */
static void yaml_group(struct yaml_out *y, const struct conf_group *group, const void *base,
                       unsigned depth, bool in_item)
{
    for (size_t i = 0; i < group->row_count; i++) {
        const struct conf_row *row = &group->rows[i];
        if (empty(row, base)) continue;
        if (!in_item) indent(y, depth);
        in_item = false;
        yaml_row(y, row, base, depth);
    }
}

int conf_write_yaml(const struct conf *c, struct buf *out)
{
    struct yaml_out y = {.out = out};
    arena_init(&y.arena, SIZE_MAX, 1024);
    yaml_group(&y, &conf__root, c, 0, false);
    arena_fini(&y.arena);
    return y.err;
}

/* JSON: durations and sizes as the file writes them, plain numbers as numbers. */

struct json_out {
    struct json_writer w;
    struct arena arena;
};

static void json_group(struct json_out *j, const struct conf_group *group, const void *base);

static void json_scalar(struct json_out *j, const struct conf_row *row, const void *base)
{
    bool quoted;
    struct str text = scalar_text(&j->arena, row, base, &quoted);
    bool number = row->type == CONF_COUNT || row->type == CONF_SIZE;
    uint64_t value;
    if (row->type == CONF_BOOL)
        json_write_bool(&j->w, *(const bool *)conf__field(row, base));
    else if (number && !str_to_u64(text, &value))
        json_write_u64(&j->w, value);
    else
        json_write_str(&j->w, text);
}

static void json_texts(struct json_out *j, const struct conf_row *row, const void *base)
{
    json_write_array(&j->w);
    for (size_t i = 0; i < conf__count(row, base); i++)
        json_write_str(&j->w, item_text(&j->arena, row, base, i));
    json_write_array_end(&j->w);
}

static void json_pairs(struct json_out *j, const struct conf_row *row, const void *base)
{
    const struct conf_pair *pairs = *(struct conf_pair **)conf__field(row, base);
    json_write_object(&j->w);
    for (size_t i = 0; i < conf__count(row, base); i++) {
        json_write_key_str(&j->w, pairs[i].name);
        json_write_str(&j->w, written(&j->arena, row, pairs[i].value));
    }
    json_write_object_end(&j->w);
}

static void json_list(struct json_out *j, const struct conf_row *row, const void *base)
{
    const char *items = *(char **)conf__field(row, base);
    json_write_array(&j->w);
    for (size_t i = 0; i < conf__count(row, base); i++)
        json_group(j, row->group, items + i * row->group->size);
    json_write_array_end(&j->w);
}

static void json_group(struct json_out *j, const struct conf_group *group, const void *base)
{
    json_write_object(&j->w);
    for (size_t i = 0; i < group->row_count; i++) {
        const struct conf_row *row = &group->rows[i];
        const void *field = conf__field(row, base);
        if (empty(row, base)) continue;
        json_write_key(&j->w, row->name);
        switch (row->type) {
        case CONF_TEXTS:
        case CONF_ADDRESSES: json_texts(j, row, base); break;
        case CONF_PAIRS: json_pairs(j, row, base); break;
        case CONF_LIST: json_list(j, row, base); break;
        case CONF_GROUP: json_group(j, row->group, field); break;
        case CONF_OPTIONAL: json_group(j, row->group, *(void *const *)field); break;
        default: json_scalar(j, row, base); break;
        }
    }
    json_write_object_end(&j->w);
}

int conf_write_json(const struct conf *c, struct buf *out)
{
    struct json_out j;
    json_write_init(&j.w, out);
    arena_init(&j.arena, SIZE_MAX, 1024);
    json_group(&j, &conf__root, c);
    arena_fini(&j.arena);
    return json_write_end(&j.w);
}
