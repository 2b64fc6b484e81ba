/* SPDX-License-Identifier: Apache-2.0 */
/* Request bodies: what is accepted can be spliced, and the result is JSON with the new model and
 * usage asked for. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "dialect/dialect.h"
#include "json/json.h"

#define CHECK(fact) ((fact) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_spliced(struct arena *arena, const struct ask *r, struct str body,
                          struct str model, bool ask)
{
    struct str slices[DIALECT_SLICES_MAX];
    struct buf out;
    buf_init(&out, (size_t)64 << 20);
    unsigned n = dialect_openai.splice(r, body, &(struct edits){model, ask}, arena, slices);
    CHECK(n >= 1 && n <= DIALECT_SLICES_MAX);
    for (unsigned i = 0; i < n; i++)
        CHECK(buf_append(&out, slices[i]) == 0);
    struct ask after;
    struct refusal problem;
    CHECK(dialect_openai.peek(arena, buf_str(&out), &after, &problem) == 0);
    CHECK(str_eq(after.model, model) && after.stream == r->stream);
    CHECK(after.asks_usage == ((ask && r->stream) || r->asks_usage));
    if (str_eq(model, r->model) && !(ask && r->stream)) CHECK(str_eq(buf_str(&out), body));
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct str models[] = {STR_INIT("new"), STR_INIT("a \"b\" \\ \n"), STR_INIT("")};
    struct arena arena;
    struct ask r;
    struct refusal problem = {0};
    char *copy = malloc(size + 1);
    CHECK(copy);
    if (size) memcpy(copy, data, size);
    struct str body = str_n(copy, size);
    arena_init(&arena, SIZE_MAX, 4096);
    int err = dialect_openai.peek(&arena, body, &r, &problem);
    if (err) {
        CHECK(err == ERR_INVALID && problem.message.len);
    } else {
        for (size_t i = 0; i < ARRAY_LEN(models); i++) {
            check_spliced(&arena, &r, body, models[i], true);
            check_spliced(&arena, &r, body, models[i], false);
        }
        check_spliced(&arena, &r, body, r.model, true);
        check_spliced(&arena, &r, body, r.model, false);
    }
    arena_fini(&arena);
    free(copy);
    return 0;
}
