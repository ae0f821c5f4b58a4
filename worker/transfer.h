/*
 * transfer: HTTP exchanges: one fetch from its start to a whole response or a reason why there is none, by
 * curl's multi interface on the loop's epoll.
 *
 *     t = transfer_start(ts, &spec)      ... epoll, transfers_socket_event(), transfers_collect(), transfers_tick() ...
 *     config.finished(arg, t)            t->failure, t->status, t->head, t->body
 *     transfer_release(t)                at once or later; also of one that still runs: it is aborted
 *
 * A transfer:
 *
 *   IDLE -- start --> RUNNING -- curl is done --> FINISHED -- release --> IDLE
 *                      ^   | disk full                                     ^
 *                      |   v                                               |
 *                     PAUSED ---------------------- release (abort) -------'
 *
 * One exchange each: no redirect is followed, no proxy, netrc, alternative service or credential is used, nothing
 * is decoded; the connection goes to the address that the visit claimed. Connections stay open in curl's pool for
 * the visit's next fetch.
 *
 * Cookies, if they are wanted at all, are the target's: they go to its origin alone, and end with it.
 *
 * HTTP/2 where an https server offers it (ALPN), one stream at a time on a connection: what a visit may have in flight
 * are its connections, whatever their protocol. Its head is kept as one of HTTP/1.1.
 *
 * One owner: the loop's thread. `finished` is called from transfers_collect() and transfers_tick(), never
 * from within curl.
 */
#ifndef TRAWL_WORKER_TRANSFER_H
#define TRAWL_WORKER_TRANSFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/buf.h"
#include "shared/error.h"
#include "worker/agent.h"
#include "worker/body.h"
#include "worker/cookies.h"
#include "worker/headers.h"
#include "worker/sockets.h"
#include "worker/tls_peer.h"

#define TRANSFER_ACCEPT_ENCODING "Accept-Encoding: gzip, br, zstd, deflate"

struct transfers;
struct transfer;
struct conditional;
struct curl_slist;

struct transfers_config {
    int epoll_fd;
    uint32_t tag; /* event data: (uint64_t)tag << 32 | fd */
    uint32_t max; /* transfers at once */
    uint32_t
        connections; /* in use and kept, at least `max`; the one that was idle longest makes room */
    struct sockets *sockets;
    struct body_pool *bodies;
    void (*finished)(void *arg, struct transfer *t);
    /* Its request is about to be written, on a connection that stands. False: it must not. */
    bool (*sent)(void *arg, struct transfer *t, int64_t now_ms);
    /* The first line of an answer has come. */
    void (*answered)(void *arg, struct transfer *t, int64_t now_ms);
    void *arg;
};

/* NULL: `err`. */
struct transfers *transfers_new(const struct transfers_config *config, struct error *err);
/* Aborts what runs and closes every connection. NULL is fine. */
void transfers_free(struct transfers *ts);
/* For transfers started from now on. False: no memory. */
bool transfers_set_options(struct transfers *ts, const char *user_agent, uint32_t timeout_ms,
                           uint64_t max_body_bytes, bool cookies);

/* Where the fetches of one visit go. The caller's, beside the visit; at rest when zeroed. */
struct transfer_target {
    struct sockets_group sockets;
    char *base;                    /* scheme://host[:port]/ */
    struct curl_slist *connect_to; /* host:port to address:port */
    struct transfer *first;        /* that run for it */
    bool hurry;             /* its host has other addresses: the connection must come about soon */
    struct cookies cookies; /* what it set */
};

/* `origin`: scheme://host[:port]; `host`: as written in it; the claimed address. False: no memory. */
bool transfer_target_set(struct transfer_target *target, const char *origin, const char *host,
                         size_t host_len, uint16_t port, const void *address, size_t address_len);
void transfer_target_release(struct transfer_target *target); /* nothing may run for it */

enum transfer_state { TRANSFER_IDLE, TRANSFER_RUNNING, TRANSFER_PAUSED, TRANSFER_FINISHED };

struct transfer {
    /* What it is for. */
    struct visit *visit;
    uint64_t fetch;
    bool robots, sitemap;
    const char *url; /* the agent's */
    size_t url_len;
    struct conditional *conditional; /* what the request asked; NULL: for the page as it is */

    /* When FINISHED. */
    enum agent_failure failure;
    bool unanswered;    /* with it: not a byte came, and that is the server's doing */
    bool unreached;     /* with it: no connection came about to the address, TLS included */
    bool elsewhere;     /* with AGENT_AGAIN: the loop's, for the outcome */
    bool unproven;      /* nothing says for sure that the end of the body is its end */
    char reason[96];    /* of a failure: a word of docs/architecture.md, "Reasons" */
    uint32_t status;    /* of the final response; 0: none */
    struct buf head;    /* the status line and headers as received, the empty line included */
    struct body body;   /* as received, transfer coding undone; body.cut: there was more */
    int64_t started_ms; /* CLOCK_BOOTTIME: when the request went out, as far as is known */
    uint64_t started_unix_ms;
    uint32_t duration_ms;

    /* Its own. */
    enum transfer_state state;
    struct transfers *all;
    struct transfer_target *target;
    void *easy;
    bool fresh;              /* none that was kept is to be used */
    bool readied;            /* a connection was had, which may turn out dead */
    bool standing, kept, h2; /* the last one stands; had a request before; ALPN said HTTP/2 */
    int fd;                  /* its socket, while it stands */
    int64_t ready_ms;        /* when its request was about to be written, */
    uint32_t early_ms;       /* and how long after that an answer cannot be one; 0: not known */
    bool spoke_first;        /* the server, on a new connection, before anything was asked */
    bool no_answer;          /* what came is none to this request */
    bool torn;               /* its stream was given up amid the body */
    bool stray_line;         /* among the trailers was one that is no field */
    struct tls_peer peer;
    uint32_t cut_before; /* the target's sockets.cut as it began */
    enum sockets_refusal refusal;
    bool sent; /* its connection stood, its request was about to be written */
    bool head_done, head_too_large, no_memory;
    bool folded; /* a field goes on in a second line */
    struct headers_framing framing;
    bool ends_by_us;                 /* its length is not what curl goes by */
    bool ended;                      /* the body is whole, and the exchange was ended for that */
    size_t field_bytes, field_lines; /* of all header blocks and trailers */
    struct transfer *next, *prev;    /* of the target */
    struct transfer *next_free;      /* idle ones; */
    struct transfer *paused_next;    /* paused ones */
    void *shell;                     /* for the loop's use while FINISHED */
};

/* A transfer is free for it unless `max` run. NULL: it is not, or no memory. Failures come by `finished`. */
struct transfer *transfer_start(struct transfers *ts, const struct agent_fetch *f,
                                struct transfer_target *target, int64_t now_ms);
void transfer_release(struct transfer *t);
/* Releases all of the target without a word, and shuts their connections. */
void transfers_abort(struct transfers *ts, struct transfer_target *target);

/* The value of a field of the response's header (`name` in any case), without the white space around it: of the
 * `nth` field of that name, from 0. False: there are not so many. A value that was folded over lines is one line, and valid
 * until another transfer's is asked for. */
bool transfer_header(const struct transfer *t, const char *name, unsigned nth, const char **value,
                     size_t *value_len);

void transfers_socket_event(struct transfers *ts, int fd, uint32_t epoll_events);
/* After the events of a turn: tells of what has ended. The rest comes in the next tick when that takes long: a call of curl
 * may end hundreds. */
void transfers_collect(struct transfers *ts);
/* Before epoll_wait(): what is waited for since the last time. */
void transfers_watch(struct transfers *ts);
/* When transfers_tick() is due, on fence_now_ms()'s clock; INT64_MAX: never. */
int64_t transfers_next_ms(const struct transfers *ts);
void transfers_tick(struct transfers *ts, int64_t now_ms);
uint32_t transfers_running(const struct transfers *ts);
uint64_t transfers_bytes_in(const struct transfers *ts); /* since the start */

#endif
