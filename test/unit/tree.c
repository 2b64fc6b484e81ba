/* SPDX-License-Identifier: Apache-2.0 */
#include "tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

char tree_root[64];

int tree_make(void **state)
{
    (void)state;
    strcpy(tree_root, "/tmp/hostler-tree-XXXXXX");
    return mkdtemp(tree_root) ? 0 : -1;
}

int tree_drop(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", tree_root);
    return system(command);
}

void tree_put(const char *path, const char *text)
{
    char full[512];
    snprintf(full, sizeof full, "%s%s", tree_root, path);
    for (char *slash = strchr(full + strlen(tree_root) + 1, '/'); slash;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(full, 0700);
        *slash = '/';
    }
    FILE *f = fopen(full, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}
