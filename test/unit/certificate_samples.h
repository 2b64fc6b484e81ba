/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates and keys as the openssl program makes them, for tests. They protect nothing. */
#ifndef HOSTLER_TEST_CERTIFICATE_SAMPLES_H
#define HOSTLER_TEST_CERTIFICATE_SAMPLES_H

/* A CA with a key of 1024 bits and names of all kinds. */
static const char sample_rsa[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIICwDCCAimgAwIBAgIUaQEtx2JGjK4V93K01854XiMvyRswDQYJKoZIhvcNAQEL\n"
    "BQAwQjELMAkGA1UEBhMCREUxGDAWBgNVBAoMD0dyw7xuLCBSb3QgJiBDbzEZMBcG\n"
    "A1UEAwwQd2Vhay5leGFtcGxlLm9yZzAgFw0yNjExMjcwNTI1MjNaGA8yMTI2MTEw\n"
    "MzA1MjUyM1owQjELMAkGA1UEBhMCREUxGDAWBgNVBAoMD0dyw7xuLCBSb3QgJiBD\n"
    "bzEZMBcGA1UEAwwQd2Vhay5leGFtcGxlLm9yZzCBnzANBgkqhkiG9w0BAQEFAAOB\n"
    "jQAwgYkCgYEAqQXj4qeQixqrKNW9KWxTf4ZF7xoCDvQNvG0ghML4Ngsi9EK3K716\n"
    "MEDf7RPu2bzU7u6dkO8OcwAXrN/LsI/quZEn+MjV6Gp+IqTnnzgTUVh0uO0iGcfr\n"
    "pqX8/m89Wq426lZLMXnCnFw/ZBGwaiFCmJ/rXsCUnriSbRUvZkDdPqECAwEAAaOB\n"
    "sDCBrTAdBgNVHQ4EFgQUGZLWi7QbOtlgCXXqBB7egN8NCKQwHwYDVR0jBBgwFoAU\n"
    "GZLWi7QbOtlgCXXqBB7egN8NCKQwDwYDVR0TAQH/BAUwAwEB/zBaBgNVHREEUzBR\n"
    "ghB3ZWFrLmV4YW1wbGUub3JngQ1hQGV4YW1wbGUub3JnhhZzcGlmZmU6Ly9leGFt\n"
    "cGxlLm9yZy9hhwQKAAABhxD+gAAAAAAAAAAAAAAAAAABMA0GCSqGSIb3DQEBCwUA\n"
    "A4GBAFjR8cEeIPaGRNZmjP3J1V2ky7SOndtSyPjHWSnIbrmjo1QsK40wgz/I529F\n"
    "leBbo7FlhOYM2uaCPssLdKuBlT0EK1ZsxaPvO8Dx0q6cMh+Lu8y4jJcr2iduM6mu\n"
    "WOcHxLOYs+dE45xyQbXTWQgGEZWqm1mMDQWBStW7WPB9aU6s\n"
    "-----END CERTIFICATE-----\n";

/* A certificate without alternative names. */
static const char sample_ed25519[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBMDCB46ADAgECAhRvu26VBmCUDFjUQNhKFl24bm68oTAFBgMrZXAwDTELMAkG\n"
    "A1UEAwwCZWQwIBcNMjYxMTI3MDUyNTExWhgPMjEyNjExMDMwNTI1MTFaMA0xCzAJ\n"
    "BgNVBAMMAmVkMCowBQYDK2VwAyEA+rXazmRSFTTX1hqQgHJEwkX1CrcgqWMjPNXi\n"
    "ixovZ82jUzBRMB0GA1UdDgQWBBRanXZ99d0LkCpocfrcSdeoAaALQTAfBgNVHSME\n"
    "GDAWgBRanXZ99d0LkCpocfrcSdeoAaALQTAPBgNVHRMBAf8EBTADAQH/MAUGAytl\n"
    "cANBAKaVTwC14TU++pl06G0CvWJAfQ4jZdbZexMxjBl0gNSzBuJ7emHvFtRepbin\n"
    "bsfR49Y/I2LV8/R9KwlhMPhz+Ag=\n"
    "-----END CERTIFICATE-----\n";

/* A key with a passphrase. */
static const char sample_passphrase[] =
    "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
    "MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAgj9cGdsy/SfgICCAAw\n"
    "DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEEGHmmbIQpD8WeBO7TAf+EMEgZCK\n"
    "gKEZPYbVG+TbNMjEfiRByZPR9p93vW/b7KxykXnsTDVRcgr7YBc5k++7RoIJyBtb\n"
    "xvuuJpe6Vqw/Y9Uhrnwgyi2uTT6+YJTFPiEsqAzGA12H4QL8BHkXqKOdCl5LOp4o\n"
    "n1K/EUFPcNgf8ypNkKcLcMV2Va1p/G+pVFcU+fqYXSxGNcnqgQ8SCfK42qLuyiQ=\n"
    "-----END ENCRYPTED PRIVATE KEY-----\n";

/* A key behind the parameters of its curve. */
static const char sample_parameters[] =
    "-----BEGIN EC PARAMETERS-----\n"
    "BggqhkjOPQMBBw==\n"
    "-----END EC PARAMETERS-----\n"
    "-----BEGIN EC PRIVATE KEY-----\n"
    "MHcCAQEEIMzlgZW5YvzUbgLtwHZTAAM+PdsvZO/KwmHq1w0F0KLNoAoGCCqGSM49\n"
    "AwEHoUQDQgAEnRdimAnLlipto9vwqGcPxnI+2CaQr1UzmPPJ2xjAk1PulCe+WtMQ\n"
    "ammhHgl9fJaxy3IaIItZhWmTzegK8rbAuA==\n"
    "-----END EC PRIVATE KEY-----\n";

#endif
