/*
 * rpc_nng: what both ends of rpc.h need of nng; for rpc_server.c and rpc_client.c only.
 */
#ifndef TRAWL_PROTO_RPC_NNG_H
#define TRAWL_PROTO_RPC_NNG_H

#include <nng/nng.h>
#include <stdbool.h>
#include <stddef.h>

#include "proto/socket_owner.h"
#include "shared/error.h"
#include "shared/limits.h"

/* "`what` `address`: nng's reason". */
void rpc_nng_error(struct error *err, int rv, const char *what, const char *address);
/* nng's own headers count in what the other end takes. */
enum { RPC_NNG_BYTES_MAX = LIMIT_RPC_BYTES };

/* A message with a copy of the bytes; NULL: no memory, or more than RPC_NNG_BYTES_MAX. The other end would drop the connection for
 * those, in the middle of the message, which nng 1.5 does not always survive: it may never close its socket afterwards. */
nng_msg *rpc_nng_message(const void *bytes, size_t len);
/* One end of a connection: NNG_OPT_REMADDR or NNG_OPT_LOCADDR. False: it is gone, or has no address. */
bool rpc_nng_end(nng_pipe pipe, const char *which, struct socket_end *e);
/* Whose the other end is (socket_owner.h). */
enum socket_trust rpc_nng_trust(nng_pipe pipe, char *whose, size_t whose_size);
/* nng_close() with traffic in flight can hang for ever: it runs in a thread of its own, which is left behind
 * (false) when it takes longer than a few seconds. Stop aios and close contexts first. */
bool rpc_nng_close(nng_socket socket);

#endif
