/* SPDX-License-Identifier: Apache-2.0 */
/* The PROXY protocol's header: however the bytes come, the answer is the same, and what follows the
 * header does not change it. */
#include <stdlib.h>
#include <string.h>

#include "transport/proxy_header.h"

#define CHECK(fact) ((fact) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The answer to the first `n` bytes, which end where their memory does. */
static enum proxy_header_outcome parse(const uint8_t *data, size_t n, struct proxy_header *out)
{
    char *copy = malloc(n ? n : 1);
    CHECK(copy);
    if (n) memcpy(copy, data, n);
    *out = (struct proxy_header){0};
    enum proxy_header_outcome outcome = proxy_header_parse(str_n(copy, n), out);
    free(copy);
    return outcome;
}

static bool same_end(const struct proxy_header_end *a, const struct proxy_header_end *b)
{
    return a->port == b->port && memcmp(&a->address, &b->address, sizeof a->address) == 0;
}

static void check_outcome(enum proxy_header_outcome outcome, const struct proxy_header *h,
                          size_t given)
{
    bool whole = outcome == PROXY_HEADER_LOCAL || outcome == PROXY_HEADER_CLIENT;
    if (outcome == PROXY_HEADER_MORE) CHECK(given < PROXY_HEADER_MAX);
    if (outcome == PROXY_HEADER_INVALID) CHECK(h->why && h->why[0]);
    if (whole) CHECK(h->size >= 16 && h->size <= given && h->size <= PROXY_HEADER_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proxy_header first = {0}, h;
    enum proxy_header_outcome known = PROXY_HEADER_MORE;
    for (size_t n = 0; n <= size; n++) {
        enum proxy_header_outcome outcome = parse(data, n, &h);
        check_outcome(outcome, &h, n);
        if (known == PROXY_HEADER_MORE) {
            known = outcome;
            first = h;
            if (known > PROXY_HEADER_INVALID) CHECK(h.size == n);
        }
        CHECK(outcome == known && h.size == first.size);
        CHECK(same_end(&h.source, &first.source) && same_end(&h.destination, &first.destination));
        if (n > (size_t)PROXY_HEADER_MAX + 64) break;
    }
    return 0;
}
