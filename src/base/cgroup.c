/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cgroup.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Above this a limit is none: v1 writes the greatest page-aligned number. */
#define NO_LIMIT ((uint64_t)1 << 60)

static struct str read_file(const char *folder, const char *name, char text[CGROUP_TEXT_MAX])
{
    char path[640];
    int len = snprintf(path, sizeof path, "%s/%s", folder, name);
    bool fits = len > 0 && (size_t)len < sizeof path;
    int fd = fits ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    ssize_t n = fd < 0 ? 0 : read(fd, text, CGROUP_TEXT_MAX);
    if (fd >= 0) close(fd);
    return str_n(text, n > 0 ? (size_t)n : 0);
}

struct str cgroup_text(const struct cgroup *g, const char *name, char text[CGROUP_TEXT_MAX])
{
    return read_file(g->folder, name, text);
}

uint64_t cgroup_number(const struct cgroup *g, const char *name)
{
    char text[CGROUP_TEXT_MAX];
    uint64_t value;
    struct str rest = cgroup_text(g, name, text), line;
    if (!str_cut(&rest, '\n', &line) || str_to_u64(line, &value)) return UINT64_MAX;
    return value < NO_LIMIT ? value : UINT64_MAX;
}

/* The group's path in a line "ID:CONTROLLERS:PATH", where version 2 has no controllers. NULL: the
 * line is about others. */
static struct str group_path(struct str line, struct str controller, bool *v1)
{
    struct str id, controllers, one;
    if (!str_cut(&line, ':', &id) || !str_cut(&line, ':', &controllers)) return STR_NULL;
    *v1 = controllers.len > 0;
    if (!*v1) return line;
    while (str_cut(&controllers, ',', &one))
        if (str_eq(one, controller)) return line;
    return STR_NULL;
}

/* False: the path is too long to be looked at. */
static bool set(struct cgroup *g, const char *root, struct str controller, struct str path)
{
    static const char mount[] = "/sys/fs/cgroup";
    size_t room = sizeof g->folder;
    int top = g->v1 ? snprintf(g->folder, room, "%s%s/%" STR_FMT, root, mount, STR_ARG(controller))
                    : snprintf(g->folder, room, "%s%s", root, mount);
    if (top < 0 || (size_t)top >= room) return false;
    g->top = (uint16_t)top;
    if (str_eq(path, STR("/"))) path = STR("");
    if (path.len >= room - g->top) return false;
    (void)snprintf(g->folder + top, room - g->top, "%" STR_FMT, STR_ARG(path));
    return true;
}

bool cgroup_find(const char *root, struct str controller, struct cgroup *out)
{
    char text[CGROUP_TEXT_MAX], folder[256];
    int len = snprintf(folder, sizeof folder, "%s/proc/self", root);
    if (len < 0 || (size_t)len >= sizeof folder) return false;
    struct str lines = read_file(folder, "cgroup", text), line;
    bool found = false;
    /* With both versions mounted a controller is in one of them, and version 2 comes last. */
    while (!found && str_cut(&lines, '\n', &line)) {
        struct str path = group_path(line, controller, &out->v1);
        found = path.ptr && set(out, root, controller, path);
    }
    return found;
}

bool cgroup_up(struct cgroup *g)
{
    char *slash = strrchr(g->folder + g->top, '/');
    if (!slash) return false;
    *slash = '\0';
    return true;
}
