/* SPDX-License-Identifier: Apache-2.0 */
/* Child processes by fork and exec, watched through a pidfd; signals and descriptors through libuv.
 *
 * fork by hand, because the child must ask the kernel for a signal when its parent dies, which no library offers. Between
 * fork and exec only async-signal-safe calls are made; a failed exec comes back as an errno through a pipe. */
#include "loop/process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "loop/loop_priv.h"

struct process {
    uv_poll_t poll; /* readable when the child has ended */
    struct loop *loop;
    pid_t pid;
    int pidfd;
    void (*on_exit)(void *owner, int64_t status, int signal);
    void *owner;
};

/* The file that execvp would run: `name` itself when it has a slash, else the first match in PATH. */
static int find_program(const char *name, char out[PATH_MAX])
{
    if (strchr(name, '/'))
        return snprintf(out, PATH_MAX, "%s", name) < PATH_MAX ? 0 : -ENAMETOOLONG;
    struct str path = str_of(getenv("PATH")), dir;
    while (str_cut(&path, ':', &dir)) {
        if (snprintf(out, PATH_MAX, "%" STR_FMT "/%s", STR_ARG(dir), name) >= PATH_MAX) continue;
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
    char program[PATH_MAX];
    int report[2];
    int err = find_program(spec->argv[0], program);
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

static void on_process_closed(uv_handle_t *handle)
{
    struct process *p = CONTAINER_OF(handle, struct process, poll);
    close(p->pidfd);
    free(p);
}

static void on_pidfd(uv_poll_t *handle, int status, int events)
{
    (void)status;
    (void)events;
    struct process *p = CONTAINER_OF(handle, struct process, poll);
    int wait_status = 0;
    if (waitpid(p->pid, &wait_status, WNOHANG) == 0) return;
    loop__touch(p->loop);
    struct loop *l = p->loop;
    if (p->on_exit)
        p->on_exit(p->owner, WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 0,
                   WIFSIGNALED(wait_status) ? WTERMSIG(wait_status) : 0);
    uv_close((uv_handle_t *)&p->poll, on_process_closed);
    loop_run_ready(l);
}

int process_start(struct loop *l, const struct process_spec *spec,
                  void (*on_exit)(void *owner, int64_t status, int signal), void *owner,
                  struct process **out)
{
    pid_t pid;
    int err = spawn(spec, &pid);
    if (err) return err;
    int fd = (int)syscall(SYS_pidfd_open, pid, 0u);
    struct process *p = fd < 0 ? NULL : calloc(1, sizeof *p);
    if (!p) {
        err = fd < 0 ? -errno : -ENOMEM;
        kill(-pid, SIGKILL);
        waitpid(pid, NULL, 0);
        if (fd >= 0) close(fd);
        return err;
    }
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    *p = (struct process){.loop = l, .pid = pid, .pidfd = fd, .on_exit = on_exit, .owner = owner};
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
    if (kill(-p->pid, signum)) kill(p->pid, signum);
}

void process_forget(struct process *p)
{
    uv_close((uv_handle_t *)&p->poll, on_process_closed);
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
    struct signal_watch *w = calloc(1, sizeof *w);
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
    struct fd_watch *w = calloc(1, sizeof *w);
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
