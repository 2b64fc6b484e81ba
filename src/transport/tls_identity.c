/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates and keys out of files, and what a certificate says. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "transport/certificate_priv.h"
#include "transport/tls_priv.h"

/* Paths come from the configuration, whose strings have a terminator; others are cut. */
static const char *path_of(struct str file, char room[4096])
{
    (void)snprintf(room, 4096, "%" STR_FMT, STR_ARG(file));
    return room;
}

int tls__fault(char why[TLS_WHY_ROOM], struct str file, const char *what)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = NULL;
    if (code && ERR_SYSTEM_ERROR(code))
        reason = strerror(ERR_GET_REASON(code));
    else if (code)
        reason = ERR_reason_error_string(code);
    (void)snprintf(why, TLS_WHY_ROOM, "%" STR_FMT ": %s%s%s", STR_ARG(file), what,
                   reason ? ": " : "", reason ? reason : "");
    ERR_clear_error();
    return ERR_INVALID;
}

int tls__use_identity(SSL_CTX *ctx, const struct tls_identity *identity, int64_t *expires,
                      char why[TLS_WHY_ROOM])
{
    char path[4096];
    ERR_clear_error();
    if (SSL_CTX_use_certificate_chain_file(ctx, path_of(identity->certificate, path)) != 1)
        return tls__fault(why, identity->certificate, "no certificate can be read");
    struct str key = identity->key.len ? identity->key : identity->certificate;
    if (SSL_CTX_use_PrivateKey_file(ctx, path_of(key, path), SSL_FILETYPE_PEM) != 1) {
        bool differs = ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_VALUES_MISMATCH;
        if (!differs) return tls__fault(why, key, "no key can be read");
        ERR_clear_error();
        return tls__fault(why, key, "the key does not fit the certificate");
    }
    const X509 *certificate = SSL_CTX_get0_certificate(ctx);
    if (X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0)
        return tls__fault(why, identity->certificate, "the certificate has expired");
    int64_t until;
    if (!certificate__seconds(X509_get0_notAfter(certificate), &until)) until = 0;
    if (*expires == 0 || until < *expires) *expires = until;
    return 0;
}

int tls__trust(SSL_CTX *ctx, struct str file, bool server, char why[TLS_WHY_ROOM])
{
    char path[4096];
    ERR_clear_error();
    path_of(file, path);
    if (SSL_CTX_load_verify_file(ctx, path) != 1)
        return tls__fault(why, file, "no certificate authority can be read");
    if (!server) return 0;
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(path);
    if (!names) return tls__fault(why, file, "no certificate authority can be read");
    SSL_CTX_set_client_CA_list(ctx, names);
    return 0;
}

static bool spiffe_id(const X509 *certificate, char *out, size_t room)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    bool found = false;
    for (int i = 0; i < sk_GENERAL_NAME_num(names) && !found; i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type != GEN_URI) continue;
        struct str uri =
            str_n((const char *)ASN1_STRING_get0_data(name->d.uniformResourceIdentifier),
                  (size_t)ASN1_STRING_length(name->d.uniformResourceIdentifier));
        found = str_starts(uri, STR("spiffe://"));
        if (found) (void)snprintf(out, room, "%" STR_FMT, STR_ARG(uri));
    }
    GENERAL_NAMES_free(names);
    return found;
}

void tls__peer_name(const X509 *certificate, char *out, size_t room)
{
    out[0] = '\0';
    if (spiffe_id(certificate, out, room)) return;
    BIO *text = BIO_new(BIO_s_mem());
    if (!text) return;
    X509_NAME_print_ex(text, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253);
    int n = BIO_read(text, out, (int)room - 1);
    out[n > 0 ? n : 0] = '\0';
    BIO_free(text);
}
