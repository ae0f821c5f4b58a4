/*
 * cdxj: lines of a CDXJ index, by which replay tools (pywb, cdxj-indexer, warcio) find a record:
 *
 *     com,example)/a?x=1 20261123144133 {"url": "http://example.com/a?x=1", "mime": "text/html", "status":
 *     "200", "digest": "sha1:...", "length": "1228", "offset": "784", "filename": "x.warc.gz"}
 *
 * (on one line). Numbers are strings, as those tools write them. An index is sorted by bytes (LC_ALL=C sort).
 *
 * The key is a SURT as pywb makes it: the host's labels reversed and joined with ',' (an IPv4 address too),
 * without "www." or "www" and digits in front; a port that is not the scheme's default; ')'; the path without a
 * '/' at its end unless that is all; the query's arguments ordered by name, then value, '?' left out when there
 * are none; all in lower case. Other schemes than http and https are left as they are. pywb also takes out some
 * session IDs and normalises percent-escapes, which this does not: such URLs are found by others' tools by prefix.
 *
 * Key and "url" are those of the URL's URI (warc_uri.h), as in the record.
 *
 * Any thread; nothing is kept between calls.
 */
#ifndef TRAWL_SHARED_CDXJ_H
#define TRAWL_SHARED_CDXJ_H

#include "shared/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cdxj_record {
    const char *url; /* absolute, in the URL standard's serialisation */
    size_t url_len;
    int64_t date_ms;  /* Unix time, that of WARC-Date; years 0 to 9999 */
    const char *mime; /* "text/html"; NULL or "": "unk". A revisit's is "warc/revisit" */
    int status;
    const char *digest; /* "sha1:BASE32" */
    uint64_t length, offset;
    const char *filename;
};

/* Appends the key of a URL of at most LIMIT_URL_BYTES; a longer one is left as it is. False: `to` failed. */
bool cdxj_surt(const char *url, size_t url_len, struct buf *to);
/* Appends one line with its LF. False: `to` failed, or no such date. */
bool cdxj_append(struct buf *to, const struct cdxj_record *r);

#endif
