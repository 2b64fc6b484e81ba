/* SPDX-License-Identifier: Apache-2.0 */
/* Heads for tests. */
#ifndef HOSTLER_TEST_HEAD_OF_H
#define HOSTLER_TEST_HEAD_OF_H

#include <stdlib.h>

#include "http/message.h"

/* A head with one header per row of `lines` ("name: value"), up to a NULL: at most 20. The
 * caller frees its fields. */
static inline struct http_head head_of(const char *const *lines)
{
    struct http_head head = {0};
    head.fields = calloc(20, sizeof *head.fields);
    assert_non_null(head.fields);
    for (; lines[head.field_count]; head.field_count++) {
        struct str value = str_of(lines[head.field_count]), name;
        assert_true(str_cut(&value, ':', &name));
        head.fields[head.field_count] =
            (struct http_field){http_header_id(name), name, str_trim(value)};
    }
    return head;
}

#endif
