/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/editor.h"

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <wchar.h>

#include <histedit.h>

#include "base/base.h"
#include "base/mem.h"

enum { HISTORY_MAX = 1000, CTRL_C = 3 };

struct editor {
    EditLine *el;
    History *history;
    const char *prompt;
    bool interrupted;
};

static char *tell_prompt(EditLine *el)
{
    struct editor *e = NULL;
    el_get(el, EL_CLIENTDATA, &e);
    return (char *)(uintptr_t)e->prompt;
}

/* The next character: 1, or 0 at the end, which Ctrl-C is for the editor, too. */
static int read_character(EditLine *el, wchar_t *out)
{
    struct editor *e = NULL;
    mbstate_t state = {0};
    char byte;
    ssize_t n;
    el_get(el, EL_CLIENTDATA, &e);
    while ((n = read(STDIN_FILENO, &byte, 1)) == 1 || (n < 0 && errno == EINTR)) {
        if (n < 0) continue;
        size_t taken = mbrtowc(out, &byte, 1, &state);
        if (taken == (size_t)-1) state = (mbstate_t){0}; /* no UTF-8: left out */
        if (taken > 1) continue;
        e->interrupted = *out == CTRL_C;
        return !e->interrupted;
    }
    return 0;
}

struct editor *editor_new(void)
{
    HistEvent event;
    struct editor *e = mem_must_zero(1, sizeof *e);
    (void)setlocale(LC_CTYPE, "C.UTF-8");
    e->el = el_init("hostler", stdin, stdout, stderr);
    e->history = history_init();
    if (!e->el || !e->history) {
        editor_free(e);
        return NULL;
    }
    (void)history(e->history, &event, H_SETSIZE, HISTORY_MAX);
    (void)history(e->history, &event, H_SETUNIQUE, 1);
    el_set(e->el, EL_CLIENTDATA, e);
    el_set(e->el, EL_PROMPT, tell_prompt);
    el_set(e->el, EL_HIST, history, e->history);
    el_set(e->el, EL_EDITOR, "emacs");
    el_set(e->el, EL_BIND, "^R", "em-inc-search-prev", NULL);
    /* Ctrl-C comes as a key while a line is edited: a signal would not end the read. */
    el_set(e->el, EL_SETTY, "-d", "-isig", NULL);
    el_set(e->el, EL_GETCFN, read_character);
    return e;
}

void editor_free(struct editor *e)
{
    if (!e) return;
    if (e->el) el_end(e->el);
    if (e->history) history_end(e->history);
    free(e);
}

/* el_gets does that, too, but only when its prompt has been shown. */
void editor_begin(struct editor *e)
{
    el_set(e->el, EL_PREP_TERM, 1);
}

enum editor_end editor_line(struct editor *e, const char *prompt, struct str *line)
{
    HistEvent event;
    int count = 0;
    e->prompt = prompt;
    e->interrupted = false;
    el_resize(e->el);
    const char *text = el_gets(e->el, &count);
    if (e->interrupted) return EDITOR_INTERRUPTED;
    if (!text || count <= 0) return EDITOR_EOF;
    *line = str_n(text, (size_t)count);
    if (str_ends(*line, STR("\n"))) line->len--;
    if (str_trim(*line).len) (void)history(e->history, &event, H_ENTER, text);
    return EDITOR_LINE;
}
