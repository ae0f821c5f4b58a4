/*
 * headers: the fields of one response's header block, as it was received. Pure; what it finds points into the block.
 */
#ifndef TRAWL_WORKER_HEADERS_H
#define TRAWL_WORKER_HEADERS_H

#include <stdbool.h>
#include <stddef.h>

#include "shared/buf.h"

/* The value of a field (`name` in any case), without the white space around it: of the `nth` field of that name,
 * from 0. False: there are not so many. `head`: the status line, the fields and the empty line; any bytes do. */
bool headers_find(const char *head, size_t head_len, const char *name, unsigned nth,
                  const char **value, size_t *value_len);

/* Puts spaces where a field is folded over lines, in place (obs-fold, RFC 9112 §5.2: a user agent MUST do so before it
 * interprets the value). False: none is. */
bool headers_unfold(char *head, size_t head_len);
/* One head without folds, kept until another is asked for. */
struct headers_unfolded {
    struct buf text;
    const void *of; /* whose; NULL: nobody's */
};
/* `head`, which is of `of`, without folds; without memory, as it is. */
const struct buf *headers_unfolded(struct headers_unfolded *u, const void *of,
                                   const struct buf *head);
/* Appends the values of all fields of that name, joined with ", " (RFC 9110 §5.3). False: `to` failed. */
bool headers_combine(const char *head, size_t head_len, const char *name, struct buf *to);

/* Is it that of an interim response, behind which another one comes (RFC 9112 §9.1: 1xx, but for 101)? */
bool headers_is_interim(const char *head, size_t head_len);

/* Is the line a field: a name that is a token, and a colon (RFC 9112 §5)? */
bool headers_is_field(const char *line, size_t len);

enum headers_framing {
    HEADERS_FRAMING_FINE,
    HEADERS_LENGTH_INVALID,  /* a length that is no number, or not one that fits 63 bits */
    HEADERS_LENGTH_CONFLICT, /* two that differ */
    HEADERS_CODING_UNKNOWN   /* a transfer coding but chunked: none was offered (RFC 9112 §7.4) */
};

/* What the fields say about where the message ends, RFC 9112 §6.3: no guess is made where they say nothing, or two
 * things; but a transfer coding overrides all lengths. */
enum headers_framing headers_framing(const char *head, size_t head_len);

#endif
