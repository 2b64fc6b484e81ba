/* SPDX-License-Identifier: Apache-2.0 */
/* hostler chat: talk to a model in a terminal, or ask it one thing from a script.
 *
 * The happy path: a line comes, it is asked, the answer streams to the terminal, its speed is told,
 * the next line may come. Lines that come while an answer streams wait. Ctrl-C cancels a coming
 * answer; twice without one leaves.
 *
 * At a terminal the editor has the keyboard: it waits for a line, and keeps what is typed while an
 * answer comes. Lines that a pipe brings are events of the loop. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "cmd/chat_priv.h"
#include "cmd/cli.h"
#include "cmd/cmd.h"
#include "json/json.h"

static const char command[] = "chat";

enum { LINE_MAX = 16 * 1024 * 1024 };

/* --- lines --- */

/* Takes whole lines off the input until a message is complete. False: there are too few. */
static bool take_lines(struct chat *c)
{
    bool complete = false;
    while (!complete) {
        struct str all = buf_str(&c->input);
        ptrdiff_t end = str_find_char(all, '\n');
        if (end < 0 && !(c->input_ended && all.len)) return false;
        size_t len = end < 0 ? all.len : (size_t)end;
        complete = chat__add_line(c, str_sub(all, 0, len));
        buf_consume(&c->input, len + (end >= 0));
    }
    return true;
}

/* One read. False when nothing can be read now. */
static bool read_input(struct chat *c)
{
    char *room;
    if (c->input_ended) return false;
    if (buf_reserve(&c->input, 4096, &room)) {
        screen_note(&c->screen, "hostler %s: the message is too long", c->options->command);
        buf_clear(&c->input);
        return true;
    }
    ssize_t n = read(STDIN_FILENO, room, 4096);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) return false;
    if (n > 0)
        buf_commit(&c->input, (size_t)n);
    else
        c->input_ended = true;
    return true;
}

static void on_readable(void *owner)
{
    struct chat *c = owner;
    read_input(c);
    if (c->input_ended) {
        fd_watch_close(c->input_watch);
        c->input_watch = NULL;
    }
    c->warned = false;
    if (c->reads) chat__wake(c);
}

/* False at the end of the input. */
static bool wait_for_message(struct chat *c)
{
    while (!take_lines(c)) {
        if (c->input_ended) return false;
        if (c->input_watch) {
            c->reads = true;
            chat__wait(c);
            c->reads = false;
        } else {
            read_input(c);
            loop_poll(c->loop); /* a Ctrl-C may have ended the read */
        }
    }
    return true;
}

static void on_interrupt(void *owner, int signum UNUSED)
{
    struct chat *c = owner;
    if (chat__cancel(c)) return;
    if (c->editor) {
        editor_interrupt(c->editor);
    } else {
        chat__give_up_line(c, false);
        chat__wake(c);
    }
}

/* --- running --- */

static struct str read_question(struct chat *c)
{
    while (!c->input_ended)
        read_input(c);
    return str_trim(buf_str(&c->input));
}

static void ask_once(struct chat *c, const char *message)
{
    struct str question = strcmp(message, "-") == 0 ? read_question(c) : str_of(message);
    c->failed = question.len == 0;
    if (c->failed) {
        screen_note(&c->screen, "hostler %s: the question is empty", c->options->command);
        return;
    }
    chat__ask(c, question);
}

static void converse(struct chat *c)
{
    c->screen.person = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    if (c->screen.person && chat__converse_at_terminal(c)) return;
    /* A plain file cannot be watched; it is read when a line is wanted. */
    if (fd_watch_open(c->loop, STDIN_FILENO, on_readable, c, &c->input_watch))
        c->input_watch = NULL;
    while (wait_for_message(c))
        chat__take_message(c);
}

static int run(struct chat *c)
{
    const struct chat_options *o = c->options;
    struct str model = str_of(o->model), why;
    bool listed = !model.ptr || !o->message;
    if (listed && chat__list_models(c, &why)) return cli_fail(o->command, "%.*s", STR_ARG(why));
    if (!model.ptr && !json_to_str(json_get(json_at(c->models, 0), "id"), &model)) {
        return cli_fail(o->command, "%s lists no models; name one", c->remote.text);
    }
    talk_set_model(&c->talk, model);
    talk_set_system(&c->talk, str_of(o->system));
    if (o->message)
        ask_once(c, o->message);
    else
        converse(c);
    return c->failed ? CLI_FAILED : CLI_OK;
}

int chat_run(const struct chat_options *o)
{
    struct chat c = {.options = o};
    if (remote_init(&c.remote, o->command, o->url, o->key)) return CLI_USAGE;
    cli_prepare_process();
    int err = loop_new_real(&c.loop);
    if (err) return cli_fail(o->command, "%s", err_text(err));
    arena_init(&c.arena, SIZE_MAX, 4096);
    buf_init(&c.input, LINE_MAX);
    buf_init(&c.line, LINE_MAX);
    chat__init_talk(&c);
    err = signal_watch_open(c.loop, SIGINT, on_interrupt, &c, &c.interrupt);
    int code = err ? cli_fail(o->command, "%s", err_text(err)) : run(&c);
    editor_free(c.editor);
    history_file_close(&c.history);
    if (c.input_watch) fd_watch_close(c.input_watch);
    if (c.interrupt) signal_watch_close(c.interrupt);
    talk_fini(&c.talk);
    screen_fini(&c.screen);
    loop_free(c.loop);
    buf_fini(&c.input);
    buf_fini(&c.line);
    arena_fini(&c.arena);
    remote_fini(&c.remote);
    return code;
}

/* --- the command --- */

static int parse(const struct cli_command *c, int argc, char **argv, struct chat_options *o)
{
    struct cli_words w = cli_words(c, argc, argv);
    while (cli_next(&w)) {
        switch (w.option) {
        case 'u': o->url = w.value; break;
        case 'k': o->key = w.value; break;
        case 's': o->system = w.value; break;
        case 'm': o->message = w.value; break;
        case CHAT_NO_HISTORY: o->no_history = true; break;
        default: break;
        }
    }
    if (w.code >= 0) return w.code;
    if (optind < argc) o->model = argv[optind++];
    if (optind < argc) return cli_usage(command, "'%s' is one argument too many", argv[optind]);
    return -1;
}

static int chat(const struct cli_command *c, int argc, char **argv)
{
    struct chat_options o = {.command = command};
    int code = parse(c, argc, argv, &o);
    return code >= 0 ? code : chat_run(&o);
}

static const struct cli_option options[] = {
    {.value = "MODEL", .help = "model (the first one that the endpoint lists)"},
    REMOTE_URL_OPTION,
    REMOTE_KEY_OPTION,
    CHAT_SYSTEM_OPTION('s'),
    CHAT_HISTORY_OPTION,
    {'m', 'm', "message", "TEXT", CLI_TEXT, NULL,
     "ask this, print the answer to stdout and leave; - reads it from stdin"},
};

const struct cli_command cmd_chat = {
    .name = "chat",
    .about = "chat with a model in the terminal",
    .usage = "[MODEL] [--url URL] [--key K] [--system TEXT] [--no-history] [-m TEXT]",
    .text = "Talks to a model of a running gateway, or of any OpenAI endpoint.",
    .notes = "Exit codes: 0 done, 1 the last answer failed, 2 wrong usage.",
    .examples = "hostler chat\n"
                "hostler chat llama --system 'Answer in one sentence.'\n"
                "git diff | hostler chat -m - --system 'Write a commit message for this diff.'",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .run = chat,
};
