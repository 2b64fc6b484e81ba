/* SPDX-License-Identifier: Apache-2.0 */
/* The exchange while memory, sockets and connections fail (base/fault.h): each scenario is
 * played once for each of its points, which fails then, alone or, of memory, with all that
 * follow. Whatever fails, every client has the answer that it has without failures, an error, or
 * a visibly cut one; nothing is left behind; and a later request is served.
 *
 * HOSTLER_FAULTS=SCENARIO plays that one, HOSTLER_FAULTS=SCENARIO:KIND:N (or N+: with all that
 * follow) plays it once, as a report names it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>

#include "base/fault.h"
#include "base/rand.h"
#include "mesh/lists.h"
#include "gateway.h"
#include "obs/log.h"

enum { CLIENTS_MAX = 3 };

struct play;

struct scenario {
    const char *name;
    const char *models; /* for gateway_new */
    void (*act)(struct play *p);
    const char *const *pieces; /* what a runtime sends for a stream; NULL: `stream_pieces` */
    const char *text;          /* what it sends else; NULL: JSON_TEXT */
    /* of act_translated and act_kept: where the client asks and how, for a stream, for one answer, and so that
     * the runtime refuses */
    const char *path, *streamed, *plain, *bad;
    /* what a stream's error begins with, what is in its end, what an error's body begins with; NULL:
     * as in OpenAI's chat */
    const char *error, *end, *refused;
    const char *headers; /* of every request */
    size_t window;       /* of clients; 0: without end */
    unsigned failing;    /* so many requests are answered by 500 first */
    bool mixed;          /* who gets an answer depends on whom the failure hits */
};

struct play {
    const struct scenario *scenario;
    struct gateway *g;
    struct sim_peer *clients[CLIENTS_MAX];
    unsigned client_count;
    size_t seen[SIM_PEERS]; /* bytes of requests that a runtime has answered */
    unsigned failed;        /* answered by 500 */
};

/* What a client got, copied. */
struct record {
    char *bytes;
    size_t len;
    bool closed;
    bool reset;
    bool left; /* the client had gone by itself */
};

static const struct scenario *playing;
static char label[200]; /* of the run in progress, for whoever reports a death */

/* --- peers, some of which may be gone --- */

static bool is_there(const struct sim_peer *p)
{
    return p && !p->closed && !p->ending;
}

static void say(struct sim_peer *p, const char *text)
{
    if (is_there(p)) sim_send_text(p, text);
}

static struct sim_peer *client(struct play *p)
{
    struct sim_peer *c = gateway_client(p->g);
    if (p->scenario->window) c->window = p->scenario->window;
    p->clients[p->client_count++] = c;
    return c;
}

static void ask(struct play *p, struct sim_peer *c, const char *headers, const char *body)
{
    char all[500];
    snprintf(all, sizeof all, "%s%s", p->scenario->headers ? p->scenario->headers : "", headers);
    const char *path = p->scenario->path ? p->scenario->path : "/v1/chat/completions";
    if (is_there(c)) gateway_post(c, path, all, body);
}

/* --- runtimes --- */

static const char *const stream_pieces[] = {SSE_HEAD,
                                            EVENT("a"),
                                            EVENT("b"),
                                            "data: {\"choices\":[{\"ind",
                                            "ex\":0,\"delta\":{\"content\":\"c\"}}]}\n\n",
                                            END_EVENT USAGE_EVENT,
                                            "data: [DO",
                                            "NE]\n\n",
                                            LAST_CHUNK,
                                            NULL};

/* The length of the request that `asked` begins with; 0: it is not whole. */
static size_t request_length(struct str asked)
{
    ptrdiff_t end = str_find(asked, STR("\r\n\r\n")), at = str_find(asked, STR("content-length: "));
    if (end < 0 || at < 0 || at > end) return 0;
    size_t whole = (size_t)end + 4 + strtoul(asked.ptr + at + 16, NULL, 10);
    return asked.len >= whole ? whole : 0;
}

static void send_stream(struct play *p, struct sim_peer *up)
{
    const char *const *piece = p->scenario->pieces ? p->scenario->pieces : stream_pieces;
    for (; *piece; piece++) {
        bool raw = str_starts(str_of(*piece), STR("HTTP/")) || strcmp(*piece, LAST_CHUNK) == 0;
        if (!is_there(up)) return;
        if (raw)
            sim_send_text(up, *piece);
        else
            up_chunk(up, *piece);
    }
}

static bool answer(struct play *p, unsigned n)
{
    struct sim_peer *up = up_of(p->g, n);
    struct str asked = str_skip(sim_got(up), p->seen[n]);
    size_t whole = request_length(asked);
    if (!is_there(up) || whole == 0) return false;
    p->seen[n] += whole;
    if (p->failed < p->scenario->failing) {
        p->failed++;
        up_json(up, 500, "", "{}");
    } else if (str_find(asked, STR("x-bad")) >= 0) {
        up_json(up, 400, "", "{\"error\":{\"message\":\"not that\"}}");
    } else if (str_find(asked, STR("\"stream\":true")) >= 0) {
        send_stream(p, up);
    } else {
        up_json(up, 200, "x-runtime: r\r\n", p->scenario->text ? p->scenario->text : JSON_TEXT);
    }
    return true;
}

/* Until every request that arrived at a runtime is answered. */
static void serve_all(struct play *p)
{
    bool any = true;
    while (any) {
        any = false;
        for (unsigned n = 0; n < p->g->sim->dials; n++)
            any |= answer(p, n);
    }
}

/* --- scenarios --- */

static void act_plain(struct play *p)
{
    ask(p, client(p), "", ASK_PLAIN);
    serve_all(p);
    ask(p, p->clients[0], "", ASK_PLAIN); /* on both connections once more */
    serve_all(p);
}

/* In the words of another dialect: streamed, whole, and with an error. */
static void act_translated(struct play *p)
{
    ask(p, client(p), "", p->scenario->streamed);
    serve_all(p);
    ask(p, client(p), "", p->scenario->plain);
    serve_all(p);
    ask(p, client(p), "", p->scenario->bad);
    serve_all(p);
}

static void act_escaped(struct play *p)
{
    ask(p, client(p), "", "{\"model\":\"\\u006d\",\"messages\":[]}");
    serve_all(p);
}

static void act_stream(struct play *p)
{
    ask(p, client(p), "", ASK_STREAM);
    serve_all(p);
}

/* Without chunks: the body ends with the connection. */
static void act_old_client(struct play *p)
{
    char text[300];
    snprintf(
        text, sizeof text,
        "POST /v1/chat/completions HTTP/1.0\r\nhost: localhost\r\ncontent-length: %zu\r\n\r\n%s",
        strlen(ASK_STREAM), ASK_STREAM);
    say(client(p), text);
    serve_all(p);
}

static void act_slow_old_client(struct play *p)
{
    act_old_client(p);
    for (int i = 0; i < 4 && is_there(p->clients[0]); i++)
        sim_take(p->clients[0], 20000);
}

static void act_queue(struct play *p)
{
    ask(p, client(p), "", ASK_STREAM);
    ask(p, client(p), "", ASK_PLAIN);
    ask(p, client(p), "", ASK_STREAM);
    serve_all(p);
}

/* Where the first request that a runtime got asks for a stream, it gets the beginning of one.
 * Its runtime, or NULL. */
static struct sim_peer *begin_stream(struct play *p)
{
    struct sim_peer *up = p->g->sim->dials ? up_of(p->g, 0) : NULL;
    if (!is_there(up) || !sim_has(up, "\"stream\":true") || !request_length(sim_got(up)))
        return NULL;
    p->seen[0] = sim_got(up).len;
    say(up, SSE_HEAD);
    if (is_there(up)) up_chunk(up, EVENT("a"));
    return up;
}

static void act_client_leaves(struct play *p)
{
    struct sim_peer *c = client(p), *late = client(p);
    ask(p, c, "", ASK_STREAM);
    ask(p, late, "", ASK_PLAIN);
    begin_stream(p);
    if (is_there(c)) sim_reset(c);
    serve_all(p);
}

static void act_slow_client(struct play *p)
{
    struct sim_peer *c = client(p);
    ask(p, c, "", ASK_STREAM);
    serve_all(p);
    for (int i = 0; i < 4 && is_there(c); i++)
        sim_take(c, 50000);
    serve_all(p);
    if (is_there(c)) sim_take(c, 1000000);
}

static void act_pages(struct play *p)
{
    static const char *const paths[] = {"/v1/models", "/v1/models/m%2Ex", "/metrics", "/readyz",
                                        "/v1/chat/Completions"};
    struct sim_peer *c = client(p);
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        char text[500];
        snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nhost: localhost\r\n%s\r\n", paths[i],
                 p->scenario->headers ? p->scenario->headers : "");
        say(c, text);
    }
}

static void act_refused(struct play *p)
{
    say(client(p), "POST /v1/chat/completions HTTP/1.1\r\nhost: a b\r\n\r\n");
    say(client(p),
        "POST http://localhost?x HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{}");
    ask(p, client(p), "", "{\"model\":\"nobody\"}");
}

static void act_trickle(struct play *p)
{
    static const struct str text = STR_INIT(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nx-one: 0123456789\r\nx-two: 0123456789\r\ntransfer-encoding: chunked\r\n\r\n"
        "10\r\n{\"messages\":[],\"\r\nb\r\nmodel\":\"m\"}\r\n0\r\n\r\n");
    struct sim_peer *c = client(p);
    for (size_t at = 0; at < text.len && is_there(c); at += 13)
        sim_send(c, str_sub(text, at, 13));
    serve_all(p);
}

static void act_large_body(struct play *p)
{
    static char body[60000], head[200];
    memset(body, ' ', sizeof body);
    memcpy(body, "{\"model\":\"m\",\"stream\":true", 26);
    body[sizeof body - 1] = '}';
    struct sim_peer *c = client(p);
    snprintf(
        head, sizeof head,
        "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-length: %zu\r\n\r\n",
        sizeof body);
    say(c, head);
    for (size_t at = 0; at < sizeof body && is_there(c); at += 20000)
        sim_send(c, str_n(body + at, 20000));
    serve_all(p);
}

static void act_pipelined(struct play *p)
{
    char two[1000];
    snprintf(
        two, sizeof two,
        "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: %zu\r\n\r\n%s"
        "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: %zu\r\n\r\n%s",
        strlen(ASK_PLAIN), ASK_PLAIN, strlen(ASK_STREAM), ASK_STREAM);
    say(client(p), two);
    serve_all(p);
}

static void get(struct play *p, const char *path)
{
    char text[200];
    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nhost: localhost\r\n\r\n", path);
    say(client(p), text);
}

/* Answers those that ask for a response that a runtime keeps. */
static void serve_gets(struct play *p)
{
    for (unsigned n = 0; n < p->g->sim->dials; n++) {
        struct sim_peer *up = up_of(p->g, n);
        struct str asked = str_skip(sim_got(up), p->seen[n]);
        if (!is_there(up) || !str_starts(asked, STR("GET /")) || !str_ends(asked, STR("\r\n\r\n")))
            continue;
        p->seen[n] += asked.len;
        up_json(up, 200, "", p->scenario->text);
    }
}

static void act_kept(struct play *p)
{
    ask(p, client(p), "", p->scenario->plain);
    serve_all(p);
    get(p, "/v1/responses/resp_7");
    serve_gets(p);
    get(p, "/v1/responses/resp_8");
}

static struct conf *conf_of(const char *models)
{
    struct conf_problems problems;
    struct conf *conf = NULL;
    char text[4096];
    snprintf(text, sizeof text, "models:\n%s", models);
    conf_problems_init(&problems);
    if (conf_parse(str_of(text), "again.yaml", &conf, &problems)) conf = NULL;
    conf_problems_fini(&problems);
    return conf;
}

/* As node does it: all that is new stands before the old goes. */
static void reload(struct play *p, const char *models)
{
    struct keyring *keyring = NULL;
    struct conf *conf = conf_of(models);
    if (!conf) return;
    if (keyring_new(conf, &keyring) == 0) {
        if (mesh_load_conf(p->g->mesh, conf, NULL, loop_now(p->g->sim->loop)) == 0) {
            worker_apply(&p->g->worker, mesh_current(p->g->mesh), keyring_ref(keyring));
            snapshot_unref(p->g->snapshot);
            p->g->snapshot = mesh_current(p->g->mesh);
        }
        keyring_unref(keyring);
    }
    conf_unref(conf);
    sim_run(p->g->sim);
}

static void act_reload(struct play *p)
{
    ask(p, client(p), "", ASK_STREAM);
    struct sim_peer *up = begin_stream(p);
    reload(p, TWO);
    ask(p, client(p), "", ASK_PLAIN);
    if (is_there(up)) up_chunk(up, EVENT("b") DONE_EVENT);
    say(up, LAST_CHUNK);
    serve_all(p);
}

#define SAYS_TEXT(text)                                                                                                                   \
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"" text \
    "\"}}\n\n"
static const char *const messages_pieces[] = {
    SSE_HEAD,
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"usage\":{\"input_tokens\":3,\"output_tokens\":1}}}\n\n",
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
    SAYS_TEXT("a") SAYS_TEXT("b"),
    SAYS_TEXT(
        "c") "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":2}}\n\n",
    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
    LAST_CHUNK,
    NULL};
#define MESSAGE_TEXT \
    "{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"hi\"}],\"stop_reason\":\"end_turn\",\"usage\":{\"input_tokens\":3,\"output_tokens\":2}}"

static const char *const call_pieces[] = {
    SSE_HEAD,
    EVENT("a"),
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"call_1\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}}]}}]}\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{}\"}}]}}]}\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\n" USAGE_EVENT,
    DONE_EVENT,
    LAST_CHUNK,
    NULL};

static const char *const held_pieces[] = {
    SSE_HEAD,
    ": ping\n\n",
    ": pong\n\n"
    "data: {\"usage\":null,\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n",
    EVENT("a") END_EVENT,
    DONE_EVENT,
    LAST_CHUNK,
    NULL};
static const char *const cut_pieces[] = {SSE_HEAD, EVENT("a"), "data: {\"half", LAST_CHUNK, NULL};
static const char *const object_pieces[] = {SSE_HEAD, "{\"error\":\n\"x y\"}\n", LAST_CHUNK, NULL};
static const char *const lines_pieces[] = {
    SSE_HEAD, "data: {\"choices\":\ndata: [{\"index\":0,\"delta\":{\"content\":\"c\"}}]}\n\n",
    END_EVENT "data: [DONE]", LAST_CHUNK, NULL};

#define KILOBYTE_1 \
    "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
#define KILOBYTE                                                                            \
    KILOBYTE_1 KILOBYTE_1 KILOBYTE_1 KILOBYTE_1 KILOBYTE_1 KILOBYTE_1 KILOBYTE_1 KILOBYTE_1 \
        KILOBYTE_1 KILOBYTE_1
#define EVENT_10K \
    EVENT(KILOBYTE KILOBYTE KILOBYTE KILOBYTE KILOBYTE KILOBYTE KILOBYTE KILOBYTE KILOBYTE KILOBYTE)

static const char *const long_pieces[] = {SSE_HEAD,
                                          EVENT_10K EVENT_10K EVENT_10K EVENT_10K,
                                          EVENT_10K EVENT_10K EVENT_10K EVENT_10K,
                                          DONE_EVENT,
                                          LAST_CHUNK,
                                          NULL};

#define RENAMED \
    "  - { name: m, aliases: [m.x], endpoints: [{ url: 'http://10.0.0.1:80/v1', model: other, key: secret }] }\n"
#define KEYS "keys: [{ name: k, key: 'sk-0123456789abcdef', models: ['*'] }]\n"
#define ENGINE "  - { name: m, engine: { file: /etc/hostname } }\n"
#define WITH_FALLBACK \
    "  - { name: m, fallback: [n], endpoints: [{ url: 'http://10.0.0.1:80/v1' }] }\n  - { name: n, endpoints: [{ url: 'http://10.0.0.2:80/v1' }] }\n"

static const struct scenario scenarios[] = {
    {.name = "plain",
     .models = RENAMED KEYS,
     .act = act_plain,
     .headers = "authorization: Bearer sk-0123456789abcdef\r\n"},
    {.name = "engine",
     .models = ENGINE KEYS,
     .act = act_plain,
     .headers = "authorization: Bearer sk-0123456789abcdef\r\n"},
    {.name = "page",
     .models = RENAMED "trusted_proxies: [127.0.0.1]\n",
     .act = act_plain,
     .headers = "origin: http://localhost:3000\r\nx-forwarded-for: 203.0.113.7\r\n"},
    {.name = "escaped", .models = ONE, .act = act_escaped},
    {.name = "stream", .models = ONE, .act = act_stream},
    {.name = "retry", .models = TWO, .act = act_stream, .failing = 1},
    {.name = "fallback", .models = WITH_FALLBACK, .act = act_plain, .failing = 1},
    {.name = "queue", .models = ONE_OF(1, "    queue_max: 5\n"), .act = act_queue},
    {.name = "full", .models = ONE_OF(1, "    queue_max: 1\n"), .act = act_queue, .mixed = true},
    {.name = "client leaves", .models = ONE_OF(1, ""), .act = act_client_leaves, .mixed = true},
    {.name = "slow client",
     .models = ONE,
     .act = act_slow_client,
     .pieces = long_pieces,
     .window = 500},
    {.name = "old client", .models = ONE, .act = act_old_client},
    {.name = "slow old client",
     .models = ONE,
     .act = act_slow_old_client,
     .pieces = long_pieces,
     .window = 20000},
    {.name = "pages",
     .models = RENAMED KEYS,
     .act = act_pages,
     .headers = "authorization: Bearer sk-0123456789abcdef\r\n"},
    {.name = "refused", .models = ONE, .act = act_refused},
    {.name = "trickle", .models = ONE, .act = act_trickle},
    {.name = "large body", .models = ONE, .act = act_large_body},
    {.name = "pipelined", .models = ONE, .act = act_pipelined},
    {.name = "reload", .models = ONE, .act = act_reload},
    {.name = "held", .models = TWO, .act = act_stream, .pieces = held_pieces},
    {.name = "cut", .models = ONE, .act = act_stream, .pieces = cut_pieces},
    {.name = "object", .models = ONE, .act = act_stream, .pieces = object_pieces},
    {.name = "lines", .models = ONE, .act = act_stream, .pieces = lines_pieces},
    {.name = "messages",
     .models = ONE,
     .act = act_translated,
     .pieces = call_pieces,
     .path = "/v1/messages",
     .streamed =
         "{\"model\":\"m\",\"max_tokens\":9,\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"context_management\":{}}",
     .plain =
         "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"x\"}]}]}",
     .bad =
         "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":\"x-bad\"}]}",
     .error = "event: error\n",
     .refused = "{\"type\":\"error\"",
     .end = "message_stop"},
    {.name = "responses",
     .models = ONE,
     .act = act_translated,
     .pieces = call_pieces,
     .path = "/v1/responses",
     .streamed =
         "{\"model\":\"m\",\"stream\":true,\"input\":\"x\",\"tools\":[{\"type\":\"namespace\",\"name\":\"n\",\"tools\":[{\"name\":\"f\"}]}]}",
     .plain = "{\"model\":\"m\",\"input\":[{\"role\":\"user\",\"content\":\"x\"}]}",
     .bad = "{\"model\":\"m\",\"input\":\"x-bad\"}",
     .error = "event: response.failed\n",
     .end = "response.completed"},
    {.name = "kept",
     .models =
         "  - name: m\n    endpoints: [{ url: 'http://10.0.0.1:80/v1', name: a, kind: vllm }]\n",
     .act = act_kept,
     .mixed = true, /* what was not kept is not found */
     .path = "/v1/responses",
     .text = "{\"id\":\"resp_7\",\"output\":[]}",
     .plain = "{\"model\":\"m\",\"input\":\"x\",\"background\":true}"},
    {.name = "on messages",
     .models =
         "  - name: m\n    endpoints: [{ url: 'http://10.0.0.1:80/v1', name: a, kind: anthropic }]\n",
     .act = act_translated,
     .pieces = messages_pieces,
     .text = MESSAGE_TEXT,
     .streamed =
         "{\"model\":\"m\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}",
     .plain = "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}",
     .bad = "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"x-bad\"}]}"},
};

/* --- one run --- */

/* No two runs have the same ids. */
static void hide_ids(char *bytes, size_t len)
{
    for (size_t at = 0, from = 0; at <= len; at++) {
        if (at < len && strchr("0123456789abcdef", bytes[at])) continue;
        if (at - from >= 16) memset(bytes + from, '0', at - from);
        from = at + 1;
    }
}

static struct record record_of(const struct sim_peer *c)
{
    struct str got = sim_got(c);
    char *bytes = malloc(got.len + 1);
    memcpy(bytes, got.ptr ? got.ptr : "", got.len);
    bytes[got.len] = '\0';
    hide_ids(bytes, got.len);
    for (char *at = bytes; (at = strstr(at, "\"created"));) /* no two runs begin at the same time */
        for (at = strchr(at, ':') + 1; *at >= '0' && *at <= '9'; at++)
            *at = '0';
    return (struct record){bytes, got.len, c->closed, c->closed_by_reset, c->ending && !c->broken};
}

/* Time ends what hangs: then nothing may be in progress. */
static void settle(struct play *p)
{
    sim_advance(p->g->sim, SEC);
    serve_all(p);
    sim_advance(p->g->sim, 500 * SEC);
    serve_all(p);
    if (!list_empty(&p->g->worker.lane.exchanges))
        fail_msg("%s: an exchange goes on for ever", label);
    if (gateway_inflight(p->g)) fail_msg("%s: a credit is lost", label);
    if (gateway_waiting(p->g)) fail_msg("%s: somebody waits for ever", label);
}

static void check_later_request(struct play *p)
{
    struct sim_peer *c = gateway_client(p->g);
    ask(p, c, "", p->scenario->plain ? p->scenario->plain : ASK_PLAIN);
    serve_all(p);
    struct sim_answer a;
    sim_answer(sim_got(c), false, false, &a);
    if (a.state != SIM_WHOLE || a.status != 200)
        fail_msg("%s: a later request gets %d: %" STR_FMT, label, a.status, STR_ARG(sim_got(c)));
    sim_answer_fini(&a);
}

/* Plays the scenario while the n-th point of the kind fails; how many clients there were. */
static unsigned run(const struct scenario *s, enum fault_kind kind, uint64_t n, bool onward,
                    struct record out[CLIENTS_MAX])
{
    struct play p = {.scenario = s};
    playing = s;
    snprintf(label, sizeof label, "%s:%s:%llu%s", s->name, fault_name(kind), (unsigned long long)n,
             onward ? "+" : "");
    p.g = gateway_new(s->models);
    rng_seed(&p.g->worker.lane.rng, 1);
    fault_arm(kind, n, onward);
    s->act(&p);
    fault_disarm();
    settle(&p);
    for (unsigned i = 0; i < p.client_count; i++)
        out[i] = record_of(p.clients[i]);
    p.failed = s->failing;
    check_later_request(&p);
    gateway_free(p.g, gateway_settled(p.g));
    return p.client_count;
}

static void forget(struct record *records, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        free(records[i].bytes);
}

/* --- judging --- */

static bool is_stream(const struct sim_answer *a)
{
    return str_starts(sim_answer_header(a, "content-type"), STR("text/event-stream"));
}

/* The body of a stream that looks whole: the very one that is whole, or whole events of it and
 * then an error. */
static const char *judge_stream(struct str body, struct str right)
{
    ptrdiff_t error = str_find(body, str_of(playing->error ? playing->error : "data: {\"error\":"));
    if (str_eq(body, right)) return NULL;
    if (error < 0) return "a stream that looks whole, and is not";
    struct str before = str_sub(body, 0, (size_t)error);
    if (!str_starts(right, before)) return "a stream with other events";
    if (before.len && !str_ends(before, STR("\n\n"))) return "an error within an event";
    if (str_find(before, str_of(playing->end ? playing->end : "[DONE]")) >= 0)
        return "an error behind the end";
    return str_ends(body, STR("\n\n")) ? NULL : "half an error event";
}

static const char *judge_answer(const struct sim_answer *a, const struct sim_answer *right)
{
    struct str body = buf_str(&a->body), right_body = buf_str(&right->body);
    if (a->status == 100) return NULL;
    if (a->status >= 500) return NULL;
    if (a->status != right->status) return "another status";
    if (is_stream(a)) return judge_stream(body, right_body);
    const char *refused = playing->refused ? playing->refused : "{\"error\":";
    if (a->status >= 400 && (body.len == 0 || str_starts(body, str_of(refused)))) return NULL;
    return str_eq(body, right_body) ? NULL : "another body";
}

/* The answers of one client against those that it gets when nothing fails. */
static const char *judge(const struct record *r, const struct record *right)
{
    struct str bytes = str_n(r->bytes, r->len), wanted = str_n(right->bytes, right->len);
    const char *wrong = NULL;
    while (wanted.len && !wrong) {
        struct sim_answer a, b;
        sim_answer(bytes, false, r->closed && !r->reset, &a);
        sim_answer(wanted, false, right->closed, &b);
        bool interim = b.status == 100;
        if (interim && a.status >= 200) { /* answered without being asked to go on */
            wanted = str_skip(wanted, b.used);
            sim_answer_fini(&a);
            sim_answer_fini(&b);
            continue;
        }
        bool whole = a.state == SIM_WHOLE;
        if (a.state == SIM_MALFORMED)
            wrong = "malformed";
        else if (whole)
            wrong = judge_answer(&a, &b);
        else if (!r->closed && !r->left)
            wrong = "neither answered nor closed";
        bytes = whole ? str_skip(bytes, a.used) : STR_NULL;
        wanted = whole ? str_skip(wanted, b.used) : STR_NULL;
        sim_answer_fini(&a);
        sim_answer_fini(&b);
    }
    return wrong;
}

static unsigned wrongs; /* of the scenario */

static void note(unsigned n, const struct record *r, const char *wrong)
{
    wrongs++;
    print_error("%s: client %u: %s: %.*s%s\n", label, n, wrong, (int)r->len, r->bytes,
                r->closed ? " (closed)" : "");
}

/* False: there is no such point. */
static bool check_run(const struct scenario *s, enum fault_kind kind, uint64_t n, bool onward,
                      const struct record *right)
{
    struct record got[CLIENTS_MAX];
    unsigned count = run(s, kind, n, onward, got);
    for (unsigned i = 0; i < count; i++) {
        const char *wrong = judge(&got[i], &right[i]);
        for (unsigned k = 0; wrong && s->mixed && k < count; k++)
            wrong = judge(&got[i], &right[k]);
        if (wrong) note(i, &got[i], wrong);
    }
    forget(got, count);
    if (__lsan_do_recoverable_leak_check()) fail_msg("%s: memory is lost", label);
    return fault_fired();
}

/* Every point of a kind. Returns how many there were. */
static unsigned check_kind(const struct scenario *s, enum fault_kind kind, bool onward,
                           const struct record *right)
{
    unsigned n = 0;
    while (check_run(s, kind, n + 1, onward, right))
        n++;
    return n;
}

static const char *wish; /* HOSTLER_FAULTS */

static bool is_chosen(const struct scenario *s)
{
    return !wish || str_eq(str_n(wish, strcspn(wish, ":")), str_of(s->name));
}

/* The one run that is wished for; false: no single one is. */
static bool check_wish(const struct scenario *s, const struct record *right)
{
    char kind[20], plus = 0;
    unsigned long long n;
    const char *rest = wish ? strchr(wish, ':') : NULL;
    if (!rest || sscanf(rest + 1, "%19[a-z_]:%llu%c", kind, &n, &plus) < 2) return false;
    for (unsigned i = 0; i < FAULT_KIND_COUNT; i++)
        if (strcmp(kind, fault_name(i)) == 0) check_run(s, i, n, plus == '+', right);
    return true;
}

static void check_scenario(void **state)
{
    const struct scenario *s = *state;
    struct record right[CLIENTS_MAX];
    wrongs = 0;
    unsigned count = run(s, FAULT_ALLOC, 0, false, right), points = 0;
    if (!check_wish(s, right)) {
        for (unsigned i = 0; i < FAULT_KIND_COUNT; i++)
            points += check_kind(s, i, false, right);
        points += check_kind(s, FAULT_ALLOC, true, right);
        print_message("# %s: %u runs\n", s->name, points);
    }
    forget(right, count);
    assert_int_equal(wrongs, 0);
}

/* The check for lost memory looks at all that was ever freed and is kept for a while. */
const char *__asan_default_options(void)
{
    return "quarantine_size_mb=1";
}

static void tell_label(void)
{
    fprintf(stderr, "# died in HOSTLER_FAULTS='%s'\n", label);
}

static void on_abort(int signum)
{
    (void)signum;
    ssize_t ignored = write(STDERR_FILENO, label, strlen(label));
    ignored = write(STDERR_FILENO, ": aborted\n", 10);
    (void)ignored;
    __sanitizer_print_stack_trace();
    _exit(1);
}

int main(void)
{
    struct CMUnitTest tests[ARRAY_LEN(scenarios)];
    size_t count = 0;
    wish = getenv("HOSTLER_FAULTS");
    for (size_t i = 0; i < ARRAY_LEN(scenarios); i++)
        if (is_chosen(&scenarios[i]))
            tests[count++] = (struct CMUnitTest){.name = scenarios[i].name,
                                                 .test_func = check_scenario,
                                                 .initial_state = (void *)(uintptr_t)&scenarios[i]};
    log_init(open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_FORMAT_JSON, LOG_INFO);
    __sanitizer_set_death_callback(tell_label);
    signal(SIGABRT, on_abort);
    return _cmocka_run_group_tests("faults", tests, count, NULL, NULL);
}
