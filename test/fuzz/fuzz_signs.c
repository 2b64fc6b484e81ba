/* SPDX-License-Identifier: Apache-2.0 */
/* What runtimes tell of themselves: any bytes name a kind of ours or none, and a card that is within
 * its bounds, which is written as it was read. */
#include <stdlib.h>
#include <string.h>

#include "mesh/signs.h"

#define CHECK(fact) ((fact) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_written(const struct model_card *card)
{
    struct model_card again;
    struct json_writer w;
    struct buf out;
    buf_init(&out, 4096);
    json_write_init(&w, &out);
    json_write_object(&w);
    card_write(&w, card);
    json_write_object_end(&w);
    CHECK(json_write_end(&w) == 0);
    card_read(&(struct json_span){.type = JSON_OBJECT, .raw = buf_str(&out)}, &again);
    CHECK(again.context == card->context && again.capabilities == card->capabilities);
    CHECK(again.input == card->input && again.output == card->output);
    buf_fini(&out);
}

static bool is_ours(const struct runtime_kind *kind)
{
    return !kind || kind == &runtime_engine || runtime_kind(kind->name) == kind;
}

/* Each name that a list tells is one, whatever the rest is. */
static void check_names(struct str body)
{
    struct arena arena;
    struct str rest = sign_list(body), name;
    arena_init(&arena, 1 << 20, 1024);
    while (sign_next_name(&rest, &arena, &name))
        CHECK(name.len > 0 && name.len <= body.len);
    arena_fini(&arena);
}

/* The first byte says how it is asked, what follows up to a line break is the Server header. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) return 0;
    char *copy = malloc(size);
    struct model_card card;
    struct str server;
    CHECK(copy);
    memcpy(copy, data, size);
    struct str body = str_n(copy + 1, size - 1);
    enum sign_page page = (enum sign_page)(data[0] % SIGN_PAGES);
    str_cut(&body, '\n', &server);
    CHECK(is_ours(sign_read(page, &(struct sign_answer){.status = data[0] < 200 ? 200 : 404,
                                                        .server = server,
                                                        .body = body})));
    sign_card(body, STR("m"), &card);
    CHECK(card.context <= UINT64_C(1) << 40);
    check_written(&card);
    check_names(body);
    free(copy);
    return 0;
}
