/* shuffle_wire: what both ends of the shuffle agree on beside the messages. */
#ifndef TRAWL_WORKER_SHUFFLE_WIRE_H
#define TRAWL_WORKER_SHUFFLE_WIRE_H

#include <stddef.h>
#include <stdint.h>

#include "worker/shuffle.h"

/* Of a chunk, and of which it is: one that was mixed up is as wrong as one that was damaged. */
uint64_t shuffle_checksum(const struct shuffle_want *want, uint64_t offset,
                          const struct shuffle_part *part, const void *chunk, size_t len);

#endif
