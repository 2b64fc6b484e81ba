# SPDX-License-Identifier: Apache-2.0
"""Messages whose end or whose meaning two parsers may see differently, for HTTP/1.1 and for HTTP/2, and mutants of them.

Each has a request inside that nobody has authorised: it has no key, and asks for SMUGGLED. MARK stands for the message's own id.
"""

import json
import struct

from h2_client import DATA, END_HEADERS, END_STREAM, HEADERS, PREFACE, frame, literal, settings

MARK = b"MARKMARKMARK"  # of the length that ids have
SMUGGLED = b"smuggledxxxx"
KEY = b"sk-client-0123456789"
BODY = json.dumps({"model": "MODEL", "messages": [{"role": "user", "content": "hello"}]}).replace("MODEL", "m").encode()
INNER = (b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nx-request-id: " + SMUGGLED +
         b"\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY)


def message(*lines, body=b"", first=b"POST /v1/chat/completions HTTP/1.1", end=b"\r\n", host=(b"Host: localhost",)):
    """A request with the lines that every request has, and these."""
    own = [first, b"x-request-id: " + MARK, b"Authorization: Bearer " + KEY, *host, b"Content-Type: application/json"]
    return end.join([*own, *lines]) + end + end + body


def chunked(*pieces, last=b"0\r\n\r\n"):
    return b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces) + last


def length(value=None):
    return b"Content-Length: " + (b"%d" % len(BODY) if value is None else value)


CODINGS = [
    b"Transfer-Encoding: chunked", b"Transfer-Encoding : chunked", b"Transfer-Encoding:\tchunked", b"Transfer-Encoding: Chunked",
    b"transfer-encoding: CHUNKED", b"Transfer-Encoding: chunked ", b"Transfer-Encoding: \x0bchunked", b"Transfer-Encoding: chunked\x0b",
    b"Transfer-Encoding: xchunked", b"Transfer-Encoding: chunked, identity", b"Transfer-Encoding: identity, chunked",
    b"Transfer-Encoding: chunked, chunked", b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: chunked;x=y",
    b'Transfer-Encoding: "chunked"', b"Transfer-Encoding: 'chunked'", b"Transfer-Encoding:", b"Transfer-Encoding: ,chunked",
    b"Transfer-Encoding: chunked,", b"Transfer-Encoding: identity", b"Transfer_Encoding: chunked", b"Transfer-Encoding\x00: chunked",
    b" Transfer-Encoding: chunked", b"\tTransfer-Encoding: chunked", b"X: y\nTransfer-Encoding: chunked", b"X: y\rTransfer-Encoding: chunked",
    b"X: y\r\n Transfer-Encoding: chunked", b"Transfer-Encoding:\r\n chunked", b"Transfer-Encoding: chun\x00ked",
    b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", b"Transfer-Encoding: \xe2\x80\x8bchunked", b"Transfer-Encoding: cow",
    b"TE: chunked", b"Transfer-Encoding: chunked\r\nTE: trailers", b"Transfer-Encoding; chunked", b"Transfer-Encoding=chunked",
    b"Transfer-\r\nEncoding: chunked", b"Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked",
    b"Connection: Content-Length", b"Connection: close, Authorization, x-request-id"]

LENGTHS = [
    b"0", b"+%d" % len(BODY), b"-1", b"%d " % len(BODY), b" %d" % len(BODY), b"0%d" % len(BODY), b"0x%x" % len(BODY), b"%d,%d" % (len(BODY), len(BODY)),
    b"%d, 0" % len(BODY), b"%d;" % len(BODY), b"%d.0" % len(BODY), b"1e2", b"", b"\t%d" % len(BODY), b"%d\x00" % len(BODY), b"\x0b%d" % len(BODY),
    b"18446744073709551616", b"9223372036854775808", b"4294967296", b"%d" % (2**64 + len(BODY)), b"%d_0" % len(BODY), b"\xd9\xa1",
    b"%d\r\nContent-Length: 0" % len(BODY), b"0\r\nContent-Length: %d" % len(BODY), b"%d\r\nContent-Length: %d" % (len(BODY), len(BODY)),
    b"%d\r\nContent_Length: 0" % len(BODY), b"%d\nContent-Length: 0" % len(BODY), b"%d\r\n Content-Length: 0" % len(BODY),
    b"%d\r\nX: y\rContent-Length: 0" % len(BODY), b"%d\r\nContent-Length : 0" % len(BODY)]

SIZES = [b"%x;x=y", b"%x ;x", b"%x\t", b" %x", b"0%x", b"0000000000000000%x", b"+%x", b"-%x", b"0x%x", b"%x\x00", b"%x;\nx", b"%x;x\ry", b"%x;\x00",
         b"%x\r", b"%x\n", b"%x,", b"%x;" + b"x" * 5000, b"1%x", b"10000000000000%x", b"%x g", b"%x;\"\r\n\"", b"fffffffffffffff%x"]

FIRST_LINES = [
    b"POST /v1/chat/completions HTTP/1.0", b"POST /v1/chat/completions HTTP/1.2", b"POST /v1/chat/completions HTTP/2.0",
    b"POST /v1/chat/completions HTTP/0.9", b"POST /v1/chat/completions", b"POST  /v1/chat/completions HTTP/1.1",
    b"POST /v1/chat/completions  HTTP/1.1", b"POST\t/v1/chat/completions\tHTTP/1.1", b" POST /v1/chat/completions HTTP/1.1",
    b"\r\nPOST /v1/chat/completions HTTP/1.1", b"\nPOST /v1/chat/completions HTTP/1.1", b"POST /v1/chat/completions HTTP/1.1 ",
    b"POST http://elsewhere/v1/chat/completions HTTP/1.1", b"POST /v1/chat/completions?x=/v1/models HTTP/1.1",
    b"POST /v1/chat/completions#x HTTP/1.1", b"POST //v1/chat/completions HTTP/1.1", b"POST /v1/../v1/chat/completions HTTP/1.1",
    b"POST /v1/chat%2fcompletions HTTP/1.1", b"POST /v1/chat/completions/ HTTP/1.1", b"POST /v1/chat/completions\x00 HTTP/1.1",
    b"POST /v1/chat/completions\x0bx HTTP/1.1", b"post /v1/chat/completions HTTP/1.1", b"GET /v1/chat/completions HTTP/1.1",
    b"HEAD /v1/chat/completions HTTP/1.1", b"CONNECT /v1/chat/completions HTTP/1.1", b"CONNECT localhost:80 HTTP/1.1",
    b"PRI * HTTP/2.0", b"POST * HTTP/1.1", b"POST v1/chat/completions HTTP/1.1", b"POST /v1/chat/completions http/1.1",
    b"POST /v1/chat/completions HTTP/1.1\r", b"POST /v1/chat/completions HTTP/11", b"POST /v1/chat/completions HTTP/1.1\r\n x: y"]

HOSTS = [(), (b"Host: localhost", b"Host: localhost"), (b"Host: localhost", b"Host: elsewhere"), (b"Host: a b",), (b"Host: a,b",), (b"Host:",),
         (b"Host : localhost",), (b"Host: localhost:80:80",), (b"Host: http://localhost",), (b"Host: localhost/x",), (b"Host: local\x00host",),
         (b"Host: localhost\r\n x",), (b"Host: @localhost",), (b"Host: localhost:99999",)]

OTHER_LINES = [
    b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABk", b"Upgrade: websocket\r\nConnection: Upgrade",
    b"Expect: 100-continue", b"Expect: 200-ok", b"Expect: 100-continue, 100-continue", b"Trailer: Content-Length", b"X\x00: y", b"X: \x00", b"X y: z", b": y",
    b"X", b"X:\x7f", b"\xff: y", b"X: y\r\r", b"X: y\n", b"X: y\r\n\tz", b"(x): y", b"X-HTTP-Method-Override: GET", b"Content-Encoding: identity",
    b"Keep-Alive: 1", b"Proxy-Connection: keep-alive", b"Connection: close, keep-alive", b"Connection: x-request-id", b"X: " + b"y" * 70000]


def http1():
    """Some hundreds of messages, each with what follows it on the connection."""
    both = chunked(last=b"0\r\n\r\n") + INNER
    for coding in CODINGS:
        yield message(coding, length(b"%d" % len(both)), body=both)
        yield message(length(b"5"), coding, body=chunked(BODY) + INNER)
        yield message(coding, body=chunked(BODY) + INNER)
    for value in LENGTHS:
        yield message(length(value), body=BODY + INNER)
    for size in SIZES:
        line = size % len(BODY)
        yield message(b"Transfer-Encoding: chunked", body=line + b"\r\n" + BODY + b"\r\n0\r\n\r\n" + INNER)
    for end in (b"0\n\n", b"0\r\n\n", b"0\r\r", b"00\r\n\r\n", b"0\r\nContent-Length: 5\r\n\r\n", b"0\r\nx: y\r\n\r\n", b"0\r\n x\r\n\r\n", b"0;x\r\n\r\n", b"\r\n",
                b"0\r\nx\r\n\r\n", b"0\r\n: y\r\n\r\n", b"0\r\nTransfer-Encoding: chunked\r\n\r\n", b"-0\r\n\r\n", b"0\x00\r\n\r\n"):
        yield message(b"Transfer-Encoding: chunked", body=b"%x\r\n%s\r\n" % (len(BODY), BODY) + end + INNER)
    for border in (b"", b"\n", b"\r", b"x\r\n", b"\r\nx", b"\r\n\r\n"):  # behind a chunk
        yield message(b"Transfer-Encoding: chunked", body=b"%x\r\n%s" % (len(BODY), BODY) + border + b"0\r\n\r\n" + INNER)
    for first in FIRST_LINES:
        yield message(length(), first=first, body=BODY + INNER)
    for host in HOSTS:
        yield message(length(), host=host, body=BODY + INNER)
    for line in OTHER_LINES:
        yield message(length(), line, body=BODY + INNER)
    for end in (b"\n", b"\r", b"\n\r", b"\r\r\n"):
        yield message(length(), end=end, body=BODY + INNER)
    yield message(length(), body=BODY[:10])
    yield message(body=BODY + INNER)
    yield message(length(b"%d" % (len(BODY) + len(INNER))), body=BODY + INNER)


PSEUDO = [(b":method", b"POST"), (b":scheme", b"http"), (b":authority", b"localhost"), (b":path", b"/v1/chat/completions")]
OWN = [(b"x-request-id", MARK), (b"authorization", b"Bearer " + KEY), (b"content-type", b"application/json")]


def stream(fields=(), body=BODY, pseudo=None, tail=b"", own=None):
    """A connection of HTTP/2 with one request of these."""
    block = b"".join(literal(n, v) for n, v in [*(PSEUDO if pseudo is None else pseudo), *(OWN if own is None else own), *fields])
    return (PREFACE + settings() + frame(HEADERS, END_HEADERS, 1, block) + (frame(DATA, 0 if tail else END_STREAM, 1, body)) + tail)


def changed(name, value):
    return [(n, value if n == name else v) for n, v in PSEUDO]


H2_FIELDS = [
    [(b"transfer-encoding", b"chunked")], [(b"Transfer-Encoding", b"chunked")], [(b"content-length", b"0")], [(b"content-length", b"5")],
    [(b"content-length", b"%d" % len(BODY)), (b"content-length", b"0")], [(b"content-length", b"+%d" % len(BODY))], [(b"content-length", b"99999")],
    [(b"content-length", b"")], [(b"content-length", b"%d,%d" % (len(BODY), len(BODY)))], [(b"connection", b"close")], [(b"upgrade", b"h2c")],
    [(b"te", b"chunked")], [(b"te", b"trailers")], [(b"host", b"elsewhere")], [(b"host", b"localhost"), (b"host", b"elsewhere")], [(b"keep-alive", b"1")],
    [(b"proxy-connection", b"close")], [(b"x", b"y\r\n\r\n" + INNER)], [(b"x", b"y\r\nTransfer-Encoding: chunked")], [(b"x", b"y\nz: 1")], [(b"x", b"y\rz")],
    [(b"x", b"\0")], [(b"x\r\ntransfer-encoding: chunked\r\ny", b"z")], [(b"x: y\r\nz", b"1")], [(b"x:", b"y")], [(b"x y", b"z")], [(b"", b"y")], [(b"X", b"y")],
    [(b"x", b" y")], [(b"x", b"y ")], [(b"x", b"\ty")], [(b"expect", b"100-continue")], [(b"expect", b"x")], [(b"trailer", b"content-length")],
    [(b":path", b"/v1/models")], [(b":status", b"200")], [(b":protocol", b"websocket")], [(b"cookie", b"a=b"), (b"cookie", b"c=d\r\nx: y")],
    [(b"x_request_id", SMUGGLED)], [(b"content_length", b"0")], [(b"x", b"\xff\xfe")], [(b"\xff", b"y")], [(b"http2-settings", b"AAMAAABk")]]

H2_PSEUDO = [
    changed(b":path", b"/v1/chat/completions HTTP/1.1\r\nx: y"), changed(b":path", b"/v1/chat/completions\r\n\r\n" + INNER), changed(b":path", b"/ HTTP/1.1"),
    changed(b":path", b""), changed(b":path", b"*"), changed(b":path", b"v1/chat/completions"), changed(b":path", b"http://elsewhere/v1/chat/completions"),
    changed(b":path", b"/v1/chat/completions#x"), changed(b":path", b"/v1/chat/completions?x"), changed(b":path", b"/v1/chat/completions\0"),
    changed(b":path", b"/v1/chat/completions x"), changed(b":path", b"/v1/../v1/chat/completions"), changed(b":method", b"POST / HTTP/1.1\r\nx: y\r\n\r\nGET"),
    changed(b":method", b"GET"), changed(b":method", b"HEAD"), changed(b":method", b"CONNECT"), changed(b":method", b"post"), changed(b":method", b""),
    changed(b":method", b"PO ST"), changed(b":scheme", b"https"), changed(b":scheme", b"http://x/"), changed(b":scheme", b""), changed(b":authority", b""),
    changed(b":authority", b"localhost\r\nx: y"), changed(b":authority", b"a b"), changed(b":authority", b"x@localhost"), changed(b":authority", b"localhost/x"),
    PSEUDO[:3], PSEUDO[1:], PSEUDO[:2] + PSEUDO[3:], [PSEUDO[0]] + PSEUDO[2:], PSEUDO + [PSEUDO[3]], PSEUDO + [(b":path", b"/livez")], []]


def http2():
    for fields in H2_FIELDS:
        yield stream(fields)
    for pseudo in H2_PSEUDO:
        yield stream(pseudo=pseudo)
    yield stream(pseudo=[], own=OWN + PSEUDO)  # behind the others
    yield stream(body=chunked(BODY) + INNER)
    yield stream(body=BODY + INNER)
    for fields in ([(b"x", b"y")], [(b"content-length", b"0")], [(b":path", b"/livez")], [(b"transfer-encoding", b"chunked")], [(b"x", b"y\r\n" + INNER)]):
        yield stream(tail=frame(HEADERS, END_HEADERS | END_STREAM, 1, b"".join(literal(n, v) for n, v in fields)))
    whole = stream()
    yield whole + frame(DATA, END_STREAM, 1, INNER)      # behind the end
    yield whole + whole[len(PREFACE):]                    # the same stream once more
    yield whole.replace(struct.pack(">I", 1), struct.pack(">I", 2))
    yield whole.replace(PREFACE, b"PRI * HTTP/2.0\r\n\r\n" + INNER)
    yield PREFACE + INNER
    yield stream(body=b"") + INNER
    yield frame(DATA, 8, 1, b"\xff" + BODY).join([stream(tail=b" ")[:-1], b""])  # padding that is longer than the frame


def valid(copies=100):
    """What is wrong with nothing, to be changed."""
    yield from [message(length(), body=BODY + INNER), message(b"Transfer-Encoding: chunked", body=chunked(BODY[:9], BODY[9:]) + INNER), stream()] * copies


def mutant(seed, rng):
    """A message with a few bytes changed, anywhere but in its id."""
    data = bytearray(seed)
    at = data.find(MARK)
    for _ in range(rng.randint(1, 4)):
        where = rng.randrange(len(data))
        if at >= 0 and at - 20 <= where < at + len(MARK) + 2:
            continue
        change, piece = rng.randrange(6), rng.choice([b"\r\n", b"\n", b"\r", b" ", b"\0", b":", b",", b"0", b"chunked", b"\r\n\r\n", b"\t", b";", b"\xff"])
        if change == 0:
            data[where] = rng.randrange(256)
        elif change == 1:
            del data[where:where + rng.randint(1, 4)]
        elif change == 2:
            data[where:where] = piece
        elif change == 3:
            data[where] ^= 1 << rng.randrange(8)
        elif change == 4:
            data[where:where + len(piece)] = piece
        else:
            data[where:where] = data[where:where + rng.randint(1, 30)]
        moved = data.find(MARK)
        if moved < 0 <= at:
            return mutant(seed, rng)
        at = moved
    return bytes(data)
