/*
 * visit: one leased origin as its fetch loop sees it: which URL may be asked for now, over how many
 * connections, until when; and what is to be reported of it. Pure; part of the agent (agent.h), same owner.
 *
 * Its address                              Its robots.txt
 *
 *   NEEDED -> RESOLVING -> CLAIM             NEEDED -> FETCHING --redirect--> NEEDED
 *     ^          |           | sent             |         |
 *     |          |           v                  |         v
 *     |          `------> CLAIMED -> BOOKED      `-----> KNOWN
 *     |                              |
 *     `---- nobody answers there ----'
 *
 * While the address is NEEDED again what runs goes on to its end, at the old one, and nothing is started: only then is
 * it resolved and claimed, so that a visit never has connections to an address that is not booked for it.
 *
 * Its end: `ending` is set once (nothing more is started; queued URLs will be given back); when nothing runs
 * its connections are closed (`closing`, `closed`); then one report with `done` gives the lease back.
 */
#ifndef TRAWL_WORKER_VISIT_H
#define TRAWL_WORKER_VISIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/wire.h"
#include "shared/heap.h"
#include "shared/robots.h"

enum visit_address_state {
    VISIT_ADDRESS_NEEDED,
    VISIT_ADDRESS_RESOLVING,
    VISIT_ADDRESS_CLAIM,   /* found; to be claimed with the next exchange */
    VISIT_ADDRESS_CLAIMED, /* claim under way */
    VISIT_ADDRESS_BOOKED,
};

enum visit_robots_state { VISIT_ROBOTS_NEEDED, VISIT_ROBOTS_FETCHING, VISIT_ROBOTS_KNOWN };

/* A URL on its way. */
/* Asked for in place of the page, since it may lead back there (agent_wall.h). */
struct visit_detour {
    size_t path_at, len;
    unsigned hops;
    bool cookie; /* one was set on the way */
    char text[]; /* absolute URL, NUL */
};

struct visit_url {
    uint64_t fp, seq;
    uint32_t depth, attempts;
    bool robots;                   /* another origin's robots.txt */
    bool sitemap;                  /* to be read as one */
    bool running;                  /* in a transfer */
    uint8_t repeats;               /* AGENT_AGAIN, in this visit */
    bool gone;                     /* not ours any more: its outcome is of no interest */
    uint8_t rounds;                /* asked for again for a cookie's sake, in this visit */
    struct visit_detour *detour;   /* NULL: none */
    struct visit_url *next, *prev; /* in visit->queue or visit->running */
    size_t path_at;                /* in text: where path and query begin */
    size_t len, capture_len;
    char text[]; /* absolute URL, NUL, and a Capture, packed */
};

struct agent_segment;

/* An outcome on its way to the master. */
struct visit_result {
    Trawl__Outcome outcome; /* points into the same allocation */
    uint64_t seq;
    uint32_t depth;
    uint64_t mark; /* durable once a sync of this mark is done; 0: nothing written */
    struct agent_segment *segment; /* where its record is, or NULL */
    struct buf robots; /* packed RobotsReport of another origin's robots.txt; empty: none */
    bool sent;         /* in the exchange under way, */
    size_t place;      /* as this outcome of the visit's report */
    size_t part;       /* links of it that are in the exchange under way ahead of it; 0: none */
    size_t bytes;      /* of the outcome, but for its links and robots.txt */
    size_t link_bytes; /* of those not yet acknowledged */
    const uint64_t *link_fps; /* of the outcome's links (told.h) */
    struct visit_result *next;
};

struct visit_list {
    struct visit_url *first, *last;
    size_t count;
};

struct visit {
    uint64_t attempt;
    char *origin;
    size_t origin_len;
    uint32_t delay_ms, connections;
    int64_t deadline_ms;
    uint64_t beat; /* the last heartbeat that named it */

    enum visit_address_state address_state;
    unsigned char address[16];
    size_t address_len;
    enum visit_robots_state robots_state;
    struct robots rules;
    char *robots_path;
    struct visit_url *robots_url; /* of the fetch under way, or the last */
    uint32_t robots_hops;
    uint8_t robots_repeats, moves; /* AGENT_AGAIN: of its robots.txt; to other addresses */

    struct visit_list queue, running;
    uint32_t transfers;  /* running fetches, robots.txt included */
    uint32_t unanswered; /* of these: maybe not at the server yet */
    int64_t next_start_ms, last_start_ms;
    uint32_t failures;      /* in a row */
    Trawl__Verdict trouble; /* what the last of them says of the origin, */
    char last_error[96];    /* and its reason */

    struct visit_result *results, **results_end; /* not yet acknowledged, oldest first */
    size_t result_count;
    struct buf robots_report; /* packed RobotsReport; empty: none to send */
    bool robots_report_sent;
    Trawl__Verdict verdict;
    char reason[160];
    uint32_t backoff_ms;

    bool ending, closing, closed, done_sent, lost, fenced;
    bool asked_idle;     /* the exchange under way asks for more, and nothing else was left to do */
    bool in_exchange;    /* has a report in the exchange under way */
    size_t report_place; /* which */

    struct heap_item deadline, start; /* in the agent's heaps */
    bool attention;                   /* in the agent's attention list */
    struct visit *next_attention;
    struct visit *next, *prev; /* all of the agent's visits */
    void *shell;
};

/* NULL: no memory. */
struct visit *visit_new(const Trawl__Grant *grant, int64_t deadline_ms);
void visit_free(struct visit *v);
/* Adds a granted URL to the queue. UNFIT: it is no path, or too long to be asked for. */
enum visit_added { VISIT_ADDED, VISIT_UNFIT, VISIT_NO_MEMORY };
enum visit_added visit_add(struct visit *v, const Trawl__Item *item);

/* Outstanding URLs that keep the visit busy without hoarding. */
size_t visit_target(const struct visit *v);
/* URLs that it still could work on: queued or running. */
size_t visit_outstanding(const struct visit *v);
/* Is there something that could be started, time aside? */
bool visit_startable(const struct visit *v);
/* Nothing queued, nothing running. */
bool visit_idle(const struct visit *v);

void visit_url_free(struct visit_url *u); /* in no list; NULL is fine */

void visit_list_add(struct visit_list *l, struct visit_url *u);
void visit_list_add_first(struct visit_list *l, struct visit_url *u);
void visit_list_take(struct visit_list *l, struct visit_url *u);

void visit_result_free(struct visit_result *r);
/* Appends a result; takes it over. */
void visit_add_result(struct visit *v, struct visit_result *r);
/* No more is started; `verdict` and `reason` (may be NULL) go into the report. */
void visit_end(struct visit *v, Trawl__Verdict verdict, const char *reason);

#endif
