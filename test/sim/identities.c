/* SPDX-License-Identifier: Apache-2.0 */
#include "identities.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "transport/certificate.h"
#include "transport/issue.h"
#include "transport/pem_file.h"

enum { DAY_S = 24 * 60 * 60, PATH_ROOM = IDENTITIES_PATH };

static NORETURN void cannot(const char *what, const char *why)
{
    fprintf(stderr, "identities.c: %s: %s\n", what, why);
    abort();
}

static void path_of(const struct identities *all, const char *name, const char *end,
                    char out[PATH_ROOM])
{
    (void)snprintf(out, PATH_ROOM, "%s/%s.%s", all->folder, name, end);
}

static void write_file(const char *path, const struct buf *text)
{
    if (pem_file_write(path, buf_str(text), 0600, true)) cannot("write", path);
}

static void make_authority(struct identities *all, const char *name, int64_t now_s,
                           char certificate[PATH_ROOM])
{
    char key[PATH_ROOM];
    struct issued made;
    struct certificate_why why;
    path_of(all, name, "pem", certificate);
    path_of(all, name, "key", key);
    if (issue_ca(str_of(name), now_s, &made, &why)) cannot("issue_ca", why.text);
    write_file(certificate, &made.certificate);
    write_file(key, &made.key);
    issued_fini(&made);
}

void identities_init(struct identities *all)
{
    (void)snprintf(all->folder, sizeof all->folder, "/tmp/hostler-identities-XXXXXX");
    if (!mkdtemp(all->folder)) cannot("mkdtemp", all->folder);
    make_authority(all, "ca", time(NULL), all->ca);
    make_authority(all, "stranger", time(NULL), all->stranger);
}

void identities_fini(struct identities *all)
{
    DIR *folder = opendir(all->folder);
    struct dirent *entry;
    char path[PATH_ROOM + sizeof entry->d_name];
    while (folder && (entry = readdir(folder))) {
        (void)snprintf(path, sizeof path, "%s/%s", all->folder, entry->d_name);
        (void)unlink(path);
    }
    if (folder) closedir(folder);
    (void)rmdir(all->folder);
}

static void key_path(const char *certificate, char out[PATH_ROOM])
{
    (void)snprintf(out, PATH_ROOM, "%.*skey", (int)strlen(certificate) - 3, certificate);
}

void identity_make(struct identities *all, const char *ca, const char *name, const char *host,
                   struct identity *out)
{
    char ca_key[PATH_ROOM];
    struct certificate *authority;
    struct certificate_key *key;
    struct certificate_why why;
    struct issued made;
    const struct str names[] = {str_of(host)};
    key_path(ca, ca_key);
    if (certificate_read(ca, &authority, &why) || certificate_key_read(ca_key, &key, &why))
        cannot("read", why.text);
    if (issue_certificate(authority, key, names, ARRAY_LEN(names), time(NULL), &made, &why))
        cannot("issue_certificate", why.text);
    path_of(all, name, "pem", out->certificate);
    path_of(all, name, "key", out->key);
    write_file(out->certificate, &made.certificate);
    write_file(out->key, &made.key);
    issued_fini(&made);
    certificate_key_free(key);
    certificate_free(authority);
}

void identity_make_dying(struct identities *all, unsigned seconds, const char *name,
                         const char *host, struct identity *out)
{
    char ca_name[50], ca[PATH_ROOM];
    (void)snprintf(ca_name, sizeof ca_name, "%s-ca", name);
    int64_t lived = (int64_t)ISSUE_CA_DAYS * DAY_S - ISSUE_BACKDATED_S;
    make_authority(all, ca_name, time(NULL) - lived + seconds, ca);
    identity_make(all, ca, name, host, out);
}

void identity_pin(const struct identity *identity, char out[64])
{
    struct certificate *certificate;
    struct certificate_why why;
    struct certificate_facts facts;
    struct arena arena;
    arena_init(&arena, SIZE_MAX, 1024);
    if (certificate_read(identity->certificate, &certificate, &why)) cannot("read", why.text);
    if (certificate_facts(certificate, 0, &arena, &facts)) cannot("facts", identity->certificate);
    (void)snprintf(out, 64, "%s", facts.pin);
    certificate_free(certificate);
    arena_fini(&arena);
}

struct tls_context *context_make(const struct tls_settings *settings)
{
    struct tls_context *c;
    char why[TLS_WHY_ROOM] = "";
    if (tls_context_new(settings, &c, why)) cannot("tls_context_new", why);
    return c;
}

struct tls_context *context_server(const struct identity *identity)
{
    const struct tls_identity one = {str_of(identity->certificate), str_of(identity->key)};
    return context_make(
        &(struct tls_settings){.server = true, .identities = &one, .identity_count = 1});
}

struct tls_context *context_client(const char *ca)
{
    return context_make(&(struct tls_settings){.ca = str_of(ca)});
}
