/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cli.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "mesh/endpoint.h"

int cli_clean(struct str text, bool one_line, struct buf *out)
{
    const unsigned char *p = (const unsigned char *)text.ptr, *end = p + text.len;
    int err = 0;
    while (p < end && !err) {
        int len = utf8_step(p, end);
        bool blank = !one_line && (*p == '\n' || *p == '\t');
        if (len < 0)
            err = buf_append(out, STR("\xef\xbf\xbd"));
        else if (blank || !utf8_is_control(p, len))
            err = buf_append(out, str_n((const char *)p, (size_t)len));
        p += abs(len);
    }
    return err;
}

bool cli_steers(struct str text)
{
    const unsigned char *p = (const unsigned char *)text.ptr, *end = p + text.len;
    while (p < end) {
        int len = utf8_step(p, end);
        if (len < 0 || utf8_is_control(p, len)) return true;
        p += len;
    }
    return false;
}

/* It may repeat what a server says. */
static void complain(const char *command, const char *fmt, va_list args)
{
    struct buf text, shown;
    buf_init(&text, SIZE_MAX / 2);
    buf_init(&shown, SIZE_MAX / 2);
    if (buf_vprintf(&text, fmt, args) || cli_clean(buf_str(&text), false, &shown)) mem_exhausted();
    fprintf(stderr, "hostler %s: %" STR_FMT "\n", command, STR_ARG(buf_str(&shown)));
    buf_fini(&text);
    buf_fini(&shown);
}

int cli_fail(const char *command, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    complain(command, fmt, args);
    va_end(args);
    return CLI_FAILED;
}

int cli_usage(const char *command, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    complain(command, fmt, args);
    va_end(args);
    fprintf(stderr, "Try `hostler %s --help`.\n", command);
    return CLI_USAGE;
}

void cli_prepare_process(void)
{
    struct rlimit limit;
    signal(SIGPIPE, SIG_IGN);
    mem_keep();
    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur == limit.rlim_max) return;
    limit.rlim_cur = limit.rlim_max;
    /* When refused, the old limit stays and connections fail with a message of their own. */
    if (setrlimit(RLIMIT_NOFILE, &limit)) return;
}

bool cli_terminal_is_dumb(void)
{
    const char *term = getenv("TERM");
    return !term || !*term || strcmp(term, "dumb") == 0;
}

bool cli_number(const char *text, double min, double max, double *out)
{
    double v;
    if (str_to_double(str_of(text), &v) || !(v >= min && v <= max)) return false;
    *out = v;
    return true;
}

bool cli_count(const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
    uint64_t v;
    if (str_to_u64(str_of(text), &v) || v < min || v > max) return false;
    *out = v;
    return true;
}

bool cli_duration(const char *text, uint64_t *out)
{
    static const struct {
        struct str unit;
        double us;
    } units[] = {
        {STR_INIT("us"), 1},           {STR_INIT("ms"), USEC_PER_MS},
        {STR_INIT("s"), USEC_PER_SEC}, {STR_INIT("m"), 60.0 * USEC_PER_SEC},
        {STR_INIT(""), USEC_PER_SEC},
    };
    double longest_us = 1e6 * USEC_PER_SEC;
    struct str s = str_of(text);
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (!str_ends(s, units[i].unit)) continue;
        double v;
        if (str_to_double(str_sub(s, 0, s.len - units[i].unit.len), &v)) continue;
        v *= units[i].us;
        if (!(v >= 0 && v <= longest_us)) return false;
        *out = (uint64_t)v;
        return true;
    }
    return false;
}

int cli_listen(const char *command, struct str text, bool shared, int *fd, uint16_t *port)
{
    struct url u;
    int err = url_parse_listen(text, &u);
    if (err) {
        cli_fail(command, "%.*s: not an address; write HOST:PORT or unix:PATH", STR_ARG(text));
        return err;
    }
    struct addr addr = endpoint_addr(&u);
    *port = 0;
    err = listen_socket(&addr, shared, fd, port);
    if (err) cli_fail(command, "cannot listen at %.*s: %s", STR_ARG(text), err_text(err));
    return err;
}
