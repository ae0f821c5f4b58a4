/*
 * claim: whose a worker's name is. One process has it at a time, and with it every session under that name; so no two
 * processes have one session, and what segments are named for is one writer's.
 *
 * A process is told by its random number. Who asks for a name
 *
 *   and has it already                         has it: a repeat, or another loop of the same process
 *   while nobody has a session under it        gets it, whatever directory was used before
 *   from the place of the one that had it,     gets it at once: it has locked the file that was the other's (worker/home.h),
 *   started later                              so that one is dead. Started earlier, it is itself: its request was late
 *   else                                       has to wait. Another directory, a copy of it, the same one after a restart of
 *                                              the machine or put back from an older copy: nothing that lies in a directory
 *                                              can tell a process that lives from one that is dead
 *
 * Waiting ends with the last session of the one that had the name: it was dead, or cut off for longer than its leases. Or
 * when that one is heard of more than half a lease after the other began to ask: it lives, for what a dead one had said
 * has arrived by then. Who asks is then refused, and told why.
 *
 * Part of the core: same owner. Who asks is not stored: after a restart of the master waiting begins anew.
 */
#ifndef TRAWL_MASTER_CLAIM_H
#define TRAWL_MASTER_CLAIM_H

#include "master/core_state.h"

enum claim { CLAIM_HAS, CLAIM_TAKES, CLAIM_WAITS, CLAIM_LATE, CLAIM_REFUSED };

enum claim claim_ask(struct core *c, struct now now, struct worker *w, const Trawl__Register *r);
/* The name is that process's from now on. */
void claim_take(struct worker *w, const Trawl__Register *r);
/* To those who wait or are refused; built in the core's arena, "" when it is full. */
const char *claim_text(struct core *c, const struct worker *w, const Trawl__Register *r,
                       enum claim claim);
/* Is who sends this the process that has the name, or one beside it in the same directory, or does nobody have it? */
bool claim_proven(const struct worker *w, ProtobufCBinaryData instance, uint64_t place);

#endif
