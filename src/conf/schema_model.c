/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of `models` and of all that is below. */
#include "conf/schema_rows.h"

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
static const char *const http2_words[] = {
    [CONF_HTTP2_AUTO] = "auto",
    [CONF_HTTP2_ON] = "on",
    [CONF_HTTP2_OFF] = "off",
    NULL,
};
static const char *const start_words[] = {
    [CONF_START_ON_DEMAND] = "on_demand",
    [CONF_START_AT_START] = "at_start",
    NULL,
};
static const char *const runtime_words[] = {
    "openai",     "vllm",  "sglang",  "llama-server", "ollama",    "tgi",  "trt-llm", "hostler",
    "openrouter", "azure", "mistral", "groq",         "anthropic", "auto", NULL};
static const char *const dialect_words[] = {"chat",     "completions", "embeddings", "responses",
                                            "messages", "ollama",      "rerank",     NULL};
static const char *const capability_words[] = {"completion", "tools",  "vision", "thinking",
                                               "embedding",  "insert", "rerank", NULL};
static const char *const modality_words[] = {"text", "image", "audio", "file", NULL};
static const char *const kv_words[] = {"f16", "f32", "q8_0", NULL};
static const char *const switch_words[] = {"auto", "off", NULL};
static const char *const pooling_words[] = {"model", "mean", "cls", "last", "rank", NULL};

/* A row reads best as few lines of its own choice. */
/* clang-format off */

/* models[].engine */
static const struct conf_row engine_rows[] = {
    {.name = "file", .type = CONF_TEXT, ROW(conf_engine, file), .max = TEXT_MAX_BYTES,
     .flags = CONF_PATH | CONF_REQUIRED, .choice = 1, .wanted = "a GGUF file",
     .doc = "GGUF file that Hostler's own engine loads. A relative path starts at the folder of "
            "this configuration file."},
    {.name = "command", .type = CONF_TEXTS, ROWS(conf_engine, command, command_count),
     .max = TEXT_MAX_BYTES * 4, .flags = CONF_MULTILINE | CONF_PLACES | CONF_REQUIRED, .choice = 1,
     .wanted = "another runtime", .instead = "say it in the command's arguments",
     .doc = "Program and arguments of another runtime that Hostler starts instead, one list item "
            "each. `${socket}` and `${port}` in it are replaced by what `url` says, `${socket}` "
            "without `url` by a path of Hostler's choice."},
    {.name = "url", .type = CONF_TEXT, ROW(conf_engine, url), .max = TEXT_MAX_BYTES, .belongs_to = "command",
     .implied = "a UNIX socket of Hostler's choice, `${socket}`",
     .doc = "Where `command` listens: `unix:/PATH` or `http://HOST:PORT`."},
    {.name = "model", .type = CONF_TEXT, ROW(conf_engine, model), .max = NAME_MAX_BYTES,
     .implied = "the model's own name",
     .doc = "Name by which `command` knows the model; requests are sent with it."},
    {.name = "kind", .type = CONF_WORD, ROW(conf_engine, kind), .words = runtime_words,
     .standard = "openai", .belongs_to = "command",
     .doc = "Which product `command` is, as `endpoints[].kind` has it."},
    {.name = "env", .type = CONF_PAIRS, ROWS(conf_engine, env, env_count),
     .max = TEXT_MAX_BYTES * 4, .flags = CONF_SECRET | CONF_MULTILINE,
     .doc = "Variables added to the process's environment. Our own engine inherits what computing needs (PATH, HOME, "
            "TMPDIR, LD_LIBRARY_PATH, OMP_*, CUDA_*, HIP_*, GGML_*, ...); a `command` inherits Hostler's whole environment "
            "but for HOSTLER_*, what the service manager said to Hostler, and variables that a secret setting refers to "
            "with ${env.NAME}."},
    {.name = "context", .type = CONF_SIZE, ROW(conf_engine, context), .min = 16, .max = 16 * MIB,
     .zero = "model", .standard = "model", .unit = "tokens",
     .belongs_to = "file",
     .doc = "Context length of each sequence; `model` takes what the file says, at most 4096."},
    {.name = "slots", .type = CONF_COUNT, ROW(conf_engine, slots), .min = 1, .max = 128,
     .standard = "4", .unit = "sequences", .belongs_to = "file",
     .doc = "Sequences that are decoded at once."},
    {.name = "capacity", .type = CONF_COUNT, ROW(conf_engine, capacity), .max = 100000,
     .zero = "auto", .standard = "auto", .unit = "requests",
     .doc = "Requests in flight at most; more wait in the model's queue. `auto` is four for each of "
            "`slots` with `file`, whose engine knows whose turn is next, and no limit with `command`."},
    {.name = "threads", .type = CONF_COUNT, ROW(conf_engine, threads), .max = 1024,
     .zero = "auto", .standard = "auto", .unit = "threads", .belongs_to = "file",
     .doc = "Threads that compute, beside those that serve requests; `auto` adapts to what else the machine does."},
    {.name = "batch", .type = CONF_COUNT, ROW(conf_engine, batch), .min = 32, .max = 8192,
     .standard = "512", .unit = "tokens", .belongs_to = "file",
     .doc = "Most prompt tokens computed between two decode steps: larger is faster for long "
            "prompts, smaller keeps running streams smooth."},
    {.name = "inter_token", .type = CONF_PACE, ROW(conf_engine, inter_token),
     .standard = "auto", .belongs_to = "file",
     .doc = "How far apart the tokens of running answers may be, on average, while prompts are "
            "computed: `2x` is twice as far as without them, `50ms` so far where that is enough "
            "for an answer's own tokens. `auto` is 3x, and more where more prompts wait than "
            "answers run. Less makes long prompts wait longer."},
    {.name = "kv_type", .type = CONF_WORD, ROW(conf_engine, kv_type), .words = kv_words,
     .standard = "f16", .belongs_to = "file",
     .doc = "Number format of the KV cache; the quantised ones save memory."},
    {.name = "cache_ram", .type = CONF_SIZE, ROW(conf_engine, cache_ram), .min = MIB, .max = 1024 * GIB,
     .zero = "auto", .off = "off", .standard = "auto", .belongs_to = "file",
     .doc = "Memory for what was computed of chats that have no slot now, so that they go on where "
            "they were; `auto` is a quarter of what is free when the model is loaded, shared by the "
            "engines of the machine. `off` keeps nothing of them."},
    {.name = "blas", .type = CONF_WORD, ROW(conf_engine, blas), .words = switch_words,
     .standard = "auto", .belongs_to = "file",
     .doc = "A BLAS library for long prompts: `auto` takes it where, timed at the start, it is faster "
            "than the engine's own kernels."},
    {.name = "template", .type = CONF_TEXT, ROW(conf_engine, template), .max = TEXT_MAX_BYTES,
     .flags = CONF_PATH, .scheme = "builtin:", .choice = 2, .belongs_to = "file",
     .implied = "the model's own",
     .doc = "Chat template instead of the model's own: a file with Jinja, whose relative path starts "
            "at the folder of this configuration file, or `builtin:NAME` (`hostler-engine --help` "
            "lists them). A file is read when the engine starts."},
    {.name = "template_text", .type = CONF_TEXT, ROW(conf_engine, template_text),
     .max = 96 * KIB, .flags = CONF_MULTILINE, .choice = 2, .belongs_to = "file",
     .implied = "the model's own", .doc = "The same, written here."},
    {.name = "pooling", .type = CONF_WORD, ROW(conf_engine, pooling), .words = pooling_words,
     .standard = "model", .belongs_to = "file",
     .doc = "How the vectors of a text's tokens become one embedding, or, with `rank`, a score of a "
            "pair of texts; `model` takes what the file says, else the mean."},
    {.name = "reasoning", .type = CONF_WORD, ROW(conf_engine, reasoning), .words = switch_words,
     .standard = "auto", .belongs_to = "file",
     .doc = "`auto` tells what a model thinks from what it answers, by the markers of its template, "
            "and gives it as `reasoning_content`; `off` leaves it in the answer."},
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

static const struct conf_group engine_group = {
    .name = "models[].engine",
    .size = sizeof(struct conf_engine),
    GROUP_ROWS(engine_rows),
    .doc = "A process that Hostler starts, watches and stops for the model: its own engine on a "
           "GGUF `file`, or the `command` of another runtime. It is one more endpoint of the "
           "model, named `engine`.",
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
     .doc = "Where the runtime answers: `http://HOST[:PORT][/BASE]`, `https://...` or `unix:/PATH[:/BASE]`. "
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
     .doc = "API key sent to the runtime, in the header that its `kind` wants: as a bearer token "
            "mostly. Better a reference than the key itself."},
    {.name = "kind", .type = CONF_WORD, ROW(conf_endpoint, kind), .words = runtime_words,
     .standard = "openai",
     .doc = "Which product the runtime is: what it answers itself (docs/dialects.md has the table), how it "
            "takes a key, what it does in its own way. `openai` is whoever speaks OpenAI's chat. With `auto` the runtime "
            "is asked which it is, by its list of models and by what it says of its version, when it appears and after it was "
            "down; until it has told it counts as `openai`."},
    {.name = "dialects", .type = CONF_TEXTS, ROWS(conf_endpoint, dialects, dialect_count),
     .words = dialect_words, .max = NAME_MAX_BYTES, .implied = "what its `kind` answers",
     .doc = "What the runtime answers itself, whatever its kind. A request in one of these passes byte for byte; one in another "
            "is translated to what is there."},
    {.name = "headers", .type = CONF_PAIRS, ROWS(conf_endpoint, headers, header_count),
     .flags = CONF_SECRET, .max = TEXT_MAX_BYTES,
     .doc = "Fields that each request to the runtime gets, in place of the client's of that name."},
    {.name = "query", .type = CONF_PAIRS, ROWS(conf_endpoint, query, query_count),
     .flags = CONF_SECRET, .max = TEXT_MAX_BYTES,
     .doc = "Parameters that each request to the runtime gets, such as `api-version` of Azure."},
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
    {.name = "tls", .type = CONF_OPTIONAL, ROW(conf_endpoint, tls), .group = &conf__endpoint_tls,
     .implied = "a CA that the system trusts",
     .doc = "Whom an `https://` URL is trusted by, see below."},
    {.name = "http2", .type = CONF_ENUM, ROW(conf_endpoint, http2), .words = http2_words,
     .standard = "auto",
     .doc = "Whether it is spoken to by HTTP/2: `auto` where it agrees to by TLS (ALPN), so never without TLS; `on` always, "
            "without TLS by prior knowledge; `off` never."},
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

/* models[].card */
static const struct conf_row card_rows[] = {
    {.name = "context_length", .type = CONF_SIZE, ROW(conf_card, context_length), .flags = CONF_INHERIT,
     .min = 1, .max = GIB, .unit = "tokens", .implied = "as far as it is known",
     .doc = "Tokens of prompt and answer together. Known of Hostler's own engine, and of runtimes that tell it where "
            "`kind` is `auto`; with several endpoints it is the smallest."},
    {.name = "capabilities", .type = CONF_TEXTS, ROWS(conf_card, capabilities, capability_count),
     .words = capability_words, .max = NAME_MAX_BYTES, .implied = "what its endpoints are asked for",
     .doc = "What it can do. Clients offer by it: of a model that only embeds no chat, of one with `vision` images."},
    {.name = "input", .type = CONF_TEXTS, ROWS(conf_card, input, input_count),
     .words = modality_words, .max = NAME_MAX_BYTES, .implied = "as far as it is known",
     .doc = "What may be in a request."},
    {.name = "output", .type = CONF_TEXTS, ROWS(conf_card, output, output_count),
     .words = modality_words, .max = NAME_MAX_BYTES, .implied = "as far as it is known",
     .doc = "What is in an answer."},
};

static const struct conf_group card_group = {
    .name = "models[].card",
    .size = sizeof(struct conf_card),
    GROUP_ROWS(card_rows),
    .doc = "What `/v1/models`, `/api/show` and `/api/tags` tell of the model, in place of what Hostler knows of it. It "
           "changes nothing of how requests are served.",
    .example = "models:\n"
               "  - name: qwen3-vl\n"
               "    endpoints: [{ url: \"http://10.0.0.5:8000/v1\" }]\n"
               "    card: { context_length: 32k, capabilities: [completion, tools, vision], input: [text, image] }\n",
};

/* models[] */
static const struct conf_row model_rows[] = {
    {.name = "name", .type = CONF_TEXT, ROW(conf_model, name), .max = NAME_MAX_BYTES,
     .flags = CONF_REQUIRED, .wanted = "what clients write in `model`",
     .doc = "What clients write in `model`."},
    {.name = "aliases", .type = CONF_TEXTS, ROWS(conf_model, aliases, alias_count),
     .max = NAME_MAX_BYTES, .doc = "Further names that clients may use."},
    {.name = "endpoints", .type = CONF_LIST, ROWS(conf_model, endpoints, endpoint_count),
     .added_offset = offsetof(struct conf_model, has_engine_endpoint), .max = LIST_MAX, .group = &endpoint_group, .implied = "`engine` is needed",
     .doc = "Runtimes that serve it, see below."},
    {.name = "engine", .type = CONF_OPTIONAL, ROW(conf_model, engine), .group = &engine_group,
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
    {.name = "card", .type = CONF_OPTIONAL, ROW(conf_model, card), .group = &card_group,
     .implied = "what is known", .doc = "What lists of models tell of it, see below."},
};

const struct conf_group conf__models = {
    .name = "models[]",
    .size = sizeof(struct conf_model),
    .line_offset = offsetof(struct conf_model, line),
    GROUP_ROWS(model_rows),
    .doc = "What clients can call. Each model has `endpoints`, an `engine`, or both.",
    .example = "models:\n"
               "  - name: llama-3.1-8b\n"
               "    aliases: [gpt-4o-mini]\n"
               "    endpoints:\n"
               "      - url: http://10.0.0.5:8000/v1\n"
               "    fallback: [llama-3.2-3b]\n",
};

/* runtimes[] */
static const struct conf_row runtime_rows[] = {
    {.name = "url", .type = CONF_TEXT, ROW(conf_runtime, endpoint.url), .max = TEXT_MAX_BYTES,
     .flags = CONF_REQUIRED, .wanted = "where it is, as `http://HOST:PORT/v1`",
     .doc = "Where it is, as `endpoints[].url` has it. Its list is asked at BASE`/models`."},
    {.name = "name", .type = CONF_TEXT, ROW(conf_runtime, endpoint.name), .max = NAME_MAX_BYTES * 2,
     .implied = "HOST:PORT of the URL",
     .doc = "How logs, metrics and messages call it."},
    {.name = "kind", .type = CONF_WORD, ROW(conf_runtime, endpoint.kind), .words = runtime_words,
     .standard = "auto", .doc = "Which product it is, as `endpoints[].kind` has it."},
    {.name = "key", .type = CONF_TEXT, ROW(conf_runtime, endpoint.key), .max = TEXT_MAX_BYTES,
     .flags = CONF_SECRET, .implied = "none is sent",
     .doc = "API key sent to it. Better a reference than the key itself."},
    {.name = "models", .type = CONF_TEXTS, ROWS(conf_runtime, models, model_count),
     .max = NAME_MAX_BYTES, .standard = "all",
     .doc = "Which of its models are offered: names as it lists them, patterns (`llama*`), or `all`."},
    {.name = "prefix", .type = CONF_TEXT, ROW(conf_runtime, prefix), .max = NAME_MAX_BYTES / 2,
     .doc = "Stands before its names in ours: with `lab/` its `llama` is `lab/llama`."},
    {.name = "capacity", .type = CONF_COUNT, ROW(conf_runtime, endpoint.capacity), .max = 1000000,
     .zero = "unlimited", .standard = "unlimited", .unit = "requests",
     .doc = "Requests in flight at most, for each of its models."},
    {.name = "queue_max", .type = CONF_COUNT, ROW(conf_runtime, queue_max), .max = 1000000,
     .standard = "256", .unit = "requests",
     .doc = "As `models[].queue_max`, for each of its models. A name that several list has what the first of them says."},
    {.name = "queue_timeout", .type = CONF_DURATION, ROW(conf_runtime, queue_timeout_us),
     .min = 1 * MS, .max = DAY, .standard = "60s", .doc = "As `models[].queue_timeout`, likewise."},
    {.name = "poll", .type = CONF_DURATION, ROW(conf_runtime, poll_us), .min = 1 * SEC, .max = DAY,
     .standard = "30s",
     .doc = "How often its list is looked at. A list that cannot be had changes nothing."},
    {.name = "tls", .type = CONF_OPTIONAL, ROW(conf_runtime, endpoint.tls), .group = &conf__endpoint_tls,
     .implied = "a CA that the system trusts",
     .doc = "Whom an `https://` URL is trusted by, as `endpoints[].tls` has it."},
    {.name = "http2", .type = CONF_ENUM, ROW(conf_runtime, endpoint.http2), .words = http2_words,
     .standard = "auto", .doc = "As `endpoints[].http2`."},
};

const struct conf_group conf__runtimes = {
    .name = "runtimes[]",
    .size = sizeof(struct conf_runtime),
    .line_offset = offsetof(struct conf_runtime, line),
    GROUP_ROWS(runtime_rows),
    .doc = "Runtimes whose models need not be listed: each model in a runtime's list becomes one here, while it is "
           "there. Several runtimes that list the same name share it. A model of `models` with that name or alias wins.",
    .example = "runtimes:\n"
               "  - url: http://127.0.0.1:11434/v1\n"
               "  - url: http://10.0.0.5:8000/v1\n"
               "    prefix: lab/\n"
               "    models: [\"llama*\", qwen3]\n",
};

/* clang-format on */
