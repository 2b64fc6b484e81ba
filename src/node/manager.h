/* SPDX-License-Identifier: Apache-2.0 */
/* What a service manager is told of us, by the protocol of sd_notify(3): a datagram to the socket that
 * NOTIFY_SOCKET names. Without that variable nobody is told. Main thread. */
#ifndef HOSTLER_NODE_MANAGER_H
#define HOSTLER_NODE_MANAGER_H

void manager_tell_ready(void);
void manager_tell_reloading(void); /* until manager_tell_ready */
void manager_tell_stopping(void);

#endif
