/* SPDX-License-Identifier: Apache-2.0 */
/* One worker of the gateway on a scripted network, with a mesh from a configuration's text. */
#ifndef HOSTLER_TEST_GATEWAY_H
#define HOSTLER_TEST_GATEWAY_H

#include "base/clock.h"
#include "mesh/service.h"
#include "node/worker.h"
#include "sim.h"

#define SEC ((uint64_t)USEC_PER_SEC)
#define MSEC ((uint64_t)USEC_PER_MS)

enum { STREAM_BUFFER = 65536 };

struct gateway {
    struct sim *sim;
    struct mesh *mesh;
    struct snapshot *snapshot;
    struct lane_home home;
    struct worker worker;
};

/* Models for gateway_new. */
#define ONE "  - name: m\n    endpoints: [{ url: 'http://10.0.0.1:80/v1', name: a }]\n"
#define ONE_OF(capacity, more)                                                                   \
    "  - name: m\n    endpoints: [{ url: 'http://10.0.0.1:80/v1', name: a, capacity: " #capacity \
    " }]\n" more
#define TWO                                                                                                     \
    "  - name: m\n    policy: round_robin\n    endpoints:\n      - { url: 'http://10.0.0.1:80/v1', name: a }\n" \
    "      - { url: 'http://10.0.0.2:80/v1', name: b }\n"

/* `models` is YAML: what goes under "models:", and behind it. Limits and timeouts are
 * gateway.c's. Engines are up. */
struct gateway *gateway_new(const char *models);
void gateway_stop(struct gateway *g); /* as at the end of a shutdown: cancels what is in progress */

/* Checks that nothing is left behind: `exchanges` were settled, each once; no credit is held; no
 * upstream connection is open but pooled ones. Then frees (and stops, where that was not done). */
void gateway_free(struct gateway *g, unsigned exchanges);

/* The settled exchanges by outcome, in the order of outcome.def: "ok", "client_gone*2 ok*3", ""
 * for none. */
const char *gateway_outcomes(struct gateway *g);
unsigned gateway_settled(struct gateway *g);
uint32_t gateway_inflight(struct gateway *g); /* over all endpoints */
size_t gateway_waiting(struct gateway *g);

struct sim_peer *gateway_client(struct gateway *g);

/* A POST of `body` to /v1/chat/completions, with `headers` ("a: b\r\n") besides host and length. */
void gateway_ask(struct sim_peer *client, const char *headers, const char *body);

/* The same to another path. */
void gateway_post(struct sim_peer *client, const char *path, const char *headers, const char *body);

#define ASK_PLAIN "{\"model\":\"m\",\"messages\":[]}"
#define ASK_STREAM "{\"model\":\"m\",\"messages\":[],\"stream\":true}"

/* What an upstream sends. */
#define SSE_HEAD \
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
#define EVENT(text) "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" text "\"}}]}\n\n"
#define END_EVENT "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
#define USAGE_EVENT \
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}\n\n"
#define DONE_EVENT "data: [DONE]\n\n"
#define LAST_CHUNK "0\r\n\r\n"
#define JSON_TEXT \
    "{\"choices\":[{\"message\":{\"content\":\"hi\"}}],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}"
void up_json(struct sim_peer *up, int status, const char *headers,
             const char *text);                       /* with its length */
void up_chunk(struct sim_peer *up, const char *text); /* one chunk, one piece */

struct sim_peer *gateway_stream(
    struct gateway *g); /* a new client, whose stream the first connection begins */
struct sim_peer *up_of(struct gateway *g, unsigned n); /* the n-th connection that was dialled */
void serve(struct gateway *g, unsigned n);             /* JSON_TEXT as its answer */

/* The client has a whole answer; fails the test otherwise. The body is borrowed until the next
 * call. */
struct str answer_of(struct sim_peer *client, int status);

bool holds(struct str s, const char *what);
bool same(struct str s, const char *text);

#endif
