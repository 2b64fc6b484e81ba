/* SPDX-License-Identifier: Apache-2.0 */
/* An OpenAI endpoint as the client commands (bench, chat, models) see it: where it is, and
 * requests to it. */
#ifndef HOSTLER_CMD_REMOTE_H
#define HOSTLER_CMD_REMOTE_H

#include "base/arena.h"
#include "base/base.h"
#include "base/buf.h"
#include "base/str.h"
#include "cmd/command.h"
#include "conf/url.h"
#include "http/client.h"
#include "json/json.h"
#include "loop/loop.h"

/* Borrows the URL's and the key's text. */
struct remote {
    const char *text; /* the URL as given */
    struct url url;
    struct way way;
    struct str host; /* as authority of requests: "name:port" */
    struct str key;  /* API key; empty: none */
    char host_text[300];
};

#define REMOTE_DEFAULT_URL "http://127.0.0.1:8080"

/* The rows of a command's table about them. */
#define REMOTE_URL_ROW(HELP) {'u', 0, "url", "URL", CLI_TEXT, NULL, HELP}
#define REMOTE_URL_OPTION                                                                         \
    REMOTE_URL_ROW("http://HOST:PORT[/base] or unix:PATH ($HOSTLER_URL, else " REMOTE_DEFAULT_URL \
                   ")")
#define REMOTE_KEY_OPTION {'k', 0, "key", "K", CLI_TEXT, NULL, "API key ($HOSTLER_KEY)"}

/* What was given, else HOSTLER_URL, else the default; and the key: what was given, else HOSTLER_KEY,
 * without blanks around it. */
const char *remote_url(const char *given);
struct str remote_key(const char *given);

/* `url` and `key` NULL: as above. A message and ERR_INVALID when the URL is none of ours or the
 * key cannot stand in a header. https trusts whom the system does, or SSL_CERT_FILE. */
MUST_CHECK int remote_init(struct remote *r, const char *command, const char *url, const char *key);

/* Gives back what remote_init made. Legal on a zeroed one. */
void remote_fini(struct remote *r);

/* A request but for its body, on the arena. `path` is below /v1 ("/models"), with the URL's base
 * before it, or begins at the root ("//readyz"). */
struct http_request remote_request(const struct remote *r, struct arena *arena,
                                   enum http_method method, const char *path);

/* Fills the parts of `f` that say where to; the rest is the caller's. */
void remote_aim(const struct remote *r, struct fetch *f, struct http_client *client);

/* An http client with limits that suit a client. */
void remote_client_init(struct http_client *client, struct loop *loop, unsigned idle_max);

/* What went wrong and what to do next, for people; on the arena. */
struct str remote_explain(const struct remote *r, struct arena *arena, int err);

/* The same for an answer with a status over 299: the message in its body, with a hint for 401,
 * 403, 404. */
struct str remote_explain_status(struct arena *arena, int status, struct str body);

/* GETs `path` and waits for the whole answer, at most timeout_us, running `loop`. The body is on
 * the arena. A negative error, ERR_CANCELLED when the loop was stopped, or 0 with the status. */
MUST_CHECK int remote_get(const struct remote *r, struct loop *loop, struct arena *arena,
                          const char *path, uint64_t timeout_us, int *status, struct str *body);

/* The members of `data` of /models, on the arena, running `loop`. A negative error, and why for people,
 * when there are none to be had: ERR_CANCELLED when the loop was stopped. */
MUST_CHECK int remote_list(const struct remote *r, struct loop *loop, struct arena *arena,
                           const struct json **list, struct str *why);

/* The same on a loop of its own. A message on stderr and a negative error when there are none. */
MUST_CHECK int remote_models(const struct remote *r, const char *command, struct arena *arena,
                             const struct json **list);

/* The id of the first model listed, on the arena. A message on stderr and a negative error when
 * there is none. */
MUST_CHECK int remote_first_model(const struct remote *r, const char *command, struct arena *arena,
                                  struct str *id);

#endif
