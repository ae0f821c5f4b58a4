/*
 * url_host: the URL standard's host parser and serialiser (§3.5, §3.6): domains, IPv4 in all its
 * spellings, IPv6, opaque hosts; and what kind of host a parsed URL has.
 *
 * Pure functions: any thread.
 */
#ifndef TRAWL_SHARED_URL_HOST_H
#define TRAWL_SHARED_URL_HOST_H

#include "shared/url.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Room that any host needs beyond URL_PERCENT_GROWTH for its bytes: "0" is 0.0.0.0. */
enum { URL_HOST_SLACK = 48 };

/* Parses the host in `p` and writes its serialisation. `opaque`: the URL's scheme is not special.
 * `to_size` is at least n * URL_PERCENT_GROWTH_ASCII + URL_HOST_SLACK, and with URL_PERCENT_GROWTH
 * if a byte is not ASCII. */
enum url_result url_host_parse(const char *p, size_t n, bool opaque, char *to, size_t to_size,
                               size_t *to_len);

enum url_host_kind { URL_HOST_NAME, URL_HOST_IPV4, URL_HOST_IPV6 };

/* What the host of a parsed URL is. For an address, its bytes in network order are put into
 * address[0 .. 4) or [0 .. 16). An empty or null host is a name. The host of a scheme that is not
 * special is a name, unless it is IPv6. */
enum url_host_kind url_host_kind(const struct url *u, uint8_t address[16]);

#endif
