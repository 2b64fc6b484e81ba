/* SPDX-License-Identifier: Apache-2.0 */
/* hostler bench: an open-loop load generator for any OpenAI endpoint. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "cmd/bench_prompt.h"
#include "cmd/bench_report.h"
#include "cmd/bench_run.h"
#include "cmd/cli.h"
#include "cmd/cmd.h"
#include "json/write.h"

static const char command[] = "bench";

struct settings {
    struct bench_spec spec;
    const char *url;
    const char *key;
    const char *model;
    bool json;
};

/* "ttft=500ms,itl=50ms". */
static bool parse_goals(struct bench_spec *spec, const char *text)
{
    struct str rest = str_of(text);
    struct str goal;
    while (str_cut(&rest, ',', &goal)) {
        char value[32];
        struct str name;
        uint64_t us;
        if (!str_cut(&goal, '=', &name) || goal.len == 0 || goal.len >= sizeof value) return false;
        memcpy(value, goal.ptr, goal.len);
        value[goal.len] = '\0';
        if (!cli_duration(value, &us)) return false;
        if (str_eq(name, STR("ttft")))
            spec->goal_ttft_us = us;
        else if (str_eq(name, STR("itl")))
            spec->goal_itl_us = us;
        else if (str_eq(name, STR("total")))
            spec->goal_total_us = us;
        else
            return false;
    }
    return true;
}

/* The members of an object, without its braces. Its syntax is the endpoint's to judge, not ours:
 * errors are part of a test. */
static bool parse_extra(struct bench_spec *spec, const char *text)
{
    struct str s = str_trim(str_of(text));
    if (!str_starts(s, STR("{")) || !str_ends(s, STR("}"))) return false;
    spec->extra = str_trim(str_sub(s, 1, s.len - 2));
    return true;
}

static bool parse_arrival(struct bench_spec *spec, const char *text)
{
    spec->constant = strcmp(text, "constant") == 0;
    return spec->constant || strcmp(text, "poisson") == 0;
}

static bool set_option(void *owner, int opt, char *v)
{
    struct settings *s = owner;
    struct bench_spec *spec = &s->spec;
    uint64_t many = 1000000000;
    switch (opt) {
    case 'm': s->model = v; return *v != '\0';
    case 'k': s->key = v; return true;
    case 'r': return cli_number(v, 0.001, 1e6, &spec->rate);
    case 'a': return parse_arrival(spec, v);
    case 'c': return cli_count(v, 1, 100000, &spec->concurrency);
    case 'C': return cli_count(v, 1, 100000, &spec->connections);
    case 'd': return cli_duration(v, &spec->duration_us) && spec->duration_us > 0;
    case 'n': return cli_count(v, 1, many, &spec->requests);
    case 'w': return cli_duration(v, &spec->warmup_us);
    case 't': return cli_duration(v, &spec->timeout_us) && spec->timeout_us > 0;
    case 'p':
        return bench_range_parse(v, BENCH_PROMPT_MAX, &spec->prompt) && spec->prompt.least > 0;
    case 'o': return bench_range_parse(v, 1000000, &spec->output);
    case 'x': {
        struct bench_range shared;
        bool ok = bench_range_parse(v, BENCH_PROMPT_MAX, &shared) && shared.least == shared.most;
        spec->shared_prefix = ok ? shared.least : 0;
        return ok;
    }
    case 's': spec->stream = true; return true;
    case 'S': spec->stream = false; return true;
    case 'O': spec->api = BENCH_COMPLETIONS; return true;
    case 'e': return parse_extra(spec, v);
    case 'g': return parse_goals(spec, v);
    case 'z': return cli_count(v, 0, UINT64_MAX, &spec->seed);
    case 'j': s->json = true; return true;
    default: return false;
    }
}

/* -1, or the exit code to leave with. */
static int parse(const struct cli_command *c, int argc, char **argv, struct settings *s)
{
    struct cli_words w = cli_words(c, argc, argv);
    int code = cli_read(&w, set_option, s);
    if (code >= 0) return code;
    if (optind < argc) s->url = argv[optind++];
    if (optind < argc) return cli_usage(command, "'%s' is one argument too many", argv[optind]);
    if (s->spec.rate > 0 && s->spec.concurrency)
        return cli_usage(command, "--rate or --concurrency, not both");
    if (s->spec.concurrency == 0) s->spec.concurrency = 1;
    if (s->spec.duration_us == 0 && s->spec.requests == 0)
        s->spec.duration_us = 10ull * USEC_PER_SEC;
    return remote_init(&s->spec.remote, command, s->url, s->key) ? CLI_USAGE : -1;
}

/* The model as JSON text without quotes; when none was named, the first one listed. */
static int choose_model(struct settings *s, struct arena *arena)
{
    struct buf escaped;
    struct str name = str_of(s->model);
    if (!name.ptr) {
        int err = remote_first_model(&s->spec.remote, command, arena, &name);
        if (err) return err;
    }
    buf_init(&escaped, 64 * 1024);
    int err = json_escape(&escaped, name);
    if (!err) s->spec.model = arena_dup(arena, buf_str(&escaped));
    buf_fini(&escaped);
    return err;
}

static int report(const struct settings *s, const struct bench_result *r)
{
    if (s->json) {
        struct buf out;
        buf_init(&out, 1024 * 1024);
        int err = bench_report_json(&out, &s->spec, r);
        struct str text = buf_str(&out);
        if (!err) printf("%.*s\n", STR_ARG(text));
        buf_fini(&out);
        if (err) return cli_fail(command, "%s", err_text(err));
    } else {
        bench_report_table(stdout, &s->spec, r);
    }
    return r->succeeded ? CLI_OK : CLI_FAILED;
}

static int measure(struct settings *s, struct arena *arena)
{
    if (choose_model(s, arena)) return CLI_FAILED;
    struct bench_result *r = mem_must_zero(1, sizeof *r);
    struct str why;
    s->spec.progress = isatty(STDERR_FILENO);
    int err = bench_run(&s->spec, r, arena, &why);
    int code = err ? cli_fail(command, "%.*s", STR_ARG(why)) : report(s, r);
    free(r);
    return code;
}

static int run(const struct cli_command *c, int argc, char **argv)
{
    struct settings s = {
        .spec =
            {
                .stream = true,
                .connections = 10000,
                .timeout_us = 120ull * USEC_PER_SEC,
                .prompt = {128, 128},
                .output = {128, 128},
                .seed = 1,
            },
    };
    int code = parse(c, argc, argv, &s);
    if (code >= 0) return code;
    struct arena arena;
    arena_init(&arena, SIZE_MAX, 4096);
    cli_prepare_process();
    code = measure(&s, &arena);
    arena_fini(&arena);
    remote_fini(&s.spec.remote);
    return code;
}

static const char *arrival_at(int id, size_t i)
{
    (void)id;
    static const char *const values[] = {"poisson", "constant", NULL};
    return values[i];
}

static const struct cli_option options[] = {
    {.value = "URL",
     .help = "http://HOST:PORT[/base] or unix:PATH ($HOSTLER_URL, else " REMOTE_DEFAULT_URL ")"},
    {'m', 0, "model", "M", CLI_TEXT, NULL, "model (the first one that the endpoint lists)"},
    {'k', 0, "key", "K", CLI_TEXT, NULL, "API key ($HOSTLER_KEY)"},
    {'r', 0, "rate", "R", CLI_TEXT, NULL,
     "open loop: R requests per second, whatever the answers do"},
    {'a', 0, "arrival", "A", CLI_TEXT, arrival_at, "open loop: when requests are due (poisson)"},
    {'c', 0, "concurrency", "C", CLI_TEXT, NULL,
     "closed loop: C requests in flight (1, when there is no --rate)"},
    {'C', 0, "connections", "N", CLI_TEXT, NULL,
     "open loop: at most N in flight; others wait, and their wait counts (10000)"},
    {'d', 0, "duration", "S", CLI_TEXT, NULL, "measure for so long: 30, 500ms, 2m (10)"},
    {'n', 0, "requests", "N", CLI_TEXT, NULL, "measure so many requests instead"},
    {'w', 0, "warmup", "S", CLI_TEXT, NULL, "unmeasured time before (0)"},
    {'t', 0, "timeout", "S", CLI_TEXT, NULL, "of one request, from its due time (120)"},
    {'p', 0, "prompt-tokens", "D", CLI_TEXT, NULL,
     "words of the prompt: 128, or 64-256 for a uniform choice (128)"},
    {'o', 0, "output-tokens", "D", CLI_TEXT, NULL, "max_tokens, likewise; 0: not sent (128)"},
    {'x', 0, "shared-prefix", "N", CLI_TEXT, NULL, "words at the start that all prompts share (0)"},
    {'s', 0, "stream", NULL, CLI_TEXT, NULL, "answers are streamed (they are)"},
    {'S', 0, "no-stream", NULL, CLI_TEXT, NULL, "answers come whole"},
    {'O', 0, "completions", NULL, CLI_TEXT, NULL, "/v1/completions instead of chat"},
    {'e', 0, "extra", "JSON", CLI_TEXT, NULL, "an object whose members are added to each request"},
    {'g', 0, "goodput", "GOALS", CLI_TEXT, NULL,
     "share of requests within ttft=500ms,itl=50ms,total=10s (any of them; itl is a\n"
     "request's mean)"},
    {'z', 0, "seed", "N", CLI_TEXT, NULL, "of prompts and arrivals (1)"},
    {'j', 0, "json", NULL, CLI_TEXT, NULL, "one JSON object instead of the table"},
};

const struct cli_command cmd_bench = {
    .name = "bench",
    .about = "measure an OpenAI endpoint under load",
    .usage = "[URL] [OPTION...]",
    .text =
        "Sends chat requests to an OpenAI endpoint and measures it: time to first token, between tokens and to\n"
        "the whole answer, each from the time at which the request was due; throughput, goodput, errors.",
    .notes =
        "Exit codes: 0 measured, 1 no request succeeded, 2 wrong usage. Ctrl-C ends the run and reports.",
    .examples =
        "hostler bench --rate 20 --duration 60 --goodput ttft=500ms,itl=50ms\n"
        "hostler bench http://10.0.0.5:8000 --model llama --concurrency 16 --requests 200 --output-tokens 64-256\n"
        "hostler bench unix:/run/hostler/llama.sock --no-stream --prompt-tokens 2000 --shared-prefix 1500",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .run = run,
};
