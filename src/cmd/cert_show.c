/* SPDX-License-Identifier: Apache-2.0 */
/* hostler cert show: what certificates say. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "base/err.h"
#include "cmd/cert_priv.h"
#include "cmd/cli.h"
#include "cmd/options.h"
#include "json/write.h"
#include "transport/certificate.h"

static const char command[] = "cert show";

enum { OUTPUT_MAX = 64 << 20, ARENA_BLOCK = 4096, SECONDS_PER_DAY = 86400 };

static const char *const kinds[] = {
    [CERTIFICATE_DNS] = "dns",
    [CERTIFICATE_IP] = "ip",
    [CERTIFICATE_URI] = "uri",
};

/* One certificate of a file, on its way out. */
struct shown {
    const char *path;
    size_t place; /* in the file, from 1 */
    struct certificate_facts facts;
};

/* "2026-11-27T05:12:24Z" */
static const char *time_text(int64_t seconds, char room[32])
{
    time_t t = seconds;
    struct tm tm;
    if (!gmtime_r(&t, &tm) || strftime(room, 32, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0) return "?";
    return room;
}

/* text */

static void print_names(const struct certificate_facts *facts)
{
    if (facts->name_count == 0) return;
    printf("  names    ");
    for (size_t i = 0; i < facts->name_count; i++)
        printf("%s%" STR_FMT, i ? ", " : "", STR_ARG(facts->names[i].text));
    printf("\n");
}

static void print_validity(const struct certificate_facts *facts)
{
    char from[32], to[32];
    int64_t now = cert_now(), days = (facts->not_after_s - now) / SECONDS_PER_DAY;
    printf("  valid    %s to %s", time_text(facts->not_before_s, from),
           time_text(facts->not_after_s, to));
    if (now < facts->not_before_s)
        printf(" (not yet)\n");
    else if (now > facts->not_after_s)
        printf(" (expired)\n");
    else
        printf(" (%" PRId64 " day%s left)\n", days, days == 1 ? "" : "s");
}

static void print_text(const struct shown *s)
{
    const struct certificate_facts *facts = &s->facts;
    printf("%s", s->path);
    if (s->place > 1) printf(", certificate %zu", s->place);
    printf("\n  subject  %" STR_FMT "\n  issuer   %" STR_FMT "\n", STR_ARG(facts->subject),
           STR_ARG(facts->issuer));
    print_names(facts);
    print_validity(facts);
    printf("  key      %" STR_FMT ", %u bits\n  pin      %s\n", STR_ARG(facts->key_type),
           facts->key_bits, facts->pin);
    if (facts->is_ca) printf("  CA       it may sign others\n");
}

/* JSON */

static void write_names(struct json_writer *w, const struct certificate_facts *facts)
{
    json_write_key(w, "names");
    json_write_array(w);
    for (size_t i = 0; i < facts->name_count; i++) {
        json_write_object(w);
        json_write_str_member(w, "type", str_of(kinds[facts->names[i].kind]));
        json_write_str_member(w, "name", facts->names[i].text);
        json_write_object_end(w);
    }
    json_write_array_end(w);
}

static void write_json(struct json_writer *w, const struct shown *s)
{
    char text[32];
    const struct certificate_facts *facts = &s->facts;
    json_write_object(w);
    json_write_str_member(w, "file", str_of(s->path));
    json_write_u64_member(w, "place", s->place);
    json_write_str_member(w, "subject", facts->subject);
    json_write_str_member(w, "issuer", facts->issuer);
    write_names(w, facts);
    json_write_str_member(w, "not_before", str_of(time_text(facts->not_before_s, text)));
    json_write_str_member(w, "not_after", str_of(time_text(facts->not_after_s, text)));
    json_write_i64_member(w, "seconds_left", facts->not_after_s - cert_now());
    json_write_str_member(w, "key_type", facts->key_type);
    json_write_u64_member(w, "key_bits", facts->key_bits);
    json_write_str_member(w, "pin", str_of(facts->pin));
    json_write_bool_member(w, "ca", facts->is_ca);
    json_write_object_end(w);
}

/* all of them */

/* Writes to `w`, or prints where that is NULL. An exit code. */
static int show_all(const struct certificate *c, const char *path, struct json_writer *w)
{
    struct arena arena;
    int err = 0;
    arena_init(&arena, SIZE_MAX, ARENA_BLOCK);
    for (size_t i = 0; i < certificate_count(c) && !err; i++) {
        struct shown s = {.path = path, .place = i + 1};
        err = certificate_facts(c, i, &arena, &s.facts);
        if (err)
            cli_fail(command, "%s: certificate %zu cannot be shown: %s", path, i + 1,
                     err_text(err));
        else if (w)
            write_json(w, &s);
        else
            print_text(&s);
    }
    arena_fini(&arena);
    return err ? CLI_FAILED : CLI_OK;
}

static int show_file(const char *path, struct json_writer *w)
{
    struct certificate *c;
    struct certificate_why why;
    if (certificate_read(path, &c, &why)) return cli_fail(command, "%s", why.text);
    int code = show_all(c, path, w);
    certificate_free(c);
    return code;
}

static int show_files(char *const *paths, struct json_writer *w)
{
    int code = CLI_OK;
    for (; *paths; paths++)
        if (show_file(*paths, w)) code = CLI_FAILED;
    return code;
}

static int show_json(char *const *paths)
{
    struct buf out;
    struct json_writer w;
    buf_init(&out, OUTPUT_MAX);
    json_write_init(&w, &out);
    json_write_array(&w);
    int code = show_files(paths, &w);
    json_write_array_end(&w);
    int err = json_write_end(&w);
    if (!err) err = buf_append(&out, STR("\n"));
    int output = cmd_output(command, &out, err);
    buf_fini(&out);
    return output ? output : code;
}

static int run(const struct cli_command *c, int argc, char **argv)
{
    bool json = false;
    struct cli_words w = cli_words(c, argc, argv);
    while (cli_next(&w)) {
        switch (w.option) {
        case 'j': json = true; break;
        default: break;
        }
    }
    if (w.code >= 0) return w.code;
    if (optind == argc) return cli_usage(command, "which file?");
    return json ? show_json(argv + optind) : show_files(argv + optind, NULL);
}

static const struct cli_option options[] = {
    {.value = "FILE", .takes = CLI_FILE, .help = "a PEM file"},
    {'j', 0, "json", NULL, CLI_TEXT, NULL, "a JSON array with an object for each certificate"},
};

const struct cli_command cert_show = {
    .name = "cert show",
    .about = "print what certificates say",
    .usage = "FILE... [--json]",
    .text =
        "Prints what the certificates in PEM files say: whom they are for, who signed them, until\n"
        "when they are valid, and the pin of their public key for `endpoints[].tls.pins`.",
    .notes = "Exit codes: 0 done, 1 a file cannot be read or has no certificate, 2 wrong usage.",
    .examples =
        "hostler cert show tls/node.pem\n"
        "hostler cert show /etc/ssl/certs/ca-certificates.crt --json | jq -r '.[].subject'\n"
        "hostler cert show tls/node.pem --json | jq -r '.[0].pin'",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .run = run,
};
