/* SPDX-License-Identifier: Apache-2.0 */
#include "desk/desk.h"

#include "base/err.h"

#define PAGE_MAX ((size_t)64 << 20)

void desk_page_init(struct desk_page *p)
{
    buf_init(&p->body, PAGE_MAX);
    json_write_init(&p->w, &p->body);
}

enum step desk_reply(struct exchange *x, int status, struct str content_type, struct buf *body,
                     int err)
{
    struct str text = err ? STR_NULL : arena_try_dup(x->call->arena, buf_str(body));
    buf_fini(body);
    if (err == ERR_TOO_LARGE)
        return exchange_refuse(
            x, OUTCOME_NO_ENDPOINT,
            &(struct refusal){.status = 500, .message = STR("The answer is too large.")}, 0);
    if (!text.ptr) return exchange_lack_memory(x);
    return exchange_reply(x, status == 200 ? OUTCOME_OK : OUTCOME_NOT_READY, status, content_type,
                          text);
}

enum step desk_page_reply(struct exchange *x, int status, struct desk_page *p)
{
    return desk_reply(x, status, STR("application/json"), &p->body, json_write_end(&p->w));
}
