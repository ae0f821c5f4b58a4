/*
 * lease: the leases in force, the URLs in them, and the sessions that hold them. Why a task was handed out
 * twice is answered here.
 *
 * A lease is the right of one session to fetch certain URLs of one origin over a number of connections until
 * a deadline: a visit; or to run a task of a MapReduce job (job.h). Its attempt number only grows and is the
 * fencing token: a report under another number, or from another session, is not taken. What is of visits here does
 * not apply to the others: they have no origin, no address and no items.
 *
 * Deadlines: a lease ends lease_ms after it was granted or last named in a heartbeat. The heap holds the
 * earliest time at which a lease *could* end; a renewal only notes the time, and a lease that comes due is
 * put back if it was renewed since: a heartbeat costs nothing a lease in the heap.
 *
 * Part of the core: same owner.
 */
#ifndef TRAWL_MASTER_LEASE_H
#define TRAWL_MASTER_LEASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "master/host.h"
#include "shared/buf.h"
#include "shared/cost.h"
#include "shared/heap.h"
#include "shared/limits.h"
#include "shared/map.h"

/* A URL in a lease. */
struct lease_item {
    uint64_t fp, seq, via;
    uint32_t depth, attempts, hops, robots_for;
    bool nearer;               /* it came nearer while it was leased */
    uint32_t place_depth;      /* in its place in the queue; `depth` may be less meanwhile */
    uint32_t sitemap;          /* as in QueuedUrl of proto/trawl.proto */
    uint32_t losses, refusals; /* likewise */
    const struct worker
        *lost_with; /* as in QueuedUrl; NULL: nobody, or who is not known any more */
    bool seed;
    struct lease *lease;
    size_t index; /* in lease->items */
    uint32_t path_len, capture_len;
    char path[]; /* and behind it a Capture, packed: see recrawl.h */
};

struct lease {
    uint64_t attempt;
    struct session *session;
    struct task *task;            /* NULL: a visit */
    struct origin *origin;        /* of a visit */
    struct host_address *address; /* where its connections are booked; NULL: nowhere yet */
    uint32_t connections;
    struct lease_item **items;
    size_t count, size;
    int64_t granted_ms, renewed_ms, progress_ms;
    bool cancelled; /* told lost in heartbeats, no longer renewed */
    /* Attempts failed, with this as the last reason, and nothing was heard since: if the verdict on the origin never
     * comes, because the worker is gone, it rests for this. Empty: no trouble. */
    char trouble[64];
    bool failing;     /* it answered, with errors */
    bool guests_only; /* its holder has no rules of the origin: it gets no pages (guest.h) */
    bool alone;       /* its one item is to be by itself (trial.h): nothing is added */
    struct heap_item deadline;
    struct lease *next, *prev; /* of the session */
};

/* Of job.h. */
struct task_list {
    struct task *first, *last;
    size_t count;
};

/* A worker, by name: all fetch loops of one process. */
struct worker {
    char *name;
    /* Of the process that has the name: claim.h. */
    unsigned char instance[16];
    uint64_t incarnation, process, place;
    struct {
        uint64_t process; /* another one that asks for the name; 0: nobody */
        int64_t since_ms, last_ms;
    } asker;
    uint32_t sessions; /* alive */
    size_t leases;     /* visits of all of them */
    bool draining;
    bool proven;       /* an outcome of it was taken in this crawl: it can work */
    uint32_t vain;     /* leases that it died with, while not proven */
    uint32_t troubled; /* sessions that have told of a trouble of their own, */
    char trouble[LIMIT_TROUBLE_BYTES + 1]; /* and the last of these */
    uint64_t fetched;
    bool cost_based; /* what it cost before is in cost_told: meter.c */
    struct cost_sums cost_told;
    struct session *first;  /* alive */
    uint32_t ending;        /* sessions that are over and still hold leases */
    struct task_list maps;  /* done map tasks whose output it has */
    uint64_t named_for;     /* the last attempt at a reduce task whose grant names it, */
    uint32_t named_at;      /* in that place */
    struct session *tasker; /* takes tasks, and serves what its map tasks made; NULL: none */
    struct worker *next, *same_hash;
};

/* A fetch loop, or a process that runs tasks. */
struct session {
    uint64_t id;
    struct worker *worker;
    uint32_t loop, serial;
    bool attached;    /* false: known from before a restart, not heard of yet */
    bool other_terms; /* it was told other options than these: it is to register anew */
    int64_t renewed_ms;
    int64_t lease_ms; /* the longer one of the table's and of what it was told */
    struct heap_item deadline;
    struct lease *leases;
    size_t lease_count, item_count;
    struct session *sibling; /* of the same worker */
    bool closed, lost;       /* it is over; with its worker, as far as is known */
    struct session *next;    /* of those that are over */
    uint64_t last_number;    /* of its last exchange */
    struct buf last_reply;
    int64_t hungry_ms; /* when it last asked for visits and got none; 0: not so */
    uint32_t transfers;
    bool troubled; /* has a trouble of its own, and gets no visits */
    uint64_t bytes_in;
    char peer[64];

    uint32_t tasks; /* at once; 0: a fetch loop */
    char serve[LIMIT_SERVE_BYTES + 1];
    uint32_t failures;     /* of tasks, in a row */
    int64_t rest_until_ms; /* after them */
};

struct lease_table {
    int64_t lease_ms;
    struct map by_attempt; /* struct lease */
    struct map in_flight;  /* struct lease_item by fingerprint */
    struct heap deadlines;
    struct map sessions; /* struct session by id */
    struct heap session_deadlines;
    struct session *ending; /* over, and still with leases: these end one by one */
    struct worker *workers;
    struct map workers_by_name; /* by the hash of the name */
    size_t worker_count;
    size_t loops,
        unattached; /* sessions that are fetch loops; of these, not heard of since a restart */
    size_t visits;  /* leases that are */
    uint32_t slots; /* tasks that the sessions take at once */
};

void lease_table_init(struct lease_table *t, int64_t lease_ms);
void lease_table_release(struct lease_table *t);

/* ---- sessions --------------------------------------------------------------------------------------- */

struct worker *lease_worker(const struct lease_table *t, const char *name); /* NULL: unknown */
/* A worker not known before is made. NULL: no memory. */
struct worker *lease_worker_add(struct lease_table *t, const char *name);
struct session *lease_session(const struct lease_table *t, uint64_t id);
struct session *lease_session_add(struct lease_table *t, uint64_t id, struct worker *w,
                                  uint32_t loop, uint32_t tasks, bool attached, int64_t now_ms);
void lease_session_attach(struct lease_table *t, struct session *s);
void lease_session_renew(struct session *s, int64_t now_ms);
/* It is over: nobody finds it any more, and its leases are to be taken back. */
void lease_session_close(struct lease_table *t, struct session *s);
/* It must be closed, be the first of those that are ending, and hold no lease. */
void lease_session_free(struct lease_table *t, struct session *s);
/* A session whose time is up, or NULL. */
struct session *lease_session_due(struct lease_table *t, int64_t now_ms);

/* ---- leases ------------------------------------------------------------------------------------------ */

/* `connections` and `address` are already booked with the origin. NULL: no memory. */
struct lease *lease_grant(struct lease_table *t, uint64_t attempt, struct session *s,
                          struct origin *o, uint32_t connections, struct host_address *address,
                          int64_t now_ms);
struct lease *lease_grant_task(struct lease_table *t, uint64_t attempt, struct session *s,
                               struct task *task, int64_t now_ms);
struct lease *lease_find(const struct lease_table *t, uint64_t attempt);
void lease_renew(struct lease *l, int64_t now_ms);
/* A lease that is to be looked at: its time is up, or it would be had nobody renewed it since. NULL: none. */
struct lease *lease_due(const struct lease_table *t, int64_t now_ms);
/* It was renewed: it is looked at again when that is over. */
void lease_defer(struct lease_table *t, struct lease *l);
int64_t lease_next_ms(const struct lease_table *t);
/* It must hold no item; unbooking its connections is the caller's. */
void lease_free(struct lease_table *t, struct lease *l);

/* Makes room for one more item; false: no memory. After it lease_add_item() cannot fail. */
bool lease_reserve(struct lease_table *t, struct lease *l);
struct lease_item *lease_item_new(const char *path, size_t len, const void *capture,
                                  size_t capture_len); /* NULL: no memory */
const void *lease_item_capture(const struct lease_item *it);
/* Takes `it` over. */
void lease_add_item(struct lease_table *t, struct lease *l, struct lease_item *it);
struct lease_item *lease_item(const struct lease_table *t, uint64_t fp); /* NULL: in no lease */
/* Takes it out of its lease and of the table: the caller frees it with free(). */
void lease_take_item(struct lease_table *t, struct lease_item *it);
/* Orders the items as they stood in the queue, which is the order in which they are fetched. */
void lease_sort_items(struct lease *l);

#endif
