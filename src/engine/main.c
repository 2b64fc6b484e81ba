/* SPDX-License-Identifier: Apache-2.0 */
/* hostler-engine: one process per loaded model. Options, sockets, signals. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/host.h"
#include "base/pace.h"
#include "base/stdio.h"
#include "engine/routes.h"
#include "engine/server.h"
#include "engine/threads.h"
#include "loop/process.h"
#include "loop/stream.h"
#include "obs/log.h"

enum exit_code { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_FORCED = 3 };

static const char help[] =
    "hostler-engine serves one GGUF model in the OpenAI dialect.\n"
    "\n"
    "  hostler-engine --model FILE --listen unix:PATH|HOST:PORT [options]\n"
    "\n"
    "  --model FILE       the model, a GGUF file\n"
    "  --listen ADDRESS   unix:PATH or HOST:PORT; nobody has to log in here, so use a UNIX\n"
    "                     socket or loopback, and put the gateway in front\n"
    "  --alias NAME       the model's name for clients (default: the file's, without .gguf)\n"
    "  --context N        tokens per request, prompt and answer together\n"
    "                     (default: as the model was trained, at most 4096)\n"
    "  --slots N          requests computed at once, 1..128 (default 8)\n"
    "  --threads N|auto   compute threads; auto adapts while it runs (default auto)\n"
    "  --batch N          most prompt tokens per step, 32..8192 (default 512)\n"
    "  --inter-token P    mean time between the tokens of running answers while prompts are\n"
    "                     computed, at most: 2x as long as without them (1.1x to 100x), 50ms,\n"
    "                     or auto: 3x, and more where more prompts wait (default auto)\n"
    "  --kv-type TYPE     f16, f32 or q8_0: numbers of the KV cache (default f16)\n"
    "  --cache-ram MIB    memory for what was computed of chats that have no slot now: auto, off\n"
    "                     or a number (default auto: a quarter of what is free, shared with other\n"
    "                     engines)\n"
    "  --blas auto|off    auto: a BLAS library computes long prompts where, by a timing at the\n"
    "                     start, it is faster (default auto)\n"
    "  --template T       the chat template: a file with Jinja, or builtin:NAME of chatml, llama2,\n"
    "                     llama3, mistral, gemma, phi3, zephyr, vicuna, alpaca (default: the\n"
    "                     model's own)\n"
    "  --template-text J  the same, as text\n"
    "  --reasoning R      auto: what the model thinks comes as reasoning_content; off: it stays in\n"
    "                     the answer (default auto)\n"
    "  --pooling P        model, mean, cls, last or rank: how the vectors of a text's tokens become\n"
    "                     one (default model: as the file says, else mean)\n"
    "  --queue N          most requests in progress, others get 503 (default 512)\n"
    "  --drain SECONDS    how long requests may go on after SIGTERM (default 30)\n"
    "  --log-format F     auto, text or json (default auto: text on a terminal)\n"
    "  --log-level L      debug, info, warn or error (default info)\n"
    "  --help, --version\n"
    "\n"
    "Routes: /v1/chat/completions /v1/completions /v1/embeddings /v1/rerank /v1/score /v1/models\n"
    "        /apply-template /tokenize /detokenize /health /metrics\n"
    "\n"
    "Examples:\n"
    "  hostler-engine --model models/demo.gguf --listen 127.0.0.1:8081\n"
    "  hostler-engine --model llama.gguf --listen unix:/run/llama.sock \\\n"
    "                 --context 8192 --slots 16 --kv-type q8_0\n"
    "\n"
    "SIGTERM or SIGINT: takes no more requests, ends those in progress, exits.\n"
    "A second signal ends it at once.\n"
    "\n"
    "Exit codes: 0 ended as asked; 1 could not start, one line on stderr says why;\n"
    "2 wrong usage; 3 ended by a second signal.\n"
    "\n"
    "Environment: HOSTLER_GGML_BACKENDS is a folder to load ggml's compute back ends from.\n";

struct program {
    struct server server;
    struct loop *loop;
    const char *listen;
    struct addr addr;
    char socket_path[512]; /* ours to remove; "" none */
    struct listener *listener;
    struct signal_watch *watches[2];
    unsigned signals;
    int exit_code;
    char alias[256];
};

static int usage(const char *fmt, const char *what)
{
    fputs("hostler-engine: ", stderr);
    fprintf(stderr, fmt, what);
    fputs("\nTry hostler-engine --help.\n", stderr);
    return EXIT_USAGE;
}

/* --- options --- */

static bool number(const char *text, uint64_t least, uint64_t most, uint64_t *out)
{
    uint64_t n;
    if (str_to_u64(str_of(text), &n) || n < least || n > most) return false;
    *out = n;
    return true;
}

/* "unix:PATH", "HOST:PORT", "[::1]:PORT". Borrows from text. */
static bool parse_address(const char *text, struct addr *out)
{
    struct str s = str_of(text);
    *out = (struct addr){0};
    if (str_starts(s, STR("unix:"))) {
        out->is_unix = true;
        out->path = str_skip(s, 5);
        return out->path.len > 0;
    }
    size_t colon = s.len;
    while (colon > 0 && s.ptr[colon - 1] != ':')
        colon--;
    uint64_t port;
    if (colon == 0 || str_to_u64(str_skip(s, colon), &port) || port > UINT16_MAX) return false;
    out->host = str_sub(s, 0, colon - 1);
    out->port = (uint16_t)port;
    if (out->host.len >= 2 && out->host.ptr[0] == '[' && out->host.ptr[out->host.len - 1] == ']')
        out->host = str_sub(out->host, 1, out->host.len - 2);
    return out->host.len > 0;
}

enum {
    OPT_MODEL,
    OPT_LISTEN,
    OPT_ALIAS,
    OPT_CONTEXT,
    OPT_SLOTS,
    OPT_THREADS,
    OPT_BATCH,
    OPT_INTER_TOKEN,
    OPT_KV,
    OPT_CACHE_RAM,
    OPT_BLAS,
    OPT_TEMPLATE,
    OPT_TEMPLATE_TEXT,
    OPT_REASONING,
    OPT_POOLING,
    OPT_QUEUE,
    OPT_DRAIN,
    OPT_LOG_FORMAT,
    OPT_LOG_LEVEL,
    OPT_COUNT,
    OPT_HELP = 256,
    OPT_VERSION
};

enum { WORDS_MAX = 6 };

#define OPTION_OFF UINT64_MAX

/* A number has a greatest value, a word one of several, everything else is a text. */
struct row {
    const char *name;
    const char *words[WORDS_MAX];
    uint64_t least, most;
    uint64_t standard;     /* a number, or a word's place */
    const char *automatic; /* the word for 0 */
    const char *off;       /* the word for OPTION_OFF */
    const char *unit;
    const char *filled; /* what a text must be that may not be empty */
    bool pace;          /* a text that pace_read takes */
};

static const struct row rows[OPT_COUNT] = {
    [OPT_MODEL] = {"model"},
    [OPT_LISTEN] = {"listen"},
    [OPT_ALIAS] = {"alias", .filled = "a name"},
    [OPT_CONTEXT] = {"context", .least = 16, .most = 1 << 24, .unit = " tokens"},
    [OPT_SLOTS] = {"slots", .least = 1, .most = MODEL_SLOTS_MAX, .standard = 8, .unit = ""},
    [OPT_THREADS] = {"threads", .least = 1, .most = 1024, .automatic = "auto", .unit = ""},
    [OPT_BATCH] = {"batch", .least = 32, .most = 8192, .standard = 512, .unit = " tokens"},
    [OPT_INTER_TOKEN] = {"inter-token", .filled = PACE_RANGE, .pace = true},
    [OPT_KV] = {"kv-type", {"f16", "f32", "q8_0"}},
    [OPT_CACHE_RAM] = {"cache-ram", .least = 1, .most = 1 << 30, .automatic = "auto", .off = "off",
                       .unit = " MiB"},
    [OPT_BLAS] = {"blas", {"auto", "off"}},
    [OPT_TEMPLATE] = {"template"},
    [OPT_TEMPLATE_TEXT] = {"template-text"},
    [OPT_REASONING] = {"reasoning", {"auto", "off"}},
    [OPT_POOLING] = {"pooling", {"model", "mean", "cls", "last", "rank"}},
    [OPT_QUEUE] = {"queue", .least = 1, .most = 1 << 20, .standard = 512, .unit = " requests"},
    [OPT_DRAIN] = {"drain", .most = 86400, .standard = 30, .unit = " seconds"},
    [OPT_LOG_FORMAT] = {"log-format", {"auto", "text", "json"}},
    [OPT_LOG_LEVEL] = {"log-level", {"debug", "info", "warn", "error"}, .standard = 1},
};

/* What was given, or the standard. */
struct settings {
    const char *text[OPT_COUNT];
    uint64_t value[OPT_COUNT]; /* a number, or a word's place */
    struct pace pace;
};

static bool set_word(const struct row *row, const char *text, uint64_t *out)
{
    for (unsigned i = 0; i < WORDS_MAX && row->words[i]; i++) {
        if (strcmp(text, row->words[i]) != 0) continue;
        *out = i;
        return true;
    }
    return false;
}

static bool set_option(struct settings *s, int option, const char *text)
{
    const struct row *row = &rows[option];
    s->text[option] = text;
    if (row->words[0]) return set_word(row, text, &s->value[option]);
    if (row->pace) return pace_read(str_of(text), &s->pace) == 0;
    if (!row->most) return *text || !row->filled;
    s->value[option] = row->off && strcmp(text, row->off) == 0 ? OPTION_OFF : 0;
    return s->value[option] || (row->automatic && strcmp(text, row->automatic) == 0) ||
           number(text, row->least, row->most, &s->value[option]);
}

/* What a value may be, in words. */
static void write_wanted(const struct row *row, char *out, size_t size)
{
    size_t n = 0;
    if (row->filled)
        (void)snprintf(out, size, "%s", row->filled);
    else if (!row->words[0])
        (void)snprintf(out, size, "%s%s%s%s%llu to %llu%s", row->automatic ? row->automatic : "",
                       row->off ? ", " : "", row->off ? row->off : "",
                       row->automatic ? ", or " : "", (unsigned long long)row->least,
                       (unsigned long long)row->most, row->unit);
    for (unsigned i = 0; i < WORDS_MAX && row->words[i] && n < size; i++) {
        bool last = i + 1 == WORDS_MAX || !row->words[i + 1];
        int len = snprintf(out + n, size - n, "%s%s",
                           i == 0 ? ""
                           : last ? " or "
                                  : ", ",
                           row->words[i]);
        n += (size_t)MAX(len, 0);
    }
}

static int refuse_value(int option, const char *text)
{
    char wanted[128], what[256];
    write_wanted(&rows[option], wanted, sizeof wanted);
    (void)snprintf(what, sizeof what, "'%.60s' for --%s, which takes %s", text, rows[option].name,
                   wanted);
    return usage("a bad value: %s", what);
}

/* -1: go on, otherwise the exit code. */
static int read_options(int argc, char **argv, struct settings *s)
{
    struct option options[OPT_COUNT + 3] = {
        [OPT_COUNT] = {"help", no_argument, NULL, OPT_HELP},
        [OPT_COUNT + 1] = {"version", no_argument, NULL, OPT_VERSION},
    };
    int option;
    for (int i = 0; i < OPT_COUNT; i++) {
        options[i] = (struct option){rows[i].name, required_argument, NULL, i};
        s->value[i] = rows[i].standard;
    }
    opterr = 0;
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (option == OPT_HELP || option == 'h') {
            fputs(help, stdout);
            return EXIT_OK;
        }
        if (option == OPT_VERSION) {
            puts("hostler-engine " HOSTLER_VERSION);
            return EXIT_OK;
        }
        if (option == '?' || option == ':')
            return usage("unknown option or missing value: %s", argv[optind - 1]);
        if (!set_option(s, option, optarg)) return refuse_value(option, optarg);
    }
    if (optind < argc) return usage("what is '%s'?", argv[optind]);
    if (!s->text[OPT_MODEL]) return usage("%s", "--model is missing");
    if (!s->text[OPT_LISTEN]) return usage("%s", "--listen is missing");
    return -1;
}

/* The model's name for clients: as it was given, or its file's. */
static const char *name_model(struct program *p, const struct settings *s)
{
    const char *model = s->text[OPT_MODEL], *slash = strrchr(model, '/');
    struct str name = str_of(slash ? slash + 1 : model);
    if (s->text[OPT_ALIAS]) return s->text[OPT_ALIAS];
    if (str_ends(name, STR(".gguf"))) name.len -= 5;
    (void)snprintf(p->alias, sizeof p->alias, "%.*s", STR_ARG(name));
    return p->alias;
}

static uint64_t cache_ram(uint64_t mib)
{
    if (mib == OPTION_OFF) return 0;
    return mib ? mib << 20 : COMPUTE_CACHE_AUTO;
}

static struct server_options server_options(struct program *p, const struct settings *s)
{
    const uint64_t *v = s->value;
    unsigned threads = (unsigned)v[OPT_THREADS], most = host_processors("");
    const struct model_options model = {
        .path = s->text[OPT_MODEL],
        .context = (uint32_t)v[OPT_CONTEXT],
        .slots = (uint32_t)v[OPT_SLOTS],
        .batch = (uint32_t)v[OPT_BATCH],
        .threads = threads ? threads : most,
        .kv = (enum model_kv)v[OPT_KV],
        .blas = v[OPT_BLAS] == 0,
        .pooling = (enum model_pooling)v[OPT_POOLING],
    };
    return (struct server_options){
        .hosted = {.compute = {.model = model,
                               .threads = threads,
                               .threads_most = most,
                               .cache_ram = cache_ram(v[OPT_CACHE_RAM]),
                               .inter_token = s->pace},
                   .template = {.source = s->text[OPT_TEMPLATE],
                                .text = s->text[OPT_TEMPLATE_TEXT],
                                .no_reasoning = v[OPT_REASONING] == 1},
                   .alias = name_model(p, s)},
        .routes = engine_routes,
        .queue_max = (unsigned)v[OPT_QUEUE],
        .drain_us = v[OPT_DRAIN] * USEC_PER_SEC,
    };
}

/* --- life --- */

static void remove_socket(const struct program *p)
{
    if (p->socket_path[0]) unlink(p->socket_path);
}

static void leave_now(struct program *p, int code)
{
    remove_socket(p);
    log_flush();
    _exit(code);
}

static void on_signal(void *owner, int signum UNUSED)
{
    struct program *p = owner;
    if (p->signals++) leave_now(p, EXIT_FORCED);
    /* A model that is being loaded cannot be told to stop. */
    if (!p->server.hosted.model) leave_now(p, EXIT_OK);
    log_note(LOG_INFO, "drain", "%u requests in progress", p->server.request_count);
    server_drain(&p->server);
}

static void on_drained(void *user)
{
    struct program *p = user;
    loop_stop(p->loop);
}

static void on_failed(void *user, const char *why)
{
    struct program *p = user;
    fprintf(stderr, "hostler-engine: %s\n", why);
    p->exit_code = EXIT_FAILED;
    loop_stop(p->loop);
}

static int open_listener(struct program *p)
{
    int fd;
    uint16_t port = 0;
    mode_t old = umask(p->addr.is_unix ? 0177 : 0077);
    int err = listen_socket(&p->addr, false, &fd, &port);
    umask(old);
    if (err) {
        fprintf(stderr, "hostler-engine: cannot listen at %s: %s\n", p->listen, err_text(err));
        return err;
    }
    if (p->addr.is_unix)
        (void)snprintf(p->socket_path, sizeof p->socket_path, "%.*s", STR_ARG(p->addr.path));
    err = listener_open(p->loop, fd, &p->server.http.acceptor, &p->listener);
    if (err) {
        close(fd);
        return err;
    }
    if (p->addr.is_unix)
        log_note(LOG_INFO, "listening", "%s", p->listen);
    else
        log_note(LOG_INFO, "listening", "http://%.*s:%u", STR_ARG(p->addr.host), port);
    log_flush();
    return 0;
}

static int watch_signals(struct program *p)
{
    int err = signal_watch_open(p->loop, SIGTERM, on_signal, p, &p->watches[0]);
    return err ? err : signal_watch_open(p->loop, SIGINT, on_signal, p, &p->watches[1]);
}

static int serve(struct program *p, const struct server_options *options)
{
    int err = loop_new_real(&p->loop);
    if (err) return EXIT_FAILED;
    err = server_init(&p->server, p->loop, options);
    if (err) {
        fprintf(stderr, "hostler-engine: cannot start: %s\n", err_text(err));
        return EXIT_FAILED;
    }
    p->server.hosted.on_failed = on_failed;
    p->server.hosted.user = p;
    p->server.on_drained = on_drained;
    p->server.user = p;
    err = open_listener(p);
    if (!err) err = watch_signals(p);
    if (err) leave_now(p, EXIT_FAILED); /* the model is being loaded meanwhile */
    loop_run(p->loop);
    listener_close(p->listener);
    for (size_t i = 0; i < ARRAY_LEN(p->watches); i++)
        signal_watch_close(p->watches[i]);
    server_fini(&p->server);
    loop_run_ready(p->loop);
    loop_free(p->loop);
    remove_socket(p);
    return p->exit_code;
}

int main(int argc, char **argv)
{
    static struct program program;
    struct settings s = {.text = {NULL}};
    if (stdio_claim()) return EXIT_FAILED;
    int code = read_options(argc, argv, &s);
    if (code >= 0) return code;
    threads_set_environment(model_reads_whole(s.text[OPT_MODEL]));
    /* Started through another loader it has that one's name. */
    (void)prctl(PR_SET_NAME, "hostler-engine");
    program.listen = s.text[OPT_LISTEN];
    if (!parse_address(program.listen, &program.addr))
        return usage("a bad address for --listen: %s", program.listen);
    log_init(STDERR_FILENO, (enum log_format)s.value[OPT_LOG_FORMAT],
             (enum log_level)s.value[OPT_LOG_LEVEL]);
    const struct server_options options = server_options(&program, &s);
    int result = serve(&program, &options);
    log_flush();
    return result;
}
