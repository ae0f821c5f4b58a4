/*
 * headers: the fields of one response's header block, as it was received. Pure; what it finds points into the block.
 */
#ifndef TRAWL_WORKER_HEADERS_H
#define TRAWL_WORKER_HEADERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

enum headers_fault {
    HEADERS_NO_FAULT,
    HEADERS_LENGTH_INVALID,  /* a length that is no number, or not one that fits 63 bits */
    HEADERS_LENGTH_CONFLICT, /* two that differ */
    HEADERS_CODING_UNDONE /* a transfer coding that changes the body, and was not offered (RFC 9112 §7.4) */
};

enum headers_end {
    HEADERS_END_HEAD,
    HEADERS_END_LENGTH,
    HEADERS_END_CHUNKS,
    HEADERS_END_CONNECTION
};

struct headers_framing {
    enum headers_fault fault; /* with it nothing else is said */
    enum headers_end end;     /* where the message ends: with what */
    uint64_t length;          /* of the body, with END_LENGTH */
    bool odd;                 /* others may see another end: what comes behind it is no message */
};

/* Where the message ends, by its status and fields, RFC 9112 §6.3:
 *   1xx, 204, 304         with the head, whatever its fields say
 *   chunked               in any place among the transfer codings, as browsers have it: with the last chunk; lengths
 *                         do not count
 *   Content-Length        equal ones are one
 *   else                  with the connection
 * A word among the transfer codings that names none (identity, which is none any more, utf-8, binary) says nothing, as in
 * browsers. `head`: of a response, without folds. */
struct headers_framing headers_framing(const char *head, size_t head_len);

/* Is it chunked by a field that is written as it should be: no white space before the colon, no fold in it? */
bool headers_chunked_plainly(const char *head, size_t head_len);

#endif
