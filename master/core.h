/*
 * core: the master as a pure state machine. Requests and ticks go in with the time they came, replies come
 * out; the crawldb is reached through the store interface. It knows no thread, socket, file or clock, so the
 * whole of it runs under the simulation (tests/sim).
 *
 * Invariants
 *  C1  Persist, then tell: a reply may leave only after store_sync() covered every write made before it
 *      (CORE_AFTER_SYNC). Heartbeat replies carry no state that a crash could take back (CORE_AT_ONCE).
 *  C2  A URL is queued or done, never both, and enters the crawldb once (seen.h). Queued URLs stay in the
 *      crawldb until the write batch that records their outcome; being leased is soft state.
 *  C3  Over all leases of an origin, connections never exceed host_connections; over all origins of an
 *      address, ip_connections. An origin with a delay, or whose robots.txt is not known, has one lease.
 *  C4  An origin is granted again no sooner than its delay after the last lease on it was given back or
 *      expired. A lease expires lease_ms after the last renewal was *received*.
 *  C5  Attempt, session, segment, URL and term numbers never repeat, also across restarts: they are taken from blocks
 *      reserved in the store before use. What is there tells nothing: the last ones may have been forgotten. Sessions,
 *      which name segments, and attempts do not repeat even when an older copy of the crawldb is put back.
 *  C6  After a restart nothing is granted on an origin until every session that was alive has attached, or a
 *      whole lease has passed: so leases need not be stored.
 *  C7  An outcome is taken only from the holder of the lease, once, and never for a record in a segment that
 *      a SegmentQuery has closed.
 *  C8  If the store fails, the core is void (core_failed()): the shell frees it, mends the store and makes a
 *      new one from it, exactly as after a crash. Requests meanwhile get BUSY.
 *  C9  A URL is failed for killing workers only when workers died that had nothing else (trial.h).
 *
 * MapReduce jobs are served beside the crawl, which does not end while one runs; with options.jobs_only alone, until
 * core_stop() was called and none is left. Their invariants, J1 to J5, are in docs/mapreduce.md.
 *
 * One owner at a time: the shell calls under one lock.
 */
#ifndef TRAWL_MASTER_CORE_H
#define TRAWL_MASTER_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "master/store.h"
#include "proto/wire.h"
#include "shared/cost.h"
#include "shared/error.h"
#include "shared/limits.h"
#include "shared/options.h"

/* mono_ms only grows and counts suspended time (CLOCK_BOOTTIME); unix_ms is for what outlives the process. */
struct now {
    int64_t mono_ms;
    int64_t unix_ms;
};

struct core;

/* Loads what the store holds, or starts a new crawl in an empty one. `options` and `store` must outlive the
 * core. `random16`: 16 random bytes, others at each start: the fingerprint key of a new crawl, and where numbers go on.
 * NULL with a message on failure (store errors, bad patterns). */
struct core *core_new(const struct options *options, struct store *store, struct now now,
                      const unsigned char random16[16], struct error *err);
void core_free(struct core *c);

enum core_when { CORE_AT_ONCE, CORE_AFTER_SYNC };

/* Handles one request; appends one whole Reply message to `reply`. `peer` is for the log and status. */
enum core_when core_request(struct core *c, struct now now, const Trawl__Request *request,
                            const char *peer, struct buf *reply);

/* Everything that time brings: expired leases, cooled-down origins, the end. Call when core_next_ms() is due
 * and at least once a second. */
void core_tick(struct core *c, struct now now);
int64_t core_next_ms(const struct core *c, struct now now);
/* What the last call of one of these two did, as shared/work.h counts it: LIMIT_TURN_WORK at most. */
uint64_t core_turn_work(const struct core *c);

/* A seed, as text of the user. INVALID: `err` says why. Already known is fine. Durable after a sync. */
bool core_seed(struct core *c, struct now now, const char *url, size_t len, struct error *err);

/* The same, of a sitemap: the scope stays as it is. */
bool core_sitemap(struct core *c, struct now now, const char *url, size_t len, struct error *err);

/* Ends the crawl cleanly: no new URLs are handed out, workers finish what is in flight, seal and leave. */
void core_stop(struct core *c, struct now now, const char *why);

/* What operators asked of it and no store keeps: for the core that takes its place, made anew from the store. */
struct core_orders {
    bool paused;
    const char *stopped; /* why; NULL: not */
};
struct core_orders core_orders(const struct core *c);
void core_obey(struct core *c, struct now now, struct core_orders orders);

/* Whether there is or may be work for the worker: the crawl runs or is paused, and nobody asked it to leave. */
bool core_wants_worker(const struct core *c, const char *name);

/* What a log should have: a worker came, was lost or left by itself; an origin was given up. `name` says
 * which, `why` is of an origin, or says what happened. Called from within core_request() and core_tick(). */
enum core_event {
    CORE_WORKER_JOINED,
    CORE_WORKER_LOST,
    CORE_WORKER_LEFT,
    CORE_WORKER_TROUBLED, /* `why`: what it says of a trouble of its own; it is given nothing */
    CORE_WORKER_WELL,     /* again */
    CORE_WORKER_SUSPECT, /* it dies again and again, and nothing of it was ever taken: what it dies with waits (trial.h) */
    CORE_ORIGIN_PARKED,
    CORE_SCOPE_GREW, /* URLs that were out of scope are queued: `why` says how many */
};
typedef void core_listener(void *arg, enum core_event event, const char *name, const char *why);
void core_listen(struct core *c, core_listener *listener, void *arg);

enum core_state {
    CORE_RUNNING,
    CORE_PAUSED,
    CORE_STOPPING, /* frontier empty, a limit reached or stopped: waiting for sessions to leave */
    CORE_ENDED,    /* and they have left, or are lost */
};
enum core_state core_state(const struct core *c);
/* Why it stops or ended: "frontier empty", "--max-pages reached", "stopped". NULL while it runs. */
const char *core_why(const struct core *c);
bool core_failed(const struct core *c, struct error *err);

struct core_stats {
    /* Known URLs by state; they sum to `known`. */
    uint64_t known, pending, fetched, redirected, excluded, failed;
    uint64_t in_flight; /* of the pending: leased */
    uint64_t bytes;     /* body bytes of committed responses, over all runs */
    uint64_t commits, retries, refused;
    uint64_t origins, origins_ready, leases;
    uint32_t workers, sessions; /* alive */
    uint32_t workers_troubled;  /* of these: told of a trouble of their own */
    bool
        undecided; /* nobody is there who could show whether a URL or its worker is to blame (trial.h) */
    char trouble[LIMIT_TROUBLE_BYTES + 128]; /* whose, and what; of one of them */
    uint32_t transfers;                      /* in flight, as heartbeats last said */
    uint64_t workers_lost, tasks_reassigned; /* since this master started */
    uint64_t bytes_in;    /* received by live sessions, as heartbeats last said */
    uint64_t seen_bytes;  /* memory of the seen-set */
    uint64_t rules_bytes; /* and of what robots.txt files say */
    uint64_t segments_unsealed;
    /* What other options, or a wider scope, changed since this master started (verdicts.h): URLs that were excluded or
     * had failed and are queued, and that were queued and are excluded. */
    uint64_t requeued, excluded_now;
};
void core_stats(const struct core *c, struct core_stats *s);

/* What the crawl cost since this master started, in CPU time of all processes: what workers used before they joined is
 * not in it. They tell with each heartbeat, and when they leave. */
struct core_cost {
    uint64_t pages; /* outcomes taken: what the sums are to be divided by */
    struct cost_sums sums;
};
/* The master's own sums, for core_cost() and core_status_json() to add. */
void core_note_cost(struct core *c, const struct cost_sums *own);
void core_cost(const struct core *c, struct core_cost *cost);
/* The whole status as JSON (INTERFACE: `trawl status --json`). */
bool core_status_json(const struct core *c, struct now now, struct buf *out);
/* Calls `line` for each name of a segment that is not sealed, with its worker. */
void core_unsealed(const struct core *c,
                   void (*line)(void *arg, const char *segment, const char *worker), void *arg);

#endif
