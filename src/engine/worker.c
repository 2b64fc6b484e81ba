/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/worker.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "obs/log.h"

enum command_kind {
    COMMAND_ADD,
    COMMAND_CANCEL,
    COMMAND_PAUSE,
    COMMAND_RESUME,
    COMMAND_EMBED,
    COMMAND_CANCEL_EMBED,
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
    size_t text_at;
    size_t choices_at;
};

/* A mail: what was told in a step, or in a part of it. */
struct report {
    struct mail mail;
    struct worker *worker;
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
    struct worker *worker;
    int err;
    char why[MODEL_WHY_MAX];
};

struct worker {
    struct loop *loop;
    struct worker_options options;
    struct worker_handler handler;
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
};

/* Room for `more` elements of `size` behind `count`. */
static void *grown(void *ptr, size_t *cap, size_t count, size_t more, size_t size)
{
    if (count + more <= *cap) return ptr;
    *cap = MAX(*cap * 2, count + more);
    return mem_must_grow(ptr, *cap, size);
}

/* --- reports: written on the worker's thread, delivered on the loop's --- */

static void report_free(struct report *r)
{
    free(r->entries);
    free(r->text);
    free(r->choices);
    free(r);
}

static void deliver_report(struct mail *mail)
{
    struct report *r = CONTAINER_OF(mail, struct report, mail);
    struct worker *w = r->worker;
    for (size_t i = 0; i < r->count; i++) {
        struct entry *e = &r->entries[i];
        if (e->job) {
            w->handler.on_embedded(w->user, e->job, e->err);
            continue;
        }
        e->out.text.ptr = r->text + e->text_at;
        e->out.choices = r->choices + e->choices_at;
        w->handler.on_output(w->user, &e->out);
    }
    report_free(r);
}

static struct entry *add_entry(struct worker *w)
{
    if (!w->report) {
        w->report = mem_must_zero(1, sizeof *w->report);
        w->report->mail.deliver = deliver_report;
        w->report->worker = w;
    }
    struct report *r = w->report;
    r->entries = grown(r->entries, &r->cap, r->count, 1, sizeof *r->entries);
    struct entry *e = &r->entries[r->count++];
    *e = (struct entry){.text_at = r->text_len, .choices_at = r->choice_count};
    return e;
}

static void on_output(void *user, const struct output *out)
{
    struct worker *w = user;
    struct entry *e = add_entry(w);
    struct report *r = w->report;
    e->out = *out;
    r->text = grown(r->text, &r->text_cap, r->text_len, out->text.len + 1, 1);
    if (out->text.len) memcpy(r->text + r->text_len, out->text.ptr, out->text.len);
    r->text_len += out->text.len;
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
    struct worker *w = user;
    if (!w->report) return;
    struct report *r = w->report;
    w->report = NULL;
    loop_post(w->loop, &r->mail);
}

/* --- the thread --- */

static void obey(struct scheduler *s, const struct command *c)
{
    switch (c->kind) {
    case COMMAND_ADD: scheduler_add(s, c->what); break;
    case COMMAND_CANCEL: scheduler_cancel(s, c->what); break;
    case COMMAND_PAUSE: scheduler_pause(s, c->what, true); break;
    case COMMAND_RESUME: scheduler_pause(s, c->what, false); break;
    case COMMAND_EMBED: scheduler_embed(s, c->what); break;
    case COMMAND_CANCEL_EMBED: scheduler_cancel_embed(s, c->what); break;
    case COMMAND_DISPOSE: c->dispose(c->what); break;
    }
}

/* Takes the commands that have come; when there is nothing to compute it waits for some. False:
 * stop. */
static bool take_commands(struct worker *w, struct commands *taken, bool idle)
{
    if (idle) log_flush();
    pthread_mutex_lock(&w->lock);
    while (idle && !w->inbox.count && !w->stop)
        pthread_cond_wait(&w->wake, &w->lock);
    bool go_on = !w->stop;
    struct commands empty = *taken;
    *taken = w->inbox;
    w->inbox = empty;
    w->inbox.count = 0;
    pthread_mutex_unlock(&w->lock);
    return go_on;
}

static void run_steps(struct worker *w)
{
    struct commands taken = {0};
    bool idle = false;
    for (;;) {
        bool go_on = take_commands(w, &taken, idle);
        for (size_t i = 0; i < taken.count; i++)
            obey(w->scheduler, &taken.all[i]);
        if (!go_on) break;
        idle = !scheduler_step(w->scheduler);
        post_report(w);
    }
    scheduler_cancel_all(w->scheduler);
    post_report(w);
    free(taken.all);
}

static void deliver_loaded(struct mail *mail)
{
    struct loaded *l = CONTAINER_OF(mail, struct loaded, mail);
    l->worker->handler.on_loaded(l->worker->user, l->err, l->why);
}

static void *thread_main(void *arg)
{
    struct worker *w = arg;
    struct loaded *l = &w->loaded;
    l->mail.deliver = deliver_loaded;
    l->worker = w;
    l->err = model_load(&w->options.model, &w->model, l->why);
    if (!l->err) {
        const struct scheduler_options options = {
            .model = w->model,
            .threads = w->options.threads,
            .threads_most = w->options.threads_most,
            .sink = {on_output, on_embedded, post_report, w},
        };
        w->scheduler = scheduler_new(&options);
    }
    bool ok = l->err == 0;
    loop_post(w->loop, &l->mail);
    if (ok) run_steps(w);
    log_flush();
    return NULL;
}

/* --- the loop's side --- */

int worker_start(struct loop *loop, const struct worker_options *options,
                 const struct worker_handler *handler, void *user, struct worker **out)
{
    struct worker *w = mem_must_zero(1, sizeof *w);
    w->loop = loop;
    w->options = *options;
    w->handler = *handler;
    w->user = user;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->wake, NULL);
    int err = pthread_create(&w->thread, NULL, thread_main, w);
    if (err) {
        w->joined = true;
        worker_free(w);
        return -err;
    }
    *out = w;
    return 0;
}

struct model *worker_model(struct worker *w)
{
    return w->model;
}

const struct scheduler_stats *worker_stats(const struct worker *w)
{
    return scheduler_stats(w->scheduler);
}

static void push(struct worker *w, struct command c)
{
    pthread_mutex_lock(&w->lock);
    w->inbox.all = grown(w->inbox.all, &w->inbox.cap, w->inbox.count, 1, sizeof *w->inbox.all);
    w->inbox.all[w->inbox.count++] = c;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
}

static void command(struct worker *w, enum command_kind kind, void *what)
{
    push(w, (struct command){.kind = kind, .what = what});
}

void worker_add(struct worker *w, struct sequence *q)
{
    command(w, COMMAND_ADD, q);
}

void worker_cancel(struct worker *w, struct sequence *q)
{
    command(w, COMMAND_CANCEL, q);
}

void worker_pause(struct worker *w, struct sequence *q, bool paused)
{
    command(w, paused ? COMMAND_PAUSE : COMMAND_RESUME, q);
}

void worker_embed(struct worker *w, struct embed_job *job)
{
    command(w, COMMAND_EMBED, job);
}

void worker_cancel_embed(struct worker *w, struct embed_job *job)
{
    command(w, COMMAND_CANCEL_EMBED, job);
}

void worker_dispose(struct worker *w, void (*dispose)(void *what), void *what)
{
    if (w->joined)
        dispose(what);
    else
        push(w, (struct command){COMMAND_DISPOSE, what, dispose});
}

void worker_stop(struct worker *w)
{
    if (w->joined) return;
    pthread_mutex_lock(&w->lock);
    w->stop = true;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    w->joined = true;
}

void worker_free(struct worker *w)
{
    if (!w) return;
    assert(w->joined);
    for (size_t i = 0; i < w->inbox.count; i++) {
        const struct command *c = &w->inbox.all[i];
        if (c->kind == COMMAND_DISPOSE) c->dispose(c->what);
    }
    scheduler_free(w->scheduler);
    model_free(w->model);
    free(w->inbox.all);
    pthread_cond_destroy(&w->wake);
    pthread_mutex_destroy(&w->lock);
    free(w);
}
