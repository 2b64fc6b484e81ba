/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/init_file.h"

#include "base/err.h"
#include "cmd/options.h"
#include "json/write.h"

enum { SHOWN_MAX = 3 }; /* names of models in a comment */

/* The text as a string, which in JSON is one of YAML as well, behind `before`. */
static int put(struct buf *out, struct arena *arena, const char *before, struct str text)
{
    struct json_writer w;
    int err = buf_append(out, str_of(before));
    if (err) return err;
    json_write_init(&w, out);
    json_write_str(&w, cmd_literal(arena, text));
    return json_write_end(&w);
}

static int write_keys(const struct init_file *f, struct arena *arena, struct buf *out)
{
    if (f->key.len == 0)
        return buf_printf(out, "\n"
                               "# Without keys only this machine is served. With them:\n"
                               "# keys:\n"
                               "#   - name: me\n"
                               "#     key: ${env.MY_KEY}\n");
    int err = put(out, arena,
                  "\n"
                  "# Who calls sends one of these: Authorization: Bearer KEY.\n"
                  "keys:\n"
                  "  - name: me\n"
                  "    key: ",
                  f->key);
    return err ? err : buf_printf(out, "\n    # models: [\"llama*\"]   # these alone\n");
}

/* "3 models: a, b, c ...". Names in a comment end with the line, so that they need no quotes; the
 * list has none with characters that cannot be seen. */
static int write_shown(const struct init_runtime *r, struct buf *out)
{
    if (r->model_count == 0) return buf_printf(out, "  # lists no models yet\n");
    int err = buf_printf(out, "  # %zu model%s:", r->model_count, r->model_count == 1 ? "" : "s");
    for (size_t i = 0; i < MIN(r->model_count, SHOWN_MAX) && !err; i++)
        err = buf_printf(out, "%s %" STR_FMT, i ? "," : "", STR_ARG(r->models[i]));
    return err ? err : buf_printf(out, "%s\n", r->model_count > SHOWN_MAX ? ", ..." : "");
}

static int write_runtime(const struct init_runtime *r, struct arena *arena, struct buf *out)
{
    int err = put(out, arena, "  - name: ", r->name);
    if (!err) err = put(out, arena, "\n    url: ", r->url);
    if (!err) err = write_shown(r, out);
    if (err || !r->key) return err;
    err = put(out, arena, "    key: ", str_of(r->key));
    return err ? err : buf_append(out, STR("\n"));
}

static int write_runtimes(const struct init_file *f, struct arena *arena, struct buf *out)
{
    if (!f->runtime_count) return 0;
    int err = buf_printf(
        out, "\n"
             "# Each is asked for its models, and again every 30 s; all of them are offered.\n"
             "# More: models: [\"llama*\"] takes some, prefix: \"box/\" goes before each name,\n"
             "# capacity: 8 is how many requests it gets at once.\n"
             "runtimes:\n");
    for (size_t i = 0; i < f->runtime_count && !err; i++)
        err = write_runtime(&f->runtimes[i], arena, out);
    return err;
}

static int write_models(const struct init_file *f, struct arena *arena, struct buf *out)
{
    if (!f->model_count) return 0;
    int err =
        buf_printf(out, "\n"
                        "# Files that Hostler runs itself; each starts with its first request.\n"
                        "models:\n");
    for (size_t i = 0; i < f->model_count && !err; i++) {
        err = put(out, arena, "  - name: ", f->model_names[i]);
        if (!err) err = put(out, arena, "\n    engine: { file: ", f->model_files[i]);
        if (!err) err = buf_append(out, STR(" }\n"));
    }
    return err;
}

int init_file_write(const struct init_file *f, struct arena *arena, struct buf *out)
{
    int err = put(
        out, arena,
        "# Written by `hostler init`. `hostler check` tells what is wrong with it, `hostler config manual`\n"
        "# explains every setting, and a running gateway reads it again at SIGHUP.\n"
        "\n"
        "# Where clients call.\n"
        "listen: ",
        f->listen);
    if (!err) err = buf_append(out, STR("\n"));
    if (!err) err = write_keys(f, arena, out);
    if (!err) err = write_runtimes(f, arena, out);
    return err ? err : write_models(f, arena, out);
}
