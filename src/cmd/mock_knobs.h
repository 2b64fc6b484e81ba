/* SPDX-License-Identifier: Apache-2.0 */
/* What the mock runtime does with a request: a table of knobs, settable by flag, header and request
 * member.
 *
 * The knob `stall_after` is the flag --stall-after, the header x-mock-stall-after and the member
 * "stall_after" of the request's "mock" object. Later sources win: flags, POST /mock/knobs,
 * headers, member. Plain data, any thread. */
#ifndef HOSTLER_CMD_MOCK_KNOBS_H
#define HOSTLER_CMD_MOCK_KNOBS_H

#include "base/arena.h"
#include "base/base.h"
#include "base/buf.h"
#include "base/str.h"
#include "http/message.h"

enum mock_death { MOCK_FIN, MOCK_RST };
enum mock_reasoning { MOCK_REASONING_CONTENT, MOCK_REASONING, MOCK_REASONING_BOTH };

enum {
    MOCK_NEVER = UINT32_MAX,  /* for the ..._after knobs */
    MOCK_TOKENS_MAX = 100000, /* tokens of one answer */
    MOCK_TOKENS_DEFAULT = 16, /* when neither knob nor max_tokens says */
    MOCK_PAD_MAX = 65536,
};

struct mock_knobs {
    double ttft_ms; /* time to the first token, milliseconds */
    double rate; /* tokens per second and stream after the first; 0: as fast as the client reads */
    uint32_t tokens;        /* tokens of an answer; 0: max_tokens of the request, or 16 */
    uint32_t pad;           /* bytes of filler behind each token */
    uint32_t prompt_tokens; /* reported in usage; 0: a quarter of the prompt's bytes */
    uint32_t cached_tokens; /* reported in usage, as the next ones */
    uint32_t written_tokens;
    uint32_t completion_tokens; /* 0: the answer's */
    uint32_t reasoning_tokens;  /* the same */
    double error_rate;          /* share of requests answered by an error, 0..1 */
    uint32_t status; /* status of the error; 0: none unless error_rate or fail_first (then 500) */
    uint32_t fail_first;  /* the first so many requests with the same id get the error */
    double retry_after;   /* Retry-After of an error, seconds; 0: none */
    uint32_t stall_after; /* falls silent after so many tokens */
    double stall_ms;      /* for so long; 0: until the client leaves */
    uint32_t die_after;   /* closes the connection after so many tokens */
    uint32_t die;         /* enum mock_death */
    bool die_before_head; /* closes instead of answering */
    uint32_t error_after; /* an error event after so many tokens, then the end */
    bool no_done;         /* ends a stream cleanly but without finish_reason, usage and [DONE] */
    bool early_head;      /* the response head leaves at once, not with the first token */
    double
        comment_ms; /* comment lines (": ping") at this interval while nothing else is sent; 0: none */
    bool usage_always;       /* streams carry usage though nobody asked */
    bool no_usage;           /* no usage at all, as old runtimes */
    bool echo;               /* the answer is the text of the last message */
    uint32_t reasoning_name; /* enum mock_reasoning: what a chat calls it */
    uint32_t health;         /* status of /health */
};

void mock_knobs_init(struct mock_knobs *k);

/* The knobs' names in the order of the table ("stall_after"), for building option lists; NULL at
 * the end. */
const char *mock_knob_name(size_t index);
const char *mock_knob_help(size_t index);
const char *mock_knob_value(size_t index); /* what help calls its value; NULL: takes none */
const char *const *mock_knob_words(
    size_t index); /* all that it may be, then NULL; NULL: no words */

/* Sets one knob by name; '-' and '_' are the same. ERR_NOT_FOUND, ERR_SYNTAX, ERR_RANGE. */
MUST_CHECK int mock_knobs_set(struct mock_knobs *k, struct str name, struct str value);

/* Sets the knobs that a JSON object has as members; others are ignored. The errors of json_scan
 * and of mock_knobs_set. */
MUST_CHECK int mock_knobs_set_object(struct mock_knobs *k, struct str json);

/* A message that names a member of a JSON object that is neither a knob nor in `besides`, which has
 * NULL at the end; NULL: none. */
const char *mock_knobs_unknown(struct arena *arena, struct str json, const char *const *besides);

/* Sets the knobs given by x-mock-... headers. */
MUST_CHECK int mock_knobs_set_headers(struct mock_knobs *k, const struct http_head *head);

#endif
