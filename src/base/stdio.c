/* SPDX-License-Identifier: Apache-2.0 */
#include "base/stdio.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int stdio_claim(void)
{
    int fd;
    /* The lowest free number is taken first; children inherit it as they do the others. */
    do {
        fd = open("/dev/null", O_RDWR);
        if (fd < 0) return -errno;
    } while (fd <= STDERR_FILENO);
    close(fd);
    return 0;
}
