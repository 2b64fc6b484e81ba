/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/memory.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <string.h>

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
