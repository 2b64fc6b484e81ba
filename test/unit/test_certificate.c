/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates: made, written, read, described, judged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "certificate_samples.h"
#include "transport/certificate.h"
#include "transport/issue.h"
#include "transport/pem_file.h"

enum { NOW = 1795757123, DAY = 86400 }; /* when the samples were made */

/* A folder and what was made in memory. */
struct world {
    char folder[32];
    struct arena arena;
    struct issued ca, node;
    struct certificate *ca_read, *node_read;
    struct certificate_key *ca_key, *node_key;
    struct certificate_why why;
};

static const struct str node_names[] = {STR_INIT("node.example.org"),
                                        STR_INIT("*.pool.example.org"), STR_INIT("127.0.0.1"),
                                        STR_INIT("::1"), STR_INIT("spiffe://example.org/node")};

/* Its path; overwritten by the next call. */
static const char *in_folder(const struct world *w, const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", w->folder, name);
    return path;
}

static const char *put(const struct world *w, const char *name, struct str text)
{
    const char *path = in_folder(w, name);
    assert_int_equal(pem_file_write(path, text, 0600, true), 0);
    return path;
}

static struct certificate_key *key_of(struct world *w, const struct issued *made)
{
    struct certificate_key *key = NULL;
    const char *path = put(w, "x.key", buf_str(&made->key));
    assert_int_equal(certificate_key_read(path, &key, &w->why), 0);
    return key;
}

static struct certificate *parsed(struct str pem)
{
    struct certificate *c = NULL;
    struct certificate_why why;
    if (certificate_parse(pem, "x.pem", &c, &why)) fail_msg("%s", why.text);
    return c;
}

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    strcpy(w->folder, "/tmp/hostler-cert-XXXXXX");
    assert_non_null(mkdtemp(w->folder));
    arena_init(&w->arena, SIZE_MAX, 1024);
    assert_int_equal(issue_ca(STR("Test CA"), NOW, &w->ca, &w->why), 0);
    w->ca_read = parsed(buf_str(&w->ca.certificate));
    w->ca_key = key_of(w, &w->ca);
    assert_int_equal(issue_certificate(w->ca_read, w->ca_key, node_names, ARRAY_LEN(node_names),
                                       NOW, &w->node, &w->why),
                     0);
    w->node_read = parsed(buf_str(&w->node.certificate));
    w->node_key = key_of(w, &w->node);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    char command[64];
    certificate_free(w->ca_read);
    certificate_free(w->node_read);
    certificate_key_free(w->ca_key);
    certificate_key_free(w->node_key);
    issued_fini(&w->ca);
    issued_fini(&w->node);
    arena_fini(&w->arena);
    snprintf(command, sizeof command, "rm -r %s", w->folder);
    assert_int_equal(system(command), 0);
    free(w);
    return 0;
}

static void assert_str(struct str s, const char *expected)
{
    if (!str_eq(s, str_of(expected))) fail_msg("\"%.*s\", not \"%s\"", STR_ARG(s), expected);
}

/* The message begins with the file and says so. */
static void assert_why(const struct certificate_why *why, const char *file, const char *says)
{
    if (strncmp(why->text, file, strlen(file)) != 0 || !strstr(why->text, says))
        fail_msg("\"%s\" is not \"%s... %s\"", why->text, file, says);
}

static struct certificate_facts facts_of(struct world *w, const struct certificate *c, size_t i)
{
    struct certificate_facts facts;
    assert_int_equal(certificate_facts(c, i, &w->arena, &facts), 0);
    return facts;
}

static void a_ca_signs_itself(void **state)
{
    struct world *w = *state;
    assert_int_equal(certificate_count(w->ca_read), 1);
    struct certificate_facts facts = facts_of(w, w->ca_read, 0);
    assert_str(facts.subject, "CN=Test CA");
    assert_str(facts.issuer, "CN=Test CA");
    assert_int_equal(facts.name_count, 0);
    assert_true(facts.is_ca);
    assert_str(facts.key_type, "EC P-256");
    assert_int_equal(facts.key_bits, 256);
    assert_int_equal(facts.not_before_s, NOW - 3600);
    assert_int_equal(facts.not_after_s - facts.not_before_s, (int64_t)3652 * DAY);
    assert_int_equal(certificate_check_signed(w->ca_read, w->ca_read, NOW, &w->why), 0);
}

static void a_certificate_has_its_names(void **state)
{
    struct world *w = *state;
    static const enum certificate_name_kind kinds[] = {
        CERTIFICATE_DNS, CERTIFICATE_DNS, CERTIFICATE_IP, CERTIFICATE_IP, CERTIFICATE_URI};
    assert_int_equal(certificate_count(w->node_read), 2);
    struct certificate_facts facts = facts_of(w, w->node_read, 0);
    assert_str(facts.subject, "CN=node.example.org");
    assert_str(facts.issuer, "CN=Test CA");
    assert_false(facts.is_ca);
    assert_int_equal(facts.not_after_s - facts.not_before_s, 397 * DAY);
    assert_int_equal(facts.name_count, ARRAY_LEN(node_names));
    for (size_t i = 0; i < ARRAY_LEN(node_names); i++) {
        assert_int_equal(facts.names[i].kind, kinds[i]);
        assert_true(str_eq(facts.names[i].text, node_names[i]));
    }
    assert_str(facts_of(w, w->node_read, 1).subject, "CN=Test CA");
}

/* As the openssl program describes it. */
static void samples_are_described(void **state)
{
    struct world *w = *state;
    struct certificate *c = parsed(str_of(sample_rsa));
    struct certificate_facts facts = facts_of(w, c, 0);
    assert_str(facts.subject, "CN=weak.example.org,O=Gr\u00fcn\\, Rot & Co,C=DE");
    assert_str(facts.key_type, "RSA");
    assert_int_equal(facts.key_bits, 1024);
    assert_string_equal(facts.pin, "sha256:9hbDrDssRnu//tPB65ACFigRtOyw9sCsLHPIHa3C2Kg=");
    assert_int_equal(facts.not_before_s, NOW);
    assert_int_equal(facts.not_after_s, 4949357123);
    assert_int_equal(facts.name_count, 4); /* not the e-mail address */
    assert_str(facts.names[1].text, "spiffe://example.org/a");
    assert_str(facts.names[3].text, "fe80::1");
    certificate_free(c);
    c = parsed(str_of(sample_ed25519));
    facts = facts_of(w, c, 0);
    assert_str(facts.key_type, "ED25519");
    assert_string_equal(facts.pin, "sha256:ajhBYHhRHvLC/B2xQYzbeeFylkg6wecz7KfhNgO7x5g=");
    assert_int_equal(facts.name_count, 0);
    certificate_free(c);
}

static void names_decide_whom_it_is_for(void **state)
{
    struct world *w = *state;
    static const char *const good[] = {
        "node.example.org", "NODE.example.org",         "a.pool.example.org", "127.0.0.1", "::1",
        "0:0:0:0:0:0:0:1",  "spiffe://example.org/node"};
    static const char *const bad[] = {
        "",          "example.org", "a.b.pool.example.org",     "pool.example.org",
        "127.0.0.2", "::2",         "spiffe://example.org/nod", "spiffe://example.org/node/a",
        "Test CA"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        if (certificate_check_name(w->node_read, str_of(good[i]), &w->why))
            fail_msg("%s", w->why.text);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (certificate_check_name(w->node_read, str_of(bad[i]), &w->why) != ERR_INVALID)
            fail_msg("%s", bad[i]);
    assert_int_equal(certificate_check_name(w->node_read, STR("a"), &w->why), ERR_INVALID);
    assert_why(&w->why,
               "x.pem: ", "is not for a, but for node.example.org, *.pool.example.org, 127.0.0.1");
}

/* Clients have not looked at common names for years. */
static void a_common_name_is_no_name(void **state)
{
    struct world *w = *state;
    struct certificate *c = parsed(str_of(sample_ed25519));
    assert_int_equal(certificate_check_name(c, STR("ed"), &w->why), ERR_INVALID);
    assert_why(&w->why, "x.pem: ", "is not for ed, but for no name");
    certificate_free(c);
}

static void times_are_kept_to(void **state)
{
    struct world *w = *state;
    int64_t end = facts_of(w, w->node_read, 0).not_after_s;
    assert_int_equal(certificate_check_time(w->node_read, NOW - 3600, 0, &w->why), 0);
    assert_int_equal(certificate_check_time(w->node_read, end, 0, &w->why), 0);
    assert_int_equal(certificate_check_time(w->node_read, NOW, 396, &w->why), 0);
    assert_int_equal(certificate_check_time(w->node_read, NOW, 397, &w->why), ERR_INVALID);
    assert_why(&w->why, "x.pem: expires on 2027-12-29", "in 396 days");
    assert_int_equal(certificate_check_time(w->node_read, end + 1, 0, &w->why), ERR_INVALID);
    assert_why(&w->why, "x.pem: has expired on 2027-12-29", "1 second ago");
    assert_int_equal(certificate_check_time(w->node_read, NOW - 2 * DAY, 0, &w->why), ERR_INVALID);
    assert_why(&w->why, "x.pem: is not valid before 2026-11-27", "in 1 day");
    assert_int_equal(certificate_check_any(w->node_read, end + 1, &w->why), 0); /* the CA is */
    assert_int_equal(certificate_check_any(w->ca_read, NOW + (int64_t)4000 * DAY, &w->why),
                     ERR_INVALID);
    assert_why(&w->why, "x.pem: has expired on 2036-", "days ago");
}

static void the_whole_chain_has_its_time(void **state)
{
    struct world *w = *state;
    struct buf both;
    struct issued old;
    assert_int_equal(issue_ca(STR("old"), NOW - (int64_t)5000 * DAY, &old, &w->why), 0);
    buf_init(&both, 1 << 16);
    assert_int_equal(buf_append(&both, str_of(sample_ed25519)), 0);
    assert_int_equal(buf_append(&both, buf_str(&old.certificate)), 0);
    struct certificate *c = parsed(buf_str(&both));
    assert_int_equal(certificate_check_time(c, NOW, 0, &w->why), ERR_INVALID);
    assert_why(&w->why, "x.pem: certificate 2 has expired", "ago");
    certificate_free(c);
    issued_fini(&old);
    buf_fini(&both);
}

static void lasts_no_longer_than_its_ca(void **state)
{
    struct world *w = *state;
    struct issued made;
    int64_t end = facts_of(w, w->ca_read, 0).not_after_s;
    assert_int_equal(
        issue_certificate(w->ca_read, w->ca_key, node_names, 1, end - 10 * DAY, &made, &w->why), 0);
    struct certificate *c = parsed(buf_str(&made.certificate));
    assert_int_equal(facts_of(w, c, 0).not_after_s, end);
    certificate_free(c);
    issued_fini(&made);
}

static void only_a_valid_ca_signs(void **state)
{
    struct world *w = *state;
    struct issued made;
    int64_t end = facts_of(w, w->ca_read, 0).not_after_s;
    assert_int_equal(
        issue_certificate(w->node_read, w->node_key, node_names, 1, NOW, &made, &w->why),
        ERR_INVALID);
    assert_why(&w->why, "x.pem: is no CA", "");
    assert_int_equal(issue_certificate(w->ca_read, w->node_key, node_names, 1, NOW, &made, &w->why),
                     ERR_INVALID);
    assert_why(&w->why, "x.pem: the key in ", "x.key is not the key of this certificate");
    assert_int_equal(
        issue_certificate(w->ca_read, w->ca_key, node_names, 1, end + 1, &made, &w->why),
        ERR_INVALID);
    assert_why(&w->why, "x.pem: has expired", "");
}

static void signatures_are_verified(void **state)
{
    struct world *w = *state;
    struct issued other;
    int64_t end = facts_of(w, w->ca_read, 0).not_after_s;
    assert_int_equal(certificate_check_signed(w->node_read, w->ca_read, NOW, &w->why), 0);
    assert_int_equal(issue_ca(STR("Test CA"), NOW, &other, &w->why), 0); /* of the same name */
    struct certificate *ca = parsed(buf_str(&other.certificate));
    assert_int_equal(certificate_check_signed(w->node_read, ca, NOW, &w->why), ERR_INVALID);
    assert_why(&w->why, "x.pem: ", "is not verified by x.pem: ");
    assert_int_equal(certificate_check_signed(w->node_read, w->ca_read, end + 1, &w->why),
                     ERR_INVALID);
    assert_why(&w->why, "x.pem: has expired", "");
    certificate_free(ca);
    issued_fini(&other);
}

static void keys_belong_to_certificates(void **state)
{
    struct world *w = *state;
    assert_int_equal(certificate_check_key(w->node_read, w->node_key, &w->why), 0);
    assert_int_equal(certificate_check_key(w->node_read, w->ca_key, &w->why), ERR_INVALID);
    assert_why(&w->why, "x.pem: the key in ", "is not the key of this certificate");
}

static void weak_keys_are_told(void **state)
{
    struct world *w = *state;
    struct certificate *c = parsed(str_of(sample_rsa));
    assert_int_equal(certificate_check_strength(c, &w->why), ERR_INVALID);
    assert_why(&w->why, "x.pem: its key of 1024 bits is too weak", "");
    certificate_free(c);
    assert_int_equal(certificate_check_strength(w->node_read, &w->why), 0);
    c = parsed(str_of(sample_ed25519));
    assert_int_equal(certificate_check_strength(c, &w->why), 0);
    certificate_free(c);
}

static void one_file_may_hold_both(void **state)
{
    struct world *w = *state;
    struct buf both;
    struct certificate *c;
    struct certificate_key *key;
    buf_init(&both, 1 << 16);
    assert_int_equal(buf_append(&both, buf_str(&w->node.key)), 0);
    assert_int_equal(buf_append(&both, buf_str(&w->node.certificate)), 0);
    const char *path = put(w, "both.pem", buf_str(&both));
    assert_int_equal(certificate_read(path, &c, &w->why), 0);
    assert_int_equal(certificate_count(c), 2);
    assert_int_equal(certificate_key_read(path, &key, &w->why), 0);
    assert_int_equal(certificate_check_key(c, key, &w->why), 0);
    certificate_free(c);
    certificate_key_free(key);
    path = put(w, "parameters.key", str_of(sample_parameters));
    assert_int_equal(certificate_key_read(path, &key, &w->why), 0);
    certificate_key_free(key);
    buf_fini(&both);
}

/* Not that it is refused alone matters, but that people learn what to do. */
static void says_what_files_have_instead(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *text;
        const char *certificate; /* what is said where one is wanted */
        const char *key;
    } cases[] = {
        {"", "has no certificate in PEM form", "has no private key in PEM form"},
        {"hello\n", "has no certificate in PEM form", "has no private key in PEM form"},
        {"0\x82", "it may be DER", "it may be DER"},
        {sample_parameters, "it has a private key", NULL},
        {sample_passphrase, "it has a private key", "has a passphrase"},
        {sample_ed25519, NULL, "it has a certificate"},
        {"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
         "which a CA has yet to sign", "which a CA has yet to sign"},
        {"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
         "certificate 1 is broken: ", "it has a certificate"},
        {"-----BEGIN CERTIFICATE-----\nMIIBMDCB46ADAgECAhRvu26VBmCUDFjUQNhKFl24bm68oTAFBg\n",
         "certificate 1 is broken: ", "has no private key"},
        {"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "it has a private key",
         "its key is broken: "},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct certificate *c = NULL;
        struct certificate_key *key = NULL;
        const char *path = put(w, "odd.pem", str_of(cases[i].text));
        assert_int_equal(certificate_read(path, &c, &w->why) != 0, cases[i].certificate != NULL);
        if (cases[i].certificate) assert_why(&w->why, path, cases[i].certificate);
        assert_int_equal(certificate_key_read(path, &key, &w->why) != 0, cases[i].key != NULL);
        if (cases[i].key) assert_why(&w->why, path, cases[i].key);
        certificate_free(c);
        certificate_key_free(key);
    }
}

static void the_second_may_be_broken(void **state)
{
    struct world *w = *state;
    struct buf text;
    struct certificate *c = NULL;
    buf_init(&text, 1 << 16);
    assert_int_equal(buf_append(&text, str_of(sample_ed25519)), 0);
    assert_int_equal(buf_append(&text, str_sub(str_of(sample_ed25519), 0, 200)), 0);
    assert_int_equal(certificate_parse(buf_str(&text), "x.pem", &c, &w->why), ERR_INVALID);
    assert_why(&w->why, "x.pem: certificate 2 is broken: ", "");
    assert_null(c);
    buf_fini(&text);
}

static void says_why_files_cannot_be_read(void **state)
{
    struct world *w = *state;
    struct certificate *c;
    struct certificate_key *key;
    assert_int_equal(certificate_read(in_folder(w, "no.pem"), &c, &w->why), -ENOENT);
    assert_why(&w->why, in_folder(w, "no.pem"), ": cannot be read: No such file");
    assert_int_equal(certificate_read("/tmp", &c, &w->why), ERR_TYPE);
    assert_why(&w->why, "/tmp: cannot be read: ", "not a regular file");
    assert_int_equal(certificate_key_read("/dev/null", &key, &w->why), ERR_TYPE);
    assert_why(&w->why, "/dev/null: cannot be read: ", "not a regular file");
    const char *path = put(w, "large", STR(""));
    assert_int_equal(truncate(path, PEM_FILE_MAX + 1), 0);
    assert_int_equal(certificate_read(path, &c, &w->why), ERR_TOO_LARGE);
}

/* What a name has in it goes to terminals and logs. */
static void texts_have_no_controls(void **state)
{
    struct world *w = *state;
    static const struct str names[] = {STR_INIT("a\n\x1b[31mb"), STR_INIT("c\0d")};
    struct issued made;
    assert_int_equal(issue_certificate(w->ca_read, w->ca_key, names, 2, NOW, &made, &w->why), 0);
    struct certificate *c = parsed(buf_str(&made.certificate));
    struct certificate_facts facts = facts_of(w, c, 0);
    assert_str(facts.names[0].text, "a??[31mb");
    assert_str(facts.names[1].text, "c?d");
    assert_true(str_find_char(facts.subject, '\n') < 0);
    assert_int_equal(certificate_check_name(c, STR("c"), &w->why), ERR_INVALID);
    assert_null(strchr(w->why.text, '\x1b'));
    certificate_free(c);
    issued_fini(&made);
}

static void knows_possible_names(void **state)
{
    (void)state;
    static const char *const good[] = {"localhost", "a.b-c.d_e", "*.example.org",
                                       "10.0.0.1",  "::1",       "spiffe://example.org/a",
                                       "1"};
    static const char *const bad[] = {"",      ".",        "a..b", "a.",        "*",    "*.",
                                      "a.*.b", "a b",      "a:1",  "[::1]",     "://a", "spiffe://",
                                      "a\nb",  "\xc3\xbc", "a/b",  "http://a b"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        if (!issue_name_ok(str_of(good[i]))) fail_msg("%s", good[i]);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (issue_name_ok(str_of(bad[i]))) fail_msg("%s", bad[i]);
    assert_false(issue_name_ok(str_n("a\0b", 3)));
}

static void assert_file(const char *path, unsigned mode, const char *content)
{
    struct buf text;
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, mode);
    assert_int_equal(st.st_nlink, 1);
    assert_int_equal(pem_file_read(path, &text), 0);
    assert_str(buf_str(&text), content);
    pem_file_wipe(&text);
}

static void files_are_not_overwritten(void **state)
{
    struct world *w = *state;
    struct stat st;
    const char *path = in_folder(w, "file");
    mode_t old = umask(077);
    assert_int_equal(pem_file_write(path, STR("one"), 0644, false), 0);
    assert_file(path, 0644, "one");
    assert_int_equal(pem_file_write(path, STR("two"), 0600, false), -EEXIST);
    assert_file(path, 0644, "one");
    assert_int_equal(pem_file_write(path, STR("three"), 0600, true), 0);
    assert_file(path, 0600, "three");
    umask(old);
    assert_int_equal(pem_file_write(in_folder(w, "no/file"), STR(""), 0600, true), -ENOENT);
    char pipe[128], link[128];
    snprintf(pipe, sizeof pipe, "%s", in_folder(w, "pipe"));
    snprintf(link, sizeof link, "%s", in_folder(w, "link"));
    assert_int_equal(mkfifo(pipe, 0600) || symlink(pipe, link), 0);
    assert_int_equal(pem_file_write(pipe, STR("four"), 0600, true), ERR_TYPE);
    assert_int_equal(pem_file_write(link, STR("four"), 0600, true), ERR_TYPE);
    assert_true(lstat(pipe, &st) == 0 && S_ISFIFO(st.st_mode));
    assert_true(lstat(link, &st) == 0 && S_ISLNK(st.st_mode));
    assert_int_equal(unlink(pipe) || unlink(link), 0);
    assert_int_equal(unlink(in_folder(w, "file")), 0);
    assert_int_equal(unlink(in_folder(w, "x.key")), 0);
    assert_int_equal(rmdir(w->folder), 0); /* nothing is left behind */
    assert_int_equal(mkdir(w->folder, 0700), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_ca_signs_itself),
        TEST(a_certificate_has_its_names),
        TEST(samples_are_described),
        TEST(names_decide_whom_it_is_for),
        TEST(a_common_name_is_no_name),
        TEST(times_are_kept_to),
        TEST(the_whole_chain_has_its_time),
        TEST(lasts_no_longer_than_its_ca),
        TEST(only_a_valid_ca_signs),
        TEST(signatures_are_verified),
        TEST(keys_belong_to_certificates),
        TEST(weak_keys_are_told),
        TEST(one_file_may_hold_both),
        TEST(says_what_files_have_instead),
        TEST(the_second_may_be_broken),
        TEST(says_why_files_cannot_be_read),
        TEST(texts_have_no_controls),
        TEST(knows_possible_names),
        TEST(files_are_not_overwritten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
