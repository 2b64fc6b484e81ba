/* SPDX-License-Identifier: Apache-2.0 */
/* hostler cert check: what is wrong with certificates. */
#include <getopt.h>
#include <stdio.h>

#include "cmd/cert_priv.h"
#include "cmd/cli.h"
#include "transport/certificate.h"

static const char command[] = "cert check";

enum { NAMES_MAX = 100, DAYS_MAX = 36500 };

static const char help[] =
    "Usage: hostler cert check FILE... [--key FILE] [--ca FILE] [--name NAME]... [--days N]\n"
    "\n"
    "Tells what is wrong with the first certificate of each PEM file: one line for each fault.\n"
    "\n"
    "      --key FILE    it must belong to this private key\n"
    "      --ca FILE     it must be signed by a CA of this file\n"
    "      --name NAME   it must be for this host name, IP address or URI; may be repeated\n"
    "      --days N      it must be valid for N more days\n"
    "\n"
    "Exit codes: 0 in order, 1 there are faults, 2 wrong usage.\n"
    "\n"
    "Examples:\n"
    "  hostler cert check tls/node.pem --key tls/node.key --ca tls/ca.pem --name llm.example.org\n"
    "  hostler cert check tls/*.pem --days 30 || mail -s 'certificates' ops@example.org\n";

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

static int add_name(struct question *q, const char *name)
{
    if (q->name_count == NAMES_MAX) return cli_usage(command, "more than %d names", NAMES_MAX);
    q->names[q->name_count++] = name;
    return CLI_OK;
}

static int read_days(struct question *q, const char *text)
{
    if (cli_count(text, 0, DAYS_MAX, &q->days)) return CLI_OK;
    return cli_usage(command, "--days is 0 to %d, not %s", DAYS_MAX, text);
}

int cert_check(int argc, char **argv)
{
    static const struct option options[] = {
        {"key", required_argument, NULL, 'k'},  {"ca", required_argument, NULL, 'a'},
        {"name", required_argument, NULL, 'n'}, {"days", required_argument, NULL, 'd'},
        {"help", no_argument, NULL, 'h'},       {0},
    };
    struct question q = {0};
    int option, code = CLI_OK;
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1 && !code) {
        switch (option) {
        case 'k': q.key_path = optarg; break;
        case 'a': q.ca_path = optarg; break;
        case 'n': code = add_name(&q, optarg); break;
        case 'd': code = read_days(&q, optarg); break;
        case 'h': fputs(help, stdout); return CLI_OK;
        default: return cli_usage(command, "the options above are wrong");
        }
    }
    if (code) return code;
    if (optind == argc) return cli_usage(command, "which file?");
    if (q.key_path && optind + 1 < argc)
        return cli_usage(command, "--key belongs to one file: give one at a time");
    return check(argv + optind, &q);
}
