/* SPDX-License-Identifier: Apache-2.0 */
/* Making sockets that listen. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fault.h"
#include "loop/stream.h"

enum { BACKLOG = 4096 };

/* True when somebody answers at the socket file. */
static bool unix_is_served(const struct sockaddr_un *sun)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return true;
    bool served = connect(fd, (const struct sockaddr *)sun, sizeof *sun) == 0;
    close(fd);
    return served;
}

static int listen_unix(struct str path, int *out)
{
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    struct stat st;
    if (path.len == 0 || path.len >= sizeof sun.sun_path) return -ENAMETOOLONG;
    memcpy(sun.sun_path, path.ptr, path.len);
    if (stat(sun.sun_path, &st) == 0) {
        if (!S_ISSOCK(st.st_mode)) return -EEXIST;
        if (unix_is_served(&sun)) return -EADDRINUSE;
        unlink(sun.sun_path);
    }
    if (fault_point(FAULT_SOCKET)) return -EMFILE;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -errno;
    mode_t old = umask(0177);
    int err = bind(fd, (struct sockaddr *)&sun, sizeof sun) ? -errno : 0;
    umask(old);
    if (!err && listen(fd, BACKLOG)) err = -errno;
    if (err) {
        close(fd);
        return err;
    }
    *out = fd;
    return 0;
}

static int open_tcp(const struct addrinfo *ai, bool shared)
{
    static const int on = 1;
    if (fault_point(FAULT_SOCKET)) return -EMFILE;
    int fd = socket(ai->ai_family, ai->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -errno;
    int err = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (!err && shared) err = setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    if (!err && ai->ai_family == AF_INET6)
        err = setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (!err) err = bind(fd, ai->ai_addr, ai->ai_addrlen);
    if (!err) err = listen(fd, BACKLOG);
    if (!err) return fd;
    err = -errno;
    close(fd);
    return err;
}

static uint16_t bound_port(int fd)
{
    struct sockaddr_storage self;
    socklen_t len = sizeof self;
    if (getsockname(fd, (struct sockaddr *)&self, &len)) return 0;
    return ntohs(self.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&self)->sin6_port
                                            : ((struct sockaddr_in *)&self)->sin_port);
}

int listen_socket(const struct addr *addr, bool shared, int *fd, uint16_t *port)
{
    *port = 0;
    if (addr->is_unix) return listen_unix(addr->path, fd);
    char host[256], service[8];
    if (addr->host.len >= sizeof host) return ERR_RESOLVE;
    if (addr->host.len) memcpy(host, addr->host.ptr, addr->host.len);
    host[addr->host.len] = '\0';
    snprintf(service, sizeof service, "%u", addr->port);
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *list = NULL;
    if (getaddrinfo(host[0] ? host : NULL, service, &hints, &list)) return ERR_RESOLVE;
    int got = open_tcp(list, shared);
    freeaddrinfo(list);
    if (got < 0) return got;
    *fd = got;
    *port = bound_port(got);
    return 0;
}
