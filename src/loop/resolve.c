/* SPDX-License-Identifier: Apache-2.0 */
/* Host names to addresses.
 *
 * getaddrinfo blocks for as long as a resolver likes, so each question has a thread of its own,
 * which may outlive the loop: a resolver that hangs delays neither other names nor the end. A loop
 * asks one question per name at a time, whoever waits for it. Answers are fresh for 30 s; for as
 * long again they are used while the name is asked for anew, and for ten minutes when the resolver
 * fails or does not answer. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/mem.h"
#include "loop/loop_priv.h"

#define SECONDS(n) ((uint64_t)(n) * USEC_PER_SEC)

enum { NAMES_MAX = 1024, QUESTIONS_MAX = 64 /* under way, of all loops */ };

static const uint64_t fresh_us = SECONDS(30), usable_us = SECONDS(60), kept_us = SECONDS(600);
static const uint64_t slow_us = SECONDS(1); /* a resolver that takes longer is not waited for */

/* Belongs to its thread until that posts it; `loop` is guarded by questions_lock. */
struct question {
    struct mail mail;
    struct loop *loop; /* NULL: nobody is interested any more */
    struct name *name;
    int status; /* what getaddrinfo returned */
    struct addresses found;
    char host[];
};

struct name {
    struct loop *loop;
    struct addresses found; /* the last good answer */
    uint64_t found_us;
    struct question *question; /* under way */
    uint64_t asked_us;
    struct list waiting; /* struct lookup */
    char host[];
};

static pthread_mutex_t questions_lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_uint questions;

void loop__set_port(struct sockaddr_storage *address, uint16_t port)
{
    if (address->ss_family == AF_INET6)
        ((struct sockaddr_in6 *)address)->sin6_port = htons(port);
    else
        ((struct sockaddr_in *)address)->sin_port = htons(port);
}

static bool parse_literal(struct str host, struct sockaddr_storage *out)
{
    char text[INET6_ADDRSTRLEN];
    if (host.len >= sizeof text) return false;
    memcpy(text, host.ptr, host.len);
    text[host.len] = '\0';
    memset(out, 0, sizeof *out);
    if (inet_pton(AF_INET, text, &((struct sockaddr_in *)out)->sin_addr) == 1) {
        out->ss_family = AF_INET;
        return true;
    }
    if (inet_pton(AF_INET6, text, &((struct sockaddr_in6 *)out)->sin6_addr) == 1) {
        out->ss_family = AF_INET6;
        return true;
    }
    return false;
}

/* --- names --- */

static uint64_t age_us(const struct name *n)
{
    return n->loop->now_us - n->found_us;
}

static bool remembers(const struct name *n)
{
    return n->found.count > 0 && age_us(n) < kept_us;
}

/* Makes room for one more name. */
static bool forget_one(struct loop *l)
{
    size_t pos = 0;
    struct str host;
    void *value;
    while (map_next(&l->names, &pos, &host, &value)) {
        struct name *n = value;
        if (n->question) continue;
        map_remove(&l->names, host);
        free(n);
        return true;
    }
    return false;
}

/* The name's entry, made if there is none; NULL: no room. */
static struct name *name_of(struct loop *l, struct str host)
{
    struct name *n = map_get(&l->names, host);
    if (n) return n;
    if (l->names.count >= NAMES_MAX && !forget_one(l)) return NULL;
    n = mem_try_zero(1, sizeof *n + host.len + 1);
    if (!n) return NULL;
    n->loop = l;
    list_init(&n->waiting);
    memcpy(n->host, host.ptr, host.len);
    map_put(&l->names, str_n(n->host, host.len), n);
    return n;
}

/* --- questions --- */

static void copy_addresses(struct addresses *out, const struct addrinfo *list)
{
    for (const struct addrinfo *a = list; a && out->count < ADDRESSES_MAX; a = a->ai_next)
        memcpy(&out->all[out->count++], a->ai_addr, MIN((size_t)a->ai_addrlen, sizeof out->all[0]));
}

static void *ask_resolver(void *arg)
{
    static const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    struct question *q = arg;
    struct addrinfo *list = NULL;
    q->status = getaddrinfo(q->host, NULL, &hints, &list);
    if (q->status == 0) {
        copy_addresses(&q->found, list);
        freeaddrinfo(list);
    }
    atomic_fetch_sub(&questions, 1);
    pthread_mutex_lock(&questions_lock);
    bool wanted = q->loop;
    if (wanted) loop_post(q->loop, &q->mail);
    pthread_mutex_unlock(&questions_lock);
    if (!wanted) free(q);
    return NULL;
}

/* Else the resolver has no answer, which says nothing about the name. */
static bool no_such_name(int status)
{
    return status == EAI_NONAME || status == EAI_NODATA;
}

static void on_answer(struct mail *mail)
{
    struct question *q = CONTAINER_OF(mail, struct question, mail);
    struct name *n = q->name;
    if (!q->loop) {
        free(q);
        return;
    }
    n->question = NULL;
    if (q->status == 0 || no_such_name(q->status)) {
        n->found = q->found;
        n->found_us = q->loop->now_us;
    }
    free(q);
    int err = remembers(n) ? 0 : ERR_RESOLVE;
    struct list *link;
    while ((link = list_pop_front(&n->waiting))) {
        struct lookup *w = LIST_ITEM(link, struct lookup, link);
        w->done(w, err, &n->found);
    }
}

static int start_thread(struct question *q)
{
    pthread_t thread;
    pthread_attr_t attr;
    sigset_t all, former;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &former); /* signals are the loops' */
    int err = fault_point(FAULT_THREAD) ? EAGAIN : pthread_create(&thread, &attr, ask_resolver, q);
    pthread_sigmask(SIG_SETMASK, &former, NULL);
    pthread_attr_destroy(&attr);
    return -err;
}

/* Asks for the name unless that is under way. */
static int ask(struct name *n)
{
    if (n->question) return 0;
    size_t size = strlen(n->host) + 1;
    struct question *q = mem_try_zero(1, sizeof *q + size);
    if (!q) return -ENOMEM;
    q->mail.deliver = on_answer;
    q->loop = n->loop;
    q->name = n;
    memcpy(q->host, n->host, size);
    int err = atomic_fetch_add(&questions, 1) < QUESTIONS_MAX ? start_thread(q) : ERR_RESOLVE;
    if (err) {
        atomic_fetch_sub(&questions, 1);
        free(q);
        return err;
    }
    n->question = q;
    n->asked_us = n->loop->now_us;
    return 0;
}

/* --- the rest of the folder --- */

bool loop__resolve_now(struct loop *l, struct str host, struct addresses *out)
{
    out->count = 1;
    if (parse_literal(host, &out->all[0])) return true;
    struct name *n = map_get(&l->names, host);
    if (!n || !remembers(n)) return false;
    *out = n->found;
    if (age_us(n) < fresh_us) return true;
    int err = ask(n);
    return err || age_us(n) < usable_us || l->now_us - n->asked_us > slow_us;
}

int loop__resolve(struct loop *l, struct str host, struct lookup *q)
{
    struct name *n = name_of(l, host);
    int err = n ? ask(n) : ERR_RESOLVE;
    if (!err) list_push_back(&n->waiting, &q->link);
    return err;
}

void loop__forget_questions(struct loop *l)
{
    size_t pos = 0;
    struct str host;
    void *value;
    pthread_mutex_lock(&questions_lock);
    while (map_next(&l->names, &pos, &host, &value)) {
        struct name *n = value;
        if (n->question) n->question->loop = NULL;
        n->question = NULL;
    }
    pthread_mutex_unlock(&questions_lock);
}

void loop__forget_names(struct loop *l)
{
    while (forget_one(l)) {
    }
    map_fini(&l->names);
}
