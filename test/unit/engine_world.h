/* SPDX-License-Identifier: Apache-2.0 */
/* The engine as clients see it: the HTTP server on scripted connections, the real compute thread,
 * the scripted model. Broken rules fail the test. */
#ifndef HOSTLER_TEST_ENGINE_WORLD_H
#define HOSTLER_TEST_ENGINE_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <unistd.h>

#include "../sim/sim.h"
#include "base/clock.h"
#include "engine/server.h"

#define SEC ((uint64_t)USEC_PER_SEC)
#define CHAT "/v1/chat/completions"
#define HELLO "\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]"

enum { WORLD_CONTEXT = 512 };

struct world {
    struct sim *sim;
    struct server server;
    bool failed;
    char why[MODEL_WHY_MAX];
    unsigned drained;
};

/* Real threads need real time: looks again every millisecond, for at most 20 s. */
#define UNTIL(w, condition)                                        \
    do {                                                           \
        unsigned tries_ = 0;                                       \
        for (sim_run((w)->sim); !(condition); sim_run((w)->sim)) { \
            assert_true(tries_++ < 20000);                         \
            usleep(1000);                                          \
        }                                                          \
    } while (0)

/* Begins to load `script`; `template`: of chats, Jinja, NULL for the model's own. */
struct world *world_start(const char *script, const char *template, uint32_t slots,
                          uint32_t context);

/* The same, and waits until it is loaded; most tests do with WORLD_CONTEXT. */
struct world *world_new(const char *script, uint32_t slots);
struct world *world_with(const char *script, const char *template, uint32_t slots,
                         uint32_t context);
void world_free(struct world *w);

struct sim_peer *request(struct world *w, const char *method, const char *path, const char *body);

/* The same by a UNIX socket, as the gateway and root ask. */
struct sim_peer *request_by_socket(struct world *w, const char *method, const char *path,
                                   const char *body);

/* The whole answer's status; its body must hold `text`. */
int answered(struct world *w, struct sim_peer *p, const char *text);

/* How often a text stands in what came. */
unsigned occurrences(const struct sim_peer *p, const char *text);

#endif
