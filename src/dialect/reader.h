/* SPDX-License-Identifier: Apache-2.0 */
/* What an answer says, as far as a relay must know: its usage, its ends, its errors. One table
 * of functions per dialect. */
#ifndef HOSTLER_DIALECT_READER_H
#define HOSTLER_DIALECT_READER_H

#include "base/base.h"
#include "base/str.h"
#include "json/scan.h"

/* Tokens, counted as OpenAI counts them: the parts are in the totals. */
struct usage {
    uint64_t prompt;
    uint64_t completion;
    uint64_t cached;    /* part of prompt: read from a cache */
    uint64_t written;   /* part of prompt: written to a cache */
    uint64_t reasoning; /* part of completion */
    bool known;
    bool estimated; /* the runtime did not say: counted from what went by */
};

/* What the last words of a stream must take up, where a dialect numbers its events. */
struct stream_mark {
    char id[64];   /* the answer's, as its events tell; "": not told, or too long */
    uint64_t next; /* the number of the next event */
};

enum { READER_CHOICES_MAX = 63 }; /* choices beyond are never seen to end */

/* What one event of a stream says. Borrowed from its data. Zero at first, but for `usage` and
 * `mark`. */
struct event_facts {
    struct stream_mark *mark; /* gets the answer's id and the event's number, where there are any */
    struct str whole;         /* the complete answer, where an event has it; ptr NULL: it has not */
    struct str hole;  /* what only the gateway asked for, to be left out; ptr NULL: nothing */
    struct str piece; /* a piece of the answer: from a string's opening quote on; ptr NULL: none */
    uint64_t begun;   /* choices that are there, by index, a bit each */
    uint64_t ended;   /* those with the reason of their end */
    bool answer;      /* it has the member that answers stand in, be it empty */
    bool choice;      /* and something in it */
    bool content;     /* something of an answer, not only a role or an empty piece */
    bool ends;        /* a choice has the reason of its end, whichever its index */
    bool error;       /* an error */
    bool last;        /* nothing comes behind it (besides what is_last knows) */
    bool has_usage;   /* it says something of usage */
    struct usage usage; /* at first what is known so far, then with what this event adds */
    struct json_span error_message; /* as it is written; JSON_NONE: none */
};

struct answer_reader {
    /* Reads an event's data. `strip_usage`: usage was not asked for by the client, and what
     * there is of it besides an answer is to be left out. */
    void (*read_event)(struct str data, bool strip_usage, struct event_facts *out);

    /* True for the data of an event that is none but the mark of the end ("[DONE]"). NULL: the
     * dialect has none. */
    bool (*is_last)(struct str data);

    bool lines; /* events are lines of JSON (NDJSON), not server-sent ones */

    struct str last_event; /* what ends a whole stream that lacks its end; empty: nothing */

    /* Where an answer is one JSON object: the outermost member with its usage, and how to read
     * it. Empty: it stands in the answer itself; then what is read is an object of its outermost
     * numbers. */
    struct str usage_member;
    void (*read_usage)(struct str object, struct usage *out);
};

#endif
