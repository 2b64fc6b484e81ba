/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of a content: texts, images, files, sounds. */
#include "dialect/responses/responses_priv.h"

#include "base/err.h"

enum part_kind {
    PART_TEXT,
    PART_IMAGE,
    PART_FILE,
    PART_AUDIO,
    PART_HIDDEN, /* only its maker can read it */
    PART_OTHER
};

static const struct part_type {
    struct str name;
    enum part_kind kind;
    const char *text;
} types[] = {
    {STR_INIT("input_text"), PART_TEXT, "text"},
    {STR_INIT("output_text"), PART_TEXT, "text"},
    {STR_INIT("text"), PART_TEXT, "text"},
    {STR_INIT("summary_text"), PART_TEXT, "text"},
    {STR_INIT("reasoning_text"), PART_TEXT, "text"},
    {STR_INIT("refusal"), PART_TEXT, "refusal"},
    {STR_INIT("input_image"), PART_IMAGE, NULL},
    {STR_INIT("image_url"), PART_IMAGE, NULL},
    {STR_INIT("input_file"), PART_FILE, NULL},
    {STR_INIT("input_audio"), PART_AUDIO, NULL},
    {STR_INIT("encrypted_content"), PART_HIDDEN, NULL},
};

/* The kind of a part, and its text. A type that is not known yet counts as text if it has one. */
static enum part_kind kind_of(const struct json *part, struct str *text)
{
    struct str type = json_str_or(part, "type", STR("text"));
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (str_eq(types[i].name, type)) {
            bool has = types[i].text && json_to_str(json_get(part, types[i].text), text);
            return types[i].kind == PART_TEXT && !has ? PART_OTHER : types[i].kind;
        }
    return json_to_str(json_get(part, "text"), text) ? PART_TEXT : PART_OTHER;
}

/* --- texts --- */

static int append_line(struct buf *out, struct str text)
{
    int err = buf_len(out) ? buf_append(out, STR("\n")) : 0;
    return err ? err : buf_append(out, text);
}

int responses__read_text(struct asking *a, const struct json *content, struct part_place place,
                         struct buf *out, bool *others)
{
    struct json_iter it = {0};
    const struct json *part;
    struct str text;
    *others = false;
    if (responses__absent(content)) return 0;
    if (json_to_str(content, &text)) return append_line(out, text);
    if (json_type(content) != JSON_ARRAY)
        return responses__wrong(a, responses__item_path(a, place.item, place.member),
                                "a string or an array of parts");
    while (json_next_item(content, &it, &part)) {
        enum part_kind kind = kind_of(part, &text);
        int err = kind == PART_TEXT ? append_line(out, text) : 0;
        if (err) return err;
        if (kind != PART_TEXT && kind != PART_HIDDEN) *others = true;
    }
    return 0;
}

/* --- other parts --- */

static const char *part_path(struct asking *a, struct part_place place, size_t index,
                             const char *member)
{
    return responses__path(a, "%s[%zu].%s", responses__item_path(a, place.item, place.member),
                           index, member);
}

static void write_text_part(struct json_writer *w, struct str text)
{
    json_write_object(w);
    json_write_str_member(w, "type", STR("text"));
    json_write_str_member(w, "text", text);
    json_write_object_end(w);
}

/* "auto", "low" or "high"; what is finer than that is "high". */
static void write_detail(struct json_writer *w, const struct json *part)
{
    struct str detail;
    if (!json_to_str(json_get(part, "detail"), &detail)) return;
    bool known = str_eq(detail, STR("auto")) || str_eq(detail, STR("low"));
    json_write_str_member(w, "detail", known ? detail : STR("high"));
}

static int write_image(struct asking *a, const struct json *part, struct part_place place,
                       size_t index)
{
    const struct json *url = json_get(part, "image_url");
    struct str text;
    if (json_type(url) == JSON_OBJECT) url = json_get(url, "url");
    if (!json_to_str(url, &text)) {
        bool by_id = json_type(json_get(part, "file_id")) == JSON_STRING;
        const char *path = part_path(a, place, index, by_id ? "file_id" : "image_url");
        if (!by_id) return responses__wrong(a, path, "a string, an image's URL or its data");
        return pivot_refuse(a->t, a->why, path,
                            "Images by the id of a file are not supported; send the image as "
                            "'image_url'.");
    }
    json_write_object(a->w);
    json_write_str_member(a->w, "type", STR("image_url"));
    json_write_key(a->w, "image_url");
    json_write_object(a->w);
    json_write_str_member(a->w, "url", text);
    write_detail(a->w, part);
    json_write_object_end(a->w);
    json_write_object_end(a->w);
    return 0;
}

static int write_file(struct asking *a, const struct json *part, struct part_place place,
                      size_t index)
{
    static const char *const names[] = {"file_data", "filename", "file_id"};
    struct str text;
    if (!json_to_str(json_get(part, "file_data"), &text) &&
        !json_to_str(json_get(part, "file_id"), &text)) {
        bool by_url = json_type(json_get(part, "file_url")) == JSON_STRING;
        const char *path = part_path(a, place, index, by_url ? "file_url" : "file_data");
        if (!by_url) return responses__wrong(a, path, "a string");
        return pivot_refuse(a->t, a->why, path,
                            "Files by their URL are not supported; send the file as 'file_data'.");
    }
    json_write_object(a->w);
    json_write_str_member(a->w, "type", STR("file"));
    json_write_key(a->w, "file");
    json_write_object(a->w);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (json_to_str(json_get(part, names[i]), &text))
            json_write_str_member(a->w, names[i], text);
    json_write_object_end(a->w);
    json_write_object_end(a->w);
    return 0;
}

static int write_audio(struct asking *a, const struct json *part, struct part_place place,
                       size_t index)
{
    const struct json *audio = json_get(part, "input_audio");
    if (json_type(audio) != JSON_OBJECT)
        return responses__wrong(a, part_path(a, place, index, "input_audio"), "an object");
    json_write_object(a->w);
    json_write_str_member(a->w, "type", STR("input_audio"));
    json_write_key(a->w, "input_audio");
    json_write_json(a->w, audio);
    json_write_object_end(a->w);
    return 0;
}

static int write_part(struct asking *a, const struct json *part, struct part_place place,
                      size_t index, bool images)
{
    struct str text = STR("");
    enum part_kind kind = kind_of(part, &text);
    if (images && kind != PART_IMAGE) return 0;
    switch (kind) {
    case PART_TEXT: write_text_part(a->w, text); return 0;
    case PART_IMAGE: return write_image(a, part, place, index);
    case PART_FILE: return write_file(a, part, place, index);
    case PART_AUDIO: return write_audio(a, part, place, index);
    case PART_HIDDEN: return 0;
    case PART_OTHER: break;
    }
    return pivot_refuse(a->t, a->why, part_path(a, place, index, "type"),
                        "A part of this type is not supported, or lacks what its type needs.");
}

int responses__write_parts(struct asking *a, const struct json *content, struct part_place place,
                           bool images)
{
    struct json_iter it = {0};
    const struct json *part;
    json_write_array(a->w);
    for (size_t i = 0; json_next_item(content, &it, &part); i++) {
        int err = write_part(a, part, place, i, images);
        if (err) return err;
    }
    json_write_array_end(a->w);
    return 0;
}
