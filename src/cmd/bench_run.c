/* SPDX-License-Identifier: Apache-2.0 */
/* The happy path: a request falls due (an arrival of the open loop, or a free place of the
 * closed one), a session takes it, sends it, reads the answer, records its times, and is free
 * for the next. When nothing more will fall due and no session is busy, the loop stops. What can
 * go wrong: all sessions are busy (the due time waits in a queue), the request fails or takes
 * too long (counted by kind), nothing answers at all (the run ends with a reason). */
#include "cmd/bench_run.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/rand.h"
#include "cmd/bench_prompt.h"
#include "http/sse.h"
#include "loop/process.h"

enum {
    TICK_US = 50 * USEC_PER_MS, /* timeouts, rests, progress */
    BODY_MAX = 256 * 1024 * 1024,
    ARENA_BLOCK = 2048,
};

struct load;

/* A place for one request in flight. */
struct session {
    struct list link; /* load->active in order of start, or load->free */
    struct task task;
    struct fetch fetch;
    struct load *load;
    struct arena arena; /* response head */
    struct buf body;    /* the request's */
    struct str sent;    /* what it holds */
    struct buf answer;  /* objects and errors */
    struct sse sse;
    uint64_t due_us;
    uint64_t first_us; /* first text; 0: none yet */
    uint64_t last_us;  /* last text */
    uint64_t frames;
    struct bench_answer said;
    bool measured;
};

struct load {
    const struct bench_spec *spec;
    struct bench_result *result;
    struct loop *loop;
    struct http_client client;
    struct bench_words words;
    struct rng rng;
    struct arena arena;          /* holds the request's strings */
    struct http_request request; /* but for the body */
    struct list active;
    struct list free;
    uint64_t in_flight;
    uint64_t resting; /* closed loop: places that wait for the next tick after a failure */
    uint64_t issued;
    uint64_t start_us;
    uint64_t warm_us;   /* measured from here */
    uint64_t end_us;    /* to here; UINT64_MAX while open */
    double next_due_us; /* open loop */
    uint64_t *queue;    /* ring of due times that wait for a place */
    size_t queue_start;
    size_t queue_count;
    size_t queue_cap;
    int timer_fd; /* arrivals, to the microsecond */
    struct fd_watch *timer_watch;
    struct signal_watch *interrupt;
    struct task tick_task;
    struct timer tick;
    uint64_t progress_us; /* when the progress line was written */
    bool closing;         /* nothing more falls due */
    int err;              /* the run is void */
    struct arena *why_arena;
    struct str why;
};

bool bench_range_parse(const char *text, uint32_t max, struct bench_range *out)
{
    struct str rest = str_of(text);
    struct str least;
    uint64_t a;
    uint64_t b;
    if (!str_cut(&rest, '-', &least) || str_to_u64(least, &a)) return false;
    b = a;
    if (rest.ptr && str_to_u64(rest, &b)) return false;
    if (a > b || b > max) return false;
    *out = (struct bench_range){(uint32_t)a, (uint32_t)b};
    return true;
}

static uint32_t draw(struct load *ld, struct bench_range range)
{
    return range.least + (uint32_t)rng_below(&ld->rng, (uint64_t)range.most - range.least + 1);
}

/* --- the waiting due times --- */

static void queue_push(struct load *ld, uint64_t due_us)
{
    if (ld->queue_count == ld->queue_cap) {
        size_t cap = ld->queue_cap ? ld->queue_cap * 2 : 1024;
        uint64_t *grown = mem_must(cap * sizeof *grown);
        for (size_t i = 0; i < ld->queue_count; i++)
            grown[i] = ld->queue[(ld->queue_start + i) % ld->queue_cap];
        free(ld->queue);
        ld->queue = grown;
        ld->queue_cap = cap;
        ld->queue_start = 0;
    }
    ld->queue[(ld->queue_start + ld->queue_count++) % ld->queue_cap] = due_us;
}

static bool queue_pop(struct load *ld, uint64_t *due_us)
{
    if (ld->queue_count == 0) return false;
    *due_us = ld->queue[ld->queue_start];
    ld->queue_start = (ld->queue_start + 1) % ld->queue_cap;
    ld->queue_count--;
    return true;
}

/* --- sessions --- */

static void run_session(struct task *task);

static struct session *session_take(struct load *ld)
{
    struct list *link = list_pop_front(&ld->free);
    struct session *s = link ? LIST_ITEM(link, struct session, link) : NULL;
    if (!s) {
        s = mem_must_zero(1, sizeof *s);
        s->load = ld;
        task_init(&s->task, run_session);
        arena_init(&s->arena, BODY_MAX, ARENA_BLOCK);
        buf_init(&s->body, BODY_MAX);
        buf_init(&s->answer, BODY_MAX);
        sse_init(&s->sse, BODY_MAX);
    }
    list_push_back(&ld->active, &s->link);
    ld->in_flight++;
    ld->result->peak = MAX(ld->result->peak, ld->in_flight);
    return s;
}

/* Counts what the answer lacked, and ends what the session was doing; it is free after. */
static void session_give(struct session *s)
{
    struct load *ld = s->load;
    ld->result->lost += s->said.lost;
    ld->result->repeated += s->said.repeated;
    fetch_end(&s->fetch);
    task_cancel(&s->task);
    arena_reset(&s->arena);
    list_remove(&s->link);
    list_push_front(&ld->free, &s->link);
    ld->in_flight--;
}

static void sessions_free(struct load *ld)
{
    struct list *link;
    LIST_EACH_SAFE(&ld->active, it, next)
    {
        session_give(LIST_ITEM(it, struct session, link));
    }
    while ((link = list_pop_front(&ld->free))) {
        struct session *s = LIST_ITEM(link, struct session, link);
        arena_fini(&s->arena);
        buf_fini(&s->body);
        buf_fini(&s->answer);
        sse_fini(&s->sse);
        free(s);
    }
}

/* --- requests --- */

static int write_body(struct session *s)
{
    struct load *ld = s->load;
    const struct bench_spec *spec = ld->spec;
    const bool chat = spec->api == BENCH_CHAT;
    struct buf *b = &s->body;
    buf_clear(b);
    int err = buf_append(b, STR("{\"model\":\""));
    if (!err) err = buf_append(b, spec->model);
    if (!err)
        err = buf_append(b, chat ? STR("\",\"messages\":[{\"role\":\"user\",\"content\":\"")
                                 : STR("\",\"prompt\":\""));
    if (!err)
        err = bench_words_prompt(&ld->words, &ld->rng, ld->issued, spec->shared_prefix,
                                 draw(ld, spec->prompt), b);
    if (!err) err = buf_append(b, chat ? STR("\"}]") : STR("\""));
    if (!err && spec->stream)
        err = buf_append(b, STR(",\"stream\":true,\"stream_options\":{\"include_usage\":true}"));
    if (!err && spec->output.most)
        err = buf_printf(b, ",\"max_tokens\":%u", draw(ld, spec->output));
    if (!err && spec->extra.len) err = buf_append(b, STR(","));
    if (!err) err = buf_append(b, spec->extra);
    return err ? err : buf_append(b, STR("}"));
}

static void send_request(struct session *s, bool fresh)
{
    s->fetch = (struct fetch){
        .arena = &s->arena, .task = &s->task, .request = s->load->request, .no_reuse = fresh};
    s->fetch.request.body = &s->sent;
    s->fetch.request.body_count = 1;
    remote_aim(&s->load->spec->remote, &s->fetch, &s->load->client);
    fetch_start(&s->fetch);
}

static void dispatch(struct load *ld, uint64_t due_us)
{
    struct session *s = session_take(ld);
    uint64_t now_us = loop_now(ld->loop);
    if (write_body(s)) abort(); /* our own sizes */
    s->due_us = due_us;
    s->measured = due_us >= ld->warm_us;
    s->first_us = s->last_us = s->frames = 0;
    s->said = (struct bench_answer){0};
    buf_clear(&s->answer);
    sse_fini(&s->sse);
    sse_init(&s->sse, BODY_MAX);
    s->sent = buf_str(&s->body);
    ld->issued++;
    if (s->measured) {
        ld->result->started++;
        latency_record(&ld->result->late, now_us > due_us ? now_us - due_us : 0);
    }
    send_request(s, false);
}

static bool all_issued(const struct load *ld)
{
    const struct bench_spec *spec = ld->spec;
    if (ld->closing) return true;
    return spec->requests && ld->result->started + ld->queue_count >= spec->requests;
}

static void stop_when_idle(struct load *ld)
{
    if (all_issued(ld)) ld->closing = true;
    if (ld->closing && ld->in_flight == 0 && ld->queue_count == 0) loop_stop(ld->loop);
}

static void count_error(struct bench_result *r, const char *kind, struct str example)
{
    unsigned i = 0;
    while (i < r->error_kinds && strcmp(r->errors[i].kind, kind) != 0)
        i++;
    if (i == BENCH_KINDS_MAX) i--;
    struct bench_error *e = &r->errors[i];
    if (i == r->error_kinds) {
        r->error_kinds++;
        snprintf(e->kind, sizeof e->kind, "%s", kind);
        snprintf(e->example, sizeof e->example, "%.*s", STR_ARG(example));
    }
    e->count++;
}

/* Those that still wait for a place when their time is over are not sent any more. */
static void expire_waiting(struct load *ld, uint64_t now_us)
{
    uint64_t due_us;
    while (ld->queue_count && ld->queue[ld->queue_start] + ld->spec->timeout_us <= now_us &&
           queue_pop(ld, &due_us)) {
        ld->issued++;
        if (due_us < ld->warm_us) continue;
        ld->result->started++;
        ld->result->failed++;
        count_error(ld->result, "not sent", STR("no place within --timeout (--connections)"));
    }
}

/* A place is free: the next waiting request takes it, or in the closed loop a new one. */
static void refill(struct load *ld)
{
    uint64_t due_us;
    uint64_t now_us = loop_now(ld->loop);
    expire_waiting(ld, now_us);
    if (queue_pop(ld, &due_us)) {
        dispatch(ld, due_us);
    } else if (ld->spec->rate <= 0 && !all_issued(ld)) {
        if (now_us >= ld->end_us)
            ld->closing = true;
        else
            dispatch(ld, now_us);
    }
    stop_when_idle(ld);
}

/* --- results --- */

/* Nothing can come of this run. */
static void give_up(struct load *ld, int err, struct str why)
{
    if (!ld->err) {
        ld->err = err;
        ld->why = why;
    }
    loop_stop(ld->loop);
}

/* Errors that tell, before anything has worked, that nothing will. */
static bool is_hopeless(const struct session *s)
{
    const struct fetch *f = &s->fetch;
    if (s->load->result->succeeded) return false;
    if (f->state == FETCH_FAILED) return !f->sent;
    return f->head && (f->head->status == 401 || f->head->status == 403 || f->head->status == 404);
}

static void failed(struct session *s, const char *kind, struct str example)
{
    struct load *ld = s->load;
    if (is_hopeless(s)) {
        const struct fetch *f = &s->fetch;
        give_up(ld, ERR_INVALID,
                f->state == FETCH_FAILED
                    ? remote_explain(&ld->spec->remote, ld->why_arena, f->err)
                    : remote_explain_status(ld->why_arena, f->head->status, buf_str(&s->answer)));
        return;
    }
    if (s->measured) {
        ld->result->failed++;
        count_error(ld->result, kind, example);
    }
    bool rest = s->fetch.state == FETCH_FAILED && ld->spec->rate <= 0;
    session_give(s);
    if (rest)
        ld->resting++;
    else
        refill(ld);
}

static bool in_window(const struct load *ld)
{
    uint64_t now_us = loop_now(ld->loop);
    return now_us >= ld->warm_us && now_us < ld->end_us;
}

static bool meets_goals(const struct session *s, uint64_t total_us)
{
    const struct bench_spec *spec = s->load->spec;
    if (spec->goal_total_us && total_us > spec->goal_total_us) return false;
    if (!spec->stream) return true;
    if (spec->goal_ttft_us && (s->first_us == 0 || s->first_us - s->due_us > spec->goal_ttft_us))
        return false;
    uint64_t mean_us = s->frames > 1 ? (s->last_us - s->first_us) / (s->frames - 1) : 0;
    return !spec->goal_itl_us || mean_us <= spec->goal_itl_us;
}

static void succeeded(struct session *s)
{
    struct load *ld = s->load;
    struct bench_result *r = ld->result;
    uint64_t total_us = s->fetch.last_read_us > s->due_us ? s->fetch.last_read_us - s->due_us : 0;
    r->succeeded++;
    bench_answer_end(&s->said);
    if (in_window(ld)) {
        r->window_requests++;
        if (!ld->spec->stream) r->window_tokens += s->said.announced;
    }
    if (s->measured) {
        r->completed++;
        r->good += meets_goals(s, total_us);
        r->announced += s->said.announced;
        r->prompt_tokens += s->said.prompt_tokens;
        latency_record(&r->total, total_us);
        if (s->first_us) latency_record(&r->ttft, s->first_us - s->due_us);
    }
    session_give(s);
    refill(ld);
}

/* --- answers --- */

/* True when the frame carries text. The last error is kept. */
static bool take_frame(struct session *s, struct str data)
{
    enum bench_frame kind = bench_answer_frame(&s->said, s->load->spec->api, data);
    if (kind == BENCH_FRAME_ERROR) {
        buf_clear(&s->answer);
        if (buf_append(&s->answer, data)) buf_clear(&s->answer);
    }
    return kind == BENCH_FRAME_TEXT;
}

/* Takes the frames of one read. */
static int read_stream(struct session *s, struct str bytes)
{
    struct load *ld = s->load;
    struct bench_result *r = ld->result;
    struct sse_event event;
    uint64_t frames = 0;
    int got;
    while ((got = sse_next(&s->sse, &bytes, &event)) == SSE_EVENT) {
        if (event.data.ptr && take_frame(s, event.data)) frames++;
    }
    if (got < 0 || frames == 0) return got;
    uint64_t now_us = s->fetch.last_read_us;
    if (now_us >= ld->warm_us) {
        r->frames += frames;
        r->reads++;
        r->merged += frames - 1;
        if (s->first_us) latency_record(&r->itl, now_us - s->last_us);
        for (uint64_t i = 1; i < frames; i++)
            latency_record(&r->itl, 0);
    }
    if (in_window(ld)) r->window_tokens += frames;
    if (!s->first_us) s->first_us = MAX(now_us, s->due_us);
    s->last_us = MAX(now_us, s->due_us);
    s->frames += frames;
    return 0;
}

static int read_body(struct session *s)
{
    struct fetch *f = &s->fetch;
    if (f->body.len == 0) return 0;
    struct str bytes = fetch_take(f);
    if (s->measured) s->load->result->bytes_in += bytes.len;
    if (s->load->spec->stream && f->head->status == 200) return read_stream(s, bytes);
    return buf_append(&s->answer, bytes);
}

static void finish(struct session *s)
{
    const struct fetch *f = &s->fetch;
    const bool stream = s->load->spec->stream;
    struct str answer = buf_str(&s->answer);
    if (f->head->status != 200) {
        char kind[16];
        snprintf(kind, sizeof kind, "%d", f->head->status);
        if (s->measured) latency_record(&s->load->result->refused, f->last_read_us - s->due_us);
        failed(s, kind, answer);
    } else if (stream && s->said.error_seen) {
        failed(s, "error event", answer);
    } else if (stream && !s->said.done_seen) {
        failed(s, "cut stream", STR("the stream ended without [DONE]"));
    } else {
        if (!stream) bench_answer_usage(&s->said, answer);
        succeeded(s);
    }
}

static void run_session(struct task *task)
{
    struct session *s = CONTAINER_OF(task, struct session, task);
    struct fetch *f = &s->fetch;
    int err = read_body(s);
    if (err) {
        failed(s, err_name(err), str_of(err_text(err)));
    } else if (f->state == FETCH_FAILED && f->reused && !f->any_byte) {
        /* A kept connection that had been closed, as every client meets: the same on a new one. */
        fetch_end(f);
        send_request(s, true);
    } else if (f->state == FETCH_FAILED) {
        failed(s, err_name(f->err), str_of(err_text(f->err)));
    } else if (f->state == FETCH_DONE) {
        finish(s);
    }
}

/* --- what falls due --- */

static void arm_arrival(struct load *ld)
{
    uint64_t due_us = (uint64_t)ld->next_due_us;
    struct itimerspec at = {
        .it_value = {.tv_sec = (time_t)(due_us / USEC_PER_SEC),
                     .tv_nsec = (long)(due_us % USEC_PER_SEC) * 1000},
    };
    if (timerfd_settime(ld->timer_fd, TFD_TIMER_ABSTIME, &at, NULL)) abort();
}

static double next_distance(struct load *ld)
{
    const double mean_us = 1e6 / ld->spec->rate;
    return ld->spec->constant ? mean_us : -log(1 - rng_unit(&ld->rng)) * mean_us;
}

static void on_arrivals(void *owner)
{
    struct load *ld = owner;
    uint64_t expirations;
    if (read(ld->timer_fd, &expirations, sizeof expirations) < 0 && errno != EAGAIN) abort();
    while (!all_issued(ld) && ld->next_due_us <= (double)clock_mono_us()) {
        uint64_t due_us = (uint64_t)ld->next_due_us;
        if (due_us >= ld->end_us) {
            ld->closing = true;
            break;
        }
        if (ld->in_flight < ld->spec->connections)
            dispatch(ld, due_us);
        else
            queue_push(ld, due_us);
        ld->next_due_us += next_distance(ld);
    }
    stop_when_idle(ld);
    if (!ld->closing) arm_arrival(ld);
}

static void expire(struct load *ld, uint64_t now_us)
{
    expire_waiting(ld, now_us);
    LIST_EACH_SAFE(&ld->active, it, next)
    {
        struct session *s = LIST_ITEM(it, struct session, link);
        if (s->due_us + ld->spec->timeout_us > now_us) break;
        failed(s, "timeout", STR("no whole answer within --timeout"));
        if (ld->err) return;
    }
}

static void show_progress(struct load *ld, uint64_t now_us)
{
    const struct bench_result *r = ld->result;
    if (!ld->spec->progress || now_us < ld->progress_us + USEC_PER_SEC) return;
    ld->progress_us = now_us;
    const struct latency *l = ld->spec->stream ? &r->ttft : &r->total;
    fprintf(
        stderr,
        "\r%4llu s%s  in flight %llu  waiting %zu  done %llu  failed %llu  %s p50 %.1f ms p99 %.1f ms   ",
        (unsigned long long)((now_us - ld->start_us) / USEC_PER_SEC),
        now_us < ld->warm_us ? " warming up" : "", (unsigned long long)ld->in_flight,
        ld->queue_count, (unsigned long long)r->completed, (unsigned long long)r->failed,
        ld->spec->stream ? "ttft" : "total", (double)latency_at(l, 0.5) / 1e3,
        (double)latency_at(l, 0.99) / 1e3);
}

static void on_tick(struct task *task)
{
    struct load *ld = CONTAINER_OF(task, struct load, tick_task);
    uint64_t now_us = loop_now(ld->loop);
    expire(ld, now_us);
    for (; ld->resting && !ld->err; ld->resting--)
        refill(ld);
    if (now_us >= ld->end_us) {
        ld->closing = true;
        stop_when_idle(ld);
    }
    show_progress(ld, now_us);
    timer_start(ld->loop, &ld->tick, now_us + TICK_US);
}

/* SIGINT: what was measured until now counts. */
static void on_interrupt(void *owner, int signum)
{
    struct load *ld = owner;
    (void)signum;
    ld->end_us = MIN(ld->end_us, loop_now(ld->loop));
    ld->closing = true;
    loop_stop(ld->loop);
}

/* --- the run --- */

static int open_load(struct load *ld)
{
    const struct bench_spec *spec = ld->spec;
    list_init(&ld->active);
    list_init(&ld->free);
    rng_seed(&ld->rng, spec->seed);
    bench_words_init(&ld->words, spec->seed);
    task_init(&ld->tick_task, on_tick);
    timer_init(&ld->tick, &ld->tick_task);
    ld->timer_fd = -1;
    arena_init(&ld->arena, BODY_MAX, ARENA_BLOCK);
    ld->request = remote_request(&spec->remote, &ld->arena, METHOD_POST,
                                 spec->api == BENCH_CHAT ? "/chat/completions" : "/completions");
    int err = loop_new_real(&ld->loop);
    if (err) return err;
    remote_client_init(&ld->client, ld->loop, 100000);
    err = signal_watch_open(ld->loop, SIGINT, on_interrupt, ld, &ld->interrupt);
    if (err || spec->rate <= 0) return err;
    ld->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (ld->timer_fd < 0) return -errno;
    return fd_watch_open(ld->loop, ld->timer_fd, on_arrivals, ld, &ld->timer_watch);
}

static void close_load(struct load *ld)
{
    sessions_free(ld);
    if (ld->timer_watch) fd_watch_close(ld->timer_watch);
    if (ld->timer_fd >= 0) close(ld->timer_fd);
    if (ld->interrupt) signal_watch_close(ld->interrupt);
    if (ld->loop) {
        timer_stop(ld->loop, &ld->tick);
        task_cancel(&ld->tick_task);
        http_client_fini(&ld->client);
        loop_free(ld->loop);
    }
    free(ld->queue);
    arena_fini(&ld->arena);
    bench_words_fini(&ld->words);
}

static void start(struct load *ld)
{
    const struct bench_spec *spec = ld->spec;
    ld->start_us = ld->progress_us = loop_now(ld->loop);
    ld->warm_us = ld->start_us + spec->warmup_us;
    ld->end_us = spec->duration_us ? ld->warm_us + spec->duration_us : UINT64_MAX;
    timer_start(ld->loop, &ld->tick, ld->start_us + TICK_US);
    if (spec->rate > 0) {
        ld->next_due_us = (double)ld->start_us + next_distance(ld);
        arm_arrival(ld);
        return;
    }
    for (uint64_t i = 0; i < spec->concurrency && !all_issued(ld); i++)
        dispatch(ld, ld->start_us);
}

int bench_run(const struct bench_spec *spec, struct bench_result *result, struct arena *arena,
              struct str *why)
{
    struct load ld = {.spec = spec, .result = result, .why_arena = arena};
    memset(result, 0, sizeof *result);
    int err = open_load(&ld);
    if (!err) {
        start(&ld);
        loop_run(ld.loop);
        uint64_t end_us = MIN(ld.end_us, clock_mono_us());
        result->window_us = end_us > ld.warm_us ? end_us - ld.warm_us : 0;
        result->connects = metric_read(&ld.client.stats.connects);
        err = ld.err;
        ld.why = err ? ld.why : STR("");
        if (spec->progress) fputs("\r\033[K", stderr);
    } else {
        ld.why = str_of(err_text(err));
    }
    *why = ld.why;
    close_load(&ld);
    return err;
}
