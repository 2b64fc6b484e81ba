/* SPDX-License-Identifier: Apache-2.0 */
/* hostler chat: a message grows by lines, and is asked or does as it commands. */
#include "cmd/chat_priv.h"

bool chat__add_line(struct chat *c, struct str text)
{
    bool more = str_ends(text, STR("\\"));
    if (more) text.len--;
    int err = buf_append(&c->line, text);
    if (!err && more) err = buf_append(&c->line, STR("\n"));
    if (err) {
        screen_note(&c->screen, "hostler %s: the message is too long", c->options->command);
        buf_clear(&c->line);
    }
    return !err && !more;
}

void chat__take_message(struct chat *c)
{
    struct str text = str_trim(buf_str(&c->line));
    bool lines = str_find_char(text, '\n') >= 0; /* which no command has */
    bool asks = text.len > 0 && (text.ptr[0] != '/' || lines);
    if (asks) {
        chat__ask(c, text);
    } else if (text.len > 0) {
        chat__command(c, text);
    }
    buf_clear(&c->line);
}

void chat__give_up_line(struct chat *c, bool typed)
{
    typed = typed || buf_len(&c->line) || buf_len(&c->input);
    buf_clear(&c->line);
    buf_clear(&c->input);
    if (!typed && !c->warned) screen_note(&c->screen, "Ctrl-C again or /quit leaves");
    c->input_ended = !typed && c->warned;
    c->warned = !typed;
}
