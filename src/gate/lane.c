/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/lane.h"

#include <string.h>

#include "base/err.h"

static const char *const outcome_names[OUTCOME_COUNT] = {
#define OUTCOME(name, text) [OUTCOME_##name] = text,
#include "gate/outcome.def"
#undef OUTCOME
};

const char *shed_cause_text(unsigned cause)
{
    static const char *const texts[SHED_CAUSES] = {
        [SHED_LAG] = "lag",
        [SHED_MEMORY] = "memory",
        [SHED_REQUESTS] = "requests",
        [SHED_CONNECTIONS] = "connections",
    };
    return texts[cause];
}

static const struct metric_row lane_rows[] = {
#define LANE_METRIC(...) METRIC_ROW(lane_stats, __VA_ARGS__)
#include "obs/metrics.def"
};
const struct metric_set lane_metrics = METRIC_SET(lane_rows);

const char *outcome_name(enum outcome o)
{
    return outcome_names[o];
}

static void put_hexadecimal(char at[16], uint64_t word)
{
    for (unsigned i = 16; i-- > 0; word >>= 4)
        at[i] = "0123456789abcdef"[word & 15];
}

void lane_new_id(struct lane *l, char id[REQUEST_ID_MAX + 1])
{
    memcpy(id, "req_", 4);
    put_hexadecimal(id + 4, l->id_seed);
    put_hexadecimal(id + 20, ++l->last_id ^ rng_next(&l->rng));
    id[36] = '\0';
}

int lane_init(struct lane *l, const struct lane_home *home, unsigned index, struct loop *loop,
              struct snapshot *snapshot, struct keyring *keyring)
{
    const struct settings *c = snapshot_settings(snapshot);
    *l = (struct lane){
        .home = home, .index = index, .loop = loop, .snapshot = snapshot, .keyring = keyring};
    list_init(&l->exchanges);
    rng_seed_random(&l->rng);
    l->id_seed = rng_next(&l->rng);
    http_client_init(&l->client, loop, &c->upstream_head, c->pool_idle_max, c->pool_idle_us);
    l->digester = digester_new();
    return l->digester ? 0 : ERR_WRONG_STATE;
}

void lane_apply(struct lane *l, struct snapshot *snapshot, struct keyring *keyring)
{
    const struct settings *c = snapshot_settings(snapshot);
    snapshot_unref(l->snapshot);
    keyring_unref(l->keyring);
    l->snapshot = snapshot;
    l->keyring = keyring;
    l->client.limits = c->upstream_head;
    l->client.idle_max = c->pool_idle_max;
    l->client.idle_us = c->pool_idle_us;
}

void lane_fini(struct lane *l)
{
    if (!l->loop) return;
    http_client_fini(&l->client);
    digester_free(l->digester);
    snapshot_unref(l->snapshot);
    keyring_unref(l->keyring);
}
