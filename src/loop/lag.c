/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/lag.h"

void lag_set_target(struct lag *lag, uint64_t target_us)
{
    lag->target_us = target_us;
    if (target_us == 0) lag->behind = false;
}

/* After a turn of so long. Refusals take their share of the time, however long turns are. */
static void give_credit(struct lag *lag, uint64_t credit, uint64_t turn_us)
{
    uint64_t targets = MAX(turn_us / lag->target_us, 1);
    lag->credit = MAX(credit, 1);
    lag->begin = lag->credit;
    lag->refuse = (LAG_REFUSALS_MIN + lag->credit / LAG_REFUSAL_SHARE) * targets;
    lag->turned_away = false;
}

static void begin_interval(struct lag *lag, uint64_t now_us)
{
    lag->interval_us = now_us;
    lag->least_us = UINT64_MAX;
    lag->turns = 0;
}

static void end_interval(struct lag *lag, uint64_t now_us)
{
    metric_store(&lag->standing_us, lag->least_us);
    if (!lag->behind && lag->target_us && lag->least_us > lag->target_us) {
        lag->behind = true;
        lag->eased = false;
        give_credit(lag, LAG_CREDIT, lag->least_us);
    }
    begin_interval(lag, now_us);
}

/* A loop that had nothing to do for a while begins anew. */
static bool has_rested(const struct lag *lag)
{
    return lag->interval_us == 0 || lag->turn_us - lag->slept_us > LAG_INTERVAL_US / 2;
}

/* Down in proportion, by half at most; up by a fifth at most, since what a request costs may show
 * only later. */
static uint64_t next_credit(const struct lag *lag, uint64_t turn_us)
{
    if (turn_us > lag->target_us)
        return MAX(lag->credit * lag->target_us / turn_us, lag->credit / 2);
    return lag->begin ? lag->credit : lag->credit + lag->credit / 5 + 1;
}

static void end_turn(struct lag *lag, uint64_t turn_us)
{
    lag->eased = lag->begin || lag->refuse;
    if (turn_us <= lag->target_us / 2 && !lag->turned_away)
        lag->behind = false;
    else
        give_credit(lag, next_credit(lag, turn_us), turn_us);
}

void lag_sleep(struct lag *lag, uint64_t now_us)
{
    if (lag->turn_us == 0) return;
    uint64_t turn_us = now_us - lag->turn_us;
    if (has_rested(lag)) begin_interval(lag, lag->turn_us);
    lag->turn_us = 0;
    lag->slept_us = now_us;
    lag->least_us = MIN(lag->least_us, turn_us);
    lag->turns++;
    if (lag->behind) end_turn(lag, turn_us);
    if (lag->turns >= 2 && now_us - lag->interval_us >= LAG_INTERVAL_US) end_interval(lag, now_us);
}

static void spend(uint64_t *credit)
{
    if (*credit) --*credit;
}

bool lag__begin(struct lag *lag, bool urgent)
{
    if (lag->begin > (urgent ? 0 : lag->credit / 2)) {
        spend(&lag->begin);
        return true;
    }
    spend(&lag->refuse);
    lag->turned_away = true;
    return false;
}

bool lag__wait(struct lag *lag)
{
    if (lag->begin || lag->refuse) return false;
    lag->turned_away = true;
    return true;
}
