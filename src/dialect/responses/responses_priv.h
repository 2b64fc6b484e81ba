/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this dialect (OpenAI's Responses, API reference 2.3.0) share: the members of
 * dialect_responses, and what becomes of its requests. */
#ifndef HOSTLER_DIALECT_RESPONSES_RESPONSES_PRIV_H
#define HOSTLER_DIALECT_RESPONSES_RESPONSES_PRIV_H

#include "dialect/dialect.h"
#include "dialect/pivot.h"
#include "dialect/responses/names.h"

int responses__peek(struct arena *arena, struct str body, struct ask *out, struct refusal *why);
void responses__write_error_event(struct buf *out, const struct refusal *why,
                                  const struct stream_mark *mark);

/* What clients know as the code of a response that failed. */
const char *responses__error_code(const struct refusal *why);

void responses__read_usage(struct str object, struct usage *u);

extern const struct answer_reader responses__reader;

/* --- what of a request its answer needs: translation.memo --- */

struct responses_memo {
    struct str settings; /* members of the response that say what was asked, without braces */
    struct str tools;    /* the same of `instructions` and `tools`, which are large */
    const struct tool_name *names; /* of those whose calls are not plain functions' */
    size_t name_count;
    bool summary; /* what is thought is shown as its summary, else as it is */
    bool sealed;  /* what is thought comes back sealed, too */
    bool logprobs;
};

extern const struct responses_memo responses__no_memo;

/* echo.c: fills in settings and tools. Those that have no room are as if they were not given.
 * -ENOMEM. */
MUST_CHECK int responses__keep_settings(struct translation *t, const struct json *body,
                                        struct responses_memo *memo);

/* --- a request that is translated --- */

enum item_class {
    ITEM_SKIP,    /* nothing of it reaches a runtime */
    ITEM_MESSAGE, /* not the assistant's */
    ITEM_ASSISTANT,
    ITEM_REASONING,
    ITEM_CALL,
    ITEM_OUTPUT, /* of a call */
    ITEM_REFERENCE
};

/* A type of items. */
struct item_type {
    struct str name;
    enum item_class class;
    const char *value;   /* the member with a call's arguments or an output's content */
    bool wrapped;        /* the arguments are a text */
    const char *tool;    /* of a call: the tool's name where the item has none */
    const char *dropped; /* what pivot_drop is told; NULL: nothing */
};

struct item {
    const struct json *v;
    const struct item_type *type;
    enum item_class class;
    bool before;             /* it comes from an earlier response */
    bool placed;             /* an output that was written behind its call */
    size_t place;            /* in its array */
    struct item *next_image; /* of the outputs that have images in a turn */
};

/* An item by an id. */
struct item_key {
    struct str id;
    const struct json *v;
    size_t item;
    size_t taken; /* of the first with an id: how many of these are, or how often it is */
};

struct item_keys {
    struct item_key *list; /* sorted */
    size_t count;
};

struct items {
    struct item *list;
    size_t count;
    struct item_keys outputs; /* by their calls */
    struct item_keys known;   /* those that item_reference may name */
};

/* A tool that the runtime is told of. */
struct offer {
    const struct json *tool;
    const struct json *space; /* its namespace, or NULL */
    bool tells_space;         /* it is the first there, and says what that is */
    struct named_tool *name;
    struct offer *next;
};

struct asking {
    struct translation *t;
    const struct json *body;
    struct json_writer *w;
    struct refusal *why;
    struct arena scratch;   /* until the request is translated */
    struct buf text, other; /* while a text is put together */
    struct items items;
    struct names names;
    struct offer *offers, **offers_end;
    bool only_allowed; /* tool_choice names the tools that may be called */
};

static inline bool responses__absent(const struct json *v)
{
    return json_type(v) == JSON_NONE || json_type(v) == JSON_NULL;
}

/* refuse.c: a path for a refusal, on the exchange's arena. */
const char *responses__path(struct asking *a, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* The path of an item, or of a member of it ("output"). */
const char *responses__item_path(struct asking *a, const struct item *item, const char *member);

/* Refuses a value that is not `wanted` ("a string"). */
int responses__wrong(struct asking *a, const char *path, const char *wanted);

/* --- items.c, messages.c --- */

/* Reads the input and what came before it. */
MUST_CHECK int responses__collect_items(struct asking *a);

/* The output of a call that stands at `item`, each but once; NULL: there is none. */
struct item *responses__take_output(struct asking *a, struct str id, size_t item);

/* The id of a call or an output; empty: it has none. */
struct str responses__call_id(const struct json *item);

MUST_CHECK int responses__write_messages(struct asking *a);

/* turns.c: the assistant's turn that begins at item `from`, with the outputs of its calls. *next is
 * the first item behind it. */
MUST_CHECK int responses__write_turn(struct asking *a, size_t from, size_t *next);

/* outputs.c: those of the calls among items [from, end); and one whose call is not there, as the
 * user's message. */
MUST_CHECK int responses__write_outputs(struct asking *a, size_t from, size_t end);
MUST_CHECK int responses__write_orphan(struct asking *a, const struct item *output);

/* --- parts.c: content --- */

struct part_place {
    const struct item *item;
    const char *member; /* of the item: "content" */
};

/* Appends the texts of a content, with a line's end between them; *others: it has more than texts,
 * which are not there. Wrong types are refused. */
MUST_CHECK int responses__read_text(struct asking *a, const struct json *content,
                                    struct part_place place, struct buf *out, bool *others);

/* Writes the parts as an array of chat's. `images`: only those. */
MUST_CHECK int responses__write_parts(struct asking *a, const struct json *content,
                                      struct part_place place, bool images);

/* --- seal.c: reasoning that only we can read --- */

/* Appends blocks of Anthropic's shape as clients carry them. */
MUST_CHECK int responses__seal(struct buf *out, struct str blocks);

/* The blocks of something sealed, an array; NULL: it is none of ours. */
const struct json *responses__unseal(struct arena *arena, struct str sealed);

/* --- tools.c, choice.c --- */

/* Names all tools; those that the runtime is told of become offers. */
MUST_CHECK int responses__collect_tools(struct asking *a);

MUST_CHECK int responses__write_tools(struct asking *a);

/* Reads tool_choice before the tools are written, which it may narrow down; writes it behind them. */
MUST_CHECK int responses__read_choice(struct asking *a);
MUST_CHECK int responses__write_choice(struct asking *a);

bool responses__has_offers(const struct asking *a);

/* Whether a type is one of the API's own tools. */
bool responses__is_builtin(struct str type);

#endif
