/* SPDX-License-Identifier: Apache-2.0 */
/* The log: formats, escapes, gathering, and readers that do not read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "json/json.h"
#include "obs/log.h"

/* A log that goes to a pipe, and what was read from it. */
struct fixture {
    int fds[2]; /* read end, write end */
    struct buf got;
    struct arena arena;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_int_equal(pipe(f->fds), 0);
    assert_int_equal(fcntl(f->fds[0], F_SETFL, O_NONBLOCK), 0);
    buf_init(&f->got, 64 << 20);
    arena_init(&f->arena, 64 << 20, 4096);
    log_init(f->fds[1], LOG_FORMAT_JSON, LOG_INFO);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    log_flush();
    log_init(-1, LOG_FORMAT_JSON, LOG_INFO);
    close(f->fds[0]);
    close(f->fds[1]);
    buf_fini(&f->got);
    arena_fini(&f->arena);
    free(f);
    return 0;
}

/* Reads what is there now. */
static struct str drain_fd(int fd, struct buf *got)
{
    char *room;
    for (;;) {
        assert_int_equal(buf_reserve(got, 65536, &room), 0);
        ssize_t n = read(fd, room, 65536);
        if (n <= 0) return buf_str(got);
        buf_commit(got, (size_t)n);
    }
}

static struct str drain(struct fixture *f)
{
    return drain_fd(f->fds[0], &f->got);
}

static const struct json *parse_line(struct fixture *f, struct str line)
{
    const struct json *v;
    struct json_error error;
    if (json_parse(&f->arena, line, &v, &error) != 0)
        fail_msg("%s at %zu: %" STR_FMT, error.text, error.offset, STR_ARG(line));
    return v;
}

/* The one line that was written, without its line feed. */
static struct str one_line(struct fixture *f)
{
    log_flush();
    struct str all = drain(f), line;
    assert_true(str_ends(all, STR("\n")));
    assert_true(str_cut(&all, '\n', &line));
    assert_int_equal(all.len, 0);
    return line;
}

static void json_lines(void **state)
{
    struct fixture *f = *state;
    struct log_line l;
    log_begin(&l, LOG_INFO, "exchange");
    log_cstr(&l, "model", "demo");
    log_str(&l, "path", STR("/v1 \"x\"\\"));
    log_u64(&l, "bytes", UINT64_MAX);
    log_i64(&l, "delta", INT64_MIN);
    log_i64(&l, "zero", 0);
    log_bool(&l, "stream", true);
    log_cstr(&l, "none", NULL);
    log_end(&l);
    struct str line = one_line(f);
    const struct json *v = parse_line(f, line);
    static const char *const names[] = {"time",  "level", "event", "model",  "path",
                                        "bytes", "delta", "zero",  "stream", "none"};
    struct json_iter it = {0};
    struct str name;
    const struct json *value;
    for (size_t i = 0; json_next_member(v, &it, &name, &value); i++)
        assert_true(i < ARRAY_LEN(names) && str_eq(name, str_of(names[i])));
    assert_int_equal(json_count(v), ARRAY_LEN(names));
    assert_true(str_eq(json_str_or(v, "level", STR("")), STR("info")));
    assert_true(str_eq(json_str_or(v, "event", STR("")), STR("exchange")));
    assert_true(str_eq(json_str_or(v, "path", STR("")), STR("/v1 \"x\"\\")));
    assert_true(str_eq(json_str_or(v, "none", STR("-")), STR("")));
    assert_true(json_i64_or(v, "delta", 0) == INT64_MIN);
    assert_int_equal(json_i64_or(v, "zero", 1), 0);
    assert_true(json_bool_or(v, "stream", false));
    struct str time = json_str_or(v, "time", STR(""));
    assert_int_equal(time.len, strlen("2026-11-21T02:15:56.123456Z"));
    assert_int_equal(time.ptr[10], 'T');
    assert_int_equal(time.ptr[19], '.');
    assert_int_equal(time.ptr[26], 'Z');
}

static void text_lines(void **state)
{
    struct fixture *f = *state;
    struct log_line l;
    log_set(LOG_FORMAT_TEXT, LOG_DEBUG);
    log_begin(&l, LOG_DEBUG, "exchange");
    log_cstr(&l, "request_id", "req-1");
    log_cstr(&l, "text", "two words");
    log_cstr(&l, "empty", "");
    log_cstr(&l, "pair", "a=b");
    log_u64(&l, "n", 7);
    log_bool(&l, "ok", false);
    log_end(&l);
    struct str line = one_line(f);
    assert_int_equal(line.ptr[2], ':');
    assert_int_equal(line.ptr[8], '.');
    struct str rest = str_skip(line, strlen("12:00:01.123"));
    assert_true(str_eq(
        rest,
        STR(" DEBUG exchange  request_id=req-1 text=\"two words\" empty=\"\" pair=\"a=b\" n=7 ok=false")));
}

static void values_are_escaped(void **state)
{
    struct fixture *f = *state;
    static const struct {
        struct str raw;
        const char *escaped;
    } cases[] = {
        {STR_INIT("a\nb\r\tc"), "a\\nb\\r\\tc"},
        {STR_INIT("\x1b[2J\x7f\0."), "\\u001b[2J\\u007f\\u0000."},
        {STR_INIT("\xc2\x9b"
                  "31m"),
         "\\u009b31m"},
        {STR_INIT("\xe2\x80\xa8\xe2\x80\xae\xe2\x81\xa6\xd8\x9c"), "\\u2028\\u202e\\u2066\\u061c"},
        {STR_INIT("\xef\xbb\xbf\xe2\x80\x8b"), "\\ufeff\\u200b"},
        {STR_INIT("\xc3\xa9\xe4\xbd\xa0\xf0\x9f\x98\x80"), "\xc3\xa9\xe4\xbd\xa0\xf0\x9f\x98\x80"},
        {STR_INIT("x\xff\xe2\x82y"), "x\xef\xbf\xbd\xef\xbf\xbdy"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (int json = 0; json < 2; json++) {
            struct log_line l;
            log_set(json ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT, LOG_INFO);
            log_begin(&l, LOG_INFO, "e");
            log_str(&l, "v", cases[i].raw);
            log_end(&l);
            struct str line = one_line(f);
            if (str_find(line, str_of(cases[i].escaped)) < 0)
                fail_msg("%zu: %" STR_FMT, i, STR_ARG(line));
            for (size_t k = 0; k < line.len; k++)
                assert_true((unsigned char)line.ptr[k] >= 0x20 && line.ptr[k] != 0x7f);
            if (json) parse_line(f, line);
            buf_clear(&f->got);
        }
    }
}

/* Whatever stands beside it. */
static void each_byte_is_escaped_or_not_at_any_place(void **state)
{
    struct fixture *f = *state;
    for (unsigned c = 1; c < 0x80; c++) {
        for (size_t place = 0; place < 19; place++) {
            char text[20] = "nineteen characters";
            struct log_line l;
            text[place] = (char)c;
            log_begin(&l, LOG_INFO, "x");
            log_cstr(&l, "text", text);
            log_end(&l);
            struct str line = one_line(f), told = json_str_or(parse_line(f, line), "text", STR(""));
            if (!str_eq(told, str_of(text))) fail_msg("byte %u at %zu", c, place);
            for (size_t k = 0; k < line.len; k++)
                if (line.ptr[k] < 0x20 || line.ptr[k] == 0x7f) fail_msg("byte %u at %zu", c, place);
            buf_clear(&f->got);
        }
    }
}

static void long_values_are_cut_between_characters(void **state)
{
    struct fixture *f = *state;
    char value[2000];
    for (size_t i = 0; i < sizeof value; i += 2)
        memcpy(value + i, "\xc3\xa9", 2);
    struct log_line l;
    log_begin(&l, LOG_INFO, "e");
    log_str(&l, "whole", str_n(value, 512));
    log_str(&l, "cut", str_n(value, 513));
    log_str(&l, "odd", str_n(value + 1, 1501)); /* starts within a character */
    log_end(&l);
    const struct json *v = parse_line(f, one_line(f));
    assert_int_equal(json_str_or(v, "whole", STR("")).len, 512);
    struct str cut = json_str_or(v, "cut", STR(""));
    assert_int_equal(cut.len, 512 + 3);
    assert_true(str_ends(cut, STR("\xc3\xa9\xe2\x80\xa6")));
    assert_true(str_ends(json_str_or(v, "odd", STR("")), STR("\xc3\xa9\xe2\x80\xa6")));
    assert_false(json_bool_or(v, "truncated", false));
}

static void long_lines_are_cut_between_fields(void **state)
{
    struct fixture *f = *state;
    char value[512];
    memset(value, '\x01', sizeof value);
    for (size_t len = 0; len < sizeof value; len += 3) {
        struct log_line l;
        log_begin(&l, LOG_INFO, "e");
        log_u64(&l, "first", 1);
        log_str(&l, "long1", str_n(value, len));
        log_str(&l, "long2", str_n(value, sizeof value));
        log_u64(&l, "last", 1);
        log_end(&l);
        struct str line = one_line(f);
        assert_true(line.len < LOG_LINE_MAX);
        const struct json *v = parse_line(f, line);
        assert_int_equal(json_i64_or(v, "first", 0), 1);
        assert_true(json_bool_or(v, "truncated", false) == (json_get(v, "last") == NULL));
        buf_clear(&f->got);
        arena_reset(&f->arena);
    }
}

static void levels(void **state)
{
    struct fixture *f = *state;
    log_set(LOG_FORMAT_JSON, LOG_WARN);
    log_note(LOG_INFO, "quiet", "%d", 1);
    struct log_line l;
    log_begin(&l, LOG_INFO, "quiet");
    assert_false(l.on);
    log_str(&l, "k", STR("v"));
    log_u64(&l, "k", 1);
    log_i64(&l, "k", 1);
    log_bool(&l, "k", true);
    log_end(&l);
    log_flush();
    assert_int_equal(drain(f).len, 0);
    log_note(LOG_ERROR, "loud", "%d models", 12);
    const struct json *v = parse_line(f, one_line(f));
    assert_true(str_eq(json_str_or(v, "msg", STR("")), STR("12 models")));
    assert_true(str_eq(json_str_or(v, "level", STR("")), STR("error")));
}

static void lines_are_gathered(void **state)
{
    struct fixture *f = *state;
    log_note(LOG_INFO, "one", "x");
    assert_int_equal(drain(f).len, 0);
    log_note(LOG_WARN, "two", "x");
    struct str all = drain(f);
    assert_true(str_find(all, STR("\"one\"")) > 0);
    assert_true(str_find(all, STR("\"two\"")) > 0);
    buf_clear(&f->got);
    for (int i = 0; i < 1000 && drain(f).len == 0; i++)
        log_note(LOG_INFO, "many", "%d", i);
    assert_true(drain(f).len > 15000 && drain(f).len <= 16384);
}

/* Every line of the text is whole; how many they are. */
static size_t whole_lines(struct fixture *f, struct str all, uint64_t *told)
{
    size_t count = 0;
    struct str line;
    *told = 0;
    assert_true(str_ends(all, STR("\n")));
    while (str_cut(&all, '\n', &line)) {
        if (line.len == 0) continue;
        const struct json *v = parse_line(f, line);
        if (str_eq(json_str_or(v, "event", STR("")), STR("log_dropped")))
            *told += (uint64_t)json_i64_or(v, "lines", 0);
        else
            count++;
        arena_reset(&f->arena);
    }
    return count;
}

static void a_reader_that_sleeps_costs_lines_but_no_time(void **state)
{
    struct fixture *f = *state;
    uint64_t before = log_dropped(), told;
    size_t sent = 0;
    alarm(20);
    for (; log_dropped() - before < 500; sent++)
        log_note(sent % 7 ? LOG_INFO : LOG_WARN, "flood", "%zu %0*d", sent, (int)(sent % 300), 0);
    drain(f);
    for (int i = 0; i < 3; i++) {
        log_flush();
        drain(f);
    }
    size_t lines = whole_lines(f, drain(f), &told);
    assert_int_equal(lines, sent - (log_dropped() - before));
    assert_int_equal(told, log_dropped() - before);
    alarm(0);
}

static void a_slow_reader_loses_nothing(void **state)
{
    struct fixture *f = *state;
    assert_true(fcntl(f->fds[1], F_SETPIPE_SZ, 4096) >= 4096);
    uint64_t before = log_dropped(), told;
    enum { LINES = 2000 };
    for (size_t i = 0; i < LINES; i++) {
        log_note(LOG_INFO, "trickle", "%zu %0*d", i, (int)(i % 200), 0);
        if (i % 8 == 0) {
            log_flush();
            drain(f);
        }
    }
    for (int i = 0; i < 8; i++) {
        log_flush();
        drain(f);
    }
    assert_int_equal(log_dropped(), before);
    assert_int_equal(whole_lines(f, drain(f), &told), LINES);
}

static void a_reader_that_left_kills_nobody(void **state)
{
    struct fixture *f = *state;
    uint64_t before = log_dropped();
    close(f->fds[0]);
    f->fds[0] = open("/dev/null", O_RDONLY);
    log_note(LOG_INFO, "into the void", "x");
    log_note(LOG_ERROR, "into the void", "x");
    assert_int_equal(log_dropped() - before, 2);
}

static void sockets_do_not_block(void **state)
{
    struct fixture *f = *state;
    int pair[2];
    uint64_t before = log_dropped(), told;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(fcntl(pair[0], F_SETFL, O_NONBLOCK), 0);
    log_init(pair[1], LOG_FORMAT_JSON, LOG_INFO);
    alarm(20);
    size_t sent = 0;
    for (; log_dropped() - before < 100; sent++)
        log_note(LOG_WARN, "flood", "%0*d", (int)(sent % 300), 0);
    for (int i = 0; i < 3; i++) {
        drain_fd(pair[0], &f->got);
        log_flush();
    }
    size_t lines = whole_lines(f, drain_fd(pair[0], &f->got), &told);
    assert_int_equal(lines, sent - (log_dropped() - before));
    close(pair[0]);
    log_note(LOG_WARN, "no reader", "x");
    close(pair[1]);
    alarm(0);
}

/* Before log_init, and where a pipe cannot be opened again, poll keeps writes from blocking. Stands
 * first: it needs a process in which log_init was not called. */
static void works_before_log_init(void **state)
{
    (void)state;
    struct fixture f;
    int status;
    uint64_t told;
    assert_int_equal(pipe(f.fds), 0);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        alarm(20);
        dup2(f.fds[1], 2);
        while (log_dropped() < 100)
            log_note(LOG_WARN, "flood", "%0*d", (int)(log_dropped() % 300), 0);
        _exit(0);
    }
    close(f.fds[1]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    buf_init(&f.got, 64 << 20);
    arena_init(&f.arena, 64 << 20, 4096);
    struct str all = drain_fd(f.fds[0], &f.got);
    while (!str_ends(all, STR("\n")))
        all.len--;
    assert_true(whole_lines(&f, all, &told) > 20);
    close(f.fds[0]);
    buf_fini(&f.got);
    arena_fini(&f.arena);
}

static void *log_much(void *arg)
{
    size_t id = *(size_t *)arg;
    for (size_t i = 0; i < 1000; i++) {
        struct log_line l;
        log_begin(&l, i % 50 ? LOG_INFO : LOG_WARN, "thread");
        log_u64(&l, "id", id);
        log_u64(&l, "i", i);
        log_end(&l);
    }
    log_flush();
    return NULL;
}

/* Writers, a reload and a reader that reads in small bites: whole lines, none lost twice. */
static void threads_share_the_descriptor(void **state)
{
    struct fixture *f = *state;
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    size_t ids[THREADS];
    uint64_t before = log_dropped(), told;
    assert_true(fcntl(f->fds[1], F_SETPIPE_SZ, 4096) >= 4096);
    for (size_t i = 0; i < THREADS; i++) {
        ids[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, log_much, &ids[i]), 0);
    }
    for (int i = 0; i < 300; i++) {
        struct pollfd p = {.fd = f->fds[0], .events = POLLIN};
        poll(&p, 1, 1);
        log_set(LOG_FORMAT_JSON, LOG_INFO);
        drain(f);
    }
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    log_note(LOG_WARN, "end", "x");
    drain(f);
    log_flush();
    drain(f);
    /* What still lay in the batch of a thread that ended is neither written nor counted. */
    size_t lines = whole_lines(f, drain(f), &told);
    assert_true(lines <= THREADS * 1000 + 1 - (size_t)(log_dropped() - before));
    assert_true(lines > 0);
}

static struct str terminal_line(const char *no_colour, struct buf *got)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    assert_true(master >= 0);
    assert_int_equal(grantpt(master), 0);
    assert_int_equal(unlockpt(master), 0);
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    assert_true(slave >= 0);
    if (no_colour)
        setenv("NO_COLOR", no_colour, 1);
    else
        unsetenv("NO_COLOR");
    setenv("TERM", "xterm", 1);
    log_init(slave, LOG_FORMAT_AUTO, LOG_INFO);
    log_note(LOG_WARN, "event", "word");
    assert_int_equal(fcntl(master, F_SETFL, O_NONBLOCK), 0);
    buf_clear(got);
    struct pollfd p = {.fd = master, .events = POLLIN};
    poll(&p, 1, 1000);
    struct str line = drain_fd(master, got);
    log_init(-1, LOG_FORMAT_JSON, LOG_INFO);
    close(slave);
    close(master);
    return line;
}

static void terminals_get_text_and_colours(void **state)
{
    struct fixture *f = *state;
    struct str line = terminal_line(NULL, &f->got);
    assert_true(str_ends(line, STR("\x1b[33m WARN  \x1b[0;1mevent\x1b[0m  msg=word\r\n")));
    line = terminal_line("", &f->got);
    assert_true(str_find(line, STR("\x1b[33m")) > 0);
    line = terminal_line("1", &f->got);
    assert_true(str_ends(line, STR(" WARN  event  msg=word\r\n")));
    assert_int_equal(str_find_char(line, '\x1b'), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(works_before_log_init),
        cmocka_unit_test_setup_teardown(json_lines, setup, teardown),
        cmocka_unit_test_setup_teardown(text_lines, setup, teardown),
        cmocka_unit_test_setup_teardown(values_are_escaped, setup, teardown),
        cmocka_unit_test_setup_teardown(each_byte_is_escaped_or_not_at_any_place, setup, teardown),
        cmocka_unit_test_setup_teardown(long_values_are_cut_between_characters, setup, teardown),
        cmocka_unit_test_setup_teardown(long_lines_are_cut_between_fields, setup, teardown),
        cmocka_unit_test_setup_teardown(levels, setup, teardown),
        cmocka_unit_test_setup_teardown(lines_are_gathered, setup, teardown),
        cmocka_unit_test_setup_teardown(a_reader_that_sleeps_costs_lines_but_no_time, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_slow_reader_loses_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_reader_that_left_kills_nobody, setup, teardown),
        cmocka_unit_test_setup_teardown(sockets_do_not_block, setup, teardown),
        cmocka_unit_test_setup_teardown(threads_share_the_descriptor, setup, teardown),
        cmocka_unit_test_setup_teardown(terminals_get_text_and_colours, setup, teardown),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
