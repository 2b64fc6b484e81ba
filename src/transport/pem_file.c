/* SPDX-License-Identifier: Apache-2.0 */
#include "transport/pem_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"

/* reading */

/* Opens a regular file, and never waits for what is none. */
static int open_regular(const char *path, size_t *size)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) return -errno;
    int err = fstat(fd, &st) ? -errno : S_ISREG(st.st_mode) ? 0 : ERR_TYPE;
    if (!err && st.st_size > PEM_FILE_MAX) err = ERR_TOO_LARGE;
    if (err) {
        close(fd);
        return err;
    }
    *size = (size_t)st.st_size;
    return fd;
}

/* The buffer is never regrown, so that no copy of a secret stays behind. */
static int read_all(int fd, size_t size, struct buf *out)
{
    char *room;
    int err = buf_reserve(out, size, &room);
    while (!err && buf_len(out) < size) {
        ssize_t n = read(fd, room + buf_len(out), size - buf_len(out));
        if (n > 0)
            buf_commit(out, (size_t)n);
        else if (n == 0)
            return 0;
        else if (errno != EINTR)
            err = -errno;
    }
    return err ? err : -EAGAIN;
}

int pem_file_read(const char *path, struct buf *out)
{
    size_t size = 0;
    buf_init(out, PEM_FILE_MAX + 1);
    int fd = open_regular(path, &size);
    if (fd < 0) return fd;
    int err = read_all(fd, size + 1, out); /* whoever fills it all has grown meanwhile */
    close(fd);
    return err;
}

void pem_file_wipe(struct buf *b)
{
    if (b->ptr) explicit_bzero(b->ptr, b->cap);
    buf_fini(b);
}

/* writing */

static int write_all(int fd, struct str text)
{
    while (text.len) {
        ssize_t n = write(fd, text.ptr, text.len);
        if (n < 0 && errno != EINTR) return -errno;
        if (n > 0) text = str_skip(text, (size_t)n);
    }
    return 0;
}

static int write_new(const char *path, struct str text, unsigned mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return -errno;
    int err = write_all(fd, text);
    if (!err && (fchmod(fd, mode) || fsync(fd))) err = -errno;
    if (close(fd) && !err) err = -errno;
    if (err) unlink(path);
    return err;
}

/* Something else than a file, such as /dev/null, which root could replace; by way of a link, too. */
static bool is_no_file(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && !S_ISREG(st.st_mode);
}

int pem_file_write(const char *path, struct str text, unsigned mode, bool replace)
{
    char fresh[PATH_MAX];
    if (replace && is_no_file(path)) return ERR_TYPE;
    int n = snprintf(fresh, sizeof fresh, "%s.%ld.new", path, (long)getpid());
    if (n < 0 || (size_t)n >= sizeof fresh) return -ENAMETOOLONG;
    int err = write_new(fresh, text, mode);
    if (err) return err;
    /* A second name is refused where there is a file, a new one is not. */
    if (replace ? rename(fresh, path) : link(fresh, path)) err = -errno;
    if (err || !replace) unlink(fresh);
    return err;
}
