/* SPDX-License-Identifier: Apache-2.0 */
/* Accepting connections.
 *
 * Some at a time, so that those who are there already have their turn, and few while the loop is
 * behind. Where descriptors are lacking, a few that are kept in reserve go to those who come first,
 * who are told so, or answered if they are probes; then there is a pause, in which clients wait
 * in the kernel's queue. The reserve is filled again when these have gone. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/mem.h"
#include "loop/loop_priv.h"
#include "loop/stream.h"
#include "obs/log.h"
#include "obs/metrics.h"

enum {
    ACCEPT_BATCH = 16, /* connections per event, then others have their turn */
    LEFT_BATCH = 256,  /* besides those whose clients have left */
    ACCEPT_PAUSE_US = 100 * USEC_PER_MS,
    RESERVE_PAUSE_US = 20 * USEC_PER_MS, /* where some could be accepted all the same */
    ACCEPT_TELL_US = 10 * USEC_PER_SEC,  /* between two log lines */
};

struct listener {
    uv_poll_t poll;
    int fd;
    struct loop *loop;
    bool is_unix;
    bool closed;
    struct acceptor *acceptor;
    struct task go_on; /* after a pause */
    struct timer timer;
    uint64_t told_us; /* when the last pause was logged */
    struct metric_cell pauses;
    int reserve[LISTENER_RESERVE]; /* open for nothing else than to be closed */
    unsigned reserved;
};

static void on_acceptable(uv_poll_t *poll, int status, int events);

/* False: some are missing. */
static bool fill_reserve(struct listener *ls)
{
    while (ls->reserved < LISTENER_RESERVE) {
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (fd < 0) return false;
        ls->reserve[ls->reserved++] = fd;
    }
    return true;
}

/* False: there is nothing left of it. */
static bool draw_reserve(struct listener *ls)
{
    if (ls->reserved == 0) return false;
    close(ls->reserve[--ls->reserved]);
    return true;
}

static void go_on(struct task *task)
{
    struct listener *ls = CONTAINER_OF(task, struct listener, go_on);
    uv_poll_start(&ls->poll, UV_READABLE, on_acceptable);
}

/* Nothing can be accepted for want of descriptors or memory. Clients wait in the kernel's queue for
 * a while, where looking again and again would only cost time. */
static void pause_accepting(struct listener *ls, int err, uint64_t pause_us)
{
    uint64_t now = ls->loop->now_us;
    uv_poll_stop(&ls->poll);
    timer_start(ls->loop, &ls->timer, now + pause_us);
    metric_add(&ls->pauses, 1);
    if (ls->told_us && now - ls->told_us < ACCEPT_TELL_US) return;
    ls->told_us = now;
    log_note(LOG_WARN, "accept", "new connections wait: %s", err_text(err));
}

static bool is_shortage(int err)
{
    return err == EMFILE || err == ENFILE || err == ENOBUFS || err == ENOMEM;
}

static void pass_on(struct listener *ls, int fd, bool spare)
{
    struct stream *s = loop__adopt(ls->loop, fd, ls->is_unix);
    if (s && spare) stream_set_spare(s);
    if (s) ls->acceptor->accept(ls->acceptor, s);
    loop_run_ready(ls->loop);
}

static int accept_one(int fd)
{
    if (!fault_point(FAULT_ACCEPT)) return accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    errno = EMFILE;
    return -1;
}

/* Those who come first get what is in reserve: they are answered and go soon. */
static void accept_on_reserve(struct listener *ls)
{
    while (!ls->closed && draw_reserve(ls)) {
        int fd = accept4(ls->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0) return;
        pass_on(ls, fd, true);
    }
}

static bool lacks_descriptors(int err)
{
    return err == EMFILE || err == ENFILE;
}

static void run_short(struct listener *ls, int err)
{
    bool some = lacks_descriptors(err) && ls->reserved;
    if (some) accept_on_reserve(ls);
    if (!ls->closed) pause_accepting(ls, -err, some ? RESERVE_PAUSE_US : ACCEPT_PAUSE_US);
}

/* Whoever has waited in the kernel's queue for too long, and has left, is not even read. */
static bool was_left(struct listener *ls, int fd)
{
    if (!ls->loop->lag.behind || !loop__has_left(fd)) return false;
    close(fd);
    metric_add(&ls->loop->lag.left, 1);
    return true;
}

static void on_acceptable(uv_poll_t *poll, int status UNUSED, int events UNUSED)
{
    struct listener *ls = poll->data;
    bool full = fill_reserve(ls); /* else nobody gets a place for long */
    loop__touch(ls->loop);
    unsigned most = lag_accepts(&ls->loop->lag, ACCEPT_BATCH), left = 0;
    for (unsigned i = 0; i < most + left && !ls->closed; i++) {
        int fd = accept_one(ls->fd);
        if (fd >= 0 && left < LEFT_BATCH && was_left(ls, fd))
            left++;
        else if (fd >= 0)
            pass_on(ls, fd, !full);
        else if (errno == EAGAIN)
            return;
        else if (is_shortage(errno)) {
            run_short(ls, errno);
            return;
        } /* else that one connection broke before we came */
    }
}

static void on_listener_closed(uv_handle_t *handle)
{
    free(handle->data);
}

int listener_open(struct loop *l, int fd, struct acceptor *acceptor, struct listener **out)
{
    struct sockaddr_storage self;
    socklen_t len = sizeof self;
    if (getsockname(fd, (struct sockaddr *)&self, &len)) return -errno;
    struct listener *ls = mem_try_zero(1, sizeof *ls);
    if (!ls) return -ENOMEM;
    *ls = (struct listener){
        .fd = fd, .loop = l, .is_unix = self.ss_family == AF_UNIX, .acceptor = acceptor};
    task_init(&ls->go_on, go_on);
    timer_init(&ls->timer, &ls->go_on);
    int err = uv_poll_init(&l->uv, &ls->poll, fd);
    if (err) {
        free(ls);
        return err;
    }
    ls->poll.data = ls;
    (void)fill_reserve(ls);
    uv_poll_start(&ls->poll, UV_READABLE, on_acceptable);
    *out = ls;
    return 0;
}

uint64_t listener_pauses(const struct listener *ls)
{
    return ls ? metric_read(&ls->pauses) : 0;
}

void listener_close(struct listener *ls)
{
    if (!ls) return;
    ls->closed = true;
    timer_stop(ls->loop, &ls->timer);
    task_cancel(&ls->go_on);
    while (draw_reserve(ls))
        ;
    uv_close((uv_handle_t *)&ls->poll, on_listener_closed);
    close(ls->fd);
}
