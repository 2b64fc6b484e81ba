/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/chat/template.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "engine/chat/builtin.h"
#include "engine/chat/template_priv.h"

enum { SOURCE_MAX = 1024 * 1024 };

/* How templates mark thoughts, and what in a template shows that it does. */
static const struct {
    struct str sign;
    struct reasoning_markers markers;
} known[] = {
    {STR_INIT("<|channel|>analysis<|message|>"),
     {.start = STR_INIT("<|channel|>analysis<|message|>"),
      .end = STR_INIT("<|end|>"),
      .answer = STR_INIT("<|channel|>final<|message|>"),
      .turn = STR_INIT("<|start|>assistant"),
      .spelled = true}},
#define TAGS(open, close)                                   \
    {                                                       \
        STR_INIT(close),                                    \
        {                                                   \
            .start = STR_INIT(open), .end = STR_INIT(close) \
        }                                                   \
    }
    TAGS("<think>", "</think>"),
    TAGS("<|START_THINKING|>", "<|END_THINKING|>"),
    TAGS("[THINK]", "[/THINK]"),
    TAGS("<seed:think>", "</seed:think>"),
    TAGS("<thought>", "</thought>"),
    TAGS("<reasoning>", "</reasoning>"),
#undef TAGS
};

static int32_t control_of(const struct vocab *vocab, struct str name)
{
    const struct vocab_special *s = vocab_special_at(vocab, name);
    return s && s->control && str_eq(s->name, name) ? s->token : -1;
}

static struct reasoning_markers markers_of(struct str text, const struct vocab *vocab)
{
    struct reasoning_markers m = {.start = STR_NULL};
    size_t count = 0;
    for (size_t i = 0; i < ARRAY_LEN(known) && !m.start.ptr; i++)
        if (str_find(text, known[i].sign) >= 0) m = known[i].markers;
    if (!m.start.ptr) return m;
    m.start_control = control_of(vocab, m.start);
    m.end_control = control_of(vocab, m.end);
    if (vocab_tokenize(vocab, m.end, false, true, m.end_tokens, REASONING_END_MAX, &count) == 0)
        m.end_token_count = (uint32_t)count;
    return m;
}

static int compile(struct str text, struct jinja **out, char why[CHAT_WHY_MAX])
{
    struct jinja_error error = {0};
    int err = jinja_compile(text, out, &error);
    if (err)
        (void)snprintf(why, CHAT_WHY_MAX, "line %u, column %u: %s", error.line, error.column,
                       error.text);
    return err;
}

/* The text of a file, to be freed. What is no file might never end. */
static int read_source(const char *path, char **out, size_t *len)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    int err = fd < 0 || fstat(fd, &st) ? -errno : 0;
    if (!err && !S_ISREG(st.st_mode)) err = ERR_INVALID;
    if (!err && st.st_size > SOURCE_MAX) err = ERR_TOO_LARGE;
    FILE *f = err ? NULL : fdopen(fd, "r");
    if (!f) {
        if (fd >= 0) close(fd);
        return err ? err : -errno;
    }
    char *text = mem_must(SOURCE_MAX);
    *len = fread(text, 1, SOURCE_MAX, f);
    if (ferror(f)) err = -EIO;
    fclose(f);
    if (err)
        free(text);
    else
        *out = text;
    return err;
}

/* `text` was compiled, unless t->why says why not. `for_tools`: what chats with tools use of it. */
static void take(struct chat_template *t, const char *name, struct str text, struct str for_tools)
{
    (void)snprintf(t->name, sizeof t->name, "%s", name);
    t->markers = markers_of(text, t->vocab);
    if (t->chat && !t->why[0]) chat__probe(t, for_tools);
}

static int take_text(struct chat_template *t, const char *name, struct str text,
                     char why[CHAT_WHY_MAX])
{
    char reason[CHAT_WHY_MAX];
    int err = compile(text, &t->chat, reason);
    take(t, name, text, text);
    if (err) (void)snprintf(why, CHAT_WHY_MAX, "%.128s: %.320s", name, reason);
    return err;
}

static int take_builtin(struct chat_template *t, struct str name, const char *called,
                        char why[CHAT_WHY_MAX])
{
    const struct chat_builtin *b = chat_builtin(name);
    if (b) return take_text(t, called, str_of(b->text), why);
    (void)snprintf(why, CHAT_WHY_MAX, "there is no chat template builtin:%.*s, only %s",
                   (int)MIN(name.len, (size_t)64), name.ptr, chat_builtin_names);
    return ERR_NOT_FOUND;
}

/* Clients are told no more of a path. */
static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static int take_file(struct chat_template *t, const char *path, char why[CHAT_WHY_MAX])
{
    char *text = NULL;
    size_t len = 0;
    int err = read_source(path, &text, &len);
    if (err)
        (void)snprintf(why, CHAT_WHY_MAX, "the chat template %.300s cannot be read: %s", path,
                       err_text(err));
    else
        err = take_text(t, base_name(path), str_n(text, len), why);
    free(text);
    return err;
}

/* The file's own; one that cannot be used is told when somebody wants to chat. */
static int take_own(struct chat_template *t, const struct model_info *model, char why[CHAT_WHY_MAX])
{
    if (!model->chat_template)
        return take_builtin(t, STR("chatml"), "builtin:chatml, since the model has none", why);
    struct str text = str_of(model->chat_template), for_tools = text;
    int err = compile(text, &t->chat, t->why);
    if (!err && model->tool_template) {
        for_tools = str_of(model->tool_template);
        err = compile(for_tools, &t->tools, t->why);
    }
    take(t, "the model's", text, for_tools);
    return 0;
}

int chat_template_new(const struct chat_template_options *options, const struct model_info *model,
                      const struct vocab *vocab, struct chat_template **out, char why[CHAT_WHY_MAX])
{
    static const struct str builtin = STR_INIT("builtin:");
    struct chat_template *t = mem_must_zero(1, sizeof *t);
    struct str source = str_of(options->source);
    int err;
    t->vocab = vocab;
    t->bos = vocab_info(vocab)->bos_name;
    t->eos = vocab_info(vocab)->eos_name;
    if (options->text)
        err = take_text(t, "template_text", str_of(options->text), why);
    else if (str_starts(source, builtin))
        err = take_builtin(t, str_skip(source, builtin.len), options->source, why);
    else if (source.len)
        err = take_file(t, options->source, why);
    else
        err = take_own(t, model, why);
    if (err) {
        chat_template_free(t);
        return err;
    }
    if (options->no_reasoning) t->markers = (struct reasoning_markers){.start = STR_NULL};
    *out = t;
    return 0;
}

void chat_template_free(struct chat_template *t)
{
    if (!t) return;
    jinja_free(t->chat);
    jinja_free(t->tools);
    free(t);
}

const char *chat_template_name(const struct chat_template *t)
{
    return t->name;
}

const char *chat_template_why(const struct chat_template *t)
{
    return t->why[0] ? t->why : NULL;
}

const struct reasoning_markers *chat_template_markers(const struct chat_template *t)
{
    return &t->markers;
}

const struct call_marks *chat_template_calls(const struct chat_template *t)
{
    return &t->calls;
}
