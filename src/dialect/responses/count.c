/* SPDX-License-Identifier: Apache-2.0 */
/* How many tokens a request has. */
#include "dialect/responses/responses.h"
#include "dialect/responses/responses_priv.h"

struct counter {
    struct answer_writer base;
    uint64_t count;
};

static int put(struct answer_writer *base, const struct answer_event *e, struct buf *out)
{
    struct counter *c = CONTAINER_OF(base, struct counter, base);
    struct json_writer w;
    if (e->kind == ANSWER_COUNT) c->count = e->usage.prompt;
    if (e->kind != ANSWER_END) return 0;
    json_write_init(&w, out);
    json_write_object(&w);
    json_write_str_member(&w, "object", STR("response.input_tokens"));
    json_write_u64_member(&w, "input_tokens", c->count ? c->count : e->usage.prompt);
    json_write_object_end(&w);
    return json_write_end(&w);
}

const struct answer_writer_ops responses_count_writer = {
    .size = sizeof(struct counter),
    .put = put,
};
