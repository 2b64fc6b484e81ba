/* SPDX-License-Identifier: Apache-2.0 */
#include "node/memory_watch.h"

#include "base/clock.h"
#include "obs/log.h"

enum { LOOK_US = 250 * USEC_PER_MS, EASE_PERCENT = 3 };

bool memory_is_short(double used, uint64_t percent, bool was_short)
{
    double above = (double)percent - (was_short ? EASE_PERCENT : 0);
    return percent && used * 100 >= above;
}

static void look(struct memory_watch *w)
{
    bool was = metric_read(w->shortage);
    w->used = memory_limit_used(&w->limit);
    bool is = memory_is_short(w->used, w->percent, was);
    metric_store(w->shortage, is);
    if (is && !was)
        log_note(
            LOG_WARN, "memory_short",
            "%.0f %% of the control group's limit of %llu MiB are used; new requests are refused",
            w->used * 100, (unsigned long long)(w->limit.bytes >> 20));
    else if (was && !is)
        log_note(LOG_INFO, "memory_short", "over: %.0f %% of the control group's limit are used",
                 w->used * 100);
}

static void on_timer(struct task *task)
{
    struct memory_watch *w = CONTAINER_OF(task, struct memory_watch, task);
    look(w);
    timer_start(w->loop, &w->timer, loop_now(w->loop) + LOOK_US);
}

void memory_watch_start(struct memory_watch *w, struct loop *loop, struct metric_cell *shortage)
{
    w->loop = loop;
    w->shortage = shortage;
    task_init(&w->task, on_timer);
    timer_init(&w->timer, &w->task);
    memory_limit_find("", &w->limit);
    if (w->limit.bytes) on_timer(&w->task);
}

void memory_watch_stop(struct memory_watch *w)
{
    if (!w->loop) return;
    timer_stop(w->loop, &w->timer);
    task_cancel(&w->task);
}
