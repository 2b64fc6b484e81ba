/* SPDX-License-Identifier: Apache-2.0 */
#include "node/engine_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

/* A name has at most 36 bytes beside its place, a socket in it 16 more. */
enum { PLACE_MAX = 50 };

/* --- places --- */

/* The first path that a variable names; empty: none that is of use. */
static struct str place_of(const char *variable)
{
    struct str all = str_of(getenv(variable)), first = STR("");
    if (!str_cut(&all, ':', &first) || !str_starts(first, STR("/"))) return STR("");
    return first.len <= PLACE_MAX ? first : STR("");
}

/* In the order of preference. */
static struct str place_at(size_t i)
{
    switch (i) {
    case 0: return place_of("RUNTIME_DIRECTORY");
    case 1: return place_of("XDG_RUNTIME_DIR");
    default: return STR("/tmp");
    }
}

enum { PLACES = 3 };

/* --- what others have left --- */

/* Whether an instance of this user made the folder and does not run any more. */
static bool is_left_over(int folder, const char *name)
{
    struct stat st;
    unsigned uid;
    int pid, end = 0;
    if (sscanf(name, "hostler-%u-%d-%n", &uid, &pid, &end) != 2 || end == 0) return false;
    if (uid != getuid() || strlen(name + end) != 6 || pid <= 0) return false;
    if (fstat(folder, &st) || st.st_uid != getuid()) return false;
    if (pid != getpid() && (kill(pid, 0) == 0 || errno != ESRCH)) return false;
    /* In a container the number says nothing of its owner, who may run in another one. */
    return flock(folder, LOCK_EX | LOCK_NB) == 0;
}

/* A socket, or a configuration that was written for one process. */
static bool is_ours(int folder, const char *name)
{
    struct stat st;
    if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW)) return false;
    return S_ISSOCK(st.st_mode) || (S_ISREG(st.st_mode) && strcmp(name, ENGINE_FOLDER_CONFIG) == 0);
}

/* Removes what instances keep in an open folder; false when there is something else in it. */
static bool empty_folder(int folder)
{
    int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    bool empty = dir != NULL;
    if (!dir && fd >= 0) close(fd);
    for (struct dirent *e; empty && (e = readdir(dir));) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        empty = is_ours(folder, e->d_name) && unlinkat(folder, e->d_name, 0) == 0;
    }
    if (dir) closedir(dir);
    return empty;
}

static void sweep(struct str place)
{
    char *path = str_dup(place);
    DIR *dir = place.len ? opendir(path) : NULL;
    for (struct dirent *e; dir && (e = readdir(dir));) {
        if (strncmp(e->d_name, "hostler-", 8) != 0) continue;
        int folder = openat(dirfd(dir), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (folder < 0) continue;
        if (is_left_over(folder, e->d_name) && empty_folder(folder))
            unlinkat(dirfd(dir), e->d_name, AT_REMOVEDIR);
        close(folder);
    }
    if (dir) closedir(dir);
    free(path);
}

/* --- our own --- */

/* Without a lock it is as good, but for cleaners. */
static void lock_folder(struct engine_folder *f)
{
    if (f->lock >= 0) close(f->lock);
    f->lock = open(f->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (f->lock >= 0) (void)flock(f->lock, LOCK_SH | LOCK_NB);
}

int engine_folder_open(struct engine_folder *f)
{
    int err = -ENOENT;
    *f = (struct engine_folder){.lock = -1};
    for (size_t i = 0; i < PLACES; i++)
        sweep(place_at(i));
    for (size_t i = 0; i < PLACES && !f->path; i++) {
        struct str place = place_at(i);
        if (place.len == 0) continue;
        f->path = mem_must_printf("%" STR_FMT "/hostler-%u-%d-XXXXXX", STR_ARG(place), getuid(),
                                  getpid());
        if (mkdtemp(f->path)) break; /* mode 0700 */
        err = -errno;
        free(f->path);
        f->path = NULL;
    }
    if (!f->path) return err;
    lock_folder(f);
    return 0;
}

int engine_folder_ensure(struct engine_folder *f)
{
    struct stat st;
    if (mkdir(f->path, 0700) == 0) {
        lock_folder(f);
        return 0;
    }
    if (errno != EEXIST) return -errno;
    /* What stands there must be ours alone: in /tmp anybody may have put it there meanwhile. */
    if (lstat(f->path, &st)) return -errno;
    bool ours = S_ISDIR(st.st_mode) && st.st_uid == getuid() && (st.st_mode & 077) == 0;
    return ours ? 0 : -EEXIST;
}

struct str engine_folder_socket(struct engine_folder *f)
{
    return str_of(mem_must_printf("%s/%u.sock", f->path, f->sockets++));
}

void engine_folder_close(struct engine_folder *f)
{
    if (!f->path) return;
    rmdir(f->path);
    if (f->lock >= 0) close(f->lock);
    free(f->path);
    *f = (struct engine_folder){.lock = -1};
}
