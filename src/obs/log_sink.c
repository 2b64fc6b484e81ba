/* SPDX-License-Identifier: Apache-2.0 */
/* How a write is kept from blocking depends on what the descriptor is:
 * - a pipe or terminal is opened once more by its name in /proc, because O_NONBLOCK on the
 *   inherited description would hit every process that shares it;
 * - a socket (the journal) takes MSG_DONTWAIT;
 * - a pipe or terminal that cannot be opened again is asked by poll before each piece of PIPE_BUF
 *   bytes;
 * - a file is just written.
 * A line that a pipe took only in part is finished by whichever thread writes
 * next, so lines stay whole. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fault.h"
#include "obs/log_priv.h"

enum way { WAY_PLAIN, WAY_POLL, WAY_SOCKET };

static struct {
    pthread_mutex_t lock;
    int fd;
    bool own; /* opened here */
    enum way way;
    size_t rest_len; /* the end of a line whose start was written */
    char rest[LOG_LINE_MAX];
    uint64_t told; /* dropped lines that the log has told of */
    atomic_uint_fast64_t dropped;
} sink = {.lock = PTHREAD_MUTEX_INITIALIZER, .fd = 2, .way = WAY_POLL};

static enum way way_of(int fd, mode_t mode)
{
    if (S_ISSOCK(mode)) return WAY_SOCKET;
    if (!S_ISFIFO(mode) && !S_ISCHR(mode)) return WAY_PLAIN;
    int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && flags & O_NONBLOCK ? WAY_PLAIN : WAY_POLL;
}

void log__sink_open(int fd)
{
    struct stat st = {0};
    char path[32];
    pthread_mutex_lock(&sink.lock);
    if (sink.own) close(sink.fd);
    sink.fd = fd;
    sink.own = false;
    sink.rest_len = 0;
    sink.way = fstat(fd, &st) == 0 ? way_of(fd, st.st_mode) : WAY_PLAIN;
    if (sink.way == WAY_POLL) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        int again = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (again >= 0) {
            sink.fd = again;
            sink.own = true;
            sink.way = WAY_PLAIN;
        }
    }
    pthread_mutex_unlock(&sink.lock);
}

static ssize_t write_once(const char *data, size_t len)
{
    struct pollfd p = {.fd = sink.fd, .events = POLLOUT};
    if (fault_point(FAULT_LOG)) {
        errno = EAGAIN;
        return -1;
    }
    switch (sink.way) {
    case WAY_SOCKET: return send(sink.fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    case WAY_POLL:
        if (poll(&p, 1, 0) == 0) {
            errno = EAGAIN;
            return -1;
        }
        return write(sink.fd, data, MIN(len, (size_t)PIPE_BUF));
    case WAY_PLAIN: break;
    }
    return write(sink.fd, data, len);
}

/* Writes what goes now. *gone: nothing will ever go. */
static size_t write_some(const char *data, size_t len, bool *gone)
{
    size_t done = 0;
    while (done < len) {
        ssize_t n = write_once(data + done, len - done);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            *gone = n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
            break;
        }
        done += (size_t)n;
    }
    return done;
}

static uint64_t count_lines(const char *data, size_t len)
{
    uint64_t lines = 0;
    for (const char *end = data + len; data < end; lines++)
        data = (const char *)memchr(data, '\n', (size_t)(end - data)) + 1;
    return lines;
}

void log__sink_drop(uint64_t lines)
{
    atomic_fetch_add_explicit(&sink.dropped, lines, memory_order_relaxed);
}

uint64_t log__sink_dropped(void)
{
    return atomic_load_explicit(&sink.dropped, memory_order_relaxed);
}

/* Writes the end of a line that was begun; false while it does not go. */
static bool finish_rest(void)
{
    bool gone = false;
    size_t done = write_some(sink.rest, sink.rest_len, &gone);
    if (gone) {
        log__sink_drop(sink.rest_len > 1);
        done = sink.rest_len;
    }
    memmove(sink.rest, sink.rest + done, sink.rest_len - done);
    sink.rest_len -= done;
    return sink.rest_len == 0;
}

/* The first `done` bytes are written. When that is within a line, its end goes to the rest. */
static size_t end_at_line(const char *lines, size_t len, size_t done)
{
    if (done == 0 || lines[done - 1] == '\n') return done;
    const char *end = memchr(lines + done, '\n', len - done);
    sink.rest_len = (size_t)(end + 1 - (lines + done));
    memcpy(sink.rest, lines + done, sink.rest_len);
    return done + sink.rest_len;
}

/* Gives up what follows the first `done` bytes; a half line is at least ended
 * when writing works again. */
static void give_up(const char *lines, size_t len, size_t done)
{
    log__sink_drop(count_lines(lines + done, len - done));
    if (done == 0 || lines[done - 1] == '\n') return;
    sink.rest[0] = '\n';
    sink.rest_len = 1;
}

static uint64_t untold(void)
{
    uint64_t now = log__sink_dropped(), lost = now - sink.told;
    sink.told = now;
    return lost;
}

size_t log__sink_write(const char *lines, size_t len, uint64_t *lost)
{
    size_t done = 0;
    bool gone = false;
    *lost = 0;
    pthread_mutex_lock(&sink.lock);
    if (finish_rest()) {
        done = write_some(lines, len, &gone);
        if (gone) {
            give_up(lines, len, done);
            done = len;
        } else {
            if (done == len) *lost = untold();
            done = end_at_line(lines, len, done);
        }
    }
    pthread_mutex_unlock(&sink.lock);
    return done;
}
