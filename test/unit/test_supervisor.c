/* SPDX-License-Identifier: Apache-2.0 */
/* The supervisor on a real loop with real processes: this program started again as a small HTTP
 * server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "conf/conf.h"
#include "mesh/lists.h"
#include "node/supervisor.h"
#include "mesh/admit.h"

#define SEC ((uint64_t)USEC_PER_SEC)
#define MS ((uint64_t)USEC_PER_MS)

/* --- the child --- */

static int listen_at(const char *path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (bind(fd, (struct sockaddr *)&addr, sizeof addr) || listen(fd, 8)) exit(9);
    return fd;
}

static void answer(int fd, bool healthy)
{
    char head[1024];
    const char *text = healthy ? "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
                               : "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";
    if (read(fd, head, sizeof head) > 0) (void)!write(fd, text, strlen(text));
    close(fd);
}

/* serve SOCKET MODE: ok, slow (not healthy at first), stubborn (ignores SIGTERM), family (with a
 * stubborn child), deaf, exit, env. */
static int serve(const char *path, const char *mode)
{
    if (strcmp(mode, "exit") == 0) return 3;
    if (strcmp(mode, "deaf") == 0) pause();
    if (strcmp(mode, "family") == 0 && fork() == 0) {
        signal(SIGTERM, SIG_IGN);
        for (;;)
            pause();
    }
    if (strcmp(mode, "stubborn") == 0) signal(SIGTERM, SIG_IGN);
    if (strcmp(mode, "env") == 0 &&
        (getenv("HOSTLER_OUR_SECRET") || getenv("FOR_US") || !getenv("ADDED") || !getenv("OTHERS")))
        return 4;
    int fd = listen_at(path);
    int unhealthy = strcmp(mode, "slow") == 0 ? 3 : 0;
    for (;;) {
        int peer = accept(fd, NULL, NULL);
        if (peer >= 0) answer(peer, unhealthy-- <= 0);
    }
}

/* Stands for our own engine, started on a file that is no model. */
static int refuse(void)
{
    fputs("reading\nhostler-engine: x.gguf: not a GGUF file\n", stderr);
    return 1;
}

/* --- the world --- */

static char program[4096];

struct world {
    struct loop *loop;
    struct http_client client;
    struct supervisor *sup;
    struct mesh *mesh;
    struct snapshot *snapshot;
    const struct service *demo;
    struct task drained_task, waiter_task;
    bool drained;
    struct rng rng;
    struct grant grant;
    uint64_t retry_after;
    bool (*until)(struct world *w);
    bool reached;
    struct task look_task;
    struct timer look;
    uint64_t give_up_us;
};

static void on_drained(struct task *task)
{
    CONTAINER_OF(task, struct world, drained_task)->drained = true;
}

static void on_waiter(struct task *task)
{
    (void)task;
}

static void on_look(struct task *task)
{
    struct world *w = CONTAINER_OF(task, struct world, look_task);
    w->reached = w->until(w);
    if (w->reached || loop_now(w->loop) > w->give_up_us)
        loop_stop(w->loop);
    else
        timer_start(w->loop, &w->look, loop_now(w->loop) + 5 * MS);
}

/* Runs the loop until the condition holds, at most 20 s. */
static void run_until(struct world *w, bool (*until)(struct world *))
{
    w->until = until;
    w->give_up_us = clock_mono_us() + 20 * SEC;
    timer_start(w->loop, &w->look, clock_mono_us());
    loop_run(w->loop);
    assert_true(w->reached);
}

static enum engine_state state_of(struct world *w)
{
    return supervisor_state(w->sup, STR("demo"));
}

static bool is_ready(struct world *w)
{
    return state_of(w) == ENGINE_READY;
}

static bool is_stopped(struct world *w)
{
    return state_of(w) == ENGINE_STOPPED;
}

static bool is_stopping(struct world *w)
{
    return state_of(w) == ENGINE_STOPPING;
}

static bool is_backoff(struct world *w)
{
    return state_of(w) == ENGINE_BACKOFF;
}

static bool is_failed(struct world *w)
{
    return state_of(w) == ENGINE_FAILED;
}

static bool is_drained(struct world *w)
{
    return w->drained;
}

static void load_text(struct world *w, const char *yaml)
{
    struct conf_problems problems;
    struct conf *conf;
    conf_problems_init(&problems);
    int err = conf_parse(str_of(yaml), "test.yaml", &conf, &problems);
    for (size_t i = 0; i < problems.count; i++)
        print_message("%" STR_FMT ": %" STR_FMT "\n", STR_ARG(problems.items[i].setting),
                      STR_ARG(problems.items[i].text));
    conf_problems_fini(&problems);
    assert_int_equal(err, 0);
    assert_int_equal(mesh_load_conf(w->mesh, conf, NULL, loop_now(w->loop)), 0);
    conf_unref(conf);
    snapshot_unref(w->snapshot);
    w->snapshot = mesh_current(w->mesh);
    w->demo = snapshot_service(w->snapshot, STR("demo"));
    supervisor_apply(w->sup, w->snapshot);
}

/* A model "demo" on a process in `mode`; `more` are further settings of the engine. */
static void load(struct world *w, const char *mode, const char *more)
{
    char yaml[8192];
    snprintf(yaml, sizeof yaml,
             "models:\n"
             "  - name: demo\n"
             "    engine: { command: ['%s', serve, '${socket}', %s], stop_timeout: 200ms, %s }\n",
             program, mode, more);
    load_text(w, yaml);
}

static struct world *world_new(const char *mode, const char *more)
{
    static const struct h1_limits limits = {.head_max = 16384, .header_max = 100};
    struct world *w = calloc(1, sizeof *w);
    rng_seed(&w->rng, 1);
    task_init(&w->drained_task, on_drained);
    task_init(&w->waiter_task, on_waiter);
    task_init(&w->look_task, on_look);
    timer_init(&w->look, &w->look_task);
    assert_int_equal(loop_new_real(&w->loop), 0);
    http_client_init(&w->client, w->loop, &limits, 4, 10 * SEC);
    assert_int_equal(supervisor_new(w->loop, &w->client, &w->sup), 0);
    const struct mesh_hooks hooks = supervisor_hooks(w->sup);
    assert_int_equal(mesh_new(1, &hooks, &w->mesh), 0);
    load(w, mode, more);
    return w;
}

static void folder_of(struct world *w, char out[256])
{
    snprintf(out, 256, "%" STR_FMT, STR_ARG(w->demo->endpoints[0].way.addr.path));
    *strrchr(out, '/') = '\0';
}

static void world_free(struct world *w)
{
    w->drained = false;
    supervisor_drain(w->sup, &w->drained_task);
    run_until(w, is_drained);
    char folder[256];
    folder_of(w, folder);
    supervisor_free(w->sup);
    assert_int_not_equal(access(folder, F_OK), 0);
    snapshot_unref(w->snapshot);
    mesh_free(w->mesh);
    http_client_fini(&w->client);
    loop_free(w->loop);
    free(w);
}

static void assert_reason(struct world *w, const char *part)
{
    char reason[ENDPOINT_REASON_MAX];
    endpoint_reason(w->demo->endpoints[0].state, loop_now(w->loop), reason);
    if (!strstr(reason, part)) fail_msg("reason is \"%s\", not \"%s\"", reason, part);
}

static int try_admit(struct world *w)
{
    return admit_try(&(struct admission){.service = w->demo}, &w->rng, loop_now(w->loop), &w->grant,
                     &w->retry_after);
}

static struct waiter *wait_admit(struct world *w)
{
    struct waiter *waiter;
    uint64_t now = loop_now(w->loop);
    assert_int_equal(try_admit(w), ADMIT_WAIT);
    assert_int_equal(
        admit_wait(&(struct admission){.service = w->demo, .deadline_us = now + 60 * SEC}, w->loop,
                   &w->waiter_task, now, &waiter),
        0);
    return waiter;
}

static uint64_t starts_of(struct world *w)
{
    struct buf out;
    struct metrics_writer writer;
    buf_init(&out, 65536);
    metrics_write_init(&writer, &out);
    supervisor_write_metrics(w->sup, &writer);
    struct str text = buf_str(&out);
    ptrdiff_t at = str_find(text, STR("hostler_engine_starts_total{model=\"demo\"} "));
    assert_true(at >= 0);
    uint64_t starts =
        (uint64_t)atoll(text.ptr + at + strlen("hostler_engine_starts_total{model=\"demo\"} "));
    buf_fini(&out);
    return starts;
}

/* --- tests --- */

static struct waiter *first, *second;

static bool both_granted(struct world *w)
{
    (void)w;
    return waiter_state(first) == WAITER_GRANTED && waiter_state(second) == WAITER_GRANTED;
}

static void starts_on_demand_and_stops_when_idle(void **state)
{
    (void)state;
    struct world *w = world_new("slow", "idle_stop: 1s");
    struct grant a, b;
    assert_int_equal(state_of(w), ENGINE_STOPPED);
    first = wait_admit(w);
    second = wait_admit(w);
    run_until(w, both_granted);
    assert_int_equal(state_of(w), ENGINE_READY);
    admit_take(first, &a);
    admit_take(second, &b);
    endpoint_release(&a, clock_mono_us());
    endpoint_release(&b, clock_mono_us());
    run_until(w, is_stopped);
    assert_int_equal(endpoint_phase(w->demo->endpoints[0].state), ENDPOINT_STARTABLE);
    assert_int_equal(starts_of(w), 1);
    first = wait_admit(w);
    run_until(w, is_ready);
    assert_int_equal(starts_of(w), 2);
    admit_cancel(first, loop_now(w->loop));
    world_free(w);
}

static bool first_refused(struct world *w)
{
    (void)w;
    return waiter_state(first) == WAITER_REFUSED;
}

static void quick_failures_make_it_unavailable(void **state)
{
    (void)state;
    struct world *w = world_new("exit", "capacity: 1");
    first = wait_admit(w);
    run_until(w, first_refused);
    assert_int_equal(state_of(w), ENGINE_FAILED);
    assert_int_equal(starts_of(w), 5);
    assert_in_range(waiter_retry_after_us(first), 50 * SEC, 60 * SEC);
    assert_reason(w, "the engine for model demo failed to start: exit code 3; see the log");
    admit_cancel(first, loop_now(w->loop));
    assert_int_equal(try_admit(w), ADMIT_NONE);
    assert_false(service_ready(w->demo, loop_now(w->loop), NULL));
    /* New settings are tried at once. */
    load(w, "ok", "start: at_start");
    run_until(w, is_ready);
    world_free(w);
}

static bool again_failed(struct world *w)
{
    return starts_of(w) == 2 && is_failed(w);
}

static void a_refusal_is_told_at_once(void **state)
{
    (void)state;
    struct world *w = world_new("ok", "idle_stop: 1h");
    char yaml[8192];
    setenv("HOSTLER_ENGINE", program, 1);
    snprintf(yaml, sizeof yaml, "models: [{ name: demo, engine: { file: '%s', slots: 1 } }]",
             program);
    load_text(w, yaml);
    first = wait_admit(w);
    run_until(w, first_refused);
    assert_int_equal(state_of(w), ENGINE_FAILED);
    assert_int_equal(starts_of(w), 1);
    assert_true(waiter_retry_after_us(first) <= 1 * SEC);
    assert_reason(w, "demo failed to start: x.gguf: not a GGUF file; see the log");
    admit_cancel(first, loop_now(w->loop));
    assert_int_equal(try_admit(w), ADMIT_NONE);
    /* The file may have been mended: those who ask after a while have it tried again. Until then
     * it is known to fail. */
    run_until(w, is_stopped);
    assert_false(service_ready(w->demo, loop_now(w->loop), NULL));
    assert_reason(w, "not a GGUF file");
    first = wait_admit(w);
    run_until(w, again_failed);
    admit_cancel(first, loop_now(w->loop));
    unsetenv("HOSTLER_ENGINE");
    world_free(w);
}

static void a_deaf_process_is_overdue(void **state)
{
    (void)state;
    struct world *w = world_new("deaf", "start: at_start, start_timeout: 1s");
    assert_int_equal(state_of(w), ENGINE_STARTING);
    run_until(w, is_backoff);
    assert_reason(w, "did not answer 200 in time");
    world_free(w);
}

static void a_missing_program_is_told(void **state)
{
    (void)state;
    char saved[sizeof program];
    memcpy(saved, program, sizeof saved);
    snprintf(program, sizeof program, "/nonexistent/runtime");
    struct world *w = world_new("ok", "start: at_start");
    assert_int_equal(state_of(w), ENGINE_FAILED); /* trying again would not help */
    assert_reason(w, "/nonexistent/runtime cannot be started");
    memcpy(program, saved, sizeof program);
    world_free(w);
}

/* The process that listens at the endpoint's socket. */
static pid_t pid_of(struct world *w)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    struct ucred peer;
    socklen_t len = sizeof peer;
    snprintf(addr.sun_path, sizeof(addr.sun_path), "%" STR_FMT,
             STR_ARG(w->demo->endpoints[0].way.addr.path));
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof addr), 0);
    assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len), 0);
    close(fd);
    return peer.pid;
}

static void a_dead_process_is_started_again(void **state)
{
    (void)state;
    struct world *w = world_new("ok", "start: at_start");
    run_until(w, is_ready);
    kill(pid_of(w), SIGKILL);
    run_until(w, is_backoff);
    assert_reason(w, "ended: killed by signal 9");
    run_until(w, is_ready);
    assert_int_equal(starts_of(w), 2);
    world_free(w);
}

/* Five failures in a row make it unavailable for a while. */
static void other_settings_forget_failures(void **state)
{
    (void)state;
    struct world *w = world_new("ok", "start: at_start");
    for (int i = 0; i < 6; i++) {
        run_until(w, is_ready);
        kill(pid_of(w), SIGKILL);
        run_until(w, is_backoff);
        run_until(w, is_ready);
        load(w, "ok", i % 2 ? "start: at_start" : "start: at_start, env: { OTHER: x }");
    }
    world_free(w);
}

static void reload_restarts_only_what_changed(void **state)
{
    (void)state;
    struct world *w = world_new("ok", "start: at_start");
    run_until(w, is_ready);
    load(w, "ok", "start: at_start, idle_stop: 1h");
    assert_int_equal(state_of(w), ENGINE_READY);
    assert_int_equal(try_admit(w), ADMIT_OK);

    struct snapshot *old = snapshot_ref(w->snapshot);
    load(w, "slow", "start: at_start");
    assert_int_equal(state_of(w), ENGINE_STOPPING); /* the request in flight may finish */
    first = wait_admit(w);
    endpoint_release(&w->grant, loop_now(w->loop));
    snapshot_unref(old);
    run_until(w, is_ready);
    assert_int_equal(starts_of(w), 2);
    admit_cancel(first, loop_now(w->loop));
    world_free(w);
}

static void a_stubborn_process_is_killed(void **state)
{
    (void)state;
    struct world *w = world_new("stubborn", "start: at_start");
    run_until(w, is_ready);
    pid_t pid = pid_of(w);
    uint64_t begin = clock_mono_us();
    supervisor_drain(w->sup, &w->drained_task);
    run_until(w, is_stopping);
    run_until(w, is_drained);
    assert_in_range(clock_mono_us() - begin, 200 * MS, 5 * SEC);
    assert_int_not_equal(kill(pid, 0), 0);
    world_free(w);
}

/* The next start would find its memory, its ports and its files taken. */
static void a_dead_process_leaves_nobody(void **state)
{
    (void)state;
    struct world *w = world_new("family", "start: at_start");
    run_until(w, is_ready);
    pid_t pid = pid_of(w);
    assert_int_equal(kill(pid, SIGKILL), 0);
    run_until(w, is_backoff);
    run_until(w, is_ready);
    assert_int_equal(kill(-pid, 0), -1);
    pid = pid_of(w);
    supervisor_drain(w->sup, &w->drained_task);
    run_until(w, is_drained);
    assert_int_equal(kill(-pid, 0), -1);
    world_free(w);
}

static bool ready_again(struct world *w)
{
    return is_ready(w) && starts_of(w) == 2;
}

static void a_swept_socket_is_made_again(void **state)
{
    (void)state;
    char folder[256];
    struct world *w = world_new("ok", "start: at_start");
    run_until(w, is_ready);
    folder_of(w, folder);
    char *path = str_dup(w->demo->endpoints[0].way.addr.path);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
    run_until(w, ready_again);
    assert_int_equal(access(path, F_OK), 0);
    struct stat st;
    assert_int_equal(stat(folder, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    free(path);
    world_free(w);
}

/* A folder that another user has put there is not trusted with sockets. */
static void a_foreign_folder_is_not_used(void **state)
{
    (void)state;
    char folder[256];
    struct world *w = world_new("ok", "idle_stop: 1h");
    folder_of(w, folder);
    assert_int_equal(rmdir(folder), 0);
    assert_int_equal(mkdir(folder, 0777), 0);
    assert_int_equal(chmod(folder, 0777), 0);
    first = wait_admit(w);
    run_until(w, first_refused);
    assert_reason(w, "cannot be made");
    admit_cancel(first, loop_now(w->loop));
    world_free(w);
}

static void what_killed_instances_left_is_removed(void **state)
{
    (void)state;
    char dead[64], living[64], full[64], file[128], socket[128];
    setenv("RUNTIME_DIRECTORY", "/tmp", 1);
    snprintf(dead, sizeof dead, "/tmp/hostler-%u-%d-abcdef", getuid(), 999999999);
    snprintf(full, sizeof full, "/tmp/hostler-%u-%d-ghijkl", getuid(), 999999999);
    snprintf(living, sizeof living, "/tmp/hostler-%u-%d-abcdef", getuid(), 1);
    snprintf(file, sizeof file, "%s/notes", full);
    snprintf(socket, sizeof socket, "%s/0.sock", dead);
    assert_true(mkdir(dead, 0700) == 0 && mkdir(full, 0700) == 0 && mkdir(living, 0700) == 0);
    close(listen_at(socket));
    fclose(fopen(file, "w"));
    struct world *w = world_new("ok", "idle_stop: 1h"), *v = world_new("ok", "idle_stop: 1h");
    assert_int_equal(access(dead, F_OK), -1);
    assert_int_equal(access(file, F_OK), 0);
    assert_int_equal(rmdir(living), 0);
    unlink(file);
    rmdir(full);
    char folder[256];
    folder_of(w, folder);
    assert_int_equal(access(folder, F_OK), 0);
    world_free(v);
    world_free(w);
    unsetenv("RUNTIME_DIRECTORY");
}

/* Taken out and put back before the process has ended. */
static void a_model_that_comes_back_is_started_again(void **state)
{
    (void)state;
    static const char other[] =
        "models: [{ name: other, endpoints: [{ url: 'http://127.0.0.1:1' }] }]";
    struct world *w = world_new("stubborn", "start: on_demand");
    first = wait_admit(w);
    run_until(w, is_ready);
    admit_take(first, &w->grant);
    endpoint_release(&w->grant, loop_now(w->loop));
    load_text(w, other);
    assert_int_equal(state_of(w), ENGINE_STOPPING);
    load(w, "stubborn", "start: on_demand");
    assert_int_equal(state_of(w), ENGINE_STOPPING);
    first = wait_admit(w);
    run_until(w, ready_again);
    admit_cancel(first, loop_now(w->loop));
    /* One that starts by itself needs nobody who asks. */
    load_text(w, other);
    load(w, "stubborn", "start: at_start");
    assert_int_equal(endpoint_phase(w->demo->endpoints[0].state), ENDPOINT_STARTING);
    run_until(w, is_ready);
    assert_int_equal(starts_of(w), 3);
    world_free(w);
}

/* What is left of it by an old snapshot shows a process that has ended long ago. */
static void a_model_that_comes_back_later_is_startable(void **state)
{
    (void)state;
    struct world *w = world_new("ok", "start: at_start");
    run_until(w, is_ready);
    struct snapshot *old = mesh_current(w->mesh);
    load_text(w, "models: [{ name: other, endpoints: [{ url: 'http://127.0.0.1:1' }] }]");
    run_until(w, is_stopped);
    load(w, "ok", "start: on_demand");
    assert_int_equal(endpoint_phase(w->demo->endpoints[0].state), ENDPOINT_STARTABLE);
    struct waiter *waiter = wait_admit(w);
    run_until(w, is_ready);
    admit_cancel(waiter, loop_now(w->loop));
    snapshot_unref(old);
    world_free(w);
}

/* Who waits for a start can know how long that may take. */
static void a_start_has_a_deadline(void **state)
{
    (void)state;
    struct world *w = world_new("deaf", "start: at_start, start_timeout: 1s");
    struct endpoint_state *e = w->demo->endpoints[0].state;
    uint64_t now = loop_now(w->loop);
    assert_in_range(atomic_load(&e->retry_at_us), now + SEC / 2, now + SEC);
    run_until(w, is_backoff);
    now = loop_now(w->loop);
    assert_in_range(atomic_load(&e->retry_at_us), now + SEC, now + 2 * SEC);
    world_free(w);
}

/* The least CPU of a few loads of that many models, on top of themselves. */
static clock_t cost_of(struct world *w, int models)
{
    struct buf text;
    clock_t least = 0;
    buf_init(&text, 8 << 20);
    int err = buf_printf(&text, "models:\n");
    for (int i = 0; i < models && !err; i++)
        err = buf_printf(&text,
                         "  - { name: m%d, aliases: [a%d], fallback: [m%d],\n"
                         "      engine: { command: [sleep, '${socket}'] } }\n",
                         i, i, (i + 1) % models);
    if (!err) err = buf_append(&text, str_n("", 1));
    assert_int_equal(err, 0);
    for (int i = 0; i < 3; i++) {
        clock_t begin = clock();
        load_text(w, text.ptr);
        clock_t cost = clock() - begin;
        least = i == 0 || cost < least ? cost : least;
    }
    buf_fini(&text);
    return least;
}

/* Ten times the models, some ten times the work: reading, checking, a new snapshot, their
 * processes. */
static void many_models_cost_no_more_each(void **state)
{
    (void)state;
    struct world *w = world_new("ok", "idle_stop: 1h");
    clock_t few = cost_of(w, 1000), many = cost_of(w, 10000);
    if (many > 25 * few) fail_msg("%ld us for 1,000, %ld us for 10,000", few, many);
    load(w, "ok", "idle_stop: 1h");
    world_free(w);
}

static void the_environment_is_ours_only_in_part(void **state)
{
    (void)state;
    setenv("HOSTLER_OUR_SECRET", "x", 1);
    setenv("FOR_US", "x", 1);
    setenv("OTHERS", "y", 1);
    struct world *w = world_new("env", "start: at_start, env: { ADDED: \"${env.FOR_US}\" }");
    run_until(w, is_ready);
    world_free(w);
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "serve") == 0) return serve(argv[2], argv[3]);
    if (argc > 1 && strcmp(argv[1], "--model") == 0) return refuse();
    prctl(PR_SET_CHILD_SUBREAPER, 1); /* whoever is PID 1 here may not reap orphans */
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    if (n < 0) return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starts_on_demand_and_stops_when_idle),
        cmocka_unit_test(quick_failures_make_it_unavailable),
        cmocka_unit_test(a_refusal_is_told_at_once),
        cmocka_unit_test(a_deaf_process_is_overdue),
        cmocka_unit_test(a_missing_program_is_told),
        cmocka_unit_test(a_dead_process_is_started_again),
        cmocka_unit_test(other_settings_forget_failures),
        cmocka_unit_test(reload_restarts_only_what_changed),
        cmocka_unit_test(a_stubborn_process_is_killed),
        cmocka_unit_test(a_dead_process_leaves_nobody),
        cmocka_unit_test(a_swept_socket_is_made_again),
        cmocka_unit_test(a_foreign_folder_is_not_used),
        cmocka_unit_test(what_killed_instances_left_is_removed),
        cmocka_unit_test(a_model_that_comes_back_is_started_again),
        cmocka_unit_test(a_model_that_comes_back_later_is_startable),
        cmocka_unit_test(a_start_has_a_deadline),
        cmocka_unit_test(many_models_cost_no_more_each),
        cmocka_unit_test(the_environment_is_ours_only_in_part),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
