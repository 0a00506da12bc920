/* The socket that a server listens at. */
#ifndef OC_SERVE_LISTEN_H
#define OC_SERVE_LISTEN_H

#include "ocelli/base.h"

/* Opens one at `host` (a name or an address) and `port` (0: one that is free); *out is closed by the caller. *loopback:
 * whoever asks is on this machine. OC_E_USAGE for a host that is none or a port that cannot be, OC_E_IO where the port
 * is taken. */
oc_status oc_listen(int *out, int *port, bool *loopback, const char *host, int wanted, oc_error *err);

#endif
