/* SPDX-License-Identifier: Apache-2.0 */
/* http: the HTTP/1.1 parser on good and bad messages, whole and cut anywhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "http/h1.h"

enum { REQUEST, RESPONSE, TO_HEAD /* the response to a HEAD request */ };

struct row {
    int kind;
    const char *text; /* one message, and perhaps the start of another */
    const char *told; /* events, as write_events puts them; `|rest` is what was left over */
};

#define H "Host: h\r\n"
#define OK "HTTP/1.1 200 OK\r\n"
#define CHUNKED "GET / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"
#define CHUNKED_RESPONSE OK "Transfer-Encoding: chunked\r\n\r\n"
#define B50 "                                                  "
#define X50 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define ZEROS "00000000000000000000000000000000000000000000000000"
#define SEMICOLONS ";;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;"
#define BESIDE "chunk extensions and trailer are larger than the limit of the head"
#define BOTH "Content-Length and Transfer-Encoding exclude each other"

static const struct row good[] = {
    {REQUEST, "GET /a?b=c HTTP/1.1\r\n" H "\r\n", "GET /a ? b=c keep [Host=h] END"},
    {REQUEST, "GET / HTTP/1.0\r\n\r\n", "GET / ?  close [] END"},
    {REQUEST, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
     "GET / ?  keep [Connection=keep-alive] END"},
    {REQUEST, "GET / HTTP/1.1\r\n" H "Connection: close\r\n\r\n",
     "GET / ?  close [Host=h|Connection=close] END"},
    {REQUEST, "POST /p HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabc",
     "POST /p ?  keep [Host=h|Content-Length=3] length 3 'abc' END"},
    {REQUEST, "POST /p HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabcGET /next",
     "POST /p ?  keep [Host=h|Content-Length=3] length 3 'abc' END|GET /next"},
    {REQUEST, "POST /p HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\n",
     "POST /p ?  keep [Host=h|Content-Length=0] length 0 END"},
    {REQUEST,
     "POST /p HTTP/1.1\r\n" H
     "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\nX",
     "POST /p ?  keep [Host=h|Transfer-Encoding=chunked] chunked 'abc0123456789' END|X"},
    {REQUEST,
     "POST /p HTTP/1.1\r\n" H
     "Transfer-Encoding: Chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nTrailer: x\r\n\r\n",
     "POST /p ?  keep [Host=h|Transfer-Encoding=Chunked] chunked 'abc' END"},
    {REQUEST, "POST /p HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     "POST /p ?  keep [Host=h|Transfer-Encoding=chunked] chunked END"},
    {REQUEST, "POST /p HTTP/1.1\r\n" H "Expect: 100-continue\r\nContent-Length: 1\r\n\r\nx",
     "POST /p ?  keep [Host=h|Expect=100-continue|Content-Length=1] length 1 expects 'x' END"},
    {REQUEST, "POST /p HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx",
     "POST /p ?  close [Expect=100-continue|Content-Length=1] length 1 'x' END"},
    {REQUEST, "GET http://other:80/a/b?c HTTP/1.1\r\n" H "\r\n",
     "GET /a/b ? c @other:80 keep [Host=h] END"},
    {REQUEST, "GET http://other HTTP/1.1\r\n" H "\r\n", "GET / ?  @other keep [Host=h] END"},
    {REQUEST, "GET HTTPS://[::1]:8/ HTTP/1.1\r\nHost:\r\n\r\n",
     "GET / ?  @[::1]:8 keep [Host=] END"},
    {REQUEST, "GET http://other?a=/x HTTP/1.1\r\n" H "\r\n",
     "GET / ? a=/x @other keep [Host=h] END"},
    {REQUEST, "GET http://other/?a HTTP/1.0\r\n\r\n", "GET / ? a @other close [] END"},
    {REQUEST, "GET / HTTP/1.1\r\nHost:\r\n\r\n", "GET / ?  keep [Host=] END"},
    {REQUEST, "GET //h/a?b?c HTTP/1.1\r\n" H "\r\n", "GET //h/a ? b?c keep [Host=h] END"},
    {REQUEST, "CONNECT h:80 HTTP/1.1\r\n" H "\r\n", "CONNECT h:80 ?  keep [Host=h] END"},
    {REQUEST, "OPTIONS * HTTP/1.1\r\n" H "\r\n", "OPTIONS * ?  keep [Host=h] END"},
    {REQUEST, "GET /chat HTTP/1.1\r\n" H "Upgrade: websocket\r\nConnection: upgrade\r\n\r\nrest",
     "GET /chat ?  keep [Host=h|Upgrade=websocket|Connection=upgrade] END|rest"},
    {REQUEST, "GET / HTTP/1.1\r\n" H "A:\r\nB: \t x y \t \r\n\r\n",
     "GET / ?  keep [Host=h|A=|B=x y] END"},
    {REQUEST, "GET  / HTTP/1.1\r\n" H "\r\n",
     "GET / ?  keep [Host=h] END"}, /* RFC 9112 section 3 allows */
    {REQUEST, "\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n", "GET / ?  keep [Host=h] END"},
    {RESPONSE, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
     "200 keep [Content-Length=2] length 2 'hi' END"},
    {RESPONSE, "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nhi",
     "200 keep [Content-Length=2] length 2 'hi' END"},
    {RESPONSE, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 500",
     "200 keep [Content-Length=2] length 2 'hi' END|HTTP/1.1 500"},
    {RESPONSE, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n",
     "200 keep [Transfer-Encoding=chunked] chunked 'ab' END"},
    {RESPONSE, "HTTP/1.1 204 No Content\r\n\r\n", "204 keep [] END"},
    {RESPONSE, "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
     "304 keep [Content-Length=5] length 5 END"},
    {RESPONSE, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
     "200 keep [Content-Length=1] length 1 'x' END"},
    {RESPONSE,
     "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 N\r\n\r\n",
     "204 keep [] END"},
    {RESPONSE,
     "HTTP/1.1 103 E\r\nTransfer-Encoding: chunked\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
     "200 keep [Content-Length=1] length 1 'x' END"},
    {RESPONSE,
     "HTTP/1.1 103 E\r\nContent-Length: 1\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
     "200 keep [Content-Length=1] length 1 'x' END"},
    {RESPONSE, "HTTP/1.1 200 OK\r\n\r\nuntil the end", "200 close [] 'until the end' FINISHED"},
    {RESPONSE, "HTTP/1.0 200 OK\r\n\r\nuntil the end", "200 close [] 'until the end' FINISHED"},
    {RESPONSE, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx",
     "200 close [Connection=close|Content-Length=1] length 1 'x' END"},
    {TO_HEAD, "HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n",
     "200 keep [Content-Length=200] length 200 END"},
    {TO_HEAD, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
     "200 keep [Transfer-Encoding=chunked] chunked END"},
};

static const struct row bad_heads[] = {
    {REQUEST, "GET / HTTP/1.1\r\n\r\n", "400"},
    {REQUEST, "GET / HTTP/1.1\r\n" H H "\r\n", "400"},
    {REQUEST, "GET / HTTP/2.0\r\n" H "\r\n", "505"},
    {REQUEST, "GET / HTTP/1.2\r\n" H "\r\n", "505"},
    {REQUEST, "GET / HTTP/0.9\r\n" H "\r\n", "505"},
    {REQUEST, "GET / RTSP/1.0\r\n" H "\r\n", "400"},
    {REQUEST, "OPTIONS * RTSP/1.0\r\n" H "\r\n", "400"},
    {REQUEST, "SOURCE / ICE/1.0\r\n" H "\r\n", "400"},
    {REQUEST, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "400"},
    {REQUEST, "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", "400"},
    {REQUEST, "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", "400"},
    {REQUEST, "GET / HTTP/1.0\r\nHost: a/b\r\n\r\n", "400"},
    {REQUEST, "GET http://h/ HTTP/1.1\r\nHost: a/b\r\n\r\n", "400"},
    {REQUEST, "GET http://h/ HTTP/1.1\r\n\r\n", "400"},
    {REQUEST, "GET http://u@h/ HTTP/1.1\r\n" H "\r\n", "400"},
    {REQUEST, "GET http:///a HTTP/1.1\r\n" H "\r\n", "400"},
    {REQUEST, "GET http://[::1/ HTTP/1.1\r\n" H "\r\n", "400"},
    {REQUEST, "GET ftp://h/ HTTP/1.1\r\n" H "\r\n", "400"},
    {REQUEST, "GET foo HTTP/1.1\r\n" H "\r\n", "400"},
    {REQUEST, "GET * HTTP/1.1\r\n" H "\r\n", "400"},
    {REQUEST, "OPTIONS *x HTTP/1.1\r\n" H "\r\n", "400"},
    {REQUEST, "GET /a#b HTTP/1.1\r\n" H "\r\n", "400"},
    {REQUEST, "GET /a?b#c HTTP/1.1\r\n" H "\r\n", "400"},
    {REQUEST, "GET http://h#c HTTP/1.1\r\n" H "\r\n", "400"},
    {REQUEST, "GET /a\x01 HTTP/1.1\r\n" H "\r\n", "400"},
    {REQUEST, "GET /a\x7f HTTP/1.1\r\n" H "\r\n", "400"},
    {REQUEST, "GET /a\xc3\xa4 HTTP/1.1\r\n" H "\r\n", "400"},
    {REQUEST, "GET / HTTP/1.1\r\n" H "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
     "400"},
    {REQUEST, "GET / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
     "400"},
    {REQUEST, "GET / HTTP/1.1\r\n" H "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx", "400"},
    {REQUEST, "GET / HTTP/1.1\r\n" H "Content-Length: 1\r\nContent-Length: 2\r\n\r\nx", "400"},
    {REQUEST, "GET / HTTP/1.1\r\n" H "Content-Length: 1, 1\r\n\r\nx", "400"},
    {REQUEST, "GET / HTTP/1.1\r\n" H "Content-Length: +1\r\n\r\nx", "400"},
    {REQUEST, "GET / HTTP/1.1\r\n" H "Content-Length: -1\r\n\r\nx", "400"},
    {REQUEST, "GET / HTTP/1.1\r\n" H "Content-Length: 1x\r\n\r\nx", "400"},
    {REQUEST, "GET / HTTP/1.1\r\n" H "Content-Length:\r\n\r\nx", "400"},
    {REQUEST, "GET / HTTP/1.1\r\n" H "Content-Length: 99999999999999999999\r\n\r\nx", "400"},
    {REQUEST, "GET / HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n", "501"},
    {REQUEST, "GET / HTTP/1.1\r\n" H "Transfer-Encoding: identity\r\n\r\n", "4xx5xx"},
    {REQUEST, "GET / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\t\r\n\r\n0\r\n\r\n", "400"},
    {REQUEST,
     "GET / HTTP/1.1\r\n" H
     "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     "4xx5xx"},
    {REQUEST, "GET / HTTP/1.1\r\n" H "Transfer-Encoding: xchunked\r\n\r\n", "4xx5xx"},
    {REQUEST, "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"},
    {REQUEST, "GET / HTTP/1.1\r\n" H "A : b\r\n\r\n", "400"},
    {REQUEST, "GET / HTTP/1.1\r\n" H " folded: b\r\n\r\n", "400"},
    {REQUEST, "GET / HTTP/1.1\r\n" H "A: b\r\n c\r\n\r\n", "400"},
    {REQUEST, "GET / HTTP/1.1\r\n" H "A: b\rC: d\r\n\r\n", "400"},
    {REQUEST, "GET / HTTP/1.1\n" H "\r\n", "400"},
    {REQUEST, "GET / HTTP/1.1 \r\n" H "\r\n", "400"},
    {REQUEST, "GET / HTTP/1.1\r\nHost: h\n\r\n", "400"},
    {REQUEST, "GET / HTTP/1.1\r\nHost: h\r\n\n", "400"},
    {REQUEST,
     "GET / HTTP/1.1\r\n" H "A: b\x01"
     "c\r\n\r\n",
     "400"},
    {REQUEST, "GET / HTTP/1.1\r\n" H "A\x80: b\r\n\r\n", "400"},
    {REQUEST, "GET / HTTP/1.1\r\n" H ": b\r\n\r\n", "400"},
    {REQUEST, "GET / HTTP/1.1\r\n" H "novalue\r\n\r\n", "400"},
    {REQUEST, "GET /a b HTTP/1.1\r\n" H "\r\n", "400"},
    {REQUEST, "GET /\r\n\r\n", "505"},
    {REQUEST, "BREW / HTTP/1.1\r\n" H "\r\n", "400"},
    {REQUEST, "get / HTTP/1.1\r\n" H "\r\n", "400"},
    {REQUEST, "\x16\x03\x01\x02\x00\x01", "400"},
    {REQUEST, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "4xx5xx"},
    {REQUEST, "GET / HTTP/1.1\r\n" H "Expect: something\r\n\r\n", "417"},
    {REQUEST,
     "GET /0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
     "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
     " HTTP/1.1\r\n" H "\r\n",
     "431"},
    {REQUEST, "GET / HTTP/1.1\r\n" H "A:" B50 B50 B50 B50 "b\r\n\r\n", "431"},
    {REQUEST, "GET" B50 B50 B50 B50 "/ HTTP/1.1\r\n" H "\r\n", "431"},
    {RESPONSE, "HTTP/1.1 200 " X50 X50 X50 X50 "\r\n\r\n", "431"},
    {RESPONSE, "HTTP/1.1 103 " X50 X50 "\r\n\r\nHTTP/1.1 200 " X50 X50 "\r\n\r\n", "431"},
    {REQUEST, "GET / HTTP/1.1\r\n" H "A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\nE: 5\r\n\r\n", "431"},
    {RESPONSE, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "400"},
    {RESPONSE, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", "400"},
    {RESPONSE, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "400"},
    {RESPONSE, "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "501"},
    {RESPONSE, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\t\r\n\r\n0\r\n\r\n", "400"},
    {RESPONSE, "HTTP/1.1 2x0 OK\r\n\r\n", "400"},
    {RESPONSE, "HTTP/1.1 20 OK\r\n\r\n", "400"},
    {RESPONSE, "HTTP/1.1 099 OK\r\n\r\n", "400"},
    {RESPONSE, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
     "400"},
    {RESPONSE, "HTTP/1.1 000 OK\r\n\r\n", "400"},
    {RESPONSE, "HTTP/1.1 2000 OK\r\n\r\n", "400"},
    {RESPONSE, "SSH-2.0-OpenSSH\r\n", "400"},
    {RESPONSE, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
     "400"},
};

static const struct row bad_bodies[] = {
    {REQUEST, "GET / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\nx\r\n", "400"},
    {REQUEST, "GET / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n-1\r\n", "400"},
    {REQUEST, "GET / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", "400"},
    {REQUEST, "GET / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
     "400"},
    {REQUEST, "GET / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n1\na\n0\n\n", "400"},
};

/* What is refused beside the body's bytes, and the words for it. */
static const struct row explained[] = {
    {REQUEST, "GET / HTTP/1.1\nHost: h\n\n", "the request line does not end with CR LF"},
    {REQUEST, "GET / HTTP/1.1\r\nHost: h\n\n", "a line does not end with CR LF"},
    {REQUEST, "GET / HTTP/1.2\r\n", "this is not HTTP/1.1"},
    {REQUEST, "GET / RTSP/1.0\r\n", "this is not HTTP/1.1"},
    {REQUEST, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "the Host header names no valid host"},
    {REQUEST, "GET http://a@b HTTP/1.1\r\n" H "\r\n", "the request target names no valid host"},
    {REQUEST, "GET ws://a HTTP/1.1\r\n" H "\r\n",
     "the request target is neither a path nor an http URL"},
    {REQUEST, "GET /#a HTTP/1.1\r\n" H "\r\n", "the request target has a fragment"},
    {REQUEST, CHUNKED "3;" X50 X50 X50 X50 "\r\nabc\r\n0\r\n\r\n", BESIDE},
    {REQUEST, CHUNKED "1;" X50 X50 "\r\na\r\n1;" X50 X50 "\r\nb\r\n1;" X50 X50 "\r\nc\r\n0\r\n\r\n",
     BESIDE},
    {REQUEST, CHUNKED "1" SEMICOLONS SEMICOLONS SEMICOLONS SEMICOLONS "\r\na\r\n0\r\n\r\n", BESIDE},
    {REQUEST, CHUNKED ZEROS ZEROS ZEROS ZEROS "1\r\na\r\n0\r\n\r\n", BESIDE},
    {REQUEST, CHUNKED "0\r\nT: " X50 X50 X50 X50 "\r\n\r\n", BESIDE},
    {RESPONSE, CHUNKED_RESPONSE "3;" X50 X50 X50 X50 "\r\nabc\r\n0\r\n\r\n", BESIDE},
    {RESPONSE, "HTTP/1.1 200 " X50 X50 X50 X50 "\r\n\r\n", "the head is larger than the limit"},
    {RESPONSE, OK "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
     "Transfer-Encoding is given twice"},
    {RESPONSE, OK "Content-Length: 2\r\nContent-Length: 2\r\n\r\n",
     "Content-Length is given twice"},
    {RESPONSE, OK "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n", BOTH},
    {RESPONSE, OK "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n", BOTH},
    {RESPONSE, OK "Transfer-Encoding: chunked\r\nContent-Length: x\r\n\r\n", BOTH},
    {RESPONSE, OK "Content-Length: x\r\n\r\n",
     "Content-Length is not a number, or too large a one"},
    {RESPONSE, "HTTP/1.1 200 OK\nContent-Length: 2\n\n", "a line does not end with CR LF"},
    {RESPONSE, OK "A: a\r\n b\r\n\r\n", "Unexpected whitespace after header value"},
    {RESPONSE, OK "A B: a\r\n\r\n", "Invalid header token"},
    {RESPONSE, OK "A: \x01\r\n\r\n", "Invalid header value char"},
    {RESPONSE, CHUNKED_RESPONSE "x\r\n", "a chunk size is not a number, or too large a one"},
    {RESPONSE, CHUNKED_RESPONSE "1\r\nab\r\n", "Expected LF after chunk data"},
    {RESPONSE, "HTTP/1.1 20 OK\r\n\r\n", "the status code is none"},
    {RESPONSE, "SSH-2.0\r\n", "this is not HTTP/1.1"},
};

static const struct h1_limits limits = {.head_max = 200, .header_max = 5};

static void add(struct buf *out, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void add(struct buf *out, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    assert_int_equal(buf_vprintf(out, fmt, args), 0);
    va_end(args);
}

static void write_head(struct buf *out, const struct h1 *p)
{
    const struct http_head *head = h1_head(p);
    const struct h1_facts *facts = h1_facts(p);
    struct str host = http_head_get(head, HDR_HOST);
    if (head->status)
        add(out, "%d", head->status);
    else
        add(out, "%" STR_FMT " %" STR_FMT " ? %" STR_FMT, STR_ARG(head->method_name),
            STR_ARG(head->path), STR_ARG(head->query));
    if (!str_eq(head->authority, host)) add(out, " @%" STR_FMT, STR_ARG(head->authority));
    add(out, facts->keep_alive ? " keep [" : " close [");
    for (unsigned i = 0; i < head->field_count; i++)
        add(out, "%s%" STR_FMT "=%" STR_FMT, i ? "|" : "", STR_ARG(head->fields[i].name),
            STR_ARG(head->fields[i].value));
    add(out, "]");
    if (head->has_length) add(out, " length %llu", (unsigned long long)head->length);
    if (facts->chunked) add(out, " chunked");
    if (facts->expect_continue) add(out, " expects");
}

struct reading {
    struct h1 *p;
    struct buf told;
    struct buf body;
    bool over;
    int status;
    const char *why;
    unsigned fields; /* of the head */
};

static void end_body(struct reading *r)
{
    if (buf_len(&r->body)) add(&r->told, " '%" STR_FMT "'", STR_ARG(buf_str(&r->body)));
}

/* Feeds one piece, which is copied to memory of exactly its size. */
static void feed(struct reading *r, struct str piece)
{
    char *copy = malloc(piece.len + 1);
    if (piece.len) memcpy(copy, piece.ptr, piece.len);
    struct str in = str_n(copy, piece.len), body;
    while (!r->over) {
        enum h1_event event = h1_next(r->p, &in, &body);
        if (event == H1_MORE) break;
        if (event == H1_HEAD) write_head(&r->told, r->p);
        if (event == H1_HEAD) r->fields = h1_head(r->p)->field_count;
        if (event == H1_END) assert_int_equal(h1_head(r->p)->field_count, r->fields);
        if (event == H1_BODY) assert_int_equal(buf_append(&r->body, body), 0);
        if (event == H1_END) end_body(r);
        if (event == H1_END) add(&r->told, " END");
        if (event == H1_ERROR) {
            const char *text = NULL;
            assert_true(h1_error(r->p, &r->status, &text) < 0);
            assert_non_null(text);
            r->why = text;
            assert_int_equal(h1_next(r->p, &in, &body), H1_ERROR);
        }
        r->over = event == H1_END || event == H1_ERROR;
    }
    free(copy);
}

static void begin(struct reading *r, int kind, struct arena *arena)
{
    *r = (struct reading){0};
    buf_init(&r->told, 4096);
    buf_init(&r->body, 4096);
    assert_int_equal(h1_new(kind != REQUEST, &limits, &r->p), 0);
    h1_begin(r->p, arena, kind == TO_HEAD);
}

static void finish(struct reading *r)
{
    h1_free(r->p);
    buf_fini(&r->told);
    buf_fini(&r->body);
}

/* Rows that went wrong in a test; it fails at its end, so that all are shown. */
static unsigned wrong;

/* Reads `text` in pieces that end at `cut` and then every `step` bytes; what is told must be
 * `told` (less the rest). */
static void read_cut(const struct row *row, size_t cut, size_t step)
{
    struct arena arena;
    struct reading r;
    struct str text = str_of(row->text), told = str_of(row->told);
    arena_init(&arena, SIZE_MAX, 256);
    begin(&r, row->kind, &arena);
    ptrdiff_t rest = str_find_char(told, '|');
    while (rest >= 0 && told.ptr[rest - 1] != 'D') { /* "END|rest"; headers have bars too */
        ptrdiff_t next = str_find_char(str_skip(told, (size_t)rest + 1), '|');
        rest = next < 0 ? -1 : rest + 1 + next;
    }
    if (rest >= 0) {
        text.len -= told.len - (size_t)rest - 1;
        told.len = (size_t)rest;
    }
    feed(&r, str_sub(text, 0, cut));
    for (size_t at = cut; at < text.len; at += step)
        feed(&r, str_sub(text, at, step));
    if (str_ends(told, STR("FINISHED"))) {
        assert_int_equal(h1_finish(r.p), H1_END);
        end_body(&r);
        add(&r.told, " FINISHED");
    }
    if (!str_eq(buf_str(&r.told), told))
        wrong++,
            print_error("%s\ncut at %zu, then by %zu:\n  told %" STR_FMT
                        " (status %d)\n  want %" STR_FMT "\n",
                        row->text, cut, step, STR_ARG(buf_str(&r.told)), r.status, STR_ARG(told));
    finish(&r);
    arena_fini(&arena);
}

static void good_messages_are_read_however_they_are_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        read_cut(&good[i], 0, 1);
        for (size_t cut = 0; cut <= strlen(good[i].text); cut++)
            read_cut(&good[i], cut, 4096);
    }
    assert_int_equal(wrong, 0);
}

/* What follows a message stays with the caller. */
static void input_ends_with_the_message(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        const char *rest = strstr(good[i].told, "END|");
        if (!rest) continue;
        struct arena arena;
        arena_init(&arena, SIZE_MAX, 256);
        struct h1 *p;
        assert_int_equal(h1_new(good[i].kind != REQUEST, &limits, &p), 0);
        h1_begin(p, &arena, false);
        struct str in = str_of(good[i].text), body;
        enum h1_event event;
        while ((event = h1_next(p, &in, &body)) != H1_END)
            assert_true(event == H1_HEAD || event == H1_BODY);
        assert_string_equal(in.ptr, rest + 4);
        assert_int_equal(in.len, strlen(rest + 4));
        h1_free(p);
        arena_fini(&arena);
    }
}

/* A head that is refused is never told of: an answer could be on its way by then. */
static void check_refused(const struct row *row, bool head, size_t cut, size_t step)
{
    struct arena arena;
    struct reading r;
    struct str text = str_of(row->text);
    arena_init(&arena, SIZE_MAX, 256);
    begin(&r, row->kind, &arena);
    feed(&r, str_sub(text, 0, cut));
    for (size_t at = cut; at < text.len; at += step)
        feed(&r, str_sub(text, at, step));
    if (!r.status && row->kind != REQUEST && h1_finish(r.p) == H1_ERROR) r.status = 400;
    bool any = strcmp(row->told, "4xx5xx") == 0;
    if ((any ? r.status < 400 : r.status != atoi(row->told)) || head != (buf_len(&r.told) == 0))
        wrong++, print_error("%s\ncut at %zu: status %d, want %s; told %" STR_FMT "\n", row->text,
                             cut, r.status, row->told, STR_ARG(buf_str(&r.told)));
    finish(&r);
    arena_fini(&arena);
}

static void check_all_refused(const struct row *rows, size_t count, bool head)
{
    for (size_t i = 0; i < count; i++) {
        check_refused(&rows[i], head, 0, 1);
        for (size_t cut = 0; cut <= strlen(rows[i].text); cut++)
            check_refused(&rows[i], head, cut, 4096);
    }
}

static void bad_messages_are_refused_however_they_are_cut(void **state)
{
    (void)state;
    check_all_refused(bad_heads, ARRAY_LEN(bad_heads), true);
    check_all_refused(bad_bodies, ARRAY_LEN(bad_bodies), false);
    assert_int_equal(wrong, 0);
}

static void what_is_refused_is_said_in_words(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(explained); i++) {
        const struct row *row = &explained[i];
        struct str text = str_of(row->text);
        for (size_t cut = 0; cut <= text.len; cut++) {
            struct arena arena;
            struct reading r;
            arena_init(&arena, SIZE_MAX, 256);
            begin(&r, row->kind, &arena);
            feed(&r, str_sub(text, 0, cut));
            feed(&r, str_skip(text, cut));
            if (!r.why || strcmp(r.why, row->told) != 0)
                wrong++, print_error("%s\ncut at %zu: %s\n   want %s\n", row->text, cut,
                                     r.why ? r.why : "good", row->told);
            finish(&r);
            arena_fini(&arena);
        }
    }
    assert_int_equal(wrong, 0);
}

/* Every name is found in any case, and nothing that is nearly one. */
static void header_names_have_numbers(void **state)
{
    (void)state;
    for (unsigned id = HDR_OTHER + 1; id < HDR_COUNT; id++) {
        struct str name = http_header_name((enum http_header_id)id);
        char text[32];
        assert_in_range(name.len, 1, sizeof text - 1);
        for (size_t i = 0; i < name.len; i++)
            text[i] = name.ptr[i] >= 'a' ? (char)(name.ptr[i] & ~0x20) : name.ptr[i];
        assert_int_equal(http_header_id(name), id);
        assert_int_equal(http_header_id(str_n(text, name.len)), id);
        text[name.len - 1] = '_';
        assert_int_equal(http_header_id(str_n(text, name.len)), HDR_OTHER);
        text[name.len] = 'x';
        assert_int_equal(http_header_id(str_n(text, name.len + 1)), HDR_OTHER);
        assert_int_equal(http_header_id(str_n(text, name.len - 1)), HDR_OTHER);
    }
    assert_int_equal(http_header_id(STR("")), HDR_OTHER);
    assert_int_equal(http_header_id(STR("a-name-that-is-longer-than-any-that-is-known")),
                     HDR_OTHER);
}

static void hosts_are_told_from_what_is_none(void **state)
{
    (void)state;
    static const char *const hosts[] = {
        "h",     "h:80",     "a.b-c_d~e",   "127.0.0.1:8080",
        "[::1]", "[::1]:80", "[fe80::1:2]", "[::ffff:1.2.3.4]:1",
        "h:",    "h:65535",  "a%20b",       "xn--a!$&'()*+,;=",
        "1",     "H.",
    };
    static const char *const none[] = {
        "",           ":80",
        "a b",        "a@b",
        "u:p@h",      "[::1",
        "::1",        "[]",
        "[::1]x",     "[::1]80",
        "[::1%25lo]", "[v1.x]",
        "a/b",        "a?b",
        "a#b",        "a\\b",
        "h:x",        "h:-1",
        "h:+1",       "h:65536",
        "h:80:90",    "h:99999999999999999999",
        "a%2",        "a%zz",
        "a\tb",       "a\x7f",
        "a\xc3\xa4",  "<h>",
        "\"h\"",      "[1.2.3.4]",
        "a,b:1@",
    };
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++)
        if (!http_host_ok(str_of(hosts[i]))) fail_msg("%s", hosts[i]);
    for (size_t i = 0; i < ARRAY_LEN(none); i++)
        if (http_host_ok(str_of(none[i]))) fail_msg("%s", none[i]);
    assert_false(http_host_ok(STR("a\0b")) || http_host_ok(STR("[::1\0]")));
}

/* A message cut short by the connection's end is never whole, unless its end is the
 * connection's. */
static void an_early_end_is_an_error(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        bool until_close = strstr(good[i].told, "FINISHED");
        const char *head_end = strstr(good[i].text, "\r\n\r\n");
        size_t whole =
            strlen(good[i].text) -
            (strstr(good[i].told, "END|") ? strlen(strstr(good[i].told, "END|") + 4) : 0);
        for (size_t cut = 1; cut < whole; cut++) {
            struct arena arena;
            struct reading r;
            arena_init(&arena, SIZE_MAX, 256);
            begin(&r, good[i].kind, &arena);
            feed(&r, str_n(good[i].text, cut));
            bool body = until_close && cut >= (size_t)(head_end + 4 - good[i].text);
            enum h1_event event = h1_finish(r.p);
            if (event != (body ? H1_END : H1_ERROR))
                fail_msg("%s\nended after %zu: %d", good[i].text, cut, (int)event);
            finish(&r);
            arena_fini(&arena);
        }
    }
}

static void one_parser_reads_message_after_message(void **state)
{
    (void)state;
    struct h1 *p;
    struct arena arena;
    arena_init(&arena, SIZE_MAX, 256);
    assert_int_equal(h1_new(false, &limits, &p), 0);
    struct str in =
        STR("POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nab"
            "GET /2 HTTP/1.1\r\nHost: h\r\n\r\n"
            "POST /3 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nc\r\n0\r\n\r\n");
    for (char n = '1'; n <= '3'; n++) {
        struct str body;
        enum h1_event event;
        h1_begin(p, &arena, false);
        assert_false(h1_started(p));
        assert_int_equal(h1_next(p, &in, &body), H1_HEAD);
        assert_true(h1_started(p));
        assert_int_equal(h1_head(p)->path.ptr[1], n);
        while ((event = h1_next(p, &in, &body)) == H1_BODY) {
        }
        assert_int_equal(event, H1_END);
        arena_reset(&arena);
    }
    assert_int_equal(in.len, 0);
    h1_free(p);
    arena_fini(&arena);
}

/* A head that comes byte by byte takes memory in proportion to its size. */
static void a_slow_head_takes_no_more_memory(void **state)
{
    (void)state;
    static const struct h1_limits wide = {.head_max = 65536, .header_max = 100};
    static const struct str start = STR_INIT("GET / HTTP/1.1\r\nHost: h\r\nX: ");
    struct h1 *p;
    struct arena arena;
    struct str body;
    arena_init(&arena, SIZE_MAX, 4096);
    assert_int_equal(h1_new(false, &wide, &p), 0);
    h1_begin(p, &arena, false);
    for (size_t i = 0; i < 60000; i++) {
        char c = i < start.len ? start.ptr[i] : 'x';
        struct str in = str_n(&c, 1);
        assert_int_equal(h1_next(p, &in, &body), H1_MORE);
    }
    assert_in_range(arena_used(&arena), 60000, 8 * 60000);
    h1_free(p);
    arena_fini(&arena);
}

/* --- writing --- */

static void a_request_is_written(void **state)
{
    (void)state;
    static const struct http_field fields[] = {
        HTTP_FIELD(ACCEPT, STR_INIT("*/*")),
        {.name = STR_INIT("X-Own"), .value = STR_INIT("")},
        {.id = HDR_USER_AGENT, .name = STR_INIT("User-Agent"), .value = STR_INIT("x y")},
    };
    static const struct {
        enum http_method method;
        struct h1_start start;
        const char *text;
    } rows[] = {
        {METHOD_GET,
         {H1_NONE, 0, H1_SAY_CLOSE},
         "GET /a?b HTTP/1.1\r\nhost: h:1\r\n#connection: close\r\n\r\n"},
        {METHOD_HEAD, {H1_NONE, 0, H1_DEFAULT}, "HEAD /a?b HTTP/1.1\r\nhost: h:1\r\n#\r\n"},
        {METHOD_POST,
         {H1_LENGTH, 0, H1_DEFAULT},
         "POST /a?b HTTP/1.1\r\nhost: h:1\r\n#content-length: 0\r\n\r\n"},
        {METHOD_PUT,
         {H1_LENGTH, UINT64_MAX, H1_SAY_KEEP_ALIVE},
         "PUT /a?b HTTP/1.1\r\nhost: h:1\r\n#content-length: 18446744073709551615\r\nconnection: keep-alive\r\n\r\n"},
        {METHOD_PATCH,
         {H1_CHUNKED, 0, H1_DEFAULT},
         "PATCH /a?b HTTP/1.1\r\nhost: h:1\r\n#transfer-encoding: chunked\r\n\r\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct http_request r = {.method = rows[i].method,
                                 .target = STR("/a?b"),
                                 .authority = STR("h:1"),
                                 .fields = fields,
                                 .field_count = ARRAY_LEN(fields)};
        struct arena arena;
        arena_init(&arena, SIZE_MAX, 1024);
        struct str rest = str_of(rows[i].text), begin;
        assert_true(str_cut(&rest, '#', &begin));
        struct str wanted = arena_printf(
            &arena, "%" STR_FMT "accept: */*\r\nX-Own: \r\nUser-Agent: x y\r\n%" STR_FMT,
            STR_ARG(begin), STR_ARG(rest));
        struct str got = h1_write_request(&arena, &r, &rows[i].start);
        if (!str_eq(got, wanted)) fail_msg("%.*s", STR_ARG(got));
        arena_fini(&arena);
    }
}

static void a_response_is_written_and_dated_once(void **state)
{
    (void)state;
    static const struct http_field dated[] = {
        {.id = HDR_DATE, .name = STR_INIT("Date"), .value = STR_INIT("then")}};
    static const struct http_field plain[] = {HTTP_FIELD(ALLOW, STR_INIT("GET"))};
    const struct h1_start closing = {H1_CLOSE, 0, H1_SAY_CLOSE}, none = {0};
    struct arena arena;
    arena_init(&arena, SIZE_MAX, 1024);
    assert_true(str_eq(h1_write_response(&arena, 200, dated, 1, &closing),
                       STR("HTTP/1.1 200 OK\r\nDate: then\r\nconnection: close\r\n\r\n")));
    struct str got = h1_write_response(&arena, 999, plain, 1, &none);
    assert_true(str_starts(got, STR("HTTP/1.1 999 Unknown\r\ndate: ")));
    assert_true(str_ends(got, STR(" GMT\r\nallow: GET\r\n\r\n")));
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_messages_are_read_however_they_are_cut),
        cmocka_unit_test(input_ends_with_the_message),
        cmocka_unit_test(bad_messages_are_refused_however_they_are_cut),
        cmocka_unit_test(what_is_refused_is_said_in_words),
        cmocka_unit_test(header_names_have_numbers),
        cmocka_unit_test(hosts_are_told_from_what_is_none),
        cmocka_unit_test(an_early_end_is_an_error),
        cmocka_unit_test(one_parser_reads_message_after_message),
        cmocka_unit_test(a_slow_head_takes_no_more_memory),
        cmocka_unit_test(a_request_is_written),
        cmocka_unit_test(a_response_is_written_and_dated_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
