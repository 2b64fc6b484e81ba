/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates and keys out of their files. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/err.h"
#include "base/mem.h"
#include "transport/certificate_priv.h"
#include "transport/pem_file.h"

/* saying why */

int certificate__refuse(struct certificate_why *why, const char *path, const char *fmt, ...)
{
    va_list args;
    int n = snprintf(why->text, sizeof why->text, "%s: ", path);
    size_t at = MIN((size_t)MAX(n, 0), sizeof why->text - 1);
    va_start(args, fmt);
    vsnprintf(why->text + at, sizeof why->text - at, fmt, args);
    va_end(args);
    for (char *c = why->text; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f) *c = '?';
    return ERR_INVALID;
}

const char *certificate__openssl_reason(void)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    ERR_clear_error();
    return reason ? reason : "unknown error";
}

static int refuse_memory(struct certificate_why *why, const char *path)
{
    ERR_clear_error();
    certificate__refuse(why, path, "%s", err_text(-ENOMEM));
    return -ENOMEM;
}

/* files */

static int read_file(const char *path, struct buf *text, struct certificate_why *why)
{
    int err = pem_file_read(path, text);
    if (!err) return 0;
    certificate__refuse(why, path, "cannot be read: %s",
                        err == ERR_TYPE ? "not a regular file" : err_text(err));
    return err;
}

/* Nobody is asked. `met` is told that a passphrase is wanted. */
static int no_passphrase(char *room UNUSED, int size UNUSED, int writing UNUSED, void *met)
{
    if (met) *(bool *)met = true;
    return -1;
}

/* What is in the file in place of what is wanted. */
static const char *hint(struct str text)
{
    if (str_find(text, STR("-----BEGIN CERTIFICATE REQUEST")) >= 0)
        return "; it is a request, which a CA has yet to sign";
    if (str_find(text, STR("PRIVATE KEY-----")) >= 0) return "; it has a private key";
    if (str_find(text, STR("-----BEGIN CERTIFICATE-----")) >= 0) return "; it has a certificate";
    if (text.len > 1 && text.ptr[0] == 0x30)
        return "; it may be DER: `openssl x509 -inform DER -in FILE` makes PEM of it";
    return "";
}

/* True when the text has ended; otherwise something in it is broken. */
static bool at_end(void)
{
    unsigned long code = ERR_peek_last_error();
    return ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
}

static bool out_of_memory(void)
{
    return ERR_GET_REASON(ERR_peek_last_error()) == ERR_R_MALLOC_FAILURE;
}

/* certificates */

static int parse_next(struct certificate *c, BIO *text, bool *more)
{
    X509 *x = PEM_read_bio_X509(text, NULL, no_passphrase, NULL);
    *more = x != NULL;
    if (!x) return 0;
    if (sk_X509_push(c->chain, x) > 0) return 0;
    X509_free(x);
    return -ENOMEM;
}

static int parse_all(struct certificate *c, struct str pem, struct certificate_why *why)
{
    BIO *text = BIO_new_mem_buf(pem.len ? pem.ptr : "", (int)pem.len);
    bool more = true;
    int err = text ? 0 : -ENOMEM;
    while (!err && more)
        err = parse_next(c, text, &more);
    BIO_free(text);
    if (err || (!at_end() && out_of_memory())) return refuse_memory(why, c->path);
    size_t count = certificate_count(c);
    if (!at_end())
        return certificate__refuse(why, c->path, "certificate %zu is broken: %s", count + 1,
                                   certificate__openssl_reason());
    ERR_clear_error();
    if (count > 0) return 0;
    return certificate__refuse(why, c->path, "has no certificate in PEM form%s", hint(pem));
}

int certificate_parse(struct str pem, const char *path, struct certificate **out,
                      struct certificate_why *why)
{
    struct certificate *c = mem_try_zero(1, sizeof *c);
    ERR_clear_error();
    if (!c) return refuse_memory(why, path);
    c->path = str_try_dup(str_of(path));
    c->chain = sk_X509_new_null();
    int err = c->path && c->chain ? parse_all(c, pem, why) : refuse_memory(why, path);
    if (err)
        certificate_free(c);
    else
        *out = c;
    return err;
}

int certificate_read(const char *path, struct certificate **out, struct certificate_why *why)
{
    struct buf text;
    int err = read_file(path, &text, why);
    if (!err) err = certificate_parse(buf_str(&text), path, out, why);
    pem_file_wipe(&text);
    return err;
}

void certificate_free(struct certificate *c)
{
    if (!c) return;
    sk_X509_pop_free(c->chain, X509_free);
    free(c->path);
    free(c);
}

size_t certificate_count(const struct certificate *c)
{
    return (size_t)sk_X509_num(c->chain);
}

/* keys */

static int parse_key(struct certificate_key *key, struct str pem, struct certificate_why *why)
{
    bool passphrase = false;
    BIO *text = BIO_new_mem_buf(pem.len ? pem.ptr : "", (int)pem.len);
    if (text) key->pkey = PEM_read_bio_PrivateKey(text, NULL, no_passphrase, &passphrase);
    BIO_free(text);
    if (!text || (!key->pkey && out_of_memory())) return refuse_memory(why, key->path);
    const char *reason = certificate__openssl_reason();
    if (key->pkey) return 0;
    if (passphrase)
        return certificate__refuse(
            why, key->path,
            "its key has a passphrase: `openssl pkey -in FILE -out NEW` takes it off");
    if (str_find(pem, STR("PRIVATE KEY-----")) < 0)
        return certificate__refuse(why, key->path, "has no private key in PEM form%s", hint(pem));
    return certificate__refuse(why, key->path, "its key is broken: %s", reason);
}

int certificate_key_read(const char *path, struct certificate_key **out,
                         struct certificate_why *why)
{
    struct buf text = {0};
    struct certificate_key *key = mem_try_zero(1, sizeof *key);
    ERR_clear_error();
    if (!key) return refuse_memory(why, path);
    key->path = str_try_dup(str_of(path));
    int err = key->path ? read_file(path, &text, why) : refuse_memory(why, path);
    if (!err) err = parse_key(key, buf_str(&text), why);
    pem_file_wipe(&text);
    if (err)
        certificate_key_free(key);
    else
        *out = key;
    return err;
}

void certificate_key_free(struct certificate_key *key)
{
    if (!key) return;
    EVP_PKEY_free(key->pkey);
    free(key->path);
    free(key);
}

bool certificate__seconds(const ASN1_TIME *time, int64_t *seconds)
{
    struct tm tm;
    if (!time || ASN1_TIME_to_tm(time, &tm) != 1) return false;
    *seconds = timegm(&tm);
    return true;
}
