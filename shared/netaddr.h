/*
 * netaddr: which addresses and ports may be connected to.
 *
 * A crawler follows what strangers write, so that by default it connects to the public internet only:
 * an address that IANA's special-purpose registries (RFC 6890, RFC 8190; IPv4 and IPv6, as of 2025)
 * do not call globally reachable is refused, and so is all of IPv6 outside 2000::/3, which is not
 * allocated. The user may list networks that are allowed all the same (--allow-net).
 *
 * IPv6 addresses with an IPv4 address inside: the mapped form (::ffff:0:0/96) and the well-known
 * translation prefix (64:ff9b::/96, RFC 6052) are judged as the IPv4 address. IPv4-compatible
 * addresses, 6to4, Teredo and local translation prefixes (64:ff9b:1::/48) are refused, for they lead
 * to places that cannot be judged here.
 *
 *     struct netaddr_policy p;
 *     netaddr_policy_init(&p);
 *     if (!netaddr_policy_allow(&p, "10.0.0.0/8", &err)) ...
 *     if (!netaddr_allowed(&p, sa)) explain(netaddr_reason(sa));
 *     netaddr_policy_release(&p);
 *
 * The address to ask for is the one that is connected to, not one that was looked up before. A policy
 * that does not change may be asked by several threads at once.
 */
#ifndef TRAWL_SHARED_NETADDR_H
#define TRAWL_SHARED_NETADDR_H

#include "shared/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum { NETADDR_CIDRS_MAX = 1024 };

#define NETADDR_CIDR_ACCEPTED                                                                      \
    "an IPv4 or IPv6 network such as 10.0.0.0/8 or fd00::/8, or one address"

/* An address as 128 bits, IPv4 in its mapped form. Bits behind the prefix are 0. */
struct netaddr_cidr {
    uint64_t high, low;
    unsigned prefix_bits;
};

struct netaddr_policy {
    struct netaddr_cidr *cidrs;
    size_t count;
};

/* Nothing but the public internet. */
void netaddr_policy_init(struct netaddr_policy *p);
void netaddr_policy_release(struct netaddr_policy *p);
/* Allows a network too ("127.0.0.0/8", "fd00::/8", "::1"). That of IPv4 covers its mapped form, and
 * "::/0" does not cover IPv4. False: not one, its address has bits behind the prefix, too many, or
 * no memory; `err` (may be NULL) says which and what is accepted. */
bool netaddr_policy_allow(struct netaddr_policy *p, const char *cidr, struct error *err);

/* Whether `address` may be connected to. False for what is not AF_INET or AF_INET6. */
bool netaddr_allowed(const struct netaddr_policy *p, const struct sockaddr *address);
/* What keeps an address from being public, such as "loopback (127.0.0.0/8)": a static string. NULL: it
 * is public. Networks allowed by a policy play no part. */
const char *netaddr_reason(const struct sockaddr *address);

/* Whether HTTP may be spoken on a port: not on those of other protocols that could be abused through
 * it, the "bad ports" of https://fetch.spec.whatwg.org/#port-blocking. */
bool netaddr_port_allowed(uint16_t port);

#endif
