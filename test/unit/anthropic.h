/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of Messages and the chats that they become, for tests of that. JSON is written with ' for
 * " here. */
#ifndef HOSTLER_TEST_UNIT_ANTHROPIC_H
#define HOSTLER_TEST_UNIT_ANTHROPIC_H

#include <stdio.h>
#include <string.h>

#include "quoted.h"
#include "translate.h"

enum asked { WHOLE, STREAM, COUNT };

struct told {
    struct translate x;
    struct str chat; /* ptr NULL: refused */
};

static inline void ask(struct told *told, enum asked asked, const char *members)
{
    char body[8192];
    int n = snprintf(body, sizeof body, "{'model':'asked',%s}", members);
    assert_true(n > 0 && (size_t)n < sizeof body);
    if (asked == COUNT)
        translate_begin(&told->x, SURFACE_COUNT_MESSAGES, SURFACE_COUNT_CHAT, false);
    else
        translate_begin(&told->x, SURFACE_MESSAGES, SURFACE_CHAT, asked == STREAM);
    told->x.t.ask_usage = true;
    told->chat = translate_ask(&told->x, quoted(&told->x.arena, body));
}

/* What the chat has beside the model. `dropped`: names with commas between them. */
static inline void check_asked(enum asked asked, const char *members, const char *want,
                               const char *dropped)
{
    struct told told;
    char all[8192], names[1024] = "";
    ask(&told, asked, members);
    if (!told.chat.ptr) fail_msg("%s: %" STR_FMT, members, STR_ARG(told.x.why.message));
    snprintf(all, sizeof all, "{\"model\":\"served\",%s}", quoted(&told.x.arena, want));
    if (!str_eq(told.chat, str_of(all)))
        fail_msg("%s:\n%" STR_FMT "\n%s", members, STR_ARG(told.chat), all);
    for (unsigned i = 0; i < told.x.t.dropped_count; i++) {
        if (i) strcat(names, ",");
        strncat(names, told.x.t.dropped[i], 100);
    }
    assert_string_equal(names, dropped);
    translate_end(&told.x);
}

/* The messages that become of some. */
static inline void check_messages(const char *messages, const char *want, const char *dropped)
{
    char in[6144], out[6144];
    snprintf(in, sizeof in, "'max_tokens':9,'messages':[%s]", messages);
    snprintf(out, sizeof out, "'messages':[%s],'max_tokens':9", want);
    check_asked(WHOLE, in, out, dropped);
}

#define HI "{'role':'user','content':'hi'}"

static inline void check_field(const char *member, const char *want, const char *dropped)
{
    char in[2048], out[2048];
    snprintf(in, sizeof in, "'messages':[" HI "],'max_tokens':9%s%s", *member ? "," : "", member);
    snprintf(out, sizeof out, "'messages':[" HI "],%s", want);
    check_asked(WHOLE, in, out, dropped);
}

static inline void check_refused(enum asked asked, const char *members, const char *path)
{
    struct told told;
    ask(&told, asked, members);
    if (told.chat.ptr) fail_msg("%s: %" STR_FMT, members, STR_ARG(told.chat));
    assert_int_equal(told.x.why.status, 400);
    assert_non_null(told.x.why.param);
    assert_string_equal(told.x.why.param, path);
    assert_true(str_find(told.x.why.message, str_of(path)) >= 0);
    translate_end(&told.x);
}

#endif
