/*
 * gzip_pack: some bytes, whole and in memory, to one gzip member (RFC 1952).
 *
 *     struct gzip_pack *g = gzip_pack_new(level);
 *     size = gzip_pack_bound(g, len); ... n = gzip_pack(g, in, len, out, size);
 *
 * Levels as libdeflate has them: 0 (stored) to 12. Level 1 is made by ISA-L's igzip where that was there when trawl was built,
 * with a code learned from what was packed before (gzip_code.h): on pages it takes less than half the time of libdeflate's level 1, which
 * is itself twice as fast as zlib's, for 2.5% (text of our making) to 7% (documentation) more bytes. What igzip cannot do,
 * libdeflate does.
 *
 * One owner; different ones may be used by different threads.
 */
#ifndef TRAWL_SHARED_GZIP_PACK_H
#define TRAWL_SHARED_GZIP_PACK_H

#include <stddef.h>

enum { GZIP_PACK_LEVEL_MAX = 12 };

struct gzip_pack;

/* NULL: no such level, or no memory. */
struct gzip_pack *gzip_pack_new(int level);
void gzip_pack_free(struct gzip_pack *g); /* NULL is fine */
/* What `len` bytes may become at most. */
size_t gzip_pack_bound(const struct gzip_pack *g, size_t len);
/* Bytes written; 0: more than `size`. */
size_t gzip_pack(struct gzip_pack *g, const void *in, size_t len, void *out, size_t size);

#endif
