/* SPDX-License-Identifier: Apache-2.0 */
/* What endpoints turn out to be. */
#include "dialect/dialect.h"
#include "dialect/runtime.h"
#include "mesh/mesh_priv.h"

const struct runtime_kind *endpoint_found_kind(const struct endpoint *e)
{
    if (!e->finds_kind) return e->kind;
    return atomic_load_explicit(&e->state->kind, memory_order_relaxed);
}

const struct runtime_kind *endpoint_kind(const struct endpoint *e)
{
    const struct runtime_kind *kind = endpoint_found_kind(e);
    return kind ? kind : e->kind;
}

/* What no word of `dialects` is for is the kind's in any case. */
uint32_t endpoint_surfaces(const struct endpoint *e)
{
    enum {
        WITHOUT_WORD = SURFACE_BIT(SURFACE_TEMPLATE) | SURFACE_BIT(SURFACE_COUNT_CHAT) |
                       SURFACE_BIT(SURFACE_COUNT_RESPONSES) | SURFACE_BIT(SURFACE_COUNT_MESSAGES) |
                       SURFACE_BIT(SURFACE_COUNT_TOKENIZE),
    };
    uint32_t kinds = endpoint_kind(e)->surfaces;
    uint32_t lacking = atomic_load_explicit(&e->state->lacking, memory_order_relaxed);
    return e->surfaces ? e->surfaces | (kinds & WITHOUT_WORD) : kinds & ~lacking;
}

void endpoint_note_lack(struct endpoint_state *s, uint32_t surfaces)
{
    atomic_fetch_or_explicit(&s->lacking, surfaces, memory_order_relaxed);
}

/* --- learning --- */

static void log_kind(const struct endpoint *e, const struct runtime_kind *kind, struct str sign,
                     const struct model_card *card)
{
    struct log_line l;
    log_begin(&l, LOG_INFO, "endpoint_kind");
    log_str(&l, "model", e->service->name);
    log_str(&l, "endpoint", e->name);
    log_str(&l, "kind", kind->name);
    log_str(&l, "sign", sign.len ? sign : STR("none"));
    if (card->context) log_u64(&l, "context_length", card->context);
    log_end(&l);
}

void endpoint_learn_card(const struct endpoint *e, const struct model_card *card)
{
    struct endpoint_state *s = e->state;
    pthread_mutex_lock(&s->mutex);
    s->card = *card;
    pthread_mutex_unlock(&s->mutex);
}

void endpoint_learn_kind(const struct endpoint *e, const struct runtime_kind *kind, struct str sign,
                         uint64_t now_us)
{
    struct endpoint_state *s = e->state;
    if (atomic_exchange(&s->kind, kind) == kind) return;
    struct model_card card = endpoint_card(e);
    log_kind(e, kind, sign, &card);
    /* Who waits may be served now, or by nobody any more. */
    s->service->offer(s->service, now_us, true);
}

/* --- cards --- */

/* What who answers these surfaces is asked for. Who chats may be asked for all else by the same
 * kind, so that the rest says something only where there is no chat. */
static uint32_t capabilities_of(uint32_t surfaces)
{
    enum {
        CHATS = SURFACE_BIT(SURFACE_CHAT) | SURFACE_BIT(SURFACE_COMPLETIONS) |
                SURFACE_BIT(SURFACE_MESSAGES) | SURFACE_BIT(SURFACE_RESPONSES) |
                SURFACE_BIT(SURFACE_OLLAMA_CHAT),
        EMBEDS = SURFACE_BIT(SURFACE_EMBEDDINGS) | SURFACE_BIT(SURFACE_OLLAMA_EMBED),
    };
    if (surfaces & CHATS) return CARD_BIT(COMPLETION);
    return (surfaces & EMBEDS ? CARD_BIT(EMBEDDING) : 0) |
           (surfaces & SURFACE_BIT(SURFACE_RERANK) ? CARD_BIT(RERANK) : 0);
}

struct model_card endpoint_card(const struct endpoint *e)
{
    pthread_mutex_lock(&e->state->mutex);
    struct model_card card = e->state->card;
    pthread_mutex_unlock(&e->state->mutex);
    if (e->card.context) card.context = e->card.context; /* a setting */
    if (!card.capabilities) card.capabilities = e->card.capabilities;
    if (!card.capabilities) card.capabilities = capabilities_of(endpoint_surfaces(e));
    if (!card.input) card.input = e->card.input;
    if (!card.output) card.output = e->card.output;
    return card;
}
