/*
 * outcome: what an outcome may say of its URL, for both sides: the one table of limits.h that a worker keeps to where it
 * makes an outcome, and by which the master takes one.
 *
 * What only describes (type, validators, canonical link, the words of a reason) is cut, or left out if a part of it would
 * say something else: the outcome stands without it. What decides (states, digests, addresses, where it leads) is not
 * mended: outcome_wrong() says what is wrong with it, and the master refuses it.
 *
 * Invariant: what outcome_fit() left of an outcome that a worker made is not wrong.
 */
#ifndef TRAWL_PROTO_OUTCOME_H
#define TRAWL_PROTO_OUTCOME_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/trawl.pb-c.h"

/* How much is told of a text of `len` bytes that may have `max`: all, or nothing. */
size_t outcome_whole(size_t len, size_t max);
/* How much of a reason is told: it is cut, between two characters of UTF-8. */
size_t outcome_reason_len(const char *reason);
/* Cuts what only describes, in place. */
void outcome_fit(Trawl__Outcome *o);
/* NULL: it can be taken, as one of an exchange with so many segments. */
const char *outcome_wrong(const Trawl__Outcome *o, size_t segments);
const char *outcome_robots_wrong(const Trawl__RobotsReport *r);

#endif
