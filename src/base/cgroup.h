/* SPDX-License-Identifier: Apache-2.0 */
/* The control groups of this process, of version 2 and 1 (cgroups(7)). Any thread. */
#ifndef HOSTLER_BASE_CGROUP_H
#define HOSTLER_BASE_CGROUP_H

#include "base/base.h"
#include "base/str.h"

enum { CGROUP_TEXT_MAX = 8192 };

/* One group. */
struct cgroup {
    char folder[512];
    uint16_t top; /* how much of `folder` is the mount, above which there are no groups */
    bool v1;
};

/* Finds this process's group for a controller ("memory", "cpu") below `root`, "" but for tests.
 * False: none can be seen. In a container the folder may not be there, as its path is the host's;
 * the container's own group is then the mount, the last one of cgroup_up. */
bool cgroup_find(const char *root, struct str controller, struct cgroup *out);

/* Turns to the group above. False at the top. */
bool cgroup_up(struct cgroup *g);

/* What a file of the group holds, cut at CGROUP_TEXT_MAX; empty if it cannot be read. */
struct str cgroup_text(const struct cgroup *g, const char *name, char text[CGROUP_TEXT_MAX]);

/* The number in a file of the group; UINT64_MAX: there is none, or it stands for no limit. */
uint64_t cgroup_number(const struct cgroup *g, const char *name);

#endif
