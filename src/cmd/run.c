/* SPDX-License-Identifier: Apache-2.0 */
/* hostler run: model files, a gateway for them, and a chat or an address.
 *
 * The happy path: the files are looked at, a gateway of our own loads them, the chat begins or the
 * question is asked, and when that is over the gateway ends, too. With an address it serves until
 * a signal. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "cmd/chat.h"
#include "cmd/cli.h"
#include "cmd/cmd.h"
#include "cmd/gateway.h"
#include "cmd/model_file.h"

static const char command[] = "run";

/* A file for everyone is a configuration's business; so many fit a command line well. */
enum { MODELS_MAX = 64 };

struct run {
    struct gateway_options gateway;
    struct chat_options chat;
    struct gateway_model models[MODELS_MAX];
    const char *names[MODELS_MAX]; /* given by --name */
    size_t name_count;
    size_t file_count;
};

/* --- files --- */

static int check_name(const struct run *r, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (str_eq(r->models[k].name, r->models[i].name))
            return cli_usage(command, "two models would be called %" STR_FMT "; give --name twice",
                             STR_ARG(r->models[i].name));
    return CLI_OK;
}

static int add_file(struct run *r, size_t i, const char *path)
{
    struct gateway_model *m = &r->models[i];
    int code = model_file_check(command, path, &m->size);
    if (code) return code;
    m->file = str_of(realpath(path, NULL));
    if (!m->file.ptr) return cli_fail(command, "%s: %s", path, err_text(-errno));
    m->name = str_of(i < r->name_count ? str_dup(str_of(r->names[i])) : model_file_name(path));
    r->gateway.model_count = i + 1;
    return check_name(r, i);
}

static void free_models(struct run *r)
{
    for (size_t i = 0; i < r->gateway.model_count; i++) {
        free((char *)(uintptr_t)r->models[i].file.ptr);
        free((char *)(uintptr_t)r->models[i].name.ptr);
    }
}

/* --- the command line --- */

static int add_name(struct run *r, const char *name)
{
    if (r->name_count == MODELS_MAX) return cli_usage(command, "more names than models");
    r->names[r->name_count++] = name;
    return -1;
}

/* An exit code, or -1 to go on. */
static int take_option(struct run *r, const struct cli_words *w)
{
    switch (w->option) {
    case 'l': r->gateway.listen = w->value; break;
    case 'n': return add_name(r, w->value);
    case 'c': r->gateway.context = w->value; break;
    case 's': r->gateway.slots = w->value; break;
    case 't': r->gateway.threads = w->value; break;
    case 'T': r->gateway.chat_template = w->value; break;
    case 'R': r->gateway.reasoning = w->value; break;
    case 'S': r->chat.system = w->value; break;
    case 'm': r->chat.message = w->value; break;
    case CHAT_NO_HISTORY: r->chat.no_history = true; break;
    case 'L': r->gateway.log = w->value; break;
    default: break;
    }
    return -1;
}

/* What ends in .gguf is meant as a file even if there is none of that name. */
static bool is_file(const char *argument)
{
    return str_ends(str_of(argument), STR(".gguf")) || access(argument, F_OK) == 0;
}

/* The first argument is a file, further ones may be, the last one may be a question. */
static int take_arguments(struct run *r, char **arguments, size_t count)
{
    if (count == 0) return cli_usage(command, "name a model file");
    r->file_count = 1;
    while (r->file_count < count && is_file(arguments[r->file_count]))
        r->file_count++;
    if (r->file_count > MODELS_MAX)
        return cli_usage(command, "more than %d files; write a configuration for `hostler serve`",
                         MODELS_MAX);
    if (r->name_count > r->file_count) return cli_usage(command, "more names than models");
    if (r->file_count + 1 < count)
        return cli_usage(command, "'%s' is no file; a question is one argument, in quotes",
                         arguments[r->file_count]);
    if (r->file_count == count) return -1;
    if (r->chat.message) return cli_usage(command, "two questions; give one");
    r->chat.message = arguments[r->file_count];
    return -1;
}

static int check_listen(const char *listen)
{
    struct url url;
    int fd;
    uint16_t port;
    if (url_parse_listen(str_of(listen), &url))
        return cli_usage(command, "--listen %s: write HOST:PORT or unix:PATH", listen);
    if (!url_is_loopback(&url))
        return cli_usage(command,
                         "--listen %s: others may come only with a key; `hostler init --model FILE "
                         "--listen %s` writes a configuration with one for `hostler serve`; or "
                         "listen at 127.0.0.1:%u",
                         listen, listen, url.port);
    if (url.scheme == URL_UNIX) return CLI_OK;
    if (url.port == 0) return cli_usage(command, "--listen %s: choose a port", listen);
    /* Said before a model is loaded, and not after. */
    if (cli_listen(command, str_of(listen), false, &fd, &port)) return CLI_FAILED;
    close(fd);
    return CLI_OK;
}

static int check_template(const char *text)
{
    if (!text || str_starts(str_of(text), STR("builtin:")) || access(text, R_OK) == 0)
        return CLI_OK;
    return cli_fail(command, "--template %s: %s; templates of ours are written builtin:NAME", text,
                    err_text(-errno));
}

static int check_question(struct run *r)
{
    if (r->gateway.listen && (r->chat.message || r->chat.system))
        return cli_usage(command, "--listen only serves; ask with `hostler chat`");
    if (!r->gateway.listen && !r->chat.message && !isatty(STDIN_FILENO)) r->chat.message = "-";
    return r->gateway.listen ? check_listen(r->gateway.listen) : CLI_OK;
}

static int parse(const struct cli_command *c, struct run *r, int argc, char **argv)
{
    struct cli_words w = cli_words(c, argc, argv);
    while (cli_next(&w))
        w.code = take_option(r, &w);
    return w.code < 0 ? take_arguments(r, argv + optind, (size_t)(argc - optind)) : w.code;
}

/* --- what comes when the models are loaded --- */

static void say_what_is_ready(const struct run *r, const char *scheme)
{
    for (size_t i = 0; i < r->gateway.model_count; i++)
        printf("%s%" STR_FMT, i ? ", " : "", STR_ARG(r->models[i].name));
    printf(" ready on %s%s; Ctrl-C stops it. Try:\n\n", scheme, r->gateway.listen);
}

static void say_how_to_ask(const struct run *r)
{
    const char *listen = r->gateway.listen;
    bool local = str_starts(str_of(listen), STR("unix:"));
    const char *scheme = local ? "" : "http://";
    say_what_is_ready(r, scheme);
    if (local)
        printf("  curl -s --unix-socket %s http://localhost", listen + strlen("unix:"));
    else
        printf("  curl -s http://%s", listen);
    printf("/v1/chat/completions \\\n"
           "    -d '{\"model\": \"%" STR_FMT "\",\n"
           "         \"messages\": [{\"role\": \"user\", \"content\": \"Hello!\"}]}'\n\n"
           "or talk to it in another terminal:\n\n  %s chat --url %s%s\n\n",
           STR_ARG(r->models[0].name), program_invocation_name, scheme, listen);
    fflush(stdout);
}

static int serve(struct run *r, struct gateway *g)
{
    say_how_to_ask(r);
    int code = gateway_serve(g);
    if (isatty(STDOUT_FILENO)) puts(""); /* the shell's prompt is not to follow on ^C */
    return code;
}

static int talk(struct run *r, struct gateway *g)
{
    char place[64];
    double seconds = (double)(clock_mono_us() - g->started_us) / 1e6;
    snprintf(place, sizeof place, "loaded in %.1f s", seconds);
    r->chat.url = g->url;
    r->chat.model = r->models[0].name.ptr;
    r->chat.place = place;
    gateway_release_signals(g); /* Ctrl-C belongs to the chat */
    int code = g->asked ? CLI_FAILED : chat_run(&r->chat);
    int err = gateway_take_signals(g);
    if (code || err) gateway_show_problems(g);
    return code;
}

static int run(struct run *r)
{
    struct gateway g;
    int code = gateway_start(&g, &r->gateway);
    if (code) return code;
    code = gateway_wait(&g);
    if (!code) code = r->gateway.listen ? serve(r, &g) : talk(r, &g);
    gateway_stop(&g);
    return code;
}

static int run_files(const struct cli_command *c, int argc, char **argv)
{
    struct run r = {.gateway.command = command, .chat.command = command};
    int code = parse(c, &r, argc, argv);
    if (code >= 0) return code;
    /* getopt has moved the files to the end. */
    char **files = argv + optind;
    r.gateway.models = r.models;
    code = check_question(&r);
    if (!code) code = check_template(r.gateway.chat_template);
    for (size_t i = 0; i < r.file_count && !code; i++)
        code = add_file(&r, i, files[i]);
    if (!code) cli_prepare_process();
    if (!code) code = run(&r);
    free_models(&r);
    return code;
}

static const char *reasoning_at(int id, size_t i)
{
    (void)id;
    static const char *const values[] = {"auto", "off", NULL};
    return values[i];
}

static const struct cli_option options[] = {
    {.value = "FILE", .takes = CLI_FILE, .help = "a model file (GGUF)"},
    {'l', 0, "listen", "ADDR", CLI_TEXT, NULL,
     "serve at HOST:PORT, on this machine only, or unix:PATH, until Ctrl-C"},
    {'n', 0, "name", "NAME", CLI_TEXT, NULL,
     "what clients call the model (the file's name without .gguf); for\n"
     "several files once for each, in their order"},
    {'c', 0, "context", "N", CLI_TEXT, NULL,
     "tokens of a conversation (what the file says, at most 4096)"},
    {'s', 0, "slots", "N", CLI_TEXT, NULL, "answers that are computed at the same time (4)"},
    {'t', 0, "threads", "N", CLI_TEXT, NULL, "threads that compute (as many as help)"},
    {'T', 0, "template", "T", CLI_FILE, NULL,
     "chat template instead of the model's own: a file, or builtin:NAME"},
    {'R', 0, "reasoning", "R", CLI_TEXT, reasoning_at,
     "how thoughts are told; off: they stay in the answer"},
    CHAT_SYSTEM_OPTION('S'),
    CHAT_HISTORY_OPTION,
    {'m', 'm', "message", "TEXT", CLI_TEXT, NULL, "the question; - reads it from standard input"},
    {'L', 0, "log", "FILE", CLI_FILE, NULL,
     "all that gateway and engine say; without it only problems are shown"},
};

const struct cli_command cmd_run = {
    .name = "run",
    .about = "load a model file and talk to it, or serve it",
    .usage = "FILE.gguf... [QUESTION] [OPTIONS]",
    .text =
        "Loads model files and talks to the first one in the terminal. With a question, or one on standard\n"
        "input, prints the answer and ends. With --listen, serves the models to OpenAI clients.",
    .notes =
        "Exit codes: 0 done, 1 a file cannot be loaded, loading was stopped, or the last answer failed,\n"
        "2 wrong usage.",
    .examples =
        "hostler run models/demo.gguf\n"
        "hostler run models/demo.gguf 'What is Hostler?'\n"
        "git diff | hostler run small.gguf --system 'Write a commit message for this diff.'\n"
        "hostler run small.gguf large.gguf --listen 127.0.0.1:8080",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .run = run_files,
};
