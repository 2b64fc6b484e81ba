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
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "cmd/chat.h"
#include "cmd/cli.h"
#include "cmd/cmd.h"
#include "cmd/editor.h"
#include "cmd/history_file.h"
#include "cmd/talk.h"
#include "json/json.h"
#include "loop/process.h"

static const char command[] = "chat";

static const char help[] =
    "Usage: hostler chat [MODEL] [OPTIONS]\n"
    "\n"
    "Talks to a model of a running gateway, or of any OpenAI endpoint.\n"
    "\n"
    "  MODEL               model (the first one that the endpoint lists)\n"
    "  --url URL           http://HOST:PORT[/base] or unix:PATH ($HOSTLER_URL, else\n"
    "                      " REMOTE_DEFAULT_URL ")\n"
    "  --key K             API key ($HOSTLER_KEY)\n" CHAT_HELP
    "  -m, --message TEXT  ask this, print the answer to stdout and leave; - reads it from stdin\n"
    "\n"
    "Exit codes: 0 done, 1 the last answer failed, 2 wrong usage.\n"
    "\n"
    "Examples:\n"
    "  hostler chat\n"
    "  hostler chat llama --system 'Answer in one sentence.'\n"
    "  git diff | hostler chat -m - --system 'Write a commit message for this diff.'\n";

static const char commands_help[] =
    "  /model [NAME]    show the models, or talk to another one\n"
    "  /system [TEXT]   set or remove the system message\n"
    "  /reset           forget the conversation\n"
    "  /save FILE       write the conversation as JSON\n"
    "  /help            this list\n"
    "  /quit            leave (also Ctrl-D)\n"
    "  A line that ends in \\ goes on in the next one; a pasted text is one message, however many\n"
    "  lines it has. Ctrl-C cancels an answer or clears the line, twice on an empty one it leaves.\n"
    "  The arrow keys edit a line and recall earlier ones, Ctrl-R searches them.\n";

enum { LINE_MAX = 16 * 1024 * 1024 };

struct chat {
    const struct chat_options *options;
    struct loop *loop;
    struct remote remote;
    struct talk talk;
    struct arena arena;
    const struct json *models;    /* as listed at the start, on the arena; NULL: not asked for */
    int input_fd;                 /* stdin, opened anew where that can be done */
    struct fd_watch *input_watch; /* NULL: a plain file, a terminal, or one message only */
    struct editor *editor;        /* the terminal's; NULL: there is none */
    struct history_file history;  /* what is typed there */
    struct signal_watch *interrupt;
    struct task task; /* takes the next line */
    struct buf input; /* read and not yet taken */
    struct buf line;  /* continued lines so far */
    bool input_ended;
    bool terminal; /* a person types and reads */
    bool colours;  /* stdout is a terminal */
    bool one_shot;
    bool warned; /* Ctrl-C was pressed once without an answer coming */
    bool dim;    /* reasoning is being printed */
    bool failed; /* the last answer */
    char last;   /* last byte printed of the answer */
};

/* --- the terminal --- */

static void print_note(const struct chat *c, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void print_note(const struct chat *c, const char *fmt, ...)
{
    va_list args;
    FILE *out = c->terminal ? stdout : stderr;
    va_start(args, fmt);
    if (c->colours && c->terminal) fputs("\033[2m", out);
    vfprintf(out, fmt, args);
    if (c->colours && c->terminal) fputs("\033[0m", out);
    fputc('\n', out);
    fflush(out);
    va_end(args);
}

/* A model's text must not steer the terminal: control characters but tab and newline are left
 * out there. */
static void print_text(const struct chat *c, struct str text)
{
    size_t from = 0;
    for (size_t i = 0; c->colours && i < text.len; i++) {
        unsigned char b = (unsigned char)text.ptr[i];
        bool c1 = b == 0xc2 && i + 1 < text.len && (unsigned char)text.ptr[i + 1] < 0xa0;
        if (!c1 && ((b >= 0x20 && b != 0x7f) || b == '\n' || b == '\t')) continue;
        fwrite(text.ptr + from, 1, i - from, stdout);
        from = i + 1 + c1;
        i += c1;
    }
    if (from < text.len) fwrite(text.ptr + from, 1, text.len - from, stdout);
}

static void on_text(void *owner, struct str text, bool reasoning)
{
    struct chat *c = owner;
    if (reasoning && !c->terminal) return;
    if (reasoning != c->dim && c->colours) fputs(reasoning ? "\033[2m" : "\033[0m\n", stdout);
    c->dim = reasoning;
    print_text(c, text);
    c->last = text.ptr[text.len - 1];
    fflush(stdout);
}

/* A line for each call: its tool's name and its arguments. */
static void on_call(void *owner, struct str name, struct str arguments)
{
    struct chat *c = owner;
    if (c->dim && c->colours) fputs("\033[0m", stdout);
    c->dim = false;
    if (name.len) {
        if (c->last != '\n') fputc('\n', stdout);
        fputs("call ", stdout);
        print_text(c, name);
        fputc(' ', stdout);
    }
    print_text(c, arguments);
    c->last = ' ';
    fflush(stdout);
}

static void end_text(struct chat *c)
{
    if (c->dim && c->colours) fputs("\033[0m", stdout);
    c->dim = false;
    if (c->last != '\n') fputc('\n', stdout);
    fflush(stdout);
}

static void on_end(void *owner, const struct talk_result *r)
{
    struct chat *c = owner;
    if (r->first_us) end_text(c);
    c->failed = r->err != 0;
    if (r->err && r->err != ERR_CANCELLED) {
        print_note(c, "hostler %s: %.*s", c->options->command, STR_ARG(r->why));
    } else if (c->terminal && !r->first_us) {
        print_note(c, r->err ? "[cancelled]" : "[an empty answer]");
    } else if (c->terminal) {
        /* The whole answer counts, as a short one may come in one read. */
        double rate = (double)r->tokens * 1e6 / (double)MAX(r->first_us + r->stream_us, 1);
        print_note(c, "[%s%llu tokens, first after %.0f ms, %.1f tokens/s]",
                   r->err ? "cancelled, " : "", (unsigned long long)r->tokens,
                   (double)r->first_us / 1e3, rate);
    }
    if (c->one_shot || c->editor)
        loop_stop(c->loop);
    else
        loop_wake(c->loop, &c->task);
}

static const struct talk_owner talk_functions = {
    .on_text = on_text, .on_call = on_call, .on_end = on_end};

/* --- commands --- */

static void show_models(const struct chat *c)
{
    print_note(c, "talking to %s; there are:", c->talk.model);
    for (size_t i = 0; i < json_count(c->models); i++) {
        print_note(c, "  %.*s", STR_ARG(json_str_or(json_at(c->models, i), "id", STR("?"))));
    }
}

static void save(struct chat *c, struct str path)
{
    struct buf text;
    char *name = str_dup(path);
    buf_init(&text, SIZE_MAX / 2);
    FILE *f = path.len ? fopen(name, "w") : NULL;
    int err = path.len ? 0 : ERR_INVALID;
    if (!err) err = f ? talk_write(&c->talk, &text, false) : -errno;
    if (!err) err = buf_append(&text, STR("\n"));
    if (!err && fwrite(buf_str(&text).ptr, 1, buf_len(&text), f) != buf_len(&text)) err = -EIO;
    if (f && fclose(f) && !err) err = -errno;
    if (path.len == 0)
        print_note(c, "name a file: /save talk.json");
    else if (err)
        print_note(c, "cannot write %s: %s", name, err_text(err));
    else
        print_note(c, "saved to %s", name);
    buf_fini(&text);
    free(name);
}

static void run_command(struct chat *c, struct str line)
{
    struct str rest = line;
    struct str name;
    str_cut(&rest, ' ', &name);
    rest = str_trim(rest);
    if (str_eq(name, STR("/quit")) || str_eq(name, STR("/exit"))) {
        c->input_ended = true;
        buf_clear(&c->input);
    } else if (str_eq(name, STR("/help"))) {
        fputs(commands_help, c->terminal ? stdout : stderr);
    } else if (str_eq(name, STR("/reset"))) {
        talk_reset(&c->talk);
        print_note(c, "the conversation is forgotten");
    } else if (str_eq(name, STR("/system"))) {
        talk_set_system(&c->talk, rest);
        print_note(c, rest.len ? "system message set" : "no system message");
    } else if (str_eq(name, STR("/save"))) {
        save(c, rest);
    } else if (str_eq(name, STR("/model")) && rest.len) {
        talk_set_model(&c->talk, rest);
        print_note(c, "talking to %s", c->talk.model);
    } else if (str_eq(name, STR("/model"))) {
        show_models(c);
    } else {
        print_note(c, "no such command; /help lists them");
    }
}

/* --- lines --- */

/* Adds a line to the message. True when it is complete: a trailing backslash asks for more. */
static bool add_line(struct chat *c, struct str text)
{
    bool more = str_ends(text, STR("\\"));
    if (more) text.len--;
    int err = buf_append(&c->line, text);
    if (!err && more) err = buf_append(&c->line, STR("\n"));
    if (err) {
        print_note(c, "hostler %s: the message is too long", c->options->command);
        buf_clear(&c->line);
    }
    return !err && !more;
}

/* Takes whole lines off the input until a message is complete. False: there are too few. */
static bool take_lines(struct chat *c)
{
    bool complete = false;
    while (!complete) {
        struct str all = buf_str(&c->input);
        ptrdiff_t end = str_find_char(all, '\n');
        if (end < 0 && !(c->input_ended && all.len)) return false;
        size_t len = end < 0 ? all.len : (size_t)end;
        complete = add_line(c, str_sub(all, 0, len));
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
        print_note(c, "hostler %s: the message is too long", c->options->command);
        buf_clear(&c->input);
        return true;
    }
    ssize_t n = read(c->input_fd, room, 4096);
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
    loop_wake(c->loop, &c->task);
}

static void take_message(struct chat *c)
{
    struct str text = str_trim(buf_str(&c->line));
    bool lines = str_find_char(text, '\n') >= 0; /* which no command has */
    bool asks = text.len > 0 && (text.ptr[0] != '/' || lines);
    if (asks) {
        c->last = '\n';
        talk_ask(&c->talk, text);
    } else if (text.len > 0) {
        run_command(c, text);
    }
    buf_clear(&c->line);
}

static void on_task(struct task *task)
{
    struct chat *c = CONTAINER_OF(task, struct chat, task);
    while (!c->talk.busy) {
        if (take_lines(c))
            take_message(c);
        else if (c->input_ended) {
            loop_stop(c->loop);
            return;
        } else if (c->input_watch || !read_input(c)) {
            return; /* on_readable comes */
        }
    }
}

/* Ctrl-C while no answer comes: what is typed is forgotten. Twice with nothing typed leaves. */
static void give_up_line(struct chat *c, bool typed)
{
    typed = typed || buf_len(&c->line) || buf_len(&c->input);
    buf_clear(&c->line);
    buf_clear(&c->input);
    if (!typed && !c->warned) print_note(c, "Ctrl-C again or /quit leaves");
    c->input_ended = !typed && c->warned;
    c->warned = !typed;
}

static bool cancel_answer(void *owner)
{
    struct chat *c = owner;
    bool busy = c->talk.busy;
    talk_cancel(&c->talk);
    return busy;
}

static void on_interrupt(void *owner, int signum UNUSED)
{
    struct chat *c = owner;
    if (cancel_answer(c)) return;
    if (c->editor) {
        editor_interrupt(c->editor);
    } else {
        give_up_line(c, false);
        loop_wake(c->loop, &c->task);
    }
}

/* --- at a terminal --- */

static const struct editor_owner editor_functions = {.on_interrupt = cancel_answer};

static void recall(void *owner, struct str line)
{
    struct chat *c = owner;
    editor_remember(c->editor, line);
}

/* A chat is possible without. */
static void judge_history(struct chat *c, int err)
{
    if (!err) return;
    if (c->history.path)
        print_note(c, "what you type is not kept: %s: %s", c->history.path, err_text(err));
    else
        print_note(c, "what you type is not kept: neither XDG_STATE_HOME nor HOME says where");
    history_file_close(&c->history);
}

static void begin_history(struct chat *c)
{
    if (!c->options->no_history) judge_history(c, history_file_open(&c->history, recall, c));
}

static void remember(struct chat *c, struct str line)
{
    if (str_trim(line).len) judge_history(c, history_file_add(&c->history, line));
}

/* True when a message is complete. */
static bool edit_line(struct chat *c)
{
    struct str line;
    switch (editor_line(c->editor, buf_len(&c->line) ? "... " : "> ", &line)) {
    case EDITOR_LINE:
        c->warned = false;
        remember(c, line);
        return add_line(c, line);
    case EDITOR_INTERRUPTED: give_up_line(c, line.len > 0); break;
    case EDITOR_EOF:
        c->input_ended = true;
        fputc('\n', stdout);
        break;
    }
    return false;
}

static void converse_at_terminal(struct chat *c)
{
    const char *where = c->options->place;
    print_note(c, "%s%s%s; /help lists the commands", c->talk.model, where ? ", " : " at ",
               where ? where : c->remote.text);
    begin_history(c);
    while (!c->input_ended) {
        if (!edit_line(c)) continue;
        take_message(c);
        editor_listen(c->editor);
        if (c->talk.busy) loop_run(c->loop);
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
    c->one_shot = true;
    c->last = '\n';
    c->failed = question.len == 0;
    if (c->failed) {
        print_note(c, "hostler %s: the question is empty", c->options->command);
        return;
    }
    talk_ask(&c->talk, question);
    loop_run(c->loop);
}

static void converse(struct chat *c)
{
    c->terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    if (c->terminal) c->editor = editor_new(c->loop, &editor_functions, c);
    if (c->editor) {
        converse_at_terminal(c);
        return;
    }
    /* A plain file cannot be watched; it is read when a line is wanted. */
    if (fd_watch_open(c->loop, STDIN_FILENO, on_readable, c, &c->input_watch))
        c->input_watch = NULL;
    loop_wake(c->loop, &c->task);
    loop_run(c->loop);
}

static int run(struct chat *c)
{
    const struct chat_options *o = c->options;
    struct str model = str_of(o->model);
    bool listed = !model.ptr || !o->message;
    if (listed && remote_models(&c->remote, o->command, &c->arena, &c->models)) return CLI_FAILED;
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
    struct chat c = {.options = o, .input_fd = STDIN_FILENO, .colours = isatty(STDOUT_FILENO)};
    if (remote_init(&c.remote, o->command, o->url, o->key)) return CLI_USAGE;
    cli_prepare_process();
    int err = loop_new_real(&c.loop);
    if (err) return cli_fail(o->command, "%s", err_text(err));
    arena_init(&c.arena, SIZE_MAX, 4096);
    buf_init(&c.input, LINE_MAX);
    buf_init(&c.line, LINE_MAX);
    task_init(&c.task, on_task);
    talk_init(&c.talk, &c.remote, c.loop, &talk_functions, &c);
    err = signal_watch_open(c.loop, SIGINT, on_interrupt, &c, &c.interrupt);
    int code = err ? cli_fail(o->command, "%s", err_text(err)) : run(&c);
    editor_free(c.editor);
    history_file_close(&c.history);
    if (c.input_watch) fd_watch_close(c.input_watch);
    if (c.interrupt) signal_watch_close(c.interrupt);
    if (c.input_fd != STDIN_FILENO) close(c.input_fd);
    task_cancel(&c.task);
    talk_fini(&c.talk);
    loop_free(c.loop);
    buf_fini(&c.input);
    buf_fini(&c.line);
    arena_fini(&c.arena);
    remote_fini(&c.remote);
    return code;
}

/* --- the command --- */

static const struct option options[] = {
    {"url", required_argument, NULL, 'u'},
    {"key", required_argument, NULL, 'k'},
    {"system", required_argument, NULL, 's'},
    {"message", required_argument, NULL, 'm'},
    {"no-history", no_argument, NULL, 'H'},
    {"help", no_argument, NULL, 'h'},
    {0},
};

static int parse(int argc, char **argv, struct chat_options *o)
{
    int opt;
    optind = 1;
    while ((opt = getopt_long(argc, argv, "m:", options, NULL)) != -1) {
        switch (opt) {
        case 'u': o->url = optarg; break;
        case 'k': o->key = optarg; break;
        case 's': o->system = optarg; break;
        case 'm': o->message = optarg; break;
        case 'H': o->no_history = true; break;
        case 'h': fputs(help, stdout); return CLI_OK;
        default: return cli_usage(command, "wrong option");
        }
    }
    if (optind < argc) o->model = argv[optind++];
    if (optind < argc) return cli_usage(command, "'%s' is one argument too many", argv[optind]);
    return -1;
}

int cmd_chat(int argc, char **argv)
{
    struct chat_options o = {.command = command};
    int code = parse(argc, argv, &o);
    return code >= 0 ? code : chat_run(&o);
}
