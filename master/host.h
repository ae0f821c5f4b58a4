/*
 * host: what the master knows of each origin, and which of them may be granted now. Why an origin is not
 * being fetched is answered here.
 *
 * Where an origin stands (host_place() is the only function that changes it):
 *
 *            has URLs, free                     free_at passed
 *     OUT ---------------------> READY <------------------------ COOLING
 *      ^                           |  no connection to spare          ^
 *      |                           v  at its address                  | must rest until free_at
 *      `--- leased, parked,     WAITING                               |
 *           nothing to grant       `-- some connection was given back-'
 *
 * Invariants: the sum of connections over the leases of an origin is origin.connections, at most
 * rules.host_connections; over the origins of an address it is address.connections, at most
 * rules.ip_connections (one lease of one origin may hold more than the latter only if it came so from before
 * a restart). An origin with a delay, or with robots.txt not yet known, has at most one lease.
 *
 * Nothing here is done for all origins at once, of which there may be millions: what concerns them all is a time in the table,
 * which host_update() looks at when their turn comes (host_rest_all()); what their time brings is brought one by one
 * (host_thaw()), and an origin whose time has come stays COOLING until then.
 *
 * Part of the core: same owner. Allocation failure is told by false.
 */
#ifndef TRAWL_MASTER_HOST_H
#define TRAWL_MASTER_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "master/guest.h"
#include "master/record.h"
#include "master/rules_pool.h"
#include "shared/heap.h"
#include "shared/id_set.h"
#include "shared/map.h"

enum host_place { HOST_OUT, HOST_READY, HOST_COOLING, HOST_WAITING };
enum host_robots {
    HOST_ROBOTS_UNKNOWN,
    HOST_ROBOTS_KNOWN,
    HOST_ROBOTS_ELSEWHERE, /* redirected to another origin, whose queue holds the request */
};

/* There may be millions of them, so each byte counts. Numbers of URLs have 32 bits: the fingerprints of 2^32 would
 * take 30 GB. */
struct origin {
    uint32_t id;
    uint32_t depth; /* the least of its pages; UINT32_MAX: none is known */

    uint32_t queued;  /* in the crawldb's queue, leased or not */
    uint32_t leased;  /* of these: in a lease */
    uint32_t fetched; /* pages, over all runs */
    uint32_t done, errors;
    uint32_t leases, connections;
    uint64_t bytes;
    uint64_t cursor_seq; /* the cursor: all that is queued before it is leased */

    uint64_t rules; /* names what its robots.txt says: origin_rules(); 0: not known */
    uint32_t crawl_delay_ms;
    uint32_t robots_status;
    int64_t robots_until_unix_ms;

    int64_t free_at_ms;
    uint64_t judged_attempt; /* the last visit whose trouble was counted in `failures` */
    int64_t rest_until_ms;   /* it asked for a rest, or is failing; in the past: it does not rest */
    int64_t rest_until_unix_ms;
    uint32_t rest_ms;          /* how long that rest is */
    uint32_t culprits;         /* URLs that failed because they took their workers along */
    uint32_t failures;         /* rests in a row with no success in between */
    Trawl__State parked;       /* EXCLUDED or FAILED once given up; else PENDING */
    char *reason;              /* why; owned */
    struct guest_list *guests; /* guest.h; NULL: none */

    unsigned char address[16]; /* last known */
    uint8_t address_len;
    uint8_t cursor_depth;
    bool purging;        /* in the list of those whose queue is to be emptied */
    bool exhausted;      /* of pages: a limit keeps what is behind the cursor from being granted */
    uint8_t robots_hops; /* redirects to other origins followed so far */
    enum host_robots robots_state : 8;
    enum host_place place : 8;

    union {
        struct {                        /* WAITING */
            struct origin *prev, *next; /* among its address's waiters */
            struct host_address *waits_for;
        };
        struct heap_item cooling; /* COOLING */
    };
    uint32_t name_len;
    char name[]; /* scheme://host[:port], NUL-terminated */
};

static inline struct queue_place host_cursor(const struct origin *o) {
    return (struct queue_place){.depth = o->cursor_depth, .seq = o->cursor_seq};
}

static inline void host_set_cursor(struct origin *o, struct queue_place place) {
    o->cursor_depth = place.depth;
    o->cursor_seq = place.seq;
}

struct host_address {
    unsigned char bytes[16];
    size_t len;
    uint32_t connections;
    struct origin *first, *last; /* origins that wait for one of them */
};

struct host_rules {
    uint32_t delay_ms, host_connections, ip_connections;
    uint64_t max_pages; /* of one origin; 0: no limit */
};

struct host_name {
    uint32_t id;   /* 0: free */
    uint32_t hash; /* of the name; chooses the slot */
};

/* The origins with the most left to do, the most first. */
enum { HOST_BUSIEST = 10 };
struct host_busiest {
    const struct origin *top[HOST_BUSIEST];
    size_t count;
};

struct host_table {
    struct host_rules rules;
    struct host_name *by_name; /* open addressing, linear probing */
    size_t by_name_size;       /* a power of two, or 0 */
    struct rules_pool rules_pool;
    struct origin **by_id; /* index id - 1 */
    size_t count, size;
    struct id_set parked; /* ids of those that were given up */
    int64_t
        rested_ms; /* until then somebody may have sent a request to any of the first rested_count */
    uint32_t rested_count;
    bool held; /* somebody still may: nothing is READY */
    struct {
        size_t next; /* the index that comes next */
        struct host_busiest building, found;
    } survey;
    struct id_set ready;  /* ids */
    uint32_t ready_after; /* the last that was taken */
    size_t waiting_count;
    struct heap cooling;
    struct map addresses;
};

void host_table_init(struct host_table *t, struct host_rules rules);
void host_table_release(struct host_table *t);

struct origin *host_find(const struct host_table *t, const char *name, size_t len);
struct origin *host_by_id(const struct host_table *t, uint32_t id);
/* `id` must be free; ids are dense from 1. An address literal in the name becomes the known address. NULL: no
 * memory. */
struct origin *host_add(struct host_table *t, uint32_t id, const char *name, size_t len);

uint32_t host_delay_ms(const struct host_table *t, const struct origin *o);
/* `rules` names what robots.txt says. */
void host_set_robots(struct origin *o, uint64_t rules, uint32_t crawl_delay_ms, uint32_t status,
                     int64_t until_unix_ms);
/* When it may be granted again. */
int64_t host_free_at_ms(const struct host_table *t, const struct origin *o);
/* Whoever has sent a request to any of the origins that are known now, has sent it by now: each of them rests for its
 * delay from here. `held`: none is READY until this is said once more, without. */
void host_rest_all(struct host_table *t, int64_t now_ms, bool held);
bool host_park(struct host_table *t, struct origin *o, Trawl__State state, const char *reason);
/* As if it had never been in trouble. */
void host_unpark(struct host_table *t, struct origin *o);

/* Pages of it in leases: what counts under a limit. */
uint32_t host_pages_leased(const struct origin *o);
/* The same of its queue, leased or not. */
uint32_t host_pages_queued(const struct origin *o);
/* It has pages left, and --max-pages-per-host keeps them. */
bool host_is_full(const struct host_table *t, const struct origin *o);
/* Puts the origin where it belongs now; call after any change to it. False: no memory. */
bool host_update(struct host_table *t, struct origin *o, int64_t now_ms);
/* Puts one that has cooled down where it belongs. False: there is none. */
bool host_thaw(struct host_table *t, int64_t now_ms);
/* The next READY origin in the order of ids, round and round, taken out (the caller leases it or calls host_update()):
 * before one has its turn again, each that has been READY all the while has had one. Queues of neighbours lie
 * together in the crawldb, so that what is read for one is there for the next. */
struct origin *host_take_ready(struct host_table *t);
/* The same of that one; false: it is not READY. */
bool host_take(struct host_table *t, struct origin *o);
/* It was taken and is not granted now: its turn is the next. Call host_update(). */
void host_keep_turn(struct host_table *t, const struct origin *o);
/* Anything granted or about to be: READY, COOLING or WAITING. */
size_t host_active(const struct host_table *t);
int64_t host_next_ms(const struct host_table *t); /* INT64_MAX: nothing is cooling */

/* One step of a round over all origins that never ends. False: a round has, or they are too few for it. */
bool host_survey(struct host_table *t);
/* As it is; of more than LIMIT_SURVEY_ORIGINS, those that the last whole round found. */
struct host_busiest host_busiest(const struct host_table *t);

/* Connections of one more lease on `o`, at most `wanted`; 0: none now. Counts origin and address (the
 * origin's last known one, if any); on success both are booked. */
uint32_t host_book(struct host_table *t, struct origin *o, uint32_t wanted,
                   struct host_address **address);
/* Books `connections` at `address` (4 or 16 bytes) for a lease that has none yet. False: no room (`o` will
 * wait for it once its lease is given back), or no memory. `force`: beyond the limit too, for leases from
 * before a restart. A lease without connections is booked nowhere (true, `*booked` NULL): an address that nobody holds
 * a connection to, or waits for, is forgotten. */
bool host_book_address(struct host_table *t, struct origin *o, const void *address, size_t len,
                       uint32_t connections, bool force, struct host_address **booked);
/* Gives back connections at an address (NULL: nothing). */
void host_release_address(struct host_table *t, struct host_address *address, uint32_t connections);
/* The end of a lease: its connections at origin and address. */
void host_unbook(struct host_table *t, struct origin *o, struct host_address *address,
                 uint32_t connections);

#endif
