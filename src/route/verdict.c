/* SPDX-License-Identifier: Apache-2.0 */
#include "route/verdict.h"

#include <errno.h>

static const struct verdict_row rows[VERDICT_COUNT] = {
#define VERDICT(name, label, retry, blame, status, code, event, client, log) \
    [VERDICT_##name] = {label, RETRY_##retry, BLAME_##blame, status, code, event, client, log},
#include "route/verdict.def"
#undef VERDICT
};

const struct verdict_row *verdict_row(enum verdict v)
{
    assert(v < VERDICT_COUNT);
    return &rows[v];
}

enum verdict verdict_of_status(int status)
{
    switch (status) {
    case 401: return VERDICT_UNAUTHORIZED;
    case 408: return VERDICT_FAILED;
    case 429: return VERDICT_LIMITED;
    case 304: return VERDICT_OK;
    case 501:
    case 505: return VERDICT_REFUSED;
    default: break;
    }
    if (status >= 500) return VERDICT_FAILED;
    if (status >= 400) return VERDICT_REFUSED;
    return status >= 300 ? VERDICT_REDIRECTED : VERDICT_OK;
}

enum verdict verdict_of_error(int err, bool sent)
{
    switch (-err) {
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOBUFS:
    case EADDRNOTAVAIL: return VERDICT_LOCAL;
    default: return sent ? VERDICT_BROKEN : VERDICT_UNREACHABLE;
    }
}

static const char *const retry_texts[] = {[RETRY_NEVER] = "no", [RETRY_ELSEWHERE] = "yes"};

static const char *const blame_texts[] = {
    [BLAME_NOBODY] = "nobody",
    [BLAME_TRANSPORT] = "the endpoint's reachability",
    [BLAME_ANSWERS] = "the endpoint's answers",
    [BLAME_LIMIT] = "the endpoint's answers, as a pause it asked for",
};

static const char intro[] =
    "# When something fails\n"
    "\n"
    "How an attempt at an endpoint can end, and what follows. Generated from the table in `src/route/verdict.def`, which also drives the\n"
    "code and its tests.\n"
    "\n"
    "Whose fault is it? A verdict on *one request* (4xx, 501) goes to its client and says nothing of the endpoint. A lack *of our own*\n"
    "(descriptors, memory, ports) is answered 503 and says nothing of it either. What is left counts against the endpoint in one of two ways:\n"
    "\n"
    "- **Reachability.** After `health.failures` connections in a row that could not be made the endpoint cools down: it gets no requests. While it does, it is\n"
    "  probed every second (its `health` path, else `GET /models` of its API; any answer below 500 will do), and the first probe that is answered\n"
    "  ends it. As long as no connection can be made it stays so. Where one can, and the probe is not answered, one request tries it when\n"
    "  `health.cooldown` is over, which doubles up to `health.cooldown_max`. An endpoint that cannot be connected to when Hostler starts\n"
    "  begins this way.\n"
    "- **Answers.** When, of the last ten seconds or so, more failed than succeeded, and at least `health.failures`, the endpoint is\n"
    "  shunned for `health.cooldown`, or for the Retry-After of a 429 (`health.cooldown_max` at most): others are preferred. When there are no others it is not taken away:\n"
    "  one client's bad requests must not take a model from everybody. Only after a 429 with Retry-After do requests go to a fallback model, or else\n"
    "  wait in the queue, for that time and at most `health.cooldown`. A probe does not end this, since health paths know nothing of rate limits and broken models.\n"
    "\n"
    "Retries happen before the client has anything of an answer, within `retry` and its budget, at endpoints that this request has not tried; those\n"
    "without recent failures first. The head of a stream waits for the first event with content, for at most ten seconds, so that a runtime which\n"
    "answers 200 and then fails can still be replaced. When all are tried, fallback models follow.\n"
    "\n"
    "The begin and the end of each are logged (`endpoint_health`); `/readyz` says why a model cannot be served.\n"
    "\n"
    "| event | result | retried? | counts against | the client gets | the log says |\n"
    "|---|---|---|---|---|---|\n";

int verdict_write_manual(struct buf *out)
{
    int err = buf_append(out, str_n(intro, sizeof intro - 1));
    for (size_t i = 0; i < VERDICT_COUNT && !err; i++) {
        const struct verdict_row *r = &rows[i];
        err = buf_printf(out, "| %s | `%s` | %s | %s | %s | %s |\n", r->event, r->label,
                         retry_texts[r->retry], blame_texts[r->blame], r->client, r->log);
    }
    return err;
}
