/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/conf.h"
#include "conf/url.h"

bool conf_listen_guarded(const struct conf_listen *l)
{
    struct url url;
    if (l->tls && l->tls->client == CONF_CLIENT_REQUIRED) return true;
    return url_parse_listen(l->address, &url) == 0 && url_is_loopback(&url);
}
