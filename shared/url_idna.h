/*
 * url_idna: a domain that is not ASCII, to ASCII: the URL standard's "domain parser ToASCII" (§3.3),
 * which is UTS #46 with CheckHyphens and VerifyDnsLength false, CheckBidi and CheckJoiners true, not
 * transitional.
 *
 * ICU does the work, with what its older tables (72 has Unicode 15.0) lack made up for: characters
 * whose mapping UTS #46 changed up to Unicode 17.0. Characters that are newer than ICU's tables are
 * refused.
 *
 * Any thread.
 */
#ifndef TRAWL_SHARED_URL_IDNA_H
#define TRAWL_SHARED_URL_IDNA_H

#include "shared/url.h"

#include <stdbool.h>
#include <stddef.h>

/* Longer domains are refused: the time to convert one grows with the square of its length, and DNS
 * stops at 253 bytes, no character of which came from more than four. */
enum { URL_IDNA_BYTES_MAX = 1024 };

/* `domain` is bytes, meant as UTF-8. Writes at most `to_size` bytes and sets *to_len; the result may
 * be empty, and may hold forbidden code points. URL_TOO_LONG: either is too long. */
enum url_result url_idna_to_ascii(const char *domain, size_t domain_len, char *to, size_t to_size,
                                  size_t *to_len);
/* The other way, for people to read. False: it is none that can be shown, or too long. */
bool url_idna_to_unicode(const char *domain, size_t domain_len, char *to, size_t to_size,
                         size_t *to_len);

#endif
