/* SPDX-License-Identifier: Apache-2.0 */
#include "node/memory_limit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"

/* Above this a limit is none: v1 writes the greatest page-aligned number. */
#define NO_LIMIT ((uint64_t)1 << 60)

enum { FILE_MAX = 8192 };

/* What the file holds, cut at FILE_MAX; empty if it cannot be read. */
static struct str read_file(const char *path, char text[FILE_MAX])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, text, FILE_MAX);
    if (fd >= 0) close(fd);
    return str_n(text, n > 0 ? (size_t)n : 0);
}

static struct str read_of(const char *folder, const char *name, char text[FILE_MAX])
{
    char path[640];
    int n = snprintf(path, sizeof path, "%s/%s", folder, name);
    return n > 0 && (size_t)n < sizeof path ? read_file(path, text) : STR("");
}

/* 0: there is none ("max", too). */
static uint64_t read_number(const char *folder, const char *name)
{
    char text[FILE_MAX];
    uint64_t value;
    struct str rest = read_of(folder, name, text), line;
    if (!str_cut(&rest, '\n', &line) || str_to_u64(line, &value)) return 0;
    return value < NO_LIMIT ? value : 0;
}

static uint64_t limit_of(const char *folder, bool v1)
{
    return read_number(folder, v1 ? "memory.limit_in_bytes" : "memory.max");
}

/* The value of a line "NAME VALUE". */
static uint64_t stat_of(struct str text, struct str name)
{
    struct str line, word;
    uint64_t value;
    while (str_cut(&text, '\n', &line))
        if (str_cut(&line, ' ', &word) && str_eq(word, name) && str_to_u64(line, &value) == 0)
            return value;
    return 0;
}

static uint64_t file_pages(const struct memory_limit *m)
{
    char text[FILE_MAX];
    struct str stat = read_of(m->folder, "memory.stat", text);
    return stat_of(stat, m->v1 ? STR("total_active_file") : STR("active_file")) +
           stat_of(stat, m->v1 ? STR("total_inactive_file") : STR("inactive_file"));
}

/* Looks from the group `path` upwards, in the tree that is mounted at `mount`. In a container the
 * path may be one of the host's, which is not there; its own group is then the mount itself. */
static void climb(const char *mount, struct str path, bool v1, struct memory_limit *out)
{
    while (!out->bytes) {
        int n = snprintf(out->folder, sizeof out->folder, "%s%" STR_FMT, mount, STR_ARG(path));
        if (n < 0 || (size_t)n >= sizeof out->folder) break;
        out->bytes = limit_of(out->folder, v1);
        if (path.len == 0) break;
        while (path.len && path.ptr[--path.len] != '/')
            ;
    }
    out->v1 = v1;
    if (!out->bytes) out->folder[0] = '\0';
}

/* The group's path in a line "ID:CONTROLLERS:PATH"; ptr NULL: it is not about memory. */
static struct str group_path(struct str line, bool *v1)
{
    struct str id, controllers, one;
    if (!str_cut(&line, ':', &id) || !str_cut(&line, ':', &controllers)) return STR_NULL;
    *v1 = controllers.len > 0;
    if (!*v1) return line;
    while (str_cut(&controllers, ',', &one))
        if (str_eq(one, STR("memory"))) return line;
    return STR_NULL;
}

void memory_limit_find(const char *root, struct memory_limit *out)
{
    char text[FILE_MAX], mount[256];
    bool v1;
    *out = (struct memory_limit){0};
    (void)snprintf(mount, sizeof mount, "%s/proc/self", root);
    struct str lines = read_of(mount, "cgroup", text), line;
    while (!out->bytes && str_cut(&lines, '\n', &line)) {
        struct str path = group_path(line, &v1);
        if (!path.ptr) continue;
        if (str_eq(path, STR("/"))) path = STR("");
        (void)snprintf(mount, sizeof mount, "%s/sys/fs/cgroup%s", root, v1 ? "/memory" : "");
        climb(mount, path, v1, out);
    }
}

double memory_limit_used(struct memory_limit *m)
{
    if (m->folder[0] == '\0') return 0;
    uint64_t limit = limit_of(m->folder, m->v1);
    uint64_t used = read_number(m->folder, m->v1 ? "memory.usage_in_bytes" : "memory.current");
    uint64_t files = file_pages(m);
    m->bytes = limit;
    return limit && used > files ? (double)(used - files) / (double)limit : 0;
}
