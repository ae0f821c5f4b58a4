/*
 * depths: how far a URL is from the seeds. The shortest way counts, not the one that was found first; and a URL that was met
 * behind redirects only has none behind it when a page links to it.
 *
 *     a link, redirect or seed leads to a known URL      'd' Way, and the URL is to be settled
 *     settled: it is done                                its DoneUrl, and a Way to all that it links or redirects to
 *              it is queued behind --max-depth           its place in the queue
 *              else                                      with its outcome, or when it is queued again
 *
 * The seen-set has a note for each known URL: its least depth as far as known, and whether redirects lead to it in all ways;
 * so of a link to a known URL, which most are, it costs nothing to see that it is no shorter way.
 *
 * Invariants
 *  D1  A Way is written in the batch of what it was found with, and goes in the batch that follows it. A crash in between
 *      loses none: they are read at the start and settled then. To settle one twice changes nothing.
 *  D2  A queue entry deeper than --max-depth stands at seq = its fingerprint: it is found again without looking for it.
 *  D3  With --max-depth the links of each page that could come nearer are kept ('l' Links, 12 bytes a link): so when
 *      nothing is left to settle, the depth of each URL is that of the shortest way, and what is fetched is what lies
 *      within the limit. Without it depth is for people alone: the shortest way that was seen, and a page that comes nearer
 *      after it was fetched does not bring its links nearer.
 *  D4  The crawl does not end before all are settled. They are settled in slices (turn.h).
 *  D5  A shorter way gets into a URL's record only with or after what follows from it: the Ways to all that the URL links or
 *      redirects to, as far as that was told, and its origin's least depth, which is that of the origin's sitemaps. So
 *      however the URL goes on (its outcome, another attempt, back from behind the limit), nothing of that is left out.
 *  D6  What leads to a URL names its origin, or none while it has none: an excluded one has none until it is decided anew.
 *      What was kept by then still says so; therefore the origin that it gets later stands under 'e'.
 *
 * Depths over 125 are one to the note.
 *
 * Part of the core: same owner.
 */
#ifndef TRAWL_MASTER_DEPTHS_H
#define TRAWL_MASTER_DEPTHS_H

#include <stdbool.h>
#include <stdint.h>

#include "master/core_state.h"

/* The note of a URL that was found so. `reason`: it is excluded for that, or NULL. */
uint8_t depths_note_of(uint32_t depth, uint32_t hops, const char *reason);
/* Notes how a URL that is in the seen-set was found. */
void depths_note(struct core *c, uint64_t fp, uint32_t depth, uint32_t hops, const char *reason);
/* The same of one that has a note: shorter ways that are not settled yet stand in it. */
void depths_note_again(struct core *c, uint64_t fp, uint32_t depth, uint32_t hops,
                       const char *reason);
/* Whether a URL with this note was found by a shorter way now. */
bool depths_shorter(uint8_t note, const struct discovery *d);
/* A known URL was found once more; `origin`: its number, 0 if it has none. */
void depths_found(struct core *c, uint64_t fp, uint32_t origin, struct discovery d);
/* A known URL that had no origin is queued with this one (D6). */
void depths_late_origin(struct core *c, uint64_t fp, uint32_t origin);
/* What is leased may have come nearer since: `it` as it is now, and what follows from that (D5). True: its Ways are still
 * there. */
bool depths_refresh(struct core *c, struct now now, struct lease_item *it);
/* They go: what they say is written with the item. */
void depths_taken(struct core *c, uint64_t fp);
/* Keeps the links of a page, with --max-depth. `fps` and `origins` of each. */
void depths_keep_links(struct core *c, const struct lease_item *it, uint32_t step, uint64_t *fps,
                       uint32_t *origins, size_t count);
/* A queue entry ended as it stood there: what is known of shorter ways is to be settled. */
void depths_ended(struct core *c, uint64_t fp, uint32_t depth, uint32_t hops);
/* At the start, when all is loaded. */
bool depths_load(struct core *c);
/* Some of those that are to be settled. */
void depths_tick(struct core *c, struct now now);
bool depths_pending(const struct core *c);
void depths_release(struct core *c);

#endif
