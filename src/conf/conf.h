/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration: what a file says, checked, with defaults filled in, immutable.
 *
 * conf_load builds one `struct conf` on its own arena; it is reference-counted and never changes
 * after. Every setting is one row of the schema table (conf/schema.h), from which the loader,
 * environment overrides, `hostler check`, JSON Schema and docs/configuration.md all come. Any
 * thread may read a snapshot that it holds a reference on. */
#ifndef HOSTLER_CONF_CONF_H
#define HOSTLER_CONF_CONF_H

#include "base/arena.h"
#include "base/base.h"
#include "base/buf.h"
#include "base/str.h"

/* Bytes of a model's name at most, and what is wrong with one ("has a blank at its end"); NULL: nothing. */
enum { CONF_NAME_MAX = 256 };
const char *conf_name_fault(struct str name);

enum conf_policy { CONF_POLICY_LEAST_BUSY, CONF_POLICY_ROUND_ROBIN, CONF_POLICY_WEIGHTED };
enum conf_usage { CONF_USAGE_AUTO, CONF_USAGE_ASK, CONF_USAGE_NEVER };
enum conf_start { CONF_START_ON_DEMAND, CONF_START_AT_START };

struct conf_pair {
    struct str name;
    struct str value;
};

/* Durations are microseconds, sizes bytes. Strings borrow from the conf's arena. */

/* A process that Hostler starts for a model: its own engine on a file, or a command.
 *
 * ${socket} and ${port} in `command` are to be replaced by what `url` says or, without one,
 * ${socket} by a path that we choose. The outcome of `capacity` and `slots` is the endpoint's
 * capacity. */
/* The name of a variable of the environment. */
struct conf_variable {
    struct str name;
    const struct conf_variable *next;
};

struct conf_engine {
    struct str file;     /* GGUF file, absolute; ptr NULL: a command */
    struct str *command; /* argv of another runtime; NULL: our engine */
    size_t command_count;
    struct str url;        /* where `command` listens: unix:/PATH, http://host:port, or empty */
    struct str model;      /* the name `command` knows; empty: the model's own */
    struct str kind;       /* which product `command` is */
    struct conf_pair *env; /* added to the child's environment; values are secret */
    size_t env_count;
    const struct conf_variable *withheld; /* what secrets of the configuration came from */
    uint64_t context;                     /* tokens per sequence; 0: the model's own */
    uint64_t slots;                       /* sequences decoded at once */
    uint64_t capacity;                    /* requests in flight at most; 0: see endpoint */
    uint64_t threads;                     /* that compute; 0: auto */
    uint64_t batch;                       /* most tokens per prefill slice */
    struct str inter_token;    /* a pace (base/pace.h) of running answers while prompts wait */
    struct str kv_type;        /* f16, f32, q8_0 ... */
    uint64_t cache_ram;        /* bytes of saved states; 0: auto, CONF_OFF: none are */
    struct str blas;           /* auto, off */
    struct str template;       /* of chats: a file, or builtin:NAME; empty: the model's own */
    struct str template_text;  /* the same as text; empty: none */
    struct str pooling;        /* model, mean, cls, last, rank */
    struct str reasoning;      /* auto, off */
    enum conf_start start;     /* on_demand | at_start */
    uint64_t idle_stop_us;     /* stop after this time without a request; 0: never */
    uint64_t start_timeout_us; /* until its health answers */
    uint64_t stop_timeout_us;  /* between SIGTERM and SIGKILL */
    struct str health;         /* path probed until it answers 200 */
};

/* Times that a model or an endpoint may have of its own; CONF_UNSET: as in the place above it. */
#define CONF_UNSET UINT64_MAX
/* A count or size that is switched off, where 0 means something else. */
#define CONF_OFF (UINT64_MAX - 1)
#define CONF_WHOLE_STANDARD_US ((uint64_t)15 * 60 * 1000 * 1000)
struct conf_timeouts {
    uint64_t connect_us;
    uint64_t first_byte_us;
    uint64_t whole_us;
    uint64_t between_us;
    uint64_t total_us;
};

/* A certificate and its key: PEM files, absolute. */
struct conf_certificate {
    struct str certificate; /* its own, then those of the CAs above it */
    struct str key;         /* the certificate's file where no other is written */
};

enum conf_client { CONF_CLIENT_OFF, CONF_CLIENT_OPTIONAL, CONF_CLIENT_REQUIRED };

/* How a listener speaks TLS. */
struct conf_listen_tls {
    struct str certificate; /* as in struct conf_certificate; empty: `certificates` has some */
    struct str key;
    struct conf_certificate *certificates; /* further ones */
    size_t certificate_count;
    struct str client_ca; /* who signs clients' certificates; empty: `client` is off */
    enum conf_client client;
};

/* How an endpoint is spoken to by TLS. */
struct conf_endpoint_tls {
    struct str ca;          /* who signs its certificate; empty: whom the system trusts */
    struct str certificate; /* ours, as in struct conf_certificate; empty: none */
    struct str key;
    bool verify;            /* whether its certificate is checked; pins always are */
    struct str server_name; /* whom it must be for; empty: the URL's host */
    struct str *pins;       /* base/pin.h reads them; one must fit; none: any key */
    size_t pin_count;
};

enum conf_http2 { CONF_HTTP2_AUTO, CONF_HTTP2_ON, CONF_HTTP2_OFF };

struct conf_endpoint {
    struct str name;   /* for logs, metrics, admin; default: host:port of the URL */
    struct str url;    /* http[s]://host[:port][/base], unix:/path[:/base]; empty: an engine's */
    struct str model;  /* the name the runtime knows; empty: the model's own */
    struct str key;    /* API key sent to it; secret */
    uint64_t capacity; /* requests in flight at most; 0: no limit */
    uint64_t weight;   /* share under the weighted policy, and of least-busy's load */
    struct conf_pair *labels;
    size_t label_count;
    struct str kind;      /* which product it is, "openai" ... */
    struct str *dialects; /* what it speaks; none: what its kind does */
    size_t dialect_count;
    struct conf_pair *headers; /* fields that each request to it gets; values are secret */
    size_t header_count;
    struct conf_pair *query; /* parameters likewise; values are secret */
    size_t query_count;
    struct str health;              /* path of the active probe; empty: none */
    enum conf_usage usage;          /* whether it is asked for the usage of streams */
    struct conf_timeouts *timeouts; /* NULL: none of its own */
    struct conf_endpoint_tls *tls;  /* NULL: the standard; never with a URL that is not https */
    enum conf_http2 http2;
};

/* What lists of models tell of one; what is not written they tell as far as it is known. */
struct conf_card {
    uint64_t context_length;  /* tokens; CONF_UNSET: not written */
    struct str *capabilities; /* "completion", "tools" ... */
    size_t capability_count;
    struct str *input; /* "text", "image" ... */
    size_t input_count;
    struct str *output; /* likewise */
    size_t output_count;
};

struct conf_model {
    struct str name;
    struct str *aliases;
    size_t alias_count;
    struct conf_endpoint *endpoints; /* an `engine` adds one at the end, named "engine" */
    size_t endpoint_count;
    struct conf_engine *engine; /* NULL: none. Its endpoint is the last one */
    bool has_engine_endpoint;
    enum conf_policy policy;
    struct str *fallback; /* names (not aliases), in order; their own fallbacks are not followed */
    size_t fallback_count;
    uint64_t queue_max;             /* waiting requests at most */
    uint64_t queue_timeout_us;      /* longest wait */
    struct conf_timeouts *timeouts; /* NULL: none of its own */
    struct conf_card *card;         /* NULL: nothing is written */
    unsigned line;                  /* in the file, for messages */
};

/* A runtime whose models need not be listed: those of its own list become models. */
struct conf_runtime {
    struct conf_endpoint endpoint; /* how it is reached, for each of them; `name` may be shared */
    struct str *models;            /* names, "prefix*" or "all"; never empty */
    size_t model_count;
    struct str prefix;                    /* before its names in ours */
    uint64_t poll_us;                     /* between two looks at its list */
    uint64_t queue_max, queue_timeout_us; /* of each model, as conf_model has them */
    unsigned line;                        /* in the file, for messages */
};

struct conf_key {
    struct str name;    /* for logs and metrics */
    struct str key;     /* secret; checked for length >= 8 */
    struct str *models; /* names, aliases, "*" or "prefix*"; never empty */
    size_t model_count;
};

struct conf_listen {
    struct str address; /* as written: 127.0.0.1:8080, [::1]:8080, unix:/run/hostler.sock */
    struct conf_listen_tls *tls; /* NULL: plain; never with a UNIX socket */
    uint64_t connections_max;    /* of all threads together, as what follows; 0: no limit */
    uint64_t requests_max;
    uint64_t bodies_total; /* bytes */
    unsigned line;         /* in the file, 0: not from there */
};

/* True when nobody gets in but programs of this machine and holders of a client certificate, so
 * that keys may be left out. */
bool conf_listen_guarded(const struct conf_listen *l);

/* One thing wrong in a file; they are collected, not only the first. */
struct conf_problem {
    struct str file;
    unsigned line;      /* 0: not of one line */
    struct str setting; /* "models[0].endpoints[1].capacity" */
    struct str text;    /* what is wrong and what to do; never a secret's value */
};

struct conf_problems {
    struct arena arena;
    struct conf_problem *items;
    size_t count;
    size_t cap;
};

struct conf {
    struct arena arena;
    _Atomic unsigned refs;
    struct str path; /* the file it came from */

    /* What is still read but should be written in another way. */
    struct conf_problems warnings;

    struct conf_listen *listen;
    size_t listen_count;
    uint64_t threads; /* that serve requests; 0: one per core */
    struct conf_model *models;
    size_t model_count;
    struct conf_runtime *runtimes;
    size_t runtime_count;
    struct conf_key *keys;
    size_t key_count;
    struct str *hosts; /* Host names answered without keys, besides local ones */
    size_t host_count;
    struct str *trusted_proxies; /* networks, or "unix" */
    size_t trusted_proxy_count;

    struct {
        struct str *origins; /* of pages that may call, or "*" */
        size_t origin_count;
    } cors;

    struct {
        struct str format; /* auto | json | text */
        struct str level;  /* debug | info | warn | error */
        bool requests;     /* one line per exchange */
    } log;

    struct {
        uint64_t body_max;     /* request body, bytes */
        uint64_t bodies_total; /* all that are held at once */
        uint64_t head_max;     /* request head, bytes */
        uint64_t header_count_max;
        uint64_t connections_max; /* client connections per thread */
        uint64_t requests_max;    /* in progress, of all threads; 0: no limit */
        uint64_t streams_max;     /* requests at once on one of HTTP/2; 0: it is not spoken */
        uint64_t stream_buffer;   /* bytes held for a slow reader before the upstream read pauses */
        uint64_t upstream_head_max;
    } limits;

    struct {
        uint64_t head_us;          /* request head must be whole */
        uint64_t body_us;          /* request body: between two reads */
        uint64_t idle_us;          /* keep-alive connection without a request */
        uint64_t write_us;         /* a client that takes nothing */
        uint64_t connect_us;       /* to an endpoint */
        uint64_t first_byte_us;    /* a stream's: response head and first body byte */
        uint64_t whole_us;         /* the same of an answer that is not streamed */
        uint64_t between_us;       /* between two upstream reads */
        uint64_t total_us;         /* whole exchange */
        uint64_t drain_us;         /* streams at shutdown */
        uint64_t upstream_idle_us; /* pooled upstream connection */
    } timeouts;

    struct {
        uint64_t attempts_max;   /* tries per exchange, the first included */
        uint64_t budget_percent; /* retries per 100 requests, per model, over the last 10 s */
        uint64_t budget_min;     /* retries per 10 s always allowed */
    } retry;

    struct {
        uint64_t interval_us; /* active probes */
        uint64_t timeout_us;
        uint64_t failures;    /* consecutive failures until cooldown */
        uint64_t cooldown_us; /* first cooldown; doubles */
        uint64_t cooldown_max_us;
    } health;

    struct {
        uint64_t lag_us;         /* how late a thread may be; 0: it never sheds load */
        uint64_t memory_percent; /* of the control group's limit; 0: it is not looked at */
    } overload;

    struct {
        uint64_t idle_max; /* idle connections kept per endpoint and thread */
    } pool;

    struct {
        uint64_t bytes;  /* all that are kept; 0: none is */
        uint64_t age_us; /* how long each is */
    } responses;
};

enum { CONF_PROBLEMS_MAX = 100 }; /* what comes after is left out, which the last one says */

void conf_problems_init(struct conf_problems *p);
void conf_problems_fini(struct conf_problems *p);

/* Adds a copy, at the end, for those who look at what the configuration names. Beyond
 * CONF_PROBLEMS_MAX it is left out. */
void conf_problems_add(struct conf_problems *p, const struct conf_problem *problem);

/* Reads, resolves ${env.X} and ${file:PATH}, applies HOSTLER_<PATH> overrides, checks. 0: *out
 * has one reference; it may have warnings. ERR_INVALID: `problems` says what, in order of lines;
 * *out untouched. */
MUST_CHECK int conf_load(const char *path, struct conf **out, struct conf_problems *problems);

/* The same from text (tests, fuzzing); `path` names it in messages and anchors relative files. */
MUST_CHECK int conf_parse(struct str text, const char *path, struct conf **out,
                          struct conf_problems *problems);

struct conf *conf_ref(struct conf *c);
void conf_unref(struct conf *c); /* wipes secrets with the last reference */

/* Settings that differ and do not take effect by a reload (listen, threads): their names are
 * appended to *names, separated by ", "; it stays empty when nothing differs. */
MUST_CHECK int conf_needs_restart(const struct conf *running, const struct conf *loaded,
                                  struct buf *names);

/* Generated from the schema table. */
MUST_CHECK int conf_write_json_schema(struct buf *out);
MUST_CHECK int conf_write_manual(struct buf *out); /* docs/configuration.md */

/* The effective settings as the file would write them, with secrets as "[redacted]". */
MUST_CHECK int conf_write_yaml(const struct conf *c, struct buf *out);
MUST_CHECK int conf_write_json(const struct conf *c, struct buf *out);

#endif
