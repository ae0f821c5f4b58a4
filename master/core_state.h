/*
 * core_state: what the core is made of; for the files that make up the core (core.c, committed.c, exchange.c,
 * frontier.c, origins.c, sitemaps.c, traps.c, trial.c, verdicts.c, session.c, load.c, control.c, status.c, job_*.c) and
 * nobody else. core.h is its outside.
 *
 * Every handler gathers its writes in `batch` and ends with core_flush(); whatever reads the store in between
 * flushes first. A failure to write or to allocate makes the core void (core_fail()): there is no half-done
 * state to mend, because what counts is in the store.
 */
#ifndef TRAWL_MASTER_CORE_STATE_H
#define TRAWL_MASTER_CORE_STATE_H

#include "master/batch.h"
#include "master/committed.h"
#include "master/core.h"
#include "master/host.h"
#include "master/job.h"
#include "master/lease.h"
#include "master/record.h"
#include "master/seen.h"
#include "master/template_table.h"
#include "proto/budget.h"
#include "shared/scope.h"
#include "shared/trap.h"
#include "shared/url.h"

struct segment {
    uint32_t id;
    char *name;
    char *worker;
    bool closed; /* no commit may name it any more */
    bool sealed;
    bool forgotten; /* forget.h */
    struct segment *same_hash;
    struct segment *next_forgotten;
};

/* A number that never repeats: `limit` is stored before any number below it is used. */
struct counter {
    const char *name; /* under 'M' */
    uint64_t next, limit;
    uint32_t block; /* so many are reserved at once */
};

enum { CORE_LOADED_BATCH = 256, CRAWL_NAME_DIGITS = 16 };

struct core {
    const struct options *options;
    struct store *store;
    struct batch batch;
    struct committed_notes committed; /* enter the batch with the flush */
    struct error failure;
    bool failed;

    unsigned char key[16];             /* of the fingerprints */
    char crawl[CRAWL_NAME_DIGITS + 1]; /* names the crawl: part of its segments' names */
    uint64_t term;
    struct counter seqs, attempts, sessions, segment_numbers, job_numbers;
    uint64_t first_attempt; /* of this term; lower ones are of leases from before a restart */
    bool in_grace;          /* after a restart: no grant until all have attached, */
    int64_t grace_until_ms; /* or until then */

    struct scope *scope;
    struct seen *seen;
    struct host_table hosts;
    struct lease_table leases;
    struct job_table jobs;
    struct map segments_by_id, segments_by_name;
    uint32_t seed_count;
    uint32_t *purge; /* parked origins whose queue is still to be emptied */
    size_t purge_count, purge_size;
    size_t purge_next; /* whose turn it is */
    size_t unsealed;   /* segments */
    size_t looked;     /* origins, for the reason of the end: why_empty() */

    size_t slice_work; /* what is done of a long walk at once */
    struct {
        uint64_t began, work; /* work_done() at its begin; what the last one did */
    } turn;                   /* turn.h */
    size_t forgetting;        /* segments that are marked: forget.h */
    struct segment *first_forgotten, *last_forgotten; /* in the order in which they are forgotten */
    struct {
        char worker[LIMIT_WORKER_NAME_BYTES + 1];
        uint64_t urls, segments; /* of it, so far; or lately */
        struct record_key
            from;       /* the entry of committed records that comes next; empty: the first */
        size_t records; /* of that entry, that are done with */
    } forget;

    enum core_state state;
    const char *why;
    bool stop_asked; /* by the user: stopping is for good. Else it ends when the reason does */
    int64_t started_ms;
    int64_t stopping_ms; /* since when; or when somebody last saw to a segment */
    int64_t tasked_ms;   /* when there was a session for tasks */
    int64_t job_over_ms; /* when the last job ended */
    int64_t resumed_ms;  /* when an operator last resumed the crawl */
    /* The last two sessions that asked in vain: of any session it can be said whether another is hungry. */
    struct {
        uint64_t session;
        int64_t until_ms;
    } hungry[2];

    uint64_t loaded[CORE_LOADED_BATCH]; /* fingerprints read at the start, not yet in `seen` */
    uint8_t loaded_notes[CORE_LOADED_BATCH];
    size_t loaded_count;

    uint64_t by_state[5]; /* index: Trawl__State, PENDING..FAILED */
    uint64_t leased_pages;
    uint64_t bytes, commits, retries, refused;
    uint64_t workers_lost, tasks_reassigned, out_of_scope;
    struct cost_sums cost;     /* of workers, as they told */
    struct cost_sums own_cost; /* of this process, as the shell said */

    struct {
        struct template_table *templates; /* NULL: no --max-per-template */
        struct buf text;                  /* scratch */
        uint64_t excluded[TRAP_VERDICTS];
    } traps;

    struct {
        struct worker *worker; /* summoned for a trial; NULL: nobody is */
        uint64_t attempt;      /* the lease that it got for it; 0: not yet */
        uint32_t origin;       /* whose URL it is */
        int64_t summoned_ms;
    } trial; /* trial.h */

    struct {
        uint64_t rules, net;             /* digests of the options */
        bool rules_changed, net_changed; /* the verdicts in the crawldb come from others */
        bool wanted, running, marked;    /* a pass, as the crawl runs; "premises" is 0 */
        uint64_t next;                   /* where it goes on */
        int64_t began_ms, not_before_ms;
        uint64_t queued, excluded; /* verdicts that were changed */
        uint64_t queued_before;    /* the pass under way */
    } verdicts;                    /* verdicts.h */

    struct {
        uint64_t *todo; /* fingerprints that are to be settled */
        size_t count, size;
    } depths; /* depths.h */

    core_listener *listener; /* may be NULL */
    void *listener_arg;

    size_t message_bytes; /* budget of an answer */
    size_t rules_bytes;   /* of host_table.rules_pool, between requests */
    struct arena arena;   /* of the message being built */
    struct arena record;  /* of one stored value */
    struct buf value;     /* scratch */
    struct buf stripped;  /* scratch: a link without its tracking parameters */
    struct url url;       /* scratch */
};

/* ---- core.c ------------------------------------------------------------------------------------------ */

void core_fail(struct core *c, const char *what);
/* Appends a value of the crawldb to the batch. */
void core_put(struct core *c, struct record_key key, const ProtobufCMessage *value);
void core_put_number(struct core *c, const char *name, uint64_t n);
void core_delete(struct core *c, struct record_key key);
/* Writes the batch. False: the core is void. */
bool core_flush(struct core *c);
/* A record as a message, in the record arena, as the store has it: behind core_flush(), all that was written. NULL: there
 * is none, or the core has failed. */
void *core_read(struct core *c, struct record_key key, const ProtobufCMessageDescriptor *type);
void core_tell(struct core *c, enum core_event event, const char *name, const char *why);
/* The next number of a counter; extends its reservation when needed. */
uint64_t core_number(struct core *c, struct counter *counter);
/* A crawldb from before the counter was kept may hold numbers beyond it: those are not given again. */
void core_number_used(struct counter *counter, uint64_t n);
/* Some of the origins that have cooled down. */
void core_thaw(struct core *c, struct now now);
/* Ends the grace once everybody has attached, or nobody can hold a lease any more. */
void core_check_grace(struct core *c, struct now now);
/* core_seed() without the write: the caller flushes. */
bool core_take_seed(struct core *c, struct now now, const char *url, size_t len, struct error *err);
/* The user wants it: for good. */
void core_begin_stop(struct core *c, struct now now, const char *why);
/* Stops the crawl if nothing is left or a limit is reached; goes on with one that was stopped for that if it is so no
 * more: a URL was added, a worker forgotten. */
void core_check_end(struct core *c, struct now now);
Trawl__Phase core_phase_for(const struct core *c, const struct session *s);

/* ---- frontier.c --------------------------------------------------------------------------------------- */

struct discovery {
    uint64_t via;
    uint32_t depth, hops;
    bool seed;
    bool redirected;  /* by a redirect: it may be behind fewer of them than before */
    uint32_t sitemap; /* as in QueuedUrl of proto/trawl.proto; 0: a page */
    bool named;       /* of a sitemap: fetched wherever it lies, unless --exclude forbids it */
};
/* A canonical URL from a page, a redirect or a seed; new ones become queued or excluded. False: not a
 * canonical http(s) URL. */
bool frontier_discover(struct core *c, struct now now, const char *url, size_t len,
                       struct discovery d);
/* What the user names: queued, or decided again if it is excluded, or tried anew if it has failed. */
void frontier_name(struct core *c, struct now now, const char *url, size_t len, struct discovery d);
/* Why the URL in c->url is excluded, found as `d`. NULL: it is not. */
const char *frontier_excluded_by(struct core *c, struct discovery d);
/* The URL of a record into c->url; `o` NULL: `path` is all of it. False: it is none. */
bool frontier_parse(struct core *c, const struct origin *o, ProtobufCBinaryData path);
/* The record of a URL that is done, in the record arena. NULL: there is none, or the core has failed. */
Trawl__DoneUrl *frontier_read_done(struct core *c, uint64_t fp);
/* The number of a URL's origin; 0: none is known. */
uint32_t frontier_origin_of(const struct core *c, const void *url, size_t len);
/* Deeper than --max-depth: pending, and not granted. */
bool frontier_kept_back(const struct core *c, uint32_t depth);
/* Where a URL of that depth is to stand; one deeper than --max-depth, always there. */
struct queue_place frontier_place(struct core *c, uint32_t depth, uint64_t fp);
/* Puts an entry that is counted already at its place. */
void frontier_put_queued(struct core *c, struct now now, struct origin *o,
                         const Trawl__QueuedUrl *q);
/* The origin has a page of that depth. */
void frontier_page_at(struct core *c, struct now now, struct origin *o, uint32_t depth);
/* How a URL that is done was found. */
struct discovery frontier_found_as(const Trawl__DoneUrl *d);
/* The URL in c->url is excluded for another reason, or, NULL, queued again as `found`. */
void frontier_decide(struct core *c, struct now now, uint64_t fp, const Trawl__DoneUrl *d,
                     struct discovery found, const char *reason);
/* Ends a queue entry that is not counted yet, if the options exclude it. */
bool frontier_exclude_queued(struct core *c, const struct origin *o, struct queue_place place,
                             const Trawl__QueuedUrl *q);
uint64_t frontier_fingerprint(const struct core *c, const char *url, size_t len);
/* Queues robots.txt of `for_origin`, found at `url` of another origin. UNREACHABLE: that one was given up, `why`. */
enum frontier_robots_queued {
    FRONTIER_ROBOTS_QUEUED,
    FRONTIER_ROBOTS_NOWHERE, /* not a usable URL */
    FRONTIER_ROBOTS_UNREACHABLE,
};
enum frontier_robots_queued frontier_queue_robots(struct core *c, struct now now,
                                                  struct origin *for_origin, const char *url,
                                                  size_t len, const char **why);
/* Moves up to `max` URLs from the queue of the lease's origin into the lease, as far as they have room in the message;
 * reads the store. `*full`: some had none. */
size_t frontier_take(struct core *c, struct lease *l, size_t max, struct budget *budget,
                     bool *full);
/* A queue entry that a worker held over a restart joins its lease again. */
bool frontier_adopt(struct core *c, struct lease *l, const Trawl__QueuedUrl *q,
                    struct queue_place place);
/* Untried: stays queued, where it was. */
void frontier_give_back(struct core *c, struct lease_item *it);
/* Tried in vain: queued again, behind the others of its depth. Frees the item. */
void frontier_requeue(struct core *c, struct now now, struct lease_item *it,
                      const Trawl__Outcome *o);
/* Writes down how often it was lost, or its outcome refused. It stays leased. */
void frontier_note(struct core *c, const struct lease_item *it);
/* Its outcome: leaves the queue for its terminal state. Frees the item. `o` is checked already. */
void frontier_finish(struct core *c, struct now now, struct lease_item *it, const Trawl__Outcome *o,
                     const struct segment *segment);
/* Some of its links, ahead of its outcome: it stays leased. Known ones again change nothing. */
void frontier_links(struct core *c, struct now now, struct lease_item *it, const Trawl__Outcome *o);
/* Puts a done URL back into the queue if its record, or the payload that this refers to, is in the segment, which is
 * gone. */
bool frontier_refetch(struct core *c, struct now now, uint64_t fp, uint32_t segment);
/* What may still be granted under --max-pages. */
uint64_t frontier_page_room(const struct core *c);
/* Writes down how a URL ended, and counts it. */
void frontier_put_done(struct core *c, uint64_t fp, const Trawl__DoneUrl *d);

/* ---- origins.c ---------------------------------------------------------------------------------------- */

/* Known or made. NULL: no memory (the core has failed). */
struct origin *origin_get(struct core *c, const char *name, size_t len);
void origin_put(struct core *c, const struct origin *o);
/* What its robots.txt says, from memory or the crawldb; valid until the request is over. NULL: not known, or it cannot be
 * had any more (then it is to be asked for again), or the core has failed. */
const struct rules *origin_rules(struct core *c, struct origin *o);
/* The name of rules. Those that are no longer than a name are kept in it, and in the origin's own record. */
uint64_t origin_rules_name(const struct core *c, const void *bytes, size_t len);
/* Its queue or its times are other ones than before: it gets its place among those that wait for a grant. */
void origin_changed(struct core *c, struct now now, struct origin *o);
/* The visit's robots report. */
void origin_robots(struct core *c, struct now now, struct origin *o, const Trawl__RobotsReport *r);
/* How the fetch ended of robots.txt of origin `id` that lay at another one. */
void origin_robots_elsewhere(struct core *c, struct now now, uint32_t id, const Trawl__Outcome *o);
/* Gives it up: what is queued of it ends in `state`. */
void origin_park(struct core *c, struct now now, struct origin *o, Trawl__State state,
                 const char *reason);
/* It was given up for a reason that has passed: it may be granted again. */
void origin_unpark(struct core *c, struct now now, struct origin *o);
void origin_purge_later(struct core *c, struct origin *o);
/* Some of the queues of parked origins. */
void origins_purge(struct core *c, struct now now);
/* A visit ended because the origin does not answer, or (`failing`) answers with errors: it rests, for
 * `asked_ms` or longer, or is given up. `error` is the last one. `attempt`: of the visit, which counts once; 0: none. */
void origin_unreachable(struct core *c, struct now now, struct origin *o, uint64_t attempt,
                        bool failing, uint32_t asked_ms, const char *error);
/* Nothing is granted on it for `ms`; LIMIT_SERVER_DELAY_MS at most. */
void origin_rest(struct core *c, struct now now, struct origin *o, uint32_t ms);
/* It has answered without an error. */
void origin_reached(struct core *c, struct origin *o);

/* ---- sitemaps.c --------------------------------------------------------------------------------------- */

/* Takes in the sitemaps that the origin's robots.txt names, if it has pages and --sitemaps allows it. */
void sitemaps_find(struct core *c, struct now now, struct origin *o);
/* What a link of `it` is discovered as. */
struct discovery sitemaps_link(const struct lease_item *it, const Trawl__Outcome *out,
                               ProtobufCBinaryData link);

/* ---- traps.c ------------------------------------------------------------------------------------------ */

bool traps_init(struct core *c); /* false: no memory */
void traps_release(struct core *c);
/* Whether a new URL is to be excluded, and why. A redirect may put parameters into their proper order. */
enum trap_verdict traps_check(struct core *c, const struct url *u, bool redirected);
/* A URL was taken in: it counts for those to come. */
void traps_note(struct core *c, const char *url, size_t len, size_t origin_len);
/* The same, of a record of the crawldb. */
void traps_note_loaded(struct core *c, const struct origin *o, ProtobufCBinaryData path);
/* One more was excluded for `reason`, if that is a trap. */
void traps_count(struct core *c, const char *reason);
/* It is not excluded for that any more. */
void traps_uncount(struct core *c, const char *reason);

/* ---- session.c ---------------------------------------------------------------------------------------- */

/* A digest of what workers are told when they register: a session knows other terms until it registers anew. */
uint64_t session_terms(struct core *c);
void session_register(struct core *c, struct now now, const Trawl__Register *r, const char *peer,
                      Trawl__Reply *reply);
void session_attach(struct core *c, struct now now, struct session *s, const Trawl__Attach *a,
                    Trawl__Reply *reply);
void session_heartbeat(struct core *c, struct now now, struct session *s, const Trawl__Heartbeat *h,
                       Trawl__Reply *reply);
/* What it says of a trouble of its own; empty: it is well. */
void session_trouble(struct core *c, struct session *s, const char *text);
enum session_gone {
    SESSION_LEFT,
    SESSION_LOST,
    SESSION_REPLACED, /* by another one of the same process */
};
/* The session is gone. Its leases are taken back now, or, if there are many, by and by (session_let_go()). */
void session_end(struct core *c, struct now now, struct session *s, enum session_gone how);
/* Takes a visit back: its URLs return to the queue, the origin rests for its delay. */
void session_take_back(struct core *c, struct now now, struct lease *l, int64_t last_request_ms);
void session_expire(struct core *c, struct now now);
/* Some of the leases of sessions that have ended. */
void session_let_go(struct core *c, struct now now);

/* ---- request.c ---------------------------------------------------------------------------------------- */

/* NULL: it keeps to the limits. */
const char *request_too_large(const Trawl__Request *r);

/* ---- meter.c ---------------------------------------------------------------------------------------- */

/* Another process of the worker joins. */
void meter_worker_starts(struct worker *w);
void meter_told(struct core *c, struct worker *w, const uint64_t *us, size_t count);

/* ---- exchange.c --------------------------------------------------------------------------------------- */

void exchange_handle(struct core *c, struct now now, struct session *s, const Trawl__Exchange *x,
                     Trawl__Reply *reply);

/* ---- job_exchange.c ---------------------------------------------------------------------------------- */

/* What a session says of its tasks is taken and written; then it gets new ones. */
void job_take_reports(struct core *c, struct now now, struct session *s, const Trawl__Exchange *x,
                      Trawl__ExchangeReply *reply);
void job_give_tasks(struct core *c, struct now now, struct session *s, const Trawl__Exchange *x,
                    Trawl__ExchangeReply *reply);
/* The attempt came to nothing: its lease ended, or its session. Frees the lease. */
void job_take_back(struct core *c, struct lease *l);
/* What its map tasks made is gone. */
void job_worker_gone(struct core *c, const struct worker *w);
/* Ends a job that runs. `why` is copied; NULL: all is done. */
void job_finish(struct core *c, struct now now, struct job *j, Trawl__JobState state,
                const char *why);

/* ---- job_control.c ----------------------------------------------------------------------------------- */

void job_run(struct core *c, struct now now, const Trawl__JobRun *r, Trawl__Reply *reply);
void job_query(struct core *c, const Trawl__JobQuery *q, Trawl__Reply *reply);
void job_cancel(struct core *c, struct now now, const Trawl__JobCancel *r, Trawl__Reply *reply);
/* All there is to say of it, in the arena. NULL: no memory (the core has failed). */
Trawl__JobInfo *job_info(struct core *c, struct arena *a, const struct job *j);

/* ---- job_store.c ------------------------------------------------------------------------------------- */

void job_put(struct core *c, const struct job *j, const Trawl__JobInfo *info);
/* `result`: of a task that has just been done, else NULL. */
void job_put_task(struct core *c, const struct task *t, const Trawl__TaskResult *result);
/* Records of the crawldb, as load.c finds them. False: it cannot be read. */
bool job_load(struct core *c, struct now now, uint64_t number, const Trawl__StoredJob *v);
bool job_load_task(struct core *c, uint64_t job, Trawl__TaskKind kind, uint32_t number,
                   const Trawl__StoredTask *v);
/* When all is loaded, sessions too. */
void job_loaded(struct core *c);
/* The worker, here or to come, with whom a split lies. NULL: too many are known already, or no memory (the core has
 * failed). */
struct worker *job_home(struct core *c, const char *worker);

/* ---- segment.c ---------------------------------------------------------------------------------------- */

struct segment *segment_find(const struct core *c, const char *name);
/* The worker's, known or made. NULL: it is not the worker's, or no memory (the core has failed). */
struct segment *segment_for_commit(struct core *c, const char *name, const struct worker *w);
bool segment_add_loaded(struct core *c, uint32_t id, const Trawl__StoredSegment *stored);
void segment_query(struct core *c, struct now now, const Trawl__SegmentQuery *q,
                   Trawl__Reply *reply);
void segment_seal(struct core *c, struct now now, const Trawl__SegmentSeal *s, Trawl__Reply *reply);
/* It is to be forgotten: closed, and written down. */
void segment_mark(struct core *c, struct segment *s);
/* The first one that is marked: its worker's disk is gone, and the segment never was. */
void segment_forget(struct core *c, struct segment *s);
void segments_release(struct core *c);

/* ---- load.c, control.c -------------------------------------------------------------------------------- */

/* Widens the scope by a canonical seed and keeps it for later runs. */
void load_add_seed(struct core *c, const struct url *seed);
/* A number under 'M'; 0: it is not there. */
uint64_t load_number(struct core *c, const char *name);
bool load_crawl(struct core *c, struct now now, const unsigned char random16[16]);
void control_handle(struct core *c, struct now now, const Trawl__Control *v, Trawl__Reply *reply);

#endif
