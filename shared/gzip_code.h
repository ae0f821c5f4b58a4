/*
 * gzip_code: a Huffman code for a record, learned from the records before it.
 *
 *     struct gzip_code *c = gzip_code_new();
 *     for each record: code = gzip_code_for(c, in, len);      // NULL: it needs a code of its own
 *
 * A code of a record's own costs a pass over it: matches are found and counted first, then a code is made, then all is written.
 * With a code that is there already it is one pass. Pages of a crawl are much alike, so that a code made of some of them
 * packs the others to 1.5% (made-up pages) or 2.2% (documentation) more bytes, in two thirds of the time. A page that is not like
 * them, in another script or no text at all, would become much larger: some of its bytes are looked up in the code, and if
 * they would take more bits than those that it was learned from, by an eighth, it gets a code of its own.
 *
 * For gzip_pack.c only, and where ISA-L is. One owner; different ones may be used by different threads.
 */
#ifndef TRAWL_SHARED_GZIP_CODE_H
#define TRAWL_SHARED_GZIP_CODE_H

#include <isa-l/igzip_lib.h>
#include <stddef.h>
#include <stdint.h>

struct gzip_code;

/* NULL: no memory. */
struct gzip_code *gzip_code_new(void);
void gzip_code_free(struct gzip_code *c); /* NULL is fine */
/* Called with each record in turn, and learns from some. What it returns is valid until the next call. */
struct isal_hufftables *gzip_code_for(struct gzip_code *c, const uint8_t *in, size_t len);

#endif
