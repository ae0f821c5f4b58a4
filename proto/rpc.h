/*
 * rpc: requests and replies between a master, its workers and its operators, as bytes over nng.
 *
 * A server answers each request when it likes, from any thread. A client has lines: each carries one
 * request at a time and none waits behind another, so a heartbeat never queues behind a long call.
 *
 *     server: handle(arg, call, bytes, ...) ... rpc_server_reply(call, bytes, len)
 *     client: rpc_lines_send(l, line, ...) -> rpc_lines_fd() readable -> rpc_lines_take(l, &answer)
 *
 * A request may be delivered twice or answered in vain: handlers are idempotent, and a reply that
 * "succeeded" may never have arrived. Nothing is resent here: whoever asked asks again. Messages have at
 * most 64 bytes less than LIMIT_WIRE_BYTES; longer ones are not sent. Addresses are tcp://host:port.
 *
 * Who is let in: a server that listens on loopback serves its own user and root alone, as the kernel tells who made
 * the connection (socket_owner.h). Beyond loopback it serves everybody who reaches it. A client can be as careful
 * (RPC_DIAL_OWN): on loopback anybody may listen at a port that is free. Who reads no answers, or never asks when there
 * are too many connections, is disconnected (rpc_peers.h).
 *
 * Threads: the server's handler is called on nng's threads, several at once. rpc_server_reply() may be
 * called from any thread. A client may be used by any thread; an rpc_lines belongs to one thread, and its
 * answers are taken there.
 */
#ifndef TRAWL_PROTO_RPC_H
#define TRAWL_PROTO_RPC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/buf.h"
#include "shared/error.h"

/* ---- server -------------------------------------------------------------------------------------- */

struct rpc_server;
struct rpc_call; /* one request on its way; valid until it is replied to or dropped */

struct rpc_server_config {
    const char *address; /* port 0: a free one */
    unsigned contexts;   /* requests in the handler's hands at once; more wait in nng */
    /* `bytes` and `peer` ("127.0.0.1:4711") are valid until the call is replied to or dropped, which must
     * happen exactly once, here or later. Must not wait for other requests. */
    void (*handle)(void *arg, struct rpc_call *call, const void *bytes, size_t len,
                   const char *peer);
    /* The same for somebody who is not let in, `why` says why: to be told so. NULL: no answer. */
    void (*refuse)(void *arg, struct rpc_call *call, const char *why);
    void *arg;
};

/* Listens when it returns. NULL: `err` says why ("cannot listen on tcp://...: address in use"). */
struct rpc_server *rpc_server_new(const struct rpc_server_config *config, struct error *err);
/* The address that it listens on, with the real port. */
const char *rpc_server_address(const struct rpc_server *s);
/* Copies the bytes. Without memory the call is dropped: to the client that is a timeout. */
void rpc_server_reply(struct rpc_call *call, const void *bytes, size_t len);
/* The client gets no answer. */
void rpc_server_drop(struct rpc_call *call);
/* Closes everything. When it returns no handler runs and none will; calls not yet replied to stay valid, to be
 * replied to in vain or not at all. While somebody is connected it takes up to 0.1 s, for replies on their way. False: nng
 * hangs in closing; what it holds is left to the end of the process. Must not be called by a handler. */
bool rpc_server_stop(struct rpc_server *s);
/* After rpc_server_stop(), and when nobody holds a call any more. NULL is fine. */
void rpc_server_free(struct rpc_server *s);

/* ---- client -------------------------------------------------------------------------------------- */

struct rpc_client;

enum rpc_dial {
    RPC_DIAL_BACKGROUND, /* connects and reconnects for ever; calls meanwhile wait for their timeout */
    RPC_DIAL_OWN,        /* the same; on loopback only to a server of this user or of root */
    RPC_DIAL_NOW,        /* the first connection is made at once or not at all */
};

/* NULL: `err` says why ("cannot reach the master at tcp://...: connection refused"). */
struct rpc_client *rpc_client_new(const char *address, enum rpc_dial dial, struct error *err);
/* Its lines must be freed before. False: as rpc_server_stop(). NULL is fine. */
bool rpc_client_free(struct rpc_client *c);
/* How often a connection was made so far; 0: never reached. */
uint64_t rpc_client_connections(const struct rpc_client *c);
bool rpc_client_connected(const struct rpc_client *c); /* now */
/* RPC_DIAL_OWN: somebody else listens there, as far as is known; `err` says who. False: nobody does, or it was reached since. */
bool rpc_client_strange(struct rpc_client *c, struct error *err);
/* `eventfd` is the caller's, and outlives the client: each connection that is made from now on adds 1 to it. */
void rpc_client_tell(struct rpc_client *c, int eventfd);
/* Drops the connection (of a peer that has been silent for too long) and makes a new one. */
void rpc_client_reconnect(struct rpc_client *c);

/* Asks and waits. False: no answer within `timeout_ms`, `err` says so. `reply` is emptied first. */
bool rpc_call_sync(struct rpc_client *c, const void *bytes, size_t len, unsigned timeout_ms,
                   struct buf *reply, struct error *err);

struct rpc_lines;

enum { RPC_LINES_MAX = 8 };

struct rpc_answer {
    unsigned line;
    bool ok;           /* false: no reply; it timed out or the connection broke */
    const void *bytes; /* of the reply; valid until the next rpc_lines_send() on the line */
    size_t len;
};

/* NULL: no memory or descriptors. */
struct rpc_lines *rpc_lines_new(struct rpc_client *c, unsigned count, struct error *err);
/* What is under way is forgotten. NULL is fine. */
void rpc_lines_free(struct rpc_lines *l);
/* An eventfd, readable when an answer may be taken; for the owner's epoll. */
int rpc_lines_fd(const struct rpc_lines *l);
/* Copies the bytes. The line must be free: not used, or its last answer taken. False: no memory, nothing was
 * sent and no answer will come. */
bool rpc_lines_send(struct rpc_lines *l, unsigned line, const void *bytes, size_t len,
                    unsigned timeout_ms);
/* The next answer, if there is one. */
bool rpc_lines_take(struct rpc_lines *l, struct rpc_answer *answer);

#endif
