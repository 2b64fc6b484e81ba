/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/memory.h"

#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

static const char cgroup[] = "/sys/fs/cgroup";

static uint64_t machine(void)
{
    unsigned long long kib;
    char line[128];
    uint64_t bytes = UINT64_MAX;
    FILE *f = fopen("/proc/meminfo", "re");
    if (!f) return bytes;
    while (fgets(line, sizeof line, f)) {
        if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1) bytes = (uint64_t)kib * 1024;
    }
    fclose(f);
    return bytes;
}

/* A number of a control group; UINT64_MAX: there is none, or "max". */
static uint64_t group_number(const char *group, const char *name)
{
    char path[PATH_MAX];
    unsigned long long bytes = UINT64_MAX;
    int len = snprintf(path, sizeof path, "%s%s/%s", cgroup, group, name);
    FILE *f = len > 0 && (size_t)len < sizeof path ? fopen(path, "re") : NULL;
    if (!f) return UINT64_MAX;
    if (fscanf(f, "%llu", &bytes) != 1) bytes = UINT64_MAX;
    fclose(f);
    return bytes;
}

/* What the group and those that it is in leave. */
static uint64_t groups_of(char *group)
{
    uint64_t least = UINT64_MAX;
    for (char *slash = group + strlen(group); slash; slash = strrchr(group, '/')) {
        *slash = 0;
        uint64_t most = group_number(group, "memory.max");
        uint64_t used = group_number(group, "memory.current");
        if (most != UINT64_MAX && used != UINT64_MAX) least = MIN(least, most - MIN(used, most));
    }
    return least;
}

static uint64_t groups(void)
{
    char line[PATH_MAX];
    uint64_t bytes = UINT64_MAX;
    FILE *f = fopen("/proc/self/cgroup", "re");
    if (!f) return bytes;
    while (fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = 0;
        if (strncmp(line, "0::", 3) == 0) bytes = groups_of(line + 3);
    }
    fclose(f);
    return bytes;
}

uint64_t memory_available(void)
{
    uint64_t of_machine = machine(), of_groups = groups();
    return MIN(of_machine, of_groups);
}

static bool is_engine(const char *pid)
{
    char path[300], name[32] = "";
    (void)snprintf(path, sizeof path, "/proc/%.200s/comm", pid);
    FILE *f = fopen(path, "re");
    if (!f) return false;
    bool read = fgets(name, sizeof name, f) != NULL;
    fclose(f);
    return read && strncmp(name, "hostler-engine", strlen("hostler-engine")) == 0;
}

unsigned memory_engines(void)
{
    unsigned count = 0;
    DIR *all = opendir("/proc");
    const struct dirent *entry;
    while (all && (entry = readdir(all)) != NULL)
        count += isdigit((unsigned char)entry->d_name[0]) && is_engine(entry->d_name);
    if (all) closedir(all);
    return MAX(count, 1u);
}
