/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of the file itself and of its groups. */
#include "conf/schema_rows.h"

static const char *const format_words[] = {"auto", "json", "text", NULL};
static const char *const level_words[] = {"debug", "info", "warn", "error", NULL};

/* A row reads best as few lines of its own choice. */
/* clang-format off */

/* listen[] */
static const struct conf_row listen_rows[] = {
    {.name = "address", .type = CONF_TEXT, ROW(conf_listen, address), .max = NAME_MAX_BYTES,
     .flags = CONF_REQUIRED, .wanted = "HOST:PORT, [V6]:PORT, :PORT or unix:PATH",
     .doc = "`HOST:PORT`, `[V6]:PORT`, `:PORT` for all interfaces, or `unix:PATH`. `:PORT` and `localhost:PORT` are "
            "IPv4 and, where the machine has it, IPv6."},
    {.name = "tls", .type = CONF_OPTIONAL, ROW(conf_listen, tls), .group = &conf__listen_tls,
     .implied = "plain HTTP", .doc = "TLS for clients, see below."},
    {.name = "connections_max", .type = CONF_COUNT, ROW(conf_listen, connections_max), .max = 1000000,
     .standard = "none", .zero = "none", .unit = "connections",
     .doc = "Connections to this address, of all threads together; the next 16 are answered 503 and closed, further ones closed at once. "
            "What is common to all addresses stands in `limits`."},
    {.name = "requests_max", .type = CONF_COUNT, ROW(conf_listen, requests_max), .max = 1000000,
     .standard = "none", .zero = "none", .unit = "requests",
     .doc = "Requests in progress that came to this address; more are answered 503 at once."},
    {.name = "bodies_total", .type = CONF_SIZE, ROW(conf_listen, bodies_total), .max = 1024 * GIB,
     .standard = "none", .zero = "none",
     .doc = "Request bodies, and their translations, of requests that came to this address; what exceeds it is answered 503."},
};

static const struct conf_group listen_group = {
    .name = "listen[]",
    .size = sizeof(struct conf_listen),
    .line_offset = offsetof(struct conf_listen, line),
    .text_row = "address",
    GROUP_ROWS(listen_rows),
    .doc = "Addresses at which Hostler listens.",
    .example = "listen: [127.0.0.1:8080, \"unix:/run/hostler.sock\"]\n",
};

/* keys[] */
static const struct conf_row key_rows[] = {
    {.name = "name", .type = CONF_TEXT, ROW(conf_key, name), .max = NAME_MAX_BYTES,
     .flags = CONF_REQUIRED, .wanted = "who holds the key",
     .doc = "Who holds it; stands in logs and metrics."},
    {.name = "key", .type = CONF_TEXT, ROW(conf_key, key), .max = NAME_MAX_BYTES * 2,
     .flags = CONF_REQUIRED | CONF_SECRET, .wanted = "what the client sends, e.g. ${env.NAME}",
     .doc = "What the client sends: at least 8 characters, no spaces. Better a reference than "
            "the key itself."},
    {.name = "models", .type = CONF_TEXTS, ROWS(conf_key, models, model_count),
     .max = NAME_MAX_BYTES, .standard = "*",
     .doc = "Models it may use: names, aliases, `prefix*`, or `*` for all."},
};

static const struct conf_group key_group = {
    .name = "keys[]",
    .size = sizeof(struct conf_key),
    GROUP_ROWS(key_rows),
    .doc = "API keys that clients present. Without any, Hostler asks for none and listens on "
           "loopback addresses and UNIX sockets only, and where `tls` has `client: required`.",
    .example = "keys:\n"
               "  - name: ci\n"
               "    key: ${env.HOSTLER_CI_KEY}\n"
               "    models: [\"llama-*\"]\n"
               "  - name: alice\n"
               "    key: ${file:/run/secrets/alice}\n",
};

/* log */
static const struct conf_row log_rows[] = {
    {.name = "format", .type = CONF_WORD, ROW(conf, log.format), .words = format_words,
     .standard = "auto", .doc = "JSON lines or readable text; `auto` is text on a terminal."},
    {.name = "level", .type = CONF_WORD, ROW(conf, log.level), .words = level_words,
     .standard = "info", .doc = "The least important lines that are written."},
    {.name = "requests", .type = CONF_BOOL, ROW(conf, log.requests), .standard = "true",
     .doc = "One line for each exchange. Prompts and answers are never logged."},
};

static const struct conf_group log_group = {
    .name = "log",
    GROUP_ROWS(log_rows),
    .doc = "What is written to standard error.",
    .example = "log: { format: json, level: warn }\n",
};

/* limits */
static const struct conf_row limits_rows[] = {
    {.name = "body_max", .type = CONF_SIZE, ROW(conf, limits.body_max), .min = KIB, .max = GIB,
     .standard = "32MiB", .doc = "Request body; larger ones are answered 413."},
    {.name = "bodies_total", .type = CONF_SIZE, ROW(conf, limits.bodies_total), .min = MIB,
     .max = 1024 * GIB, .standard = "1GiB",
     .doc = "Request bodies, and their translations, that all clients together may make Hostler "
            "hold, each until its answer has ended; what exceeds it is answered 503. At least body_max."},
    {.name = "head_max", .type = CONF_SIZE, ROW(conf, limits.head_max), .min = KIB, .max = MIB,
     .standard = "64KiB", .doc = "Request line and headers; larger ones are answered 431."},
    {.name = "header_count_max", .type = CONF_COUNT, ROW(conf, limits.header_count_max),
     .min = 16, .max = 1000, .standard = "100", .unit = "headers",
     .doc = "Headers of one request; more are answered 431."},
    {.name = "connections_max", .type = CONF_COUNT, ROW(conf, limits.connections_max), .min = 1,
     .max = 1000000, .standard = "8192", .unit = "connections",
     .doc = "Client connections of each thread; more are answered 503 and closed, many more closed at once. Lowered at the start to "
            "half of the files that may be open (ulimit -n), less a reserve."},
    {.name = "requests_max", .type = CONF_COUNT, ROW(conf, limits.requests_max), .max = 1000000,
     .standard = "none", .zero = "none", .unit = "requests",
     .doc = "Requests in progress, of all threads together, waiting ones included; more are answered 503 at once."},
    {.name = "streams_max", .type = CONF_COUNT, ROW(conf, limits.streams_max), .max = 10000,
     .standard = "100", .zero = "none", .unit = "requests",
     .doc = "Requests at once on a client connection of HTTP/2; `none` speaks HTTP/1.1 alone."},
    {.name = "stream_buffer", .type = CONF_SIZE, ROW(conf, limits.stream_buffer), .min = 4 * KIB,
     .max = 16 * MIB, .standard = "64KiB",
     .doc = "Bytes kept for a client that reads slowly before Hostler stops reading from the "
            "runtime."},
    {.name = "upstream_head_max", .type = CONF_SIZE, ROW(conf, limits.upstream_head_max),
     .min = KIB, .max = MIB, .standard = "64KiB",
     .doc = "Status line and headers of a runtime's answer."},
};

static const struct conf_group limits_group = {
    .name = "limits",
    GROUP_ROWS(limits_rows),
    .doc = "What one client or runtime may make Hostler hold.",
    .example = "limits:\n"
               "  body_max: 8MiB\n"
               "  connections_max: 2000\n",
};

/* timeouts */
#define TIMEOUT(field, default_text, text) \
    .type = CONF_DURATION, ROW(conf, timeouts.field), .min = 10 * MS, .max = DAY, \
    .standard = default_text, .doc = text

static const struct conf_row timeouts_rows[] = {
    {.name = "head", TIMEOUT(head_us, "10s", "Time for a client to send the whole request head.")},
    {.name = "body", TIMEOUT(body_us, "30s", "Longest pause within a request's body.")},
    {.name = "idle",
     TIMEOUT(idle_us, "75s", "How long a client's connection stays open without a request.")},
    {.name = "write",
     TIMEOUT(write_us, "30s", "How long a client may take nothing of what it is sent.")},
    {.name = "connect", TIMEOUT(connect_us, "5s", "Connecting to an endpoint.")},
    {.name = "first_byte",
     TIMEOUT(first_byte_us, "300s",
             "From the sent request to the first byte of a stream, prompt processing included. Not "
             "retried: the next runtime would begin anew.")},
    {.name = "whole", .type = CONF_DURATION, .flags = CONF_INHERIT, ROW(conf, timeouts.whole_us),
     .min = 10 * MS, .max = DAY, .implied = "`15m`, or `first_byte` where that is written",
     .doc = "The same for an answer that is not streamed, which most runtimes send when it is complete."},
    {.name = "between",
     TIMEOUT(between_us, "120s", "Longest pause within an endpoint's answer.")},
    {.name = "total", .zero = "none",
     TIMEOUT(total_us, "30m",
             "The whole exchange; streams are cut at it, too. Clients shorten it with the header "
             "`x-stainless-timeout` or `x-stainless-read-timeout` of the OpenAI SDKs, in seconds; "
             "for a stream theirs counts until the first byte.")},
    {.name = "drain",
     TIMEOUT(drain_us, "30s", "How long running answers may go on after SIGTERM.")},
    {.name = "upstream_idle",
     TIMEOUT(upstream_idle_us, "60s", "How long an unused connection to an endpoint is kept.")},
};

static const struct conf_group timeouts_group = {
    .name = "timeouts",
    GROUP_ROWS(timeouts_rows),
    .doc = "How long each phase of an exchange may take.",
    .example = "timeouts:\n"
               "  connect: 2s\n"
               "  first_byte: 10m\n"
               "  total: none\n",
};

/* retry */
static const struct conf_row retry_rows[] = {
    {.name = "attempts_max", .type = CONF_COUNT, ROW(conf, retry.attempts_max), .min = 1,
     .max = 10, .standard = "3", .unit = "attempts",
     .doc = "Tries of one exchange, the first included; only before the client got a byte."},
    {.name = "budget_percent", .type = CONF_COUNT, ROW(conf, retry.budget_percent), .max = 100,
     .standard = "20", .unit = "%",
     .doc = "Retries per 100 requests of a model within 10 seconds, so that retries do not pile "
            "up on a failing runtime."},
    {.name = "budget_min", .type = CONF_COUNT, ROW(conf, retry.budget_min), .max = 10000,
     .standard = "100", .unit = "retries",
     .doc = "Retries of a model within 10 seconds that are allowed whatever the percentage says."},
};

static const struct conf_group retry_group = {
    .name = "retry",
    GROUP_ROWS(retry_rows),
    .doc = "Another try at another endpoint after a connection error, 429 or 5xx.",
    .example = "retry: { attempts_max: 2, budget_percent: 10 }\n",
};

/* health */
static const struct conf_row health_rows[] = {
    {.name = "interval", .type = CONF_DURATION, ROW(conf, health.interval_us), .min = 100 * MS,
     .max = HOUR, .standard = "10s", .doc = "Time between active probes of an endpoint."},
    {.name = "timeout", .type = CONF_DURATION, ROW(conf, health.timeout_us), .min = 10 * MS,
     .max = HOUR, .standard = "3s", .doc = "Time for one probe."},
    {.name = "failures", .type = CONF_COUNT, ROW(conf, health.failures), .min = 1, .max = 1000,
     .standard = "3",
     .doc = "Failures after which an endpoint gets a cooldown: to reach it, in a row; to answer, "
            "more than what succeeds beside them."},
    {.name = "cooldown", .type = CONF_DURATION, ROW(conf, health.cooldown_us), .min = 10 * MS,
     .max = HOUR, .standard = "5s",
     .doc = "First cooldown, in which it gets no requests, or others are preferred; each further one is twice as "
            "long. An endpoint that could not be reached is probed each second, and the first "
            "answer ends it."},
    {.name = "cooldown_max", .type = CONF_DURATION, ROW(conf, health.cooldown_max_us),
     .min = 10 * MS, .max = DAY, .standard = "2m", .doc = "Longest cooldown."},
};

static const struct conf_group health_group = {
    .name = "health",
    GROUP_ROWS(health_rows),
    .doc = "When an endpoint counts as broken, and for how long; `docs/failures.md` tells what counts.",
    .example = "health: { interval: 5s, failures: 2 }\n",
};

/* overload */
static const struct conf_row overload_rows[] = {
    {.name = "lag", .type = CONF_DURATION, ROW(conf, overload.lag_us), .min = 1 * MS, .max = 10 * SEC,
     .standard = "100ms", .zero = "none",
     .doc = "How late a thread may come to what it is asked. While it is later, all the time and not for a moment, it "
            "accepts, reads and serves only as much as it has time for, and answers the rest 503; `none` lets all wait."},
    {.name = "memory_percent", .type = CONF_COUNT, ROW(conf, overload.memory_percent), .max = 100,
     .standard = "92", .zero = "none", .unit = "%",
     .doc = "Share of the control group's memory limit (of a container, of a systemd unit) above which new requests "
            "are answered 503. What the kernel can take back, such as mapped model files, does not count."},
};

static const struct conf_group overload_group = {
    .name = "overload",
    GROUP_ROWS(overload_rows),
    .doc = "When new requests are refused so that those in progress go on; `docs/overload.md` tells how.",
    .example = "overload: { lag: 50ms }\n",
};

/* pool */
static const struct conf_row pool_rows[] = {
    {.name = "idle_max", .type = CONF_COUNT, ROW(conf, pool.idle_max), .max = 10000,
     .standard = "1024", .unit = "connections",
     .doc = "Unused connections kept per endpoint and thread."},
};

static const struct conf_group pool_group = {
    .name = "pool",
    GROUP_ROWS(pool_rows),
    .doc = "Connections to endpoints that wait for the next request.",
    .example = "pool: { idle_max: 256 }\n",
};

/* cors */
static const struct conf_row cors_rows[] = {
    {.name = "origins", .type = CONF_TEXTS, ROWS(conf, cors.origins, cors.origin_count),
     .max = NAME_MAX_BYTES, .implied = "without keys local ones, with keys none",
     .doc = "`https://app.example.com`; `https://*.example.com` for the names of one more label; or, where keys are "
            "configured, `*` for every page."},
};

static const struct conf_group cors_group = {
    .name = "cors",
    GROUP_ROWS(cors_rows),
    .doc = "Web pages that may call from a browser and read the answers: [browsers.md](browsers.md).",
    .example = "cors: { origins: [\"https://chat.example.com\", \"http://localhost:3000\"] }\n",
};

/* responses */
static const struct conf_row responses_rows[] = {
    {.name = "bytes", .type = CONF_SIZE, ROW(conf, responses.bytes), .max = 64 * GIB,
     .standard = "64MiB",
     .doc = "Memory for responses that clients may come back to; the oldest go first. 0 keeps none."},
    {.name = "age", .type = CONF_DURATION, ROW(conf, responses.age_us), .min = 1 * SEC, .max = 30 * DAY,
     .standard = "24h", .doc = "How long each is kept."},
};

static const struct conf_group responses_group = {
    .name = "responses",
    GROUP_ROWS(responses_rows),
    .doc = "Answers of `/v1/responses` that were not asked with `store: false`: clients continue them by "
           "`previous_response_id`, show and delete them. They are in memory and end with the process.",
    .example = "responses: { bytes: 256MiB, age: 2h }\n",
};

/* the file itself */
static const struct conf_row root_rows[] = {
    {.name = "listen", .type = CONF_LIST, ROWS(conf, listen, listen_count), .max = LIST_MAX,
     .group = &listen_group, .flags = CONF_RESTART, .standard = "127.0.0.1:8080",
     .doc = "Where clients reach Hostler, see below."},
    {.name = "threads", .former = "workers", .type = CONF_COUNT, ROW(conf, threads), .max = 1024,
     .zero = "auto", .standard = "auto", .unit = "threads", .flags = CONF_RESTART,
     .doc = "Threads that serve requests; `auto` is one per processor that the process may use (affinity, quota of its control group). What computes models is `models[].engine`, which has "
            "`threads` of its own."},
    {.name = "models", .type = CONF_LIST, ROWS(conf, models, model_count), .max = LIST_MAX,
     .group = &conf__models, .implied = "none yet",
     .doc = "What clients can call, see below."},
    {.name = "runtimes", .type = CONF_LIST, ROWS(conf, runtimes, runtime_count), .max = RUNTIMES_MAX,
     .group = &conf__runtimes, .implied = "none",
     .doc = "Runtimes whose models need not be listed, see below."},
    {.name = "keys", .type = CONF_LIST, ROWS(conf, keys, key_count), .max = LIST_MAX,
     .group = &key_group, .implied = "no key is asked for",
     .doc = "API keys that clients present, see below."},
    {.name = "hosts", .type = CONF_TEXTS, ROWS(conf, hosts, host_count), .max = NAME_MAX_BYTES,
     .implied = "names of this machine only",
     .doc = "Further `Host` names that are answered while there are no keys: of a proxy in front, of a container. "
            "Other names are refused, so that a web page cannot reach Hostler under a name of its own."},
    {.name = "trusted_proxies", .type = CONF_TEXTS,
     ROWS(conf, trusted_proxies, trusted_proxy_count), .max = NAME_MAX_BYTES, .implied = "nobody is believed",
     .doc = "Networks (`10.0.0.0/8`, `fd00::/8`, `192.0.2.7`) of proxies whose `X-Forwarded-For`, `-Proto`, `-Host` and "
            "`Forwarded`, and whose PROXY protocol (version 2), are believed; `unix` for those that come by a UNIX socket. Only proxies should be in them: "
            "[deployment.md](deployment.md#who-is-asking)."},
    {.name = "cors", .type = CONF_GROUP, .group = &cors_group, .doc = "Web pages that may call."},
    {.name = "log", .type = CONF_GROUP, .group = &log_group, .doc = "What is logged."},
    {.name = "limits", .type = CONF_GROUP, .group = &limits_group, .doc = "Sizes and counts."},
    {.name = "timeouts", .type = CONF_GROUP, .group = &timeouts_group, .doc = "Durations."},
    {.name = "retry", .type = CONF_GROUP, .group = &retry_group, .doc = "Tries elsewhere."},
    {.name = "health", .type = CONF_GROUP, .group = &health_group, .doc = "Broken endpoints."},
    {.name = "overload", .type = CONF_GROUP, .group = &overload_group, .doc = "Too much to do."},
    {.name = "pool", .type = CONF_GROUP, .group = &pool_group, .doc = "Kept connections."},
    {.name = "responses", .type = CONF_GROUP, .group = &responses_group, .doc = "Kept responses."},
};

const struct conf_group conf__root = {
    .name = "",
    .size = sizeof(struct conf),
    GROUP_ROWS(root_rows),
    .doc = "The file is YAML.",
    .example = "listen: 127.0.0.1:8080\n"
               "models:\n"
               "  - name: demo\n"
               "    engine: { file: models/demo.gguf }\n",
};

/* clang-format on */
