/* SPDX-License-Identifier: Apache-2.0 */
/* Content: a string, or blocks of many kinds. */
#include <stdio.h>

#include "base/err.h"
#include "dialect/anthropic/request_priv.h"

/* What stands for a picture where only text can. Its message follows those of all results. */
#define IMAGE_WORDS "[an image, which is in the next user message]"
#define DOCUMENT_WORDS "[a document, which is in the next user message]"

/* --- pieces --- */

static int add_text(struct content *c, struct str text)
{
    struct buf *to = &c->q->text;
    int err = buf_len(to) > c->start ? buf_append(to, STR("\n")) : 0;
    return err ? err : buf_append(to, text);
}

static void begin_part(struct json_writer *w, const char *type)
{
    json_write_object(w);
    json_write_str_member(w, "type", str_of(type));
}

/* Empty texts are nothing: some runtimes refuse them. */
static int put_words(struct content *c, struct str text)
{
    if (text.len == 0) return 0;
    if (c->form == FORM_TEXT) return add_text(c, text);
    if (c->form != FORM_PARTS) return 0;
    begin_part(c->q->w, "text");
    json_write_str_member(c->q->w, "text", text);
    json_write_object_end(c->q->w);
    return 0;
}

/* What is no text: counts it, and says so where only text can be. True: a part is to be written. */
static bool is_part(struct content *c, const char *words, int *err)
{
    c->media++;
    *err = c->form == FORM_TEXT ? put_words(c, str_of(words)) : 0;
    return c->form == FORM_PARTS || c->form == FORM_MEDIA;
}

/* A source's base64 as a URL, which is the value that is due in the chat. */
static int put_data_url(struct content *c, const struct place *at, const struct json *source)
{
    struct place inner = {.outer = at, .name = "source", .index = NO_INDEX};
    struct buf *url = &c->q->text;
    struct str type, data;
    int err = anthropic__str(c->q, &inner, source, "media_type", &type);
    if (!err) err = anthropic__str(c->q, &inner, source, "data", &data);
    if (err) return err;
    buf_clear(url);
    err = buf_append(url, STR("data:"));
    if (!err) err = buf_append(url, type);
    if (!err) err = buf_append(url, STR(";base64,"));
    if (!err) err = buf_append(url, data);
    json_write_str(c->q->w, buf_str(url));
    return err;
}

static int read_source(struct content *c, const struct place *at, const struct json *block,
                       const struct json **source, struct str *type)
{
    struct place inner = {.outer = at, .name = "source", .index = NO_INDEX};
    *source = json_get(block, "source");
    return anthropic__str(c->q, &inner, *source, "type", type);
}

static int refuse_source(struct content *c, const struct place *at, struct str type,
                         const char *known)
{
    struct place inner = {.outer = at, .name = "source", .index = NO_INDEX};
    return anthropic__refuse(c->q, &inner, "type",
                             "must be %s for this model, which cannot be given '%.*s'", known,
                             (int)MIN(type.len, (size_t)40), type.ptr);
}

/* --- blocks --- */

static int put_text(struct content *c, const struct place *at, const struct json *block)
{
    struct str text;
    int err = anthropic__str(c->q, at, block, "text", &text);
    /* Claude Code's first block of the prompt changes with each request, so that no prefix of it
     * could be cached. */
    bool billing = c->in == IN_SYSTEM && !at->outer && at->index == 0;
    if (!err && billing && str_starts(text, STR("x-anthropic-billing-header:"))) return 0;
    return err ? err : put_words(c, text);
}

static int put_image_url(struct content *c, const struct place *at, const struct json *source,
                         struct str type)
{
    struct place inner = {.outer = at, .name = "source", .index = NO_INDEX};
    struct str url;
    if (str_eq(type, STR("base64"))) return put_data_url(c, at, source);
    if (!str_eq(type, STR("url"))) return refuse_source(c, at, type, "base64 or url");
    int err = anthropic__str(c->q, &inner, source, "url", &url);
    if (!err) json_write_str(c->q->w, url);
    return err;
}

static int put_image(struct content *c, const struct place *at, const struct json *block)
{
    const struct json *source;
    struct str type;
    int err;
    if (!is_part(c, IMAGE_WORDS, &err)) return err;
    err = read_source(c, at, block, &source, &type);
    if (err) return err;
    begin_part(c->q->w, "image_url");
    json_write_key(c->q->w, "image_url");
    json_write_object(c->q->w);
    json_write_key(c->q->w, "url");
    err = put_image_url(c, at, source, type);
    if (err) return err;
    json_write_object_end(c->q->w);
    json_write_object_end(c->q->w);
    return 0;
}

static int put_file(struct content *c, const struct place *at, const struct json *source,
                    struct str title)
{
    int err;
    if (!is_part(c, DOCUMENT_WORDS, &err)) return err;
    begin_part(c->q->w, "file");
    json_write_key(c->q->w, "file");
    json_write_object(c->q->w);
    json_write_str_member(c->q->w, "filename", title.len ? title : STR("document.pdf"));
    json_write_key(c->q->w, "file_data");
    err = put_data_url(c, at, source);
    if (err) return err;
    json_write_object_end(c->q->w);
    json_write_object_end(c->q->w);
    return 0;
}

/* Content within a block: a result's, a document's. */
static int put_inner(struct content *c, const struct place *at, const char *name,
                     const struct json *v)
{
    enum content_place in = c->in;
    c->in = IN_RESULT;
    int err = anthropic__put_content(c, at, name, v);
    c->in = in;
    return err;
}

static int put_source(struct content *c, const struct place *at, const struct json *source,
                      struct str type, struct str title)
{
    struct place inner = {.outer = at, .name = "source", .index = NO_INDEX};
    struct str text;
    if (str_eq(type, STR("base64"))) return put_file(c, at, source, title);
    if (str_eq(type, STR("content")))
        return put_inner(c, &inner, "content", json_get(source, "content"));
    if (!str_eq(type, STR("text"))) return refuse_source(c, at, type, "base64, text or content");
    int err = anthropic__str(c->q, &inner, source, "data", &text);
    return err ? err : put_words(c, text);
}

static int put_document(struct content *c, const struct place *at, const struct json *block)
{
    const struct json *source;
    struct str type, title = STR(""), context = STR("");
    int err = read_source(c, at, block, &source, &type);
    if (!err) err = anthropic__str_or(c->q, at, block, "title", &title);
    if (!err) err = anthropic__str_or(c->q, at, block, "context", &context);
    if (!err) err = put_words(c, title);
    if (!err) err = put_words(c, context);
    return err ? err : put_source(c, at, source, type, title);
}

static int put_search_result(struct content *c, const struct place *at, const struct json *block)
{
    struct str title = STR(""), source = STR("");
    int err = anthropic__str_or(c->q, at, block, "title", &title);
    if (!err) err = anthropic__str_or(c->q, at, block, "source", &source);
    if (!err) err = put_words(c, title);
    if (!err) err = put_words(c, source);
    return err ? err : put_inner(c, at, "content", json_get(block, "content"));
}

/* What was said before, in short; null where making it failed. */
static int put_compaction(struct content *c, const struct place *at, const struct json *block)
{
    struct str text = STR("");
    int err = anthropic__str_or(c->q, at, block, "content", &text);
    return err ? err : put_words(c, text);
}

/* --- results of tools --- */

int anthropic__error_prefix(struct request *q, const struct place *at, const struct json *result,
                            struct str *out)
{
    bool failed = false;
    int err = anthropic__flag_or(q, at, result, "is_error", &failed);
    *out = failed ? STR("Error: ") : STR("");
    return err;
}

static int put_result_title(struct content *c, const struct place *at, const char *words,
                            const struct json *block)
{
    char title[160];
    struct str id;
    int err = anthropic__str(c->q, at, block, "tool_use_id", &id);
    if (err) return err;
    int n = snprintf(title, sizeof title, "%s %.*s:", words, (int)MIN(id.len, (size_t)80), id.ptr);
    return put_words(c, str_n(title, (size_t)n));
}

/* A result whose text is in a message of its own: what is no text follows here. */
static int put_result_media(struct content *c, const struct place *at, const struct json *block)
{
    struct content inner = *c;
    const struct json *content = json_get(block, "content");
    inner.form = FORM_COUNT;
    inner.media = 0;
    c->answered++;
    int err = put_inner(&inner, at, "content", content);
    c->media += inner.media;
    if (err || c->form != FORM_PARTS || inner.media == 0) return err;
    err = put_result_title(c, at, "With the result of the tool call", block);
    inner.form = FORM_MEDIA;
    return err ? err : put_inner(&inner, at, "content", content);
}

/* A result of no call that is there, as after a history was cut, is a text. */
static int put_result(struct content *c, const struct place *at, const struct json *block)
{
    struct str prefix;
    if (c->has_message && c->has_message[at->index]) return put_result_media(c, at, block);
    int err = put_result_title(c, at, "The result of the tool call", block);
    if (!err) err = anthropic__error_prefix(c->q, at, block, &prefix);
    if (!err) err = put_words(c, prefix);
    return err ? err : put_inner(c, at, "content", json_get(block, "content"));
}

/* What a search for tools has found: the tool itself is in the list. */
static int put_reference(struct content *c, const struct place *at, const struct json *block)
{
    char words[200];
    struct str name;
    int err = anthropic__str(c->q, at, block, "tool_name", &name);
    if (err) return err;
    int n = snprintf(words, sizeof words, "The tool %.*s can be called now.",
                     (int)MIN(name.len, (size_t)128), name.ptr);
    return put_words(c, str_n(words, (size_t)n));
}

/* --- all kinds --- */

enum { IN_TURNS = IN_USER | IN_ASSISTANT, IN_ANSWERS = IN_USER | IN_RESULT };

static const struct kind {
    struct str type;
    unsigned in; /* where it may be, as bits */
    int (*put)(struct content *c, const struct place *at, const struct json *block);
    const char *drop; /* put NULL: as what it is left out; NULL: others read it */
} kinds[] = {
    {STR_INIT("text"), IN_SYSTEM | IN_TURNS | IN_RESULT, put_text, NULL},
    {STR_INIT("image"), IN_ANSWERS, put_image, NULL},
    {STR_INIT("document"), IN_ANSWERS, put_document, NULL},
    {STR_INIT("search_result"), IN_ANSWERS, put_search_result, NULL},
    {STR_INIT("tool_result"), IN_USER, put_result, NULL},
    {STR_INIT("compaction"), IN_TURNS, put_compaction, NULL},
    {STR_INIT("tool_use"), IN_ASSISTANT, NULL, NULL},
    {STR_INIT("thinking"), IN_ASSISTANT, NULL, NULL},
    {STR_INIT("redacted_thinking"), IN_ASSISTANT, NULL, "redacted_thinking"},
    {STR_INIT("tool_reference"), IN_ANSWERS, put_reference, NULL},
    {STR_INIT("browser_state"), IN_RESULT, NULL, "browser_state"},
    {STR_INIT("tool_addition"), IN_SYSTEM | IN_USER, NULL, "tool_addition"},
    {STR_INIT("tool_removal"), IN_SYSTEM | IN_USER, NULL, "tool_removal"},
    {STR_INIT("container_upload"), IN_TURNS, NULL, "container_upload"},
    {STR_INIT("server_tool_use"), IN_TURNS, NULL, "server_tool_use"},
    {STR_INIT("mcp_tool_use"), IN_TURNS, NULL, "mcp_tool_use"},
    {STR_INIT("mcp_tool_listing"), IN_TURNS, NULL, "mcp_tool_listing"},
};

static int drop(struct content *c, const char *what)
{
    pivot_drop(c->q->t, what);
    return 0;
}

/* What is in no row: what servers did for themselves has no place in a chat, nor what an assistant
 * said in a way that is not known here. A user's words are not lost in silence. */
static int put_unknown(struct content *c, const struct place *at, struct str type)
{
    if (c->in & IN_TURNS && str_ends(type, STR("_tool_result")))
        return drop(c, "server tool results");
    if (c->in == IN_ASSISTANT) return drop(c, "unknown blocks");
    return anthropic__refuse(c->q, at, "type",
                             "must be a kind of content that is known here, not '%.*s'",
                             (int)MIN(type.len, (size_t)40), type.ptr);
}

static int put_block(struct content *c, const struct place *at, const struct json *block)
{
    static const char *const dropped[] = {"cache_control", "citations", NULL};
    struct str type;
    int err = anthropic__str(c->q, at, block, "type", &type);
    if (err) return err;
    anthropic__drop(c->q, block, dropped);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        const struct kind *k = &kinds[i];
        if (!(k->in & c->in) || !str_eq(k->type, type)) continue;
        if (k->put) return k->put(c, at, block);
        return k->drop ? drop(c, k->drop) : 0;
    }
    return put_unknown(c, at, type);
}

static int put_blocks(struct content *c, const struct place *outer, const char *name,
                      const struct json *list)
{
    struct json_iter it = {0};
    const struct json *block;
    int err = 0;
    for (size_t i = 0; !err && json_next_item(list, &it, &block); i++) {
        struct place at = {.outer = outer, .name = name, .index = i};
        err = json_type(block) == JSON_OBJECT
                  ? put_block(c, &at, block)
                  : anthropic__refuse(c->q, &at, NULL, "must be an object");
    }
    return err;
}

int anthropic__put_content(struct content *c, const struct place *at, const char *name,
                           const struct json *v)
{
    struct str text;
    if (json_to_str(v, &text)) return put_words(c, text);
    if (json_type(v) == JSON_ARRAY) return put_blocks(c, at, name, v);
    if (c->in == IN_RESULT && anthropic__absent(v)) return 0;
    return anthropic__refuse(c->q, at, name, "must be a string or a list of blocks");
}

int anthropic__put_text(struct content *c, const struct place *at, const char *name,
                        struct str prefix, const struct json *v)
{
    buf_clear(&c->q->text);
    c->form = FORM_TEXT;
    c->start = prefix.len;
    int err = buf_append(&c->q->text, prefix);
    return err ? err : anthropic__put_content(c, at, name, v);
}
