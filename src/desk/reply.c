/* SPDX-License-Identifier: Apache-2.0 */
#include "desk/desk.h"

#define PAGE_MAX ((size_t)64 << 20)

void desk_page_init(struct desk_page *p)
{
    buf_init(&p->body, PAGE_MAX);
    json_write_init(&p->w, &p->body);
}

enum step desk_page_reply(struct exchange *x, int status, struct desk_page *p)
{
    if (json_write_end(&p->w)) {
        buf_fini(&p->body);
        return exchange_refuse(x, OUTCOME_NO_ENDPOINT, 500, STR("The answer is too large."), NULL,
                               NULL, 0);
    }
    struct str text = arena_dup(x->call->arena, buf_str(&p->body));
    buf_fini(&p->body);
    return exchange_reply(x, status == 200 ? OUTCOME_OK : OUTCOME_NOT_READY, status,
                          STR("application/json"), text);
}
