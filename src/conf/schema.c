/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/schema.h"

#include "conf/conf.h"

#define ROW(owner, field) .offset = offsetof(struct owner, field)
#define ROWS(owner, field, count) ROW(owner, field), .count_offset = offsetof(struct owner, count)
#define GROUP_ROWS(table) .rows = table, .row_count = ARRAY_LEN(table)

#define MS 1000ull
#define SEC (1000 * MS)
#define HOUR (3600 * SEC)
#define DAY (24 * HOUR)
#define KIB 1024ull
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

enum { NAME_MAX_BYTES = 256, TEXT_MAX_BYTES = 4096, LIST_MAX = 10000 };

static_assert(sizeof(enum conf_policy) == sizeof(unsigned), "CONF_ENUM writes an unsigned");

static const char *const policy_words[] = {
    [CONF_POLICY_LEAST_BUSY] = "least_busy",
    [CONF_POLICY_ROUND_ROBIN] = "round_robin",
    [CONF_POLICY_WEIGHTED] = "weighted",
    NULL,
};
static const char *const usage_words[] = {
    [CONF_USAGE_AUTO] = "auto",
    [CONF_USAGE_ASK] = "ask",
    [CONF_USAGE_NEVER] = "never",
    NULL,
};
static const char *const start_words[] = {
    [CONF_START_ON_DEMAND] = "on_demand",
    [CONF_START_AT_START] = "at_start",
    NULL,
};
static const char *const kv_words[] = {"f16", "f32", "q8_0", NULL};
static const char *const blas_words[] = {"auto", "off", NULL};
static const char *const format_words[] = {"auto", "json", "text", NULL};
static const char *const level_words[] = {"debug", "info", "warn", "error", NULL};

/* A row reads best as few lines of its own choice. */
/* clang-format off */

/* models[].engine */
static const struct conf_row engine_rows[] = {
    {.name = "file", .type = CONF_TEXT, ROW(conf_engine, file), .max = TEXT_MAX_BYTES,
     .flags = CONF_PATH, .implied = "`command` is needed",
     .doc = "GGUF file that Hostler's own engine loads. A relative path starts at the folder of "
            "this configuration file."},
    {.name = "command", .type = CONF_TEXTS, ROWS(conf_engine, command, command_count),
     .max = TEXT_MAX_BYTES * 4, .flags = CONF_MULTILINE | CONF_PLACES,
     .implied = "`file` is needed",
     .doc = "Program and arguments of another runtime that Hostler starts instead, one list item "
            "each. `${socket}` and `${port}` in it are replaced by what `url` says, `${socket}` "
            "without `url` by a path of Hostler's choice."},
    {.name = "url", .type = CONF_TEXT, ROW(conf_engine, url), .max = TEXT_MAX_BYTES,
     .implied = "a UNIX socket of Hostler's choice, `${socket}`",
     .doc = "Where `command` listens: `unix:/PATH` or `http://HOST:PORT`."},
    {.name = "model", .type = CONF_TEXT, ROW(conf_engine, model), .max = NAME_MAX_BYTES,
     .implied = "the model's own name",
     .doc = "Name by which `command` knows the model; requests are sent with it."},
    {.name = "env", .type = CONF_PAIRS, ROWS(conf_engine, env, env_count),
     .max = TEXT_MAX_BYTES * 4, .flags = CONF_SECRET | CONF_MULTILINE,
     .doc = "Variables added to the process's environment."},
    {.name = "context", .type = CONF_SIZE, ROW(conf_engine, context), .max = 16 * MIB,
     .zero = "model", .standard = "model", .unit = "tokens",
     .flags = CONF_OF_FILE,
     .doc = "Context length of each sequence; `model` takes what the file says, at most 4096."},
    {.name = "slots", .type = CONF_COUNT, ROW(conf_engine, slots), .min = 1, .max = 128,
     .standard = "4", .unit = "sequences", .flags = CONF_OF_FILE,
     .doc = "Sequences that are decoded at once."},
    {.name = "capacity", .type = CONF_COUNT, ROW(conf_engine, capacity), .max = 100000,
     .zero = "auto", .standard = "auto", .unit = "requests",
     .doc = "Requests in flight at most; more wait in the model's queue. `auto` is `slots` with "
            "`file` and no limit with `command`."},
    {.name = "threads", .type = CONF_COUNT, ROW(conf_engine, threads), .max = 1024,
     .zero = "auto", .standard = "auto", .unit = "threads", .flags = CONF_OF_FILE,
     .doc = "Threads that compute; `auto` adapts to what else the machine does."},
    {.name = "batch", .type = CONF_COUNT, ROW(conf_engine, batch), .min = 32, .max = 8192,
     .standard = "512", .unit = "tokens", .flags = CONF_OF_FILE,
     .doc = "Most prompt tokens computed between two decode steps: larger is faster for long "
            "prompts, smaller keeps running streams smooth."},
    {.name = "kv_type", .type = CONF_WORD, ROW(conf_engine, kv_type), .words = kv_words,
     .standard = "f16", .flags = CONF_OF_FILE,
     .doc = "Number format of the KV cache; the quantised ones save memory."},
    {.name = "blas", .type = CONF_WORD, ROW(conf_engine, blas), .words = blas_words,
     .standard = "auto", .flags = CONF_OF_FILE,
     .doc = "A BLAS library for long prompts: `auto` takes it where, timed at the start, it is faster "
            "than the engine's own kernels."},
    {.name = "start", .type = CONF_ENUM, ROW(conf_engine, start), .words = start_words,
     .standard = "on_demand",
     .doc = "When the process starts: with the first request, or together with Hostler."},
    {.name = "idle_stop", .type = CONF_DURATION, ROW(conf_engine, idle_stop_us), .min = 1 * SEC,
     .max = 30 * DAY, .zero = "never", .standard = "never",
     .doc = "The process stops after this long without a request and gives its memory back."},
    {.name = "start_timeout", .type = CONF_DURATION, ROW(conf_engine, start_timeout_us),
     .min = 1 * SEC, .max = DAY, .standard = "120s",
     .doc = "How long loading may take until `health` answers."},
    {.name = "stop_timeout", .type = CONF_DURATION, ROW(conf_engine, stop_timeout_us),
     .min = 100 * MS, .max = HOUR, .standard = "10s",
     .doc = "Time between SIGTERM and SIGKILL."},
    {.name = "health", .type = CONF_TEXT, ROW(conf_engine, health), .max = TEXT_MAX_BYTES,
     .standard = "/health", .doc = "Path that is probed until it answers 200."},
};

const struct conf_group conf__engine = {
    .name = "models[].engine",
    .size = sizeof(struct conf_engine),
    GROUP_ROWS(engine_rows),
    .doc = "A process that Hostler starts, watches and stops for the model: its own engine on a "
           "GGUF `file`, or the `command` of another runtime. It is one more endpoint of the "
           "model, named `engine`. `context`, `slots`, `threads`, `batch`, `kv_type` and `blas` "
           "belong to `file`.",
    .example = "models:\n"
               "  - name: qwen\n"
               "    engine:\n"
               "      file: models/qwen2.5-7b-q4_k_m.gguf\n"
               "      context: 8k\n"
               "      slots: 8\n"
               "      idle_stop: 15m\n"
               "  - name: mistral\n"
               "    engine:\n"
               "      command: [llama-server, -m, /srv/mistral.gguf, --port, \"${port}\"]\n"
               "      url: http://127.0.0.1:9001\n",
};

/* models[].timeouts and models[].endpoints[].timeouts */
#define OWN_TIMEOUT(field, text) \
    .type = CONF_DURATION, .flags = CONF_INHERIT, ROW(conf_timeouts, field), .min = 10 * MS, \
    .max = DAY, .implied = "see above", .doc = text

static const struct conf_row own_timeouts_rows[] = {
    {.name = "connect", OWN_TIMEOUT(connect_us, "Connecting.")},
    {.name = "first_byte", OWN_TIMEOUT(first_byte_us, "The first byte of a stream.")},
    {.name = "whole", OWN_TIMEOUT(whole_us, "The first byte of an answer that is not streamed; where only `first_byte` is written, that.")},
    {.name = "between", OWN_TIMEOUT(between_us, "Longest pause within an answer.")},
    {.name = "total", .zero = "none", OWN_TIMEOUT(total_us, "The whole exchange.")},
};

static const struct conf_group endpoint_timeouts_group = {
    .name = "models[].endpoints[].timeouts",
    .size = sizeof(struct conf_timeouts),
    GROUP_ROWS(own_timeouts_rows),
    .doc = "Times of one endpoint, as `timeouts` has them for all; the nearest one counts: the endpoint's, else the "
           "model's, else the common one.",
    .example = "models:\n"
               "  - name: llama-3.3-70b\n"
               "    endpoints:\n"
               "      - url: http://10.0.0.7:8080/v1\n"
               "        timeouts: { first_byte: 20m, whole: 1h }\n",
};

static const struct conf_group model_timeouts_group = {
    .name = "models[].timeouts",
    .size = sizeof(struct conf_timeouts),
    GROUP_ROWS(own_timeouts_rows),
    .doc = "Times of one model, on all of its endpoints that have none of their own.",
    .example = "models:\n"
               "  - name: llama-3.1-8b\n"
               "    endpoints: [{ url: \"http://10.0.0.5:8000/v1\" }]\n"
               "    timeouts: { first_byte: 30s }\n",
};

/* models[].endpoints[] */
static const struct conf_row endpoint_rows[] = {
    {.name = "url", .type = CONF_TEXT, ROW(conf_endpoint, url), .max = TEXT_MAX_BYTES,
     .flags = CONF_REQUIRED, .wanted = "where the runtime answers, e.g. http://HOST:PORT/v1",
     .doc = "Where the runtime answers: `http://HOST[:PORT][/BASE]` or `unix:/PATH[:/BASE]`. "
            "BASE is what stands before `/chat/completions`, mostly `/v1`; without one, `/v1` "
            "is used."},
    {.name = "name", .type = CONF_TEXT, ROW(conf_endpoint, name), .max = NAME_MAX_BYTES * 2,
     .implied = "HOST:PORT of the URL",
     .doc = "How logs, metrics and messages call it; unlike its neighbours' names."},
    {.name = "model", .type = CONF_TEXT, ROW(conf_endpoint, model), .max = NAME_MAX_BYTES,
     .implied = "the model's own name",
     .doc = "Name by which the runtime knows the model; requests are sent with it."},
    {.name = "key", .type = CONF_TEXT, ROW(conf_endpoint, key), .max = TEXT_MAX_BYTES,
     .flags = CONF_SECRET, .implied = "none is sent",
     .doc = "API key sent to the runtime as a bearer token. Better a reference than the key "
            "itself."},
    {.name = "capacity", .type = CONF_COUNT, ROW(conf_endpoint, capacity), .max = 1000000,
     .zero = "unlimited", .standard = "unlimited", .unit = "requests",
     .doc = "Requests in flight at most; more wait in the model's queue."},
    {.name = "weight", .type = CONF_COUNT, ROW(conf_endpoint, weight), .min = 1, .max = 1000,
     .standard = "1",
     .doc = "Its share of the requests under the `weighted` policy, and how much load counts as "
            "busy under `least_busy`."},
    {.name = "labels", .type = CONF_PAIRS, ROWS(conf_endpoint, labels, label_count),
     .max = NAME_MAX_BYTES, .doc = "Names and values of your own: region, hardware, owner."},
    {.name = "health", .type = CONF_TEXT, ROW(conf_endpoint, health), .max = TEXT_MAX_BYTES,
     .implied = "no probes; only real requests tell",
     .doc = "Path of an active probe such as `/health`, from the server's root; an answer "
            "below 500 is healthy."},
    {.name = "usage", .type = CONF_ENUM, ROW(conf_endpoint, usage), .words = usage_words,
     .standard = "auto",
     .doc = "Whether its streams are asked for the tokens that they used (`stream_options`), so that they can be "
            "counted. `auto` asks until the runtime refuses it (400 or 422), and not again."},
    {.name = "timeouts", .type = CONF_OPTIONAL, ROW(conf_endpoint, timeouts),
     .group = &endpoint_timeouts_group, .implied = "the model's",
     .doc = "Times of its own, see below."},
};

static const struct conf_group endpoint_group = {
    .name = "models[].endpoints[]",
    .size = sizeof(struct conf_endpoint),
    GROUP_ROWS(endpoint_rows),
    .doc = "Runtimes elsewhere that serve the model over the OpenAI API.",
    .example = "models:\n"
               "  - name: llama-3.1-8b\n"
               "    endpoints:\n"
               "      - url: http://10.0.0.5:8000/v1\n"
               "        capacity: 64\n"
               "        health: /health\n"
               "      - url: http://10.0.0.6:11434/v1\n"
               "        model: llama3.1:8b\n"
               "        capacity: 4\n",
};

/* models[] */
static const struct conf_row model_rows[] = {
    {.name = "name", .type = CONF_TEXT, ROW(conf_model, name), .max = NAME_MAX_BYTES,
     .flags = CONF_REQUIRED, .wanted = "what clients write in `model`",
     .doc = "What clients write in `model`."},
    {.name = "aliases", .type = CONF_TEXTS, ROWS(conf_model, aliases, alias_count),
     .max = NAME_MAX_BYTES, .doc = "Further names that clients may use."},
    {.name = "endpoints", .type = CONF_LIST, ROWS(conf_model, endpoints, endpoint_count),
     .max = LIST_MAX, .group = &endpoint_group, .implied = "`engine` is needed",
     .doc = "Runtimes that serve it, see below."},
    {.name = "engine", .type = CONF_OPTIONAL, ROW(conf_model, engine), .group = &conf__engine,
     .implied = "`endpoints` are needed",
     .doc = "A process that Hostler starts for it, see below."},
    {.name = "policy", .type = CONF_ENUM, ROW(conf_model, policy), .words = policy_words,
     .standard = "least_busy",
     .doc = "Which endpoint gets a request: the less busy of two drawn at random, each in turn, "
            "or by weight."},
    {.name = "fallback", .type = CONF_TEXTS, ROWS(conf_model, fallback, fallback_count),
     .max = NAME_MAX_BYTES,
     .doc = "Models tried in this order when none of the endpoints can answer. Their own "
            "fallbacks are not followed."},
    {.name = "queue_max", .type = CONF_COUNT, ROW(conf_model, queue_max), .max = 1000000,
     .standard = "256", .unit = "requests",
     .doc = "Requests that may wait while all endpoints are at capacity; more are answered 429. "
            "0: nothing waits."},
    {.name = "queue_timeout", .type = CONF_DURATION, ROW(conf_model, queue_timeout_us),
     .min = 1 * MS, .max = DAY, .standard = "60s",
     .doc = "Longest wait in the queue. While the model's process starts, requests wait longer, up to its "
            "`start_timeout`."},
    {.name = "timeouts", .type = CONF_OPTIONAL, ROW(conf_model, timeouts),
     .group = &model_timeouts_group, .implied = "the common ones",
     .doc = "Times of its own, see below."},
};

static const struct conf_group model_group = {
    .name = "models[]",
    .size = sizeof(struct conf_model),
    GROUP_ROWS(model_rows),
    .doc = "What clients can call. Each model has `endpoints`, an `engine`, or both.",
    .example = "models:\n"
               "  - name: llama-3.1-8b\n"
               "    aliases: [gpt-4o-mini]\n"
               "    endpoints:\n"
               "      - url: http://10.0.0.5:8000/v1\n"
               "    fallback: [llama-3.2-3b]\n",
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
           "loopback addresses and UNIX sockets only.",
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
     .doc = "Request bodies that all clients together may make Hostler hold, each until its answer "
            "has ended; what exceeds it is answered 503. At least body_max."},
    {.name = "head_max", .type = CONF_SIZE, ROW(conf, limits.head_max), .min = KIB, .max = MIB,
     .standard = "64KiB", .doc = "Request line and headers; larger ones are answered 431."},
    {.name = "header_count_max", .type = CONF_COUNT, ROW(conf, limits.header_count_max),
     .min = 16, .max = 1000, .standard = "100", .unit = "headers",
     .doc = "Headers of one request; more are answered 431."},
    {.name = "connections_max", .type = CONF_COUNT, ROW(conf, limits.connections_max), .min = 1,
     .max = 1000000, .standard = "8192", .unit = "connections",
     .doc = "Client connections of each worker; one more is closed at once. Lowered at the start to "
            "half of the files that may be open (ulimit -n), less a reserve."},
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

/* pool */
static const struct conf_row pool_rows[] = {
    {.name = "idle_max", .type = CONF_COUNT, ROW(conf, pool.idle_max), .max = 10000,
     .standard = "1024", .unit = "connections",
     .doc = "Unused connections kept per endpoint and worker."},
};

static const struct conf_group pool_group = {
    .name = "pool",
    GROUP_ROWS(pool_rows),
    .doc = "Connections to endpoints that wait for the next request.",
    .example = "pool: { idle_max: 256 }\n",
};

/* the file itself */
static const struct conf_row root_rows[] = {
    {.name = "listen", .type = CONF_ADDRESSES, ROWS(conf, listen, listen_count),
     .max = NAME_MAX_BYTES, .flags = CONF_RESTART, .standard = "127.0.0.1:8080",
     .doc = "Addresses: `HOST:PORT`, `[V6]:PORT`, `:PORT` for all interfaces, `unix:PATH`."},
    {.name = "workers", .type = CONF_COUNT, ROW(conf, workers), .max = 1024, .zero = "auto",
     .standard = "auto", .unit = "threads", .flags = CONF_RESTART,
     .doc = "Threads that serve requests; `auto` is one per core."},
    {.name = "models", .type = CONF_LIST, ROWS(conf, models, model_count), .max = LIST_MAX,
     .group = &model_group, .flags = CONF_REQUIRED,
     .wanted = "a list of models, each with `name` and `endpoints` or `engine`",
     .doc = "What clients can call, see below."},
    {.name = "keys", .type = CONF_LIST, ROWS(conf, keys, key_count), .max = LIST_MAX,
     .group = &key_group, .implied = "no key is asked for",
     .doc = "API keys that clients present, see below."},
    {.name = "hosts", .type = CONF_TEXTS, ROWS(conf, hosts, host_count), .max = NAME_MAX_BYTES,
     .implied = "names of this machine only",
     .doc = "Further `Host` names that are answered while there are no keys: of a proxy in front, of a container. "
            "Other names are refused, so that a web page cannot reach Hostler under a name of its own."},
    {.name = "log", .type = CONF_GROUP, .group = &log_group, .doc = "What is logged."},
    {.name = "limits", .type = CONF_GROUP, .group = &limits_group, .doc = "Sizes and counts."},
    {.name = "timeouts", .type = CONF_GROUP, .group = &timeouts_group, .doc = "Durations."},
    {.name = "retry", .type = CONF_GROUP, .group = &retry_group, .doc = "Tries elsewhere."},
    {.name = "health", .type = CONF_GROUP, .group = &health_group, .doc = "Broken endpoints."},
    {.name = "pool", .type = CONF_GROUP, .group = &pool_group, .doc = "Kept connections."},
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

size_t conf__count(const struct conf_row *row, const void *base)
{
    size_t count = *(const size_t *)((const char *)base + row->count_offset);
    if (row->group == &endpoint_group && ((const struct conf_model *)base)->has_engine_endpoint)
        count--;
    return count;
}

const struct conf_row *conf__row(const struct conf_group *group, struct str name)
{
    for (size_t i = 0; i < group->row_count; i++)
        if (str_eq(str_of(group->rows[i].name), name)) return &group->rows[i];
    return NULL;
}

bool conf__scalar(enum conf_type type)
{
    return type < CONF_TEXTS;
}
