/* SPDX-License-Identifier: Apache-2.0 */
/* loop: child processes, as they start, end, fail to start and outlive nobody. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "loop/process.h"

#define SEC ((uint64_t)USEC_PER_SEC)

struct world {
    struct loop *loop;
    struct task task;
    struct timer timer;
    int64_t status;
    int signal;
    unsigned exits;
    bool gone; /* with its whole group */
    bool late;
};

static void on_late(struct task *task)
{
    struct world *w = CONTAINER_OF(task, struct world, task);
    w->late = true;
    loop_stop(w->loop);
}

static void on_exit_of(void *owner, int64_t status, int signal)
{
    struct world *w = owner;
    w->status = status;
    w->signal = signal;
    w->exits++;
    w->gone = false;
}

static void on_gone_of(void *owner)
{
    struct world *w = owner;
    w->gone = true;
    loop_stop(w->loop);
}

static struct world *world_new(void)
{
    struct world *w = calloc(1, sizeof *w);
    assert_int_equal(loop_new_real(&w->loop), 0);
    task_init(&w->task, on_late);
    timer_init(&w->timer, &w->task);
    return w;
}

static void world_free(struct world *w)
{
    timer_stop(w->loop, &w->timer);
    loop_free(w->loop);
    free(w);
}

static void run(struct world *w)
{
    timer_start(w->loop, &w->timer, clock_mono_us() + 20 * SEC);
    loop_run(w->loop);
    assert_false(w->late);
}

static struct process *start(struct world *w, const char *script, int output_fd)
{
    char *argv[] = {(char *)(uintptr_t)"sh", (char *)(uintptr_t)"-c", (char *)(uintptr_t)script,
                    NULL};
    char *env[] = {(char *)(uintptr_t)"ADDED=yes", (char *)(uintptr_t)"PATH=/usr/bin:/bin", NULL};
    struct process_spec spec = {.argv = argv,
                                .env = env,
                                .output_fd = output_fd,
                                .on_exit = on_exit_of,
                                .on_gone = on_gone_of,
                                .owner = w};
    struct process *p = NULL;
    assert_int_equal(process_start(w->loop, &spec, &p), 0);
    assert_true(process_pid(p) > 0);
    return p;
}

static void exits_are_told(void **state)
{
    (void)state;
    static const struct {
        const char *script;
        int status, signal;
    } rows[] = {{"exit 0", 0, 0},
                {"exit 3", 3, 0},
                {"kill -9 $$", 0, SIGKILL},
                {"kill -15 $$", 0, SIGTERM}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct world *w = world_new();
        start(w, rows[i].script, -1);
        run(w);
        assert_int_equal(w->exits, 1);
        assert_int_equal(w->status, rows[i].status);
        assert_int_equal(w->signal, rows[i].signal);
        world_free(w);
    }
}

static void what_cannot_run_fails_at_once(void **state)
{
    (void)state;
    static const char *const programs[] = {"no-such-program-anywhere", "/no/such/file",
                                           "/etc/passwd", "/"};
    static const int errs[] = {-ENOENT, -ENOENT, -EACCES, -EACCES};
    for (size_t i = 0; i < ARRAY_LEN(programs); i++) {
        struct world *w = world_new();
        char *argv[] = {(char *)(uintptr_t)programs[i], NULL}, *env[] = {NULL};
        struct process_spec spec = {.argv = argv, .env = env, .output_fd = -1};
        struct process *p = NULL;
        assert_int_equal(process_start(w->loop, &spec, &p), errs[i]);
        assert_null(p);
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nobody is left behind */
        assert_int_equal(errno, ECHILD);
        world_free(w);
    }
}

/* Its environment is the one given, its output goes where it was told, it has no descriptors but
 * three, default signals, and its own process group. */
static void children_start_clean(void **state)
{
    (void)state;
    int pipes[2], extra = open("/dev/null", O_RDONLY);
    char text[1000] = "";
    assert_int_equal(pipe(pipes), 0);
    setenv("HOSTLER_TEST_SECRET", "1", 1);
    signal(SIGUSR1, SIG_IGN);
    struct world *w = world_new();
    struct process *p = start(
        w,
        "echo $ADDED-$HOSTLER_TEST_SECRET-; echo err >&2; ls /proc/self/fd | tr '\\n' ' '; read x; echo eof=$?; "
        "ps -o pgid= -p $$ 2>/dev/null || cut -d' ' -f5 /proc/$$/stat; grep SigIgn /proc/self/status",
        pipes[1]);
    int pid = process_pid(p);
    close(pipes[1]);
    run(w);
    size_t len = 0;
    for (ssize_t n;
         len < sizeof text - 1 && (n = read(pipes[0], text + len, sizeof text - 1 - len)) > 0;)
        len += (size_t)n;
    char group[32];
    snprintf(group, sizeof group, "%d\n", pid);
    assert_non_null(strstr(text, "yes--\nerr\n"));
    assert_non_null(strstr(text, "0 1 2 3 eof=1\n")); /* 3 is ls's own */
    assert_non_null(strstr(text, group));
    const char *ignored = strstr(text, "SigIgn:\t");
    assert_non_null(ignored);
    /* 32 and 33 are libc's own: nobody can set them, and a parent that came by
     * posix_spawn passes them on ignored. */
    unsigned long long libc_own = 3ULL << 31;
    assert_int_equal(strtoull(ignored + strlen("SigIgn:\t"), NULL, 16) & ~libc_own, 0);
    close(pipes[0]);
    close(extra);
    signal(SIGUSR1, SIG_DFL);
    world_free(w);
}

static void signals_go_to_the_whole_group(void **state)
{
    (void)state;
    int pipes[2];
    char byte;
    assert_int_equal(pipe(pipes), 0);
    struct signal_watch *reaper; /* whoever started the test may not reap at once */
    struct world *w = world_new();
    assert_int_equal(process_adopt_orphans(w->loop, &reaper), 0);
    struct process *p = start(w, "sleep 30 & echo; wait", pipes[1]);
    close(pipes[1]);
    assert_int_equal(read(pipes[0], &byte, 1), 1);
    process_signal(p, SIGTERM);
    run(w);
    assert_int_equal(w->signal, SIGTERM);
    /* The grandchild, which held the pipe too, is gone. */
    assert_int_equal(read(pipes[0], &byte, 1), 0);
    close(pipes[0]);
    signal_watch_close(reaper);
    prctl(PR_SET_CHILD_SUBREAPER, 0);
    world_free(w);
}

/* Who heeds no SIGTERM, and whose parent is dead, is killed, too; and only
 * then the process is gone. */
static void nobody_of_the_group_is_left(void **state)
{
    (void)state;
    static const char *const scripts[] = {
        "sleep 100 & echo; exit 7", "trap '' TERM; sh -c 'sh -c \"sleep 100\" &' & sleep 0.2; "
                                    "trap - TERM; echo; exit 7"};
    for (size_t i = 0; i < ARRAY_LEN(scripts); i++) {
        int pipes[2];
        char byte;
        assert_int_equal(pipe(pipes), 0);
        struct signal_watch *reaper; /* whoever started the test may not reap at once */
        struct world *w = world_new();
        assert_int_equal(process_adopt_orphans(w->loop, &reaper), 0);
        uint64_t begin = clock_mono_us();
        int pid = process_pid(start(w, scripts[i], pipes[1]));
        close(pipes[1]);
        run(w);
        assert_int_equal(w->status, 7);
        assert_true(w->gone);
        assert_true(i == 0 || clock_mono_us() - begin > SEC / 2);
        assert_int_equal(kill(-pid, 0), -1);
        assert_int_equal(read(pipes[0], &byte, 1), 1);
        assert_int_equal(read(pipes[0], &byte, 1), 0); /* nobody holds the other end */
        close(pipes[0]);
        signal_watch_close(reaper);
        prctl(PR_SET_CHILD_SUBREAPER, 0);
        world_free(w);
    }
}

/* Orphans end as children of ours and do not stay as zombies; who is
 * waited for keeps the status. */
static void orphans_are_reaped(void **state)
{
    (void)state;
    struct signal_watch *reaper;
    struct world *w = world_new();
    assert_int_equal(process_adopt_orphans(w->loop, &reaper), 0);
    for (int i = 0; i < 5; i++) {
        start(w, "setsid sh -c 'sleep 0.05' & sleep 0.3; exit 5", -1);
        run(w);
        assert_int_equal(w->status, 5);
    }
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
    signal_watch_close(reaper);
    prctl(PR_SET_CHILD_SUBREAPER, 0);
    world_free(w);
}

static void forgotten_processes_tell_nothing(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct process *p = start(w, "exit 0", -1);
    process_forget(p);
    struct process *q = start(w, "sleep 0.2", -1);
    (void)q;
    run(w);
    assert_int_equal(w->exits, 1);
    struct process *r = start(w, "exec sleep 100", -1);
    int pid = process_pid(r);
    process_forget(r); /* and freed with the loop, though it runs on */
    world_free(w);
    assert_int_equal(kill(-pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* When we die, however, so does the child. */
static void children_do_not_outlive_us(void **state)
{
    (void)state;
    int pipes[2], status;
    pid_t grandchild = 0;
    assert_int_equal(pipe(pipes), 0);
    prctl(PR_SET_CHILD_SUBREAPER, 1); /* so that the orphan comes to us */
    pid_t child = fork();
    if (child == 0) {
        struct world *w = world_new();
        grandchild = process_pid(start(w, "exec sleep 100", -1));
        if (write(pipes[1], &grandchild, sizeof grandchild) < 0) _exit(1);
        kill(getpid(), SIGKILL);
    }
    assert_int_equal(read(pipes[0], &grandchild, sizeof grandchild), sizeof grandchild);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(waitpid(grandchild, &status, 0), grandchild);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    close(pipes[0]);
    close(pipes[1]);
}

int main(void)
{
    alarm(100);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exits_are_told),
        cmocka_unit_test(what_cannot_run_fails_at_once),
        cmocka_unit_test(children_start_clean),
        cmocka_unit_test(signals_go_to_the_whole_group),
        cmocka_unit_test(nobody_of_the_group_is_left),
        cmocka_unit_test(orphans_are_reaped),
        cmocka_unit_test(forgotten_processes_tell_nothing),
        cmocka_unit_test(children_do_not_outlive_us),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
