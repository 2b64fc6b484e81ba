/* SPDX-License-Identifier: Apache-2.0 */
#include "node/engine_command.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"

/* --- arguments --- */

/* A NULL-terminated list that grows on an arena up to a size known before. */
struct strings {
    struct arena *arena;
    char **items;
    size_t count;
    size_t max;
};

static struct strings strings_new(struct arena *arena, size_t max)
{
    return (struct strings){
        .arena = arena, .items = arena_zalloc(arena, (max + 1) * sizeof(char *)), .max = max};
}

static void add(struct strings *s, struct str text)
{
    assert(s->count < s->max);
    s->items[s->count++] = (char *)(uintptr_t)arena_dup(s->arena, text).ptr;
}

static void add_option(struct strings *s, const char *name, struct str value)
{
    add(s, str_of(name));
    add(s, value);
}

static void add_number(struct strings *s, const char *name, uint64_t value)
{
    add_option(s, name, arena_printf(s->arena, "%llu", (unsigned long long)value));
}

/* The folder of the running program, or empty. */
static struct str own_folder(struct arena *arena)
{
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path);
    while (n > 0 && path[n - 1] != '/')
        n--;
    return n > 0 ? arena_dup(arena, str_n(path, (size_t)n)) : STR("");
}

/* $HOSTLER_ENGINE; beside our own program; in libexec; else whatever PATH has. */
static struct str engine_program(struct arena *arena)
{
    const char *chosen = getenv("HOSTLER_ENGINE");
    if (chosen && *chosen) return str_of(chosen);
    static const char *const places[] = {"hostler-engine", "../libexec/hostler/hostler-engine"};
    struct str folder = own_folder(arena);
    for (size_t i = 0; folder.len > 0 && i < ARRAY_LEN(places); i++) {
        struct str path = arena_printf(arena, "%" STR_FMT "%s", STR_ARG(folder), places[i]);
        if (access(path.ptr, X_OK) == 0) return path;
    }
    return STR("hostler-engine");
}

static struct str listen_text(struct arena *arena, const struct addr *a)
{
    if (a->is_unix) return arena_printf(arena, "unix:%" STR_FMT, STR_ARG(a->path));
    return arena_printf(arena, "%" STR_FMT ":%u", STR_ARG(a->host), a->port);
}

enum { OWN_ARGUMENTS_MAX = 31 };

static char **own_arguments(struct arena *arena, const struct endpoint *e)
{
    const struct conf_engine *c = e->engine;
    struct strings s = strings_new(arena, OWN_ARGUMENTS_MAX);
    add(&s, engine_program(arena));
    add_option(&s, "--model", c->file);
    add_option(&s, "--listen", listen_text(arena, &e->way.addr));
    add_option(&s, "--alias", e->model);
    if (c->context) add_number(&s, "--context", c->context);
    if (c->slots) add_number(&s, "--slots", c->slots);
    if (c->threads)
        add_number(&s, "--threads", c->threads);
    else
        add_option(&s, "--threads", STR("auto"));
    if (c->batch) add_number(&s, "--batch", c->batch);
    if (c->inter_token.len > 0) add_option(&s, "--inter-token", c->inter_token);
    if (c->kv_type.len > 0) add_option(&s, "--kv-type", c->kv_type);
    if (c->cache_ram == CONF_OFF)
        add_option(&s, "--cache-ram", STR("off"));
    else if (c->cache_ram)
        add_number(&s, "--cache-ram", MAX(c->cache_ram >> 20, 1u));
    if (c->blas.len > 0) add_option(&s, "--blas", c->blas);
    if (c->template.len > 0) add_option(&s, "--template", c->template);
    if (c->template_text.len > 0) add_option(&s, "--template-text", c->template_text);
    if (c->pooling.len > 0) add_option(&s, "--pooling", c->pooling);
    if (c->reasoning.len > 0) add_option(&s, "--reasoning", c->reasoning);
    return s.items;
}

static struct str replace(struct arena *arena, struct str text, struct str what, struct str with)
{
    ptrdiff_t at = str_find(text, what);
    if (at < 0) return text;
    struct str rest = replace(arena, str_skip(text, (size_t)at + what.len), what, with);
    return arena_printf(arena, "%" STR_FMT "%" STR_FMT "%" STR_FMT,
                        STR_ARG(str_sub(text, 0, (size_t)at)), STR_ARG(with), STR_ARG(rest));
}

char **engine_arguments(struct arena *arena, const struct endpoint *e)
{
    const struct conf_engine *c = e->engine;
    if (c->command_count == 0) return own_arguments(arena, e);
    struct str port = arena_printf(arena, "%u", e->way.addr.port);
    struct strings s = strings_new(arena, c->command_count);
    for (size_t i = 0; i < c->command_count; i++) {
        struct str text = replace(arena, c->command[i], STR("${socket}"), e->way.addr.path);
        add(&s, replace(arena, text, STR("${port}"), port));
    }
    return s.items;
}

/* --- environment --- */

/* Names; one that ends in '_' stands for all that begin so. */
static const char *const for_our_engine[] = {
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "HOSTLER_GGML_BACKENDS",
    "OMP_",
    "GOMP_",
    "CUDA_",
    "NVIDIA_",
    "HIP_",
    "HSA_",
    "ROCR_",
    "GGML_",
    "ASAN_OPTIONS",
    "UBSAN_OPTIONS",
    "LSAN_OPTIONS",
};

/* Our settings and keys, and what systemd says to us alone (sd_notify(3), sd_listen_fds(3),
 * systemd.exec(5)). */
static const char *const for_us[] = {
    "HOSTLER_", "NOTIFY_SOCKET",         "WATCHDOG_", "LISTEN_", "INVOCATION_ID",
    "MAINPID",  "CREDENTIALS_DIRECTORY",
};

static struct str name_of(struct str variable)
{
    ptrdiff_t at = str_find_char(variable, '=');
    return at < 0 ? variable : str_sub(variable, 0, (size_t)at);
}

static bool is_among(const char *const *names, size_t count, struct str name)
{
    for (size_t i = 0; i < count; i++) {
        struct str one = str_of(names[i]);
        if (str_ends(one, STR("_")) ? str_starts(name, one) : str_eq(name, one)) return true;
    }
    return false;
}

static bool is_inherited(const struct conf_engine *c, struct str name)
{
    if (c->command_count == 0) return is_among(for_our_engine, ARRAY_LEN(for_our_engine), name);
    for (const struct conf_variable *v = c->withheld; v; v = v->next)
        if (str_eq(v->name, name)) return false;
    return !is_among(for_us, ARRAY_LEN(for_us), name);
}

static bool is_configured(const struct conf_engine *c, struct str name)
{
    for (size_t i = 0; i < c->env_count; i++) {
        if (str_eq(c->env[i].name, name)) return true;
    }
    return false;
}

static size_t count_environment(void)
{
    size_t n = 0;
    while (environ && environ[n])
        n++;
    return n;
}

char **engine_environment(struct arena *arena, const struct conf_engine *c)
{
    size_t own = count_environment();
    struct strings s = strings_new(arena, own + c->env_count);
    for (size_t i = 0; i < own; i++) {
        struct str variable = str_of(environ[i]), name = name_of(variable);
        if (is_inherited(c, name) && !is_configured(c, name)) add(&s, variable);
    }
    for (size_t i = 0; i < c->env_count; i++)
        add(&s, arena_printf(arena, "%" STR_FMT "=%" STR_FMT, STR_ARG(c->env[i].name),
                             STR_ARG(c->env[i].value)));
    return s.items;
}
