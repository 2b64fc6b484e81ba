/* SPDX-License-Identifier: Apache-2.0 */
/* hostler-engine: one process per loaded model. Options, sockets, signals. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
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
    "  --kv-type TYPE     f16, f32 or q8_0: numbers of the KV cache (default f16)\n"
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

static bool one_of(const char *text, const char *const *names, size_t count, unsigned *out)
{
    for (unsigned i = 0; i < count; i++) {
        if (strcmp(text, names[i]) != 0) continue;
        *out = i;
        return true;
    }
    return false;
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

struct settings {
    struct server_options server;
    const char *model;
    const char *listen;
    unsigned log_format;
    unsigned log_level;
};

enum {
    OPT_FIRST = 256,
    OPT_MODEL = OPT_FIRST,
    OPT_LISTEN,
    OPT_ALIAS,
    OPT_CONTEXT,
    OPT_SLOTS,
    OPT_THREADS,
    OPT_BATCH,
    OPT_KV,
    OPT_BLAS,
    OPT_TEMPLATE,
    OPT_TEMPLATE_TEXT,
    OPT_REASONING,
    OPT_POOLING,
    OPT_QUEUE,
    OPT_DRAIN,
    OPT_LOG_FORMAT,
    OPT_LOG_LEVEL,
    OPT_HELP,
    OPT_VERSION
};

static const struct option options[] = {
    {"model", required_argument, NULL, OPT_MODEL},
    {"listen", required_argument, NULL, OPT_LISTEN},
    {"alias", required_argument, NULL, OPT_ALIAS},
    {"context", required_argument, NULL, OPT_CONTEXT},
    {"slots", required_argument, NULL, OPT_SLOTS},
    {"threads", required_argument, NULL, OPT_THREADS},
    {"batch", required_argument, NULL, OPT_BATCH},
    {"kv-type", required_argument, NULL, OPT_KV},
    {"blas", required_argument, NULL, OPT_BLAS},
    {"template", required_argument, NULL, OPT_TEMPLATE},
    {"template-text", required_argument, NULL, OPT_TEMPLATE_TEXT},
    {"reasoning", required_argument, NULL, OPT_REASONING},
    {"pooling", required_argument, NULL, OPT_POOLING},
    {"queue", required_argument, NULL, OPT_QUEUE},
    {"drain", required_argument, NULL, OPT_DRAIN},
    {"log-format", required_argument, NULL, OPT_LOG_FORMAT},
    {"log-level", required_argument, NULL, OPT_LOG_LEVEL},
    {"help", no_argument, NULL, OPT_HELP},
    {"version", no_argument, NULL, OPT_VERSION},
    {NULL, 0, NULL, 0},
};

/* What a value may be. */
static const char *wanted(int option)
{
    switch (option) {
    case OPT_ALIAS: return "a name";
    case OPT_CONTEXT: return "16 to 16777216 tokens";
    case OPT_SLOTS: return "1 to 128";
    case OPT_THREADS: return "auto, or 1 to 1024";
    case OPT_BATCH: return "32 to 8192 tokens";
    case OPT_KV: return "f16, f32 or q8_0";
    case OPT_BLAS:
    case OPT_REASONING: return "auto or off";
    case OPT_POOLING: return "model, mean, cls, last or rank";
    case OPT_QUEUE: return "1 to 1048576 requests";
    case OPT_DRAIN: return "0 to 86400 seconds";
    case OPT_LOG_FORMAT: return "auto, text or json";
    case OPT_LOG_LEVEL: return "debug, info, warn or error";
    default: return "something else";
    }
}

static bool set_option(struct settings *s, int option, const char *value)
{
    static const char *const kv[] = {"f16", "f32", "q8_0"};
    static const char *const switches[] = {"auto", "off"};
    static const char *const poolings[] = {"model", "mean", "cls", "last", "rank"};
    static const char *const formats[] = {"auto", "text", "json"};
    static const char *const levels[] = {"debug", "info", "warn", "error"};
    struct compute_options *c = &s->server.hosted.compute;
    struct chat_template_options *template = &s->server.hosted.template;
    uint64_t n = 0;
    unsigned choice = 0;
    bool ok = true;
    switch (option) {
    case OPT_MODEL: s->model = value; break;
    case OPT_LISTEN: s->listen = value; break;
    case OPT_ALIAS:
        ok = *value;
        s->server.hosted.alias = value;
        break;
    case OPT_CONTEXT:
        ok = number(value, 16, 1 << 24, &n);
        c->model.context = (uint32_t)n;
        break;
    case OPT_SLOTS:
        ok = number(value, 1, MODEL_SLOTS_MAX, &n);
        c->model.slots = (uint32_t)n;
        break;
    case OPT_THREADS:
        ok = strcmp(value, "auto") == 0 || number(value, 1, 1024, &n);
        c->threads = (unsigned)n;
        break;
    case OPT_BATCH:
        ok = number(value, 32, 8192, &n);
        c->model.batch = (uint32_t)n;
        break;
    case OPT_KV:
        ok = one_of(value, kv, ARRAY_LEN(kv), &choice);
        c->model.kv = (enum model_kv)choice;
        break;
    case OPT_BLAS:
        ok = one_of(value, switches, ARRAY_LEN(switches), &choice);
        c->model.blas = choice == 0;
        break;
    case OPT_TEMPLATE: template->source = value; break;
    case OPT_TEMPLATE_TEXT: template->text = value; break;
    case OPT_REASONING:
        ok = one_of(value, switches, ARRAY_LEN(switches), &choice);
        template->no_reasoning = choice == 1;
        break;
    case OPT_POOLING:
        ok = one_of(value, poolings, ARRAY_LEN(poolings), &choice);
        c->model.pooling = (enum model_pooling)choice;
        break;
    case OPT_QUEUE:
        ok = number(value, 1, 1 << 20, &n);
        s->server.queue_max = (unsigned)n;
        break;
    case OPT_DRAIN:
        ok = number(value, 0, 86400, &n);
        s->server.drain_us = n * USEC_PER_SEC;
        break;
    case OPT_LOG_FORMAT: ok = one_of(value, formats, ARRAY_LEN(formats), &s->log_format); break;
    case OPT_LOG_LEVEL: ok = one_of(value, levels, ARRAY_LEN(levels), &s->log_level); break;
    default: ok = false;
    }
    return ok;
}

/* -1: go on, otherwise the exit code. */
static int read_options(int argc, char **argv, struct settings *s)
{
    int option, index = 0;
    opterr = 0;
    while ((option = getopt_long(argc, argv, "h", options, &index)) != -1) {
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
        if (!set_option(s, option, optarg)) {
            char what[160];
            (void)snprintf(what, sizeof what, "'%.60s' for --%s, which takes %s", optarg,
                           options[index].name, wanted(option));
            return usage("a bad value: %s", what);
        }
    }
    if (optind < argc) return usage("what is '%s'?", argv[optind]);
    if (!s->model) return usage("%s", "--model is missing");
    if (!s->listen) return usage("%s", "--listen is missing");
    return -1;
}

static void name_model(struct program *p, struct settings *s)
{
    if (s->server.hosted.alias) return;
    const char *slash = strrchr(s->model, '/');
    struct str name = str_of(slash ? slash + 1 : s->model);
    if (str_ends(name, STR(".gguf"))) name.len -= 5;
    (void)snprintf(p->alias, sizeof p->alias, "%.*s", STR_ARG(name));
    s->server.hosted.alias = p->alias;
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
    err = listener_open(p->loop, fd, http_server_accept, &p->server.http, &p->listener);
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

static int serve(struct program *p, const struct settings *s)
{
    int err = loop_new_real(&p->loop);
    if (err) return EXIT_FAILED;
    err = server_init(&p->server, p->loop, &s->server);
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
    struct settings s = {
        .server = {.hosted.compute = {.model = {.slots = 8, .batch = 512, .blas = true},
                                      .threads_most = threads_available()},
                   .routes = engine_routes,
                   .queue_max = 512,
                   .drain_us = 30 * (uint64_t)USEC_PER_SEC},
        .log_level = LOG_INFO,
    };
    if (stdio_claim()) return EXIT_FAILED;
    int code = read_options(argc, argv, &s);
    if (code >= 0) return code;
    threads_set_environment();
    program.listen = s.listen;
    if (!parse_address(s.listen, &program.addr))
        return usage("a bad address for --listen: %s", s.listen);
    name_model(&program, &s);
    struct compute_options *c = &s.server.hosted.compute;
    c->model.path = s.model;
    c->model.threads = c->threads ? c->threads : c->threads_most;
    log_init(STDERR_FILENO, (enum log_format)s.log_format, (enum log_level)s.log_level);
    int result = serve(&program, &s);
    log_flush();
    return result;
}
