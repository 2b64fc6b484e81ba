/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/compute.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/host.h"
#include "base/mem.h"
#include "engine/memory.h"
#include "obs/log.h"

enum command_kind {
    COMMAND_ADD,
    COMMAND_CANCEL,
    COMMAND_PAUSE,
    COMMAND_RESUME,
    COMMAND_EMBED,
    COMMAND_CANCEL_EMBED,
    COMMAND_ASK,
    COMMAND_DISPOSE,
};

struct command {
    enum command_kind kind;
    void *what;
    void (*dispose)(void *what); /* COMMAND_DISPOSE */
};

struct commands {
    struct command *all;
    size_t count;
    size_t cap;
};

/* What is done of one sequence or embedding job; texts and choices are in the report's
 * own buffers. */
struct entry {
    struct output out;
    struct embed_job *job; /* instead of `out`, with err; or NULL */
    int err;
    struct piece pieces[PIECES_MAX]; /* `text.ptr` is to be set when it is delivered */
    size_t text_at;
    size_t choices_at;
};

/* A mail: what was told in a step, or in a part of it. */
struct report {
    struct mail mail;
    struct entry *entries;
    size_t count, cap;
    char *text;
    size_t text_len, text_cap;
    struct sampler_choice *choices;
    size_t choice_count, choice_cap;
};

/* The mail that tells how loading went. */
struct loaded {
    struct mail mail;
    struct compute *compute;
    int err;
    char why[MODEL_WHY_MAX];
};

struct compute {
    struct loop *loop;
    struct compute_options options;
    void (*on_loaded)(void *user, int err, const char *why);
    void *user;
    pthread_t thread;
    bool joined;

    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct commands inbox; /* under lock */
    bool stop;             /* under lock */

    struct model *model;         /* the thread's until on_loaded */
    struct scheduler *scheduler; /* the thread's */
    struct report *report;       /* not posted yet; the thread's */
    struct loaded loaded;
    atomic_uint progress; /* of loading, per cent */
};

/* Room for `more` elements of `size` behind `count`. */
static void *grown(void *ptr, size_t *cap, size_t count, size_t more, size_t size)
{
    if (count + more <= *cap) return ptr;
    *cap = MAX(*cap * 2, count + more);
    return mem_must_grow(ptr, *cap, size);
}

/* --- reports: written on the compute thread, delivered on the loop's --- */

static void report_free(struct report *r)
{
    free(r->entries);
    free(r->text);
    free(r->choices);
    free(r);
}

/* Their texts lie one after the other from `text` on. */
static void place_pieces(struct entry *e, const char *text)
{
    for (unsigned i = 0; i < e->out.piece_count; i++) {
        e->pieces[i].text.ptr = text;
        text += e->pieces[i].text.len;
    }
    e->out.pieces = e->pieces;
}

static void deliver_report(struct mail *mail)
{
    struct report *r = CONTAINER_OF(mail, struct report, mail);
    for (size_t i = 0; i < r->count; i++) {
        struct entry *e = &r->entries[i];
        if (e->job) {
            e->job->on_done(e->job, e->err);
            continue;
        }
        place_pieces(e, r->text + e->text_at);
        e->out.choices = r->choices + e->choices_at;
        e->out.sequence->on_output(&e->out);
    }
    report_free(r);
}

static struct entry *add_entry(struct compute *c)
{
    if (!c->report) {
        c->report = mem_must_zero(1, sizeof *c->report);
        c->report->mail.deliver = deliver_report;
    }
    struct report *r = c->report;
    r->entries = grown(r->entries, &r->cap, r->count, 1, sizeof *r->entries);
    struct entry *e = &r->entries[r->count++];
    *e = (struct entry){.text_at = r->text_len, .choices_at = r->choice_count};
    return e;
}

static void on_output(void *user, const struct output *out)
{
    struct compute *c = user;
    struct entry *e = add_entry(c);
    struct report *r = c->report;
    e->out = *out;
    for (unsigned i = 0; i < out->piece_count; i++) {
        struct str text = out->pieces[i].text;
        e->pieces[i] = out->pieces[i];
        r->text = grown(r->text, &r->text_cap, r->text_len, text.len, 1);
        memcpy(r->text + r->text_len, text.ptr, text.len);
        r->text_len += text.len;
    }
    if (!out->choice_count) return;
    r->choices =
        grown(r->choices, &r->choice_cap, r->choice_count, out->choice_count, sizeof *r->choices);
    memcpy(r->choices + r->choice_count, out->choices, out->choice_count * sizeof *r->choices);
    r->choice_count += out->choice_count;
}

static void on_embedded(void *user, struct embed_job *job, int err)
{
    struct entry *e = add_entry(user);
    e->job = job;
    e->err = err;
}

static void post_report(void *user)
{
    struct compute *c = user;
    if (!c->report) return;
    struct report *r = c->report;
    c->report = NULL;
    loop_post(c->loop, &r->mail);
}

/* --- the thread --- */

static void deliver_errand(struct mail *mail)
{
    struct compute_errand *e = CONTAINER_OF(mail, struct compute_errand, mail);
    e->on_done(e);
}

static void run_errand(struct compute *c, struct compute_errand *e)
{
    e->run(e, c->scheduler);
    e->mail.deliver = deliver_errand;
    loop_post(c->loop, &e->mail);
}

static void obey(struct compute *c, const struct command *command)
{
    struct scheduler *s = c->scheduler;
    switch (command->kind) {
    case COMMAND_ADD: scheduler_add(s, command->what); break;
    case COMMAND_CANCEL: scheduler_cancel(s, command->what); break;
    case COMMAND_PAUSE: scheduler_pause(s, command->what, true); break;
    case COMMAND_RESUME: scheduler_pause(s, command->what, false); break;
    case COMMAND_EMBED: scheduler_embed(s, command->what); break;
    case COMMAND_CANCEL_EMBED: scheduler_cancel_embed(s, command->what); break;
    case COMMAND_ASK: run_errand(c, command->what); break;
    case COMMAND_DISPOSE: command->dispose(command->what); break;
    }
}

/* Under the lock. False: the scheduler is due. */
static bool wait_for_more(struct compute *c)
{
    uint64_t due = scheduler_due_us(c->scheduler);
    const struct timespec until = {.tv_sec = (time_t)(due / USEC_PER_SEC),
                                   .tv_nsec = (long)(due % USEC_PER_SEC) * 1000};
    if (due != UINT64_MAX) return pthread_cond_timedwait(&c->wake, &c->lock, &until) != ETIMEDOUT;
    pthread_cond_wait(&c->wake, &c->lock);
    return true;
}

/* Takes the commands that have come; when there is nothing to compute it waits for some, or until the
 * next deadline. False: stop. */
static bool take_commands(struct compute *c, struct commands *taken, bool idle)
{
    if (idle) log_flush();
    pthread_mutex_lock(&c->lock);
    while (idle && !c->inbox.count && !c->stop)
        idle = wait_for_more(c);
    bool go_on = !c->stop;
    struct commands empty = *taken;
    *taken = c->inbox;
    c->inbox = empty;
    c->inbox.count = 0;
    pthread_mutex_unlock(&c->lock);
    return go_on;
}

static void run_steps(struct compute *c)
{
    struct commands taken = {0};
    bool idle = false;
    for (;;) {
        bool go_on = take_commands(c, &taken, idle);
        for (size_t i = 0; i < taken.count; i++)
            obey(c, &taken.all[i]);
        if (!go_on) break;
        idle = !scheduler_step(c->scheduler) && !model_settle(c->model);
        post_report(c);
    }
    scheduler_cancel_all(c->scheduler);
    post_report(c);
    free(taken.all);
}

static void deliver_loaded(struct mail *mail)
{
    struct loaded *l = CONTAINER_OF(mail, struct loaded, mail);
    l->compute->on_loaded(l->compute->user, l->err, l->why);
}

static size_t cache_ram(const struct compute *c)
{
    uint64_t available;
    if (c->options.cache_ram != COMPUTE_CACHE_AUTO) return (size_t)c->options.cache_ram;
    available = host_memory("");
    return available == UINT64_MAX ? 0 : (size_t)(available / 4 / memory_engines());
}

static void on_progress(void *user, unsigned percent)
{
    struct compute *c = user;
    atomic_store_explicit(&c->progress, percent, memory_order_relaxed);
}

static bool has_asker(const struct command *command)
{
    return command->kind == COMMAND_ADD || command->kind == COMMAND_EMBED ||
           command->kind == COMMAND_ASK;
}

/* Commands that somebody waits for, or the end. */
static bool any_newcomers(void *user)
{
    struct compute *c = user;
    pthread_mutex_lock(&c->lock);
    bool any = c->stop;
    for (size_t i = 0; i < c->inbox.count && !any; i++)
        any = has_asker(&c->inbox.all[i]);
    pthread_mutex_unlock(&c->lock);
    return any;
}

static void *thread_main(void *arg)
{
    struct compute *c = arg;
    struct loaded *l = &c->loaded;
    l->mail.deliver = deliver_loaded;
    l->compute = c;
    l->err = model_load(&c->options.model, &c->model, l->why);
    if (!l->err) {
        const struct scheduler_options options = {
            .model = c->model,
            .threads = c->options.threads,
            .threads_most = c->options.threads_most,
            .cache_ram = cache_ram(c),
            .inter_token = c->options.inter_token,
            .newcomers = {any_newcomers, c},
            .sink = {on_output, on_embedded, post_report, c},
        };
        c->scheduler = scheduler_new(&options);
    }
    bool ok = l->err == 0;
    loop_post(c->loop, &l->mail);
    if (ok) run_steps(c);
    log_flush();
    return NULL;
}

/* --- the loop's side --- */

int compute_start(struct loop *loop, const struct compute_options *options,
                  void (*on_loaded)(void *user, int err, const char *why), void *user,
                  struct compute **out)
{
    pthread_condattr_t clock;
    struct compute *c = mem_must_zero(1, sizeof *c);
    c->loop = loop;
    c->options = *options;
    c->options.model.on_progress = on_progress;
    c->options.model.user = c;
    c->on_loaded = on_loaded;
    c->user = user;
    pthread_mutex_init(&c->lock, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&c->wake, &clock);
    pthread_condattr_destroy(&clock);
    int err = pthread_create(&c->thread, NULL, thread_main, c);
    if (err) {
        c->joined = true;
        compute_free(c);
        return -err;
    }
    *out = c;
    return 0;
}

unsigned compute_progress(const struct compute *c)
{
    return atomic_load_explicit(&c->progress, memory_order_relaxed);
}

struct model *compute_model(struct compute *c)
{
    return c->model;
}

const struct scheduler_stats *compute_stats(const struct compute *c)
{
    return scheduler_stats(c->scheduler);
}

static void push(struct compute *c, struct command new)
{
    pthread_mutex_lock(&c->lock);
    c->inbox.all = grown(c->inbox.all, &c->inbox.cap, c->inbox.count, 1, sizeof *c->inbox.all);
    c->inbox.all[c->inbox.count++] = new;
    pthread_cond_signal(&c->wake);
    pthread_mutex_unlock(&c->lock);
}

static void command(struct compute *c, enum command_kind kind, void *what)
{
    push(c, (struct command){.kind = kind, .what = what});
}

void compute_add(struct compute *c, struct sequence *q)
{
    command(c, COMMAND_ADD, q);
}

void compute_cancel(struct compute *c, struct sequence *q)
{
    sequence_abandon(q);
    command(c, COMMAND_CANCEL, q);
}

void compute_pause(struct compute *c, struct sequence *q, bool paused)
{
    command(c, paused ? COMMAND_PAUSE : COMMAND_RESUME, q);
}

void compute_embed(struct compute *c, struct embed_job *job)
{
    command(c, COMMAND_EMBED, job);
}

void compute_cancel_embed(struct compute *c, struct embed_job *job)
{
    command(c, COMMAND_CANCEL_EMBED, job);
}

void compute_ask(struct compute *c, struct compute_errand *e)
{
    command(c, COMMAND_ASK, e);
}

void compute_dispose(struct compute *c, void (*dispose)(void *what), void *what)
{
    if (c->joined)
        dispose(what);
    else
        push(c, (struct command){COMMAND_DISPOSE, what, dispose});
}

void compute_stop(struct compute *c)
{
    if (c->joined) return;
    pthread_mutex_lock(&c->lock);
    c->stop = true;
    pthread_cond_signal(&c->wake);
    pthread_mutex_unlock(&c->lock);
    pthread_join(c->thread, NULL);
    c->joined = true;
}

void compute_free(struct compute *c)
{
    if (!c) return;
    assert(c->joined);
    for (size_t i = 0; i < c->inbox.count; i++) {
        const struct command *left = &c->inbox.all[i];
        if (left->kind == COMMAND_DISPOSE) left->dispose(left->what);
    }
    scheduler_free(c->scheduler);
    model_free(c->model);
    free(c->inbox.all);
    pthread_cond_destroy(&c->wake);
    pthread_mutex_destroy(&c->lock);
    free(c);
}
