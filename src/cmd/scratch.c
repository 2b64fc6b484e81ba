/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

enum { DEPTH_MAX = 16 };

#define PREFIX "hostler-launch-"

/* In the order of preference. */
static const char *place_at(size_t i)
{
    static const char *const variables[] = {"XDG_RUNTIME_DIR", "TMPDIR"};
    const char *place = i < ARRAY_LEN(variables) ? getenv(variables[i]) : "/tmp";
    return place && place[0] == '/' ? place : NULL;
}

enum { PLACES = 3 };

/* --- removing --- */

static void empty(int folder, unsigned depth);

static void remove_entry(int folder, const char *name, unsigned depth)
{
    if (unlinkat(folder, name, 0) == 0 || depth == DEPTH_MAX) return;
    int inner = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (inner < 0) return;
    empty(inner, depth + 1);
    close(inner);
    unlinkat(folder, name, AT_REMOVEDIR);
}

/* What cannot be removed stays, and so does the folder. */
static void empty(int folder, unsigned depth)
{
    int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir && fd >= 0) close(fd);
    for (struct dirent *e; dir && (e = readdir(dir));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            remove_entry(folder, e->d_name, depth);
    if (dir) closedir(dir);
}

/* --- what others have left --- */

/* Ours, and without an owner that lives. */
static bool is_left_over(int folder)
{
    struct stat st;
    if (fstat(folder, &st) || st.st_uid != getuid()) return false;
    return flock(folder, LOCK_EX | LOCK_NB) == 0;
}

static void sweep(const char *place)
{
    DIR *dir = place ? opendir(place) : NULL;
    for (struct dirent *e; dir && (e = readdir(dir));) {
        if (strncmp(e->d_name, PREFIX, strlen(PREFIX)) != 0) continue;
        int folder = openat(dirfd(dir), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (folder < 0) continue;
        if (is_left_over(folder)) {
            empty(folder, 0);
            unlinkat(dirfd(dir), e->d_name, AT_REMOVEDIR);
        }
        close(folder);
    }
    if (dir) closedir(dir);
}

/* --- our own --- */

/* One that was just made has no lock yet and may be swept: -EAGAIN. */
static int lock(struct scratch *s)
{
    struct stat st;
    s->folder = open(s->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (s->folder < 0) return errno == ENOENT ? -EAGAIN : -errno;
    (void)flock(s->folder, LOCK_EX | LOCK_NB); /* without one it is as good, until one is killed */
    return lstat(s->path, &st) ? -EAGAIN : 0;
}

static int make(struct scratch *s, const char *place)
{
    s->path = mem_must_printf("%s/" PREFIX "XXXXXX", place);
    s->folder = -1;
    int err = mkdtemp(s->path) ? lock(s) : -errno; /* mode 0700 */
    if (!err) return 0;
    if (s->folder >= 0) close(s->folder);
    free(s->path);
    *s = (struct scratch){0};
    return err;
}

int scratch_open(struct scratch *s)
{
    int err = -ENOENT;
    *s = (struct scratch){0};
    for (size_t i = 0; i < PLACES; i++)
        sweep(place_at(i));
    for (size_t i = 0; i < PLACES && err; i++)
        for (unsigned tries = 0; place_at(i) && tries < 10; tries++)
            if ((err = make(s, place_at(i))) != -EAGAIN) break;
    return err;
}

int scratch_write(const struct scratch *s, const char *name, struct str text)
{
    int fd = openat(s->folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
    if (!f) return -errno;
    int err = fwrite(text.ptr, 1, text.len, f) == text.len ? 0 : -EIO;
    return fclose(f) && !err ? -errno : err;
}

void scratch_close(struct scratch *s)
{
    if (!s->path) return;
    empty(s->folder, 0);
    rmdir(s->path);
    close(s->folder);
    free(s->path);
    *s = (struct scratch){0};
}
