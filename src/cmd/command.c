/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/command.h"

#include <assert.h>
#include <getopt.h>
#include <string.h>

#include "base/nearest.h"
#include "cmd/cli.h"

const struct cli_option cli_help_option = {CLI_HELP, 'h',  "help",     NULL,
                                           CLI_TEXT, NULL, "this text"};

enum { ROWS_MAX = 96, LABEL_MAX = 64, LABEL_WIDE = 24 };

bool cli_row(const struct cli_command *c, size_t i, struct cli_option *out)
{
    if (i < c->option_count) {
        *out = c->options[i];
        return true;
    }
    i -= c->option_count;
    if (!c->more || !c->more(i, out)) return false;
    out->id = CLI_MORE + (int)i;
    return true;
}

void cli_option_name(const struct cli_option *row, char out[CLI_NAME_SIZE])
{
    snprintf(out, CLI_NAME_SIZE, "%s", row->name);
    for (char *c = out; *c; c++)
        if (*c == '_') *c = '-';
}

static const char *last_word(const char *name)
{
    const char *blank = strrchr(name, ' ');
    return blank ? blank + 1 : name;
}

static struct str command_candidate(const void *ctx, size_t i)
{
    const struct cli_command *const *list = ctx;
    return str_of(last_word(list[i]->name));
}

const char *cli_near_command(const struct cli_command *const *list, const char *word)
{
    size_t count = 0;
    while (list[count])
        count++;
    return nearest_word(str_of(word), command_candidate, list, count).ptr;
}

/* --- reading a command line --- */

/* The rows as getopt has them. */
struct getopt_table {
    struct option options[ROWS_MAX + 2];
    size_t count; /* of options, --help included */
    char names[ROWS_MAX][CLI_NAME_SIZE];
    bool shown[ROWS_MAX + 1]; /* no old name */
    char letters[2 * ROWS_MAX + 4];
};

static void make_table(const struct cli_command *c, struct getopt_table *t)
{
    struct cli_option row;
    size_t n = 0, l = 0;
    t->letters[l++] = ':'; /* a missing value is told from an unknown option */
    for (size_t i = 0; cli_row(c, i, &row); i++) {
        if (!row.name) continue;
        assert(n < ROWS_MAX);
        cli_option_name(&row, t->names[n]);
        t->shown[n] = row.help;
        int takes = row.value ? required_argument : no_argument;
        t->options[n] = (struct option){t->names[n], takes, NULL, row.id};
        n++;
        if (!row.letter) continue;
        t->letters[l++] = row.letter;
        if (row.value) t->letters[l++] = ':';
    }
    t->shown[n] = true;
    t->options[n++] = (struct option){"help", no_argument, NULL, CLI_HELP};
    t->options[n] = (struct option){0};
    t->count = n;
    t->letters[l++] = CLI_HELP;
    t->letters[l] = '\0';
}

struct cli_words cli_words(const struct cli_command *c, int argc, char **argv)
{
    optind = 0; /* glibc's word for a command line that begins anew */
    opterr = 0;
    return (struct cli_words){.command = c, .argc = argc, .argv = argv, .code = -1};
}

static struct str option_candidate(const void *ctx, size_t i)
{
    const struct getopt_table *t = ctx;
    return t->shown[i] ? str_of(t->options[i].name) : STR("");
}

static int refuse(const struct cli_command *c, const struct getopt_table *t, const char *word)
{
    const char *stray = c->stray ? c->stray : "";
    struct str text = str_of(word), name;
    if (!str_starts(text, STR("--")))
        return cli_usage(c->name, "there is no option -%c%s", optopt ? optopt : word[1], stray);
    text = str_skip(text, 2);
    bool any = str_cut(&text, '=', &name);
    assert(any);
    struct str near = nearest_word(name, option_candidate, t, t->count);
    if (near.len)
        return cli_usage(c->name, "there is no option --%" STR_FMT "; did you mean --%" STR_FMT "?",
                         STR_ARG(name), STR_ARG(near));
    return cli_usage(c->name, "there is no option --%" STR_FMT "%s", STR_ARG(name), stray);
}

/* The name of the row with that id; the first one, which is not an old name. */
static const char *name_of(const struct cli_command *c, int id)
{
    struct cli_option row;
    for (size_t i = 0; cli_row(c, i, &row); i++)
        if (row.name && row.id == id) return row.name;
    return "help";
}

/* The table tells getopt what is known; what it found wrong is said here. */
static int wrong(const struct cli_words *w, const struct getopt_table *t, int found)
{
    const char *word = w->argv[MAX(optind - 1, 1)];
    if (found == ':') return cli_usage(w->command->name, "%s needs a value", word);
    bool known = false;
    for (size_t i = 0; t->options[i].name && !known; i++)
        known = optopt && t->options[i].val == optopt;
    if (known && str_starts(str_of(word), STR("--")) && strchr(word, '='))
        return cli_usage(w->command->name, "%s takes no value", word);
    return refuse(w->command, t, word);
}

bool cli_next(struct cli_words *w)
{
    struct getopt_table t;
    if (w->code >= 0) return false;
    make_table(w->command, &t);
    w->option = getopt_long(w->argc, w->argv, t.letters, t.options, NULL);
    if (w->option == -1) return false;
    if (w->option == '?' || w->option == ':') {
        w->code = wrong(w, &t, w->option);
        return false;
    }
    if (w->option == CLI_HELP) {
        cli_print_help(stdout, w->command);
        w->code = CLI_OK;
        return false;
    }
    w->value = optarg;
    w->name = name_of(w->command, w->option);
    return true;
}

/* Appends all values, where they are a list. */
static int name_values(const struct cli_option *row, struct buf *out)
{
    const char *value;
    int err = 0;
    for (size_t i = 0; !err && row->value_at && (value = row->value_at(row->id, i)) != NULL; i++)
        err = buf_printf(out, "%s%s", i ? ", " : "; it is one of ", value);
    return err;
}

static int refuse_value(const struct cli_words *w)
{
    struct cli_option row;
    struct buf known;
    int err = 0;
    buf_init(&known, 4096);
    for (size_t i = 0; !err && cli_row(w->command, i, &row); i++)
        if (row.name && row.id == w->option) err = name_values(&row, &known);
    int code = cli_usage(w->command->name, "--%s cannot be '%s'%" STR_FMT, w->name,
                         w->value ? w->value : "", STR_ARG(buf_str(&known)));
    buf_fini(&known);
    return code;
}

int cli_read(struct cli_words *w, bool (*set)(void *owner, int option, char *value), void *owner)
{
    while (cli_next(w))
        if (!set(owner, w->option, w->value)) w->code = refuse_value(w);
    return w->code;
}

/* --- help --- */

static void make_label(const struct cli_option *row, char room[LABEL_MAX])
{
    char name[CLI_NAME_SIZE];
    if (!row->name) {
        snprintf(room, LABEL_MAX, "%s", row->value);
        return;
    }
    char letter[] = {'-', row->letter, ',', ' ', '\0'};
    cli_option_name(row, name);
    snprintf(room, LABEL_MAX, "%s--%s%s%s", row->letter ? letter : "    ", name,
             row->value ? " " : "", row->value ? row->value : "");
}

/* How wide the labels are, but for those too wide to share a line with their text. */
static int label_width(const struct cli_command *c)
{
    struct cli_option row;
    int width = 10;
    for (size_t i = 0; cli_row(c, i, &row); i++) {
        char label[LABEL_MAX];
        if (!row.help) continue;
        make_label(&row, label);
        int len = (int)strlen(label);
        if (len <= LABEL_WIDE) width = MAX(width, len);
    }
    return width;
}

/* Text with its further lines under the first one. */
static void print_lines(FILE *to, const char *text, int indent)
{
    struct str rest = str_of(text), line;
    for (bool first = true; str_cut(&rest, '\n', &line); first = false)
        fprintf(to, "%*s%" STR_FMT "\n", first ? 0 : indent, "", STR_ARG(line));
}

static void print_values(FILE *to, const struct cli_option *row, int indent)
{
    const char *value;
    if (!row->value_at) return;
    fprintf(to, "%*s", indent - 1, "");
    for (size_t i = 0; (value = row->value_at(row->id, i)) != NULL; i++)
        fprintf(to, "%s %s", i ? "," : "", value);
    fputc('\n', to);
}

static void print_row(FILE *to, const struct cli_option *row, int width)
{
    char label[LABEL_MAX];
    if (!row->help) return;
    make_label(row, label);
    if ((int)strlen(label) > width)
        fprintf(to, "  %s\n  %*s  ", label, width, "");
    else
        fprintf(to, "  %-*s  ", width, label);
    print_lines(to, row->help, width + 4);
    print_values(to, row, width + 4);
}

static void print_usage(FILE *to, const struct cli_command *c)
{
    struct str rest = str_of(c->usage), line;
    for (bool first = true; str_cut(&rest, '\n', &line); first = false)
        fprintf(to, "%s hostler %s%s%" STR_FMT "\n", first ? "Usage:" : "      ", c->name,
                line.len ? " " : "", STR_ARG(line));
}

static void print_rows(FILE *to, const struct cli_command *c)
{
    struct cli_option row;
    int width = label_width(c);
    for (size_t i = 0; i < c->option_count; i++)
        print_row(to, &c->options[i], width);
    print_row(to, &cli_help_option, width);
    if (!c->more) return;
    fprintf(to, "\n%s\n", c->more_text);
    for (size_t i = c->option_count; cli_row(c, i, &row); i++)
        print_row(to, &row, width);
}

void cli_print_help(FILE *to, const struct cli_command *c)
{
    print_usage(to, c);
    fprintf(to, "\n%s\n\n", c->text);
    if (c->parts) {
        cli_print_commands(to, c->parts);
        fprintf(to, "\nhostler %s %s --help explains one of them.\n\n", c->name,
                last_word(c->parts[0]->name));
    }
    print_rows(to, c);
    if (c->details) {
        fputc('\n', to);
        c->details(to);
    }
    if (c->notes) fprintf(to, "\n%s\n", c->notes);
    if (!c->examples) return;
    struct str rest = str_of(c->examples), line;
    fprintf(to, "\nExamples:\n");
    while (str_cut(&rest, '\n', &line))
        fprintf(to, "  %" STR_FMT "\n", STR_ARG(line));
}

void cli_print_commands(FILE *to, const struct cli_command *const *list)
{
    for (; *list; list++)
        fprintf(to, "  %-8s  %s\n", last_word((*list)->name), (*list)->about);
}

/* --- commands --- */

const struct cli_command *cli_find(const struct cli_command *const *list, const char *name)
{
    for (; *list; list++)
        if (strcmp(last_word((*list)->name), name) == 0) return *list;
    return NULL;
}

int cli_run_part(const struct cli_command *c, int argc, char **argv)
{
    struct cli_words w = cli_words(c, MIN(argc, 2), argv);
    while (cli_next(&w))
        continue;
    if (w.code >= 0) return w.code;
    if (argc < 2) return cli_usage(c->name, "say which: `hostler %s --help` lists them", c->name);
    const struct cli_command *part = cli_find(c->parts, argv[1]);
    if (part) return part->run(part, argc - 1, argv + 1);
    const char *near = cli_near_command(c->parts, argv[1]);
    return cli_usage(c->name, near ? "there is no '%s'; did you mean '%s'?" : "there is no '%s'",
                     argv[1], near);
}
