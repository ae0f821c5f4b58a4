/*
 * cost: where the CPU time of this process goes, by stage, for a few clock readings a page.
 *
 *     cost_begin(COST_OTHER);                            // once a thread: what is in no stage counts there
 *     enum cost_stage was = cost_enter(COST_PARSE);
 *     ...
 *     cost_enter(was);
 *     cost_settle();                                     // about once a second
 *     cost_end();                                        // before the thread ends
 *
 * How: a thread's CPU clock is a system call (530 ns where this was written), CLOCK_MONOTONIC is none (24 ns). So
 * cost_enter() takes the time between stages from the latter, in which the thread may also have waited or been
 * preempted; and cost_settle() scales what came together to the thread's true CPU time. What the thread used
 * beyond its stages counts in the stage that it began with. So the sum over the stages is exact, the split is not: a stage
 * that waits for the disk or a lock (COST_WRITE) is shown somewhat too large. COST_IDLE is for waiting, and counts nowhere.
 *
 * Threads of libraries never call cost_begin(). Those that cost_name() names count there, all others in the stage
 * that was given to cost_init().
 *
 * Stages, as status, summary and metrics name them:
 *   dns       questions and answers of the name service
 *   tls       handshakes: in OpenSSL's state machine, from its first step to its last. Encryption of what is transferred, and
 *             setting up a connection's SSL context, are within libcurl's transfer and cannot be told from it
 *   transfer  libcurl: connections, requests, responses, the kernel's part of them
 *   decode    content codings undone
 *   parse     links and rules of pages and sitemaps, URLs among them
 *   digest    SHA-1 of records
 *   compress  gzip of records
 *   write     records into files; syncing and sealing them
 *   rpc       messages between master and worker, nng's threads
 *   commit    the master's core, the crawldb and its background work
 *   other     the rest: event loop, agent, start and end
 *
 * Threads: each its own accumulator, no lock between cost_begin() and cost_end(); cost_read() from any thread. In a
 * thread that has not begun, cost_enter() and cost_settle() do nothing.
 */
#ifndef TRAWL_SHARED_COST_H
#define TRAWL_SHARED_COST_H

#include <stdbool.h>
#include <stdint.h>

enum cost_stage {
    COST_DNS,
    COST_TLS,
    COST_TRANSFER,
    COST_DECODE,
    COST_PARSE,
    COST_DIGEST,
    COST_COMPRESS,
    COST_WRITE,
    COST_RPC,
    COST_COMMIT,
    COST_OTHER,
    COST_STAGES,
    COST_IDLE = COST_STAGES,
};

struct cost_sums {
    uint64_t us[COST_STAGES]; /* CPU microseconds; they only grow */
};

const char *cost_stage_name(enum cost_stage stage);
uint64_t cost_total_us(const struct cost_sums *sums);
void cost_add(struct cost_sums *to, const struct cost_sums *more);

/* Where threads that have not begun count. Once, before cost_read(). */
void cost_init(enum cost_stage rest);
/* Of them, those whose names start with `prefix` (constant) count in `stage`: found in /proc/self/task, so for few
 * threads and a process that may look there. Once, before cost_read(). */
void cost_name(const char *prefix, enum cost_stage stage);

/* This thread counts from now on, with all the CPU time that it has used. Again: nothing happens. False: no memory, it counts
 * with those that have not begun. */
bool cost_begin(enum cost_stage base);
/* Until the next call the thread is in `stage`; returns where it was. */
enum cost_stage cost_enter(enum cost_stage stage);
void cost_settle(void);
void cost_end(void);

/* The process's sums since it started: what threads have settled, and all that others used. The latter is at most
 * `age_ms` old: finding it costs a system call a thread. */
void cost_read(struct cost_sums *sums, unsigned age_ms);

#endif
