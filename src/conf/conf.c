/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/conf.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "conf/conf_priv.h"
#include "conf/group.h"

enum { ARENA_BLOCK = 4096 };

static struct conf *conf_new(struct str path)
{
    struct conf *c = mem_must_zero(1, sizeof *c);
    arena_init(&c->arena, SIZE_MAX, ARENA_BLOCK);
    atomic_init(&c->refs, 1);
    conf_problems_init(&c->warnings);
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
    conf_problems_fini(&c->warnings);
    arena_fini(&c->arena);
    free(c);
}

int conf_parse(struct str text, const char *path, struct conf **out, struct conf_problems *problems)
{
    struct conf *c = conf_new(str_of(path));
    struct conf__load l;
    conf__load_init(&l, &conf__root, c, &c->arena, c->path, problems, &c->warnings);
    if (conf__load_text(&l, text)) {
        conf__finish(&l, c);
        conf__check(&l, c);
    }
    conf__load_fini(&l);
    if (problems->count > l.first) {
        conf_unref(c);
        return ERR_INVALID;
    }
    *out = c;
    return 0;
}

/* Reads at most one byte more than a configuration may have. The buffer, which may hold secrets,
 * is never regrown: a file that grows while it is read is refused. */
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
            .path = str_of(path), .problems = problems, .first = problems->count};
        conf__problem(&l, NULL, STR(""), "cannot be read: %s", conf__file_error(err));
        err = ERR_INVALID;
    } else {
        err = conf_parse(buf_str(&text), path, out, problems);
    }
    if (text.ptr) explicit_bzero(text.ptr, text.cap);
    buf_fini(&text);
    return err;
}
