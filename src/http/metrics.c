/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of what servers and clients count. */
#include "obs/metrics.h"

#include "http/client.h"
#include "http/server.h"

static const struct metric_row server_rows[] = {
#define HTTP_SERVER_METRIC(...) METRIC_ROW(http_server_stats, __VA_ARGS__)
#include "obs/metrics.def"
};
const struct metric_set http_server_metrics = METRIC_SET(server_rows);

static const struct metric_row client_rows[] = {
#define HTTP_CLIENT_METRIC(...) METRIC_ROW(http_client_stats, __VA_ARGS__)
#include "obs/metrics.def"
};
const struct metric_set http_client_metrics = METRIC_SET(client_rows);
