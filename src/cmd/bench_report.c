/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/bench_report.h"

#include "base/mem.h"
#include "cmd/cli.h"
#include "json/write.h"

static const struct {
    const char *title;
    const char *name;
    double q;
} quantiles[] = {
    {"p50", "p50", 0.5},       {"p90", "p90", 0.9}, {"p99", "p99", 0.99},
    {"p99.9", "p99_9", 0.999}, {"max", "max", 1},
};

static double ms(uint64_t us)
{
    return (double)us / 1e3;
}

static double per_second(uint64_t count, const struct bench_result *r)
{
    return r->window_us ? (double)count * 1e6 / (double)r->window_us : 0;
}

static double share(uint64_t part, uint64_t whole)
{
    return whole ? (double)part / (double)whole : 0;
}

/* --- table --- */

static void print_row(FILE *out, const char *title, const struct latency *l)
{
    if (l->count == 0) return;
    fprintf(out, "  %-22s %10.2f", title, latency_mean(l) / 1e3);
    for (size_t i = 0; i < ARRAY_LEN(quantiles); i++)
        fprintf(out, " %10.2f", ms(latency_at(l, quantiles[i].q)));
    fputc('\n', out);
}

/* What the endpoint says. */
static void print_clean(FILE *out, struct str text)
{
    struct buf shown;
    buf_init(&shown, SIZE_MAX / 2);
    if (cli_clean(text, true, &shown)) mem_exhausted();
    fprintf(out, "%" STR_FMT, STR_ARG(buf_str(&shown)));
    buf_fini(&shown);
}

static void print_load(FILE *out, const struct bench_spec *spec)
{
    fprintf(out, "%s  model ", spec->remote.text);
    print_clean(out, spec->model);
    fprintf(out, "  %s", spec->stream ? "streamed" : "not streamed");
    if (spec->rate > 0)
        fprintf(out, "  %g requests/s, %s arrivals", spec->rate,
                spec->constant ? "even" : "Poisson");
    else
        fprintf(out, "  %llu in flight", (unsigned long long)spec->concurrency);
    fprintf(out, "  seed %llu\n\n", (unsigned long long)spec->seed);
}

static void print_counts(FILE *out, const struct bench_spec *spec, const struct bench_result *r)
{
    fprintf(
        out,
        "  requests               %llu done, %llu failed, %llu started; at most %llu in flight, %llu connections\n",
        (unsigned long long)r->completed, (unsigned long long)r->failed,
        (unsigned long long)r->started, (unsigned long long)r->peak,
        (unsigned long long)r->connects);
    fprintf(out, "  throughput             %.1f requests/s, %.1f tokens/s over %.1f s\n",
            per_second(r->window_requests, r), per_second(r->window_tokens, r),
            (double)r->window_us / 1e6);
    if (spec->stream) {
        fprintf(
            out,
            "  frames                 %llu with text in %llu reads; %llu merged, %llu lost; usage announced %llu tokens\n",
            (unsigned long long)r->frames, (unsigned long long)r->reads,
            (unsigned long long)r->merged, (unsigned long long)r->lost,
            (unsigned long long)r->announced);
    }
    if (spec->goal_ttft_us || spec->goal_itl_us || spec->goal_total_us) {
        fprintf(out, "  goodput                %.2f %% of the requests within the goals, %.1f/s\n",
                100 * share(r->good, r->completed + r->failed),
                per_second(r->window_requests, r) * share(r->good, r->completed));
    }
}

void bench_report_table(FILE *out, const struct bench_spec *spec, const struct bench_result *r)
{
    print_load(out, spec);
    print_counts(out, spec, r);
    fprintf(out, "\n  %-22s %10s", "milliseconds", "mean");
    for (size_t i = 0; i < ARRAY_LEN(quantiles); i++)
        fprintf(out, " %10s", quantiles[i].title);
    fputc('\n', out);
    print_row(out, "time to first token", &r->ttft);
    print_row(out, "between tokens", &r->itl);
    print_row(out, "whole answer", &r->total);
    if (r->refused.count) print_row(out, "until it was refused", &r->refused);
    print_row(out, "sent late by", &r->late);
    if (r->error_kinds) fputs("\n  errors\n", out);
    for (unsigned i = 0; i < r->error_kinds; i++) {
        const struct bench_error *e = &r->errors[i];
        fprintf(out, "  %8llu  %s: ", (unsigned long long)e->count, e->kind);
        print_clean(out, str_of(e->example));
        fputc('\n', out);
    }
}

/* --- JSON --- */

static void write_latency(struct json_writer *w, const char *name, const struct latency *l)
{
    json_write_key(w, name);
    json_write_object(w);
    json_write_u64_member(w, "count", l->count);
    json_write_double_member(w, "mean", latency_mean(l) / 1e3);
    json_write_double_member(w, "min", l->count ? ms(l->min_us) : 0);
    for (size_t i = 0; i < ARRAY_LEN(quantiles); i++) {
        json_write_double_member(w, quantiles[i].name, ms(latency_at(l, quantiles[i].q)));
    }
    json_write_object_end(w);
}

static void write_load(struct json_writer *w, const struct bench_spec *spec)
{
    json_write_str_member(w, "url", str_of(spec->remote.text));
    json_write_str_member(w, "model", spec->model);
    json_write_bool_member(w, "stream", spec->stream);
    json_write_double_member(w, "rate", spec->rate);
    json_write_u64_member(w, "concurrency", spec->rate > 0 ? 0 : spec->concurrency);
    json_write_u64_member(w, "seed", spec->seed);
}

static void write_counts(struct json_writer *w, const struct bench_result *r)
{
    json_write_u64_member(w, "started", r->started);
    json_write_u64_member(w, "completed", r->completed);
    json_write_u64_member(w, "failed", r->failed);
    json_write_u64_member(w, "good", r->good);
    json_write_double_member(w, "window_s", (double)r->window_us / 1e6);
    json_write_double_member(w, "requests_per_s", per_second(r->window_requests, r));
    json_write_double_member(w, "tokens_per_s", per_second(r->window_tokens, r));
    json_write_u64_member(w, "prompt_tokens", r->prompt_tokens);
    json_write_u64_member(w, "announced_tokens", r->announced);
    json_write_u64_member(w, "frames", r->frames);
    json_write_u64_member(w, "reads", r->reads);
    json_write_u64_member(w, "merged", r->merged);
    json_write_u64_member(w, "lost", r->lost);
    json_write_u64_member(w, "repeated", r->repeated);
    json_write_u64_member(w, "connections", r->connects);
    json_write_u64_member(w, "peak", r->peak);
    json_write_u64_member(w, "bytes_in", r->bytes_in);
}

static void write_errors(struct json_writer *w, const struct bench_result *r)
{
    json_write_key(w, "errors");
    json_write_object(w);
    for (unsigned i = 0; i < r->error_kinds; i++)
        json_write_u64_member(w, r->errors[i].kind, r->errors[i].count);
    json_write_object_end(w);
}

int bench_report_json(struct buf *out, const struct bench_spec *spec, const struct bench_result *r)
{
    struct json_writer w;
    json_write_init(&w, out);
    json_write_object(&w);
    write_load(&w, spec);
    write_counts(&w, r);
    write_latency(&w, "ttft_ms", &r->ttft);
    write_latency(&w, "itl_ms", &r->itl);
    write_latency(&w, "total_ms", &r->total);
    write_latency(&w, "refused_ms", &r->refused);
    write_latency(&w, "late_ms", &r->late);
    write_errors(&w, r);
    json_write_object_end(&w);
    return json_write_end(&w);
}
