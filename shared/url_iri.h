/*
 * url_iri: a URL as people read and write it (RFC 3987): an internationalised host in its own letters, and percent-encoded
 * characters outside ASCII as these characters. Only for showing and for matching patterns: it names the same as the URL, but
 * is none that a server is asked for.
 *
 * Pure; any thread.
 */
#ifndef TRAWL_SHARED_URL_IRI_H
#define TRAWL_SHARED_URL_IRI_H

#include <stdbool.h>

#include "shared/buf.h"
#include "shared/url.h"

/* Whether its IRI is another text. */
bool url_iri_differs(const struct url *u);
/* Appends it. What is not UTF-8 behind its escapes, and ASCII, stays escaped. False: `to` failed. */
bool url_iri_append(struct buf *to, const struct url *u);

#endif
