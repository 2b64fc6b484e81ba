/* SPDX-License-Identifier: Apache-2.0 */
#include "sim.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/fault.h"
#include "loop/stream_impl.h"

#define RULE(fact, text) ((fact) ? (void)0 : broken_rule(text, __LINE__))

enum { KEEP_MAX = 64 << 20 };

struct sim_stream {
    struct stream base;
    struct sim_peer *peer;
    struct list grave;
};

struct piece {
    struct list link;
    size_t len;
    char bytes[];
};

static NORETURN void broken_rule(const char *text, int line)
{
    fprintf(stderr, "sim.c:%d: %s\n", line, text);
    abort();
}

static void keep(struct buf *b, struct str bytes)
{
    RULE(buf_append(b, bytes) == 0, "too much to keep");
}

/* --- the near end --- */

static void near_read(struct stream *s, bool on)
{
    (void)on; /* base.reading says it; sim_run delivers */
    RULE(!s->closed, "read on a closed stream");
}

/* The far end has gone: writing fails, and reading ends. */
static void break_off(struct sim_peer *p)
{
    p->broken = p->ending = true;
    p->end_err = -ECONNRESET;
}

static int near_write(struct stream *s, const struct iovec *iov, unsigned count)
{
    struct sim_peer *p = CONTAINER_OF(s, struct sim_stream, base)->peer;
    size_t total = 0;
    RULE(!s->closed, "write to a closed stream");
    RULE(!p->opening, "write before the stream is open");
    if (fault_point(FAULT_WRITE)) break_off(p);
    if (p->broken) return -EPIPE;
    size_t room = fault_point(FAULT_WRITE_FULL) ? 0 : fault_point(FAULT_WRITE_SHORT) ? 1 : SIZE_MAX;
    fault_hold();
    for (unsigned i = 0; i < count; i++) {
        struct str bytes = str_n(iov[i].iov_base, iov[i].iov_len);
        size_t fits = buf_len(&p->pending) ? 0 : MIN(bytes.len, MIN(p->window, room));
        p->window -= fits;
        room -= fits;
        total += bytes.len;
        keep(&p->got, str_sub(bytes, 0, fits));
        keep(&p->pending, str_skip(bytes, fits));
    }
    fault_release();
    p->writes += total > 0;
    p->pending_max = MAX(p->pending_max, buf_len(&p->pending));
    if (total && p->on_write) p->on_write(p, p->user);
    return 0;
}

static size_t near_pending(const struct stream *s)
{
    return buf_len(&CONTAINER_OF(s, const struct sim_stream, base)->peer->pending);
}

static void near_close(struct stream *s, bool reset)
{
    struct sim_stream *near = CONTAINER_OF(s, struct sim_stream, base);
    near->peer->near = NULL;
    near->peer->closed = true;
    near->peer->closed_by_reset = reset;
    list_push_back(&near->peer->sim->graves, &near->grave);
}

static const struct stream_ops near_ops = {
    .read = near_read, .write = near_write, .pending = near_pending, .close = near_close};

static struct sim_peer *new_peer(struct sim *s)
{
    struct sim_peer *p = calloc(1, sizeof *p);
    struct sim_stream *near = calloc(1, sizeof *near);
    near->base = (struct stream){.ops = &near_ops, .loop = s->loop};
    near->peer = p;
    p->sim = s;
    p->near = near;
    p->window = SIZE_MAX;
    list_init(&p->inbox);
    buf_init(&p->got, KEEP_MAX);
    buf_init(&p->pending, KEEP_MAX);
    list_push_back(&s->peers, &p->link);
    return p;
}

static int sim_dial(struct net *net, struct loop *l, const struct addr *addr, struct stream **out)
{
    struct sim *s = CONTAINER_OF(net, struct sim, net);
    RULE(l == s->loop, "dialled on another loop");
    if (s->on_dial == SIM_FAIL) return -ENETUNREACH;
    if (fault_point(FAULT_ALLOC)) return -ENOMEM;
    if (fault_point(FAULT_SOCKET)) return -EMFILE;
    RULE(s->dials < SIM_PEERS, "more dials than the test can hold");
    struct sim_peer *p = new_peer(s);
    if (addr->is_unix)
        snprintf(p->address, sizeof p->address, "%" STR_FMT, STR_ARG(addr->path));
    else
        snprintf(p->address, sizeof p->address, "%" STR_FMT ":%u", STR_ARG(addr->host), addr->port);
    p->opening = p->near->base.opening = true;
    p->open_err = s->on_dial == SIM_ACCEPT ? 0 : s->on_dial == SIM_REFUSE ? -ECONNREFUSED : 1;
    if (fault_point(FAULT_CONNECT)) p->open_err = -ECONNREFUSED;
    p->window = s->dial_window;
    s->dialled[s->dials++] = p;
    *out = &p->near->base;
    return 0;
}

/* --- running --- */

static void bury(struct sim *s)
{
    struct list *link;
    while ((link = list_pop_front(&s->graves)))
        free(LIST_ITEM(link, struct sim_stream, grave));
}

static struct piece *new_piece(struct str bytes)
{
    struct piece *piece = malloc(sizeof *piece + bytes.len);
    if (bytes.len) memcpy(piece->bytes, bytes.ptr, bytes.len);
    piece->len = bytes.len;
    return piece;
}

static void unread(struct sim_peer *p, struct str bytes)
{
    if (bytes.len) list_push_front(&p->inbox, &new_piece(bytes)->link);
}

static void drop_inbox(struct sim_peer *p)
{
    struct list *link;
    while ((link = list_pop_front(&p->inbox)))
        free(LIST_ITEM(link, struct piece, link));
}

/* What waited though there was room: the kernel had refused it for a moment. */
static bool take_pending(struct sim_peer *p)
{
    struct str waiting = buf_str(&p->pending);
    size_t fits = MIN(waiting.len, p->window);
    if (fits == 0) return false;
    fault_hold();
    keep(&p->got, str_sub(waiting, 0, fits));
    fault_release();
    buf_consume(&p->pending, fits);
    p->window -= fits;
    stream_tell_taken(&p->near->base);
    return true;
}

static bool tell_one(struct sim_peer *p)
{
    struct stream *near = p->near ? &p->near->base : NULL;
    if (!near) return false;
    if (p->opening) {
        if (p->open_err > 0) return false;
        p->opening = false;
        stream_tell_open(near, p->open_err);
        return true;
    }
    if (p->window && take_pending(p)) return true;
    if (!near->reading || p->end_told) return false;
    if ((p->ending || !list_empty(&p->inbox)) && fault_point(FAULT_READ)) {
        drop_inbox(p);
        break_off(p);
    }
    struct list *link = list_pop_front(&p->inbox);
    if (link) {
        struct piece *piece = LIST_ITEM(link, struct piece, link);
        struct str bytes = str_n(piece->bytes, piece->len);
        if (near->place_len) bytes = str_sub(bytes, 0, near->place_len);
        if (fault_point(FAULT_READ_SHORT)) bytes = str_sub(bytes, 0, 1);
        unread(p, str_n(piece->bytes + bytes.len, piece->len - bytes.len)); /* the next event's */
        if (near->place_len) bytes.ptr = memcpy(near->place, bytes.ptr, bytes.len);
        stream_tell_data(near, bytes);
        memset(piece->bytes, '#', piece->len);
        free(piece);
        return true;
    }
    if (!p->ending) return false;
    p->end_told = true;
    near->reading = false;
    stream_tell_end(near, p->end_err);
    return true;
}

void sim_run(struct sim *s)
{
    bool any = true;
    while (any) {
        any = false;
        loop_run_ready(s->loop);
        LIST_EACH(&s->peers, it)
        {
            any |= tell_one(LIST_ITEM(it, struct sim_peer, link));
            bury(s);
        }
    }
    bury(s);
}

void sim_advance(struct sim *s, uint64_t us)
{
    /* In small steps, so that what a timer starts (a dial) has its answer before the next one is
     * due. */
    uint64_t until = loop_now(s->loop) + us;
    sim_run(s);
    while (loop_now(s->loop) < until) {
        uint64_t left = until - loop_now(s->loop);
        loop_advance(s->loop, MIN(left, us < 100000 ? left : us / 100 + 1));
        sim_run(s);
    }
}

struct sim *sim_new(uint64_t start_us)
{
    struct sim *s = calloc(1, sizeof *s);
    RULE(s && loop_new_manual(start_us, &s->loop) == 0, "out of memory");
    s->net.dial = sim_dial;
    s->dial_window = SIZE_MAX;
    list_init(&s->peers);
    list_init(&s->graves);
    loop_set_net(s->loop, &s->net);
    return s;
}

void sim_free(struct sim *s)
{
    sim_run(s);
    struct list *link;
    while ((link = list_pop_front(&s->peers))) {
        struct sim_peer *p = LIST_ITEM(link, struct sim_peer, link);
        RULE(!p->near, "a stream was left open");
        drop_inbox(p);
        buf_fini(&p->got);
        buf_fini(&p->pending);
        free(p);
    }
    loop_free(s->loop);
    free(s);
}

/* --- what peers do --- */

struct sim_peer *sim_connect_from(struct sim *s, const char *address, struct acceptor *acceptor)
{
    struct sim_peer *p = new_peer(s);
    snprintf(p->near->base.peer, sizeof p->near->base.peer, "%s", address);
    acceptor->accept(acceptor, &p->near->base);
    sim_run(s);
    return p;
}

struct sim_peer *sim_connect(struct sim *s, struct acceptor *acceptor)
{
    return sim_connect_from(s, "127.0.0.1:40000", acceptor);
}

struct sim_peer *sim_dialled(struct sim *s, unsigned n)
{
    RULE(n < s->dials, "nobody dialled so often");
    return s->dialled[n];
}

void sim_open(struct sim_peer *p, int err)
{
    p->open_err = err;
    sim_run(p->sim);
}

void sim_post(struct sim_peer *p, struct str bytes)
{
    RULE(!p->ending, "the peer sends after its end");
    if (bytes.len) list_push_back(&p->inbox, &new_piece(bytes)->link);
}

void sim_send(struct sim_peer *p, struct str bytes)
{
    sim_post(p, bytes);
    sim_run(p->sim);
}

void sim_send_text(struct sim_peer *p, const char *text)
{
    sim_send(p, str_of(text));
}

void sim_send_pieces(struct sim_peer *p, struct str bytes, size_t piece)
{
    for (size_t at = 0; at < bytes.len; at += piece)
        sim_send(p, str_sub(bytes, at, piece));
}

static void end(struct sim_peer *p, int err)
{
    p->ending = true;
    p->end_err = err;
    sim_run(p->sim);
}

void sim_fin(struct sim_peer *p)
{
    end(p, ERR_EOF);
}

void sim_reset(struct sim_peer *p)
{
    drop_inbox(p);
    p->broken = true;
    end(p, -ECONNRESET);
}

void sim_break(struct sim_peer *p)
{
    p->broken = true;
}

void sim_take(struct sim_peer *p, size_t n)
{
    struct str waiting = buf_str(&p->pending);
    size_t fits = MIN(n, waiting.len);
    fault_hold();
    keep(&p->got, str_sub(waiting, 0, fits));
    fault_release();
    buf_consume(&p->pending, fits);
    p->window += MIN(n - fits, SIZE_MAX - p->window);
    if (fits && p->near) stream_tell_taken(&p->near->base);
    sim_run(p->sim);
}

struct str sim_got(const struct sim_peer *p)
{
    return buf_str(&p->got);
}

void sim_forget(struct sim_peer *p)
{
    buf_clear(&p->got);
}

bool sim_has(const struct sim_peer *p, const char *text)
{
    return str_find(sim_got(p), str_of(text)) >= 0;
}

unsigned sim_open_count(const struct sim *s)
{
    unsigned n = 0;
    for (unsigned i = 0; i < s->dials; i++)
        n += s->dialled[i]->near != NULL;
    return n;
}

bool sim_reading(const struct sim_peer *p)
{
    return p->near && p->near->base.reading;
}

size_t sim_unread(const struct sim_peer *p)
{
    size_t n = 0;
    LIST_EACH(&p->inbox, it)
    n += LIST_ITEM(it, struct piece, link)->len;
    return n;
}

/* --- answers --- */

struct str sim_answer_header(const struct sim_answer *a, const char *lower_name)
{
    struct str rest = a->head, name = str_of(lower_name);
    while (rest.len) {
        ptrdiff_t end = str_find(rest, STR("\r\n"));
        if (end < 0) break;
        struct str line = str_sub(rest, 0, (size_t)end);
        rest = str_skip(rest, (size_t)end + 2);
        if (str_starts_nocase(line, name) && line.len > name.len && line.ptr[name.len] == ':')
            return str_trim(str_skip(line, name.len + 1));
    }
    return STR_NULL;
}

static void add(struct sim_answer *a, struct str bytes)
{
    RULE(buf_append(&a->body, bytes) == 0, "too much to keep");
}

/* Takes chunks off *rest. */
static enum sim_answer_state read_chunks(struct sim_answer *a, struct str *rest)
{
    for (;;) {
        ptrdiff_t end = str_find(*rest, STR("\r\n"));
        if (end < 0) return SIM_PART;
        char digits[20] = "", *stop;
        if (end < 1 || end > 16) return SIM_MALFORMED;
        memcpy(digits, rest->ptr, (size_t)end);
        size_t size = strtoul(digits, &stop, 16);
        if (*stop) return SIM_MALFORMED;
        struct str data = str_skip(*rest, (size_t)end + 2);
        if (data.len < size + 2) {
            add(a, str_sub(data, 0, size));
            return SIM_PART;
        }
        if (!str_starts(str_skip(data, size), STR("\r\n"))) return SIM_MALFORMED;
        add(a, str_sub(data, 0, size));
        *rest = str_skip(data, size + 2);
        if (size == 0) return SIM_WHOLE;
    }
}

void sim_answer(struct str bytes, bool head_request, bool closed, struct sim_answer *out)
{
    *out = (struct sim_answer){.state = bytes.len ? SIM_PART : SIM_NOTHING};
    buf_init(&out->body, KEEP_MAX);
    ptrdiff_t end = str_find(bytes, STR("\r\n\r\n"));
    if (end < 0) return;
    out->head = str_sub(bytes, 0, (size_t)end + 4);
    struct str rest = str_skip(bytes, (size_t)end + 4),
               length = sim_answer_header(out, "content-length");
    if (out->head.len < 15 || !str_starts(out->head, STR("HTTP/1.1 "))) {
        out->state = SIM_MALFORMED;
        return;
    }
    out->status = atoi(out->head.ptr + 9);
    out->chunked = sim_answer_header(out, "transfer-encoding").ptr;
    out->has_length = length.ptr;
    uint64_t n = 0;
    if (out->chunked && out->has_length) {
        out->state = SIM_MALFORMED;
    } else if (head_request || out->status == 204 || out->status == 304 || out->status < 200) {
        out->state = SIM_WHOLE;
    } else if (out->chunked) {
        out->state = read_chunks(out, &rest);
    } else if (out->has_length) {
        if (str_to_u64(length, &n)) {
            out->state = SIM_MALFORMED;
            return;
        }
        add(out, str_sub(rest, 0, n));
        out->state = rest.len >= n ? SIM_WHOLE : SIM_PART;
        rest = str_skip(rest, n);
    } else {
        out->until_close = true;
        add(out, rest);
        rest = STR_NULL;
        out->state = closed ? SIM_WHOLE : SIM_PART;
    }
    out->used = bytes.len - rest.len;
}

void sim_answer_fini(struct sim_answer *a)
{
    buf_fini(&a->body);
}
