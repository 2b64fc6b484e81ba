/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of runtimes whose models need not be listed. */
#include "conf/check_priv.h"

static void check_models(struct checker *c, const struct conf_runtime *r, struct str at)
{
    if (r->model_count == 0)
        conf__finding(c->load, AT(c, "%" STR_FMT ".models", STR_ARG(at)),
                      "is empty; write `all`, or leave it out");
    for (size_t k = 0; k < r->model_count; k++)
        (void)check__star_ok(c, r->models[k], AT(c, "%" STR_FMT ".models[%zu]", STR_ARG(at), k));
}

static void check_runtime(struct checker *c, size_t i)
{
    const struct conf_runtime *r = &c->conf->runtimes[i];
    struct str at = AT(c, "runtimes[%zu]", i);
    check__endpoint(c, &r->endpoint, at);
    if (r->endpoint.name.len)
        (void)check__name_ok(c, r->endpoint.name, AT(c, "%" STR_FMT ".name", STR_ARG(at)));
    if (r->prefix.len)
        (void)check__name_ok(c, r->prefix, AT(c, "%" STR_FMT ".prefix", STR_ARG(at)));
    check_models(c, r, at);
    for (size_t k = 0; k < i; k++)
        if (r->endpoint.name.len && str_eq(r->endpoint.name, c->conf->runtimes[k].endpoint.name))
            conf__finding(c->load, at, "is called %s as the one in line %u: give it another `name`",
                          QUOTE(c, r->endpoint.name), c->conf->runtimes[k].line);
}

void check__runtimes(struct checker *c)
{
    for (size_t i = 0; i < c->conf->runtime_count; i++)
        check_runtime(c, i);
}
