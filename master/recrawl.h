/*
 * recrawl: a new round over all that is known (`--recrawl`): what was asked for becomes pending again, with what a
 * conditional request needs (RFC 9110 section 13.1).
 *
 *     'u' DoneUrl of the last round  -->  'h' the same, for the audit and the index of the archive
 *                                         'q' QueuedUrl, with a Capture if the server gave a validator
 *
 * Invariants
 *  R1  A round begins whole: the mark 'M' "recrawl" is written before the first URL is turned over, and taken away with the
 *      last. Whoever opens the crawldb in between goes on with it before anything else (S2 of store.h: the writes of a
 *      crash are a prefix).
 *  R2  It begins only when nothing is pending: asked for amid a round, that round is resumed. So the same command, repeated
 *      after a crash, ends the round that it began.
 *  R3  A request is conditional, and its 304 counts, only while the segment with the payload is known. A 304 makes a
 *      revisit record, which refers to that payload; if it is forgotten later (`ctl forget`), the URL is fetched again without
 *      condition. The record of the 304, if it is in another segment, stays: as one of an earlier round.
 *
 * What was excluded without a question (scope, traps) stays so. Origins that were given up are tried again.
 *
 * Part of the core: same owner.
 */
#ifndef TRAWL_MASTER_RECRAWL_H
#define TRAWL_MASTER_RECRAWL_H

#include <stdbool.h>

#include "master/core_state.h"

/* At the start, when the numbers are loaded and nothing else: begins a round if that is wanted, or goes on with one. False:
 * the core has failed. */
bool recrawl_prepare(struct core *c, bool wanted);
/* Whether the payload that a packed Capture speaks of is still there; len 0: no. */
bool recrawl_stands(struct core *c, const void *capture, size_t len);
/* The Capture in a queue entry; empty: its request is to be unconditional. */
ProtobufCBinaryData recrawl_capture(struct core *c, const Trawl__QueuedUrl *q);
/* What the outcome of a 304 takes over from `capture`, packed; it points into the core's record arena. */
void recrawl_unmodified(struct core *c, Trawl__DoneUrl *d, const void *capture, size_t len);
/* The segment is gone: so is what earlier rounds had of the URL in it. */
void recrawl_forget(struct core *c, uint64_t fp, uint32_t segment);

#endif
