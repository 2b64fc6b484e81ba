/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/mock_script.h"

#include "base/err.h"
#include "cmd/mock_knobs.h"
#include "cmd/mock_turn.h"
#include "json/json.h"
#include "json/skim.h"
#include "json/write.h"

enum { TURNS_MAX = 100000, ALWAYS = UINT32_MAX };

struct mock_script_turn {
    struct str json;
    struct str when;      /* what the last message must have in it; empty: nothing */
    struct str when_body; /* the same of the whole body */
    uint32_t times;       /* how often it answers */
    uint32_t used;
};

void mock_script_init(struct mock_script *s)
{
    *s = (struct mock_script){0};
    pthread_mutex_init(&s->lock, NULL);
    arena_init(&s->arena, SIZE_MAX, 4096);
}

void mock_script_fini(struct mock_script *s)
{
    arena_fini(&s->arena);
    pthread_mutex_destroy(&s->lock);
}

/* --- reading --- */

enum { S_WHEN, S_WHEN_BODY, S_TIMES, S_COUNT };

static const char *const names[] = {"when", "when_body", "times", NULL};

static int read_condition(struct arena *arena, const struct json_span *span, struct str *out)
{
    return span->type == JSON_NONE ? 0 : json_span_str(span, arena, out);
}

static int read_times(const struct json_span *span, bool always, uint32_t *out)
{
    int64_t times = always ? ALWAYS : 1;
    if (span->type != JSON_NONE && !json_span_i64(span, &times)) return ERR_TYPE;
    if (times < 0 || times > ALWAYS) return ERR_RANGE;
    *out = (uint32_t)times;
    return 0;
}

/* A name that is of no use in a turn, or NULL. */
static const char *unknown_name(struct arena *arena, const struct json *turn)
{
    struct json_iter it = {0};
    struct str name;
    const struct json *value;
    while (json_next_member(turn, &it, &name, &value)) {
        bool known = false;
        for (size_t i = 0; names[i]; i++)
            known = known || str_eq(name, str_of(names[i]));
        for (size_t i = 0; mock_turn_names[i]; i++)
            known = known || str_eq(name, str_of(mock_turn_names[i]));
        if (!known) return arena_dup(arena, name).ptr;
    }
    return NULL;
}

/* Everything of the turn is on s->arena. */
static int read_turn(struct mock_script *s, struct arena *arena, struct str json,
                     struct mock_script_turn *out, const char **wrong)
{
    struct str wanted[S_COUNT];
    struct json_span spans[S_COUNT];
    struct mock_turn turn;
    const struct json *doc;
    for (unsigned i = 0; i < S_COUNT; i++)
        wanted[i] = str_of(names[i]);
    out->json = arena_dup(&s->arena, json);
    int err = mock_turn_read(arena, json, &turn, wrong);
    if (!err) err = json_parse(arena, json, &doc, NULL);
    if (err) return err;
    const char *unknown = unknown_name(arena, doc);
    if (unknown) {
        *wrong = arena_printf(arena, "there is no member %s", unknown).ptr;
        return ERR_INVALID;
    }
    *wrong = "when, when_body or times is wrong";
    err = json_scan(out->json, wanted, S_COUNT, spans, NULL);
    if (!err) err = read_condition(&s->arena, &spans[S_WHEN], &out->when);
    if (!err) err = read_condition(&s->arena, &spans[S_WHEN_BODY], &out->when_body);
    bool always = out->when.len || out->when_body.len;
    return err ? err : read_times(&spans[S_TIMES], always, &out->times);
}

static int read_turns(struct mock_script *s, struct arena *arena, struct str rest, size_t count,
                      const char **wrong)
{
    struct json_span element;
    s->turns = arena_zalloc(&s->arena, (count + 1) * sizeof *s->turns);
    for (size_t i = 0; i < count && json_skim_element(&rest, &element); i++) {
        if (read_turn(s, arena, element.raw, &s->turns[i], wrong)) {
            *wrong = arena_printf(arena, "turn %zu: %s", i, *wrong).ptr;
            return ERR_INVALID;
        }
    }
    atomic_store(&s->count, count);
    return 0;
}

/* Swaps what the two hold. */
static void take_over(struct mock_script *s, struct mock_script *read)
{
    struct arena before = s->arena;
    pthread_mutex_lock(&s->lock);
    s->arena = read->arena;
    s->turns = read->turns;
    atomic_store(&s->count, atomic_load(&read->count));
    pthread_mutex_unlock(&s->lock);
    read->arena = before;
}

static struct str without_blanks(struct str json)
{
    while (json.len && json_is_blank((unsigned char)json.ptr[0]))
        json = str_skip(json, 1);
    return json;
}

int mock_script_set(struct mock_script *s, struct arena *arena, struct str json, const char **wrong)
{
    struct mock_script read;
    const struct json *doc;
    *wrong = "a script is a list of turns";
    if (json_parse(arena, json, &doc, NULL) || json_type(doc) != JSON_ARRAY ||
        json_count(doc) > TURNS_MAX)
        return ERR_INVALID;
    mock_script_init(&read);
    int err = read_turns(&read, arena, without_blanks(json), json_count(doc), wrong);
    if (!err) take_over(s, &read);
    mock_script_fini(&read);
    return err;
}

void mock_script_clear(struct mock_script *s)
{
    pthread_mutex_lock(&s->lock);
    atomic_store(&s->count, 0);
    arena_reset(&s->arena);
    pthread_mutex_unlock(&s->lock);
}

/* --- playing --- */

static bool has(struct str text, struct str part)
{
    return part.len == 0 || str_find(text, part) >= 0;
}

static bool fits(const struct mock_script_turn *t, struct str last, struct str body)
{
    bool left = t->times == ALWAYS || t->used < t->times;
    return left && has(last, t->when) && has(body, t->when_body);
}

struct str mock_script_take(struct mock_script *s, struct arena *arena, struct str last,
                            struct str body)
{
    struct str taken = STR_NULL;
    if (atomic_load_explicit(&s->count, memory_order_relaxed) == 0) return taken;
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->count && !taken.ptr; i++) {
        if (!fits(&s->turns[i], last, body)) continue;
        s->turns[i].used++;
        taken = arena_dup(arena, s->turns[i].json);
    }
    pthread_mutex_unlock(&s->lock);
    return taken;
}

int mock_script_write(struct mock_script *s, struct buf *out)
{
    struct json_writer w;
    json_write_init(&w, out);
    json_write_object(&w);
    json_write_key(&w, "turns");
    json_write_array(&w);
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->count; i++) {
        const struct mock_script_turn *t = &s->turns[i];
        json_write_object(&w);
        json_write_u64_member(&w, "used", t->used);
        if (t->times == ALWAYS)
            json_write_null_member(&w, "left");
        else
            json_write_u64_member(&w, "left", t->times - t->used);
        json_write_object_end(&w);
    }
    pthread_mutex_unlock(&s->lock);
    json_write_array_end(&w);
    json_write_object_end(&w);
    return json_write_end(&w);
}
