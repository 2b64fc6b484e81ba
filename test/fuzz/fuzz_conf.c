/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration files: no input may crash, and what is accepted must read back from its own
 * printout. */
#include <stdlib.h>

#include "conf/conf.h"
#include "conf/types.h"
#include "conf/url.h"

enum { OUTPUT_MAX = 16 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct conf *parse(struct str text)
{
    struct conf_problems p;
    struct conf *c = NULL;
    conf_problems_init(&p);
    int err = conf_parse(text, "fuzz.yaml", &c, &p);
    assert((err == 0) == (p.count == 0));
    conf_problems_fini(&p);
    return err ? NULL : c;
}

static void write_yaml(const struct conf *c, struct buf *out)
{
    buf_init(out, OUTPUT_MAX);
    if (conf_write_yaml(c, out)) abort();
}

/* Keys are printed as one and the same word, so that two of them do not read back. */
static void read_back(const struct conf *c)
{
    struct buf first, second;
    if (c->key_count > 1) return;
    write_yaml(c, &first);
    struct conf *again = buf_len(&first) < 1 << 20 ? parse(buf_str(&first)) : NULL;
    if (again) {
        write_yaml(again, &second);
        assert(str_eq(buf_str(&first), buf_str(&second)));
        buf_fini(&second);
    } else {
        assert(buf_len(&first) >= 1 << 20);
    }
    conf_unref(again);
    buf_fini(&first);
}

/* No product setting is a point in time yet. */
static void read_time(struct str text)
{
    static const struct conf_row row = {.type = CONF_TIME};
    const struct conf_kind *kind = conf__kind(CONF_TIME);
    struct arena a;
    uint64_t first, second;
    arena_init(&a, SIZE_MAX, 256);
    struct conf_input in = {.text = text, .written = text, .arena = &a};
    if (kind->parse(&row, &in, &first)) {
        in.text = kind->print(&a, &row, &first);
        assert(kind->parse(&row, &in, &second) && first == second);
    }
    arena_fini(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_n((const char *)data, size);
    struct url url;
    if (!url_parse(text, &url)) (void)url_is_loopback(&url);
    if (!url_parse_listen(text, &url)) (void)url_is_loopback(&url);
    read_time(text);
    struct conf *c = parse(text);
    if (c) read_back(c);
    conf_unref(c);
    return 0;
}
