/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/check_certificates.h"

#include "base/clock.h"
#include "transport/certificate.h"

enum { ARENA_BLOCK = 4096, WARN_DAYS = 14 };

struct checker {
    const struct conf *conf;
    struct conf_problems *problems;
    struct conf_problems *warnings;
    int64_t now_s;
    struct arena arena; /* names of settings */
};

/* Where a file is named. */
struct place {
    struct str setting; /* of the group that it is in */
    unsigned line;
};

#define SETTING(c, ...) arena_printf(&(c)->arena, __VA_ARGS__)

static void tell(struct checker *c, struct conf_problems *to, const struct place *at,
                 const char *name, const struct certificate_why *why)
{
    const struct conf_problem problem = {
        .file = c->conf->path,
        .line = at->line,
        .setting = SETTING(c, "%" STR_FMT ".%s", STR_ARG(at->setting), name),
        .text = str_of(why->text),
    };
    conf_problems_add(to, &problem);
}

/* One fault is enough: what follows is mostly its consequence. */
static int judge(struct checker *c, const struct certificate *certificate, const struct place *at)
{
    struct certificate_why why;
    int err = certificate_check_time(certificate, c->now_s, 0, &why);
    if (!err) err = certificate_check_strength(certificate, &why);
    if (err)
        tell(c, c->problems, at, "certificate", &why);
    else if (certificate_check_time(certificate, c->now_s, WARN_DAYS, &why))
        tell(c, c->warnings, at, "certificate", &why);
    return err;
}

static void check_key(struct checker *c, const struct certificate *certificate, struct str path,
                      const struct place *at)
{
    struct certificate_why why;
    struct certificate_key *key = NULL;
    int err = certificate_key_read(path.ptr, &key, &why);
    if (!err) err = certificate_check_key(certificate, key, &why);
    if (err) tell(c, c->problems, at, "key", &why);
    certificate_key_free(key);
}

static void check_pair(struct checker *c, struct str path, struct str key, const struct place *at)
{
    struct certificate_why why;
    struct certificate *certificate;
    if (path.len == 0) return;
    if (certificate_read(path.ptr, &certificate, &why)) {
        tell(c, c->problems, at, "certificate", &why);
        return;
    }
    if (!judge(c, certificate, at)) check_key(c, certificate, key, at);
    certificate_free(certificate);
}

/* `name`: of the setting that has the file. */
static void check_ca(struct checker *c, struct str path, const struct place *at, const char *name)
{
    struct certificate_why why;
    struct certificate *ca = NULL;
    if (path.len == 0) return;
    int err = certificate_read(path.ptr, &ca, &why);
    if (!err) err = certificate_check_any(ca, c->now_s, &why);
    if (err) tell(c, c->problems, at, name, &why);
    certificate_free(ca);
}

static void check_listen(struct checker *c, size_t i)
{
    const struct conf_listen *listen = &c->conf->listen[i];
    const struct conf_listen_tls *tls = listen->tls;
    struct place at = {SETTING(c, "listen[%zu].tls", i), listen->line};
    if (!tls) return;
    check_pair(c, tls->certificate, tls->key, &at);
    check_ca(c, tls->client_ca, &at, "client_ca");
    for (size_t j = 0; j < tls->certificate_count; j++) {
        at.setting = SETTING(c, "listen[%zu].tls.certificates[%zu]", i, j);
        check_pair(c, tls->certificates[j].certificate, tls->certificates[j].key, &at);
    }
}

static void check_model(struct checker *c, size_t i)
{
    const struct conf_model *m = &c->conf->models[i];
    for (size_t j = 0; j < m->endpoint_count; j++) {
        const struct conf_endpoint_tls *tls = m->endpoints[j].tls;
        if (!tls) continue;
        const struct place at = {SETTING(c, "models[%zu].endpoints[%zu].tls", i, j), m->line};
        check_ca(c, tls->ca, &at, "ca");
        check_pair(c, tls->certificate, tls->key, &at);
    }
}

void check_certificates(const struct conf *conf, struct conf_problems *problems,
                        struct conf_problems *warnings)
{
    struct checker c = {
        .conf = conf,
        .problems = problems,
        .warnings = warnings,
        .now_s = (int64_t)(clock_wall_us() / USEC_PER_SEC),
    };
    arena_init(&c.arena, SIZE_MAX, ARENA_BLOCK);
    for (size_t i = 0; i < conf->listen_count; i++)
        check_listen(&c, i);
    for (size_t i = 0; i < conf->model_count; i++)
        check_model(&c, i);
    arena_fini(&c.arena);
}
