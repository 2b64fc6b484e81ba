/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/loop.h"

#include <signal.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/mem.h"
#include "loop/loop_priv.h"
#include "obs/log.h"

enum { LOG_FLUSH_US = 100 * USEC_PER_MS };

void task_init(struct task *t, void (*run)(struct task *))
{
    list_init(&t->link);
    t->run = run;
}

void task_cancel(struct task *t)
{
    list_remove(&t->link);
}

void timer_init(struct timer *t, struct task *wakes)
{
    *t = (struct timer){.wakes = wakes};
}

bool timer_armed(const struct timer *t)
{
    return t->node.place != 0;
}

static bool timer_less(const struct heap_node *a, const struct heap_node *b)
{
    return CONTAINER_OF(a, struct timer, node)->due_us <
           CONTAINER_OF(b, struct timer, node)->due_us;
}

static struct loop *loop_alloc(void)
{
    struct loop *l = mem_try_zero(1, sizeof *l);
    if (!l) return NULL;
    list_init(&l->ready);
    list_init(&l->deferred);
    list_init(&l->last);
    list_init(&l->processes);
    list_init(&l->late);
    heap_init(&l->timers, timer_less);
    map_init(&l->names);
    return l;
}

uint64_t loop_now(const struct loop *l)
{
    return l->now_us;
}

void loop__touch(struct loop *l)
{
    l->now_us = clock_mono_us();
    lag_event(&l->lag, l->now_us);
}

struct lag *loop_lag(struct loop *l)
{
    return &l->lag;
}

void loop_wake(struct loop *l, struct task *t)
{
    if (!list_linked(&t->link)) list_push_back(&l->ready, &t->link);
}

void timer_start(struct loop *l, struct timer *t, uint64_t due_us)
{
    t->due_us = due_us;
    if (timer_armed(t))
        heap_update(&l->timers, &t->node);
    else
        heap_push(&l->timers, &t->node);
}

void timer_stop(struct loop *l, struct timer *t)
{
    heap_remove(&l->timers, &t->node);
}

static void fire_due(struct loop *l)
{
    struct heap_node *node;
    while ((node = heap_peek(&l->timers))) {
        struct timer *t = CONTAINER_OF(node, struct timer, node);
        if (t->due_us > l->now_us) break;
        heap_pop(&l->timers);
        loop_wake(l, t->wakes);
    }
}

static void deliver_mail(struct loop *l)
{
    struct mail *newest = atomic_exchange_explicit(&l->mail, NULL, memory_order_acquire);
    struct mail *oldest = NULL;
    while (newest) {
        struct mail *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest) {
        struct mail *next = oldest->next;
        oldest->deliver(oldest);
        oldest = next;
    }
}

static void run_first(struct list *tasks)
{
    struct task *t = LIST_ITEM(list_pop_front(tasks), struct task, link);
    t->run(t);
}

/* A manual loop never sleeps: what is to be done last is done whenever nothing of ours is on the
 * stack. */
static bool has_deferred(const struct loop *l)
{
    return !list_empty(&l->deferred) || (l->manual && !list_empty(&l->last));
}

static void run_deferred(struct loop *l)
{
    if (l->in_ready || l->in_deferred || l->telling) return;
    l->in_deferred = true;
    while (has_deferred(l)) {
        run_first(!list_empty(&l->deferred) ? &l->deferred : &l->last);
        if (!list_empty(&l->ready)) loop_run_ready(l);
    }
    l->in_deferred = false;
}

static bool has_work(const struct loop *l)
{
    return !list_empty(&l->ready) || !list_empty(&l->deferred) || !list_empty(&l->last);
}

/* All that is left to do, also what that makes. */
static void run_last(struct loop *l)
{
    while (has_work(l)) {
        loop_run_ready(l);
        if (!list_empty(&l->last)) run_first(&l->last);
    }
}

void loop_run_ready(struct loop *l)
{
    if (l->in_ready) return;
    l->in_ready = true;
    for (;;) {
        if (l->manual) deliver_mail(l);
        if (list_empty(&l->ready)) break;
        run_first(&l->ready);
    }
    l->in_ready = false;
    if (has_deferred(l)) run_deferred(l);
}

void loop_wake_last(struct loop *l, struct task *t)
{
    if (!list_linked(&t->link)) list_push_back(&l->last, &t->link);
}

void loop_defer(struct loop *l, struct task *t)
{
    if (!list_linked(&t->link)) list_push_back(&l->deferred, &t->link);
}

void loop__enter(struct loop *l)
{
    l->telling++;
}

void loop__leave(struct loop *l)
{
    l->telling--;
    if (has_deferred(l)) run_deferred(l);
}

char *loop_scratch(struct loop *l, enum loop_scratch which)
{
    if (!l->scratch[which]) l->scratch[which] = mem_try(LOOP_SCRATCH);
    return l->scratch[which];
}

void loop_post(struct loop *l, struct mail *mail)
{
    struct mail *head = atomic_load_explicit(&l->mail, memory_order_relaxed);
    do {
        mail->next = head;
    } while (!atomic_compare_exchange_weak_explicit(&l->mail, &head, mail, memory_order_release,
                                                    memory_order_relaxed));
    if (!l->manual) uv_async_send(&l->uv_async);
}

void loop_set_net(struct loop *l, struct net *net)
{
    l->net = net;
}

int loop_dial(struct loop *l, const struct addr *addr, struct stream **out)
{
    return l->net ? l->net->dial(l->net, l, addr, out) : ERR_UNSUPPORTED;
}

/* --- manual --- */

int loop_new_manual(uint64_t start_us, struct loop **out)
{
    struct loop *l = loop_alloc();
    if (!l) return -ENOMEM;
    l->manual = true;
    l->now_us = start_us;
    *out = l;
    return 0;
}

void loop_advance(struct loop *l, uint64_t us)
{
    uint64_t until = l->now_us + us;
    loop_run_ready(l);
    for (;;) {
        struct heap_node *node = heap_peek(&l->timers);
        if (!node || CONTAINER_OF(node, struct timer, node)->due_us > until) break;
        l->now_us = MAX(l->now_us, CONTAINER_OF(node, struct timer, node)->due_us);
        fire_due(l);
        loop_run_ready(l);
    }
    l->now_us = until;
}

/* --- real --- */

static void on_uv_timer(uv_timer_t *handle)
{
    struct loop *l = handle->data;
    l->uv_timer_due = 0;
    loop__touch(l);
    fire_due(l);
    loop_run_ready(l);
}

static void on_log_timer(struct task *task UNUSED)
{
    log_flush();
}

/* Before the loop sleeps: work left over from outside callbacks, then the next timer. */
static void on_uv_prepare(uv_prepare_t *handle)
{
    struct loop *l = handle->data;
    run_last(l);
    if (log_gathered() && !timer_armed(&l->log_timer))
        timer_start(l, &l->log_timer, l->now_us + LOG_FLUSH_US);
    lag_sleep(&l->lag, l->now_us);
    if (!list_empty(&l->late)) loop__read_late(l);
    struct heap_node *node = heap_peek(&l->timers);
    uint64_t due = node ? CONTAINER_OF(node, struct timer, node)->due_us : 0;
    if (due == l->uv_timer_due) return;
    l->uv_timer_due = due;
    if (!node) {
        uv_timer_stop(&l->uv_timer);
        return;
    }
    uint64_t now = clock_mono_us();
    uint64_t wait_us = due > now ? due - now : 0;
    uv_update_time(&l->uv);
    uv_timer_start(&l->uv_timer, on_uv_timer, (wait_us + USEC_PER_MS - 1) / USEC_PER_MS, 0);
}

static void on_uv_async(uv_async_t *handle)
{
    struct loop *l = handle->data;
    loop__touch(l);
    deliver_mail(l);
    loop_run_ready(l);
}

#ifdef HOSTLER_FAULTS

static void *uv_malloc(size_t size)
{
    return fault_point(FAULT_LIBRARY) ? NULL : malloc(size);
}

static void *uv_calloc(size_t count, size_t size)
{
    return fault_point(FAULT_LIBRARY) ? NULL : calloc(count, size);
}

/* It may grow: where its table of descriptors cannot, libuv ends the process itself. */
__attribute__((constructor)) static void hook_uv(void)
{
    uv_replace_allocator(uv_malloc, realloc, uv_calloc, free);
}

#endif

int loop_new_real(struct loop **out)
{
    struct loop *l = loop_alloc();
    if (!l) return -ENOMEM;
    l->rx = mem_try(LOOP_RX_SIZE);
    int err = l->rx ? uv_loop_init(&l->uv) : -ENOMEM;
    if (err) {
        free(l->rx);
        free(l);
        return err;
    }
    l->uv.data = l;
    uv_timer_init(&l->uv, &l->uv_timer);
    uv_prepare_init(&l->uv, &l->uv_prepare);
    l->uv_timer.data = l->uv_prepare.data = l->uv_async.data = l;
    /* It takes an eventfd; without one nothing works. */
    if (uv_async_init(&l->uv, &l->uv_async, on_uv_async)) abort();
    /* Writing to a peer that has gone is an error of that write, not the end of us. */
    signal(SIGPIPE, SIG_IGN);
    uv_prepare_start(&l->uv_prepare, on_uv_prepare);
    task_init(&l->log_task, on_log_timer);
    timer_init(&l->log_timer, &l->log_task);
    l->net = &loop_real_net;
    loop__touch(l);
    *out = l;
    return 0;
}

void loop_run(struct loop *l)
{
    loop__touch(l);
    uv_run(&l->uv, UV_RUN_DEFAULT);
}

void loop_poll(struct loop *l)
{
    loop__touch(l);
    uv_run(&l->uv, UV_RUN_NOWAIT);
}

void loop_stop(struct loop *l)
{
    uv_stop(&l->uv);
}

void loop_free(struct loop *l)
{
    if (!l) return;
    loop__forget_questions(l);
    deliver_mail(l);
    loop_run_ready(l);
    if (!l->manual) {
        uv_close((uv_handle_t *)&l->uv_timer, NULL);
        uv_close((uv_handle_t *)&l->uv_prepare, NULL);
        uv_close((uv_handle_t *)&l->uv_async, NULL);
        uv_run(&l->uv, UV_RUN_DEFAULT);
        int err = uv_loop_close(&l->uv);
        assert(err == 0);
        (void)err;
        free(l->rx);
    }
    loop__forget_names(l);
    heap_fini(&l->timers);
    for (unsigned i = 0; i < LOOP_SCRATCHES; i++)
        free(l->scratch[i]);
    free(l);
}
