/* SPDX-License-Identifier: Apache-2.0 */
#include "node/memory_limit.h"

static uint64_t limit_of(const struct cgroup *g)
{
    uint64_t limit = cgroup_number(g, g->v1 ? "memory.limit_in_bytes" : "memory.max");
    return limit == UINT64_MAX ? 0 : limit;
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

static uint64_t file_pages(const struct cgroup *g)
{
    char text[CGROUP_TEXT_MAX];
    struct str stat = cgroup_text(g, "memory.stat", text);
    return stat_of(stat, g->v1 ? STR("total_active_file") : STR("active_file")) +
           stat_of(stat, g->v1 ? STR("total_inactive_file") : STR("inactive_file"));
}

void memory_limit_find(const char *root, struct memory_limit *out)
{
    *out = (struct memory_limit){0};
    if (!cgroup_find(root, STR("memory"), &out->group)) return;
    do {
        out->bytes = limit_of(&out->group);
    } while (!out->bytes && cgroup_up(&out->group));
    if (!out->bytes) out->group.folder[0] = '\0';
}

double memory_limit_used(struct memory_limit *m)
{
    const struct cgroup *g = &m->group;
    if (g->folder[0] == '\0') return 0;
    uint64_t limit = limit_of(g);
    uint64_t used = cgroup_number(g, g->v1 ? "memory.usage_in_bytes" : "memory.current");
    uint64_t files = file_pages(g);
    m->bytes = limit;
    return limit && used != UINT64_MAX && used > files ? (double)(used - files) / (double)limit : 0;
}
