/* SPDX-License-Identifier: Apache-2.0 */
/* A gateway of our own: this program's `serve` as a child process, with an engine for each of some
 * model files, on a socket and a configuration in a private folder.
 *
 * It ends with us, however we end; a process that is killed leaves only the folder, which the
 * next start of any gateway removes. One thread, which has no other children. */
#ifndef HOSTLER_CMD_GATEWAY_H
#define HOSTLER_CMD_GATEWAY_H

#include "base/arena.h"
#include "base/base.h"
#include "base/buf.h"
#include "base/str.h"
#include "cmd/remote.h"
#include "loop/process.h"
#include "node/engine_folder.h"

struct gateway_model {
    struct str name; /* for clients */
    struct str file; /* absolute */
    uint64_t size;   /* of the file, bytes */
};

/* Borrowed until gateway_stop. */
struct gateway_options {
    const char *command; /* for messages */
    const struct gateway_model *models;
    size_t model_count;
    const char *listen;  /* HOST:PORT or unix:PATH beside the private socket; NULL: only that */
    const char *context; /* as the settings of an engine; NULL: their defaults */
    const char *slots;
    const char *threads;
    const char *chat_template; /* a path is against the working directory */
    const char *reasoning;
    const char *log; /* the file for all that gateway and engines say; NULL: problems only, here */
};

enum { GATEWAY_SIGNALS = 3 };

struct gateway {
    const struct gateway_options *options;
    struct loop *loop;
    struct arena arena;
    struct engine_folder folder;
    char *config;         /* the configuration's path */
    char *url;            /* of the private socket */
    struct remote remote; /* the same */
    struct process *process;
    struct signal_watch *signals[GATEWAY_SIGNALS];
    struct task rested;
    struct timer rest;
    struct fd_watch *output_watch;
    int output_fd;     /* what the child says; -1: it goes to the log, or has ended */
    struct buf output; /* of it what was not shown yet */
    bool live;         /* it is shown as it comes */
    bool asked;        /* a signal asked us to end */
    bool ended;        /* the child has */
    bool gone;         /* and all that it started */
    uint64_t started_us;
};

/* Starts it. Returns an exit code; after a failure a message was printed and there is nothing to
 * stop. */
MUST_CHECK int gateway_start(struct gateway *g, const struct gateway_options *o);

/* Waits until all models are loaded, telling a terminal for what. CLI_FAILED: one cannot be, or a
 * signal came; a message was printed. */
MUST_CHECK int gateway_wait(struct gateway *g);

/* Waits for a signal that asks us to end, and shows problems meanwhile. CLI_FAILED: the gateway
 * ended by itself. */
MUST_CHECK int gateway_serve(struct gateway *g);

/* Leaves signals to others, and takes them back. */
void gateway_release_signals(struct gateway *g);
MUST_CHECK int gateway_take_signals(struct gateway *g);

/* Shows what was said of problems so far, and tells it when the gateway has ended by itself. */
void gateway_show_problems(struct gateway *g);

/* Ends it and its engines and removes the folder. Another signal meanwhile kills them. */
void gateway_stop(struct gateway *g);

#endif
