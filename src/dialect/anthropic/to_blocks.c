/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of a chat's messages as content blocks. */
#include "dialect/anthropic/to_messages_priv.h"

#include "base/err.h"

enum { TITLE_MAX = 500 }; /* bytes of a document's title */

const char *anthropic__path(const struct to_messages *m, const char *below)
{
    if (m->part < 0) return arena_say(m->t->arena, "messages[%zu]%s", m->message, below).ptr;
    return arena_say(m->t->arena, "messages[%zu].content[%td]%s", m->message, m->part, below).ptr;
}

/* --- text --- */

static bool is_blank(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] != ' ' && (s.ptr[i] < '\t' || s.ptr[i] > '\r')) return false;
    return true;
}

void anthropic__write_cache_control(struct json_writer *w, const struct json *from)
{
    const struct json *mark = json_get(from, "cache_control");
    if (json_type(mark) != JSON_OBJECT) return;
    json_write_key(w, "cache_control");
    json_write_json(w, mark);
}

static void begin_block(struct json_writer *w, struct str type)
{
    json_write_object(w);
    json_write_str_member(w, "type", type);
}

/* Ends a block that was made of `part`. */
static void end_block(struct json_writer *w, const struct json *part)
{
    anthropic__write_cache_control(w, part);
    json_write_object_end(w);
}

static void write_text_of(struct json_writer *w, struct str text, const struct json *part)
{
    if (is_blank(text)) return;
    begin_block(w, STR("text"));
    json_write_str_member(w, "text", text);
    end_block(w, part);
}

void anthropic__write_text(struct json_writer *w, struct str text)
{
    write_text_of(w, text, NULL);
}

static int write_text(struct to_messages *m, const struct json *part)
{
    struct str text;
    if (!json_to_str(json_get(part, "text"), &text))
        return pivot_refuse(m->t, m->why, anthropic__path(m, ".text"), "'text' must be a string.");
    write_text_of(m->w, text, part);
    return 0;
}

static int write_refusal(struct to_messages *m, const struct json *part)
{
    write_text_of(m->w, json_str_or(part, "refusal", STR("")), part);
    return 0;
}

/* --- data --- */

struct data_url {
    struct str media;
    struct str data; /* in base64 */
};

/* False: no data: URL, or one that is not in base64. */
static bool read_data_url(struct str url, struct data_url *out)
{
    struct str head;
    if (!str_starts_nocase(url, STR("data:"))) return false;
    out->data = str_skip(url, 5);
    if (!str_cut(&out->data, ',', &head) || !out->data.ptr) return false;
    if (!str_ends(head, STR(";base64"))) return false;
    return str_cut(&head, ';', &out->media);
}

static bool is_web_url(struct str url)
{
    return str_starts_nocase(url, STR("https://")) || str_starts_nocase(url, STR("http://"));
}

static void write_source(struct json_writer *w, const struct data_url *from)
{
    json_write_key(w, "source");
    json_write_object(w);
    json_write_str_member(w, "type", STR("base64"));
    json_write_str_member(w, "media_type", from->media);
    json_write_str_member(w, "data", from->data);
    json_write_object_end(w);
}

static void write_url_source(struct json_writer *w, struct str url)
{
    json_write_key(w, "source");
    json_write_object(w);
    json_write_str_member(w, "type", STR("url"));
    json_write_str_member(w, "url", url);
    json_write_object_end(w);
}

/* The media type of an image as Anthropic writes it; ptr NULL: it takes none such. */
static struct str image_type(struct str media)
{
    static const struct str known[] = {STR_INIT("image/jpeg"), STR_INIT("image/png"),
                                       STR_INIT("image/gif"), STR_INIT("image/webp")};
    if (str_eq_nocase(media, STR("image/jpg"))) return known[0];
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (str_eq_nocase(media, known[i])) return known[i];
    return STR_NULL;
}

static int refuse_image(struct to_messages *m)
{
    return pivot_refuse(m->t, m->why, anthropic__path(m, ".image_url.url"),
                        "An image must be an http(s) URL, or a JPEG, PNG, GIF or WebP as a data: "
                        "URL in base64.");
}

static int write_image(struct to_messages *m, const struct json *part)
{
    const struct json *image = json_get(part, "image_url");
    struct data_url data;
    struct str url = STR("");
    if (!json_to_str(image, &url)) url = json_str_or(image, "url", STR(""));
    bool inside = read_data_url(url, &data);
    if (inside) data.media = image_type(data.media);
    if (inside ? !data.media.ptr : !is_web_url(url)) return refuse_image(m);
    if (!str_eq(json_str_or(image, "detail", STR("auto")), STR("auto")))
        pivot_drop(m->t, "messages[].content[].image_url.detail");
    begin_block(m->w, STR("image"));
    if (inside)
        write_source(m->w, &data);
    else
        write_url_source(m->w, url);
    end_block(m->w, part);
    return 0;
}

/* --- files --- */

/* A PDF in base64, with or without a data: URL around it. */
static bool read_pdf(struct str text, struct data_url *out)
{
    if (read_data_url(text, out)) return str_eq_nocase(out->media, STR("application/pdf"));
    *out = (struct data_url){STR("application/pdf"), text};
    return str_starts(text, STR("JVBERi0")); /* "%PDF-" */
}

static int refuse_file(struct to_messages *m)
{
    return pivot_refuse(m->t, m->why, anthropic__path(m, ".file"),
                        "A file must be a PDF that is given as 'file_data' in base64, or as an "
                        "http(s) 'file_url': the runtime has no access to files by their id, and "
                        "reads no others.");
}

static int write_file(struct to_messages *m, const struct json *part)
{
    const struct json *file = json_get(part, "file");
    struct data_url data;
    struct str url = json_str_or(file, "file_url", STR(""));
    struct str title = json_str_or(file, "filename", STR(""));
    bool inside = read_pdf(json_str_or(file, "file_data", STR("")), &data);
    if (!inside && !is_web_url(url)) return refuse_file(m);
    begin_block(m->w, STR("document"));
    if (inside)
        write_source(m->w, &data);
    else
        write_url_source(m->w, url);
    if (title.len && title.len <= TITLE_MAX) json_write_str_member(m->w, "title", title);
    end_block(m->w, part);
    return 0;
}

/* --- parts --- */

static const struct part {
    struct str type;
    unsigned speakers; /* who may say it */
    int (*write)(struct to_messages *m, const struct json *part);
} parts[] = {
    {STR_INIT("text"), SAYS_SYSTEM | SAYS_USER | SAYS_ASSISTANT | SAYS_TOOL, write_text},
    {STR_INIT("refusal"), SAYS_ASSISTANT, write_refusal},
    {STR_INIT("image_url"), SAYS_USER | SAYS_TOOL, write_image},
    {STR_INIT("file"), SAYS_USER | SAYS_TOOL, write_file},
};

static int write_part(struct to_messages *m, const struct json *part, enum speaker speaker)
{
    struct str type = json_str_or(part, "type", STR(""));
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        if (str_eq(type, parts[i].type) && parts[i].speakers & speaker)
            return parts[i].write(m, part);
    return pivot_refuse(m->t, m->why, anthropic__path(m, ".type"),
                        "Parts of the type '%.*s' cannot be sent to this model's runtime here.",
                        (int)MIN(type.len, 40u), type.ptr);
}

int anthropic__write_content(struct to_messages *m, const struct json *message,
                             enum speaker speaker)
{
    const struct json *content = json_get(message, "content"), *part;
    struct json_iter it = {0};
    struct str text;
    int err = 0;
    if (json_type(content) == JSON_NONE || json_type(content) == JSON_NULL) return 0;
    if (json_to_str(content, &text)) {
        write_text_of(m->w, text, message);
        return 0;
    }
    if (json_type(content) != JSON_ARRAY)
        return pivot_refuse(m->t, m->why, anthropic__path(m, ".content"),
                            "'content' must be a string or a list of parts.");
    for (m->part = 0; !err && json_next_item(content, &it, &part); m->part++)
        err = write_part(m, part, speaker);
    m->part = -1;
    return err;
}

/* A text or a refusal that says nothing. */
static bool is_blank_part(const struct json *part)
{
    struct str type = json_str_or(part, "type", STR("")), text;
    if (str_eq(type, STR("refusal"))) return is_blank(json_str_or(part, "refusal", STR("")));
    return str_eq(type, STR("text")) && json_to_str(json_get(part, "text"), &text) &&
           is_blank(text);
}

bool anthropic__has_blocks(const struct json *content)
{
    const struct json *part;
    struct json_iter it = {0};
    struct str text;
    enum json_type type = json_type(content);
    if (json_to_str(content, &text)) return !is_blank(text);
    if (type != JSON_ARRAY) return type != JSON_NONE && type != JSON_NULL;
    while (json_next_item(content, &it, &part))
        if (!is_blank_part(part)) return true;
    return false;
}
