/*
 * headers: the fields of one response's header block, as it was received. Pure; what it finds points into the block.
 */
#ifndef TRAWL_WORKER_HEADERS_H
#define TRAWL_WORKER_HEADERS_H

#include <stdbool.h>
#include <stddef.h>

/* The value of a field (`name` in any case), without the white space around it: of the `nth` field of that name,
 * from 0. False: there are not so many. `head`: the status line, the fields and the empty line; any bytes do. */
bool headers_find(const char *head, size_t head_len, const char *name, unsigned nth,
                  const char **value, size_t *value_len);

#endif
