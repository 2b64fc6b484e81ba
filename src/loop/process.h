/* SPDX-License-Identifier: Apache-2.0 */
/* Child processes and signals, on a real loop. */
#ifndef HOSTLER_LOOP_PROCESS_H
#define HOSTLER_LOOP_PROCESS_H

#include "base/base.h"
#include "base/str.h"
#include "loop/loop.h"

struct process;

/* The file that execvp would run: `name` itself when it has a slash, else the first match in
 * PATH. 0 or a negative errno: -ENOENT when there is none. */
enum { PROCESS_PATH_MAX = 4096 };
MUST_CHECK int process_find(const char *name, char out[PROCESS_PATH_MAX]);

struct process_spec {
    char *const *argv; /* NULL-terminated; argv[0] is looked up in PATH when it has no slash */
    char *const *env;  /* NULL-terminated NAME=value list: the child's whole environment */
    int output_fd;     /* where its stdout and stderr go; -1: ours (stderr) */
    /* Once, when the child has ended: exit status, or signal number when killed. */
    void (*on_exit)(void *owner, int64_t status, int signal);
    /* Once, later: nobody is left of its process group, which is ended after the child: SIGTERM at
     * once, SIGKILL half a second later. (What no SIGKILL ends is given up after five more.) The
     * process is dead with this call. */
    void (*on_gone)(void *owner);
    void *owner;
};

/* Starts the child in its own process group, with descriptors above 2 closed, and told by the
 * kernel to terminate when our process dies. The callbacks run on the loop's thread. */
MUST_CHECK int process_start(struct loop *l, const struct process_spec *spec, struct process **out);
int process_pid(const struct process *p);
void process_signal(struct process *p, int signum); /* to its process group */

/* No callback comes any more, and nobody waits for it; `p` is dead. */
void process_forget(struct process *p);

/* Orphans become our children, here and as PID 1 of a container, and are reaped: what the
 * loop's processes leave behind does not stay as zombies, whoever their next parent would
 * have been. Children that others start must not be waited for by anybody else from now on.
 * Closed with signal_watch_close. */
struct signal_watch;
MUST_CHECK int process_adopt_orphans(struct loop *l, struct signal_watch **out);

/* Calls fn on the loop's thread for each signal of that number. */
MUST_CHECK int signal_watch_open(struct loop *l, int signum, void (*fn)(void *owner, int signum),
                                 void *owner, struct signal_watch **out);
void signal_watch_close(struct signal_watch *w);

/* A descriptor that becomes readable (terminal input, pipes). */
struct fd_watch;
MUST_CHECK int fd_watch_open(struct loop *l, int fd, void (*fn)(void *owner), void *owner,
                             struct fd_watch **out);
void fd_watch_close(struct fd_watch *w);

#endif
