/* SPDX-License-Identifier: Apache-2.0 */
/* Responses that were kept: shown, listed with what they were asked, deleted. */
#include <string.h>

#include "desk/desk.h"
#include "gate/history.h"
#include "gate/model_call.h"
#include "json/skim.h"

enum { ITEMS_STANDARD = 20, ITEMS_MAX = 100 };

static enum step refuse_unknown(struct exchange *x, struct str id)
{
    return exchange_refuse(
        x, OUTCOME_NOT_FOUND,
        &(struct refusal){
            .status = 404,
            .message = arena_say(x->call->arena,
                                 "The response '%" STR_FMT "' is not kept here: it was asked with "
                                 "another key or with store: false, or is too old, or never was.",
                                 STR_ARG(str_sub(id, 0, 200))),
            .code = "response_not_found"},
        0);
}

static enum step refuse_query(struct exchange *x, const char *name, const char *what)
{
    return exchange_refuse(
        x, OUTCOME_BAD_REQUEST,
        &(struct refusal){.status = 400,
                          .message = arena_say(x->call->arena, "'%s' %s", name, what),
                          .param = name},
        0);
}

/* The value of a parameter of the query; ptr NULL: it is not there. Escapes stay. */
static struct str parameter(const struct exchange *x, struct str name)
{
    struct str rest = x->call->head->query, piece, key;
    while (str_cut(&rest, '&', &piece)) {
        str_cut(&piece, '=', &key);
        if (str_eq(key, name)) return piece.ptr ? piece : STR("");
    }
    return STR_NULL;
}

/* --- input items --- */

/* A page of a list of items. */
struct page {
    struct str after; /* begins behind the item with this id; empty: at the end of the list */
    uint64_t limit;
    bool ascending;
    struct str ids[2]; /* of its first and its last item, with quotes */
    uint64_t count;
    bool more;
    bool open; /* `after` has been passed */
};

static struct str id_of(const struct json_span *item)
{
    static const struct str names[] = {STR_INIT("id")};
    struct json_span id[1];
    bool there = json_scan_span(item, names, 1, id, NULL) == 0 && id[0].type == JSON_STRING;
    return there ? id[0].raw : STR("null");
}

static bool is_after(const struct page *p, struct str id)
{
    return id.len == p->after.len + 2 && memcmp(id.ptr + 1, p->after.ptr, p->after.len) == 0;
}

static void add_item(struct page *p, const struct json_span *item, struct json_writer *w)
{
    struct str id = id_of(item);
    if (!p->open) {
        p->open = is_after(p, id);
        return;
    }
    p->more = p->count == p->limit;
    if (p->more) return;
    if (p->count++ == 0) p->ids[0] = id;
    p->ids[1] = id;
    json_write_raw(w, item->raw);
}

/* The items of a list, by number; their count. */
static size_t items_of(struct str list, struct json_span *items, size_t max)
{
    struct json_span item;
    size_t n = 0;
    while (n < max && json_skim_element(&list, &item))
        items[n++] = item;
    return n;
}

static int write_items(struct exchange *x, struct str list, struct page *p, struct json_writer *w)
{
    struct json_span one;
    struct str rest = list;
    size_t count = 0;
    while (json_skim_element(&rest, &one))
        count++;
    struct json_span *items = arena_try(x->call->arena, (count + 1) * sizeof *items);
    if (!items) return -1;
    count = items_of(list, items, count);
    for (size_t i = 0; i < count && !p->more; i++)
        add_item(p, &items[p->ascending ? i : count - 1 - i], w);
    return 0;
}

static enum step list_items(struct exchange *x, const struct archived *r, struct page *p)
{
    struct desk_page page;
    desk_page_init(&page);
    json_write_object(&page.w);
    json_write_str_member(&page.w, "object", STR("list"));
    json_write_key(&page.w, "data");
    json_write_array(&page.w);
    int err = write_items(x, r->input, p, &page.w);
    json_write_array_end(&page.w);
    json_write_key(&page.w, "first_id");
    json_write_raw(&page.w, p->count ? p->ids[0] : STR("null"));
    json_write_key(&page.w, "last_id");
    json_write_raw(&page.w, p->count ? p->ids[1] : STR("null"));
    json_write_bool_member(&page.w, "has_more", p->more);
    json_write_object_end(&page.w);
    if (err) {
        buf_fini(&page.body);
        return exchange_lack_memory(x);
    }
    return desk_page_reply(x, 200, &page);
}

static enum step show_items(struct exchange *x, const struct archived *r)
{
    struct str order = parameter(x, STR("order")), limit = parameter(x, STR("limit"));
    struct page p = {.after = parameter(x, STR("after")), .limit = ITEMS_STANDARD};
    p.open = p.after.len == 0;
    p.ascending = str_eq(order, STR("asc"));
    if (order.ptr && !p.ascending && !str_eq(order, STR("desc")))
        return refuse_query(x, "order", "must be asc or desc.");
    if (limit.ptr && (str_to_u64(limit, &p.limit) || p.limit < 1 || p.limit > ITEMS_MAX))
        return refuse_query(x, "limit", "must be a number from 1 to 100.");
    return list_items(x, r, &p);
}

/* --- one of them --- */

static enum step reply_deleted(struct exchange *x, struct str id)
{
    struct desk_page p;
    desk_page_init(&p);
    json_write_object(&p.w);
    json_write_str_member(&p.w, "id", id);
    json_write_str_member(&p.w, "object", STR("response"));
    json_write_bool_member(&p.w, "deleted", true);
    json_write_object_end(&p.w);
    return desk_page_reply(x, 200, &p);
}

/* A response that its runtime keeps: the request goes there. Takes the reference over. */
static enum step ask_runtime(struct exchange *x, struct archived *r)
{
    const struct service *s = snapshot_service(x->snapshot, r->service);
    x->only = arena_try_dup(x->call->arena, r->endpoint);
    archived_unref(r);
    if (!x->only.ptr) return exchange_lack_memory(x);
    if (!s || !exchange_may_use(x, s) || !service_has_endpoint(s, x->only))
        return refuse_unknown(x, x->match.arg);
    x->ask = (struct ask){.surface = SURFACE_RESPONSES, .model = s->name};
    x->bodiless = true;
    exchange_ask(x, s);
    return exchange_pass_on(x, &model_call_handler);
}

static enum step delete_response(struct exchange *x, struct str id)
{
    struct archived *r = history_find(x, id);
    if (!r) return refuse_unknown(x, id);
    archive_delete(x->lane->home->archive, r->owner, id);
    if (r->endpoint.len) return ask_runtime(x, r);
    archived_unref(r);
    return reply_deleted(x, id);
}

static enum step show_response(struct exchange *x)
{
    static const struct str tail = STR_INIT("/input_items");
    struct str id = x->match.arg;
    bool items = str_ends(id, tail), deletes = x->call->head->method == METHOD_DELETE;
    if (deletes) return items ? refuse_unknown(x, id) : delete_response(x, id);
    if (items) id = str_sub(id, 0, id.len - tail.len);
    if (str_eq(parameter(x, STR("stream")), STR("true")))
        return refuse_query(x, "stream", "is not served: a response that is kept is whole.");
    struct archived *r = history_find(x, id);
    if (!r) return refuse_unknown(x, id);
    if (r->endpoint.len) return ask_runtime(x, r);
    enum step step = items
                         ? show_items(x, r)
                         : exchange_reply(x, OUTCOME_OK, 200, STR("application/json"), r->response);
    archived_unref(r);
    return step;
}

/* Only what runs in the background can be cancelled, which its runtime does. */
static enum step cancel_response(struct exchange *x)
{
    static const struct str tail = STR_INIT("/cancel");
    struct str id = x->match.arg;
    if (!str_ends(id, tail)) return refuse_unknown(x, id);
    struct archived *r = history_find(x, str_sub(id, 0, id.len - tail.len));
    if (r && r->endpoint.len) return ask_runtime(x, r);
    archived_unref(r);
    return exchange_refuse(
        x, OUTCOME_BAD_REQUEST,
        &(struct refusal){
            .status = 400,
            .message = STR("Only a response that a runtime computes with 'background' can be "
                           "cancelled; close the connection instead."),
            .param = "background",
            .code = "not_cancellable"},
        0);
}

const struct handler desk_response = {.step = show_response};
const struct handler desk_cancel = {.step = cancel_response};
