/*
 * world: the deterministic simulation. The real master core and the real agents, over a clock, a network,
 * disks and a web (web.h) that are all made up and follow from one seed.
 *
 * Time is virtual and jumps from event to event. For the first 60 virtual seconds everything may go wrong;
 * then the faults heal and the crawl must end by itself. The promises are checked on the way (web.c at each request,
 * world_check.c at each answer and restart) and once more at the end, from the store and the sealed segments.
 *
 *     struct world_result r;
 *     world_run(&(struct world_options){.seed = 42, .trace = stderr}, &r);
 *
 * One thread; nothing outside the world is touched.
 */
#ifndef TRAWL_TESTS_SIM_WORLD_H
#define TRAWL_TESTS_SIM_WORLD_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum world_fault {
    FAULT_REQUEST_LOST,
    FAULT_REPLY_LOST,
    FAULT_LATE,
    FAULT_DOUBLED,
    FAULT_REORDERED,
    FAULT_PARTITION_UP,   /* requests of a worker do not arrive */
    FAULT_PARTITION_DOWN, /* replies to a worker do not arrive */
    FAULT_WORKER_KILLED,
    FAULT_WORKER_PAUSED, /* past its lease */
    FAULT_ZOMBIE,        /* a paused one came back */
    FAULT_RESTARTED,     /* under the same name */
    FAULT_TAIL_LOST,     /* records not yet durable gone with the worker */
    FAULT_MASTER_KILLED,
    FAULT_WRITES_LOST, /* unsynced writes gone with the master */
    FAULT_STORE_FULL,  /* a write or a sync fails; the core is made anew */
    FAULT_SERVER_BROKE,
    FAULT_CLOCK_JUMP, /* of the wall clock */
    FAULT_KILLED_SEALING,
    FAULT_TOLD_TO_WAIT,  /* a server asked to be left alone; not a request came too early */
    FAULT_FLAPPED,       /* a request to a server that was down for a moment */
    FAULT_POISONED,      /* a page killed the worker that fetched it */
    FAULT_SICK,          /* a worker's disk refused */
    FAULT_OTHER_OPTIONS, /* the master was started with others than before */
    FAULT_OTHER_TERMS,   /* of these, another delay or other connections */
    FAULT_STALE,         /* a connection that was kept turned out to have ended */
    FAULT_MOVED,         /* nobody answered at an address, and the host has another one */
    FAULT_COPIED,        /* a worker's directory, and a worker was started in the copy */
    FAULT_GUEST_REFUSED, /* such a one, or the first one; or one of another crawl */
    FAULT_DISK_LOST,     /* with all segments; an operator has them forgotten */
    FAULTS,
};

struct world_options {
    uint64_t seed;
    bool calm;   /* no faults: every URL must be asked for exactly once */
    FILE *trace; /* NULL: none */
};

struct world_result {
    bool ok;
    bool undecided; /* at the end of time the master waits, and says why: master/trial.h */
    char why[512];  /* what was broken */
    uint64_t faults[FAULTS];
    uint64_t events, requests, fetched, attached, refused, holes;
    uint64_t tries;     /* failed attempts that are told with their URLs */
    uint64_t forgets;   /* answers that there is more to be forgotten */
    uint64_t turn_work; /* the most that the core did at once, as shared/work.h counts it */
    uint64_t parts;     /* of the links of a page, that came ahead of its outcome */
    int64_t ended_ms;
};

const char *world_fault_name(enum world_fault f);
void world_run(const struct world_options *options, struct world_result *result);

#endif
