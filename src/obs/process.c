/* SPDX-License-Identifier: Apache-2.0 */
#include "obs/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

void process_ask_cpu(const struct metric_series *s)
{
    struct rusage used;
    if (getrusage(RUSAGE_SELF, &used)) return;
    series_put_double(s, (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
                             (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6);
}

/* Of /proc/self/statm: the size, and how much of it is in memory. */
static bool read_pages(unsigned long long *size, unsigned long long *resident)
{
    FILE *f = fopen("/proc/self/statm", "re");
    if (!f) return false;
    bool read = fscanf(f, "%llu %llu", size, resident) == 2;
    fclose(f);
    return read;
}

static uint64_t page_size(void)
{
    return (uint64_t)sysconf(_SC_PAGESIZE);
}

void process_ask_resident(const struct metric_series *s)
{
    unsigned long long size, resident;
    if (read_pages(&size, &resident)) series_put(s, resident * page_size());
}

void process_ask_virtual(const struct metric_series *s)
{
    unsigned long long size, resident;
    if (read_pages(&size, &resident)) series_put(s, size * page_size());
}

void process_ask_open_files(const struct metric_series *s)
{
    uint64_t count = 0;
    /* Not opendir, whose descriptor ThreadSanitizer takes for the one that had its number before. */
    int fd = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    if (!folder) {
        if (fd >= 0) close(fd);
        return;
    }
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(folder);
    series_put(s, count - 1); /* not the folder's own */
}

void process_ask_most_files(const struct metric_series *s)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files)) return;
    series_put_double(s,
                      files.rlim_cur == RLIM_INFINITY ? (double)INFINITY : (double)files.rlim_cur);
}

/* When the machine started, in seconds since 1970; 0: unknown. */
static unsigned long long boot_time(void)
{
    char line[256];
    unsigned long long at = 0;
    FILE *f = fopen("/proc/stat", "re");
    while (f && !at && fgets(line, sizeof line, f))
        if (sscanf(line, "btime %llu", &at) != 1) at = 0;
    if (f) fclose(f);
    return at;
}

/* When this process did, in clock ticks since then: the 22nd field of /proc/self/stat, where the
 * second is a name in parentheses that may have anything in it. 0: unknown. */
static unsigned long long start_ticks(void)
{
    char line[1024];
    unsigned long long ticks = 0;
    FILE *f = fopen("/proc/self/stat", "re");
    const char *rest = f && fgets(line, sizeof line, f) ? strrchr(line, ')') : NULL;
    if (rest &&
        sscanf(rest + 1,
               "%*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu",
               &ticks) != 1)
        ticks = 0;
    if (f) fclose(f);
    return ticks;
}

void process_ask_start(const struct metric_series *s)
{
    unsigned long long boot = boot_time(), ticks = start_ticks();
    if (boot && ticks)
        series_put_double(s, (double)boot + (double)ticks / (double)sysconf(_SC_CLK_TCK));
}
