/*
 * agent: what one fetch loop knows and decides: its session with the master, the visits it holds, which URL
 * may be fetched now, what is reported when. Pure: it knows no thread, socket, file or clock; `now_ms` is an
 * argument (a clock that only grows and counts suspended time), requests are bytes that somebody else
 * carries. The fetch loop (worker/loop.c) drives it on the real network, the simulation on a fake one.
 *
 * Invariants
 *  A1  agent_next_fetch() gives a fetch of a visit only while now < its deadline. The deadline is counted
 *      from when the heartbeat (or the poll that brought the grant) that the master answered was *made*, plus
 *      the lease, less a margin; so it passes before the master's own.
 *  A2  Two fetches of one visit start at least its delay apart; no more of them run than it has connections;
 *      nothing but robots.txt is fetched before the rules are known.
 *  A3  An outcome is reported only after agent_synced() has covered its record.
 *  A4  A commit is repeated, byte for byte, until it has an answer or the session is known to be gone. What is
 *      in the archive beyond the committed is found out by asking (SegmentQuery), never guessed.
 *  A5  A lease is given back (done) only after the shell has said that the visit's connections are closed.
 *  A6  Outcomes not yet acknowledged are bounded in number and bytes: beyond, no fetch is started.
 *      A request is built under a budget (proto/budget.h): what has no room goes with the next one. Nothing that a site
 *      or the master says is a lack of memory because of its size.
 *  A7  Links that do not fit one exchange go in several; the outcome goes with the last of them, so that a page is
 *      done only when the master has all its links.
 *      A link is left out only after an outcome with it was acknowledged in the same session (told.h).
 *  A9  What it was told last counts: a phase may go back from FINISHED or DRAINING to RUNNING (a URL was added, the
 *      master was started again), and then it works on as if it had never been told to leave, and leaves in full at the
 *      next end. Only agent_drain() is for good.
 *  A10 While the worker is in trouble it holds no URL for longer than an exchange takes, and whatever ends it, the
 *      master hears why, if it hears anything: what the worker can explain counts against no URL (master/trial.h).
 *  A8  An agent that was refused memory is void: it says so with the next agent_poll(), starts and sends nothing any
 *      more, and lets no request be written. What it had is recovered as after a kill: there is no half-done state
 *      to mend.
 *
 *     agent --AGENT_SEND--> network --agent_reply()--> agent
 *     agent_next_fetch() --> shell fetches --> agent_disposition() --> shell archives --> agent_fetched()
 *
 * The shell's loop: for (;;) { while (agent_poll(a, now, &e)) do(e); while (agent_next_fetch(a, now, &f))
 * start(f); wait until agent_next_ms() or an event }.
 *
 * One owner: the thread of its fetch loop.
 */
#ifndef TRAWL_WORKER_AGENT_H
#define TRAWL_WORKER_AGENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/wire.h"
#include "shared/cost.h"
#include "shared/error.h"
#include "shared/robots.h"
#include "shared/url.h"
#include "worker/agent_line.h"

struct agent;
struct visit; /* opaque; valid until agent_poll() gave AGENT_FORGET for it */

/* The master has acknowledged the outcome whose record that is. Called in agent_reply(); of a record committed unheard
 * (the answer was lost in a restart of the master) there is no word. */
typedef void agent_committed(void *arg, const char *segment, uint64_t offset,
                             const unsigned char digest[20]);

struct agent_config {
    const char *worker;                   /* name */
    unsigned char link_key[16];           /* random; of told.h */
    unsigned char instance[16];           /* of the worker's directory */
    uint64_t incarnation, process, place; /* of the process: home.h */
    const char *crawl; /* whose records the directory has; NULL or empty: of none yet */
    uint32_t loop, loops;
    uint32_t transfers_max;     /* fetches at once */
    size_t exchange_link_bytes; /* bytes of links in one exchange; 0: LIMIT_EXCHANGE_LINK_BYTES */
    size_t
        exchange_links; /* how many; 0: LIMIT_EXCHANGE_LINKS, which is no more than a page may have */
    size_t message_bytes; /* budget of an exchange; 0: LIMIT_MESSAGE_BYTES */
    size_t attach_items;  /* URLs that an attachment names; 0: LIMIT_ATTACH_ITEMS */
    const char
        *product_token; /* for robots.txt; NULL: from the user agent that the master states */
    agent_committed *committed; /* NULL: nobody wants to know */
    void *committed_arg;
};

/* NULL: no memory. */
struct agent *agent_new(const struct agent_config *config);
void agent_free(struct agent *a);

/* ---- what the shell is to do ---------------------------------------------------------------------- */

enum agent_effect_kind {
    AGENT_SEND,    /* send `request` on `line`; then agent_reply() or agent_no_reply() */
    AGENT_OPTIONS, /* the master's options came: `options` (valid during the call) */
    AGENT_RESOLVE, /* find the visit's address; then agent_resolved(). Nothing of the visit runs; when it is not the
                      address that the visit had, connections to that are closed first */
    AGENT_CLOSE, /* nothing of the visit runs: close its connections; then agent_closed() */
    AGENT_ABORT, /* stop its transfers and resolving without a word and close its connections, now; the
                      fetches it had are void: no agent_fetched() or agent_resolved() for them */
    AGENT_FORGET, /* `visit` dies with the next call into the agent */
    AGENT_SYNC, /* make all records written so far durable (fdatasync); then agent_synced() with the mark
                      taken by agent_mark() now */
    AGENT_ROTATE, /* close the current segment, if there is one: the loop is leaving, or has lost its session. The next
                     record opens a new one, named for the session then */
    AGENT_SEAL, /* nothing of closed segment `segment` awaits an answer: query, seal; then agent_sealed() */
    AGENT_LEFT,  /* the session has ended and everything is sealed: the loop may exit */
    AGENT_WAITS, /* the master lets us wait with the registration: `text` says why; told once */
    AGENT_REFUSED, /* the master refuses us for good (version, name taken, another crawl): `text` says why; exit 1 */
    AGENT_FAILED, /* no memory: nothing more comes from this agent (A8); the shell ends as if it were killed */
};

struct agent_effect {
    enum agent_effect_kind kind;
    enum agent_line line;
    const struct buf *request; /* owned by the agent, stays until answered */
    const Trawl__Options *options;
    struct visit *visit;
    const char *segment; /* name; owned by the agent until agent_sealed() */
    uint64_t mark;       /* of AGENT_SYNC */
    const char *text;
};

/* The next thing to do, if there is any. Call until it says false. */
bool agent_poll(struct agent *a, int64_t now_ms, struct agent_effect *e);
/* When to call again even if nothing happens. */
int64_t agent_next_ms(const struct agent *a, int64_t now_ms);

/* ---- answers ----------------------------------------------------------------------------------------- */

/* A whole reply message. Malformed bytes count as no reply. */
void agent_reply(struct agent *a, int64_t now_ms, enum agent_line line, const void *bytes,
                 size_t len);
/* Timed out or the connection broke: the same request will be sent again. */
void agent_no_reply(struct agent *a, int64_t now_ms, enum agent_line line);
/* `address`: 4 or 16 bytes, already checked against the allowed networks; len 0: none, `reason` says why
 * ("dns: no such name"). `forbidden`: there are addresses, but none is allowed. The previous address of the
 * visit, if it is still among the answers, must be preferred (visit_address()). */
void agent_resolved(struct agent *a, int64_t now_ms, struct visit *v, const void *address,
                    size_t len, bool forbidden, const char *reason);
void agent_closed(struct agent *a, int64_t now_ms, struct visit *v);
void agent_synced(struct agent *a, int64_t now_ms, uint64_t mark);
void agent_sealed(struct agent *a, int64_t now_ms, const char *segment);
/* SIGTERM or the end of the process: finish what is in flight, report, seal, leave. */
void agent_drain(struct agent *a, int64_t now_ms);
/* The disk refuses: start nothing until called with false again. */
void agent_hold(struct agent *a, bool hold);
/* The worker cannot work, for the reason `text`: the master is told, every visit is given back (its fetches are void,
 * AGENT_ABORT), none is taken, until called with NULL. What has a record already is reported as ever. */
void agent_trouble(struct agent *a, int64_t now_ms, const char *text);
/* The worker has to end: records are lost that were written already, say. Every visit is given back with a last word
 * to the master, that nothing in them is to blame; then AGENT_LEFT, after LIMIT_LAST_WORD_MS even if it does not answer.
 * Segments stay as they are. */
void agent_fail(struct agent *a, int64_t now_ms, const char *text);
/* So much waits for the master that nothing is started; and a page that ends meanwhile should be kept back, or the
 * links of all that run would take what they like. */
bool agent_backlogged(const struct agent *a);

/* ---- fetches ----------------------------------------------------------------------------------------- */

struct agent_fetch {
    struct visit *visit;
    uint64_t fetch;  /* names it in what follows; never repeats */
    bool robots;     /* a robots.txt: its body goes to agent_fetched_robots() */
    bool sitemap;    /* named as a sitemap: its links are the URLs in it */
    bool fresh;      /* not over a connection that was kept: one of them was no good for it */
    const char *url; /* absolute; owned by the agent, valid until the fetch is over */
    size_t url_len;
    const void *
        capture; /* a Capture of proto/trawl.proto, packed: the request is to be conditional; as `url` */
    size_t capture_len;  /* 0: there is none */
    int64_t deadline_ms; /* of the visit's lease as of now: see agent_deadline_ms() */
};

/* A fetch that may start now, if there is any; it counts as started. Check agent_deadline_ms() against a
 * fresh clock right before the first byte is sent. */
bool agent_next_fetch(struct agent *a, int64_t now_ms, struct agent_fetch *f);
int64_t visit_deadline_ms(const struct visit *v);
/* The claimed address (4 or 16 bytes; NULL and 0 before). */
const void *visit_address(const struct visit *v, size_t *len);
const char *visit_origin(const struct visit *v); /* scheme://host[:port] */
/* For the shell's own use: what it keeps beside a visit. Starts NULL. */
void *visit_shell(const struct visit *v);
void visit_set_shell(struct visit *v, void *shell);

enum agent_failure {
    AGENT_NO_FAILURE, /* there is a response */
    AGENT_NETWORK,    /* refused, reset, timed out, broken: may be tried again */
    AGENT_AGAIN, /* nothing is known of the URL: its connection was no good for reasons of its own (one that was kept,
                    and had ended; an address where nobody answers, of a host that has others). It is asked for again,
                    at once as far as the delay allows, which is no attempt; after AGENT_REPEATS_MAX times it is
                    AGENT_NETWORK */
    AGENT_HOPELESS, /* TLS certificate, protocol violation, unsupported: will not get better */
    AGENT_FORBIDDEN_ADDRESS,
};

enum {
    AGENT_REPEATS_MAX = 3, /* of a URL in a visit, for connections that were no good */
    AGENT_MOVES_MAX = 16,  /* of a visit to another address of its host */
};

enum agent_disposition {
    AGENT_ARCHIVE, /* final, with a response: write its record, then agent_fetched() */
    AGENT_DISCARD, /* final or not, nothing to write: agent_fetched() without a record */
};

/* What to do with a finished exchange; `status` is the response's, 0 without one. */
enum agent_disposition agent_disposition(const struct agent *a, uint64_t fetch, uint32_t status,
                                         enum agent_failure failure);

struct agent_outcome {
    enum agent_failure failure;
    bool
        elsewhere; /* with AGENT_AGAIN: the visit should move to another address first (AGENT_RESOLVE) */
    const char *reason; /* of a failure: short, stable words ("connection refused") */
    uint32_t status;
    bool redirect; /* a redirection status with a usable target in redirect_to */
    const char *redirect_to;
    size_t redirect_to_len;
    bool set_cookie;  /* it set a cookie */
    const char *mime; /* essence, or NULL */
    uint64_t length;
    const unsigned char *digest; /* 20 bytes or NULL */
    int64_t started_ms;          /* on the agent's clock */
    uint64_t fetched_at_unix_ms;
    uint32_t duration_ms;
    uint32_t retry_after_ms; /* Retry-After of a 429 or 503; 0: none */
    const char *excluded; /* archived, but excluded as a page for this reason (noindex); or NULL */
    /* The record, if one was written. */
    const char *segment; /* name; NULL: none */
    uint64_t offset, record_length;
    bool revisit; /* the record is one */
    bool
        unmodified; /* a 304 to a conditional request, with a record that says where the payload is */
    struct url_slice etag,
        last_modified;             /* as received, of a record with a payload, or of that 304 */
    const char *remark;            /* on what was fetched ("links-limited"); or NULL */
    const struct url_slice *links; /* absolute, canonical, distinct */
    size_t link_count;
    bool sitemaps; /* they are those of further sitemaps */
    struct url_slice canonical;
};

/* Whether the fetch's URL will be asked for again, with the cookies of that outcome (agent_wall.h): then it is AGENT_DISCARD. */
bool agent_asks_again(const struct agent *a, uint64_t fetch, const struct agent_outcome *o);
/* The request is about to be written to its connection. False: it must not be, because it was once already (on a
 * connection that turned out dead) and the delay has not passed: AGENT_AGAIN. */
bool agent_sent(struct agent *a, int64_t now_ms, uint64_t fetch);
/* The first byte of an answer came: the origin's delay counts from here. */
void agent_answered(struct agent *a, int64_t now_ms, uint64_t fetch);
void agent_fetched(struct agent *a, int64_t now_ms, uint64_t fetch, const struct agent_outcome *o);
/* For a robots fetch: the body (decoded, cut at LIMIT_ROBOTS_BYTES) of a 2xx, else empty. */
void agent_fetched_robots(struct agent *a, int64_t now_ms, uint64_t fetch,
                          const struct agent_outcome *o, const void *body, size_t len);

/* ---- segments ------------------------------------------------------------------------------------------ */

/* The shell finished segment `name` (full, or asked by AGENT_ROTATE): to be sealed when nothing in it awaits
 * an answer. Records written so far are those of outcomes already given to agent_fetched(). */
void agent_segment_closed(struct agent *a, const char *name);

/* For heartbeats and status. */
void agent_note_traffic(struct agent *a, uint32_t transfers, uint64_t bytes_in);
/* What the process has cost since it started: goes with heartbeats, and when the loop leaves. */
void agent_note_cost(struct agent *a, const struct cost_sums *sums);
/* Idle and nothing to come: used by the shell to know that it may rest. */
size_t agent_visits(const struct agent *a);
/* Session number, 0 before registration: part of segment names. */
uint64_t agent_session(const struct agent *a);

#endif
