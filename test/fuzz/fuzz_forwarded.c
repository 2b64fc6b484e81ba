/* SPDX-License-Identifier: Apache-2.0 */
/* What heads tell of where a request comes from: addresses that proxies tell, origins, Via. The
 * client of X-Forwarded-For is found again from the other end; an origin is let in only by rules
 * that are written down here anew. */
#include <stdlib.h>
#include <string.h>

#include "gate/caller.h"
#include "gate/cors.h"
#include "gate/forwarded.h"
#include "gate/via.h"

#define CHECK(fact) ((fact) ? (void)0 : abort())

enum { FIELDS_MAX = 50 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* "name: value" lines. */
static void read_fields(struct str text, struct http_head *head)
{
    struct str line, name;
    while (head->field_count < FIELDS_MAX && str_cut(&text, '\n', &line)) {
        if (!str_cut(&line, ':', &name) || !line.ptr) continue;
        head->fields[head->field_count++] =
            (struct http_field){http_header_id(name), name, str_trim(line)};
    }
}

/* --- addresses --- */

static bool is_trusted(const struct settings *s, const struct ip *a)
{
    for (size_t i = 0; i < s->proxy_count; i++)
        if (ip_network_has(&s->proxies[i], a)) return true;
    return false;
}

/* All values of X-Forwarded-For; their count. */
static size_t values_of(const struct http_head *head, struct str *values, size_t max)
{
    size_t n = 0;
    for (unsigned i = 0; i < head->field_count; i++) {
        struct str rest = head->fields[i].value, value;
        if (!str_eq_nocase(head->fields[i].name, STR("x-forwarded-for"))) continue;
        while (n < max && str_cut(&rest, ',', &value)) {
            value = str_trim(value);
            if (value.len) values[n++] = value;
        }
    }
    return n;
}

/* From the proxy in front on, as long as there are proxies. */
static bool find_client(const struct http_head *head, const struct settings *s, struct ip *out)
{
    enum { VALUES_MAX = 4096 };
    static struct str values[VALUES_MAX];
    bool known = false;
    for (size_t n = values_of(head, values, VALUES_MAX); n-- > 0;) {
        struct ip a;
        if (ip_parse_node(values[n], &a)) break;
        *out = a;
        known = true;
        if (!is_trusted(s, &a)) break;
    }
    return known;
}

static bool has_field(const struct http_head *head, struct str name)
{
    return http_head_get_name(head, name).ptr != NULL;
}

static void check_forwarded(const struct http_head *head, const struct settings *s)
{
    struct forwarded f;
    struct ip client;
    char room[IP_TEXT_ROOM];
    forwarded_read(head, STR("192.0.2.1:80"), s, &f);
    CHECK(!f.known && !f.scheme && !f.host.ptr && !f.host_unclear);
    forwarded_read(head, STR("10.0.0.1:80"), s, &f);
    CHECK(!f.host.ptr || f.host_unclear || http_host_ok(f.host));
    if (f.known) CHECK(ip_text(&f.client, room).len > 0);
    if (has_field(head, STR("forwarded"))) return;
    bool known = find_client(head, s, &client);
    CHECK(known == f.known);
    if (known) CHECK(memcmp(&client, &f.client, sizeof client) == 0);
}

/* --- origins --- */

static bool is_quiet(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] <= ' ' || s.ptr[i] == ',' || s.ptr[i] == 0x7f) return false;
    return true;
}

/* True for a web site's origin that surely is not this machine's: nothing in it could be of
 * "localhost" or of what is configured, which all have an l. */
static bool is_site(struct str origin)
{
    bool web =
        str_starts_nocase(origin, STR("http://")) || str_starts_nocase(origin, STR("https://"));
    return web && str_find_char(origin, 'l') < 0 && str_find_char(origin, 'L') < 0 &&
           str_find(origin, STR("127.")) < 0 && str_find(origin, STR("[::1]")) < 0;
}

static void check_cors(const struct http_head *head, const struct settings *s)
{
    struct http_call call = {.head = head, .peer = STR("127.0.0.1:80")};
    struct str origin = http_head_get(head, HDR_ORIGIN);
    struct cors c;
    cors_judge(&call, s, false, &c);
    CHECK(!c.foreign || !c.allow.len);
    CHECK(!origin.ptr || c.foreign || c.allow.len);
    CHECK(is_quiet(c.allow) && str_find(c.allow, STR("*")) < 0);
    CHECK(!c.allow.len || c.varies);
    if (is_site(origin)) CHECK(c.foreign);
    cors_judge(&call, s, true, &c);
    CHECK(!c.foreign && is_quiet(c.allow));
    cors_is_preflight(head);
}

/* --- Via --- */

/* What is passed on is ours at its end, loops there if it did here, and has no comment. */
static void check_via(const struct http_head *head)
{
    static const struct str own = STR_INIT("1.1 hostler-a1"), next = STR_INIT("1.1 hostler-b2");
    struct arena arena;
    arena_init(&arena, 1 << 20, 512);
    struct str value = via_onward(&arena, head, own);
    struct http_field field = HTTP_FIELD(VIA, value);
    struct http_head onward = {.fields = &field, .field_count = 1};
    CHECK(str_ends(value, own) && str_find_char(value, '(') < 0);
    CHECK(via_loops(&onward, own) &&
          via_onward(&arena, &onward, next).len == value.len + next.len + 2);
    arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ip_network network;
    struct origin origins[1];
    struct http_field fields[FIELDS_MAX];
    struct http_head head = {.fields = fields, .authority = STR("localhost")};
    char *copy = malloc(size + 1);
    CHECK(copy && ip_network_parse(STR("10.0.0.0/8"), &network) == 0);
    CHECK(origin_parse_pattern(STR("https://*.app.example"), &origins[0]) == 0);
    struct settings s = {
        .proxies = &network, .proxy_count = 1, .origins = origins, .origin_count = 1};
    if (size) memcpy(copy, data, size);
    read_fields(str_n(copy, size), &head);
    check_forwarded(&head, &s);
    check_cors(&head, &s);
    check_via(&head);
    free(copy);
    return 0;
}
