/*
 * domain: the registrable domain of a URL's host: the public suffix and one label before it
 * (https://publicsuffix.org/list/, private suffixes included), as the URL standard's §3.2 has it.
 *
 * The list is the one built into libpsl. A program calls domain_init() once when it starts, to know
 * that there is one. Any thread.
 */
#ifndef TRAWL_SHARED_DOMAIN_H
#define TRAWL_SHARED_DOMAIN_H

#include "shared/error.h"
#include "shared/url.h"

#include <stdbool.h>

/* False: libpsl was built without a list. Then nothing has a registrable domain. */
bool domain_init(struct error *err);

/* A slice of the host of `u` (with its final dot, if it has one); empty for a host that is an
 * address, a public suffix itself, or malformed (an empty label). */
struct url_slice domain_registrable(const struct url *u);

#endif
