/*
 * rpc_accept: which connections a process takes, when descriptors run short.
 *
 * libnng accepts whatever the kernel offers, before anybody can say no, and a connection that says nothing keeps its
 * descriptor for seconds: enough of them, and the crawldb cannot open its next file. So accept() and accept4() of this
 * program, which libnng and libmicrohttpd call, come from here: a connection whose descriptor has one of the last
 * `reserve` numbers below the limit is closed at once, as if it had broken before it was taken. The kernel gives the
 * least number that is free: so that many are always left to the rest of the program.
 */
#ifndef TRAWL_PROTO_RPC_ACCEPT_H
#define TRAWL_PROTO_RPC_ACCEPT_H

/* Raises the limit on open files to what is allowed, and reserves a part of it from now on: half of it, or what a crawldb
 * needs. Returns how many connections there may be. Any thread; a repeat changes nothing. */
unsigned rpc_accept_reserve(void);

#endif
