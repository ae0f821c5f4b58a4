/* Inlined: this is called for every record. */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "worker/job_record.h"

uint64_t job_hash(const void *key, size_t len) {
    return XXH3_64bits(key, len);
}
