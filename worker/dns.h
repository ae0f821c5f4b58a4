/*
 * dns: names to addresses, inside a fetch loop: c-ares on the loop's epoll, with a cache in front.
 *
 *     dns_lookup(d, &query, host, len, now)   -> query.done(&query, &answer), at once or later
 *     epoll says fd is ready                  -> dns_socket_event(d, fd, events)
 *     at least every dns_timeout_ms()         -> dns_tick(d)
 *
 * The system's resolv.conf and hosts file are obeyed, but for search domains and aliases: a name on the web is
 * absolute. Address literals need no lookup. Lookups of one name at once are one. Answers are kept for their
 * TTL, between DNS_TTL_MIN_MS and DNS_TTL_MAX_MS, at most LIMIT_DNS_NAMES of them.
 *
 * Whether an address may be connected to is not decided here. One owner: the loop's thread.
 */
#ifndef TRAWL_WORKER_DNS_H
#define TRAWL_WORKER_DNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/error.h"
#include "shared/limits.h"

enum {
    DNS_ADDRESSES_MAX = 16, /* of one name; more are ignored */
    DNS_TTL_MIN_MS = 10 * 1000,
    DNS_TTL_MAX_MS = 3600 * 1000,
    /* That there is no address, for whatever reason: a moment, so that each attempt at an origin asks anew. */
    DNS_TTL_NONE_MS = LIMIT_BACKOFF_FIRST_MS / 2,
    DNS_BLAME_MS = 10 * 60 * 1000, /* how long an address counts as dead, while there are others */
};

struct dns_address {
    uint8_t bytes[16];
    uint8_t len;       /* 4 or 16 */
    int64_t blamed_ms; /* when nobody answered there last (dns_blame()); 0: never */
};

struct dns_answer {
    const struct dns_address *addresses; /* best first (RFC 6724); valid during the call */
    size_t count;
    const char *reason; /* why there is none ("dns: no such name"); constant */
};

struct dns_entry;

/* The caller's, at rest when zeroed. */
struct dns_query {
    void (*done)(struct dns_query *q, const struct dns_answer *answer);
    struct dns_entry *entry; /* NULL: not waiting */
    struct dns_query *next, *prev;
};

struct dns;

/* Descriptors are put into `epoll_fd` with the event data (uint64_t)tag << 32 | fd. NULL: `err`. */
struct dns *dns_new(int epoll_fd, uint32_t tag, struct error *err);
/* Waiting queries are not answered any more. NULL is fine. */
void dns_free(struct dns *d);

/* `host` as a URL has it: a name, 1.2.3.4 or [::1]. `q` must be at rest; `q->done` is set by the caller and called
 * exactly once, perhaps before this returns, unless it is cancelled; it must not free or start other queries. */
void dns_lookup(struct dns *d, struct dns_query *q, const char *host, size_t host_len,
                int64_t now_ms);
void dns_cancel(struct dns *d, struct dns_query *q); /* at rest already: nothing happens */
/* The next lookup of the name asks anew (no address of it could be reached). */
void dns_forget(struct dns *d, const char *host, size_t host_len);
/* Nobody answers at that address of the name. It is remembered for as long as the name is, and lookups give the address with it. */
void dns_blame(struct dns *d, const char *host, size_t host_len, const void *address,
               size_t address_len, int64_t now_ms);
/* What was answered last, without asking. False: nothing is known of the name, or it is being asked for, or it is a literal. */
bool dns_recall(struct dns *d, const char *host, size_t host_len, struct dns_answer *answer);

void dns_socket_event(struct dns *d, int fd, uint32_t epoll_events);
/* Until dns_tick() is due; at most `max_ms`. */
int64_t dns_timeout_ms(const struct dns *d, int64_t max_ms);
void dns_tick(struct dns *d);

#endif
