/* SPDX-License-Identifier: Apache-2.0 */
/* A tree of files, as /proc and /sys have them, for code that takes a root. */
#ifndef HOSTLER_TEST_TREE_H
#define HOSTLER_TEST_TREE_H

extern char tree_root[64];

/* Makes an empty tree, and takes it away with all that is in it. For cmocka. */
int tree_make(void **state);
int tree_drop(void **state);

/* Writes the file below tree_root, with the folders that it needs. */
void tree_put(const char *path, const char *text);

#endif
