/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/conf.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "conf/conf_priv.h"

enum { ARENA_BLOCK = 4096 };

static struct conf *conf_new(struct str path)
{
    struct conf *c = calloc(1, sizeof *c);
    if (!c) abort();
    arena_init(&c->arena, SIZE_MAX, ARENA_BLOCK);
    atomic_init(&c->refs, 1);
    c->path = arena_dup(&c->arena, path);
    return c;
}

struct conf *conf_ref(struct conf *c)
{
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    return c;
}

void conf_unref(struct conf *c)
{
    if (!c || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) > 1) return;
    conf__wipe(&conf__root, c);
    arena_fini(&c->arena);
    free(c);
}

static void wipe(struct str secret)
{
    if (secret.len) explicit_bzero((char *)(uintptr_t)secret.ptr, secret.len);
}

static void wipe_row(const struct conf_row *row, void *base)
{
    void *field = conf__field(row, base);
    bool secret = row->flags & CONF_SECRET;
    if (row->type == CONF_GROUP) {
        conf__wipe(row->group, field);
    } else if (row->type == CONF_OPTIONAL) {
        if (*(void **)field) conf__wipe(row->group, *(void **)field);
    } else if (row->type == CONF_LIST) {
        for (size_t i = 0; i < conf__count(row, base); i++)
            conf__wipe(row->group, *(char **)field + i * row->group->size);
    } else if (secret && row->type == CONF_PAIRS) {
        for (size_t i = 0; i < conf__count(row, base); i++)
            wipe((*(struct conf_pair **)field)[i].value);
    } else if (secret) {
        assert(row->type == CONF_TEXT);
        wipe(*(struct str *)field);
    }
}

void conf__wipe(const struct conf_group *group, void *base)
{
    for (size_t i = 0; i < group->row_count; i++)
        wipe_row(&group->rows[i], base);
}

/* Absolute where the folder exists; as written otherwise. */
static struct str folder_of(struct arena *a, struct str path)
{
    size_t end = path.len;
    while (end && path.ptr[end - 1] != '/')
        end--;
    struct str folder = end ? arena_dup(a, str_sub(path, 0, end)) : STR(".");
    char *real = realpath(folder.ptr, NULL);
    if (!real) return end > 1 ? str_sub(folder, 0, end - 1) : folder;
    folder = arena_dup(a, str_of(real));
    free(real);
    return folder.len == 1 ? STR("") : folder;
}

/* Everything after the tree exists. */
static void build(struct conf__load *l)
{
    conf__override(l);
    conf__read(l);
    if (l->root->kind != NODE_MAP) return; /* nothing was read */
    l->reading_problems = l->problems->count;
    conf__finish(l);
    conf__check(l);
}

int conf_parse(struct str text, const char *path, struct conf **out, struct conf_problems *problems)
{
    struct conf__load l = {
        .conf = conf_new(str_of(path)),
        .problems = problems,
        .first = problems->count,
        .reading_problems = problems->count,
    };
    struct tree_error error = {0};
    arena_init(&l.scratch, SIZE_MAX, ARENA_BLOCK);
    l.folder = folder_of(&l.scratch, l.conf->path);
    int err =
        text.len > CONF__FILE_MAX ? ERR_TOO_LARGE : tree_parse(&l.scratch, text, &l.root, &error);
    if (text.len > CONF__FILE_MAX)
        conf__problem(&l, NULL, STR(""), "is larger than 8 MiB");
    else if (err)
        conf__problem(&l, &(struct node){.line = error.line}, STR(""), "%s", error.text);
    else
        build(&l);
    conf__problems_sort(problems, l.first);
    tree_wipe(l.root);
    arena_fini(&l.scratch);
    if (problems->count > l.first) {
        conf_unref(l.conf);
        return ERR_INVALID;
    }
    *out = l.conf;
    return 0;
}

/* Reads at most one byte more than a configuration may have. The buffer, which may hold secrets, is never regrown: a file that
 * grows while it is read is refused. */
static int read_file(const char *path, struct buf *text)
{
    char *room;
    ssize_t n;
    size_t size;
    int fd = conf__open_file(path, &size);
    if (fd < 0) return fd;
    size = MIN(MAX(size, CONF__VALUE_MAX), CONF__FILE_MAX) + 1; /* some file systems tell no size */
    int err = buf_reserve(text, size, &room);
    while (!err) {
        if (buf_len(text) == size) {
            if (size <= CONF__FILE_MAX) err = -EAGAIN;
            break;
        }
        n = read(fd, room + buf_len(text), size - buf_len(text));
        if (n == 0) break;
        if (n > 0)
            buf_commit(text, (size_t)n);
        else if (errno != EINTR)
            err = -errno;
    }
    close(fd);
    return err;
}

int conf_load(const char *path, struct conf **out, struct conf_problems *problems)
{
    struct buf text;
    buf_init(&text, CONF__FILE_MAX + 1);
    int err = read_file(path, &text);
    if (err) {
        struct conf__load l = {
            .conf = conf_new(str_of(path)), .problems = problems, .first = problems->count};
        conf__problem(&l, NULL, STR(""), "cannot be read: %s", conf__file_error(err));
        conf_unref(l.conf);
        err = ERR_INVALID;
    } else {
        err = conf_parse(buf_str(&text), path, out, problems);
    }
    if (text.ptr) explicit_bzero(text.ptr, text.cap);
    buf_fini(&text);
    return err;
}
