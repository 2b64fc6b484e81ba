/* SPDX-License-Identifier: Apache-2.0 */
/* A runtime that dies at any byte of its answer: in every dialect, streamed or not, translated or
 * not, the client gets that dialect's error and never an end that is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway.h"

/* --- what runtimes answer: "Hello", a call, the end --- */

#define CHUNK(choice) "data: {\"id\":\"c\",\"choices\":[" choice "]}\n\n"
static const char chat_stream[] = CHUNK(
    "{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"Hel\"}}")
    CHUNK("{\"index\":0,\"delta\":{\"content\":\"lo\"}}") CHUNK(
        "{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"call_1\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}}]}}")
        CHUNK(
            "{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\\\"a\\\":1}\"}}]}}")
            CHUNK(
                "{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}") "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}\n\n"
                                                                               "data: [DONE]\n\n";

static const char chat_whole[] =
    "{\"id\":\"c\",\"object\":\"chat.completion\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"Hello\",\"tool_calls\":[{\"id\":\"call_1\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\\":1}\"}}]},\"finish_reason\":\"tool_calls\"}],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}";

#define SAID(name, rest) "event: " name "\ndata: {\"type\":\"" name "\"" rest "}\n\n"
static const char messages_stream[] = SAID(
    "message_start",
    ",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"content\":[],\"usage\":{\"input_tokens\":3,\"output_tokens\":1}}")
    SAID("content_block_start", ",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}") SAID(
        "content_block_delta",
        ",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hello\"}")
        SAID("content_block_stop", ",\"index\":0") SAID(
            "content_block_start",
            ",\"index\":1,\"content_block\":{\"type\":\"tool_use\",\"id\":\"call_1\",\"name\":\"f\",\"input\":{}}")
            SAID(
                "content_block_delta",
                ",\"index\":1,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"a\\\":1}\"}")
                SAID("content_block_stop", ",\"index\":1") SAID(
                    "message_delta",
                    ",\"delta\":{\"stop_reason\":\"tool_use\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":2}")
                    SAID("message_stop", "");

static const char messages_whole[] =
    "{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"x\",\"content\":[{\"type\":\"text\",\"text\":\"Hello\"},{\"type\":\"tool_use\",\"id\":\"call_1\",\"name\":\"f\",\"input\":{\"a\":1}}],\"stop_reason\":\"tool_use\",\"stop_sequence\":null,\"usage\":{\"input_tokens\":3,\"output_tokens\":2}}";

static const char responses_stream[] = SAID(
    "response.created",
    ",\"sequence_number\":0,\"response\":{\"id\":\"resp_1\",\"status\":\"in_progress\",\"output\":[]}")
    SAID(
        "response.output_text.delta",
        ",\"sequence_number\":1,\"item_id\":\"msg_1\",\"output_index\":0,\"content_index\":0,\"delta\":\"Hello\"")
        SAID(
            "response.completed",
            ",\"sequence_number\":2,\"response\":{\"id\":\"resp_1\",\"status\":\"completed\",\"output\":[],\"usage\":{\"input_tokens\":3,\"output_tokens\":2}}");

static const char responses_whole[] =
    "{\"id\":\"resp_1\",\"object\":\"response\",\"status\":\"completed\",\"output\":[],\"usage\":{\"input_tokens\":3,\"output_tokens\":2}}";

static const char ollama_stream[] =
    "{\"model\":\"m\",\"message\":{\"role\":\"assistant\",\"content\":\"Hel\"},\"done\":false}\n"
    "{\"model\":\"m\",\"message\":{\"role\":\"assistant\",\"content\":\"lo\"},\"done\":false}\n"
    "{\"model\":\"m\",\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done\":true,\"done_reason\":\"stop\",\"prompt_eval_count\":3,\"eval_count\":2}\n";

static const char ollama_whole[] =
    "{\"model\":\"m\",\"message\":{\"role\":\"assistant\",\"content\":\"Hello\"},\"done\":true,\"done_reason\":\"stop\",\"prompt_eval_count\":3,\"eval_count\":2}";

/* --- who asks, and who answers --- */

struct client {
    const char *path, *body; /* the latter without its last brace */
    const char *stream;      /* the member that asks for a stream, or for none */
    const char *whole;
    const char *end;     /* in a stream that is whole */
    const char *error;   /* in one that is not */
    const char *refused; /* how the body of an error begins */
};

static const struct client clients[] = {
    {"/v1/chat/completions",
     "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]", ",\"stream\":true",
     "", "data: [DONE]\n\n", "data: {\"error\":{", "{\"error\":{"},
    {"/v1/responses", "{\"model\":\"m\",\"input\":\"x\"", ",\"stream\":true", "",
     "event: response.completed\n", "event: response.failed\n", "{\"error\":{"},
    {"/v1/messages",
     "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]",
     ",\"stream\":true", "", "event: message_stop\n", "event: error\n",
     "{\"type\":\"error\",\"error\":{"},
    {"/api/chat", "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]", "",
     ",\"stream\":false", "\"done\":true", "{\"error\":\"", "{\"error\":\""},
    {"/api/generate", "{\"model\":\"m\",\"prompt\":\"x\"", "", ",\"stream\":false", "\"done\":true",
     "{\"error\":\"", "{\"error\":\""},
};

struct runtime {
    const char *dialect, *stream, *whole, *type;
};

enum { CHAT, MESSAGES, RESPONSES, OLLAMA };
static const struct runtime runtimes[] = {
    [CHAT] = {"chat", chat_stream, chat_whole, "text/event-stream"},
    [MESSAGES] = {"messages", messages_stream, messages_whole, "text/event-stream"},
    [RESPONSES] = {"responses", responses_stream, responses_whole, "text/event-stream"},
    [OLLAMA] = {"ollama", ollama_stream, ollama_whole, "application/x-ndjson"},
};

static const struct {
    unsigned client, runtime;
} pairs[] = {
    {0, CHAT},     {0, MESSAGES}, {1, CHAT},     {1, MESSAGES}, {1, RESPONSES}, {2, CHAT},
    {2, MESSAGES}, {3, CHAT},     {3, MESSAGES}, {3, OLLAMA},   {4, CHAT},      {4, MESSAGES},
};

/* --- one life --- */

static char label[200];

/* The runtime's bytes on the wire. */
static struct str transcript(const struct runtime *r, bool stream, char room[8192])
{
    const char *body = stream ? r->stream : r->whole;
    int n =
        stream
            ? snprintf(
                  room, 8192,
                  "HTTP/1.1 200 OK\r\ncontent-type: %s\r\ntransfer-encoding: chunked\r\n\r\n%zx\r\n%s\r\n0\r\n\r\n",
                  r->type, strlen(body), body)
            : snprintf(
                  room, 8192,
                  "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %zu\r\n\r\n%s",
                  strlen(body), body);
    assert_in_range(n, 1, 8191);
    return str_n(room, (size_t)n);
}

/* What a client got of a runtime that sent so many bytes and died. */
static void check_answer(const struct client *c, bool stream, struct sim_peer *peer, bool all)
{
    struct sim_answer a;
    sim_answer(sim_got(peer), false, peer->closed, &a);
    struct str body = buf_str(&a.body);
    bool ended =
        a.state == SIM_WHOLE && a.status == 200 && (!stream || str_find(body, str_of(c->end)) >= 0);
    bool told = a.state == SIM_WHOLE && (a.status >= 500 ? str_starts(body, str_of(c->refused))
                                                         : str_find(body, str_of(c->error)) >= 0);
    bool cut = !stream && a.state != SIM_WHOLE && peer->closed;
    if (ended && str_find(body, STR("lo")) < 0 && str_find(body, STR("resp_1")) < 0)
        fail_msg("%s: an end of nothing: %" STR_FMT, label, STR_ARG(body));
    if (ended && str_find(body, str_of(c->error)) >= 0)
        fail_msg("%s: an end and an error: %" STR_FMT, label, STR_ARG(body));
    if (all && !ended) fail_msg("%s: no end: %" STR_FMT, label, STR_ARG(sim_got(peer)));
    if (!ended && !told && !cut)
        fail_msg("%s: neither an end nor an error: %" STR_FMT, label, STR_ARG(sim_got(peer)));
    sim_answer_fini(&a);
}

/* Whether the answer had ended with these bytes, for the client. */
static bool live(const struct client *c, const struct runtime *r, bool stream, size_t bytes)
{
    char models[300], body[500], room[8192];
    (void)snprintf(
        models, sizeof models,
        "  - name: m\n    endpoints: [{ url: 'http://10.0.0.1:80/v1', name: a, dialects: [%s] }]\n",
        r->dialect);
    (void)snprintf(body, sizeof body, "%s%s}", c->body, stream ? c->stream : c->whole);
    struct gateway *g = gateway_new(models);
    struct sim_peer *peer = gateway_client(g);
    struct str all = transcript(r, stream, room);
    gateway_post(peer, c->path, "", body);
    sim_send(up_of(g, 0), str_sub(all, 0, bytes));
    if (bytes < all.len) sim_fin(up_of(g, 0));
    sim_run(g->sim);
    check_answer(c, stream, peer, bytes >= all.len);
    if (bytes >= all.len) sim_fin(up_of(g, 0));
    gateway_free(g, 1);
    return bytes >= all.len;
}

static void nobody_gets_a_false_end(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++)
        for (int stream = 0; stream < 2; stream++) {
            const struct client *c = &clients[pairs[i].client];
            const struct runtime *r = &runtimes[pairs[i].runtime];
            for (size_t bytes = 1;; bytes++) {
                (void)snprintf(label, sizeof label, "%s on %s%s, %zu bytes", c->path, r->dialect,
                               stream ? ", streamed" : "", bytes);
                if (live(c, r, stream, bytes)) break;
            }
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_gets_a_false_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
