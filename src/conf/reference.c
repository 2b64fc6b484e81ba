/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "conf/conf_priv.h"

/* One value being put together. */
struct expansion {
    struct conf__load *load;
    const struct conf_row *row;
    const struct node *node;
    struct str setting;
    struct buf out; /* may hold secrets: wiped, never regrown */
};

/* Appends what the open file holds, without line ends at its end. */
static int append_content(int fd, struct buf *out)
{
    char *room;
    size_t length = 0;
    size_t most = CONF__VALUE_MAX - buf_len(out);
    int err = buf_reserve(out, most, &room);
    if (err) return err;
    for (;;) {
        if (length == most) return ERR_TOO_LARGE;
        ssize_t n = read(fd, room + length, most - length);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -errno;
        if (n == 0) break;
        length += (size_t)n;
    }
    while (length && (room[length - 1] == '\n' || room[length - 1] == '\r'))
        length--;
    buf_commit(out, length);
    return 0;
}

static int append_file(struct expansion *x, struct str path)
{
    struct str folder = path.len && path.ptr[0] == '/' ? STR("") : x->load->folder;
    struct str full = arena_printf(&x->load->scratch, "%" STR_FMT "%s%" STR_FMT, STR_ARG(folder),
                                   folder.len ? "/" : "", STR_ARG(path));
    size_t size;
    int fd = conf__open_file(full.ptr, &size);
    if (fd < 0) return fd;
    int err = append_content(fd, &x->out);
    close(fd);
    return err;
}

/* Remembers where a secret comes from, as no child is to get it. */
static void note_secret(struct conf__load *l, struct str name)
{
    struct conf_variable *v = arena_alloc(l->arena, sizeof *v);
    *v = (struct conf_variable){.name = arena_dup(l->arena, name), .next = l->secrets};
    l->secrets = v;
}

static bool expand_env(struct expansion *x, struct str name)
{
    struct str variable = arena_dup(&x->load->scratch, name);
    const char *value = getenv(variable.ptr);
    if (!value) {
        conf__problem(x->load, x->node, x->setting, "the environment variable %s is not set",
                      conf__quote(x->load, variable).ptr);
        return false;
    }
    if (x->row->flags & CONF_SECRET) note_secret(x->load, name);
    if (!buf_append(&x->out, str_of(value))) return true;
    conf__problem(x->load, x->node, x->setting, "longer than %d bytes with its references",
                  CONF__VALUE_MAX);
    return false;
}

static bool expand_file(struct expansion *x, struct str path)
{
    int err = append_file(x, path);
    if (!err) return true;
    conf__problem(x->load, x->node, x->setting, "the file %s cannot be read: %s",
                  conf__quote(x->load, path).ptr, conf__file_error(err));
    return false;
}

/* `inner` is what stands between ${ and }. */
static bool expand_one(struct expansion *x, struct str inner)
{
    if (str_starts(inner, STR("env.")) && inner.len > 4) return expand_env(x, str_skip(inner, 4));
    if (str_starts(inner, STR("file:")) && inner.len > 5) return expand_file(x, str_skip(inner, 5));
    bool command = x->row->flags & CONF_PLACES;
    if (command && (str_eq(inner, STR("socket")) || str_eq(inner, STR("port"))))
        return buf_printf(&x->out, "${%" STR_FMT "}", STR_ARG(inner)) == 0;
    conf__problem(x->load, x->node, x->setting,
                  "${%" STR_FMT "} is no reference: there are ${env.NAME} and ${file:PATH}%s; "
                  "write $${ where ${ is meant",
                  STR_ARG(str_sub(inner, 0, 40)), command ? ", ${socket} and ${port}" : "");
    return false;
}

static bool append_plain(struct expansion *x, struct str text)
{
    if (!buf_append(&x->out, text)) return true;
    conf__problem(x->load, x->node, x->setting, "longer than %d bytes", CONF__VALUE_MAX);
    return false;
}

/* Takes one piece off *rest: plain text, $${ or a reference. */
static bool expand_piece(struct expansion *x, struct str *rest)
{
    ptrdiff_t start = str_find(*rest, STR("${"));
    if (start < 0) {
        struct str plain = *rest;
        *rest = STR_NULL;
        return append_plain(x, plain);
    }
    if (start > 0 && rest->ptr[start - 1] == '$') {
        struct str plain = str_sub(*rest, 0, (size_t)start - 1);
        *rest = str_skip(*rest, (size_t)start + 2);
        return append_plain(x, plain) && append_plain(x, STR("${"));
    }
    if (!append_plain(x, str_sub(*rest, 0, (size_t)start))) return false;
    struct str inner = str_skip(*rest, (size_t)start + 2);
    ptrdiff_t end = str_find_char(inner, '}');
    if (end < 0) {
        conf__problem(x->load, x->node, x->setting,
                      "${ without its }; write $${ where ${ is meant");
        return false;
    }
    *rest = str_skip(inner, (size_t)end + 1);
    return expand_one(x, str_sub(inner, 0, (size_t)end));
}

bool conf__expand(struct conf__load *l, const struct conf_row *row, const struct node *n,
                  struct str setting, struct str *out)
{
    struct arena *arena = l->arena;
    if (n->variable || str_find(n->text, STR("${")) < 0) {
        *out = arena_dup(arena, n->text);
        return true;
    }
    struct expansion x = {.load = l, .row = row, .node = n, .setting = setting};
    struct str rest = n->text;
    char *room;
    buf_init(&x.out, CONF__VALUE_MAX);
    bool ok = buf_reserve(&x.out, CONF__VALUE_MAX, &room) == 0;
    if (!ok) conf__problem(l, n, setting, "there is no memory for it");
    while (ok && rest.len)
        ok = expand_piece(&x, &rest);
    if (ok) *out = arena_dup(arena, buf_str(&x.out));
    if (x.out.ptr) explicit_bzero(x.out.ptr, x.out.cap);
    buf_fini(&x.out);
    return ok;
}
