/* SPDX-License-Identifier: Apache-2.0 */
/* hostler mock: a scripted runtime for development and tests. docs/mock.md is its manual. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "cmd/cli.h"
#include "cmd/cmd.h"
#include "cmd/mock_serve.h"
#include "loop/process.h"
#include "transport/tls.h"

enum { LISTEN_MAX = 16, THREADS_MAX = 64, KNOBS_MAX = 64, RECORD_MAX = 10000 };

static const char command[] = "mock";

struct settings {
    const char *listen[LISTEN_MAX];
    size_t listen_count;
    struct tls_identity identity; /* without a certificate: no TLS */
    const char *models;
    const struct runtime_kind *kind; /* NULL: all of them at once */
    uint64_t thread_count;
    uint64_t record;
    uint64_t seed;
    struct mock_knobs knobs;
};

static void print_kinds(void)
{
    size_t count;
    const struct runtime_kind *kinds = runtime_kinds(&count);
    for (size_t i = 0; i < count; i++)
        printf(" %" STR_FMT, STR_ARG(kinds[i].name));
}

static void print_help(void)
{
    printf(
        "Usage: hostler mock [OPTION...]\n"
        "\n"
        "A scripted runtime in the dialects of OpenAI, Anthropic and Ollama: it answers at once or at the\n"
        "pace that you ask for, says what you tell it to, and fails, stalls and dies on request.\n"
        "\n"
        "  --listen ADDR     HOST:PORT or unix:PATH; may be repeated (127.0.0.1:8090)\n"
        "  --tls CERT,KEY    TLS on all of them, with a certificate and its key: two PEM files, or one with both\n"
        "  --kind NAME       answers what one product does, and 404 else; one of those below (everything)\n"
        "  --models LIST     names, comma-separated, or a number N for model-0 ... (any name is served)\n"
        "  --threads N       threads that serve (1)\n"
        "  --record N        keep the last N requests for GET /mock/requests (0)\n"
        "  --seed N          of the random choices (1)\n"
        "\n"
        "Knobs; each can also be set per request, by a header (x-mock-ttft-ms: 50) or in the body\n"
        "(\"mock\": {\"ttft_ms\": 50}), and at run time by POST /mock/knobs:\n");
    for (size_t i = 0; mock_knob_name(i); i++) {
        char name[32];
        snprintf(name, sizeof name, "%s", mock_knob_name(i));
        for (char *c = name; *c; c++)
            *c = *c == '_' ? '-' : *c;
        printf("  --%-16s %s\n", name, mock_knob_help(i));
    }
    printf("\nKinds:");
    print_kinds();
    printf(
        "\n\n"
        "POST /mock/script tells what the next answers say: words, thoughts, calls of tools (docs/mock.md).\n"
        "GET /mock/stats tells what was seen, with the time of each abort; POST /mock/reset starts anew.\n"
        "\n"
        "Examples:\n"
        "  hostler mock --listen 127.0.0.1:8090 --ttft-ms 200 --rate 50 --tokens 128\n"
        "  hostler mock --listen unix:/tmp/m.sock --status 429 --retry-after 2\n"
        "  hostler mock --models llama,qwen --die-after 20 --die rst\n"
        "  hostler mock --kind ollama --record 100\n");
}

/* The fixed options and one for each knob. */
enum { OPT_KNOB = 1000 };

static const struct option *options(char names[KNOBS_MAX][32])
{
    static const struct option fixed[] = {
        {"listen", required_argument, NULL, 'l'},  {"tls", required_argument, NULL, 'T'},
        {"models", required_argument, NULL, 'm'},  {"threads", required_argument, NULL, 't'},
        {"record", required_argument, NULL, 'r'},  {"seed", required_argument, NULL, 's'},
        {"kind", required_argument, NULL, 'k'},    {"help", no_argument, NULL, 'h'},
        {"workers", required_argument, NULL, 't'}, /* its old name */
    };
    static struct option all[ARRAY_LEN(fixed) + KNOBS_MAX + 1];
    memcpy(all, fixed, sizeof fixed);
    size_t n = ARRAY_LEN(fixed);
    for (size_t i = 0; mock_knob_name(i) && i < KNOBS_MAX; i++) {
        snprintf(names[i], 32, "%s", mock_knob_name(i));
        for (char *c = names[i]; *c; c++)
            *c = *c == '_' ? '-' : *c;
        all[n++] = (struct option){names[i], mock_knob_is_flag(i) ? no_argument : required_argument,
                                   NULL, OPT_KNOB + (int)i};
    }
    all[n] = (struct option){0};
    return all;
}

/* "CERT,KEY", or one file with both. */
static struct tls_identity identity_of(struct str files)
{
    struct tls_identity identity = {.certificate = files};
    ptrdiff_t comma = str_find_char(files, ',');
    if (comma < 0) return identity;
    identity.certificate = str_sub(files, 0, (size_t)comma);
    identity.key = str_skip(files, (size_t)comma + 1);
    return identity;
}

static bool set_option(struct settings *s, int opt, const char *value)
{
    switch (opt) {
    case 'l':
        if (s->listen_count == LISTEN_MAX) return false;
        s->listen[s->listen_count++] = value;
        return true;
    case 'T': s->identity = identity_of(str_of(value)); return true;
    case 'm': s->models = value; return true;
    case 'k': s->kind = runtime_kind(str_of(value)); return s->kind != NULL;
    case 't': return cli_count(value, 1, THREADS_MAX, &s->thread_count);
    case 'r': return cli_count(value, 0, RECORD_MAX, &s->record);
    case 's': return cli_count(value, 0, UINT64_MAX, &s->seed);
    default:
        return mock_knobs_set(&s->knobs, str_of(mock_knob_name((size_t)(opt - OPT_KNOB))),
                              str_of(value)) == 0;
    }
}

/* -1, or the exit code to leave with. */
static int parse(int argc, char **argv, struct settings *s)
{
    char names[KNOBS_MAX][32];
    const struct option *table = options(names);
    int index;
    int opt;
    optind = 1;
    while ((opt = getopt_long(argc, argv, "", table, &index)) != -1) {
        if (opt == '?') return cli_usage(command, "what is meant?");
        if (opt == 'h') {
            print_help();
            return CLI_OK;
        }
        if (!set_option(s, opt, optarg))
            return cli_usage(command, "--%s cannot be '%s'", table[index].name,
                             optarg ? optarg : "");
    }
    if (optind < argc) return cli_usage(command, "'%s' is not an option", argv[optind]);
    if (s->listen_count == 0) s->listen[s->listen_count++] = "127.0.0.1:8090";
    return -1;
}

/* One thread. */
struct thread {
    struct mock_worker worker;
    struct tls_acceptor tls; /* in front of the worker, if TLS is spoken */
    struct listener *listeners[LISTEN_MAX];
    size_t listener_count;
    struct mail stop;
    pthread_t id;
    bool started;
};

struct program {
    struct settings *settings;
    struct mock mock;
    struct tls_context *tls; /* NULL: plain */
    struct thread *threads;
    int fds[LISTEN_MAX];
    uint16_t ports[LISTEN_MAX];
    size_t fd_count;
};

static void deliver_stop(struct mail *mail)
{
    loop_stop(CONTAINER_OF(mail, struct thread, stop)->worker.loop);
}

static void on_signal(void *owner, int signum)
{
    struct program *p = owner;
    (void)signum;
    for (size_t i = 1; i < p->settings->thread_count; i++) {
        if (p->threads[i].started) loop_post(p->threads[i].worker.loop, &p->threads[i].stop);
    }
    loop_stop(p->threads[0].worker.loop);
}

static int open_thread(struct program *p, struct thread *t, uint64_t seed)
{
    struct loop *loop;
    int err = loop_new_real(&loop);
    if (err) return err;
    t->stop.deliver = deliver_stop;
    mock_worker_init(&t->worker, &p->mock, loop, seed);
    struct acceptor *first = &t->worker.acceptor;
    if (p->tls) {
        tls_acceptor_init(&t->tls, p->tls, first);
        first = &t->tls.acceptor;
    }
    for (size_t i = 0; !err && i < p->fd_count; i++) {
        int fd = dup(p->fds[i]);
        if (fd < 0) return -errno;
        err = listener_open(loop, fd, first, &t->listeners[i]);
        if (!err) t->listener_count++;
    }
    return err;
}

static void close_thread(struct thread *t)
{
    if (!t->worker.loop) return;
    for (size_t i = 0; i < t->listener_count; i++)
        listener_close(t->listeners[i]);
    mock_worker_fini(&t->worker);
    loop_run_ready(t->worker.loop);
    loop_free(t->worker.loop);
}

static void *run_thread(void *arg)
{
    struct thread *t = arg;
    loop_run(t->worker.loop);
    return NULL;
}

static int read_certificate(struct program *p)
{
    const struct tls_settings settings = {
        .server = true, .identities = &p->settings->identity, .identity_count = 1};
    char why[TLS_WHY_ROOM] = "";
    if (p->settings->identity.certificate.len == 0) return 0;
    int err = tls_context_new(&settings, &p->tls, why);
    if (err) cli_fail(command, "%s", why[0] ? why : err_text(err));
    return err;
}

static int open_sockets(struct program *p)
{
    const struct settings *s = p->settings;
    for (size_t i = 0; i < s->listen_count; i++) {
        int err = cli_listen(command, str_of(s->listen[i]), false, &p->fds[i], &p->ports[i]);
        if (err) return err;
        p->fd_count++;
    }
    return 0;
}

/* For whoever started us: one line per address, port 0 resolved. */
static void announce(const struct program *p)
{
    for (size_t i = 0; i < p->fd_count; i++) {
        struct str text = str_of(p->settings->listen[i]);
        ptrdiff_t colon = -1;
        for (size_t c = 0; c < text.len; c++)
            colon = text.ptr[c] == ':' ? (ptrdiff_t)c : colon;
        if (str_starts(text, STR("unix:")))
            printf("listening %s\n", p->settings->listen[i]);
        else
            printf("listening %s://%.*s:%u\n", p->tls ? "https" : "http",
                   (int)(colon > 0 ? colon : 0), text.ptr, p->ports[i]);
    }
    fflush(stdout);
}

static int serve(struct program *p)
{
    struct loop *main_loop = p->threads[0].worker.loop;
    struct signal_watch *watches[2] = {NULL, NULL};
    int err = signal_watch_open(main_loop, SIGINT, on_signal, p, &watches[0]);
    if (!err) err = signal_watch_open(main_loop, SIGTERM, on_signal, p, &watches[1]);
    for (size_t i = 1; !err && i < p->settings->thread_count; i++) {
        err = -pthread_create(&p->threads[i].id, NULL, run_thread, &p->threads[i]);
        p->threads[i].started = err == 0;
    }
    if (!err) {
        announce(p);
        loop_run(main_loop);
    } else {
        on_signal(p, SIGTERM);
    }
    for (size_t i = 1; i < p->settings->thread_count; i++) {
        if (p->threads[i].started) pthread_join(p->threads[i].id, NULL);
    }
    for (size_t i = 0; i < ARRAY_LEN(watches); i++) {
        if (watches[i]) signal_watch_close(watches[i]);
    }
    return err;
}

static void remove_sockets(const struct program *p)
{
    for (size_t i = 0; i < p->fd_count; i++) {
        close(p->fds[i]);
        const char *text = p->settings->listen[i];
        if (strncmp(text, "unix:", 5) == 0) unlink(text + 5);
    }
}

int cmd_mock(int argc, char **argv)
{
    struct settings s = {.models = "", .thread_count = 1, .seed = 1};
    mock_knobs_init(&s.knobs);
    int code = parse(argc, argv, &s);
    if (code >= 0) return code;
    cli_prepare_process();
    struct program p = {.settings = &s};
    p.threads = mem_must_zero(s.thread_count, sizeof *p.threads);
    mock_init(&p.mock, &s.knobs, s.kind, str_of(s.models), s.record);
    int err = read_certificate(&p);
    if (!err) err = open_sockets(&p);
    bool told = err != 0;
    for (size_t i = 0; !err && i < s.thread_count; i++)
        err = open_thread(&p, &p.threads[i], s.seed + i);
    if (!err) err = serve(&p);
    for (size_t i = 0; i < s.thread_count; i++)
        close_thread(&p.threads[i]);
    remove_sockets(&p);
    tls_context_unref(p.tls);
    mock_fini(&p.mock);
    free(p.threads);
    if (err && !told) cli_fail(command, "cannot start: %s", err_text(err));
    return err ? CLI_FAILED : CLI_OK;
}
