/*
 * agent_state: what the agent is made of; for agent.c, agent_fetch.c, agent_result.c, agent_call.c and
 * agent_report.c only.
 * agent.h is its outside.
 */
#ifndef TRAWL_WORKER_AGENT_STATE_H
#define TRAWL_WORKER_AGENT_STATE_H

#include "shared/heap.h"
#include "shared/limits.h"
#include "shared/map.h"
#include "worker/agent.h"
#include "worker/told.h"
#include "worker/visit.h"

enum agent_state {
    AGENT_STATE_OUTSIDE,   /* to register */
    AGENT_STATE_JOINED,    /* has a session */
    AGENT_STATE_ATTACHING, /* the master restarted: to attach */
    AGENT_STATE_LEAVING,   /* the master has let us go; the shell is to be told */
    AGENT_STATE_LEFT,
    AGENT_STATE_REFUSED,
};

struct agent_segment {
    char *name;
    size_t pending; /* results that speak of it and have no answer yet */
    bool closed, sealing;
    struct agent_segment *next;
};

struct agent_fetch_state {
    uint64_t id;
    struct visit *visit;
    struct visit_url *url; /* NULL: the visit's own robots.txt */
    bool sent, answered;
};

/* A link to be told, as it travels. */
struct agent_link {
    struct url_slice text;
    uint64_t fp; /* told.h */
};

struct agent_links {
    struct agent_link *items;
    size_t count, size, bytes;
};

struct agent_verdict {
    Trawl__State state;
    const char *reason;
};

struct agent {
    char *worker, *token;
    unsigned char instance[16];
    uint64_t incarnation, process, place;
    char crawl[24]; /* whose records are written, from the first registration on; empty before */
    uint32_t loop, loops, transfers_max;
    size_t exchange_link_bytes, exchange_links, message_bytes, attach_items;
    agent_committed *committed;
    void *committed_arg;

    enum agent_state state;
    Trawl__Phase phase;
    bool draining, hold;
    char trouble[LIMIT_TROUBLE_BYTES + 1]; /* empty: well */
    bool failing;                          /* only the last word is left to be said */
    int64_t failed_ms;
    int64_t drained_ms, heard_ms; /* when told to drain; last answer */
    uint64_t session, term;
    uint64_t attach_term; /* to attach to */
    uint32_t serial;
    uint64_t number; /* of the last exchange made */
    uint64_t beat;   /* of the last heartbeat made */
    int64_t next_beat_ms, next_poll_ms;
    char refusal[512];
    bool waits, waits_told; /* why is in `refusal` */

    uint32_t heartbeat_ms, lease_ms, retries;
    bool cookies;     /* kept during a visit */
    bool token_given; /* else it follows from the user agent */
    bool tell_all;    /* links that were told before, too */
    struct arena options_arena;
    const Trawl__Options *options; /* to be handed to the shell once */

    struct agent_line_state lines[AGENT_LINES];
    struct arena message; /* being built */
    struct arena inbound; /* being read */

    struct visit *visits; /* list */
    size_t visit_count;
    struct heap deadlines, starts;
    size_t delayed_starts; /* of the starts: visits with a delay */
    struct visit *attention_first, *attention_last;
    struct visit *dying; /* given out by AGENT_FORGET */
    struct map fetches;  /* struct agent_fetch_state by id */
    uint64_t next_fetch;
    uint32_t transfers; /* running */

    struct told told;
    struct agent_links links; /* of the result being made */

    size_t unacknowledged, result_bytes; /* results, and their bytes, links and robots.txt too */
    size_t unsynced;                     /* results with records not yet durable */
    int64_t unsynced_since_ms, ready_since_ms; /* INT64_MAX: none */
    bool urgent;                               /* some visit waits for an exchange */
    uint64_t mark, synced;                     /* last given; last known durable */
    bool syncing;

    struct agent_segment *segments;
    bool rotate; /* the session is over: no other one writes into its segment */
    bool
        rotated; /* the segment was asked for, and nothing was written or came back to life since */

    uint32_t note_transfers;
    uint64_t note_bytes;
    struct cost_sums note_cost;
    bool out_of_memory; /* void: A8 */
};

/* ---- agent.c ------------------------------------------------------------------------------------------------ */

bool agent_troubled(const struct agent *a); /* keeps nothing */
bool agent_working(const struct agent *a);  /* may start fetches and take visits */
/* Everything reported and sealed: nothing keeps the loop here. */
bool agent_may_leave(const struct agent *a);
bool agent_leaving(const struct agent *a); /* told to finish, by the master or the process */
/* Told to finish no more: what was done for the end is to be done again at the next. */
void agent_stay(struct agent *a);
/* Invariant A6, and a free transfer. */
bool agent_may_start(const struct agent *a);
/* The visit has something for agent_poll() to do. */
void agent_attend(struct agent *a, struct visit *v);
/* Recomputes when the visit could start its next fetch. */
void agent_schedule(struct agent *a, struct visit *v);
/* Takes the visit's deadline over into the heap. */
void agent_set_deadline(struct agent *a, struct visit *v, int64_t deadline_ms);
/* Visits whose deadline has passed are over, whatever is heard of them now: their sockets are shut already. */
void agent_fence(struct agent *a, int64_t now_ms);
void agent_add_visit(struct agent *a, struct visit *v);
/* The master has taken it back, or the session is gone. */
void agent_lose(struct agent *a, struct visit *v);
/* The first result is gone from the visit: it was answered, or is void. */
void agent_drop_result(struct agent *a, struct visit *v, struct visit_result **at);
/* Bytes of the result that are counted. */
size_t agent_result_bytes(const struct visit_result *r);
struct agent_segment *agent_segment(struct agent *a, const char *name);
int64_t agent_lease_end(const struct agent *a, int64_t made_ms);

/* ---- agent_fetch.c ------------------------------------------------------------------------------------------- */

/* A URL of a grant enters the visit's queue; one that cannot be asked for is reported as failed. */
void agent_add_item(struct agent *a, struct visit *v, const Trawl__Item *item, int64_t now_ms);
/* What is still queued is reported as untried. */
void agent_return_queue(struct agent *a, struct visit *v, int64_t now_ms);
void agent_void_fetches(struct agent *a, struct visit *v, int64_t now_ms);

/* ---- agent_result.c ------------------------------------------------------------------------------------------ */

/* NULL: no memory. */
struct visit_result *agent_result_new(struct agent *a, const struct visit *v,
                                      const struct visit_url *u, const struct agent_outcome *o,
                                      struct agent_verdict verdict);
/* To be reported, once its record in `segment`, if it is not NULL, is durable. */
void agent_result_add(struct agent *a, struct visit *v, struct visit_result *r, const char *segment,
                      int64_t now_ms);

/* ---- agent_call.c, agent_report.c ----------------------------------------------------------------------------- */

/* Makes the next request on a free line, if one is due. */
bool agent_make_call(struct agent *a, int64_t now_ms);
bool agent_make_beat(struct agent *a, int64_t now_ms);
int64_t agent_call_due_ms(const struct agent *a, int64_t now_ms);
void agent_take_reply(struct agent *a, int64_t now_ms, enum agent_line line,
                      const Trawl__Reply *reply);
/* The exchange with all that is to be reported now. */
bool agent_report_build(struct agent *a, int64_t now_ms, Trawl__Exchange *x);
bool agent_report_due(const struct agent *a, int64_t now_ms);
int64_t agent_report_due_ms(const struct agent *a, int64_t now_ms);
void agent_report_answered(struct agent *a, int64_t now_ms, const Trawl__ExchangeReply *reply);
bool agent_attach_build(struct agent *a, Trawl__Attach *m);
void agent_attach_answered(struct agent *a, int64_t now_ms, const Trawl__Attach *asked,
                           const Trawl__AttachReply *reply);
/* The exchange under way will never be answered. */
void agent_report_void(struct agent *a);

#endif
