/* SPDX-License-Identifier: Apache-2.0 */
/* hostler cert init: a CA of one's own in a folder, and a certificate that it signs. */
#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "cmd/cert_priv.h"
#include "cmd/cli.h"
#include "transport/certificate.h"
#include "transport/issue.h"
#include "transport/pem_file.h"

static const char command[] = "cert init";

enum { GIVEN_MAX = 100, OWN_MAX = 5, HOST_MAX = 256 };
enum { CERTIFICATE_MODE = 0644, KEY_MODE = 0600, FOLDER_MODE = 0755 };

/* What is wanted, and where. */
struct order {
    const char *folder; /* as given */
    bool force;
    struct str names[GIVEN_MAX + OWN_MAX]; /* those that were given, then the machine's */
    size_t name_count;
    char host[HOST_MAX];
    char full_host[HOST_MAX];
    char ca_path[PATH_MAX], ca_key_path[PATH_MAX];
    char node_path[PATH_MAX], node_key_path[PATH_MAX];
    bool new_ca;
};

static int fail_why(const struct certificate_why *why)
{
    return cli_fail(command, "%s", why->text);
}

/* names */

/* Once each. A machine's name that no certificate may have is left out. */
static void add_name(struct order *o, struct str name)
{
    for (size_t i = 0; i < o->name_count; i++)
        if (str_eq_nocase(o->names[i], name)) return;
    if (issue_name_ok(name)) o->names[o->name_count++] = name;
}

/* An exit code, or -1 to go on. */
static int add_given(struct order *o, const char *name)
{
    if (!issue_name_ok(str_of(name)))
        return cli_usage(command, "%s is no host name, IP address or URI", name);
    if (o->name_count == GIVEN_MAX) return cli_usage(command, "more than %d names", GIVEN_MAX);
    add_name(o, str_of(name));
    return -1;
}

/* What the system takes the whole name of this machine to be. */
static void find_full_host(struct order *o)
{
    const struct addrinfo hints = {.ai_flags = AI_CANONNAME, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found;
    if (getaddrinfo(o->host, NULL, &hints, &found)) return;
    if (found->ai_canonname) snprintf(o->full_host, sizeof o->full_host, "%s", found->ai_canonname);
    freeaddrinfo(found);
}

static void add_own(struct order *o)
{
    if (gethostname(o->host, sizeof o->host - 1)) o->host[0] = '\0';
    if (o->host[0]) find_full_host(o);
    add_name(o, str_of(o->full_host));
    add_name(o, str_of(o->host));
    add_name(o, STR("localhost"));
    add_name(o, STR("127.0.0.1"));
    add_name(o, STR("::1"));
}

/* the folder */

static bool exists(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

static int set_path(const struct order *o, const char *name, char path[PATH_MAX])
{
    int n = snprintf(path, PATH_MAX, "%s/%s", o->folder, name);
    if (n > 0 && n < PATH_MAX - 32) return CLI_OK;
    return cli_fail(command, "%s: %s", o->folder, err_text(-ENAMETOOLONG));
}

static int set_paths(struct order *o)
{
    int code = set_path(o, "ca.pem", o->ca_path);
    if (!code) code = set_path(o, "ca.key", o->ca_key_path);
    if (!code) code = set_path(o, "node.pem", o->node_path);
    if (!code) code = set_path(o, "node.key", o->node_key_path);
    return code;
}

/* Nothing is written before all is known to be fine. */
static int look_around(struct order *o)
{
    bool ca = exists(o->ca_path), ca_key = exists(o->ca_key_path);
    const char *old = exists(o->node_path)       ? o->node_path
                      : exists(o->node_key_path) ? o->node_key_path
                                                 : NULL;
    if (ca != ca_key)
        return cli_fail(command, "%s is there without %s: the CA needs both",
                        ca ? o->ca_path : o->ca_key_path, ca ? o->ca_key_path : o->ca_path);
    if (old && !o->force)
        return cli_fail(command, "%s is there already; --force makes a new one in its place", old);
    o->new_ca = !ca;
    if (mkdir(o->folder, FOLDER_MODE) && errno != EEXIST)
        return cli_fail(command, "%s: cannot be made: %s", o->folder, err_text(-errno));
    return CLI_OK;
}

/* writing */

static int write_file(const char *path, const struct buf *text, unsigned mode, bool replace)
{
    int err = pem_file_write(path, buf_str(text), mode, replace);
    if (err) return cli_fail(command, "%s: cannot be written: %s", path, err_text(err));
    return CLI_OK;
}

/* The key first: who reads both in between keeps what it has. */
static int write_pair(const char *path, const char *key_path, const struct issued *made,
                      bool replace)
{
    int code = write_file(key_path, &made->key, KEY_MODE, replace);
    if (code) return code;
    code = write_file(path, &made->certificate, CERTIFICATE_MODE, replace);
    if (code && !replace) unlink(key_path);
    return code;
}

static int make_ca(const struct order *o)
{
    struct certificate_why why;
    struct issued made;
    char name[HOST_MAX + 16];
    snprintf(name, sizeof name, "Hostler CA%s%s", o->host[0] ? " " : "", o->host);
    if (issue_ca(str_of(name), cert_now(), &made, &why)) return fail_why(&why);
    int code = write_pair(o->ca_path, o->ca_key_path, &made, false);
    issued_fini(&made);
    return code;
}

static int make_node(const struct order *o, const struct certificate *ca,
                     const struct certificate_key *ca_key)
{
    struct certificate_why why;
    struct issued made;
    if (issue_certificate(ca, ca_key, o->names, o->name_count, cert_now(), &made, &why))
        return fail_why(&why);
    int code = write_pair(o->node_path, o->node_key_path, &made, o->force);
    issued_fini(&made);
    return code;
}

static int make_node_with(const struct order *o, const struct certificate *ca)
{
    struct certificate_why why;
    struct certificate_key *key;
    if (certificate_key_read(o->ca_key_path, &key, &why)) return fail_why(&why);
    int code = make_node(o, ca, key);
    certificate_key_free(key);
    return code;
}

static int make_all(const struct order *o)
{
    struct certificate_why why;
    struct certificate *ca;
    int code = o->new_ca ? make_ca(o) : CLI_OK;
    if (code) return code;
    if (certificate_read(o->ca_path, &ca, &why)) return fail_why(&why);
    code = make_node_with(o, ca);
    certificate_free(ca);
    return code;
}

/* telling */

/* The folder as other programs find it wherever they run. */
static const char *folder_text(const struct order *o, char room[PATH_MAX])
{
    return realpath(o->folder, room) ? room : o->folder;
}

static void tell(const struct order *o)
{
    char room[PATH_MAX];
    const char *folder = folder_text(o, room);
    printf("%s/node.pem and node.key: for ", o->folder);
    for (size_t i = 0; i < o->name_count; i++)
        printf("%s%" STR_FMT, i ? ", " : "", STR_ARG(o->names[i]));
    printf("; valid for %d days\n", ISSUE_DAYS);
    printf("%s/ca.pem and ca.key: the CA that signed it, %s\n", o->folder,
           o->new_ca ? "new; keep ca.key to yourself" : "as it was");
    printf("\n"
           "In hostler.yaml:\n"
           "\n"
           "  listen:\n"
           "    - address: 127.0.0.1:8443\n"
           "      tls: { certificate: %s/node.pem, key: %s/node.key }\n"
           "\n"
           "Clients trust it by ca.pem:\n"
           "\n"
           "  curl --cacert %s/ca.pem https://localhost:8443/v1/models\n"
           "  export SSL_CERT_FILE=%s/ca.pem         # Python, Go and others on OpenSSL\n"
           "  export NODE_EXTRA_CA_CERTS=%s/ca.pem   # Node.js\n",
           folder, folder, folder, folder, folder);
}

static int init(struct order *o)
{
    add_own(o);
    int code = set_paths(o);
    if (!code) code = look_around(o);
    if (!code) code = make_all(o);
    if (!code) tell(o);
    return code;
}

static int run(const struct cli_command *c, int argc, char **argv)
{
    struct order o = {0};
    struct cli_words w = cli_words(c, argc, argv);
    while (cli_next(&w)) {
        switch (w.option) {
        case 'n': w.code = add_given(&o, w.value); break;
        case 'f': o.force = true; break;
        default: break;
        }
    }
    if (w.code >= 0) return w.code;
    if (optind == argc) return cli_usage(command, "which folder?");
    if (optind + 1 < argc)
        return cli_usage(command, "one folder at a time, not also %s", argv[optind + 1]);
    o.folder = argv[optind];
    return init(&o);
}

static const struct cli_option options[] = {
    {.value = "DIR", .takes = CLI_FOLDER, .help = "where they are written"},
    {'n', 0, "name", "NAME", CLI_TEXT, NULL,
     "one more host name, IP address or URI (spiffe://...); may be repeated"},
    {'f', 0, "force", NULL, CLI_TEXT, NULL, "replace node.pem and node.key; the CA stays as it is"},
};

const struct cli_command cert_init = {
    .name = "cert init",
    .about = "make a CA of your own and a certificate for this machine",
    .usage = "DIR [--name NAME]... [--force]",
    .text =
        "Makes a CA of your own in the folder (ca.pem, ca.key; for ten years), and a certificate that\n"
        "it signs (node.pem, node.key; for 397 days): for localhost, 127.0.0.1, ::1 and this machine's\n"
        "names. Where the folder has a CA already, that signs the new certificate.",
    .notes = "Exit codes: 0 done, 1 failed, 2 wrong usage.",
    .examples =
        "hostler cert init tls\n"
        "hostler cert init tls --name llm.example.org --name 10.0.0.7\n"
        "hostler cert init tls --force        # a new certificate before the old one expires",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .run = run,
};
