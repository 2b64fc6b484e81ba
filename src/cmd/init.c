/* SPDX-License-Identifier: Apache-2.0 */
/* hostler init: finds runtimes and writes a first configuration. */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/rand.h"
#include "cmd/cli.h"
#include "cmd/cmd.h"
#include "cmd/init_file.h"
#include "cmd/model_file.h"
#include "cmd/options.h"
#include "cmd/scout.h"
#include "cmd/serve_plain.h"
#include "conf/url.h"
#include "loop/stream.h"
#include "obs/log.h"
#include "transport/pem_file.h"

static const char command[] = "init";

enum { PORT_FIRST = 8080, PORT_LAST = 8099, KEY_DIGITS = 48, ANSWER_MAX = 512, SHOWN_MAX = 3 };

struct init {
    const char *output;
    const char *listen; /* NULL: asked for, or chosen */
    bool yes;           /* ask nothing */
    bool force;
    struct serve_plain given; /* what the command line names */
    struct arena arena;
    struct init_file file;
    size_t gateways; /* of Hostler, which are left alone */
};

/* --- questions --- */

/* The line that is typed, without blanks around it; false: there is none, or it was too long. */
static bool read_answer(char answer[ANSWER_MAX])
{
    if (!fgets(answer, ANSWER_MAX, stdin) || !strchr(answer, '\n')) return false;
    answer[strcspn(answer, "\r\n")] = '\0';
    struct str text = str_trim(str_of(answer));
    memmove(answer, text.ptr, text.len);
    answer[text.len] = '\0';
    return true;
}

/* Standard error has the questions, as the output may be standard output. Asks until it is understood.
 * -1: nobody answers. */
static int ask_yes(const char *question)
{
    char answer[ANSWER_MAX];
    for (;;) {
        fprintf(stderr, "%s [Y/n] ", question);
        if (!read_answer(answer)) return -1;
        if (answer[0] == '\0' || strcasecmp(answer, "y") == 0 || strcasecmp(answer, "yes") == 0)
            return 1;
        if (strcasecmp(answer, "n") == 0 || strcasecmp(answer, "no") == 0) return 0;
    }
}

static int nobody_answers(void)
{
    fputc('\n', stderr);
    return cli_fail(command, "nothing is written; --yes asks nothing");
}

/* --- runtimes --- */

static bool is_taken(const struct init *n, struct str name)
{
    for (size_t i = 0; i < n->file.runtime_count; i++)
        if (str_eq(n->file.runtimes[i].name, name)) return true;
    return false;
}

/* What it told to be, or what is usual there; with a number behind it where that is taken. */
static struct str name_for(struct init *n, const struct scout_place *place,
                           const struct scout_finding *found)
{
    struct str first = found->kind.len ? found->kind : str_of(place->usual), name = first;
    for (unsigned i = 2; is_taken(n, name); i++)
        name = arena_printf(&n->arena, "%" STR_FMT "-%u", STR_ARG(first), i);
    return name;
}

static void show(const struct init_runtime *r, const struct scout_finding *found)
{
    fprintf(stderr, "  %-14" STR_FMT " %-30" STR_FMT " ", STR_ARG(r->name), STR_ARG(r->url));
    if (!found->listed) {
        fprintf(stderr, "%s\n",
                found->answered ? "answers, but lists no models (is a --key needed?)"
                                : "does not answer yet");
        return;
    }
    fprintf(stderr, "%zu model%s", r->model_count, r->model_count == 1 ? "" : "s");
    for (size_t i = 0; i < MIN(r->model_count, SHOWN_MAX); i++)
        fprintf(stderr, "%s%" STR_FMT, i ? ", " : ": ", STR_ARG(r->models[i]));
    fprintf(stderr, "%s\n", r->model_count > SHOWN_MAX ? ", ..." : "");
}

/* An exit code. `named`: the command line names it, so that it is wanted whatever it answers. */
static int take(struct init *n, const struct scout_place *place, const struct scout_finding *found,
                bool named)
{
    struct init_runtime r = {
        .name = name_for(n, place, found),
        .url = str_of(place->url),
        .key = n->given.key,
        .models = found->models,
        .model_count = found->model_count,
    };
    if (!named && !found->listed) return CLI_OK; /* another server that uses the port */
    if (!named && str_eq(found->kind, STR("hostler"))) {
        n->gateways++;
        return CLI_OK;
    }
    show(&r, found);
    int wanted = named || n->yes ? 1 : ask_yes("  Offer its models?");
    if (wanted < 0) return nobody_answers();
    if (wanted) n->file.runtimes[n->file.runtime_count++] = r;
    return CLI_OK;
}

static int find_runtimes(struct init *n)
{
    const struct scout_place *places = scout_usual;
    size_t count = scout_usual_count, named = n->given.upstream_count;
    if (named) {
        struct scout_place *p = arena_alloc(&n->arena, named * sizeof *p);
        for (size_t i = 0; i < named; i++)
            p[i] = (struct scout_place){n->given.upstreams[i], "runtime"};
        places = p;
        count = named;
    } else {
        fprintf(stderr, "Looking for runtimes on this machine ...\n");
    }
    struct scout_finding *found = arena_alloc(&n->arena, count * sizeof *found);
    n->file.runtimes = arena_alloc(&n->arena, count * sizeof *n->file.runtimes);
    int code = scout(command, n->given.key, places, count, &n->arena, found);
    for (size_t i = 0; i < count && !code; i++)
        code = take(n, &places[i], &found[i], named > 0);
    return code;
}

/* --- model files --- */

static int take_files(struct init *n)
{
    size_t count = n->given.file_count;
    uint64_t size;
    n->file.model_files = arena_alloc(&n->arena, MAX(count, 1) * sizeof(struct str));
    n->file.model_names = arena_alloc(&n->arena, MAX(count, 1) * sizeof(struct str));
    for (size_t i = 0; i < count; i++) {
        int code = model_file_check(command, n->given.files[i], &size);
        if (code) return code;
        char *path = realpath(n->given.files[i], NULL);
        if (!path) return cli_fail(command, "%s: %s", n->given.files[i], err_text(-errno));
        char *name = model_file_name(path);
        n->file.model_files[i] = arena_dup(&n->arena, str_of(path));
        n->file.model_names[i] = arena_dup(&n->arena, str_of(name));
        n->file.model_count++;
        free(name);
        free(path);
    }
    return CLI_OK;
}

/* --- where clients call --- */

static bool is_free(uint16_t port)
{
    struct addr addr = {.host = STR("127.0.0.1"), .port = port};
    int fd;
    if (listen_socket(&addr, false, &fd, &port)) return false;
    close(fd);
    return true;
}

static struct str free_address(struct init *n)
{
    uint16_t port = PORT_FIRST;
    while (port < PORT_LAST && !is_free(port))
        port++;
    return arena_printf(&n->arena, "127.0.0.1:%u", port);
}

static void make_key(struct init *n)
{
    char text[KEY_DIGITS + 1];
    rand_hex(text, sizeof text);
    n->file.key = arena_printf(&n->arena, "sk-%s", text);
}

/* Asks until it is an address. False: nobody answers. */
static bool ask_address(struct init *n)
{
    char answer[ANSWER_MAX];
    struct url url;
    for (;;) {
        fprintf(stderr, "Where shall clients call? [%" STR_FMT "] ", STR_ARG(n->file.listen));
        if (!read_answer(answer)) return false;
        if (!answer[0]) return true;
        if (url_parse_listen(str_of(answer), &url) == 0) break;
        fprintf(stderr, "  '%s' is no address; HOST:PORT or unix:PATH\n", answer);
    }
    n->file.listen = arena_dup(&n->arena, str_of(answer));
    return true;
}

static int choose_address(struct init *n)
{
    struct url url;
    n->file.listen = n->listen ? str_of(n->listen) : free_address(n);
    if (!n->listen && !n->yes && !ask_address(n)) return nobody_answers();
    if (url_parse_listen(n->file.listen, &url))
        return cli_usage(command, "'%" STR_FMT "' is no address; HOST:PORT or unix:PATH",
                         STR_ARG(n->file.listen));
    if (!url_is_loopback(&url)) make_key(n);
    return CLI_OK;
}

/* --- the file --- */

static int check(const struct buf *text)
{
    struct conf *conf;
    struct conf_problems problems;
    conf_problems_init(&problems);
    int err = conf_parse(buf_str(text), "", &conf, &problems);
    for (size_t i = 0; i < problems.count; i++)
        cli_fail(command, "%" STR_FMT ": %" STR_FMT, STR_ARG(problems.items[i].setting),
                 STR_ARG(problems.items[i].text));
    conf_problems_fini(&problems);
    if (!err) conf_unref(conf);
    return err ? CLI_FAILED : CLI_OK;
}

/* Only its owner reads it, as there may be keys in it. */
static int write_file(const struct init *n, const struct buf *text)
{
    if (strcmp(n->output, "-") == 0) return cmd_output(command, text, 0);
    int err = pem_file_write(n->output, buf_str(text), 0600, n->force);
    if (err == -EEXIST)
        return cli_fail(command, "%s is there already; --force replaces it", n->output);
    if (err == ERR_TYPE) return cli_fail(command, "%s is not a file", n->output);
    return err ? cli_fail(command, "%s: %s", n->output, err_text(err)) : CLI_OK;
}

/* Where this machine finds what listens there: nobody can call 0.0.0.0 or :8080. */
static struct str called_at(struct init *n)
{
    struct url url;
    if (url_parse_listen(n->file.listen, &url) || url.scheme == URL_UNIX) return n->file.listen;
    if (str_eq(url.host, STR("::"))) return arena_printf(&n->arena, "http://[::1]:%u", url.port);
    if (!url.host.len || str_eq(url.host, STR("0.0.0.0")))
        return arena_printf(&n->arena, "http://127.0.0.1:%u", url.port);
    return arena_printf(&n->arena, "http://%" STR_FMT, STR_ARG(n->file.listen));
}

static void tell_next(struct init *n)
{
    bool keyed = n->file.key.len;
    if (strcmp(n->output, "-") == 0) return;
    fprintf(stderr, "\n%s is written. Next:\n  hostler serve", n->output);
    if (strcmp(n->output, "hostler.yaml") != 0) fprintf(stderr, " -c %s", n->output);
    fprintf(stderr, "\n");
    fprintf(stderr, "and in another terminal%s:\n  ",
            keyed ? ", with the key that is in the file" : "");
    if (keyed || !str_eq(n->file.listen, STR("127.0.0.1:8080")))
        fprintf(stderr, "HOSTLER_URL=%" STR_FMT " ", STR_ARG(called_at(n)));
    fprintf(stderr, "%shostler chat\n", keyed ? "HOSTLER_KEY=KEY " : "");
}

static int nothing_found(const struct init *n)
{
    if (n->gateways)
        fprintf(stderr, "A Hostler gateway serves this machine already: try `hostler models`.\n");
    return cli_fail(command,
                    "no runtime %s; start one (ollama serve, vllm serve ...), or name one with "
                    "--upstream URL, or a GGUF file with --model FILE",
                    n->gateways ? "besides" : "was found");
}

static int write_it(struct init *n)
{
    struct buf text;
    buf_init(&text, SIZE_MAX / 2);
    int err = init_file_write(&n->file, &n->arena, &text);
    int code = err ? cli_fail(command, "%s", err_text(err)) : check(&text);
    if (!code) code = write_file(n, &text);
    pem_file_wipe(&text);
    if (!code) tell_next(n);
    return code;
}

static int init(struct init *n)
{
    struct stat st;
    bool looks = n->given.upstream_count || !n->given.file_count;
    if (!n->force && stat(n->output, &st) == 0)
        return cli_fail(command, "%s is there already; --force replaces it", n->output);
    int code = take_files(n);
    if (!code && looks) code = find_runtimes(n);
    if (code) return code;
    if (!n->file.runtime_count && !n->file.model_count) return nothing_found(n);
    code = choose_address(n);
    return code ? code : write_it(n);
}

static const struct cli_option options[] = {
    {'o', 'o', "output", "FILE", CLI_FILE, NULL, "where to (hostler.yaml); - is standard output"},
    {'u', 0, "upstream", "URL", CLI_TEXT, NULL,
     "a runtime, as http://HOST:PORT/v1, instead of looking; repeatable"},
    {'k', 0, "key", "K", CLI_TEXT, NULL, "API key that the runtimes are sent"},
    {'m', 0, "model", "FILE", CLI_FILE, NULL,
     "a GGUF file, or several with commas between them; repeatable"},
    {'l', 0, "listen", "ADDR", CLI_TEXT, NULL,
     "where clients call, HOST:PORT or unix:PATH (127.0.0.1:8080); beyond this\n"
     "machine they need a key, which is made"},
    {'y', 'y', "yes", NULL, CLI_TEXT, NULL, "ask nothing, take what is found"},
    {'f', 'f', "force", NULL, CLI_TEXT, NULL, "replace a file that is there"},
};

/* An exit code, or -1 to go on. */
static int take_option(const struct cli_words *w, struct init *n)
{
    switch (w->option) {
    case 'o': n->output = w->value; break;
    case 'u': return serve_plain_add_upstream(&n->given, w->value);
    case 'k': n->given.key = w->value; break;
    case 'm': return serve_plain_add_files(&n->given, w->value);
    case 'l': n->listen = w->value; break;
    case 'y': n->yes = true; break;
    case 'f': n->force = true; break;
    default: break;
    }
    return -1;
}

static int run(const struct cli_command *c, int argc, char **argv)
{
    struct init n = {.output = "hostler.yaml", .given = {.command = command}};
    struct cli_words w = cli_words(c, argc, argv);
    while (cli_next(&w))
        w.code = take_option(&w, &n);
    if (w.code >= 0) return w.code;
    if (optind < argc) return cli_usage(command, "unexpected argument '%s'", argv[optind]);
    if (!isatty(STDIN_FILENO)) n.yes = true;
    cli_prepare_process();
    /* What was found is told in other words. */
    log_init(STDERR_FILENO, LOG_FORMAT_TEXT, LOG_ERROR);
    arena_init(&n.arena, SIZE_MAX, 4096);
    int code = init(&n);
    arena_fini(&n.arena);
    return code;
}

const struct cli_command cmd_init = {
    .name = "init",
    .about = "find runtimes on this machine and write a first configuration",
    .usage = "[-o FILE] [--upstream URL]... [--model FILE]... [--listen ADDR] [-y] [-f]",
    .text =
        "Looks for runtimes on this machine (Ollama, llama-server, vLLM, SGLang, LM Studio, TGI, Jan, KoboldCpp\n"
        "on their usual ports) and writes a commented hostler.yaml that offers their models. On a terminal it\n"
        "asks; otherwise it takes what it finds.",
    .notes = "Exit codes: 0 written, 1 nothing found or nothing written, 2 wrong usage.",
    .examples = "hostler init\n"
                "hostler init --yes --listen 0.0.0.0:8080\n"
                "hostler init --upstream http://10.0.0.5:8000/v1 --model models/demo.gguf -o -",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .run = run,
};
