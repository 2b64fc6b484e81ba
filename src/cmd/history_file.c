/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/history_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "transport/pem_file.h"

enum { KEPT = HISTORY_FILE_MAX / 2, LONGEST = 64 * 1024 };

/* --- the place --- */

/* NULL: neither variable names one. A relative XDG_STATE_HOME is to be ignored, says its standard. */
static char *find_place(void)
{
    const char *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");
    if (state && state[0] == '/') return mem_must_printf("%s/hostler/history", state);
    if (home && home[0] == '/') return mem_must_printf("%s/.local/state/hostler/history", home);
    return NULL;
}

static int make_folders(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        int err = mkdir(path, 0700) && errno != EEXIST ? -errno : 0;
        *slash = '/';
        if (err) return err;
    }
    return 0;
}

static int open_file(const char *path, int *fd)
{
    struct stat st;
    *fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK, 0600);
    if (*fd < 0) return -errno;
    int err = fstat(*fd, &st) ? -errno : 0;
    if (!err && !S_ISREG(st.st_mode)) err = ERR_INVALID;
    if (!err && (st.st_mode & 077) && fchmod(*fd, 0600)) err = -errno;
    if (err) close(*fd);
    return err;
}

/* --- lines --- */

static int escape(struct buf *out, struct str line)
{
    int err = 0;
    for (size_t i = 0; i < line.len && !err; i++) {
        char c = line.ptr[i];
        err = c == '\\'   ? buf_append(out, STR("\\\\"))
              : c == '\n' ? buf_append(out, STR("\\n"))
                          : buf_append(out, str_n(&c, 1));
    }
    return err ? err : buf_append(out, STR("\n"));
}

/* In place, with a terminator. */
static struct str unescape(char *line, size_t len)
{
    size_t to = 0;
    for (size_t i = 0; i < len; i++) {
        bool escaped = line[i] == '\\' && i + 1 < len;
        if (escaped) i++;
        line[to++] = (char)(escaped && line[i] == 'n' ? '\n' : line[i]);
    }
    line[to] = '\0';
    return str_n(line, to);
}

static void tell_lines(struct buf *text, void (*tell)(void *owner, struct str line), void *owner)
{
    ptrdiff_t len;
    while ((len = str_find_char(buf_str(text), '\n')) >= 0) {
        struct str line = unescape(text->ptr + text->start, (size_t)len);
        if (line.len) tell(owner, line);
        buf_consume(text, (size_t)len + 1);
    }
}

/* --- the file --- */

/* The whole file, or the whole lines in its latest half, and *shorter, when it is too large. */
static int read_file(int fd, struct buf *text, bool *shorter)
{
    char *room;
    ssize_t n;
    off_t size = lseek(fd, 0, SEEK_END);
    *shorter = size > HISTORY_FILE_MAX;
    if (size < 0 || lseek(fd, *shorter ? size - KEPT : 0, SEEK_SET) < 0) return -errno;
    do {
        int err = buf_reserve(text, 64 * 1024, &room);
        if (err) return err;
        n = read(fd, room, 64 * 1024);
        if (n > 0) buf_commit(text, (size_t)n);
    } while (n > 0);
    ptrdiff_t cut = *shorter ? str_find_char(buf_str(text), '\n') : -1;
    if (cut >= 0) buf_consume(text, (size_t)cut + 1);
    return n < 0 ? -errno : 0;
}

static int load(const struct history_file *h, void (*tell)(void *owner, struct str line),
                void *owner)
{
    struct buf text;
    bool shorter;
    int fd;
    int err = open_file(h->path, &fd);
    if (err) return err;
    buf_init(&text, 4 * HISTORY_FILE_MAX); /* others may add while it is read */
    err = read_file(fd, &text, &shorter);
    if (!err && shorter) err = pem_file_write(h->path, buf_str(&text), 0600, true);
    if (!err) tell_lines(&text, tell, owner);
    buf_fini(&text);
    close(fd);
    return err;
}

int history_file_open(struct history_file *h, void (*tell)(void *owner, struct str line),
                      void *owner)
{
    h->path = find_place();
    if (!h->path) return ERR_NOT_FOUND;
    int err = make_folders(h->path);
    return err ? err : load(h, tell, owner);
}

/* One write, so that lines of several processes do not mix. */
static int write_once(int fd, struct str text)
{
    ssize_t n = write(fd, text.ptr, text.len);
    if (n < 0) return -errno;
    return (size_t)n == text.len ? 0 : -ENOSPC;
}

int history_file_add(const struct history_file *h, struct str line)
{
    struct buf text;
    int fd;
    if (!h->path || line.len > LONGEST) return 0;
    int err = open_file(h->path, &fd);
    if (err) return err;
    buf_init(&text, SIZE_MAX / 2);
    err = escape(&text, line);
    if (!err) err = write_once(fd, buf_str(&text));
    if (close(fd) && !err) err = -errno;
    buf_fini(&text);
    return err;
}

void history_file_close(struct history_file *h)
{
    free(h->path);
    h->path = NULL;
}
