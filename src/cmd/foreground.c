/* SPDX-License-Identifier: Apache-2.0 */
/* All signals of interest are blocked and taken one by one, so there is no handler and no race.
 *
 * What the terminal sends has gone to the whole process group, and so to the child. Only what a
 * process sent, to us alone, is passed on. */
#include "cmd/foreground.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KILLED = 128 }; /* of exit statuses */

static const int taken[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGTERM, SIGUSR1,
                            SIGUSR2, SIGTSTP, SIGTTIN, SIGTTOU, SIGCHLD};

static void taken_set(sigset_t *set)
{
    sigemptyset(set);
    for (size_t i = 0; i < ARRAY_LEN(taken); i++)
        sigaddset(set, taken[i]);
}

/* --- the child --- */

static NORETURN void run_child(const char *program, char *const *argv, const sigset_t *mask,
                               pid_t parent, int report)
{
    signal(SIGPIPE, SIG_DFL); /* which we ignore */
    sigprocmask(SIG_SETMASK, mask, NULL);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) _exit(127);
    execv(program, argv);
    int err = errno;
    (void)!write(report, &err, sizeof err);
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

static int start(const char *program, char *const *argv, const sigset_t *mask, pid_t *out)
{
    int report[2];
    if (pipe2(report, O_CLOEXEC)) return -errno;
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0) run_child(program, argv, mask, parent, report[1]);
    int err = pid < 0 ? -errno : 0;
    close(report[1]);
    if (!err) err = read_report(report[0]);
    close(report[0]);
    if (err && pid > 0) waitpid(pid, NULL, 0);
    *out = pid;
    return err;
}

/* --- waiting --- */

/* The child has stopped: so do we, and go on together. */
static void stop_too(pid_t child)
{
    kill(getpid(), SIGSTOP);
    kill(child, SIGCONT);
}

/* Looks what became of the child. True: it has ended. */
static bool look(pid_t child, int *status)
{
    int how;
    while (waitpid(child, &how, WNOHANG | WUNTRACED) == child) {
        if (WIFSTOPPED(how)) {
            stop_too(child);
            continue;
        }
        *status = WIFEXITED(how) ? WEXITSTATUS(how) : KILLED + WTERMSIG(how);
        return true;
    }
    return false;
}

static void wait_for(pid_t child, const sigset_t *set, int *status)
{
    siginfo_t info;
    while (!look(child, status)) {
        int signum = sigwaitinfo(set, &info);
        if (signum > 0 && signum != SIGCHLD && info.si_code <= 0) kill(child, signum);
    }
}

int foreground_run(const char *program, char *const *argv, int *status)
{
    sigset_t set, before;
    pid_t child = -1;
    taken_set(&set);
    signal(SIGCHLD, SIG_DFL); /* one that is ignored is not told of */
    if (sigprocmask(SIG_BLOCK, &set, &before)) return -errno;
    int err = start(program, argv, &before, &child);
    if (!err) wait_for(child, &set, status);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return err;
}
