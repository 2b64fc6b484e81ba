/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/model/large_pages.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PIECE ((uintptr_t)2 << 20)
#define AREA_LEAST ((uintptr_t)64 << 20)

/* <linux/mman.h> has it since 6.1. */
enum { ADVICE_COLLAPSE = 25, PAGE_LEAST = 4096 };

/* A line of /proc/self/maps: "FROM-TO PERMISSIONS OFFSET DEVICE INODE PATH". */
static void add_area(struct large_pages *p, const char *line)
{
    unsigned long from, to, inode;
    char permissions[8];
    if (sscanf(line, "%lx-%lx %7s %*s %*s %lu", &from, &to, permissions, &inode) != 4) return;
    if (strcmp(permissions, "rw-p") != 0 || inode != 0 || to - from < AREA_LEAST) return;
    if (p->count == LARGE_PAGES_AREAS) return;
    p->areas[p->count].at = (from + PIECE - 1) / PIECE * PIECE;
    p->areas[p->count].end = to / PIECE * PIECE;
    p->count++;
}

void large_pages_find(struct large_pages *p)
{
    char line[512];
    *p = (struct large_pages){.count = 0};
    FILE *f = fopen("/proc/self/maps", "re");
    if (!f) return;
    while (fgets(line, sizeof line, f))
        add_area(p, line);
    fclose(f);
}

/* Memory that nobody has written to yet would become real by being moved. */
static bool is_resident(void *piece)
{
    unsigned char pages[PIECE / PAGE_LEAST];
    size_t count = PIECE / (size_t)sysconf(_SC_PAGESIZE), resident = 0;
    if (mincore(piece, PIECE, pages)) return false;
    for (size_t i = 0; i < count; i++)
        resident += pages[i] & 1;
    return resident == count;
}

/* NULL: there is none left. */
static void *next_piece(struct large_pages *p)
{
    for (; p->count; p->count--) {
        uintptr_t *at = &p->areas[p->count - 1].at;
        while (*at < p->areas[p->count - 1].end) {
            void *piece = (void *)*at;
            *at += PIECE;
            if (is_resident(piece)) return piece;
        }
    }
    return NULL;
}

bool large_pages_step(struct large_pages *p)
{
    void *piece = next_piece(p);
    /* One that cannot be moved stays where it is. */
    if (piece) (void)madvise(piece, PIECE, ADVICE_COLLAPSE);
    return piece != NULL;
}
