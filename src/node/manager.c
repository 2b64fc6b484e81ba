/* SPDX-License-Identifier: Apache-2.0 */
#include "node/manager.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/base.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fault.h"
#include "obs/log.h"

/* A name that begins with @ is in the abstract namespace (unix(7)). */
static socklen_t set_address(struct sockaddr_un *sun, const char *name)
{
    size_t len = strlen(name);
    *sun = (struct sockaddr_un){.sun_family = AF_UNIX};
    if ((name[0] != '/' && name[0] != '@') || len >= sizeof sun->sun_path) return 0;
    memcpy(sun->sun_path, name, len);
    if (name[0] == '@') sun->sun_path[0] = '\0';
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
}

static int send_to(const struct sockaddr_un *sun, socklen_t len, const char *text)
{
    if (fault_point(FAULT_SOCKET)) return -EMFILE;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -errno;
    ssize_t sent = sendto(fd, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *)sun, len);
    int err = sent < 0 ? -errno : 0;
    close(fd);
    return err;
}

static void tell(const char *text)
{
    const char *name = getenv("NOTIFY_SOCKET");
    struct sockaddr_un sun;
    if (!name || !*name) return;
    socklen_t len = set_address(&sun, name);
    int err = len ? send_to(&sun, len, text) : ERR_INVALID;
    if (err) log_note(LOG_WARN, "service_manager", "%s: %s", name, err_text(err));
}

void manager_tell_ready(void)
{
    tell("READY=1");
}

/* The time tells the manager which signal is answered. */
void manager_tell_reloading(void)
{
    char text[80];
    (void)snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%llu",
                   (unsigned long long)clock_mono_us());
    tell(text);
}

void manager_tell_stopping(void)
{
    tell("STOPPING=1");
}
