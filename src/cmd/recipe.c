/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/recipe.h"

#include <string.h>

#include "base/mem.h"
#include "json/write.h"

/* --- templates --- */

/* What no shell takes for anything else. */
static bool is_plain(struct str s)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "-_./:@+,";
    for (size_t i = 0; i < s.len; i++)
        if (!memchr(plain, s.ptr[i], sizeof plain - 1)) return false;
    return s.len > 0;
}

/* A word of a shell. */
static int append_word(struct buf *out, struct str s)
{
    struct str piece;
    if (is_plain(s)) return buf_append(out, s);
    int err = buf_append(out, STR("'"));
    for (bool first = true; !err && str_cut(&s, '\'', &piece); first = false) {
        if (!first) err = buf_append(out, STR("'\\''"));
        if (!err) err = buf_append(out, piece);
    }
    return err ? err : buf_append(out, STR("'"));
}

static int append_json(struct buf *out, struct str before, struct str text, struct str after)
{
    int err = buf_append(out, STR("\""));
    if (!err) err = json_escape(out, before);
    if (!err) err = json_escape(out, text);
    if (!err) err = json_escape(out, after);
    return err ? err : buf_append(out, STR("\""));
}

static int append_environment(const struct recipe *r, struct buf *out);

static int fill_one(const struct recipe *r, char letter, struct buf *out)
{
    switch (letter) {
    case 'r': return buf_append(out, r->root);
    case 'R': return append_json(out, STR(""), r->root, STR(""));
    case 'u': return buf_printf(out, "%" STR_FMT "/v1", STR_ARG(r->root));
    case 'U': return append_json(out, STR(""), r->root, STR("/v1"));
    case 'm': return buf_append(out, r->model);
    case 'M': return append_json(out, STR(""), r->model, STR(""));
    case 'O': return append_json(out, STR("hostler/"), r->model, STR(""));
    case 's': return append_word(out, r->model);
    case 'k': return buf_append(out, r->key);
    case 'd': return buf_append(out, str_of(r->folder));
    case 'E': return append_environment(r, out);
    default: return buf_append(out, str_n(&letter, 1));
    }
}

static int fill(const struct recipe *r, const char *text, struct buf *out)
{
    int err = 0;
    for (const char *p = text; *p && !err;) {
        size_t len = strcspn(p, "%");
        err = buf_append(out, str_n(p, len));
        p += len;
        if (err || !*p) continue;
        assert(p[1]);
        err = fill_one(r, p[1], out);
        p += 2;
    }
    return err;
}

struct str recipe_fill(const struct recipe *r, struct arena *arena, const char *text)
{
    struct buf out;
    buf_init(&out, SIZE_MAX / 2);
    if (fill(r, text, &out)) mem_exhausted(); /* nothing else can fail */
    struct str filled = arena_dup(arena, buf_str(&out));
    buf_fini(&out);
    return filled;
}

/* --- parts --- */

/* The next part of a kind for a purpose; *i is where to look on. */
static const struct client_part *next_part(const struct client *c, enum client_part_kind kind,
                                           unsigned when, size_t *i)
{
    while (*i < c->part_count) {
        const struct client_part *part = &c->parts[(*i)++];
        if (part->kind == kind && (part->when & when)) return part;
    }
    return NULL;
}

static void write_set(const struct recipe *r, struct arena *arena, unsigned when,
                      struct json_writer *w)
{
    const struct client_part *part;
    for (size_t i = 0; (part = next_part(r->client, CLIENT_SET, when, &i));)
        json_write_str_member(w, part->name, recipe_fill(r, arena, part->text));
}

/* What is unset there is empty: a file of settings cannot take anything out of the environment. */
static int append_environment(const struct recipe *r, struct buf *out)
{
    const struct client_part *part;
    struct json_writer w;
    struct arena arena;
    arena_init(&arena, SIZE_MAX, 4096);
    json_write_init(&w, out);
    json_write_object(&w);
    write_set(r, &arena, CLIENT_LAUNCH, &w);
    for (size_t i = 0; (part = next_part(r->client, CLIENT_UNSET, CLIENT_LAUNCH, &i));)
        json_write_str_member(&w, part->name, STR(""));
    json_write_object_end(&w);
    arena_fini(&arena);
    return json_write_end(&w);
}

/* --- pasting --- */

static int paste_set(const char *name, struct str value, struct buf *out)
{
    int err = buf_printf(out, "export %s=", name);
    if (!err && str_eq(value, STR(RECIPE_KEY)))
        err = buf_append(out, STR("\"" RECIPE_KEY "\""));
    else if (!err)
        err = append_word(out, value);
    return err ? err : buf_append(out, STR("\n"));
}

static int paste_part(const struct recipe *r, struct arena *arena, const struct client_part *part,
                      struct buf *out)
{
    struct str text = part->text ? recipe_fill(r, arena, part->text) : STR("");
    switch (part->kind) {
    case CLIENT_SET: return paste_set(part->name, text, out);
    case CLIENT_UNSET: return buf_printf(out, "unset %s\n", part->name);
    case CLIENT_FILE: return buf_printf(out, "# %s\n%" STR_FMT "\n", part->name, STR_ARG(text));
    case CLIENT_CODE: return buf_append(out, text);
    case CLIENT_WORD: break;
    }
    return 0;
}

static int paste_command(const struct recipe *r, struct arena *arena, struct buf *out)
{
    const struct client_part *part;
    int err = buf_append(out, str_of(r->client->program));
    for (size_t i = 0; !err && (part = next_part(r->client, CLIENT_WORD, CLIENT_PASTE, &i));) {
        err = buf_append(out, STR(" "));
        if (!err) err = append_word(out, recipe_fill(r, arena, part->text));
    }
    return err ? err : buf_append(out, STR("\n"));
}

int recipe_paste(const struct recipe *r, struct buf *out)
{
    int err = 0;
    struct arena arena;
    arena_init(&arena, SIZE_MAX, 4096);
    for (size_t i = 0; i < r->client->part_count && !err; i++)
        if (r->client->parts[i].when & CLIENT_PASTE)
            err = paste_part(r, &arena, &r->client->parts[i], out);
    if (!err && r->client->program) err = paste_command(r, &arena, out);
    arena_fini(&arena);
    return err;
}

/* --- as JSON --- */

static void write_environment(const struct recipe *r, struct arena *arena, struct json_writer *w)
{
    const struct client_part *part;
    json_write_key(w, "environment");
    json_write_object(w);
    write_set(r, arena, CLIENT_PASTE, w);
    for (size_t i = 0; (part = next_part(r->client, CLIENT_UNSET, CLIENT_PASTE, &i));)
        json_write_null_member(w, part->name);
    json_write_object_end(w);
}

static void write_files(const struct recipe *r, struct arena *arena, struct json_writer *w)
{
    const struct client_part *part;
    json_write_key(w, "files");
    json_write_array(w);
    for (size_t i = 0; (part = next_part(r->client, CLIENT_FILE, CLIENT_PASTE, &i));) {
        json_write_object(w);
        json_write_str_member(w, "path", str_of(part->name));
        json_write_str_member(w, "text", recipe_fill(r, arena, part->text));
        json_write_object_end(w);
    }
    json_write_array_end(w);
}

static void write_command(const struct recipe *r, struct arena *arena, struct json_writer *w)
{
    const struct client_part *part;
    json_write_key(w, "command");
    json_write_array(w);
    if (r->client->program) json_write_str(w, str_of(r->client->program));
    for (size_t i = 0; (part = next_part(r->client, CLIENT_WORD, CLIENT_PASTE, &i));)
        json_write_str(w, recipe_fill(r, arena, part->text));
    json_write_array_end(w);
}

static void write_code(const struct recipe *r, struct arena *arena, struct json_writer *w)
{
    const struct client_part *part;
    struct str code = STR("");
    for (size_t i = 0; (part = next_part(r->client, CLIENT_CODE, CLIENT_PASTE, &i));)
        code = arena_printf(arena, "%" STR_FMT "%" STR_FMT, STR_ARG(code),
                            STR_ARG(recipe_fill(r, arena, part->text)));
    json_write_str_member(w, "code", code);
}

int recipe_json(const struct recipe *r, struct buf *out)
{
    struct json_writer w;
    struct arena arena;
    arena_init(&arena, SIZE_MAX, 4096);
    json_write_init(&w, out);
    json_write_object(&w);
    json_write_str_member(&w, "name", str_of(r->client->name));
    json_write_str_member(&w, "url", r->root);
    json_write_str_member(&w, "model", r->model);
    write_files(r, &arena, &w);
    write_environment(r, &arena, &w);
    write_command(r, &arena, &w);
    write_code(r, &arena, &w);
    json_write_object_end(&w);
    arena_fini(&arena);
    return json_write_end(&w);
}
