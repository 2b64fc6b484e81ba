/* SPDX-License-Identifier: Apache-2.0 */
/* The engine's routes. Constant data. */
#ifndef HOSTLER_ENGINE_ROUTES_H
#define HOSTLER_ENGINE_ROUTES_H

#include "engine/server.h"

extern const struct server_routes engine_routes;

#endif
