/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/model_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "cmd/cli.h"

static struct str base_of(struct str path)
{
    struct str name = path, piece;
    while (str_cut(&path, '/', &piece))
        name = piece;
    return name;
}

char *model_file_name(const char *path)
{
    static const struct str ending = STR_INIT(".gguf");
    struct str base = base_of(str_of(path));
    if (str_ends(base, ending)) base.len -= ending.len;
    char *name = str_dup(base);
    for (char *c = name; *c; c++)
        if (strchr(" \t*", *c)) *c = '-';
    return name;
}

static bool has_magic(int fd)
{
    char magic[4];
    return read(fd, magic, sizeof magic) == sizeof magic && memcmp(magic, "GGUF", 4) == 0;
}

static int check_open_file(const char *command, const char *path, int fd, uint64_t *size)
{
    struct stat st;
    if (fstat(fd, &st)) return cli_fail(command, "%s: %s", path, err_text(-errno));
    if (S_ISDIR(st.st_mode))
        return cli_fail(command, "%s is a folder; name the .gguf file in it", path);
    if (!S_ISREG(st.st_mode)) return cli_fail(command, "%s is not a regular file", path);
    if (!has_magic(fd))
        return cli_fail(command,
                        "%s is not a GGUF file; a model in another format must be converted first",
                        path);
    *size = (uint64_t)st.st_size;
    return CLI_OK;
}

/* Elsewhere a model is run by a name, which looks like this. */
static bool is_name(const char *path)
{
    return !strchr(path, '/') && !str_ends(str_of(path), STR(".gguf"));
}

int model_file_check(const char *command, const char *path, uint64_t *size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return cli_fail(command, "%s: %s%s", path, err_text(-errno),
                        is_name(path) ? "; a model is the path of a GGUF file here" : "");
    int code = check_open_file(command, path, fd, size);
    close(fd);
    return code;
}
