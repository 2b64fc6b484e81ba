/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of `tls`, of listeners and of endpoints. */
#include "conf/schema_rows.h"

static_assert(sizeof(enum conf_client) == sizeof(unsigned), "CONF_ENUM writes an unsigned");

static const char *const client_words[] = {
    [CONF_CLIENT_OFF] = "off",
    [CONF_CLIENT_OPTIONAL] = "optional",
    [CONF_CLIENT_REQUIRED] = "required",
    NULL,
};

/* A row reads best as few lines of its own choice. */
/* clang-format off */

#define PEM_FILE(owner, field) \
    .type = CONF_TEXT, ROW(owner, field), .max = TEXT_MAX_BYTES, .flags = CONF_PATH

/* listen[].tls.certificates[] */
static const struct conf_row certificate_rows[] = {
    {.name = "certificate", .type = CONF_TEXT, ROW(conf_certificate, certificate), .max = TEXT_MAX_BYTES,
     .flags = CONF_PATH | CONF_REQUIRED, .wanted = "a PEM file",
     .doc = "PEM file, as `tls.certificate`."},
    {.name = "key", PEM_FILE(conf_certificate, key), .implied = "in the certificate's file",
     .doc = "PEM file with its private key."},
};

static const struct conf_group certificates_group = {
    .name = "listen[].tls.certificates[]",
    .size = sizeof(struct conf_certificate),
    GROUP_ROWS(certificate_rows),
    .doc = "Certificates for several names at one address. A client sees the one that fits the name it asks for (SNI), "
           "and where none does the first: `tls.certificate`, or the first of these.",
    .example = "listen:\n"
               "  - address: 127.0.0.1:8443\n"
               "    tls:\n"
               "      certificates:\n"
               "        - { certificate: tls/a.example.org.pem, key: tls/a.example.org.key }\n"
               "        - { certificate: tls/b.example.org.pem, key: tls/b.example.org.key }\n",
};

/* listen[].tls */
static const struct conf_row listen_tls_rows[] = {
    {.name = "certificate", PEM_FILE(conf_listen_tls, certificate), .implied = "`certificates` are needed",
     .doc = "PEM file with the certificate that clients see and, behind it, those of the CAs between it and the one "
            "that clients trust. A relative path starts at the folder of this configuration file."},
    {.name = "key", PEM_FILE(conf_listen_tls, key), .implied = "in the certificate's file",
     .doc = "PEM file with its private key, without a passphrase."},
    {.name = "certificates", .type = CONF_LIST, ROWS(conf_listen_tls, certificates, certificate_count),
     .max = 1000, .group = &certificates_group, .implied = "`certificate` is the only one",
     .doc = "More of them, for other names, see below."},
    {.name = "client_ca", PEM_FILE(conf_listen_tls, client_ca), .implied = "needed where `client` is not `off`",
     .doc = "PEM file with the certificates of the CAs that sign clients' certificates."},
    {.name = "client", .type = CONF_ENUM, ROW(conf_listen_tls, client), .words = client_words,
     .standard = "off",
     .doc = "Whether clients show a certificate of their own: nobody is asked, whoever has one shows it, or nobody gets in "
            "without. One that `client_ca` has not signed is refused in either case."},
};

const struct conf_group conf__listen_tls = {
    .name = "listen[].tls",
    .size = sizeof(struct conf_listen_tls),
    GROUP_ROWS(listen_tls_rows),
    .doc = "TLS for clients. `hostler cert init DIR` makes certificates to begin with; `docs/tls.md` tells more.",
    .example = "listen:\n"
               "  - 127.0.0.1:8080\n"
               "  - address: :8443\n"
               "    tls: { certificate: tls/node.pem, key: tls/node.key, client_ca: tls/ca.pem, client: required }\n",
};

/* models[].endpoints[].tls */
static const struct conf_row endpoint_tls_rows[] = {
    {.name = "ca", PEM_FILE(conf_endpoint_tls, ca), .implied = "those that the system trusts",
     .doc = "PEM file with the certificates of the CAs that may have signed the runtime's certificate."},
    {.name = "certificate", PEM_FILE(conf_endpoint_tls, certificate), .implied = "none is shown",
     .doc = "PEM file with the certificate by which Hostler shows who it is, and those of the CAs above it."},
    {.name = "key", PEM_FILE(conf_endpoint_tls, key), .implied = "in the certificate's file",
     .doc = "PEM file with its private key, without a passphrase."},
    {.name = "verify", .type = CONF_BOOL, ROW(conf_endpoint_tls, verify), .standard = "true",
     .doc = "Whether the runtime's certificate is checked: signed by a CA as above, valid now, for the right name. "
            "Without that, whoever is between can read and change everything, unless `pins` say whose key it is."},
    {.name = "server_name", .type = CONF_TEXT, ROW(conf_endpoint_tls, server_name), .max = NAME_MAX_BYTES,
     .implied = "the URL's host",
     .doc = "Name that the runtime is asked for (SNI) and that its certificate must have."},
    {.name = "pins", .type = CONF_TEXTS, ROWS(conf_endpoint_tls, pins, pin_count), .max = NAME_MAX_BYTES,
     .implied = "any key",
     .doc = "Public keys that the runtime may have, besides all other checks: `sha256:` and the digest, as `hostler cert "
            "show` prints it. Name the next key, too, before the runtime changes to it."},
};

const struct conf_group conf__endpoint_tls = {
    .name = "models[].endpoints[].tls",
    .size = sizeof(struct conf_endpoint_tls),
    GROUP_ROWS(endpoint_tls_rows),
    .doc = "How an endpoint with an `https://` URL is trusted, and how Hostler shows itself to it. Nothing is needed for "
           "one whose certificate is of a CA that the system trusts.",
    .example = "models:\n"
               "  - name: llama-3.3-70b\n"
               "    endpoints:\n"
               "      - url: https://gpu-1.example.org:8443/v1\n"
               "        tls: { ca: tls/ca.pem, certificate: tls/node.pem, key: tls/node.key }\n",
};

/* clang-format on */
