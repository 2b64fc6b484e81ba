/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/options.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/err.h"
#include "cmd/cli.h"

const char *cmd_config_path(const char *given)
{
    static const char *const defaults[] = {"hostler.yaml", "/etc/hostler/hostler.yaml"};
    if (given) return given;
    const char *named = getenv("HOSTLER_CONFIG");
    if (named && *named) return named;
    for (size_t i = 0; i < ARRAY_LEN(defaults); i++)
        if (!access(defaults[i], F_OK)) return defaults[i];
    return NULL;
}

int cmd_config_load(const char *command, const char *given, struct conf **out)
{
    struct conf_problems problems;
    const char *path = cmd_config_path(given);
    if (!path)
        return cli_fail(command,
                        "no configuration: `hostler init` writes one; else give -c FILE, set "
                        "HOSTLER_CONFIG, or write ./hostler.yaml or "
                        "/etc/hostler/hostler.yaml");
    conf_problems_init(&problems);
    int err = conf_load(path, out, &problems);
    if (err) cmd_problems_print(stderr, "", &problems);
    conf_problems_fini(&problems);
    return err ? CLI_FAILED : CLI_OK;
}

void cmd_problems_print(FILE *to, const char *mark, const struct conf_problems *problems)
{
    for (size_t i = 0; i < problems->count; i++) {
        const struct conf_problem *p = &problems->items[i];
        fprintf(to, "%" STR_FMT ":", STR_ARG(p->file));
        if (p->line) fprintf(to, "%u:", p->line);
        if (p->setting.len) fprintf(to, " %" STR_FMT ":", STR_ARG(p->setting));
        fprintf(to, " %s%" STR_FMT "\n", mark, STR_ARG(p->text));
    }
}

int cmd_print(const char *command, int (*write)(struct buf *out), bool line_end)
{
    struct buf out;
    buf_init(&out, SIZE_MAX / 2);
    int err = write(&out);
    if (!err && line_end) err = buf_append(&out, STR("\n"));
    int code = cmd_output(command, &out, err);
    buf_fini(&out);
    return code;
}

int cmd_output(const char *command, const struct buf *text, int err)
{
    struct str s = buf_str(text);
    if (err) return cli_fail(command, "%s", err_text(err));
    if ((s.len && fwrite(s.ptr, 1, s.len, stdout) != s.len) || fflush(stdout))
        return cli_fail(command, "writing the output: %s", err_text(-errno));
    return CLI_OK;
}

struct str cmd_literal(struct arena *arena, struct str text)
{
    ptrdiff_t at = str_find(text, STR("${"));
    if (at < 0) return text;
    struct str rest = cmd_literal(arena, str_skip(text, (size_t)at + 2));
    return arena_printf(arena, "%" STR_FMT "$${%" STR_FMT, STR_ARG(str_sub(text, 0, (size_t)at)),
                        STR_ARG(rest));
}
