/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/gateway.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "cmd/cli.h"
#include "cmd/options.h"
#include "json/json.h"
#include "json/write.h"
#include "node/supervisor.h"

/* `CONNECTIONS_MAX` for each thread: no server's thousands, for which few machines let files be
 * open. */
enum { OUTPUT_MAX = 64 * 1024, CONNECTIONS_MAX = 1000 };

#define LOOK_US ((uint64_t)100 * USEC_PER_MS)
#define ANSWER_US ((uint64_t)5 * USEC_PER_SEC)

/* --- its configuration --- */

static void write_option(struct json_writer *w, const char *name, const char *text)
{
    if (text) json_write_str_member(w, name, str_of(text));
}

/* A path from the working directory is none from the folder of the configuration. */
static void write_template(struct gateway *g, struct json_writer *w)
{
    const char *text = g->options->chat_template;
    if (!text) return;
    char *path = str_starts(str_of(text), STR("builtin:")) ? NULL : realpath(text, NULL);
    json_write_str_member(w, "template", cmd_literal(&g->arena, str_of(path ? path : text)));
    free(path);
}

static void write_model(struct gateway *g, struct json_writer *w, const struct gateway_model *m)
{
    const struct gateway_options *o = g->options;
    json_write_object(w);
    json_write_str_member(w, "name", cmd_literal(&g->arena, m->name));
    json_write_key(w, "engine");
    json_write_object(w);
    json_write_str_member(w, "file", cmd_literal(&g->arena, m->file));
    write_option(w, "context", o->context);
    write_option(w, "slots", o->slots);
    write_option(w, "threads", o->threads);
    write_option(w, "reasoning", o->reasoning);
    write_template(g, w);
    json_write_str_member(w, "start", STR("at_start"));
    /* Whoever waits sees for how long, and decides. */
    json_write_str_member(w, "start_timeout", STR("24h"));
    json_write_object_end(w);
    json_write_object_end(w);
}

/* Without a log of their own, only problems are worth a line between question and answer. */
static void write_log(const struct gateway *g, struct json_writer *w)
{
    json_write_key(w, "log");
    json_write_object(w);
    json_write_str_member(w, "format", STR("text"));
    json_write_str_member(w, "level", g->options->log ? STR("info") : STR("warn"));
    json_write_object_end(w);
}

static void write_limits(struct json_writer *w)
{
    json_write_key(w, "limits");
    json_write_object(w);
    json_write_u64_member(w, "connections_max", CONNECTIONS_MAX);
    json_write_object_end(w);
}

/* JSON is YAML, too. */
static int write_config(struct gateway *g, struct buf *out)
{
    const struct gateway_options *o = g->options;
    struct json_writer w;
    json_write_init(&w, out);
    json_write_object(&w);
    json_write_key(&w, "listen");
    json_write_array(&w);
    json_write_str(&w, str_of(g->url));
    if (o->listen) json_write_str(&w, str_of(o->listen));
    json_write_array_end(&w);
    write_log(g, &w);
    write_limits(&w);
    json_write_key(&w, "models");
    json_write_array(&w);
    for (size_t i = 0; i < o->model_count; i++)
        write_model(g, &w, &o->models[i]);
    json_write_array_end(&w);
    json_write_object_end(&w);
    return json_write_end(&w);
}

static int write_file(const char *path, struct str text)
{
    FILE *f = fopen(path, "wxe");
    if (!f) return -errno;
    int err = fwrite(text.ptr, 1, text.len, f) == text.len ? 0 : -EIO;
    return fclose(f) && !err ? -errno : err;
}

/* A setting's last word is the option that it came from. */
static void print_problems(const struct gateway *g, const struct conf_problems *problems)
{
    for (size_t i = 0; i < problems->count; i++) {
        struct str option = problems->items[i].setting, word;
        for (struct str rest = option; str_cut(&rest, '.', &word);)
            option = word;
        cli_fail(g->options->command, "--%" STR_FMT ": %" STR_FMT, STR_ARG(option),
                 STR_ARG(problems->items[i].text));
    }
}

/* The settings' own rules judge the options, before anything starts. */
static int check_config(struct gateway *g, struct str text)
{
    struct conf *conf;
    struct conf_problems problems;
    conf_problems_init(&problems);
    int err = conf_parse(text, g->config, &conf, &problems);
    if (err)
        print_problems(g, &problems);
    else
        conf_unref(conf);
    conf_problems_fini(&problems);
    return err ? CLI_USAGE : CLI_OK;
}

static int make_config(struct gateway *g)
{
    struct buf text;
    buf_init(&text, SIZE_MAX / 2);
    int err = write_config(g, &text);
    int code = err ? CLI_FAILED : check_config(g, buf_str(&text));
    if (!err && !code) err = write_file(g->config, buf_str(&text));
    if (err) code = cli_fail(g->options->command, "%s: %s", g->config, err_text(err));
    buf_fini(&text);
    return code;
}

/* --- its process --- */

/* What would set a gateway's settings was meant for others. */
static void forget_settings(void)
{
    static const char *const kept[] = {"HOSTLER_ENGINE=", "HOSTLER_GGML_BACKENDS="};
    size_t n = 0;
    for (size_t i = 0; environ[i]; i++) {
        bool keep = strncmp(environ[i], "HOSTLER_", 8) != 0;
        for (size_t k = 0; k < ARRAY_LEN(kept); k++)
            keep = keep || strncmp(environ[i], kept[k], strlen(kept[k])) == 0;
        if (keep) environ[n++] = environ[i];
    }
    environ[n] = NULL;
}

static void on_exit_of_gateway(void *owner, int64_t status UNUSED, int signal UNUSED)
{
    struct gateway *g = owner;
    g->ended = true;
    loop_stop(g->loop);
}

static void on_gateway_gone(void *owner)
{
    struct gateway *g = owner;
    g->process = NULL;
    g->gone = true;
    loop_stop(g->loop);
}

static int spawn(struct gateway *g, int output_fd)
{
    char program[PATH_MAX], serve[] = "serve", config[] = "-c";
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    if (n < 0) return -errno;
    program[n] = '\0';
    char *const argv[] = {program, serve, config, g->config, NULL};
    struct process_spec spec = {.argv = argv,
                                .env = environ,
                                .output_fd = output_fd,
                                .on_exit = on_exit_of_gateway,
                                .on_gone = on_gateway_gone,
                                .owner = g};
    g->started_us = clock_mono_us();
    return process_start(g->loop, &spec, &g->process);
}

/* --- what it says --- */

static void show_output(struct gateway *g)
{
    struct str text = buf_str(&g->output);
    if (text.len) fwrite(text.ptr, 1, text.len, stderr);
    buf_clear(&g->output);
}

static void close_output(struct gateway *g)
{
    if (g->output_watch) fd_watch_close(g->output_watch);
    if (g->output_fd >= 0) close(g->output_fd);
    g->output_watch = NULL;
    g->output_fd = -1;
}

/* One read. False: nothing more can be read now. */
static bool read_output(struct gateway *g)
{
    char bytes[4096];
    if (g->output_fd < 0) return false;
    ssize_t n = read(g->output_fd, bytes, sizeof bytes);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return false;
    if (n <= 0) {
        close_output(g);
        return false;
    }
    /* The first problems tell the cause; what no longer has room follows from it. */
    (void)!buf_append(&g->output, str_n(bytes, (size_t)n));
    if (g->live) show_output(g);
    return true;
}

static void on_output(void *owner)
{
    (void)read_output(owner);
}

static int open_pipe(struct gateway *g, int *write_end)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC)) return -errno;
    *write_end = ends[1];
    g->output_fd = ends[0];
    if (fcntl(ends[0], F_SETFL, O_NONBLOCK)) return -errno;
    return fd_watch_open(g->loop, ends[0], on_output, g, &g->output_watch);
}

static int open_log(const char *path, int *fd)
{
    *fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
    return *fd < 0 ? -errno : 0;
}

void gateway_show_problems(struct gateway *g)
{
    const char *log = g->options->log;
    loop_poll(g->loop);
    while (read_output(g)) {
    }
    show_output(g);
    if (g->ended)
        cli_fail(g->options->command, "the gateway has ended%s%s", log ? "; see " : "",
                 log ? log : "");
}

/* --- signals --- */

static void on_end_signal(void *owner, int signum UNUSED)
{
    struct gateway *g = owner;
    if (g->asked && g->process) process_signal(g->process, SIGTERM); /* the second one: now */
    g->asked = true;
    loop_stop(g->loop);
}

int gateway_take_signals(struct gateway *g)
{
    static const int numbers[GATEWAY_SIGNALS] = {SIGINT, SIGTERM, SIGHUP};
    int err = 0;
    for (size_t i = 0; i < GATEWAY_SIGNALS && !err; i++)
        err = signal_watch_open(g->loop, numbers[i], on_end_signal, g, &g->signals[i]);
    return err;
}

void gateway_release_signals(struct gateway *g)
{
    for (size_t i = 0; i < GATEWAY_SIGNALS; i++) {
        signal_watch_close(g->signals[i]);
        g->signals[i] = NULL;
    }
    loop_poll(g->loop); /* one that has come */
}

/* --- starting --- */

static void on_rested(struct task *task)
{
    loop_stop(CONTAINER_OF(task, struct gateway, rested)->loop);
}

static int start_process(struct gateway *g)
{
    const char *log = g->options->log;
    int fd = -1;
    int err = log ? open_log(log, &fd) : open_pipe(g, &fd);
    if (err && log) return cli_fail(g->options->command, "--log %s: %s", log, err_text(err));
    if (!err) err = gateway_take_signals(g);
    if (!err) err = spawn(g, fd);
    if (fd >= 0) close(fd);
    return err ? cli_fail(g->options->command, "cannot start the gateway: %s", err_text(err))
               : CLI_OK;
}

/* All that can be let go when the process is gone or never was. */
static void free_gateway(struct gateway *g)
{
    struct str socket = str_skip(str_of(g->url), strlen("unix:"));
    gateway_release_signals(g);
    close_output(g);
    timer_stop(g->loop, &g->rest);
    task_cancel(&g->rested);
    loop_free(g->loop);
    if (g->config) unlink(g->config);
    if (socket.len) unlink(socket.ptr);
    engine_folder_close(&g->folder);
    free(g->config);
    free(g->url);
    buf_fini(&g->output);
    arena_fini(&g->arena);
}

static int open_folder(struct gateway *g)
{
    int err = engine_folder_open(&g->folder);
    if (err) return cli_fail(g->options->command, "no private folder: %s", err_text(err));
    struct str socket = engine_folder_socket(&g->folder);
    g->url = mem_must_printf("unix:%" STR_FMT, STR_ARG(socket));
    g->config = mem_must_printf("%s/" ENGINE_FOLDER_CONFIG, g->folder.path);
    free((char *)(uintptr_t)socket.ptr);
    return CLI_OK;
}

int gateway_start(struct gateway *g, const struct gateway_options *o)
{
    *g = (struct gateway){.options = o, .output_fd = -1};
    forget_settings();
    int err = loop_new_real(&g->loop);
    if (err) return cli_fail(o->command, "%s", err_text(err));
    arena_init(&g->arena, SIZE_MAX, 4096);
    buf_init(&g->output, OUTPUT_MAX);
    task_init(&g->rested, on_rested);
    timer_init(&g->rest, &g->rested);
    int code = open_folder(g);
    if (!code) code = make_config(g);
    if (!code && remote_init(&g->remote, o->command, g->url, "")) code = CLI_FAILED;
    if (!code) code = start_process(g);
    if (code) free_gateway(g);
    return code;
}

/* --- waiting --- */

enum found { FOUND_NOTHING, FOUND_LOADING, FOUND_READY, FOUND_FAILED };

struct look {
    enum found found;
    size_t model;      /* that is loading */
    struct str reason; /* FOUND_FAILED: on the arena */
};

/* "engine: the engine for model x failed to start: REASON; see the log" without the ends. */
static struct str plain_reason(struct str text)
{
    static const struct str label = STR_INIT("engine: "), hint = STR_INIT("; see the log");
    if (str_starts(text, label)) text = str_skip(text, label.len);
    if (str_ends(text, hint)) text.len -= hint.len;
    return text;
}

static void look_at_models(const struct gateway *g, const struct json *models, struct look *l)
{
    l->found = FOUND_READY;
    for (size_t i = 0; i < g->options->model_count; i++) {
        const struct json *model = json_at(models, i);
        struct str reason = json_str_or(model, "reason", STR(""));
        bool ready = false;
        if (json_to_bool(json_get(model, "ready"), &ready) && ready) continue;
        bool failed = str_find(reason, STR(ENGINE_FAILED_TO_START)) >= 0;
        if (l->found == FOUND_READY || failed) {
            l->found = failed ? FOUND_FAILED : FOUND_LOADING;
            l->model = i;
            l->reason = plain_reason(reason);
        }
        if (failed) return;
    }
}

/* Asks the gateway what its models do. */
static struct look look(struct gateway *g)
{
    struct look l = {.found = FOUND_NOTHING};
    const struct json *doc;
    struct str body;
    int status;
    arena_reset(&g->arena);
    int err = remote_get(&g->remote, g->loop, &g->arena, "//readyz", ANSWER_US, &status, &body);
    if (err || json_parse(&g->arena, body, &doc, NULL)) return l;
    look_at_models(g, json_get(doc, "models"), &l);
    return l;
}

static void pause_a_little(struct gateway *g)
{
    timer_start(g->loop, &g->rest, loop_now(g->loop) + LOOK_US);
    loop_run(g->loop);
    timer_stop(g->loop, &g->rest);
}

/* --- the line that moves ---
 *
 * It stays one line in a narrow terminal, too: what does not fit is not wrapped. */

#define CLEAR_LINE "\r\033[K"
#define WRAP_OFF "\033[?7l"
#define WRAP_ON "\033[?7h"

static void print_size(uint64_t bytes)
{
    if (bytes >= 1000000000)
        fprintf(stderr, "%.1f GB", (double)bytes / 1e9);
    else
        fprintf(stderr, bytes >= 10000000 ? "%.0f MB" : "%.1f MB", (double)bytes / 1e6);
}

static void show_progress(const struct gateway *g, size_t model, unsigned step)
{
    const struct gateway_model *m = &g->options->models[model];
    double seconds = (double)(clock_mono_us() - g->started_us) / 1e6;
    if (!isatty(STDERR_FILENO)) return;
    fprintf(stderr, CLEAR_LINE WRAP_OFF "%c Loading %" STR_FMT ", ", "|/-\\"[step % 4],
            STR_ARG(m->name));
    print_size(m->size);
    fprintf(stderr, ": %.1f s (Ctrl-C stops)" WRAP_ON, seconds);
}

static void clear_progress(void)
{
    if (isatty(STDERR_FILENO)) fputs(CLEAR_LINE, stderr);
}

static int tell_failure(struct gateway *g, const struct look *l)
{
    const char *log = g->options->log;
    return cli_fail(g->options->command, "%" STR_FMT "\n%s%s", STR_ARG(l->reason),
                    log ? "All that it said is in " : "With --log FILE, all that it says is kept.",
                    log ? log : "");
}

int gateway_wait(struct gateway *g)
{
    struct look l = {.found = FOUND_NOTHING};
    for (unsigned step = 0; l.found < FOUND_READY && !g->ended && !g->asked; step++) {
        show_progress(g, l.model, step);
        pause_a_little(g);
        if (!g->ended && !g->asked) l = look(g);
    }
    clear_progress();
    if (l.found == FOUND_READY) return CLI_OK;
    if (l.found == FOUND_FAILED) return tell_failure(g, &l);
    if (g->asked) return cli_fail(g->options->command, "stopped while loading");
    gateway_show_problems(g);
    return CLI_FAILED;
}

int gateway_serve(struct gateway *g)
{
    g->live = true;
    show_output(g);
    while (!g->asked && !g->ended)
        loop_run(g->loop);
    if (g->ended) gateway_show_problems(g);
    return g->ended ? CLI_FAILED : CLI_OK;
}

void gateway_stop(struct gateway *g)
{
    g->asked = true;
    if (g->process && !g->ended) process_signal(g->process, SIGTERM);
    while (!g->gone)
        loop_run(g->loop);
    free_gateway(g);
}
