/*
 * address_choice: which of a host's addresses a visit goes to (RFC 1123 §2.3, RFC 6724, RFC 8305). One after the other:
 * an address at a time is claimed with the master. Pure.
 *
 *   1. the one that the visit has, or that the last one of its origin had: it worked
 *   2. the resolver's order, but after one where nobody answered the other family comes first (RFC 8305 §4)
 *   3. when nobody answers at any: the one for which that is longest ago
 *
 * Addresses that the policy does not allow are none.
 */
#ifndef TRAWL_WORKER_ADDRESS_CHOICE_H
#define TRAWL_WORKER_ADDRESS_CHOICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "shared/netaddr.h"
#include "worker/dns.h"

struct address_wish {
    const struct netaddr_policy *policy;
    const void *had; /* 1. */
    size_t had_len;  /* 0: none */
};

/* NULL: none is allowed; `*why_not` says why the last one is not. */
const struct dns_address *address_choose(const struct dns_answer *answer,
                                         const struct address_wish *wish, int64_t now_ms,
                                         const char **why_not);
/* Whether there is one more that is not known to be dead, but for `had`. */
bool address_has_other(const struct dns_answer *answer, const struct address_wish *wish,
                       int64_t now_ms);

#endif
