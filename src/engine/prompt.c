/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/prompt.h"

#include <string.h>

#include "base/err.h"
#include "base/utf8.h"

enum { GUARDED_MAX = 16 }; /* templates use a few */

struct prompt_span {
    struct str text; /* with a token: no text */
    int32_t token;   /* -1: text */
    bool reads;      /* control tokens' names in the text are read as these */
};

static struct str trim_left(struct str s)
{
    while (s.len && strchr(" \t\n\v\f\r", s.ptr[0]) && s.ptr[0])
        s = str_skip(s, 1);
    return s;
}

/* --- special tokens --- */

/* The first one in `text`; *at is where. */
static const struct vocab_special *find_special(const struct vocab *vocab, struct str text,
                                                size_t *at)
{
    for (size_t i = 0; i < text.len; i++) {
        const struct vocab_special *found = vocab_special_at(vocab, str_skip(text, i));
        if (!found) continue;
        *at = i;
        return found;
    }
    return NULL;
}

static bool begins_with_token(const struct vocab *vocab, struct str text, int32_t token)
{
    const struct vocab_special *s = vocab_special_at(vocab, text);
    return s && s->token == token;
}

/* --- spans --- */

/* What spans are made with. */
struct builder {
    struct prompt *prompt;
    struct arena *arena;
    char *text; /* all runs, one after the other */
    size_t len;
    size_t run;                      /* where the present run begins */
    size_t cap;                      /* spans */
    bool full;                       /* the arena is, and nothing more is added */
    bool trims;                      /* the token before takes the white space behind it away */
    struct str guarded[GUARDED_MAX]; /* names that a run must not hold whole */
    size_t guarded_count;
};

static void add_span(struct builder *b, struct prompt_span span)
{
    struct prompt *p = b->prompt;
    if (p->span_count == b->cap) {
        size_t cap = MAX((size_t)16, 2 * b->cap);
        struct prompt_span *more = arena_try(b->arena, cap * sizeof *more);
        if (!more) {
            b->full = true;
            return;
        }
        if (b->cap) memcpy(more, p->spans, p->span_count * sizeof *more);
        p->spans = more;
        b->cap = cap;
    }
    p->spans[p->span_count++] = span;
    p->left += span.text.len;
}

/* Where the first guarded name begins; -1: there is none. */
static ptrdiff_t find_guarded(const struct builder *b, struct str text)
{
    ptrdiff_t first = -1;
    for (size_t i = 0; i < b->guarded_count; i++) {
        ptrdiff_t at = str_find(text, b->guarded[i]);
        if (at >= 0 && (first < 0 || at < first)) first = at;
    }
    return first;
}

/* A guarded name that a run has whole is not the template's, which has its own as tokens: it came
 * with a content, or was put together of both. It is cut in two. */
static void end_run(struct builder *b)
{
    struct str text = str_n(b->text + b->run, b->len - b->run);
    ptrdiff_t at;
    while ((at = find_guarded(b, text)) >= 0) {
        add_span(b, (struct prompt_span){str_sub(text, 0, (size_t)at + 1), -1, false});
        text = str_skip(text, (size_t)at + 1);
    }
    if (text.len) add_span(b, (struct prompt_span){text, -1, false});
    b->run = b->len;
}

static void add_run(struct builder *b, struct str text)
{
    if (b->trims) text = trim_left(text);
    if (!text.len) return;
    b->trims = false;
    memcpy(b->text + b->len, text.ptr, text.len);
    b->len += text.len;
}

static void add_special(struct builder *b, const struct vocab_special *s)
{
    end_run(b);
    add_span(b, (struct prompt_span){STR_NULL, s->token, false});
    b->trims = s->strips;
}

static void add_template(struct builder *b, struct str text)
{
    const struct vocab_special *s;
    size_t at;
    while ((s = find_special(b->prompt->vocab, text, &at))) {
        add_run(b, str_sub(text, 0, at));
        add_special(b, s);
        text = str_skip(text, at + s->name.len);
    }
    add_run(b, text);
}

static bool is_guarded(const struct builder *b, struct str name)
{
    for (size_t i = 0; i < b->guarded_count; i++)
        if (str_eq(b->guarded[i], name)) return true;
    return false;
}

/* Special tokens that are read in every text are like control tokens where the template uses them:
 * their names in contents are cut in two. ERR_UNSUPPORTED: too many. */
static int guard(struct builder *b, struct str rendered)
{
    const struct vocab_special *s;
    size_t at;
    while ((s = find_special(b->prompt->vocab, rendered, &at))) {
        rendered = str_skip(rendered, at + s->name.len);
        if (s->control || s->name.len < 2 || is_guarded(b, s->name)) continue;
        if (b->guarded_count == GUARDED_MAX) return ERR_UNSUPPORTED;
        b->guarded[b->guarded_count++] = s->name;
    }
    return 0;
}

/* --- parts --- */

/* Refuses what cannot have room before anything is done with it. */
static int begin(struct prompt *p, const struct vocab *vocab, size_t bytes, size_t room)
{
    *p = (struct prompt){.vocab = vocab, .room = room};
    p->count = bytes / vocab_info(vocab)->piece_max;
    if (p->count > room) return ERR_TOO_LARGE;
    p->count = 0;
    return 0;
}

/* Memory for the tokens of what was gathered. A token has a byte and more; tokenizers that write a
 * character out in several are allowed for. */
static int end(struct builder *b)
{
    struct prompt *p = b->prompt;
    p->room = MIN(p->room, 2 * (p->left + p->span_count));
    if (!b->full) p->tokens = arena_try(b->arena, (p->room + 1) * sizeof *p->tokens);
    return p->tokens ? 0 : ERR_TOO_LARGE;
}

static int guard_parts(struct builder *b, const struct prompt_part *parts, size_t count)
{
    int err = 0;
    for (size_t i = 0; !err && i < count; i++)
        if (parts[i].own) err = guard(b, parts[i].text);
    return err;
}

static void add_part(struct builder *b, const struct prompt_part *part)
{
    if (part->token >= 0) {
        end_run(b);
        add_span(b, (struct prompt_span){STR_NULL, part->token, false});
        b->trims = false;
    } else if (part->own) {
        add_template(b, part->text);
    } else {
        add_run(b, part->text);
    }
}

static bool begins_with(const struct vocab *vocab, const struct prompt_part *part, int32_t token)
{
    return part->token == token || (part->own && begins_with_token(vocab, part->text, token));
}

int prompt_of_parts(struct prompt *p, struct arena *arena, const struct vocab *vocab,
                    const struct prompt_part *parts, size_t count, size_t room)
{
    struct builder b = {.prompt = p, .arena = arena};
    int32_t first = vocab_info(vocab)->begin;
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += parts[i].text.len;
    int err = begin(p, vocab, bytes, room);
    if (err) return err;
    b.text = arena_try(arena, bytes + 1);
    if (!b.text) return ERR_TOO_LARGE;
    err = guard_parts(&b, parts, count);
    if (err) return err;
    if (first >= 0 && !(count && begins_with(vocab, parts, first)))
        add_span(&b, (struct prompt_span){STR_NULL, first, false});
    for (size_t i = 0; i < count; i++)
        add_part(&b, &parts[i]);
    end_run(&b);
    return end(&b);
}

/* --- texts --- */

int prompt_of_text(struct prompt *p, struct arena *arena, const struct vocab *vocab,
                   struct str text, bool around, size_t room)
{
    struct builder b = {.prompt = p, .arena = arena};
    const struct vocab_info *info = vocab_info(vocab);
    int err = begin(p, vocab, text.len, room);
    if (err) return err;
    if (around && info->begin >= 0 && !begins_with_token(vocab, text, info->begin))
        add_span(&b, (struct prompt_span){STR_NULL, info->begin, false});
    if (text.len) add_span(&b, (struct prompt_span){text, -1, true});
    if (around && info->end >= 0) add_span(&b, (struct prompt_span){STR_NULL, info->end, false});
    return end(&b);
}

/* --- tokenizing --- */

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (unsigned char)c >= 0x80;
}

/* True where tokenizers end a word: before a space that a word follows, or before a comma or a full
 * stop of writings without spaces. */
static bool ends_word(struct str text, size_t at)
{
    if (text.ptr[at] == ' ') return is_letter(text.ptr[at - 1]) && is_letter(text.ptr[at + 1]);
    struct str rest = str_skip(text, at);
    return (unsigned char)text.ptr[at - 1] >= 0x80 &&
           (str_starts(rest, STR("\u3001")) || str_starts(rest, STR("\u3002")) ||
            str_starts(rest, STR("\uff0c")));
}

/* The length of the next piece of a text. */
static size_t piece_of(const struct prompt *p, struct str text)
{
    if (text.len <= PROMPT_PIECE || !vocab_info(p->vocab)->cuts_words) return text.len;
    for (size_t at = PROMPT_PIECE - 1; at > PROMPT_PIECE / 2; at--)
        if (ends_word(text, at)) return at;
    return utf8_complete(str_sub(text, 0, PROMPT_PIECE));
}

static int add_tokens(struct prompt *p, struct str text, bool reads)
{
    size_t n = 0;
    int err =
        vocab_tokenize(p->vocab, text, false, reads, p->tokens + p->count, p->room - p->count, &n);
    p->count += n;
    return err;
}

int prompt_step(struct prompt *p)
{
    size_t done = 0;
    while (p->next < p->span_count) {
        const struct prompt_span *s = &p->spans[p->next];
        struct str rest = str_skip(s->text, p->at);
        size_t len = piece_of(p, rest);
        int err = 0;
        if (done && done + len > PROMPT_PIECE) return PROMPT_MORE;
        if (s->token < 0)
            err = add_tokens(p, str_sub(rest, 0, len), s->reads);
        else if (p->count++ < p->room)
            p->tokens[p->count - 1] = s->token;
        else
            err = ERR_TOO_LARGE;
        if (err) return err;
        done += len;
        p->left -= len;
        p->at = len < rest.len ? p->at + len : 0;
        p->next += len == rest.len;
    }
    return 0;
}
