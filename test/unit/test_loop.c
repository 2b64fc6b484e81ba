/* SPDX-License-Identifier: Apache-2.0 */
/* loop: tasks and timers on both kinds of loop, mail between threads, real streams. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "loop/lag.h"
#include "loop/loop.h"
#include "loop/loop_priv.h"
#include "loop/process.h"
#include "loop/stream.h"

#define SEC ((uint64_t)USEC_PER_SEC)
#define MS ((uint64_t)USEC_PER_MS)

/* --- a resolver and a clock of our own --- */

/* What getaddrinfo says of names that end in ".test". */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t change;
    bool holds; /* questions wait */
    unsigned asked, waiting;
    int status;
    const char *addresses[3];
} resolver = {.lock = PTHREAD_MUTEX_INITIALIZER, .change = PTHREAD_COND_INITIALIZER};

static void resolver_says(int status, const char *a, const char *b, const char *c)
{
    pthread_mutex_lock(&resolver.lock);
    resolver.status = status;
    resolver.addresses[0] = a;
    resolver.addresses[1] = b;
    resolver.addresses[2] = c;
    pthread_mutex_unlock(&resolver.lock);
}

static void resolver_holds(bool on)
{
    pthread_mutex_lock(&resolver.lock);
    resolver.holds = on;
    pthread_cond_broadcast(&resolver.change);
    pthread_mutex_unlock(&resolver.lock);
}

static unsigned resolver_count(const unsigned *count)
{
    pthread_mutex_lock(&resolver.lock);
    unsigned n = *count;
    pthread_mutex_unlock(&resolver.lock);
    return n;
}

static unsigned resolver_asked(void)
{
    return resolver_count(&resolver.asked);
}

static void until_asked(unsigned count)
{
    for (int i = 0; i < 20000 && resolver_asked() < count; i++)
        usleep(500);
    assert_int_equal(resolver_asked(), count);
}

static void until_idle(void)
{
    for (int i = 0; i < 20000 && resolver_count(&resolver.waiting) > 0; i++)
        usleep(500);
    assert_int_equal(resolver_count(&resolver.waiting), 0);
    usleep(20000); /* its thread ends */
}

/* As freeaddrinfo takes it apart: one block for each. */
static struct addrinfo *addrinfo_of(const char *text, struct addrinfo *next)
{
    struct addrinfo *a = calloc(1, sizeof *a + sizeof(struct sockaddr_in6));
    bool v6 = strchr(text, ':');
    a->ai_family = v6 ? AF_INET6 : AF_INET;
    a->ai_addrlen = v6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    a->ai_addr = (struct sockaddr *)(a + 1);
    a->ai_addr->sa_family = (sa_family_t)a->ai_family;
    void *bytes = v6 ? (void *)&((struct sockaddr_in6 *)a->ai_addr)->sin6_addr
                     : (void *)&((struct sockaddr_in *)a->ai_addr)->sin_addr;
    assert_int_equal(inet_pton(a->ai_family, text, bytes), 1);
    a->ai_next = next;
    return a;
}

int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                struct addrinfo **out)
{
    if (!str_ends(str_of(host), STR(".test"))) {
        int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
        *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
        return real(host, service, hints, out);
    }
    *out = NULL;
    pthread_mutex_lock(&resolver.lock);
    resolver.asked++;
    resolver.waiting++;
    while (resolver.holds)
        pthread_cond_wait(&resolver.change, &resolver.lock);
    resolver.waiting--;
    int status = resolver.status;
    for (int i = 2; i >= 0 && status == 0; i--)
        if (resolver.addresses[i]) *out = addrinfo_of(resolver.addresses[i], *out);
    pthread_mutex_unlock(&resolver.lock);
    return status;
}

static _Atomic time_t seconds_passed;

int clock_gettime(clockid_t id, struct timespec *out)
{
    int err = (int)syscall(SYS_clock_gettime, id, out);
    if (!err && id == CLOCK_MONOTONIC) out->tv_sec += atomic_load(&seconds_passed);
    return err;
}

static void pass_seconds(time_t n)
{
    atomic_fetch_add(&seconds_passed, n);
}

/* --- tasks and timers --- */

struct trace {
    struct loop *loop;
    char text[64];
};

struct step {
    struct task task;
    struct trace *trace;
    char name;
    struct step *wakes; /* when it runs */
    struct step *cancels;
};

static void run_step(struct task *task)
{
    struct step *s = CONTAINER_OF(task, struct step, task);
    size_t len = strlen(s->trace->text);
    s->trace->text[len] = s->name;
    s->trace->text[len + 1] = '\0';
    if (s->wakes) {
        loop_wake(s->trace->loop, &s->wakes->task);
        loop_run_ready(s->trace->loop); /* has no effect within a task */
    }
    if (s->cancels) task_cancel(&s->cancels->task);
}

static struct step step(struct trace *t, char name)
{
    struct step s = {.trace = t, .name = name};
    return s;
}

static void tasks_run_in_order_and_never_inside_each_other(void **state)
{
    (void)state;
    struct trace t = {0};
    assert_int_equal(loop_new_manual(0, &t.loop), 0);
    struct step a = step(&t, 'a'), b = step(&t, 'b'), c = step(&t, 'c'), d = step(&t, 'd');
    task_init(&a.task, run_step);
    task_init(&b.task, run_step);
    task_init(&c.task, run_step);
    task_init(&d.task, run_step);
    a.wakes = &c;
    b.cancels = &d;
    loop_wake(t.loop, &a.task);
    loop_wake(t.loop, &b.task);
    loop_wake(t.loop, &a.task);
    loop_wake(t.loop, &d.task);
    loop_run_ready(t.loop);
    assert_string_equal(t.text, "abc");
    loop_run_ready(t.loop);
    assert_string_equal(t.text, "abc");
    task_cancel(&a.task);
    loop_free(t.loop);
}

static void timers_fire_in_order_of_their_time(void **state)
{
    (void)state;
    struct trace t = {0};
    assert_int_equal(loop_new_manual(1000, &t.loop), 0);
    struct step s[5];
    struct timer timers[5];
    for (int i = 0; i < 5; i++) {
        s[i] = step(&t, (char)('a' + i));
        task_init(&s[i].task, run_step);
        timer_init(&timers[i], &s[i].task);
        timer_start(t.loop, &timers[i], 1000 + (uint64_t)(5 - i) * 10);
    }
    assert_true(timer_armed(&timers[0]));
    timer_stop(t.loop, &timers[1]);
    timer_stop(t.loop, &timers[1]);
    timer_start(t.loop, &timers[4], 1035); /* moved from 1010 to behind 1030 */
    loop_advance(t.loop, 9);
    assert_string_equal(t.text, "");
    loop_advance(t.loop, 11);
    assert_string_equal(t.text, "d");
    loop_advance(t.loop, 1000);
    assert_string_equal(t.text, "dcea");
    assert_int_equal(loop_now(t.loop), 2020);
    assert_false(timer_armed(&timers[0]));
    timer_start(t.loop, &timers[0], 0); /* in the past: at once */
    loop_advance(t.loop, 0);
    assert_string_equal(t.text, "dceaa");
    loop_free(t.loop);
}

/* --- a real loop with a patience --- */

struct patience {
    struct loop *loop;
    struct task task;
    struct timer timer;
    bool over;
};

static void on_patience(struct task *task)
{
    struct patience *p = CONTAINER_OF(task, struct patience, task);
    p->over = true;
    loop_stop(p->loop);
}

/* Runs until somebody stops the loop; fails after 20 s. */
static void run(struct loop *l)
{
    struct patience p = {.loop = l};
    task_init(&p.task, on_patience);
    timer_init(&p.timer, &p.task);
    timer_start(l, &p.timer, clock_mono_us() + 20 * SEC);
    loop_run(l);
    timer_stop(l, &p.timer);
    assert_false(p.over);
}

static void run_for(struct loop *l, uint64_t us)
{
    struct patience p = {.loop = l};
    task_init(&p.task, on_patience);
    timer_init(&p.timer, &p.task);
    timer_start(l, &p.timer, clock_mono_us() + us);
    loop_run(l);
    assert_true(p.over);
}

static void real_timers_are_not_early(void **state)
{
    (void)state;
    struct loop *l;
    assert_int_equal(loop_new_real(&l), 0);
    for (uint64_t us = 0; us < 12000; us += 1300) {
        uint64_t begin = clock_mono_us();
        run_for(l, us);
        assert_in_range(clock_mono_us() - begin, us, us + 10 * SEC);
    }
    loop_free(l);
}

/* --- mail --- */

enum { SENDERS = 4, LETTERS = 2000 };

struct post_office {
    struct loop *loop;
    int last[SENDERS];
    unsigned count;
};

struct letter {
    struct mail mail;
    struct post_office *office;
    int sender, number;
};

struct sender {
    pthread_t thread;
    struct letter letters[LETTERS];
};

static void on_letter(struct mail *mail)
{
    struct letter *letter = CONTAINER_OF(mail, struct letter, mail);
    struct post_office *o = letter->office;
    assert_int_equal(letter->number, o->last[letter->sender] + 1); /* in order per sender */
    o->last[letter->sender] = letter->number;
    if (++o->count == SENDERS * LETTERS) loop_stop(o->loop);
}

static void *send_letters(void *arg)
{
    struct sender *s = arg;
    for (int i = 0; i < LETTERS; i++)
        loop_post(s->letters[i].office->loop, &s->letters[i].mail);
    return NULL;
}

static void prepare_letters(struct post_office *o, struct sender *s, int sender)
{
    for (int i = 0; i < LETTERS; i++)
        s->letters[i] = (struct letter){
            .mail.deliver = on_letter, .office = o, .sender = sender, .number = i + 1};
}

static void mail_comes_in_order_from_each_thread(void **state)
{
    (void)state;
    struct post_office o = {0};
    struct sender *senders = calloc(SENDERS, sizeof *senders);
    assert_int_equal(loop_new_real(&o.loop), 0);
    for (int i = 0; i < SENDERS; i++) {
        prepare_letters(&o, &senders[i], i);
        assert_int_equal(pthread_create(&senders[i].thread, NULL, send_letters, &senders[i]), 0);
    }
    run(o.loop);
    for (int i = 0; i < SENDERS; i++)
        pthread_join(senders[i].thread, NULL);
    assert_int_equal(o.count, SENDERS * LETTERS);
    loop_free(o.loop);
    free(senders);
}

static void mail_to_a_stopped_loop_is_delivered_at_its_end(void **state)
{
    (void)state;
    for (int manual = 0; manual < 2; manual++) {
        struct post_office o = {0};
        struct letter letter = {.mail.deliver = on_letter, .office = &o, .number = 1};
        assert_int_equal(manual ? loop_new_manual(0, &o.loop) : loop_new_real(&o.loop), 0);
        loop_post(o.loop, &letter.mail);
        loop_free(o.loop);
        assert_int_equal(o.count, 1);
    }
}

/* --- streams --- */

struct talk {
    struct acceptor acceptor;
    struct loop *loop;
    struct listener *listener;
    uint16_t port;
    char path[64]; /* UNIX instead */
    struct stream *client, *server;
    struct buf at_client, at_server;
    int open_err, client_end, server_end;
    bool opened, drained;
    size_t pending_at_drain;
    bool lent;      /* the server's next read goes to `place` */
    size_t stop_at; /* stops the loop when the client has so many bytes */
    void (*on_server_data)(struct talk *t, struct str bytes);
    unsigned settles;
    unsigned accepted, spare;
    struct stream **kept; /* accepted ones go here, nobody talks; NULL: there is one */
};

static void client_open(void *owner, int err)
{
    struct talk *t = owner;
    t->opened = true;
    t->open_err = err;
    if (err)
        loop_stop(t->loop);
    else
        stream_read(t->client, true);
}

static void client_data(void *owner, struct str bytes)
{
    struct talk *t = owner;
    assert_int_equal(buf_append(&t->at_client, bytes), 0);
    memset((char *)(uintptr_t)bytes.ptr, '#', bytes.len); /* the holder's to overwrite */
    if (buf_len(&t->at_client) >= t->stop_at) loop_stop(t->loop);
}

static void client_end(void *owner, int err)
{
    struct talk *t = owner;
    t->client_end = err;
    loop_stop(t->loop);
}

static void client_drain(void *owner)
{
    struct talk *t = owner;
    t->drained = true;
    t->pending_at_drain = stream_pending(t->client);
}

static void client_settle(void *owner)
{
    ((struct talk *)owner)->settles++;
}

static const struct stream_handler client_handler = {.on_open = client_open,
                                                     .on_data = client_data,
                                                     .on_settle = client_settle,
                                                     .on_end = client_end,
                                                     .on_drain = client_drain};

static void server_data(void *owner, struct str bytes)
{
    struct talk *t = owner;
    t->on_server_data(t, bytes);
}

static void server_end(void *owner, int err)
{
    struct talk *t = owner;
    t->server_end = err;
    loop_stop(t->loop);
}

static const struct stream_handler server_handler = {.on_data = server_data, .on_end = server_end};

static void on_accept(struct acceptor *acceptor, struct stream *s)
{
    struct talk *t = CONTAINER_OF(acceptor, struct talk, acceptor);
    t->accepted++;
    t->spare += stream_is_spare(s);
    if (t->kept) {
        t->kept[t->accepted - 1] = s;
        return;
    }
    assert_null(t->server);
    t->server = s;
    stream_set_handler(s, &server_handler, t);
    stream_read(s, true);
}

static void echo(struct talk *t, struct str bytes)
{
    struct iovec iov[2] = {
        {(char *)(uintptr_t)bytes.ptr, bytes.len / 2},
        {(char *)(uintptr_t)bytes.ptr + bytes.len / 2, bytes.len - bytes.len / 2}};
    assert_int_equal(stream_write(t->server, iov, 2), 0);
}

static struct talk *talk_new(bool is_unix)
{
    struct talk *t = calloc(1, sizeof *t);
    int fd;
    assert_int_equal(loop_new_real(&t->loop), 0);
    buf_init(&t->at_client, (size_t)64 << 20);
    buf_init(&t->at_server, (size_t)64 << 20);
    t->on_server_data = echo;
    t->stop_at = SIZE_MAX;
    t->acceptor.accept = on_accept;
    struct addr addr = {.host = STR("127.0.0.1")};
    if (is_unix) {
        snprintf(t->path, sizeof t->path, "/tmp/hostler-test-loop-%d.sock", (int)getpid());
        addr = (struct addr){.is_unix = true, .path = str_of(t->path)};
    }
    assert_int_equal(listen_socket(&addr, true, &fd, &t->port), 0);
    assert_true(is_unix || t->port > 0);
    assert_int_equal(listener_open(t->loop, fd, &t->acceptor, &t->listener), 0);
    return t;
}

static int dial(struct talk *t, const char *host)
{
    struct addr addr = {.host = str_of(host),
                        .port = t->port,
                        .is_unix = t->path[0] != '\0',
                        .path = str_of(t->path)};
    int err = loop_dial(t->loop, &addr, &t->client);
    if (!err) stream_set_handler(t->client, &client_handler, t);
    return err;
}

static void talk_free(struct talk *t)
{
    if (t->client) stream_close(t->client);
    if (t->server) stream_close(t->server);
    listener_close(t->listener);
    loop_free(t->loop);
    if (t->path[0]) unlink(t->path);
    buf_fini(&t->at_client);
    buf_fini(&t->at_server);
    free(t);
}

static void open_client(struct talk *t, const char *host)
{
    assert_int_equal(dial(t, host), 0);
    for (int i = 0; i < 2000 && !(t->opened && (t->server || t->open_err)); i++)
        run_for(t->loop, 1 * MS);
    assert_true(t->opened);
    assert_int_equal(t->open_err, 0);
}

/* More than any socket buffer takes at once goes through whole and in order. */
static void megabytes_are_echoed(void **state)
{
    (void)state;
    enum { SIZE = 8 << 20 };
    char *bytes = malloc(SIZE);
    for (size_t i = 0; i < SIZE; i++)
        bytes[i] = (char)(i * 31 + i / 4096);
    for (int is_unix = 0; is_unix < 2; is_unix++) {
        struct talk *t = talk_new(is_unix);
        open_client(t, "127.0.0.1");
        t->stop_at = SIZE;
        for (size_t at = 0; at < SIZE; at += SIZE / 4) {
            struct iovec iov = {bytes + at, SIZE / 4};
            assert_int_equal(stream_write(t->client, &iov, 1), 0);
        }
        assert_true(stream_pending(t->client) > 0);
        run(t->loop);
        assert_int_equal(buf_len(&t->at_client), SIZE);
        assert_memory_equal(buf_str(&t->at_client).ptr, bytes, SIZE);
        assert_int_equal(stream_pending(t->client), 0);
        assert_int_equal(stream_drained(t->client), SIZE);
        assert_true(t->drained && t->settles > 0);
        talk_free(t);
    }
    free(bytes);
}

static void hold(struct talk *t UNUSED, struct str bytes UNUSED)
{
}

/* on_drain comes when so much is left as was asked for, and again at the end
 * once nothing may be left. */
static void a_low_mark_is_told(void **state)
{
    (void)state;
    enum { SIZE = 12 << 20, LOW = 200000 };
    char *bytes = calloc(1, SIZE);
    for (int is_unix = 0; is_unix < 2; is_unix++) {
        struct talk *t = talk_new(is_unix);
        t->on_server_data = hold;
        open_client(t, "127.0.0.1");
        stream_read(t->server, false);
        stream_set_low_mark(t->client, LOW);
        struct iovec iov = {bytes, SIZE};
        assert_int_equal(stream_write(t->client, &iov, 1), 0);
        run_for(t->loop, 20 * MS);
        assert_true(stream_pending(t->client) > LOW && !t->drained);
        stream_read(t->server, true);
        for (int i = 0; i < 5000 && !t->drained; i++) {
            run_for(t->loop, 1 * MS);
            if (t->drained) stream_read(t->server, false);
        }
        assert_true(t->drained);
        assert_in_range(t->pending_at_drain, 0, LOW);
        if (stream_pending(t->client)) {
            t->drained = false;
            stream_set_low_mark(t->client, 0);
            stream_read(t->server, true);
            for (int i = 0; i < 5000 && !t->drained; i++)
                run_for(t->loop, 1 * MS);
            assert_true(t->drained);
            assert_int_equal(t->pending_at_drain, 0);
        }
        talk_free(t);
    }
    free(bytes);
}

static char place[3000];

static void take_some(struct talk *t, struct str bytes)
{
    if (t->lent) assert_true(bytes.ptr == place && bytes.len <= sizeof place);
    if (!t->lent) assert_true(bytes.ptr != place);
    assert_int_equal(buf_append(&t->at_server, bytes), 0);
    t->lent = !t->lent;
    stream_read_into(t->server, place, t->lent ? sizeof place : 0);
    if (buf_len(&t->at_server) >= t->stop_at) loop_stop(t->loop);
}

/* Every other read goes to a place of ours and takes no more than fits there. */
static void bytes_are_read_to_where_they_are_wanted(void **state)
{
    (void)state;
    enum { SIZE = 2 << 20 };
    char *bytes = malloc(SIZE);
    for (size_t i = 0; i < SIZE; i++)
        bytes[i] = (char)(i * 31 + i / 4096);
    for (int is_unix = 0; is_unix < 2; is_unix++) {
        struct talk *t = talk_new(is_unix);
        t->on_server_data = take_some;
        t->stop_at = SIZE;
        open_client(t, "127.0.0.1");
        struct iovec iov = {bytes, SIZE};
        assert_int_equal(stream_write(t->client, &iov, 1), 0);
        run(t->loop);
        assert_int_equal(buf_len(&t->at_server), SIZE);
        assert_memory_equal(buf_str(&t->at_server).ptr, bytes, SIZE);
        talk_free(t);
    }
    free(bytes);
}

/* So that no further descriptor can be opened; those that are open stay. */
static void allow_no_descriptor(struct rlimit *before)
{
    struct rlimit none;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, before), 0);
    none = *before;
    int next = dup(STDERR_FILENO);
    close(next);
    none.rlim_cur = (rlim_t)next;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
}

/* As many clients as wait for the listener. */
static void knock(const struct talk *t, int fds[], unsigned count)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(t->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (unsigned i = 0; i < count; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_true(fds[i] >= 0);
        assert_int_equal(connect(fds[i], (struct sockaddr *)&to, sizeof to), 0);
    }
}

/* Of those who cannot be accepted for want of a descriptor the first get one of the reserve. The
 * others wait, without our asking for them all the time, and are served later. */
static void clients_wait_while_descriptors_are_lacking(void **state)
{
    (void)state;
    struct rlimit before;
    struct talk *t = talk_new(false);
    int fds[LISTENER_RESERVE + 2];
    struct stream *kept[ARRAY_LEN(fds)];
    t->kept = kept;
    knock(t, fds, ARRAY_LEN(fds));
    allow_no_descriptor(&before);
    run_for(t->loop, 250 * MS);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(t->accepted, LISTENER_RESERVE);
    assert_int_equal(t->spare, LISTENER_RESERVE);
    assert_in_range(listener_pauses(t->listener), 2, 4);
    for (int i = 0; i < 2000 && t->accepted < ARRAY_LEN(fds); i++)
        run_for(t->loop, 1 * MS);
    assert_int_equal(t->accepted, ARRAY_LEN(fds));
    assert_int_equal(t->spare, LISTENER_RESERVE);
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        stream_close(kept[i]);
        close(fds[i]);
    }
    talk_free(t);
}

/* Comes with the loop's next turn, in which nothing more may be begun then. */
struct exhaustion {
    struct mail mail;
    struct loop *loop;
};

static void exhaust(struct mail *mail)
{
    struct lag *lag = loop_lag(CONTAINER_OF(mail, struct exhaustion, mail)->loop);
    lag_set_target(lag, 20 * MS);
    lag->behind = true;
    lag->credit = 10;
    lag->begin = lag->refuse = 0;
}

static void say(struct talk *t, const char *text)
{
    struct iovec iov = {(char *)(uintptr_t)text, strlen(text)};
    assert_int_equal(stream_write(t->client, &iov, 1), 0);
}

static void take_all(struct talk *t, struct str bytes)
{
    assert_int_equal(buf_append(&t->at_server, bytes), 0);
    loop_stop(t->loop);
}

/* What may wait is read in a later turn, which has credits again; what may not, at once. */
static void reads_are_put_off_while_the_loop_is_behind(void **state)
{
    (void)state;
    for (int may_wait = 0; may_wait < 2; may_wait++) {
        struct talk *t = talk_new(false);
        open_client(t, "127.0.0.1");
        t->on_server_data = take_all;
        stream_may_wait(t->server, may_wait);
        struct exhaustion e = {.mail.deliver = exhaust, .loop = t->loop};
        loop_post(t->loop, &e.mail);
        say(t, "hi");
        run(t->loop);
        assert_true(str_eq(buf_str(&t->at_server), STR("hi")));
        assert_int_equal(metric_read(&loop_lag(t->loop)->put_off), may_wait);
        talk_free(t);
    }
}

static void who_has_left_while_it_waited_is_not_read(void **state)
{
    (void)state;
    struct talk *t = talk_new(false);
    open_client(t, "127.0.0.1");
    t->on_server_data = take_all;
    stream_may_wait(t->server, true);
    struct exhaustion e = {.mail.deliver = exhaust, .loop = t->loop};
    loop_post(t->loop, &e.mail);
    say(t, "hi");
    stream_close(t->client);
    t->client = NULL;
    run(t->loop);
    assert_int_equal(t->server_end, ERR_EOF);
    assert_int_equal(buf_len(&t->at_server), 0);
    talk_free(t);
}

/* It can be closed meanwhile. */
static void a_stream_that_waits_may_be_closed(void **state)
{
    (void)state;
    struct talk *t = talk_new(false);
    open_client(t, "127.0.0.1");
    stream_may_wait(t->server, true);
    struct exhaustion e = {.mail.deliver = exhaust, .loop = t->loop};
    loop_post(t->loop, &e.mail);
    say(t, "hi");
    for (int i = 0; i < 1000 && metric_read(&loop_lag(t->loop)->put_off) == 0; i++)
        loop_poll(t->loop);
    assert_int_equal(metric_read(&loop_lag(t->loop)->put_off), 1);
    stream_close(t->server);
    t->server = NULL;
    run(t->loop); /* until the client hears of it */
    talk_free(t);
}

static void ends_and_resets_are_told_apart(void **state)
{
    (void)state;
    for (int how = 0; how < 3; how++) { /* 2: a reset over a UNIX socket is an end */
        struct talk *t = talk_new(how == 2);
        open_client(t, "127.0.0.1");
        if (how)
            stream_close_reset(t->server);
        else
            stream_close(t->server);
        t->server = NULL;
        run(t->loop);
        assert_int_equal(t->client_end, how == 1 ? -ECONNRESET : ERR_EOF);
        talk_free(t);
    }
}

static void close_both(struct talk *t, struct str bytes)
{
    (void)bytes;
    stream_close(t->server);
    stream_close(t->client);
    t->server = t->client = NULL;
    loop_stop(t->loop);
}

static void streams_may_be_closed_within_their_callbacks(void **state)
{
    (void)state;
    struct talk *t = talk_new(false);
    open_client(t, "127.0.0.1");
    t->on_server_data = close_both;
    char *bytes = calloc(1, 1 << 20);
    struct iovec iov = {bytes, 1 << 20};
    assert_int_equal(stream_write(t->client, &iov, 1), 0); /* part of it is still queued */
    run(t->loop);
    free(bytes);
    talk_free(t);
}

static void reading_can_be_held_back(void **state)
{
    (void)state;
    struct talk *t = talk_new(false);
    open_client(t, "127.0.0.1");
    stream_read(t->client, false);
    struct iovec iov = {(char *)(uintptr_t)"hello", 5};
    assert_int_equal(stream_write(t->server, &iov, 1), 0);
    run_for(t->loop, 30 * MS);
    assert_int_equal(buf_len(&t->at_client), 0);
    t->stop_at = 5;
    stream_read(t->client, true);
    run(t->loop);
    assert_int_equal(buf_len(&t->at_client), 5);
    talk_free(t);
}

static void names_are_resolved(void **state)
{
    (void)state;
    struct talk *t = talk_new(false);
    for (int i = 0; i < 2; i++) { /* the second time from the cache */
        open_client(t, "localhost");
        assert_true(str_starts(stream_peer(t->server), STR("127.0.0.1:")));
        stream_close(t->client);
        stream_close(t->server);
        t->client = t->server = NULL;
        t->opened = false;
    }
    assert_int_equal(dial(t, "no-such-name.invalid"), 0);
    run(t->loop);
    assert_int_equal(t->open_err, ERR_RESOLVE);
    talk_free(t);
}

static void poll_for(struct talk *t, int steps)
{
    for (int i = 0; i < steps; i++) {
        loop_poll(t->loop);
        usleep(100);
    }
}

static void close_streams(struct talk *t)
{
    if (t->client) stream_close(t->client);
    if (t->server) stream_close(t->server);
    t->client = t->server = NULL;
    t->opened = false;
    poll_for(t, 50);
    if (t->server) stream_close(t->server); /* accepted since */
    t->server = NULL;
}

/* A name's addresses are tried in order until one can be connected to. */
static void the_next_address_is_tried(void **state)
{
    (void)state;
    struct talk *t = talk_new(false);
    resolver_says(0, "::1", "127.0.0.9", "127.0.0.1");
    open_client(t, "many.test");
    assert_true(str_starts(stream_peer(t->server), STR("127.0.0.1:")));
    close_streams(t);

    /* closed in the middle of that */
    for (int steps = 0; steps < 6; steps++) {
        assert_int_equal(dial(t, "many.test"), 0);
        poll_for(t, steps);
        close_streams(t);
    }

    resolver_says(0, "::1", "127.0.0.9", NULL);
    assert_int_equal(dial(t, "none.test"), 0);
    run(t->loop);
    assert_true(t->opened && t->open_err < 0);
    talk_free(t);
}

/* A socket at 127.0.0.8 that lets connections wait for ever: its queue is full. */
static int silent_listener(uint16_t port, int clients[4])
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, "127.0.0.8", &to.sin_addr);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(listen(fd, 0), 0);
    for (int i = 0; i < 4; i++) {
        clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(clients[i], (struct sockaddr *)&to, sizeof to);
    }
    return fd;
}

static void an_address_that_does_not_answer_is_given_up(void **state)
{
    (void)state;
    struct talk *t = talk_new(false);
    int clients[4], fd = silent_listener(t->port, clients);
    resolver_says(0, "127.0.0.8", "127.0.0.1", NULL);
    uint64_t began = clock_mono_us();
    open_client(t, "silent.test");
    assert_true(str_starts(stream_peer(t->server), STR("127.0.0.1:")));
    assert_in_range(clock_mono_us() - began, SEC / 2, 10 * SEC);
    close_streams(t);
    assert_int_equal(dial(t, "silent.test"), 0); /* closed while the first is awaited */
    close_streams(t);
    close(fd);
    for (int i = 0; i < 4; i++)
        close(clients[i]);
    talk_free(t);
}

static void a_name_is_asked_for_once_by_all_who_wait(void **state)
{
    (void)state;
    struct talk *t = talk_new(false);
    struct stream *given_up;
    resolver_says(0, "127.0.0.1", NULL, NULL);
    resolver_holds(true);
    unsigned before = resolver_asked();
    assert_int_equal(dial(t, "held.test"), 0);
    given_up = t->client;
    assert_int_equal(dial(t, "held.test"), 0);
    poll_for(t, 20);
    stream_close(given_up);
    assert_false(t->opened);
    resolver_holds(false);
    for (int i = 0; i < 2000 && !(t->opened && t->server); i++)
        poll_for(t, 10);
    assert_true(t->opened && t->open_err == 0);
    assert_int_equal(resolver_asked(), before + 1);
    talk_free(t);
}

/* Dials a name that is known, or must be: no question has to be answered for that. */
static void open_known(struct talk *t, const char *host)
{
    close_streams(t);
    open_client(t, host);
}

static void a_resolver_that_fails_takes_no_name_away(void **state)
{
    (void)state;
    struct talk *t = talk_new(false);
    unsigned before = resolver_asked();
    resolver_says(0, "127.0.0.1", NULL, NULL);
    open_client(t, "kept.test");
    pass_seconds(29);
    open_known(t, "kept.test"); /* fresh */
    assert_int_equal(resolver_asked(), before + 1);

    resolver_holds(true); /* it hangs: what is known will do */
    pass_seconds(2);
    open_known(t, "kept.test");
    pass_seconds(500);
    open_known(t, "kept.test");
    until_asked(before + 2);
    resolver_says(EAI_AGAIN, NULL, NULL, NULL); /* it fails: likewise */
    resolver_holds(false);
    close_streams(t);
    open_known(t, "kept.test");

    pass_seconds(600); /* that was too long ago */
    close_streams(t);
    assert_int_equal(dial(t, "kept.test"), 0);
    run(t->loop);
    assert_int_equal(t->open_err, ERR_RESOLVE);

    close_streams(t);
    resolver_says(0, "127.0.0.1", NULL, NULL);
    open_client(t, "kept.test");
    resolver_says(EAI_NONAME, NULL, NULL, NULL); /* that is an answer */
    pass_seconds(31);
    open_known(t, "kept.test");
    for (int i = 0; i < 2000 && t->open_err == 0; i++) {
        close_streams(t);
        assert_int_equal(dial(t, "kept.test"), 0);
        for (int j = 0; j < 2000 && !t->opened; j++)
            poll_for(t, 10);
    }
    assert_int_equal(t->open_err, ERR_RESOLVE);
    talk_free(t);
}

static void a_hanging_resolver_delays_no_end(void **state)
{
    (void)state;
    struct talk *t = talk_new(false);
    resolver_holds(true);
    unsigned before = resolver_asked();
    assert_int_equal(dial(t, "held.test"), 0);
    until_asked(before + 1);
    talk_free(t); /* would wait for ever */
    resolver_holds(false);
    until_idle();
}

static void nobody_listening_is_told(void **state)
{
    (void)state;
    for (int is_unix = 0; is_unix < 2; is_unix++) {
        struct talk *t = talk_new(is_unix);
        listener_close(t->listener);
        t->listener = NULL;
        loop_poll(t->loop);
        if (is_unix) unlink(t->path);
        int err = dial(t, "127.0.0.1");
        assert_int_equal(err, 0);
        assert_false(t->opened); /* later */
        run(t->loop);
        assert_int_equal(t->open_err, is_unix ? -ENOENT : -ECONNREFUSED);
        talk_free(t);
    }
}

static void dials_may_be_given_up(void **state)
{
    (void)state;
    static const char *const hosts[] = {"127.0.0.1", "localhost", "no-such-name.invalid"};
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++)
        for (int polls = 0; polls < 3; polls++) {
            struct talk *t = talk_new(false);
            assert_int_equal(dial(t, hosts[i]), 0);
            for (int p = 0; p < polls && !t->opened; p++)
                loop_poll(t->loop);
            bool opened = t->opened;
            stream_close(t->client);
            t->client = NULL;
            for (int p = 0; p < 20; p++) {
                usleep(300);
                loop_poll(t->loop);
            }
            assert_true(t->opened == opened);
            talk_free(t);
        }
}

static void socket_files_are_replaced_when_nobody_serves_them(void **state)
{
    (void)state;
    char path[64];
    int fd, second;
    uint16_t port;
    snprintf(path, sizeof path, "/tmp/hostler-test-file-%d.sock", (int)getpid());
    struct addr addr = {.is_unix = true, .path = str_of(path)};
    assert_int_equal(listen_socket(&addr, false, &fd, &port), 0);
    assert_int_equal(listen_socket(&addr, false, &second, &port), -EADDRINUSE);
    close(fd);
    assert_int_equal(listen_socket(&addr, false, &fd, &port), 0);
    close(fd);
    unlink(path);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    assert_int_equal(listen_socket(&addr, false, &fd, &port), -EEXIST);
    unlink(path);
    char longer[200];
    memset(longer, 'x', sizeof longer);
    addr.path = str_n(longer, sizeof longer);
    assert_int_equal(listen_socket(&addr, false, &fd, &port), -ENAMETOOLONG);
}

static void ports_are_shared_only_when_asked(void **state)
{
    (void)state;
    struct addr addr = {.host = STR("127.0.0.1")};
    int a, b;
    uint16_t port, other;
    assert_int_equal(listen_socket(&addr, true, &a, &port), 0);
    addr.port = port;
    assert_int_equal(listen_socket(&addr, true, &b, &other), 0);
    assert_int_equal(other, port);
    close(b);
    assert_int_equal(listen_socket(&addr, false, &b, &other), -EADDRINUSE);
    close(a);
    addr = (struct addr){.host = STR("no-such-name.invalid"), .port = 1};
    assert_int_equal(listen_socket(&addr, false, &a, &port), ERR_RESOLVE);
}

/* --- signals and descriptors --- */

struct watch {
    struct loop *loop;
    int signum;
    int fd;
    char byte;
};

static void on_signal(void *owner, int signum)
{
    struct watch *w = owner;
    w->signum = signum;
    loop_stop(w->loop);
}

static void on_readable(void *owner)
{
    struct watch *w = owner;
    assert_int_equal(read(w->fd, &w->byte, 1), 1);
    loop_stop(w->loop);
}

static void signals_and_descriptors_are_watched(void **state)
{
    (void)state;
    struct watch w = {0};
    struct signal_watch *sw;
    struct fd_watch *fw;
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    assert_int_equal(loop_new_real(&w.loop), 0);
    w.fd = pipes[0];
    assert_int_equal(signal_watch_open(w.loop, SIGUSR1, on_signal, &w, &sw), 0);
    assert_int_equal(fd_watch_open(w.loop, pipes[0], on_readable, &w, &fw), 0);
    kill(getpid(), SIGUSR1);
    run(w.loop);
    assert_int_equal(w.signum, SIGUSR1);
    assert_int_equal(write(pipes[1], "x", 1), 1);
    run(w.loop);
    assert_int_equal(w.byte, 'x');
    signal_watch_close(sw);
    fd_watch_close(fw);
    loop_free(w.loop);
    close(pipes[0]);
    close(pipes[1]);
}

/* A write to a peer that has gone must not end the process, whoever made the loop. */
static void a_broken_pipe_is_an_error_only(void **state)
{
    (void)state;
    struct loop *l;
    int pair[2];
    signal(SIGPIPE, SIG_DFL);
    assert_int_equal(loop_new_real(&l), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    close(pair[1]);
    assert_int_equal(write(pair[0], "x", 1), -1);
    assert_int_equal(errno, EPIPE);
    close(pair[0]);
    loop_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tasks_run_in_order_and_never_inside_each_other),
        cmocka_unit_test(timers_fire_in_order_of_their_time),
        cmocka_unit_test(real_timers_are_not_early),
        cmocka_unit_test(mail_comes_in_order_from_each_thread),
        cmocka_unit_test(mail_to_a_stopped_loop_is_delivered_at_its_end),
        cmocka_unit_test(megabytes_are_echoed),
        cmocka_unit_test(a_low_mark_is_told),
        cmocka_unit_test(bytes_are_read_to_where_they_are_wanted),
        cmocka_unit_test(clients_wait_while_descriptors_are_lacking),
        cmocka_unit_test(reads_are_put_off_while_the_loop_is_behind),
        cmocka_unit_test(who_has_left_while_it_waited_is_not_read),
        cmocka_unit_test(a_stream_that_waits_may_be_closed),
        cmocka_unit_test(ends_and_resets_are_told_apart),
        cmocka_unit_test(streams_may_be_closed_within_their_callbacks),
        cmocka_unit_test(reading_can_be_held_back),
        cmocka_unit_test(names_are_resolved),
        cmocka_unit_test(the_next_address_is_tried),
        cmocka_unit_test(an_address_that_does_not_answer_is_given_up),
        cmocka_unit_test(a_name_is_asked_for_once_by_all_who_wait),
        cmocka_unit_test(a_resolver_that_fails_takes_no_name_away),
        cmocka_unit_test(a_hanging_resolver_delays_no_end),
        cmocka_unit_test(nobody_listening_is_told),
        cmocka_unit_test(dials_may_be_given_up),
        cmocka_unit_test(socket_files_are_replaced_when_nobody_serves_them),
        cmocka_unit_test(ports_are_shared_only_when_asked),
        cmocka_unit_test(signals_and_descriptors_are_watched),
        cmocka_unit_test(a_broken_pipe_is_an_error_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
