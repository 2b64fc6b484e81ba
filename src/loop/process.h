/* SPDX-License-Identifier: Apache-2.0 */
/* Child processes and signals, on a real loop. */
#ifndef HOSTLER_LOOP_PROCESS_H
#define HOSTLER_LOOP_PROCESS_H

#include "base/base.h"
#include "base/str.h"
#include "loop/loop.h"

struct process;

struct process_spec {
    char *const *argv; /* NULL-terminated; argv[0] is looked up in PATH when it has no slash */
    char *const *env;  /* NULL-terminated NAME=value list: the child's whole environment */
    int output_fd;     /* where its stdout and stderr go; -1: ours (stderr) */
};

/* Starts the child in its own process group, with descriptors above 2 closed, and told by the kernel to terminate when
 * our process dies. on_exit runs once on the loop's thread: exit status, or signal number when killed; then the process is gone. */
MUST_CHECK int process_start(struct loop *l, const struct process_spec *spec,
                             void (*on_exit)(void *owner, int64_t status, int signal), void *owner,
                             struct process **out);
int process_pid(const struct process *p);
void process_signal(struct process *p, int signum); /* to its process group */
void process_forget(struct process *p); /* no on_exit any more, nobody waits for it; `p` is dead */

struct signal_watch;

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
