/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/threads.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"

enum {
    ARGUMENTS_MAX = 4096,
    ARGUMENT_BYTES_MAX = 1024 * 1024,
    PAUSE_FIRST_US = 300 * USEC_PER_MS,
    PAUSE_LEAST_US = 1 * USEC_PER_SEC,
    PAUSE_MOST_US = 8 * USEC_PER_SEC,
    SLOW_STEPS = 3,
    OTHER_STEPS = 8, /* a trial is given up after so many steps of other work in a row */
};

static const double better = 0.97; /* a rival must cost less than this share to win */
static const double clear = 1.6;   /* times the other side's cost ends a trial early */
static const double slower = 1.5;  /* a step this much above the usual is slow */

void threads_init(struct threads *t, unsigned fixed, unsigned most)
{
    *t = (struct threads){.pause_us = PAUSE_LEAST_US, .next_trial_us = PAUSE_FIRST_US};
    if (fixed) {
        t->choices[t->choice_count++] = fixed;
        return;
    }
    most = MAX(most, 1u);
    for (unsigned n = 1; n <= most && t->choice_count < THREADS_CHOICES; n += MAX(1u, n / 4))
        t->choices[t->choice_count++] = n;
    if (t->choices[t->choice_count - 1] != most && t->choice_count < THREADS_CHOICES)
        t->choices[t->choice_count++] = most;
    t->automatic = t->choice_count > 1;
    t->now = t->choice_count - 1;
}

unsigned threads_pick(const struct threads *t)
{
    return t->choices[t->trying && t->turn ? t->rival : t->now];
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double median(const double *v, unsigned n)
{
    double sorted[THREADS_PAIRS];
    memcpy(sorted, v, n * sizeof *v);
    qsort(sorted, n, sizeof *sorted, compare);
    return n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

static double mean(const double *v, unsigned n)
{
    double sum = 0;
    for (unsigned i = 0; i < n; i++)
        sum += v[i];
    return sum / n;
}

/* The choice nearest below a share of the present one. */
static unsigned share_of(const struct threads *t, unsigned divisor)
{
    unsigned i = t->now;
    while (i > 0 && t->choices[i] > t->choices[t->now] / divisor)
        i--;
    return i;
}

/* One less, one more, half, a quarter, all: neighbours find the way on a gentle slope, the others
 * over a hill. */
enum { RIVAL_KINDS = 5 };
static unsigned rival_of(const struct threads *t, unsigned kind)
{
    switch (kind) {
    case 0: return t->now > 0 ? t->now - 1 : t->now;
    case 1: return MIN(t->now + 1, t->choice_count - 1);
    case 2: return share_of(t, 2);
    case 3: return share_of(t, 4);
    default: return t->choice_count - 1;
    }
}

static void begin_trial(struct threads *t, uint64_t work)
{
    /* There are at least two choices, so one of the kinds differs from the present one. */
    while ((t->rival = rival_of(t, t->kind)) == t->now)
        t->kind = (t->kind + 1) % RIVAL_KINDS;
    t->work = work;
    t->count_now = t->count_rival = 0;
    t->taken = t->others = 0;
    t->turn = false;
    t->trying = true;
}

/* `lost`: the trial told nothing, and is worth repeating soon. */
static void end_trial(struct threads *t, bool won, bool lost)
{
    t->trying = t->turn = false;
    t->won = won;
    if (won) {
        t->now = t->rival; /* the next trial is of the same kind: perhaps further */
        t->pause_us = PAUSE_LEAST_US / 4;
        t->usual = 0;
    } else if (!lost) {
        t->pause_us = MIN(MAX(t->pause_us, (uint64_t)PAUSE_LEAST_US) * 2, (uint64_t)PAUSE_MOST_US);
    }
    if (!won && !lost) t->kind = (t->kind + 1) % RIVAL_KINDS;
    t->slow = 0;
    t->next_trial_us = t->busy_us + t->pause_us;
}

/* A difference that a few steps show; these may take seconds each. */
static void judge_early(struct threads *t)
{
    if (t->count_now < 2 || t->count_rival < 2) return;
    double now = median(t->cost_now, t->count_now);
    double rival = median(t->cost_rival, t->count_rival);
    if (rival > clear * now) end_trial(t, false, false);
    if (now > clear * rival) end_trial(t, true, false);
}

/* Means, because a busy neighbour shows in the tail; the rival's median besides, so that one lucky
 * step decides nothing. */
static void judge(struct threads *t)
{
    if (t->count_now < THREADS_PAIRS || t->count_rival < THREADS_PAIRS) {
        judge_early(t);
        return;
    }
    double usual_now = mean(t->cost_now, t->count_now);
    double usual_rival = mean(t->cost_rival, t->count_rival);
    bool typical = median(t->cost_rival, t->count_rival) < usual_now;
    end_trial(t, typical && usual_rival < better * usual_now, false);
}

static void note_trial(struct threads *t, uint64_t work, double cost)
{
    if (work != t->work) {
        if (++t->others == OTHER_STEPS) end_trial(t, false, true);
        return;
    }
    t->others = 0;
    /* The first step on each side after a change pays for waking or parking threads. */
    if (t->taken++ >= 2) {
        if (t->turn && t->count_rival < THREADS_PAIRS) t->cost_rival[t->count_rival++] = cost;
        if (!t->turn && t->count_now < THREADS_PAIRS) t->cost_now[t->count_now++] = cost;
    }
    t->turn = !t->turn;
    judge(t);
}

static void note_usual(struct threads *t, uint64_t work, double cost)
{
    double keep = 0.95;
    if (t->usual <= 0 || t->usual_work != work) {
        t->usual = cost;
        t->usual_work = work;
        t->slow = 0;
        return;
    }
    t->slow = cost > slower * t->usual ? t->slow + 1 : 0;
    if (t->slow >= SLOW_STEPS) {
        t->pause_us = PAUSE_LEAST_US;
        t->next_trial_us = t->busy_us;
        t->kind = 0;
        t->slow = 0;
        t->usual = cost;
        return;
    }
    t->usual = keep * t->usual + (1 - keep) * cost;
}

void threads_note(struct threads *t, uint64_t work, double units, uint64_t us)
{
    if (!t->automatic) return;
    double cost = (double)us / MAX(units, 1.0);
    t->won = false;
    t->busy_us += us;
    if (t->trying) {
        note_trial(t, work, cost);
        return;
    }
    note_usual(t, work, cost);
    if (t->busy_us >= t->next_trial_us) begin_trial(t, work);
}

void threads_follow(struct threads *t, const struct threads *other)
{
    if (!other->won || t->now == other->now) return;
    t->now = other->now;
    t->trying = t->turn = false;
    t->usual = 0;
    t->pause_us = PAUSE_LEAST_US;
    t->next_trial_us = t->busy_us + t->pause_us;
}

/* --- the environment --- */

/* The command line as the kernel has it: with a dynamic loader that was called by name, its
 * arguments too. */
static bool read_command_line(struct buf *out)
{
    char *room;
    FILE *f = fopen("/proc/self/cmdline", "re");
    if (!f) return false;
    size_t n = 0;
    if (!buf_reserve(out, ARGUMENT_BYTES_MAX, &room)) n = fread(room, 1, ARGUMENT_BYTES_MAX, f);
    fclose(f);
    buf_commit(out, n);
    return n > 0 && n < ARGUMENT_BYTES_MAX;
}

/* True when it was not set before. */
static bool set_default(const char *name, const char *value)
{
    return !getenv(name) && !setenv(name, value, 0);
}

void threads_set_environment(bool large_pages)
{
    /* As fast as endless spinning on an idle machine (2 threads, 135M parameters: 157 tokens/s
     * both), and with processors taken by others 30 instead of 3. */
    bool spins = !getenv("OMP_WAIT_POLICY") && set_default("GOMP_SPINCOUNT", "2500");
    /* A token reads all the weights, and in small pages waits for the page tables (135M parameters,
     * one stream: 6 % more tokens/s). */
    bool pages = large_pages && set_default("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1");
    char *arguments[ARGUMENTS_MAX];
    struct buf line;
    struct str rest, argument;
    size_t n = 0;
    if (!spins && !pages) return;
    buf_init(&line, ARGUMENT_BYTES_MAX);
    if (read_command_line(&line)) {
        rest = buf_str(&line);
        while (n + 1 < ARGUMENTS_MAX && rest.len && str_cut(&rest, 0, &argument))
            arguments[n++] = (char *)(uintptr_t)argument.ptr;
        arguments[n] = NULL;
        if (!rest.len && n > 0) execv("/proc/self/exe", arguments);
    }
    buf_fini(&line);
}
