/* SPDX-License-Identifier: Apache-2.0 */
/* What a certificate says, as texts. */
#include <arpa/inet.h>
#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509v3.h>

#include "base/err.h"
#include "transport/certificate_priv.h"

/* A copy on the arena without control characters. */
static struct str clean_dup(struct arena *a, struct str s)
{
    struct str copy = arena_try_dup(a, s);
    for (size_t i = 0; copy.ptr && i < copy.len; i++) {
        unsigned char c = (unsigned char)copy.ptr[i];
        if (c < ' ' || c == 0x7f) ((char *)(uintptr_t)copy.ptr)[i] = '?';
    }
    return copy;
}

/* names */

static int name_text(struct arena *a, const X509_NAME *name, struct str *out)
{
    static const unsigned long form = XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB;
    char *text;
    BIO *bio = BIO_new(BIO_s_mem());
    if (!bio) return -ENOMEM;
    int err = X509_NAME_print_ex(bio, name, 0, form) < 0 ? ERR_INVALID : 0;
    long len = BIO_get_mem_data(bio, &text);
    if (!err) *out = clean_dup(a, str_n(text, (size_t)len));
    if (!err && !out->ptr) err = -ENOMEM;
    BIO_free(bio);
    return err;
}

static struct str asn1_text(struct arena *a, const ASN1_STRING *s)
{
    const char *bytes = (const char *)ASN1_STRING_get0_data(s);
    return clean_dup(a, str_n(bytes, (size_t)ASN1_STRING_length(s)));
}

static struct str address_text(struct arena *a, const ASN1_OCTET_STRING *ip)
{
    char text[INET6_ADDRSTRLEN];
    int length = ASN1_STRING_length(ip);
    int family = length == 4 ? AF_INET : AF_INET6;
    if (length != 4 && length != 16) return arena_try_dup(a, STR("?"));
    if (!inet_ntop(family, ASN1_STRING_get0_data(ip), text, sizeof text)) return STR_NULL;
    return arena_try_dup(a, str_of(text));
}

/* False: a kind of name that servers and clients do not go by, such as an e-mail address. */
static bool alternative_name(struct arena *a, const GENERAL_NAME *name,
                             struct certificate_name *out)
{
    switch (name->type) {
    case GEN_DNS:
        *out = (struct certificate_name){CERTIFICATE_DNS, asn1_text(a, name->d.dNSName)};
        return true;
    case GEN_URI:
        *out = (struct certificate_name){CERTIFICATE_URI,
                                         asn1_text(a, name->d.uniformResourceIdentifier)};
        return true;
    case GEN_IPADD:
        *out = (struct certificate_name){CERTIFICATE_IP, address_text(a, name->d.iPAddress)};
        return true;
    default: return false;
    }
}

static int copy_names(struct arena *a, const GENERAL_NAMES *all, struct certificate_facts *out)
{
    int count = sk_GENERAL_NAME_num(all);
    struct certificate_name *names = arena_try_zero(a, (size_t)MAX(count, 1) * sizeof *names);
    if (!names) return -ENOMEM;
    out->names = names;
    for (int i = 0; i < count; i++) {
        struct certificate_name *name = &names[out->name_count];
        if (!alternative_name(a, sk_GENERAL_NAME_value(all, i), name)) continue;
        if (!name->text.ptr) return -ENOMEM;
        out->name_count++;
    }
    return 0;
}

static int names(struct arena *a, const X509 *x, struct certificate_facts *out)
{
    int found;
    GENERAL_NAMES *all = X509_get_ext_d2i(x, NID_subject_alt_name, &found, NULL);
    if (!all) return found == -1 ? 0 : ERR_INVALID; /* -1: it has none */
    int err = copy_names(a, all, out);
    GENERAL_NAMES_free(all);
    return err;
}

/* the key */

static struct str curve_name(struct arena *a, const EVP_PKEY *key)
{
    char group[64];
    if (EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof group,
                                       NULL) != 1)
        return STR("EC");
    const char *nist = EC_curve_nid2nist(OBJ_sn2nid(group));
    return clean_dup(a, str_of(nist ? nist : group));
}

static int key_facts(struct arena *a, const X509 *x, struct certificate_facts *out)
{
    const EVP_PKEY *key = X509_get0_pubkey(x);
    const char *type = key ? EVP_PKEY_get0_type_name(key) : NULL;
    out->key_type = STR("unknown");
    if (!type) return 0;
    out->key_bits = (unsigned)MAX(EVP_PKEY_get_bits(key), 0);
    out->key_type = EVP_PKEY_is_a(key, "EC") ? arena_try_cat(a, STR("EC "), curve_name(a, key))
                                             : clean_dup(a, str_of(type));
    return out->key_type.ptr ? 0 : -ENOMEM;
}

int certificate__key_digest(const X509 *x, unsigned char digest[PIN_SIZE])
{
    unsigned char *key = NULL;
    int length = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &key);
    if (length <= 0) return ERR_INVALID;
    int done = EVP_Digest(key, (size_t)length, digest, NULL, EVP_sha256(), NULL);
    OPENSSL_free(key);
    return done == 1 ? 0 : -ENOMEM;
}

static int pin(const X509 *x, char text[PIN_TEXT_SIZE])
{
    unsigned char digest[PIN_SIZE];
    int err = certificate__key_digest(x, digest);
    if (!err) pin_write(digest, text);
    return err;
}

int certificate_facts(const struct certificate *c, size_t i, struct arena *arena,
                      struct certificate_facts *out)
{
    X509 *x = sk_X509_value(c->chain, (int)i);
    struct certificate_facts facts = {0};
    assert(x);
    if (!certificate__seconds(X509_get0_notBefore(x), &facts.not_before_s) ||
        !certificate__seconds(X509_get0_notAfter(x), &facts.not_after_s))
        return ERR_INVALID;
    facts.is_ca = (X509_get_extension_flags(x) & EXFLAG_CA) != 0;
    int err = name_text(arena, X509_get_subject_name(x), &facts.subject);
    if (!err) err = name_text(arena, X509_get_issuer_name(x), &facts.issuer);
    if (!err) err = names(arena, x, &facts);
    if (!err) err = key_facts(arena, x, &facts);
    if (!err) err = pin(x, facts.pin);
    if (!err) *out = facts;
    return err;
}
