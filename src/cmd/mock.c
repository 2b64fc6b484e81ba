/* SPDX-License-Identifier: Apache-2.0 */
/* hostler mock: a scripted runtime for development and tests. docs/mock.md is its manual. */
#include <errno.h>
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

enum { LISTEN_MAX = 16, THREADS_MAX = 64, RECORD_MAX = 10000 };

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

static bool set_option(void *owner, int opt, char *value)
{
    struct settings *s = owner;
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
        return mock_knobs_set(&s->knobs, str_of(mock_knob_name((size_t)(opt - CLI_MORE))),
                              str_of(value)) == 0;
    }
}

/* -1, or the exit code to leave with. */
static int parse(const struct cli_command *c, int argc, char **argv, struct settings *s)
{
    struct cli_words w = cli_words(c, argc, argv);
    int code = cli_read(&w, set_option, s);
    if (code >= 0) return code;
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

static int run(const struct cli_command *c, int argc, char **argv)
{
    struct settings s = {.models = "", .thread_count = 1, .seed = 1};
    mock_knobs_init(&s.knobs);
    int code = parse(c, argc, argv, &s);
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

static const char *kind_at(int id, size_t i)
{
    (void)id;
    size_t count;
    const struct runtime_kind *kinds = runtime_kinds(&count);
    return i < count ? kinds[i].name.ptr : NULL;
}

static const char *word_at(int id, size_t i)
{
    return mock_knob_words((size_t)(id - CLI_MORE))[i];
}

static bool knob_at(size_t i, struct cli_option *out)
{
    const char *name = mock_knob_name(i);
    if (!name) return false;
    *out = (struct cli_option){.name = name,
                               .value = mock_knob_value(i),
                               .value_at = mock_knob_words(i) ? word_at : NULL,
                               .help = mock_knob_help(i)};
    return true;
}

static const struct cli_option options[] = {
    {'l', 0, "listen", "ADDR", CLI_TEXT, NULL,
     "HOST:PORT or unix:PATH; may be repeated (127.0.0.1:8090)"},
    {'T', 0, "tls", "CERT,KEY", CLI_FILE, NULL,
     "TLS on all of them, with a certificate and its key: two PEM files, or\n"
     "one with both"},
    {'k', 0, "kind", "NAME", CLI_TEXT, kind_at,
     "answers what one product does, and 404 else (everything):"},
    {'m', 0, "models", "LIST", CLI_TEXT, NULL,
     "names, comma-separated, or a number N for model-0 ... (any name is served)"},
    {'t', 0, "threads", "N", CLI_TEXT, NULL, "threads that serve (1)"},
    {'t', 0, "workers", "N", CLI_TEXT, NULL, NULL},
    {'r', 0, "record", "N", CLI_TEXT, NULL, "keep the last N requests for GET /mock/requests (0)"},
    {'s', 0, "seed", "N", CLI_TEXT, NULL, "of the random choices (1)"},
};

const struct cli_command cmd_mock = {
    .name = "mock",
    .about = "a scripted OpenAI runtime for development and tests",
    .usage = "[OPTION...]",
    .text =
        "A scripted runtime in the dialects of OpenAI, Anthropic and Ollama: it answers at once or at the\n"
        "pace that you ask for, says what you tell it to, and fails, stalls and dies on request.",
    .more_text =
        "Knobs; each can also be set per request, by a header (x-mock-ttft-ms: 50) or in the body\n"
        "(\"mock\": {\"ttft_ms\": 50}), and at run time by POST /mock/knobs:",
    .more = knob_at,
    .notes =
        "POST /mock/script tells what the next answers say: words, thoughts, calls of tools (docs/mock.md).\n"
        "GET /mock/stats tells what was seen, with the time of each abort; POST /mock/reset starts anew.",
    .examples = "hostler mock --listen 127.0.0.1:8090 --ttft-ms 200 --rate 50 --tokens 128\n"
                "hostler mock --listen unix:/tmp/m.sock --status 429 --retry-after 2\n"
                "hostler mock --models llama,qwen --die-after 20 --die rst\n"
                "hostler mock --kind ollama --record 100",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .run = run,
};
