/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of files that settings name. */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "conf/check_priv.h"

void check__file(struct checker *c, struct str file, struct str setting, const char *hint)
{
    struct stat st;
    struct str path = arena_dup(&c->load->scratch, file);
    const char *wrong = NULL;
    if (stat(path.ptr, &st))
        wrong = err_text(-errno);
    else if (!S_ISREG(st.st_mode))
        wrong = "not a regular file";
    else if (access(path.ptr, R_OK))
        wrong = err_text(-errno);
    if (wrong)
        conf__finding(c->load, setting, "%s cannot be read: %s%s", QUOTE(c, file), wrong, hint);
}
