/*
 * guest: robots.txt requests in the queue of another origin than the one that they are for. Who waits for whom is
 * answered here.
 *
 * If robots.txt of origin A redirects to origin B, A waits (HOST_ROBOTS_ELSEWHERE), and the request is a guest of B: it
 * is made under B's lease and delay. A may be a guest of itself, where B leads back to it.
 *
 * Invariants
 *  G1  An origin is ELSEWHERE while it has a guest somewhere, and then it has one.
 *  G2  A guest waits for B's time and connections and for nothing else: not for B's rules, which do not apply to
 *      robots.txt (RFC 9309 §2.2.2), and not for room under a limit on pages or depth. So there is no circle of origins
 *      that wait for each other.
 *  G3  Its end decides A: rules; a redirect again, LIMIT_ROBOTS_HOPS times at most, beyond which, as in a circle,
 *      robots.txt is taken to be unavailable and forbids nothing (§2.3.1.2); or trouble, which is A's own (§2.3.1.4). If
 *      B is given up, all its guests end so.
 *
 * Part of the core: same owner. Guests are of queue entries; the crawldb has no other record of them.
 */
#ifndef TRAWL_MASTER_GUEST_H
#define TRAWL_MASTER_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct origin;

/* An entry of the queue, at depth 0. */
struct guest {
    uint64_t fp, seq;
    bool leased;
    struct guest *next, *prev; /* of those that are not leased */
};

/* False: no memory. */
bool guest_add(struct origin *o, uint64_t fp, uint64_t seq);
/* It has ended. */
void guest_remove(struct origin *o, uint64_t fp);
/* It is queued anew, under another number. */
void guest_move(struct origin *o, uint64_t fp, uint64_t seq);
/* It is in a lease now, or no more. */
void guest_lease(struct origin *o, uint64_t fp);
void guest_give_back(struct origin *o, uint64_t fp);
/* The first that is in no lease; NULL: there is none. */
const struct guest *guest_first(const struct origin *o);
/* How many; and of them: in a lease. */
uint32_t guest_count(const struct origin *o);
uint32_t guest_leased(const struct origin *o);
void guest_release(struct origin *o); /* frees all */

#endif
