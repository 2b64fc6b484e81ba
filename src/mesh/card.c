/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of a model. */
#include <string.h>

#include "mesh/service.h"

/* A request may come to any of them: its context must fit the smallest. */
static void join(struct model_card *all, const struct model_card *one)
{
    if (one->context) all->context = all->context ? MIN(all->context, one->context) : one->context;
    all->capabilities |= one->capabilities;
    all->input |= one->input;
    all->output |= one->output;
}

/* The family of tool calls, where all endpoints have the same. */
static void join_calls(struct model_card *all, const struct model_card *one, bool first)
{
    if (first)
        memcpy(all->calls, one->calls, sizeof all->calls);
    else if (strcmp(all->calls, one->calls) != 0)
        all->calls[0] = '\0';
}

/* Who sees is given images, and the other way round. */
static void complete(struct model_card *card)
{
    if (card->input & CARD_BIT(IMAGE)) card->capabilities |= CARD_BIT(VISION);
    if ((card->capabilities & CARD_BIT(VISION)) && !card->input)
        card->input = CARD_BIT(TEXT) | CARD_BIT(IMAGE);
}

struct model_card service_card(const struct service *s)
{
    struct model_card card = {0};
    for (size_t i = 0; i < s->endpoint_count; i++) {
        struct model_card one = endpoint_card(&s->endpoints[i]);
        join(&card, &one);
        join_calls(&card, &one, i == 0);
    }
    if (s->card.context) card.context = s->card.context;
    if (s->card.capabilities) card.capabilities = s->card.capabilities;
    if (s->card.input) card.input = s->card.input;
    if (s->card.output) card.output = s->card.output;
    complete(&card);
    return card;
}
