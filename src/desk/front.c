/* SPDX-License-Identifier: Apache-2.0 */
/* The front page: for people what runs here and how to call it, for programs the same as JSON, and for
 * clients of Ollama, which look whether anybody is there, a line of text. */
#include <stdio.h>
#include <string.h>

#include "base/rand.h"
#include "desk/desk.h"
#include "desk/front_html.h"
#include "dialect/runtime.h"

enum { SHOWN_MAX = 200, NONCE_DIGITS = 32, PAGE_BYTES_MAX = 4 << 20 };

/* --- what there is to tell --- */

/* With keys, what there is is for those who present one. */
static bool may_look(const struct exchange *x)
{
    return !keyring_required(x->keyring) || x->key;
}

static bool is_ready(const struct exchange *x)
{
    return snapshot_ready(x->snapshot, exchange_now(x)) && !x->lane->draining;
}

/* Calls `fn` for each service that the client may use, the first `most` of them. Returns how many there are. */
static size_t each_model(const struct exchange *x, size_t most,
                         void (*fn)(const struct exchange *x, const struct service *s, void *to),
                         void *to)
{
    size_t count, found = 0;
    const struct service *services = snapshot_services(x->snapshot, &count);
    for (size_t i = 0; i < count && may_look(x); i++) {
        if (!exchange_may_use(x, &services[i])) continue;
        if (found++ < most) fn(x, &services[i], to);
    }
    return found;
}

/* "http://127.0.0.1:8080" as the client reached it; ptr NULL: it did not say, or is not to be
 * believed. */
static struct str origin(const struct exchange *x)
{
    struct str host = x->forwarded.host.ptr ? x->forwarded.host : x->call->head->authority;
    if (host.len == 0 || x->forwarded.host_unclear) return STR_NULL;
    return arena_say(x->call->arena, "%s://%" STR_FMT, exchange_is_secure(x) ? "https" : "http",
                     STR_ARG(host));
}

/* --- for programs --- */

static void write_model(const struct exchange *x, const struct service *s, void *to)
{
    struct json_writer *w = to;
    json_write_object(w);
    json_write_str_member(w, "id", s->name);
    json_write_bool_member(w, "ready", service_ready(s, exchange_now(x), NULL));
    json_write_object_end(w);
}

static enum step show_json(struct exchange *x)
{
    struct desk_page p;
    desk_page_init(&p);
    json_write_object(&p.w);
    json_write_str_member(&p.w, "name", STR("hostler"));
    json_write_str_member(&p.w, "version", STR(HOSTLER_VERSION));
    json_write_bool_member(&p.w, "ready", is_ready(x));
    json_write_bool_member(&p.w, "key_required", keyring_required(x->keyring));
    json_write_key(&p.w, "apis");
    json_write_object(&p.w);
    json_write_str_member(&p.w, "openai", STR("/v1"));
    json_write_str_member(&p.w, "anthropic", STR("/v1/messages"));
    json_write_str_member(&p.w, "ollama", STR("/api"));
    json_write_object_end(&p.w);
    if (may_look(x)) {
        json_write_key(&p.w, "models");
        json_write_array(&p.w);
        (void)each_model(x, SIZE_MAX, write_model, &p.w);
        json_write_array_end(&p.w);
    }
    json_write_object_end(&p.w);
    return desk_page_reply(x, 200, &p);
}

/* --- for people --- */

/* A page in the making; the first error stays. */
struct html {
    struct buf out;
    int err;
};

static void put(struct html *h, struct str text)
{
    if (!h->err) h->err = buf_append(&h->out, text);
}

static void put_c(struct html *h, const char *text)
{
    put(h, str_of(text));
}

/* Text from elsewhere, which means nothing but itself in an element and in a quoted attribute. */
static void put_text(struct html *h, struct str text)
{
    size_t from = 0;
    for (size_t i = 0; i < text.len; i++) {
        const char *entity = front_entity(text.ptr[i]);
        if (!entity) continue;
        put(h, str_sub(text, from, i - from));
        put_c(h, entity);
        from = i + 1;
    }
    put(h, str_skip(text, from));
}

/* In `pattern`, @ stands for the text. */
static void put_at(struct html *h, const char *pattern, struct str text)
{
    struct str rest = str_of(pattern), piece;
    while (str_cut(&rest, '@', &piece)) {
        put(h, piece);
        if (rest.ptr) put_text(h, text);
    }
}

/* What its endpoints are, each kind once. */
static void put_kinds(struct html *h, const struct service *s)
{
    const struct runtime_kind *before = NULL;
    bool any = false;
    for (size_t i = 0; i < s->endpoint_count; i++) {
        const struct runtime_kind *kind = endpoint_kind(&s->endpoints[i]);
        if (kind == before) continue;
        if (any) put_c(h, ", ");
        put_text(h, kind->name);
        before = kind;
        any = true;
    }
    if (s->endpoint_count > 1) {
        char count[32];
        (void)snprintf(count, sizeof count, " × %zu", s->endpoint_count);
        put_c(h, count);
    }
}

static void put_model(const struct exchange *x, const struct service *s, void *to)
{
    struct html *h = to;
    uint64_t now = exchange_now(x);
    struct buf reason;
    buf_init(&reason, 1024);
    bool served = service_ready(s, now, &reason), up = service_up(s, now);
    put_at(h, "<tr><td><code>@</code></td><td>", s->name);
    put_kinds(h, s);
    put_c(h, up       ? "</td><td class=\"up\">ready"
             : served ? "</td><td class=\"idle\">starts when asked"
                      : "</td><td class=\"down\">not ready");
    if (!served) put_at(h, "<small>@</small>", buf_str(&reason));
    put_c(h, "</td></tr>\n");
    buf_fini(&reason);
}

static void put_models(struct html *h, const struct exchange *x)
{
    char more[64];
    put_c(h, FRONT_MODELS_BEGIN);
    size_t count = each_model(x, SHOWN_MAX, put_model, h);
    put_c(h, FRONT_MODELS_END);
    (void)snprintf(more, sizeof more, "%zu", count > SHOWN_MAX ? count - SHOWN_MAX : 0);
    if (count == 0) put_c(h, FRONT_NO_MODELS);
    if (count > SHOWN_MAX) put_at(h, FRONT_MORE_MODELS, str_of(more));
}

/* What is shown to be pasted must be nothing but itself to a shell and in a program's string: a runtime
 * may call a model what it likes. */
static bool is_pasted(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!plain && c < 0x80 && (!c || !strchr("-._~:/[]@+, ", c))) return false;
    }
    return true;
}

static void note_first(const struct exchange *x UNUSED, const struct service *s, void *to)
{
    struct str *first = to;
    if (!first->ptr && is_pasted(s->name)) *first = s->name;
}

/* The ways to call, with the page's own address and a model that is there. */
static void put_calls(struct html *h, const struct exchange *x)
{
    struct str from = origin(x), model = STR_NULL;
    bool key = keyring_required(x->keyring);
    if (!from.ptr || !is_pasted(from)) from = STR("http://HOST:PORT");
    (void)each_model(x, SIZE_MAX, note_first, &model);
    if (!model.ptr) model = STR("MODEL");
    put_c(h, FRONT_CALLS_BEGIN);
    for (size_t i = 0; i < FRONT_CALL_COUNT; i++) {
        const struct front_call *call = &front_calls[i];
        put_at(h, "<h3>@</h3><pre tabindex=\"0\">", str_of(call->title));
        for (size_t k = 0; k < ARRAY_LEN(call->pieces) && call->pieces[k].text; k++) {
            const struct front_piece *piece = &call->pieces[k];
            if (piece->when == FRONT_WITH_KEY && !key) continue;
            if (piece->when == FRONT_WITHOUT_KEY && key) continue;
            put_at(h, piece->text, piece->gap == FRONT_ORIGIN ? from : model);
        }
        put_c(h, "</pre>\n");
    }
}

static void put_page(struct html *h, const struct exchange *x, struct str nonce)
{
    put_at(h, FRONT_HEAD, nonce);
    put_c(h, FRONT_STYLE);
    put_at(h, FRONT_BODY, STR(HOSTLER_VERSION));
    put_c(h, is_ready(x) ? FRONT_READY : FRONT_NOT_READY);
    if (may_look(x))
        put_models(h, x);
    else
        put_c(h, FRONT_LOCKED);
    put_calls(h, x);
    put_c(h, FRONT_END);
}

static struct str new_nonce(struct arena *arena)
{
    char text[NONCE_DIGITS + 1];
    rand_hex(text, sizeof text);
    return arena_say(arena, "%s", text);
}

/* Nothing but its own style is loaded, and no other page may frame it. */
static enum step show_html(struct exchange *x)
{
    struct html h = {0};
    struct str nonce = new_nonce(x->call->arena);
    buf_init(&h.out, PAGE_BYTES_MAX);
    put_page(&h, x, nonce);
    struct http_field more[] = {
        {.name = STR("content-security-policy"),
         .value = arena_say(x->call->arena,
                            "default-src 'none'; style-src 'nonce-%" STR_FMT
                            "'; img-src data:; base-uri 'none'; form-action 'none'; "
                            "frame-ancestors 'none'",
                            STR_ARG(nonce))},
        {.name = STR("referrer-policy"), .value = STR("no-referrer")},
        HTTP_FIELD(CACHE_CONTROL, STR("no-store")),
    };
    struct str text = h.err ? STR_NULL : arena_try_dup(x->call->arena, buf_str(&h.out));
    buf_fini(&h.out);
    if (!text.ptr) return exchange_lack_memory(x);
    return exchange_reply_with(x, OUTCOME_OK, 200, STR("text/html; charset=utf-8"), more,
                               ARRAY_LEN(more), text);
}

/* --- who asks --- */

static bool wants(const struct exchange *x, struct str type)
{
    return str_find(http_head_get_name(x->call->head, STR("accept")), type) >= 0;
}

static enum step show_front(struct exchange *x)
{
    if (wants(x, STR("text/html"))) return show_html(x);
    if (wants(x, STR("application/json"))) return show_json(x);
    return exchange_reply(x, OUTCOME_OK, 200, STR("text/plain; charset=utf-8"),
                          STR("Hostler is running"));
}

const struct handler desk_front = {.step = show_front};
