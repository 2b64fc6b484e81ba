/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <sys/resource.h>

#include "base/err.h"
#include "node/listen.h"
#include "node/node_priv.h"
#include "obs/log.h"

static void apply_log(const struct conf *c)
{
    log_set(log_format_named(c->log.format), log_level_named(c->log.level));
}

void node__log_problems(enum log_level level, const char *event,
                        const struct conf_problems *problems)
{
    for (size_t i = 0; i < problems->count; i++) {
        const struct conf_problem *p = &problems->items[i];
        struct log_line l;
        log_begin(&l, level, event);
        log_str(&l, "file", p->file);
        log_u64(&l, "line", p->line);
        log_str(&l, "setting", p->setting);
        log_str(&l, "problem", p->text);
        log_end(&l);
    }
}

static void warn_of_restart(const struct node *n, const struct conf *loaded)
{
    struct buf names;
    buf_init(&names, 4096);
    if (conf_needs_restart(n->conf, loaded, &names) == 0 && buf_len(&names))
        log_note(LOG_WARN, "reload", "needs a restart to take effect: %" STR_FMT,
                 STR_ARG(buf_str(&names)));
    buf_fini(&names);
}

void node__fit_connections(struct conf *c, unsigned workers)
{
    enum {
        OWN = 32,
        OWN_OF_WORKER = 8 + HTTP_SERVER_SPARE,
        OWN_OF_LISTENER = 1 + LISTENER_RESERVE
    };
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) || files.rlim_cur == RLIM_INFINITY) return;
    uint64_t own = OWN + (OWN_OF_WORKER + OWN_OF_LISTENER * listen_places(c)) * workers,
             all = files.rlim_cur;
    uint64_t room = all > own ? (all - own) / 2 / workers : 0;
    if (c->limits.connections_max <= MAX(room, 1)) return;
    c->limits.connections_max = MAX(room, 1);
    log_note(LOG_WARN, "connections_max",
             "lowered to %llu for each of %u threads: only %llu files may be open (ulimit -n)",
             (unsigned long long)c->limits.connections_max, workers, (unsigned long long)all);
}

/* Everything new is built before anything old is let go. */
int node__load(struct node *n, struct conf *conf, struct keyring **keyring)
{
    int err = keyring_new(conf, keyring);
    if (err) return err;
    keyring_label(*keyring, &n->key_labels);
    err = mesh_load_conf(n->mesh, conf, n->lists, loop_now(n->loop));
    if (err) {
        keyring_unref(*keyring);
        *keyring = NULL;
    }
    return err;
}

static void apply(struct node *n)
{
    workers_apply(&n->workers, n->mesh, n->keyring);
    prober_reload(n->prober);
    node__tell_supervisor(n);
}

void node__take_lists(void *owner)
{
    struct node *n = owner;
    if (n->phase != NODE_RUNNING) return;
    int err = mesh_load_conf(n->mesh, n->conf, n->lists, loop_now(n->loop));
    if (err)
        log_note(LOG_ERROR, "runtime", "lists of models cannot be taken over: %s", err_text(err));
    else
        apply(n);
    log_flush();
}

/* Both or none. */
static int load_with_lists(struct node *n, struct conf *conf, struct keyring **keyring)
{
    int err = lists_load(n->lists, conf);
    if (err) return err;
    err = node__load(n, conf, keyring);
    if (err && lists_load(n->lists, n->conf))
        log_note(LOG_ERROR, "reload", "the lists of runtimes could not be put back");
    return err;
}

static int reload(struct node *n)
{
    struct conf_problems problems;
    struct conf *conf;
    struct keyring *keyring;
    char path[4096];
    if (n->conf->path.len >= sizeof path) return ERR_TOO_LARGE;
    memcpy(path, n->conf->path.ptr, n->conf->path.len);
    path[n->conf->path.len] = '\0';
    conf_problems_init(&problems);
    int err = conf_load(path, &conf, &problems);
    if (err) node__log_problems(LOG_ERROR, "config_problem", &problems);
    conf_problems_fini(&problems);
    if (err) return err;
    if (n->reachable && conf->key_count == 0) {
        log_note(
            LOG_ERROR, "config_problem",
            "no keys, but the listeners that are open can be reached from other machines: restart instead");
        conf_unref(conf);
        return ERR_WRONG_STATE;
    }
    node__log_problems(LOG_WARN, "config_warning", &conf->warnings);
    warn_of_restart(n, conf);
    node__fit_connections(conf, n->workers.count);
    err = load_with_lists(n, conf, &keyring);
    if (err) {
        conf_unref(conf);
        return err;
    }
    conf_unref(n->conf);
    n->conf = conf;
    apply_log(conf);
    n->memory.percent = conf->overload.memory_percent;
    keyring_unref(n->keyring);
    n->keyring = keyring;
    apply(n);
    tls_watch_look(n->tls);
    return 0;
}

void node__tell_supervisor(struct node *n)
{
    struct snapshot *snapshot = mesh_current(n->mesh);
    supervisor_apply(n->supervisor, snapshot);
    snapshot_unref(snapshot);
}

void node__log_configuration(const struct node *n, const char *event)
{
    struct log_line l;
    log_begin(&l, LOG_INFO, event);
    log_cstr(&l, "version", HOSTLER_VERSION);
    log_u64(&l, "workers", n->workers.count);
    log_u64(&l, "models", n->conf->model_count);
    log_u64(&l, "runtimes", n->conf->runtime_count);
    log_u64(&l, "keys", n->conf->key_count);
    log_end(&l);
}

void node__reload(struct node *n)
{
    if (n->conf->path.len == 0) {
        log_note(LOG_WARN, "reload", "there is no file: the command line says what is served");
        return;
    }
    int err = reload(n);
    metric_add(&n->stats.reloads[err ? RELOAD_FAILED : RELOAD_OK], 1);
    if (err)
        log_note(LOG_ERROR, "reload", "failed (%s); the old configuration stays", err_text(err));
    else
        node__log_configuration(n, "reload");
    log_flush();
}
