/* SPDX-License-Identifier: Apache-2.0 */
/* Streams over TCP and UNIX sockets, on libuv.
 *
 * Happy path: a write goes straight to the kernel (uv_try_write, one system call); reads land in
 * the loop's one receive buffer. Only what the kernel refuses is copied and queued, one uv_write
 * at a time. What can go wrong: connect fails (on_open), the peer ends or resets (on_end), a
 * queued write fails (on_end). */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/mem.h"
#include "loop/loop_priv.h"
#include "loop/stream_impl.h"

/* The caller bounds what it queues (stream_pending); this only catches a runaway. */
#define QUEUE_MAX ((size_t)1 << 30)

enum {
    ADDRESS_PATIENCE_US = 1 * USEC_PER_SEC, /* the next address of a name is tried after this */
};

struct uv_stream {
    struct stream base;
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } h;
    uv_write_t write_req;
    struct buf flying;  /* goes out next, stays put while libuv has some of it */
    struct buf waiting; /* goes out after that */
    size_t handed;      /* bytes at the front of flying that libuv has */
    bool writing;       /* it has some */
    bool is_unix;
    struct dial *dial; /* until it is open */
    struct list late;  /* loop->late, while it is put off */
};

/* What a stream needs until it is connected: first the addresses of its name, which
 * are then tried one by one. */
struct dial {
    struct uv_stream *stream;
    struct lookup lookup;
    uint16_t port;
    struct addresses found;
    unsigned tried; /* addresses so far */
    uv_connect_t req;
    bool reopening; /* the handle is being closed for the next address */
    struct task task;
    struct timer timer; /* gives up an address that does not answer */
};

enum { SWEEP_US = 500 * USEC_PER_MS };

/* Leaves what has come with the kernel until a later turn, which may be long: the newest come first,
 * since who has waited longest is the first to give up. */
static void put_off(struct uv_stream *u)
{
    struct loop *l = u->base.loop;
    metric_add(&l->lag.put_off, 1);
    uv_read_stop(&u->h.stream);
    list_push_front(&l->late, &u->late);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out);
static void on_read(uv_stream_t *handle, ssize_t n, const uv_buf_t *buf);

bool loop__has_left(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLRDHUP};
    return poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR));
}

/* Ends a stream whose peer has left meanwhile; what it has sent is not even read. */
static bool end_if_left(struct uv_stream *u)
{
    uv_os_fd_t fd;
    if (uv_fileno(&u->h.handle, &fd) || !loop__has_left(fd)) return false;
    list_remove(&u->late);
    u->base.reading = false;
    stream_tell_end(&u->base, ERR_EOF);
    return true;
}

/* Those who have waited longest leave first, and may never be looked at otherwise. */
static void sweep_late(struct loop *l)
{
    if (l->now_us - l->swept_us < SWEEP_US) return;
    l->swept_us = l->now_us;
    struct list all = l->late;
    if (list_empty(&l->late)) return;
    all.next->prev = all.prev->next = &all;
    list_init(&l->late);
    struct list *link;
    while ((link = list_pop_front(&all))) {
        struct uv_stream *u = LIST_ITEM(link, struct uv_stream, late);
        if (!end_if_left(u)) list_push_back(&l->late, &u->late);
    }
}

void loop__read_late(struct loop *l)
{
    struct list *link;
    uint64_t most = l->lag.behind ? l->lag.begin + l->lag.refuse : UINT64_MAX;
    sweep_late(l);
    while (most-- && (link = list_pop_front(&l->late))) {
        struct uv_stream *u = LIST_ITEM(link, struct uv_stream, late);
        if (!end_if_left(u)) uv_read_start(&u->h.stream, on_alloc, on_read);
    }
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    (void)suggested;
    struct stream *s = &((struct uv_stream *)handle->data)->base;
    if (s->may_wait && lag_wait(&s->loop->lag)) {
        *out = uv_buf_init(NULL, 0); /* on_read is told UV_ENOBUFS */
        return;
    }
    *out = s->place_len ? uv_buf_init(s->place, (unsigned)MIN(s->place_len, QUEUE_MAX))
                        : uv_buf_init(s->loop->rx, LOOP_RX_SIZE);
    if (fault_point(FAULT_READ_SHORT)) out->len = 1;
}

static void on_read(uv_stream_t *handle, ssize_t n, const uv_buf_t *buf)
{
    struct uv_stream *u = handle->data;
    if (n == 0) return;
    if (n == UV_ENOBUFS && !buf->base) {
        put_off(u);
        return;
    }
    if (fault_point(FAULT_READ)) n = UV_ECONNRESET;
    loop__touch(u->base.loop);
    if (n > 0) {
        stream_tell_data(&u->base, str_n(buf->base, (size_t)n));
        return;
    }
    uv_read_stop(handle);
    u->base.reading = false;
    stream_tell_end(&u->base, n == UV_EOF ? ERR_EOF : (int)n);
}

static void uv_stream_read(struct stream *s, bool on)
{
    struct uv_stream *u = CONTAINER_OF(s, struct uv_stream, base);
    list_remove(&u->late);
    if (on)
        uv_read_start(&u->h.stream, on_alloc, on_read);
    else
        uv_read_stop(&u->h.stream);
}

static void send_queued(struct uv_stream *u);

static void on_written(uv_write_t *req, int status)
{
    struct uv_stream *u = req->data;
    u->writing = false;
    if (u->base.closed) return;
    loop__touch(u->base.loop);
    if (!status && fault_point(FAULT_WRITE)) status = UV_EPIPE;
    buf_consume(&u->flying, u->handed);
    if (buf_len(&u->flying) == 0) buf_release(&u->flying);
    if (status) {
        stream_tell_end(&u->base, status);
        return;
    }
    if (buf_len(&u->flying) || buf_len(&u->waiting)) send_queued(u);
    stream_tell_taken(&u->base);
}

/* libuv tells when it has sent all that it was handed, so it is handed no more than
 * what lies above the low mark. */
static void send_queued(struct uv_stream *u)
{
    if (buf_len(&u->flying) == 0) {
        struct buf empty = u->flying;
        u->flying = u->waiting;
        u->waiting = empty;
    }
    struct str bytes = buf_str(&u->flying);
    size_t left = bytes.len + buf_len(&u->waiting), low = u->base.low_mark;
    u->handed = left > low ? MIN(bytes.len, left - low) : bytes.len;
    uv_buf_t out = uv_buf_init((char *)(uintptr_t)bytes.ptr, (unsigned)u->handed);
    u->write_req.data = u;
    u->writing = true;
    int err = uv_write(&u->write_req, &u->h.stream, &out, 1, on_written);
    assert(err == 0); /* only for handles that cannot write at all */
    (void)err;
}

/* Copies what lies beyond the first `sent` bytes of iov, which has `total`; memory
 * grows once for all of it. */
static int queue_rest(struct uv_stream *u, const struct iovec *iov, unsigned count, size_t sent,
                      size_t total)
{
    char *room;
    int err = buf_reserve(&u->waiting, total - sent, &room);
    if (err) return err;
    for (unsigned i = 0; i < count; i++) {
        size_t skip = MIN(sent, iov[i].iov_len);
        sent -= skip;
        err = buf_append(&u->waiting,
                         str_n((const char *)iov[i].iov_base + skip, iov[i].iov_len - skip));
        if (err) return err;
    }
    if (!u->writing && buf_len(&u->waiting)) send_queued(u);
    return 0;
}

/* What the kernel takes now: how many bytes, or UV_EAGAIN, or how writing has failed. */
static int write_now(struct uv_stream *u, const struct iovec *iov, unsigned count)
{
    struct iovec one = {iov[0].iov_base, MIN(iov[0].iov_len, 1)};
    if (fault_point(FAULT_WRITE)) return UV_EPIPE;
    if (fault_point(FAULT_WRITE_FULL)) return UV_EAGAIN;
    if (fault_point(FAULT_WRITE_SHORT)) {
        iov = &one;
        count = 1;
    }
    /* uv_buf_t and struct iovec are laid out alike on Unix, as libuv documents. */
    return uv_try_write(&u->h.stream, (const uv_buf_t *)iov, count);
}

static int uv_stream_write(struct stream *s, const struct iovec *iov, unsigned count)
{
    struct uv_stream *u = CONTAINER_OF(s, struct uv_stream, base);
    size_t total = 0;
    for (unsigned i = 0; i < count; i++)
        total += iov[i].iov_len;
    if (total == 0) return 0;
    size_t sent = 0;
    if (!u->writing) {
        int n = write_now(u, iov, count);
        if (n < 0 && n != UV_EAGAIN) return n;
        sent = n > 0 ? (size_t)n : 0;
        if (sent == total) return 0;
    }
    return queue_rest(u, iov, count, sent, total);
}

static size_t uv_stream_pending(const struct stream *s)
{
    const struct uv_stream *u = CONTAINER_OF(s, const struct uv_stream, base);
    size_t left = buf_len(&u->flying) + buf_len(&u->waiting);
    return u->writing ? left - u->handed + uv_stream_get_write_queue_size(&u->h.stream) : left;
}

static void on_closed(uv_handle_t *handle)
{
    struct uv_stream *u = handle->data;
    buf_fini(&u->flying);
    buf_fini(&u->waiting);
    free(u->dial);
    free(u);
}

static void stop_waiting(struct dial *d)
{
    list_remove(&d->lookup.link);
    timer_stop(d->stream->base.loop, &d->timer);
    task_cancel(&d->task);
}

static void uv_stream_close(struct stream *s, bool reset)
{
    struct uv_stream *u = CONTAINER_OF(s, struct uv_stream, base);
    list_remove(&u->late);
    if (u->dial) {
        stop_waiting(u->dial);
        if (u->dial->reopening) return; /* on_reopen frees */
    }
    if (reset && !u->is_unix && !u->dial && uv_tcp_close_reset(&u->h.tcp, on_closed) == 0) return;
    uv_close(&u->h.handle, on_closed);
}

static const struct stream_ops uv_stream_ops = {
    .read = uv_stream_read,
    .write = uv_stream_write,
    .pending = uv_stream_pending,
    .close = uv_stream_close,
};

static struct uv_stream *uv_stream_new(struct loop *l, bool is_unix)
{
    struct uv_stream *u = mem_try_zero(1, sizeof *u);
    if (!u) return NULL;
    u->base = (struct stream){.ops = &uv_stream_ops, .loop = l};
    u->is_unix = is_unix;
    list_init(&u->late);
    buf_init(&u->flying, QUEUE_MAX);
    buf_init(&u->waiting, QUEUE_MAX);
    if (is_unix)
        uv_pipe_init(&l->uv, &u->h.pipe, 0);
    else
        uv_tcp_init(&l->uv, &u->h.tcp);
    u->h.handle.data = u;
    return u;
}

static void name_peer(struct uv_stream *u)
{
    struct sockaddr_storage peer;
    int len = sizeof peer;
    char host[INET6_ADDRSTRLEN] = "";
    if (u->is_unix) {
        snprintf(u->base.peer, sizeof u->base.peer, "unix");
    } else if (uv_tcp_getpeername(&u->h.tcp, (struct sockaddr *)&peer, &len) == 0) {
        bool v6 = peer.ss_family == AF_INET6;
        uv_ip_name((struct sockaddr *)&peer, host, sizeof host);
        unsigned port = ntohs(v6 ? ((struct sockaddr_in6 *)&peer)->sin6_port
                                 : ((struct sockaddr_in *)&peer)->sin_port);
        snprintf(u->base.peer, sizeof u->base.peer, v6 ? "[%s]:%u" : "%s:%u", host, port);
    }
}

/* --- dialling --- */

static void on_reopen(uv_handle_t *handle);

/* Closes the handle and goes on with the next address: one that failed to
 * connect cannot be used again. */
static void reopen(struct uv_stream *u)
{
    stop_waiting(u->dial);
    u->dial->reopening = true;
    uv_close(&u->h.handle, on_reopen);
}

/* The dial is over, with or without a connection. */
static void end_dial(struct uv_stream *u, int err)
{
    stop_waiting(u->dial);
    free(u->dial);
    u->dial = NULL;
    loop__touch(u->base.loop);
    if (!err && !u->is_unix) uv_tcp_nodelay(&u->h.tcp, 1);
    stream_tell_open(&u->base, err);
}

static bool has_more(const struct dial *d)
{
    return d->tried < d->found.count;
}

static void on_connected(uv_connect_t *req, int status)
{
    struct dial *d = CONTAINER_OF(req, struct dial, req);
    struct uv_stream *u = d->stream;
    if (u->base.closed || d->reopening) return; /* on_closed or on_reopen goes on */
    if (!status && fault_point(FAULT_CONNECT)) status = UV_ECONNREFUSED;
    if (status && has_more(d))
        reopen(u);
    else
        end_dial(u, status);
}

static void on_impatience(struct task *task)
{
    reopen(CONTAINER_OF(task, struct dial, task)->stream);
}

/* An error only when no address is left. */
static int connect_next(struct uv_stream *u)
{
    struct dial *d = u->dial;
    struct sockaddr_storage *address = &d->found.all[d->tried++];
    struct loop *l = u->base.loop;
    loop__set_port(address, d->port);
    int err =
        fault_point(FAULT_SOCKET)
            ? UV_EMFILE
            : uv_tcp_connect(&d->req, &u->h.tcp, (const struct sockaddr *)address, on_connected);
    if (!has_more(d)) return err;
    if (err)
        reopen(u);
    else
        timer_start(l, &d->timer, l->now_us + ADDRESS_PATIENCE_US);
    return 0;
}

static void on_reopen(uv_handle_t *handle)
{
    struct uv_stream *u = handle->data;
    if (u->base.closed) {
        on_closed(handle);
        return;
    }
    u->dial->reopening = false;
    loop__touch(u->base.loop);
    uv_tcp_init(&u->base.loop->uv, &u->h.tcp);
    u->h.handle.data = u;
    int err = connect_next(u);
    if (err) end_dial(u, err);
}

static void on_resolved(struct lookup *q, int err, const struct addresses *found)
{
    struct dial *d = CONTAINER_OF(q, struct dial, lookup);
    d->found = *found;
    if (!err) err = connect_next(d->stream);
    if (err) end_dial(d->stream, err);
}

static int dial_unix(struct uv_stream *u, struct str path)
{
    char text[108];
    if (path.len >= sizeof text) return -ENAMETOOLONG;
    if (fault_point(FAULT_SOCKET)) return -EMFILE;
    memcpy(text, path.ptr, path.len);
    text[path.len] = '\0';
    uv_pipe_connect(&u->dial->req, &u->h.pipe, text, on_connected);
    return 0;
}

static struct dial *dial_new(struct uv_stream *u, uint16_t port)
{
    struct dial *d = mem_try_zero(1, sizeof *d);
    if (!d) return NULL;
    d->stream = u;
    d->port = port;
    d->lookup.done = on_resolved;
    task_init(&d->task, on_impatience);
    timer_init(&d->timer, &d->task);
    return d;
}

static int real_dial(struct net *net, struct loop *l, const struct addr *addr, struct stream **out)
{
    (void)net;
    struct uv_stream *u = uv_stream_new(l, addr->is_unix);
    int err;
    if (!u) return -ENOMEM;
    u->base.opening = true;
    u->dial = dial_new(u, addr->port);
    if (!u->dial)
        err = -ENOMEM;
    else if (addr->is_unix)
        err = dial_unix(u, addr->path);
    else if (loop__resolve_now(l, addr->host, &u->dial->found))
        err = connect_next(u);
    else
        err = loop__resolve(l, addr->host, &u->dial->lookup);
    if (err) {
        stream_close(&u->base);
        return err;
    }
    *out = &u->base;
    return 0;
}

struct net loop_real_net = {.dial = real_dial};

/* --- accepted ones --- */

struct stream *loop__adopt(struct loop *l, int fd, bool is_unix)
{
    struct uv_stream *u = uv_stream_new(l, is_unix);
    if (!u) {
        close(fd);
        return NULL;
    }
    int err = is_unix ? uv_pipe_open(&u->h.pipe, fd) : uv_tcp_open(&u->h.tcp, fd);
    if (err) {
        close(fd);
        stream_close(&u->base);
        return NULL;
    }
    if (!is_unix) uv_tcp_nodelay(&u->h.tcp, 1);
    name_peer(u);
    return &u->base;
}
