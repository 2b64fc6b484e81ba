/* SPDX-License-Identifier: Apache-2.0 */
/* One check of a configuration that was read, shared by the files that take part in it. */
#ifndef HOSTLER_CONF_CHECK_PRIV_H
#define HOSTLER_CONF_CHECK_PRIV_H

#include "base/map.h"
#include "conf/conf_priv.h"

struct checker {
    struct conf__load *load;
    const struct conf *conf;
    struct map models; /* names and aliases to struct conf_model */
    struct str *names; /* those in order, on scratch; NULL until a pattern wants them */
};

#define AT(c, ...) arena_printf(&(c)->load->scratch, __VA_ARGS__)
#define QUOTE(c, text) conf__quote((c)->load, text).ptr

bool check__has_blank(struct str s);

/* Whether `name` may stand in logs, labels, headers and patterns. False: it was told at
 * `setting`. */
bool check__name_ok(struct checker *c, struct str name, struct str setting);

/* Whether a * of `pattern` stands at its end. False: likewise. */
bool check__star_ok(struct checker *c, struct str pattern, struct str setting);

/* "; did you mean ...?" with the model whose name is near, or "". */
const char *check__suggest(struct checker *c, struct str name);

/* Whether `file` is there to be read. `hint`: what else may be meant, or "". */
void check__file(struct checker *c, struct str file, struct str setting, const char *hint);

/* `tls` of listener i, and of the endpoint that stands at the setting `endpoint`; either may have
 * none. */
void check__listen_tls(struct checker *c, size_t i);
void check__endpoint_tls(struct checker *c, const struct conf_endpoint *e, struct str endpoint);

/* Model i: its endpoints, engine and fallbacks. Aliases among these are replaced by names. */
void check__model(struct checker *c, size_t i);

/* An endpoint that stands at the setting `at`, but for its name. */
void check__endpoint(struct checker *c, const struct conf_endpoint *e, struct str at);

/* check_runtimes.c: `runtimes`. */
void check__runtimes(struct checker *c);

/* check_edge.c: cors and trusted_proxies. */
void check__edge(struct checker *c);

#endif
