/* SPDX-License-Identifier: Apache-2.0 */
/* Child processes by fork and exec, watched through a pidfd; signals and descriptors through libuv.
 *
 *   RUNNING --the child ends: on_exit--> ENDING, while others of its group live
 *                                          `--nobody is left: on_gone--> gone
 *
 * fork by hand, because the child must ask the kernel for a signal when its parent dies, which no
 * library offers. Between fork and exec only async-signal-safe calls are made; a failed exec comes
 * back as an errno through a pipe. */
#include "loop/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "loop/loop_priv.h"
#include "obs/log.h"

/* What is left of a group is looked at so often, killed after so long, given up after so long. */
#define LOOK_US ((uint64_t)20 * USEC_PER_MS)
#define GRACE_US ((uint64_t)500 * USEC_PER_MS)
#define PATIENCE_US ((uint64_t)5 * USEC_PER_SEC)

struct process {
    struct list link; /* on the loop's processes */
    uv_poll_t poll;   /* readable when the child has ended */
    struct loop *loop;
    /* The child's and its group's. As long as the group has members the number stays taken. */
    pid_t pid;
    int pidfd;
    bool ended;        /* the child has, and was reaped */
    bool killed;       /* what is left of the group was sent SIGKILL */
    uint64_t ended_us; /* when the child had */
    struct task task;
    struct timer timer; /* the next look at the group */
    void (*on_exit)(void *owner, int64_t status, int signal);
    void (*on_gone)(void *owner);
    void *owner;
};

int process_find(const char *name, char out[PROCESS_PATH_MAX])
{
    if (strchr(name, '/'))
        return snprintf(out, PROCESS_PATH_MAX, "%s", name) < PROCESS_PATH_MAX ? 0 : -ENAMETOOLONG;
    struct str path = str_of(getenv("PATH")), dir;
    while (str_cut(&path, ':', &dir)) {
        if (snprintf(out, PROCESS_PATH_MAX, "%" STR_FMT "/%s", STR_ARG(dir), name) >=
            PROCESS_PATH_MAX)
            continue;
        if (access(out, X_OK) == 0) return 0;
    }
    return -ENOENT;
}

static NORETURN void run_child(const char *program, const struct process_spec *spec, pid_t parent,
                               int report)
{
    struct sigaction dfl = {.sa_handler = SIG_DFL};
    sigset_t none;
    sigemptyset(&none);
    for (int sig = 1; sig < NSIG; sig++)
        sigaction(sig, &dfl, NULL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) _exit(127);
    int null = open("/dev/null", O_RDONLY);
    int output = spec->output_fd >= 0 ? spec->output_fd : STDERR_FILENO;
    if (null >= 0) dup2(null, STDIN_FILENO);
    dup2(output, STDERR_FILENO);
    dup2(STDERR_FILENO, STDOUT_FILENO);
    if (report != 3) dup3(report, 3, O_CLOEXEC);
    syscall(SYS_close_range, 4u, ~0u, 0u);
    execve(program, spec->argv, spec->env);
    int err = errno;
    ssize_t ignored = write(3, &err, sizeof err);
    (void)ignored;
    _exit(127);
}

/* 0 when exec succeeded (the pipe closed without a word), else its errno negated. */
static int read_report(int fd)
{
    int err = 0;
    ssize_t n;
    do
        n = read(fd, &err, sizeof err);
    while (n < 0 && errno == EINTR);
    return n == sizeof err ? -err : 0;
}

static int spawn(const struct process_spec *spec, pid_t *out)
{
    char program[PROCESS_PATH_MAX];
    int report[2];
    int err = process_find(spec->argv[0], program);
    if (err) return err;
    if (pipe2(report, O_CLOEXEC)) return -errno;
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0) run_child(program, spec, parent, report[1]);
    if (pid < 0) err = -errno;
    close(report[1]);
    if (!err) err = read_report(report[0]);
    close(report[0]);
    if (err && pid > 0) waitpid(pid, NULL, 0);
    if (err) return err;
    *out = pid;
    return 0;
}

/* --- the end of a child, and of its group --- */

static void on_process_closed(uv_handle_t *handle)
{
    struct process *p = CONTAINER_OF(handle, struct process, poll);
    close(p->pidfd);
    free(p);
}

void process_forget(struct process *p)
{
    list_remove(&p->link);
    timer_stop(p->loop, &p->timer);
    task_cancel(&p->task);
    uv_close((uv_handle_t *)&p->poll, on_process_closed);
}

/* Whether the group has members. Those that became our children are reaped
 * first, since zombies count. */
static bool group_lives(const struct process *p)
{
    while (waitpid(-p->pid, NULL, WNOHANG) > 0) {
    }
    return kill(-p->pid, 0) == 0;
}

static void look_at_group(struct task *task)
{
    struct process *p = CONTAINER_OF(task, struct process, task);
    uint64_t waited = loop_now(p->loop) - p->ended_us;
    bool given_up = waited > GRACE_US + PATIENCE_US;
    if (group_lives(p) && !given_up) {
        if (waited > GRACE_US && !p->killed) p->killed = kill(-p->pid, SIGKILL) == 0;
        timer_start(p->loop, &p->timer, loop_now(p->loop) + LOOK_US);
        return;
    }
    if (given_up)
        log_note(LOG_WARN, "process", "processes of group %d cannot be killed", (int)p->pid);
    void (*on_gone)(void *) = p->on_gone;
    void *owner = p->owner;
    process_forget(p);
    on_gone(owner);
}

/* The child was reaped with this status. */
static void child_ended(struct process *p, int status)
{
    p->ended = true;
    p->ended_us = loop_now(p->loop);
    uv_poll_stop(&p->poll);
    kill(-p->pid, SIGTERM);
    loop_wake(p->loop, &p->task);
    p->on_exit(p->owner, WIFEXITED(status) ? WEXITSTATUS(status) : 0,
               WIFSIGNALED(status) ? WTERMSIG(status) : 0);
}

static void on_pidfd(uv_poll_t *handle, int status, int events)
{
    (void)status;
    (void)events;
    struct process *p = CONTAINER_OF(handle, struct process, poll);
    struct loop *l = p->loop;
    int wait_status = 0;
    if (p->ended || waitpid(p->pid, &wait_status, WNOHANG) == 0) return;
    loop__touch(l);
    child_ended(p, wait_status);
    loop_run_ready(l);
}

int process_start(struct loop *l, const struct process_spec *spec, struct process **out)
{
    pid_t pid;
    int err = spawn(spec, &pid);
    if (err) return err;
    int fd = (int)syscall(SYS_pidfd_open, pid, 0u);
    struct process *p = fd < 0 ? NULL : mem_try_zero(1, sizeof *p);
    if (!p) {
        err = fd < 0 ? -errno : -ENOMEM;
        kill(-pid, SIGKILL);
        waitpid(pid, NULL, 0);
        if (fd >= 0) close(fd);
        return err;
    }
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    *p = (struct process){.loop = l,
                          .pid = pid,
                          .pidfd = fd,
                          .on_exit = spec->on_exit,
                          .on_gone = spec->on_gone,
                          .owner = spec->owner};
    task_init(&p->task, look_at_group);
    timer_init(&p->timer, &p->task);
    list_push_back(&l->processes, &p->link);
    uv_poll_init(&l->uv, &p->poll, fd);
    uv_poll_start(&p->poll, UV_READABLE, on_pidfd);
    *out = p;
    return 0;
}

int process_pid(const struct process *p)
{
    return (int)p->pid;
}

void process_signal(struct process *p, int signum)
{
    if (kill(-p->pid, signum) && !p->ended) kill(p->pid, signum);
}

static struct process *find_process(struct loop *l, pid_t pid)
{
    LIST_EACH(&l->processes, it)
    {
        struct process *p = LIST_ITEM(it, struct process, link);
        if (p->pid == pid && !p->ended) return p;
    }
    return NULL;
}

/* Takes whoever has ended; the status of a process of ours goes where it belongs. */
static void reap(void *owner, int signum UNUSED)
{
    struct loop *l = owner;
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
        struct process *p = find_process(l, pid);
        if (p) child_ended(p, status);
    }
}

int process_adopt_orphans(struct loop *l, struct signal_watch **out)
{
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    return signal_watch_open(l, SIGCHLD, reap, l, out);
}

/* --- signals --- */

struct signal_watch {
    uv_signal_t handle;
    struct loop *loop;
    void (*fn)(void *owner, int signum);
    void *owner;
};

static void on_signal(uv_signal_t *handle, int signum)
{
    struct signal_watch *w = CONTAINER_OF(handle, struct signal_watch, handle);
    struct loop *l = w->loop;
    loop__touch(l);
    w->fn(w->owner, signum);
    loop_run_ready(l);
}

static void on_signal_closed(uv_handle_t *handle)
{
    free(CONTAINER_OF(handle, struct signal_watch, handle));
}

int signal_watch_open(struct loop *l, int signum, void (*fn)(void *owner, int signum), void *owner,
                      struct signal_watch **out)
{
    struct signal_watch *w = mem_try_zero(1, sizeof *w);
    if (!w) return -ENOMEM;
    w->loop = l;
    w->fn = fn;
    w->owner = owner;
    uv_signal_init(&l->uv, &w->handle);
    int err = uv_signal_start(&w->handle, on_signal, signum);
    if (err) {
        uv_close((uv_handle_t *)&w->handle, on_signal_closed);
        return err;
    }
    *out = w;
    return 0;
}

void signal_watch_close(struct signal_watch *w)
{
    if (w) uv_close((uv_handle_t *)&w->handle, on_signal_closed);
}

/* --- descriptors --- */

struct fd_watch {
    uv_poll_t handle;
    struct loop *loop;
    void (*fn)(void *owner);
    void *owner;
};

static void on_fd(uv_poll_t *handle, int status, int events)
{
    (void)status;
    (void)events;
    struct fd_watch *w = CONTAINER_OF(handle, struct fd_watch, handle);
    struct loop *l = w->loop;
    loop__touch(l);
    w->fn(w->owner);
    loop_run_ready(l);
}

static void on_fd_closed(uv_handle_t *handle)
{
    free(CONTAINER_OF(handle, struct fd_watch, handle));
}

int fd_watch_open(struct loop *l, int fd, void (*fn)(void *owner), void *owner,
                  struct fd_watch **out)
{
    struct fd_watch *w = mem_try_zero(1, sizeof *w);
    if (!w) return -ENOMEM;
    w->loop = l;
    w->fn = fn;
    w->owner = owner;
    int err = uv_poll_init(&l->uv, &w->handle, fd);
    if (err) {
        free(w);
        return err;
    }
    uv_poll_start(&w->handle, UV_READABLE, on_fd);
    *out = w;
    return 0;
}

void fd_watch_close(struct fd_watch *w)
{
    if (w) uv_close((uv_handle_t *)&w->handle, on_fd_closed);
}
