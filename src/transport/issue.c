/* SPDX-License-Identifier: Apache-2.0 */
#include "transport/issue.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/err.h"
#include "transport/certificate_priv.h"
#include "transport/pem_file.h"

enum { TEXT_MAX = 1 << 20, SECONDS_PER_DAY = 86400, SERIAL_BITS = 127 };

void issued_fini(struct issued *made)
{
    buf_fini(&made->certificate);
    pem_file_wipe(&made->key);
}

/* names */

static bool is_uri(struct str name)
{
    ptrdiff_t colon = str_find(name, STR("://"));
    if (colon <= 0 || (size_t)colon + 3 == name.len) return false;
    for (size_t i = 0; i < name.len; i++)
        if (name.ptr[i] <= ' ' || name.ptr[i] >= 0x7f) return false;
    return true;
}

/* Writes the address's bytes. Their number, or 0: it is none. */
static int address_of(struct str name, unsigned char bytes[16])
{
    char text[INET6_ADDRSTRLEN];
    if (name.len >= sizeof text) return 0;
    memcpy(text, name.ptr, name.len);
    text[name.len] = '\0';
    if (inet_pton(AF_INET, text, bytes) == 1) return 4;
    return inet_pton(AF_INET6, text, bytes) == 1 ? 16 : 0;
}

static bool label_ok(struct str label)
{
    if (label.len == 0 || label.len > 63) return false;
    for (size_t i = 0; i < label.len; i++) {
        char c = label.ptr[i];
        bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!word && c != '-' && c != '_') return false;
    }
    return true;
}

static bool is_host(struct str name)
{
    struct str label;
    if (name.len > 253) return false;
    if (str_starts(name, STR("*."))) name = str_skip(name, 2);
    if (name.len == 0) return false;
    while (str_cut(&name, '.', &label))
        if (!label_ok(label)) return false;
    return true;
}

bool issue_name_ok(struct str name)
{
    unsigned char bytes[16];
    if (name.len == 0 || memchr(name.ptr, '\0', name.len)) return false;
    return address_of(name, bytes) || is_uri(name) || is_host(name);
}

/* subjectAltName */

/* An ASN.1 string of the name, and which kind it is. NULL: there is no memory. */
static ASN1_STRING *alternative_value(struct str name, int *kind)
{
    unsigned char bytes[16];
    int length = address_of(name, bytes);
    ASN1_STRING *value = ASN1_STRING_type_new(length ? V_ASN1_OCTET_STRING : V_ASN1_IA5STRING);
    *kind = length ? GEN_IPADD : is_uri(name) ? GEN_URI : GEN_DNS;
    const void *data = length ? (const void *)bytes : name.ptr;
    if (value && ASN1_STRING_set(value, data, length ? length : (int)name.len) == 1) return value;
    ASN1_STRING_free(value);
    return NULL;
}

static bool add_alternative(GENERAL_NAMES *all, struct str text)
{
    int kind;
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_STRING *value = alternative_value(text, &kind);
    if (!name || !value) {
        GENERAL_NAME_free(name);
        ASN1_STRING_free(value);
        return false;
    }
    GENERAL_NAME_set0_value(name, kind, value);
    if (sk_GENERAL_NAME_push(all, name) > 0) return true;
    GENERAL_NAME_free(name);
    return false;
}

static bool add_alternatives(X509 *x, const struct str *names, size_t count)
{
    GENERAL_NAMES *all = sk_GENERAL_NAME_new_null();
    bool ok = all != NULL;
    for (size_t i = 0; i < count && ok; i++)
        ok = add_alternative(all, names[i]);
    ok = ok && X509_add1_ext_i2d(x, NID_subject_alt_name, all, 0, X509V3_ADD_DEFAULT) == 1;
    GENERAL_NAMES_free(all);
    return ok;
}

/* other parts */

static bool set_serial(X509 *x)
{
    BIGNUM *number = BN_new();
    bool ok = number && BN_rand(number, SERIAL_BITS, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
              BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x));
    BN_free(number);
    return ok;
}

static bool set_subject(X509 *x, struct str common_name)
{
    struct str name = str_sub(common_name, 0, ISSUE_COMMON_NAME_MAX);
    return X509_NAME_add_entry_by_NID(X509_get_subject_name(x), NID_commonName, MBSTRING_UTF8,
                                      (const unsigned char *)name.ptr, (int)name.len, -1, 0) == 1;
}

static bool set_times(X509 *x, int64_t from_s, int64_t to_s)
{
    return ASN1_TIME_set(X509_getm_notBefore(x), (time_t)from_s) &&
           ASN1_TIME_set(X509_getm_notAfter(x), (time_t)to_s);
}

struct extension {
    int nid;
    const char *value;
};

static bool add_extensions(X509 *x, X509 *issuer, const struct extension *rows, size_t count)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, x, NULL, NULL, 0);
    for (size_t i = 0; i < count; i++) {
        X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &context, rows[i].nid, rows[i].value);
        bool ok = e && X509_add_ext(x, e, -1) == 1;
        X509_EXTENSION_free(e);
        if (!ok) return false;
    }
    return true;
}

/* A certificate of version 3 for `key`, without names, times and signature. */
static X509 *begin(EVP_PKEY *key)
{
    X509 *x = X509_new();
    if (x && X509_set_version(x, X509_VERSION_3) == 1 && set_serial(x) &&
        X509_set_pubkey(x, key) == 1)
        return x;
    X509_free(x);
    return NULL;
}

/* PEM text */

static int take(BIO *bio, struct buf *out)
{
    char *text;
    long length = BIO_get_mem_data(bio, &text);
    return buf_append(out, str_n(text, (size_t)length));
}

static int write_certificates(const X509 *first, const struct certificate *ca, struct buf *out)
{
    BIO *bio = BIO_new(BIO_s_mem());
    bool ok = bio && PEM_write_bio_X509(bio, first) == 1;
    for (int i = 0; ca && i < sk_X509_num(ca->chain) && ok; i++)
        ok = PEM_write_bio_X509(bio, sk_X509_value(ca->chain, i)) == 1;
    int err = ok ? take(bio, out) : -ENOMEM;
    BIO_free(bio);
    return err;
}

static int write_key(const EVP_PKEY *key, struct buf *out)
{
    BIO *bio = BIO_new(BIO_s_mem());
    bool ok = bio && PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1;
    int err = ok ? take(bio, out) : -ENOMEM;
    BIO_free(bio); /* overwrites what it held */
    return err;
}

static int write_pair(const X509 *x, const struct certificate *ca, const EVP_PKEY *key,
                      struct issued *made)
{
    buf_init(&made->certificate, TEXT_MAX);
    buf_init(&made->key, TEXT_MAX);
    int err = write_certificates(x, ca, &made->certificate);
    if (!err) err = write_key(key, &made->key);
    if (err) issued_fini(made);
    return err;
}

/* The name stands in the message in place of a file. */
static int refuse_openssl(struct certificate_why *why, const char *what)
{
    return certificate__refuse(why, what, "cannot be made: %s", certificate__openssl_reason());
}

/* the CA */

static bool fill_ca(X509 *x, EVP_PKEY *key, struct str common_name, int64_t now_s)
{
    static const struct extension extensions[] = {
        {NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
        {NID_key_usage, "critical,keyCertSign,cRLSign"},
        {NID_subject_key_identifier, "hash"},
    };
    int64_t from = now_s - ISSUE_BACKDATED_S;
    return set_subject(x, common_name) && X509_set_issuer_name(x, X509_get_subject_name(x)) == 1 &&
           set_times(x, from, from + (int64_t)ISSUE_CA_DAYS * SECONDS_PER_DAY) &&
           add_extensions(x, x, extensions, ARRAY_LEN(extensions)) &&
           X509_sign(x, key, EVP_sha256()) > 0;
}

int issue_ca(struct str common_name, int64_t now_s, struct issued *made,
             struct certificate_why *why)
{
    ERR_clear_error();
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = key ? begin(key) : NULL;
    int err = x && fill_ca(x, key, common_name, now_s) ? write_pair(x, NULL, key, made)
                                                       : refuse_openssl(why, "the CA");
    X509_free(x);
    EVP_PKEY_free(key);
    return err;
}

/* a certificate */

static struct str common_name_of(const struct str *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (names[i].len <= ISSUE_COMMON_NAME_MAX && !is_uri(names[i])) return names[i];
    return STR("hostler");
}

static bool fill(X509 *x, const struct certificate *ca, const struct certificate_key *ca_key,
                 const struct str *names, size_t count, int64_t now_s)
{
    static const struct extension extensions[] = {
        {NID_basic_constraints, "critical,CA:FALSE"}, {NID_key_usage, "critical,digitalSignature"},
        {NID_ext_key_usage, "serverAuth,clientAuth"}, {NID_subject_key_identifier, "hash"},
        {NID_authority_key_identifier, "keyid"},
    };
    X509 *issuer = sk_X509_value(ca->chain, 0);
    int64_t from = now_s - ISSUE_BACKDATED_S, to = from + (int64_t)ISSUE_DAYS * SECONDS_PER_DAY;
    int64_t last;
    if (!certificate__seconds(X509_get0_notAfter(issuer), &last)) return false;
    return set_subject(x, common_name_of(names, count)) &&
           X509_set_issuer_name(x, X509_get_subject_name(issuer)) == 1 &&
           set_times(x, from, MIN(to, last)) &&
           add_extensions(x, issuer, extensions, ARRAY_LEN(extensions)) &&
           add_alternatives(x, names, count) && X509_sign(x, ca_key->pkey, EVP_sha256()) > 0;
}

static int check_ca(const struct certificate *ca, const struct certificate_key *key, int64_t now_s,
                    struct certificate_why *why)
{
    X509 *x = sk_X509_value(ca->chain, 0);
    if (!(X509_get_extension_flags(x) & EXFLAG_CA))
        return certificate__refuse(why, ca->path, "is no CA: it may not sign certificates");
    int err = certificate_check_time(ca, now_s, 0, why);
    return err ? err : certificate_check_key(ca, key, why);
}

int issue_certificate(const struct certificate *ca, const struct certificate_key *ca_key,
                      const struct str *names, size_t name_count, int64_t now_s,
                      struct issued *made, struct certificate_why *why)
{
    int err = check_ca(ca, ca_key, now_s, why);
    if (err) return err;
    ERR_clear_error();
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = key ? begin(key) : NULL;
    err = x && fill(x, ca, ca_key, names, name_count, now_s)
              ? write_pair(x, ca, key, made)
              : refuse_openssl(why, "the certificate");
    X509_free(x);
    EVP_PKEY_free(key);
    return err;
}
