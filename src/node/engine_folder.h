/* SPDX-License-Identifier: Apache-2.0 */
/* The private folder for the sockets of engines: "hostler-UID-PID-XXXXXX", mode 0700, in
 * $RUNTIME_DIRECTORY, $XDG_RUNTIME_DIR or /tmp. `hostler run` has one for its gateway's socket and
 * configuration.
 *
 * Those who sweep old files may take it or a socket in it; it comes back under the same name. It
 * is locked (flock), which systemd's cleaner respects, and by which the next start knows that
 * nobody owns a folder any more. Main thread. */
#ifndef HOSTLER_NODE_ENGINE_FOLDER_H
#define HOSTLER_NODE_ENGINE_FOLDER_H

#include "base/base.h"
#include "base/str.h"

#define ENGINE_FOLDER_CONFIG "hostler.yaml"

struct engine_folder {
    /* owned; at most 86 bytes, so that a socket's path has at most the 107 that are possible */
    char *path;
    int lock; /* the open folder */
    unsigned sockets;
};

/* Makes it, and removes what instances of this user that were killed have left. 0 or a negative
 * errno. */
MUST_CHECK int engine_folder_open(struct engine_folder *f);

/* Makes it again where it is gone. 0 or a negative errno. */
MUST_CHECK int engine_folder_ensure(struct engine_folder *f);

/* The path of one more socket; to be freed by the caller. */
struct str engine_folder_socket(struct engine_folder *f);

/* Removes it; the sockets are gone already. Fine on a zeroed one. */
void engine_folder_close(struct engine_folder *f);

#endif
