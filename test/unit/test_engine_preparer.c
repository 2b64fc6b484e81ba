/* SPDX-License-Identifier: Apache-2.0 */
/* The preparing thread: whose turn it is, and that each job ends once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <unistd.h>

#include "engine/preparer.h"

enum { JOBS = 6 };

struct world;

struct job {
    struct prepare_job base;
    struct world *world;
    char name;
    unsigned ended;
};

struct world {
    struct loop *loop;
    struct preparer *preparer;
    struct job jobs[JOBS];
    unsigned count;
    atomic_bool began; /* a piece waits to go on */
    atomic_bool go;
    char order[64]; /* who had a piece; the thread's until all have ended */
};

static bool step(struct prepare_job *base)
{
    struct job *job = CONTAINER_OF(base, struct job, base);
    struct world *w = job->world;
    atomic_store(&w->began, true);
    while (!atomic_load(&w->go))
        usleep(100);
    w->order[strlen(w->order)] = job->name;
    base->left--;
    return base->left > 0;
}

static void on_prepared(struct prepare_job *base)
{
    CONTAINER_OF(base, struct job, base)->ended++;
}

static void begin(struct world *w)
{
    *w = (struct world){0};
    assert_int_equal(loop_new_manual(0, &w->loop), 0);
    assert_int_equal(preparer_start(w->loop, &w->preparer), 0);
}

static struct job *add(struct world *w, char name, size_t pieces)
{
    struct job *job = &w->jobs[w->count++];
    *job = (struct job){.world = w, .name = name};
    job->base.left = pieces;
    job->base.step = step;
    job->base.on_prepared = on_prepared;
    preparer_add(w->preparer, &job->base);
    return job;
}

/* The first job waits in its first piece. */
static void await_first(struct world *w)
{
    for (unsigned tries = 0; !atomic_load(&w->began); tries++) {
        assert_true(tries < 20000);
        usleep(1000);
    }
}

static void finish(struct world *w)
{
    atomic_store(&w->go, true);
    for (unsigned i = 0; i < w->count; i++) {
        for (unsigned tries = 0; !w->jobs[i].ended; tries++) {
            assert_true(tries < 20000);
            loop_advance(w->loop, 1000);
            usleep(1000);
        }
        assert_int_equal(w->jobs[i].ended, 1);
    }
    preparer_stop(w->preparer);
    loop_free(w->loop);
}

static void the_least_left_goes_first_but_for_every_fourth_piece(void **state)
{
    (void)state;
    struct world w;
    begin(&w);
    add(&w, 'A', 6);
    await_first(&w);
    add(&w, 'b', 3);
    add(&w, 'c', 2);
    add(&w, 'd', 2);
    finish(&w);
    assert_string_equal(w.order, "AccAddbAbbAAA");
}

static void a_cancelled_job_ends_without_its_turn(void **state)
{
    (void)state;
    struct world w;
    begin(&w);
    struct job *first = add(&w, 'A', 5);
    await_first(&w);
    struct job *second = add(&w, 'b', 9);
    add(&w, 'c', 1);
    preparer_cancel(&first->base);
    preparer_cancel(&second->base);
    finish(&w);
    assert_string_equal(w.order, "Ac");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_least_left_goes_first_but_for_every_fourth_piece),
        cmocka_unit_test(a_cancelled_job_ends_without_its_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
