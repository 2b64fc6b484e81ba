/* SPDX-License-Identifier: Apache-2.0 */
/* Renders chat templates for tests/e2e/test_jinja.py: reads lines of JSON
 *
 *     {"template": "...", "own": {"bos_token": "<s>"}, "now": 0, ...variables}
 *
 * (a line without template renders the one before it) and prints for each {"text": "..."}, with "pieces" [[text, own], ...] when the line asks for them
 * by "want_pieces", or {"error": "...", "line": 1, "column": 1}. With --time N it renders each line
 * N times and prints the median of the microseconds that took. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "jinja/jinja.h"
#include "json/write.h"

enum { VARIABLES_MAX = 64, LINE_MAX_BYTES = 64 << 20 };

static const struct jinja_limits limits = {.steps = 100000000, .output = 64 << 20};

struct job {
    const struct jinja *template;
    struct jinja_variable variables[VARIABLES_MAX];
    size_t count;
    int64_t now;
};

static void add_own(struct job *job, const struct json *own)
{
    struct json_iter it = {0};
    struct str name, text;
    const struct json *value;
    while (json_next_member(own, &it, &name, &value) && job->count < VARIABLES_MAX)
        if (json_to_str(value, &text))
            job->variables[job->count++] =
                (struct jinja_variable){.name = name, .kind = JINJA_OWN, .text = text};
}

static void read_job(struct job *job, const struct json *line)
{
    struct json_iter it = {0};
    struct str name;
    const struct json *value;
    add_own(job, json_get(line, "own"));
    job->now = json_i64_or(line, "now", 0);
    while (json_next_member(line, &it, &name, &value) && job->count < VARIABLES_MAX) {
        if (str_eq(name, STR("template")) || str_eq(name, STR("own"))) continue;
        job->variables[job->count++] =
            (struct jinja_variable){.name = name, .kind = JINJA_JSON, .json = value};
    }
}

static void write_error(struct json_writer *w, int err, const struct jinja_error *why)
{
    json_write_str_member(w, "error", str_of(why->text));
    json_write_str_member(w, "code", str_of(err_name(err)));
    json_write_u64_member(w, "line", why->line);
    json_write_u64_member(w, "column", why->column);
}

static void write_pieces(struct json_writer *w, const struct jinja_output *out)
{
    json_write_key(w, "pieces");
    json_write_array(w);
    for (size_t i = 0; i < out->count; i++) {
        json_write_array(w);
        json_write_str(w, out->pieces[i].text);
        json_write_bool(w, out->pieces[i].own);
        json_write_array_end(w);
    }
    json_write_array_end(w);
}

static int write_text(struct json_writer *w, struct arena *arena, const struct jinja_output *out)
{
    char *all = arena_try(arena, out->bytes + 1);
    size_t n = 0;
    if (!all) return ERR_TOO_LARGE;
    for (size_t i = 0; i < out->count; i++) {
        memcpy(all + n, out->pieces[i].text.ptr, out->pieces[i].text.len);
        n += out->pieces[i].text.len;
    }
    json_write_str_member(w, "text", str_n(all, n));
    return 0;
}

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static int render(const struct job *job, struct arena *arena, struct jinja_output *out,
                  struct jinja_error *why)
{
    return jinja_render(job->template, arena, job->variables, job->count, job->now, &limits, out,
                        why);
}

static uint64_t median_us(const struct job *job, size_t times)
{
    struct jinja_output out;
    struct jinja_error why;
    struct arena arena;
    uint64_t *took = calloc(times, sizeof *took);
    arena_init(&arena, 1 << 30, 1 << 20);
    for (size_t i = 0; took && i < times; i++) {
        uint64_t start = clock_mono_us();
        if (render(job, &arena, &out, &why)) break;
        took[i] = clock_mono_us() - start;
        arena_reset(&arena);
    }
    uint64_t median = 0;
    if (took) {
        qsort(took, times, sizeof *took, by_size);
        median = took[times / 2];
    }
    free(took);
    arena_fini(&arena);
    return median;
}

/* The template of the lines so far. */
struct current {
    struct jinja *template;
    int err; /* of compiling it */
    struct jinja_error why;
};

static void read_template(const struct json *line, struct current *current)
{
    struct str source;
    if (!json_to_str(json_get(line, "template"), &source)) return;
    jinja_free(current->template);
    *current = (struct current){0};
    current->err = jinja_compile(source, &current->template, &current->why);
}

static int run_line(struct arena *arena, const struct json *line, struct current *current,
                    size_t times, struct json_writer *w)
{
    struct job job = {0};
    struct jinja_output out;
    read_template(line, current);
    struct jinja_error why = current->why;
    int err = current->err;
    job.template = current->template;
    read_job(&job, line);
    if (!err) err = render(&job, arena, &out, &why);
    json_write_object(w);
    if (err) {
        write_error(w, err, &why);
    } else {
        err = write_text(w, arena, &out);
        if (json_bool_or(line, "want_pieces", false)) write_pieces(w, &out);
    }
    json_write_object_end(w);
    if (!err && times) fprintf(stderr, "%llu us\n", (unsigned long long)median_us(&job, times));
    return 0;
}

static int answer(struct str text, struct current *current, size_t times)
{
    struct arena arena;
    struct json_writer w;
    struct buf out;
    const struct json *line = NULL;
    arena_init(&arena, (size_t)2 << 30, 1 << 16);
    buf_init(&out, (size_t)1 << 30);
    json_write_init(&w, &out);
    int err = json_parse(&arena, text, &line, NULL);
    if (!err) err = run_line(&arena, line, current, times, &w);
    if (!err) err = json_write_end(&w);
    if (!err) printf("%" STR_FMT "\n", STR_ARG(buf_str(&out)));
    buf_fini(&out);
    arena_fini(&arena);
    return err;
}

int main(int argc, char **argv)
{
    size_t times = argc == 3 && !strcmp(argv[1], "--time") ? (size_t)atoi(argv[2]) : 0;
    struct current current = {.err = ERR_INVALID};
    char *line = NULL;
    size_t room = 0;
    for (ssize_t len; (len = getline(&line, &room, stdin)) > 0;) {
        if (line[len - 1] == '\n') len--;
        int err = answer(str_n(line, (size_t)len), &current, times);
        if (err) {
            fprintf(stderr, "render: %s\n", err_text(err));
            return 1;
        }
        fflush(stdout);
    }
    free(line);
    jinja_free(current.template);
    return 0;
}
