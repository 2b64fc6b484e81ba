/* SPDX-License-Identifier: Apache-2.0 */
/* hostler cert check: what is wrong with certificates. */
#include <getopt.h>
#include <stdio.h>

#include "cmd/cert_priv.h"
#include "cmd/cli.h"
#include "transport/certificate.h"

static const char command[] = "cert check";

enum { NAMES_MAX = 100, DAYS_MAX = 36500 };

/* What each file is asked. */
struct question {
    const char *names[NAMES_MAX];
    size_t name_count;
    const char *key_path; /* NULL: none */
    const char *ca_path;  /* NULL: none */
    uint64_t days;
    struct certificate_key *key;
    struct certificate *ca;
};

/* Prints the fault, if `err` says that there is one. Their number. */
static unsigned tell(int err, const struct certificate_why *why)
{
    if (err) printf("%s\n", why->text);
    return err != 0;
}

static unsigned count_faults(const struct certificate *c, const struct question *q)
{
    struct certificate_why why;
    int64_t now = cert_now();
    unsigned faults = tell(certificate_check_time(c, now, (unsigned)q->days, &why), &why);
    faults += tell(certificate_check_strength(c, &why), &why);
    if (q->key) faults += tell(certificate_check_key(c, q->key, &why), &why);
    if (q->ca) faults += tell(certificate_check_signed(c, q->ca, now, &why), &why);
    for (size_t i = 0; i < q->name_count; i++)
        faults += tell(certificate_check_name(c, str_of(q->names[i]), &why), &why);
    return faults;
}

static unsigned check_file(const char *path, const struct question *q)
{
    struct certificate *c;
    struct certificate_why why;
    int err = certificate_read(path, &c, &why);
    if (err) return tell(err, &why);
    unsigned faults = count_faults(c, q);
    if (faults == 0) printf("%s: ok\n", path);
    certificate_free(c);
    return faults;
}

/* What the files are compared with. The number of faults of its own. */
static unsigned read_question(struct question *q)
{
    struct certificate_why why;
    unsigned faults = 0;
    if (q->key_path) faults += tell(certificate_key_read(q->key_path, &q->key, &why), &why);
    if (q->ca_path) faults += tell(certificate_read(q->ca_path, &q->ca, &why), &why);
    return faults;
}

static int check(char *const *paths, struct question *q)
{
    unsigned faults = read_question(q);
    bool answerable = faults == 0;
    for (; *paths && answerable; paths++)
        faults += check_file(*paths, q);
    certificate_key_free(q->key);
    certificate_free(q->ca);
    return faults ? CLI_FAILED : CLI_OK;
}

/* An exit code, or -1 to go on. */
static int add_name(struct question *q, const char *name)
{
    if (q->name_count == NAMES_MAX) return cli_usage(command, "more than %d names", NAMES_MAX);
    q->names[q->name_count++] = name;
    return -1;
}

/* An exit code, or -1 to go on. */
static int read_days(struct question *q, const char *text)
{
    if (cli_count(text, 0, DAYS_MAX, &q->days)) return -1;
    return cli_usage(command, "--days is 0 to %d, not %s", DAYS_MAX, text);
}

static int run(const struct cli_command *c, int argc, char **argv)
{
    struct question q = {0};
    struct cli_words w = cli_words(c, argc, argv);
    while (cli_next(&w)) {
        switch (w.option) {
        case 'k': q.key_path = w.value; break;
        case 'a': q.ca_path = w.value; break;
        case 'n': w.code = add_name(&q, w.value); break;
        case 'd': w.code = read_days(&q, w.value); break;
        default: break;
        }
    }
    if (w.code >= 0) return w.code;
    if (optind == argc) return cli_usage(command, "which file?");
    if (q.key_path && optind + 1 < argc)
        return cli_usage(command, "--key belongs to one file: give one at a time");
    return check(argv + optind, &q);
}

static const struct cli_option options[] = {
    {.value = "FILE", .takes = CLI_FILE, .help = "a PEM file"},
    {'k', 0, "key", "FILE", CLI_FILE, NULL, "it must belong to this private key"},
    {'a', 0, "ca", "FILE", CLI_FILE, NULL, "it must be signed by a CA of this file"},
    {'n', 0, "name", "NAME", CLI_TEXT, NULL,
     "it must be for this host name, IP address or URI; may be repeated"},
    {'d', 0, "days", "N", CLI_TEXT, NULL, "it must be valid for N more days"},
};

const struct cli_command cert_check = {
    .name = "cert check",
    .about = "tell what is wrong with them",
    .usage = "FILE... [--key FILE] [--ca FILE] [--name NAME]... [--days N]",
    .text =
        "Tells what is wrong with the first certificate of each PEM file: one line for each fault.",
    .notes = "Exit codes: 0 in order, 1 there are faults, 2 wrong usage.",
    .examples =
        "hostler cert check tls/node.pem --key tls/node.key --ca tls/ca.pem --name llm.example.org\n"
        "hostler cert check tls/*.pem --days 30 || mail -s 'certificates' ops@example.org",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .run = run,
};
