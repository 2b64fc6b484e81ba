/* SPDX-License-Identifier: Apache-2.0 */
/* What there is to be got: models and readiness. */
#include "dialect/card.h"
#include "dialect/openai/write.h"
#include "engine/handlers.h"
#include "json/write.h"

enum { PAGE_MAX = 1024 * 1024 };

/* What its chats are like is the template's. Who chats embeds, too, by the mean of its last layer. */
static uint32_t capabilities_of(const struct hosted *h)
{
    bool thinks = h->context && chat_template_markers(h->template)->start.ptr;
    bool calls = h->context && !chat_template_why(h->template);
    return (h->info->generates ? CARD_BIT(COMPLETION) : 0) | (calls ? CARD_BIT(TOOLS) : 0) |
           (thinks ? CARD_BIT(THINKING) : 0) | (h->info->embeds ? CARD_BIT(EMBEDDING) : 0) |
           (h->info->ranks ? CARD_BIT(RERANK) : 0);
}

static struct model_card card_of(const struct hosted *h)
{
    return (struct model_card){
        .context = h->context ? h->context->length : h->embedder->input_max,
        .capabilities = capabilities_of(h),
        .input = CARD_BIT(TEXT),
        .output = h->info->generates ? CARD_BIT(TEXT) : 0,
    };
}

static const char *const pooling_words[] = {
    [MODEL_POOLING_FILE] = "model", [MODEL_POOLING_MEAN] = "mean", [MODEL_POOLING_CLS] = "cls",
    [MODEL_POOLING_LAST] = "last",  [MODEL_POOLING_RANK] = "rank",
};

static void write_context(struct json_writer *w, const struct hosted *h)
{
    json_write_u64_member(w, "slots", h->context->sequences);
    json_write_str_member(w, "chat_template", str_of(chat_template_name(h->template)));
    if (chat_template_why(h->template))
        json_write_str_member(w, "chat_template_error", str_of(chat_template_why(h->template)));
    else
        json_write_str_member(w, "tool_calls",
                              str_of(chat_template_calls(h->template)->format->name));
    json_write_bool_member(w, "reasoning", chat_template_markers(h->template)->start.ptr != NULL);
}

static void write_meta(struct json_writer *w, const struct hosted *h)
{
    struct model_card card = card_of(h);
    card_write(w, &card);
    json_write_key(w, "meta");
    json_write_object(w);
    json_write_str_member(w, "description", str_of(h->info->description));
    json_write_u64_member(w, "parameters", h->info->params);
    json_write_u64_member(w, "size_bytes", h->info->bytes);
    json_write_u64_member(w, "vocabulary", vocab_info(h->vocab)->count);
    if (h->info->embeds) json_write_u64_member(w, "embedding_length", h->embedder->length);
    json_write_u64_member(w, "context_length_trained", h->info->context_train);
    json_write_bool_member(w, "generates", h->info->generates);
    json_write_bool_member(w, "embeds", h->info->embeds);
    json_write_bool_member(w, "ranks", h->info->ranks);
    if (h->embedder)
        json_write_str_member(w, "pooling", str_of(pooling_words[h->embedder->pooling]));
    if (h->context) write_context(w, h);
    json_write_object_end(w);
}

static void write_model(struct json_writer *w, const struct hosted *h)
{
    openai_begin_model(w, h->name, h->created, STR("hostler"));
    if (h->info) write_meta(w, h);
    json_write_object_end(w);
}

static void reply_writer(struct http_call *c, struct json_writer *w)
{
    if (json_write_end(w))
        server_refuse(c, 500, "server_error", NULL, STR("The answer is too large."));
    else
        server_reply_json(c, 200, buf_str(w->out));
}

void get_models(struct server *s, struct http_call *c)
{
    struct buf b;
    struct json_writer w;
    buf_init(&b, PAGE_MAX);
    json_write_init(&w, &b);
    json_write_object(&w);
    json_write_str_member(&w, "object", STR("list"));
    json_write_key(&w, "data");
    json_write_array(&w);
    write_model(&w, &s->hosted);
    json_write_array_end(&w);
    json_write_object_end(&w);
    reply_writer(c, &w);
    buf_fini(&b);
}

static const struct str one_model = STR_INIT("/v1/models/"); /* and its name behind it */

void get_model(struct server *s, struct http_call *c)
{
    struct str escaped = str_skip(c->head->path, one_model.len);
    struct str name;
    struct buf b;
    struct json_writer w;
    if (http_percent_decode(c->arena, escaped, &name) || !str_eq(name, s->hosted.name)) {
        server_refuse(
            c, 404, "invalid_request_error", "model_not_found",
            arena_printf(c->arena, "This engine serves '%s' only.", s->hosted.options.alias));
        return;
    }
    buf_init(&b, PAGE_MAX);
    json_write_init(&w, &b);
    write_model(&w, &s->hosted);
    reply_writer(c, &w);
    buf_fini(&b);
}

/* The share that is loaded stands in a field, too: who waits for the engine asks here. */
static void tell_loading(struct server *s, struct http_call *c)
{
    char digits[STR_U64_ROOM];
    const struct refusal error = {.status = 503,
                                  .type = "server_error",
                                  .code = "loading",
                                  .message = hosted_loading(&s->hosted, c->arena)};
    const struct http_field fields[] = {
        HTTP_FIELD(CONTENT_TYPE, STR("application/json")),
        HTTP_FIELD(RETRY_AFTER, STR("1")),
        {.name = STR("x-hostler-loading"),
         .value = str_of_u64(compute_progress(s->hosted.compute), 10, digits)},
    };
    call_reply(c, error.status, fields, ARRAY_LEN(fields), openai_error_body(c->arena, &error));
}

void get_health(struct server *s, struct http_call *c)
{
    if (s->draining)
        server_refuse(c, 503, "server_error", "draining", STR("The engine is shutting down."));
    else if (!s->hosted.model)
        tell_loading(s, c);
    else
        server_reply_json(c, 200, STR("{\"status\":\"ok\"}"));
}
