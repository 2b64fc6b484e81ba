/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/preparer.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/mem.h"
#include "obs/log.h"

enum { TURNS = 4 }; /* every one of so many pieces is the oldest job's */

struct preparer {
    struct loop *loop;
    pthread_t thread;
    unsigned turn; /* the thread's */

    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct list jobs; /* in the order in which they came; under lock, as `stop` */
    bool stop;
};

static struct prepare_job *job_of(struct list *link)
{
    return LIST_ITEM(link, struct prepare_job, link);
}

/* Whose turn it is. */
static struct prepare_job *choose(struct preparer *p)
{
    struct prepare_job *first = job_of(p->jobs.next), *best = first;
    if (++p->turn % TURNS == 0) return first;
    LIST_EACH(&p->jobs, link)
    {
        struct prepare_job *job = job_of(link);
        if (atomic_load(&job->cancelled)) return job;
        if (job->left < best->left) best = job;
    }
    return best;
}

/* The next job; NULL: stop. */
static struct prepare_job *wait_for_job(struct preparer *p)
{
    struct prepare_job *job = NULL;
    pthread_mutex_lock(&p->lock);
    while (!p->stop && list_empty(&p->jobs))
        pthread_cond_wait(&p->wake, &p->lock);
    if (!list_empty(&p->jobs)) job = choose(p);
    pthread_mutex_unlock(&p->lock);
    return job;
}

static void deliver(struct mail *mail)
{
    struct prepare_job *job = CONTAINER_OF(mail, struct prepare_job, mail);
    job->on_prepared(job);
}

static void *thread_main(void *arg)
{
    struct preparer *p = arg;
    struct prepare_job *job;
    while ((job = wait_for_job(p))) {
        if (!atomic_load(&job->cancelled) && job->step(job)) continue;
        pthread_mutex_lock(&p->lock);
        list_remove(&job->link);
        pthread_mutex_unlock(&p->lock);
        loop_post(p->loop, &job->mail);
    }
    log_flush();
    return NULL;
}

int preparer_start(struct loop *loop, struct preparer **out)
{
    struct preparer *p = mem_must_zero(1, sizeof *p);
    p->loop = loop;
    list_init(&p->jobs);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    int err = pthread_create(&p->thread, NULL, thread_main, p);
    if (!err) {
        *out = p;
        return 0;
    }
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
    free(p);
    return -err;
}

void preparer_add(struct preparer *p, struct prepare_job *job)
{
    job->mail.deliver = deliver;
    atomic_store(&job->cancelled, false);
    pthread_mutex_lock(&p->lock);
    list_push_back(&p->jobs, &job->link);
    pthread_cond_signal(&p->wake);
    pthread_mutex_unlock(&p->lock);
}

void preparer_cancel(struct prepare_job *job)
{
    atomic_store(&job->cancelled, true);
}

void preparer_stop(struct preparer *p)
{
    if (!p) return;
    assert(list_empty(&p->jobs));
    pthread_mutex_lock(&p->lock);
    p->stop = true;
    pthread_cond_signal(&p->wake);
    pthread_mutex_unlock(&p->lock);
    pthread_join(p->thread, NULL);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
    free(p);
}
