/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "conf/conf_priv.h"

int conf__open_file(const char *path, size_t *size)
{
    struct stat st;
    /* A pipe without a writer would block already here. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) return -errno;
    int err = fstat(fd, &st) ? -errno : S_ISREG(st.st_mode) ? 0 : ERR_TYPE;
    if (err) {
        close(fd);
        return err;
    }
    *size = (size_t)st.st_size;
    return fd;
}

const char *conf__file_error(int err)
{
    return err == ERR_TYPE ? "not a regular file" : err_text(err);
}
