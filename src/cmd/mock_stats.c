/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/mock_stats.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "json/write.h"

enum { RECORD_BYTES = 8 << 20, RECORD_BODY = 1 << 20 };

/* The counters in the order of /mock/stats. */
static const struct counter {
    const char *name;
    size_t offset;
    bool gauge; /* survives a reset */
} counters[] = {
    {"connections", offsetof(struct mock_stats, connections), true},
    {"requests", offsetof(struct mock_stats, requests), false},
    {"streams", offsetof(struct mock_stats, streams), false},
    {"active", offsetof(struct mock_stats, active), true},
    {"peak", offsetof(struct mock_stats, peak), false},
    {"completed", offsetof(struct mock_stats, completed), false},
    {"errors", offsetof(struct mock_stats, errors), false},
    {"died", offsetof(struct mock_stats, died), false},
    {"aborted", offsetof(struct mock_stats, aborted), false},
    {"frames", offsetof(struct mock_stats, frames), false},
};

static const char *const phase_names[] = {"body", "waiting", "streaming"};

static _Atomic uint64_t *counter_of(struct mock_stats *s, const struct counter *c)
{
    return (_Atomic uint64_t *)(void *)((char *)s + c->offset);
}

void mock_stats_init(struct mock_stats *s, size_t record_max)
{
    memset(s, 0, sizeof *s);
    pthread_mutex_init(&s->lock, NULL);
    map_init(&s->tries);
    s->record_max = record_max;
    if (record_max == 0) return;
    s->recorded = mem_must_zero(record_max, sizeof *s->recorded);
    for (size_t i = 0; i < record_max; i++)
        buf_init(&s->recorded[i], RECORD_BYTES);
}

static void forget_tries(struct mock_stats *s)
{
    size_t pos = 0;
    struct str key;
    void *value;
    while (map_next(&s->tries, &pos, &key, &value)) {
        free((void *)(uintptr_t)key.ptr);
        free(value);
    }
    map_fini(&s->tries);
    map_init(&s->tries);
}

void mock_stats_fini(struct mock_stats *s)
{
    forget_tries(s);
    map_fini(&s->tries);
    free(s->aborts);
    for (size_t i = 0; i < s->record_max; i++)
        buf_fini(&s->recorded[i]);
    free(s->recorded);
    pthread_mutex_destroy(&s->lock);
}

void mock_stats_reset(struct mock_stats *s)
{
    for (size_t i = 0; i < ARRAY_LEN(counters); i++) {
        if (!counters[i].gauge) atomic_store(counter_of(s, &counters[i]), 0);
    }
    pthread_mutex_lock(&s->lock);
    s->abort_count = 0;
    forget_tries(s);
    for (size_t i = 0; i < s->record_max; i++)
        buf_clear(&s->recorded[i]);
    s->record_next = 0;
    pthread_mutex_unlock(&s->lock);
}

void mock_stats_begin(struct mock_stats *s)
{
    mock_count(&s->requests);
    uint64_t active = atomic_fetch_add_explicit(&s->active, 1, memory_order_relaxed) + 1;
    uint64_t peak = atomic_load_explicit(&s->peak, memory_order_relaxed);
    while (active > peak && !atomic_compare_exchange_weak(&s->peak, &peak, active))
        continue;
}

static void copy_id(char out[MOCK_ID_MAX], struct str id)
{
    size_t len = MIN(id.len, (size_t)MOCK_ID_MAX - 1);
    if (len) memcpy(out, id.ptr, len);
    out[len] = '\0';
}

void mock_stats_abort(struct mock_stats *s, struct str id, uint64_t at_us, enum mock_phase phase)
{
    mock_count(&s->aborted);
    pthread_mutex_lock(&s->lock);
    if (s->abort_count == s->abort_cap && s->abort_cap < MOCK_ABORTS_MAX) {
        s->abort_cap = s->abort_cap ? s->abort_cap * 2 : 64;
        s->aborts = mem_must_grow(s->aborts, s->abort_cap, sizeof *s->aborts);
    }
    if (s->abort_count < s->abort_cap) {
        struct mock_abort *a = &s->aborts[s->abort_count++];
        copy_id(a->id, id);
        a->at_us = at_us;
        a->phase = phase;
    }
    pthread_mutex_unlock(&s->lock);
}

unsigned mock_stats_try(struct mock_stats *s, struct str id)
{
    pthread_mutex_lock(&s->lock);
    if (!id.ptr) id = STR("");
    unsigned *count = map_get(&s->tries, id);
    if (!count) {
        count = mem_must_zero(1, sizeof *count);
        map_put(&s->tries, str_n(str_dup(id), id.len), count);
    }
    unsigned before = (*count)++;
    pthread_mutex_unlock(&s->lock);
    return before;
}

static void write_record(struct buf *out, const struct http_head *head, struct str id,
                         struct str body)
{
    struct json_writer w;
    json_write_init(&w, out);
    json_write_object(&w);
    json_write_str_member(&w, "id", id);
    json_write_str_member(&w, "method", head->method_name);
    json_write_str_member(&w, "target", head->target);
    json_write_key(&w, "headers");
    json_write_array(&w);
    for (unsigned i = 0; i < head->field_count; i++) {
        json_write_array(&w);
        json_write_str(&w, head->fields[i].name);
        json_write_str(&w, head->fields[i].value);
        json_write_array_end(&w);
    }
    json_write_array_end(&w);
    json_write_str_member(&w, "body", str_sub(body, 0, RECORD_BODY));
    json_write_object_end(&w);
    if (json_write_end(&w)) buf_clear(out);
}

void mock_stats_record(struct mock_stats *s, const struct http_head *head, struct str id,
                       struct str body)
{
    if (s->record_max == 0) return;
    pthread_mutex_lock(&s->lock);
    struct buf *out = &s->recorded[s->record_next++ % s->record_max];
    buf_clear(out);
    write_record(out, head, id, body);
    pthread_mutex_unlock(&s->lock);
}

int mock_stats_write(struct mock_stats *s, struct buf *out)
{
    struct json_writer w;
    json_write_init(&w, out);
    json_write_object(&w);
    for (size_t i = 0; i < ARRAY_LEN(counters); i++) {
        json_write_u64_member(&w, counters[i].name, atomic_load(counter_of(s, &counters[i])));
    }
    json_write_key(&w, "aborts");
    json_write_array(&w);
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->abort_count; i++) {
        const struct mock_abort *a = &s->aborts[i];
        json_write_object(&w);
        json_write_str_member(&w, "id", str_of(a->id));
        json_write_u64_member(&w, "at_us", a->at_us);
        json_write_str_member(&w, "phase", str_of(phase_names[a->phase]));
        json_write_object_end(&w);
    }
    pthread_mutex_unlock(&s->lock);
    json_write_array_end(&w);
    json_write_object_end(&w);
    return json_write_end(&w);
}

int mock_stats_write_requests(struct mock_stats *s, struct buf *out)
{
    struct json_writer w;
    json_write_init(&w, out);
    json_write_object(&w);
    json_write_key(&w, "requests");
    json_write_array(&w);
    pthread_mutex_lock(&s->lock);
    uint64_t first = s->record_next > s->record_max ? s->record_next - s->record_max : 0;
    for (uint64_t i = first; i < s->record_next; i++) {
        struct str json = buf_str(&s->recorded[i % s->record_max]);
        if (json.len) json_write_raw(&w, json);
    }
    pthread_mutex_unlock(&s->lock);
    json_write_array_end(&w);
    json_write_object_end(&w);
    return json_write_end(&w);
}

int mock_stats_write_metrics(struct mock_stats *s, struct buf *out)
{
    int err = 0;
    for (size_t i = 0; !err && i < ARRAY_LEN(counters); i++) {
        const struct counter *c = &counters[i];
        bool gauge = strcmp(c->name, "active") == 0 || strcmp(c->name, "peak") == 0;
        const char *suffix = gauge ? "" : "_total";
        err = buf_printf(
            out, "# HELP mock_%s%s See docs/mock.md.\n# TYPE mock_%s%s %s\nmock_%s%s %llu\n",
            c->name, suffix, c->name, suffix, gauge ? "gauge" : "counter", c->name, suffix,
            (unsigned long long)atomic_load(counter_of(s, c)));
    }
    return err;
}
