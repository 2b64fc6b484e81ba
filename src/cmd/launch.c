/* SPDX-License-Identifier: Apache-2.0 */
/* hostler launch: a client program, pointed at a gateway.
 *
 * The happy path: the program is found, the gateway answers and has the model, what the client's
 * row in cmd/clients.c says is set, and the program runs in our place until it ends. Nothing of
 * a person's own configuration is written; the key is in the environment or in a private file, and
 * never on a command line. */
#include <getopt.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "cmd/aim.h"
#include "cmd/cli.h"
#include "cmd/clients.h"
#include "cmd/cmd.h"
#include "cmd/foreground.h"
#include "cmd/recipe.h"
#include "cmd/scratch.h"
#include "loop/process.h"

static const char command[] = "launch";

struct launch {
    struct aim aim;
    struct recipe recipe;
    struct arena arena;
    struct scratch folder;
    char program[PROCESS_PATH_MAX];
    char **arguments; /* the client's, after -- */
    size_t argument_count;
};

/* --- help --- */

enum { INDENT = 12, WIDTH = 96 };

/* One more word of a paragraph whose line has come to *column. */
static void print_word(FILE *to, struct str word, int *column)
{
    bool wraps = *column + 1 + (int)word.len > WIDTH;
    if (wraps) *column = fprintf(to, "\n%*s", INDENT - 1, "") - 1;
    *column += fprintf(to, " %" STR_FMT, STR_ARG(word));
}

static struct str base_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return str_of(slash ? slash + 1 : path);
}

static struct str word_of_part(const struct client_part *part, struct arena *arena)
{
    const struct recipe r = {
        .root = STR("URL"), .model = STR("M"), .key = STR("K"), .folder = "FOLDER"};
    switch (part->kind) {
    case CLIENT_FILE: return base_of(part->name);
    case CLIENT_WORD: return recipe_fill(&r, arena, part->text);
    default: return str_of(part->name);
    }
}

static void print_parts(FILE *to, const struct client *c, enum client_part_kind kind,
                        const char *label, struct arena *arena)
{
    int column = 0;
    for (size_t i = 0; i < c->part_count; i++) {
        const struct client_part *part = &c->parts[i];
        if (part->kind != kind || !(part->when & CLIENT_LAUNCH)) continue;
        if (column == 0) column = fprintf(to, "%*s%s", INDENT, "", label);
        print_word(to, word_of_part(part, arena), &column);
    }
    if (column) fputc('\n', to);
}

static void print_sets(FILE *to)
{
    size_t count;
    const struct client *all = clients_all(&count);
    struct arena arena;
    arena_init(&arena, SIZE_MAX, 4096);
    fprintf(to, "What is set, FOLDER being a private one that is removed when the client ends:\n");
    for (size_t i = 0; i < count && all[i].program; i++) {
        fprintf(to, "  %-8s  %s\n", all[i].name, all[i].about);
        print_parts(to, &all[i], CLIENT_SET, "sets", &arena);
        print_parts(to, &all[i], CLIENT_UNSET, "takes out", &arena);
        print_parts(to, &all[i], CLIENT_FILE, "writes to FOLDER:", &arena);
        print_parts(to, &all[i], CLIENT_WORD, all[i].program, &arena);
    }
    arena_fini(&arena);
}

/* --- the command line --- */

/* Others may read our command line for as long as the client runs. */
static const char *take_key(struct launch *l, char *text)
{
    struct str key = arena_dup(&l->arena, str_of(text));
    memset(text, '*', key.len);
    return key.ptr;
}

/* An exit code, or -1 to go on. */
static int take_option(struct launch *l, const struct cli_words *w)
{
    switch (w->option) {
    case 'm': l->aim.model = w->value; break;
    case 'u': l->aim.url = w->value; break;
    case 'k': l->aim.key = take_key(l, w->value); break;
    default: break;
    }
    return -1;
}

/* "claude, codex and llm" */
static const char *names(struct arena *arena)
{
    size_t count, n = 0;
    const struct client *all = clients_all(&count);
    struct str text = STR("");
    while (n < count && all[n].program)
        n++;
    for (size_t i = 0; i < n; i++) {
        const char *before = i == 0 ? "" : i + 1 < n ? ", " : " and ";
        text = arena_printf(arena, "%" STR_FMT "%s%s", STR_ARG(text), before, all[i].name);
    }
    return text.ptr;
}

static int take_client(struct launch *l, const char *name)
{
    const struct client *c = client_find(name);
    l->recipe.client = c;
    if (c && c->program) return -1;
    if (c)
        return cli_usage(command, "%s cannot be launched; `hostler client %s` tells what to paste",
                         name, name);
    return cli_usage(command, "there is no client '%s'; there are %s", name, names(&l->arena));
}

/* What comes after -- is not ours to read. */
static int split(struct launch *l, int argc, char **argv)
{
    int own = 1;
    while (own < argc && strcmp(argv[own], "--") != 0)
        own++;
    l->arguments = argv + MIN(own + 1, argc);
    l->argument_count = own < argc ? (size_t)(argc - own - 1) : 0;
    return own;
}

static int parse(const struct cli_command *c, struct launch *l, int argc, char **argv)
{
    int own = split(l, argc, argv);
    struct cli_words w = cli_words(c, own, argv);
    while (cli_next(&w))
        w.code = take_option(l, &w);
    if (w.code >= 0) return w.code;
    if (optind == own) return cli_usage(command, "name a client: %s", names(&l->arena));
    if (optind + 1 < own)
        return cli_usage(command,
                         "'%s' is one argument too many; those of the client come after --",
                         argv[optind + 1]);
    return take_client(l, argv[optind]);
}

/* --- running --- */

static int find_program(struct launch *l)
{
    const struct client *c = l->recipe.client;
    int err = process_find(c->program, l->program);
    if (err == -ENOENT)
        return cli_fail(command, "%s is not installed, or not in PATH; install it: %s", c->program,
                        c->install);
    return err ? cli_fail(command, "%s: %s", c->program, err_text(err)) : CLI_OK;
}

static bool needs_folder(const struct client *c)
{
    for (size_t i = 0; i < c->part_count; i++)
        if (c->parts[i].kind == CLIENT_FILE && (c->parts[i].when & CLIENT_LAUNCH)) return true;
    return false;
}

static int open_folder(struct launch *l)
{
    int err = scratch_open(&l->folder);
    if (err) return cli_fail(command, "no private folder: %s", err_text(err));
    l->recipe.folder = l->folder.path;
    return CLI_OK;
}

static int prepare_part(struct launch *l, const struct client_part *part)
{
    struct str text = part->text ? recipe_fill(&l->recipe, &l->arena, part->text) : STR("");
    switch (part->kind) {
    case CLIENT_SET: return setenv(part->name, text.ptr, 1) ? -errno : 0;
    case CLIENT_UNSET: return unsetenv(part->name) ? -errno : 0;
    case CLIENT_FILE: return scratch_write(&l->folder, base_of(part->name).ptr, text);
    case CLIENT_WORD:
    case CLIENT_CODE: break;
    }
    return 0;
}

/* Our own environment becomes the client's: we need it no more. */
static int prepare(struct launch *l)
{
    const struct client *c = l->recipe.client;
    for (size_t i = 0; i < c->part_count; i++) {
        int err = c->parts[i].when & CLIENT_LAUNCH ? prepare_part(l, &c->parts[i]) : 0;
        if (err) return cli_fail(command, "%s: %s", c->parts[i].name, err_text(err));
    }
    return CLI_OK;
}

static char *writable(struct str text)
{
    return (char *)(uintptr_t)text.ptr;
}

static char **command_line(struct launch *l)
{
    const struct client *c = l->recipe.client;
    size_t n = 0;
    char **argv = arena_alloc(&l->arena, (c->part_count + l->argument_count + 2) * sizeof *argv);
    argv[n++] = writable(str_of(c->program));
    for (size_t i = 0; i < c->part_count; i++)
        if (c->parts[i].kind == CLIENT_WORD && (c->parts[i].when & CLIENT_LAUNCH))
            argv[n++] = writable(recipe_fill(&l->recipe, &l->arena, c->parts[i].text));
    for (size_t i = 0; i < l->argument_count; i++)
        argv[n++] = l->arguments[i];
    argv[n] = NULL;
    return argv;
}

static int run_client(struct launch *l)
{
    int status = 0;
    int err = foreground_run(l->program, command_line(l), &status);
    return err ? cli_fail(command, "cannot run %s: %s", l->program, err_text(err)) : status;
}

static int run(struct launch *l)
{
    int code = find_program(l);
    signal(SIGPIPE, SIG_IGN);
    if (!code) code = aim(&l->aim, &l->arena, &l->recipe);
    if (!code && needs_folder(l->recipe.client)) code = open_folder(l);
    if (!code) code = prepare(l);
    if (!code) code = run_client(l);
    scratch_close(&l->folder);
    return code;
}

static int launch(const struct cli_command *c, int argc, char **argv)
{
    struct launch l = {.aim = {.command = command, .check = true}};
    arena_init(&l.arena, SIZE_MAX, 4096);
    int code = parse(c, &l, argc, argv);
    if (code < 0) code = run(&l);
    arena_fini(&l.arena);
    return code;
}

/* Those that can be launched come first. */
static const char *client_at(int id, size_t i)
{
    (void)id;
    size_t count;
    const struct client *all = clients_all(&count);
    return i < count && all[i].program ? all[i].name : NULL;
}

static const struct cli_option options[] = {
    {.value = "CLIENT", .value_at = client_at, .help = "the client:"},
    AIM_OPTIONS,
};

const struct cli_command cmd_launch = {
    .name = "launch",
    .about = "run Claude Code, Codex or another client with a gateway's model",
    .usage = "CLIENT [--model M] [--url URL] [--key K] [-- ARGUMENTS...]",
    .text =
        "Runs a client program with a gateway as its model's home. What is set holds for this run only;\n"
        "your own configuration of the client is not changed. ARGUMENTS are the client's.",
    .details = print_sets,
    .stray = "; those of the client come after --",
    .notes =
        "Exit codes: the client's (128 and the signal's number if one ended it); before it runs: 1 the\n"
        "gateway, the model or the program is not there, 2 wrong usage.",
    .examples = "hostler launch claude\n"
                "hostler launch codex --model qwen3-coder -- exec 'What does this repository do?'\n"
                "HOSTLER_URL=http://10.0.0.5:8080 hostler launch llm -- 'Three names for a cat'",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .run = launch,
};
