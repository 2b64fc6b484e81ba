/* SPDX-License-Identifier: Apache-2.0 */
/* gate: what is judged of heads on their way through. What is written of them, the simulation
 * looks at. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gate/forward.h"
#include "head_of.h"

static void unreadable_answers_are_seen(void **state)
{
    (void)state;
    static const struct {
        bool readable;
        const char *lines[4];
    } rows[] = {
        {true, {"x: y"}},
        {true, {"content-type: text/event-stream"}},
        {true, {"content-type: text/event-stream", "content-encoding: identity"}},
        {true, {"content-type: application/json", "content-encoding: gzip"}},
        {true, {"content-type: application/json", "Content-Type: Application/JSON"}},
        {false, {"content-type: text/event-stream", "content-encoding: gzip"}},
        {false, {"content-encoding: br", "content-type: text/event-stream;charset=utf-8"}},
        {false,
         {"content-type: text/event-stream", "content-encoding: identity",
          "content-encoding: deflate"}},
        {false, {"content-type: application/json", "content-type: text/event-stream"}},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct http_head head = head_of(rows[i].lines);
        const char *why = NULL;
        if (forward_readable(&head, &why) != rows[i].readable)
            fail_msg("%zu: %s", i, rows[i].lines[0]);
        assert_true(rows[i].readable == !why);
        free(head.fields);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unreadable_answers_are_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
