/*
 * job: MapReduce jobs and their tasks: what is idle, running and done, and who gets what. docs/mapreduce.md
 * says how the whole works, and has the invariants J1 to J5. Why a task was run twice is answered here.
 *
 * A task:
 *
 *      idle --task_grant()--> running --task_finish()--> done
 *        ^                       |                         |
 *        |<----task_release()----+                         |    (of a map task:) its output is gone,
 *        +<--------------------task_redo()-----------------+    and a reduce task is still to be done
 *
 * Running is soft state: a lease, or two of them when one is a backup. Idle and done are in the crawldb
 * (master/job_store.c). A task becomes done once (J1): then its other lease is taken back by the caller. A reduce task
 * is chosen only while all map tasks are done (J2), and a map task is done only while its worker has a session: the
 * caller redoes the tasks of a worker whose session ends.
 *
 * A job:
 *
 *      running --all reduce tasks done--> done
 *         |----a task failed too often--> failed
 *         |----an operator--------------> cancelled
 *
 * One that is over has no tasks any more; what there is to say of it is kept in `info`.
 *
 * Choice: jobs in the order of their numbers; of a job map tasks first; of these, for a while
 * (PLACEMENT_MS), those whose split lies with the session's worker, and those whose split's worker is not here.
 * Tasks that failed come first, so that a job that cannot succeed ends soon. A session gets no more than its share
 * for that while, and rests after failures if there are others: its machine may be what fails.
 *
 * Part of the core: same owner. Times are the core's mono_ms.
 */
#ifndef TRAWL_MASTER_JOB_H
#define TRAWL_MASTER_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "master/lease.h"
#include "proto/wire.h"
#include "shared/map.h"

enum {
    TASK_KINDS = 2,    /* index: Trawl__TaskKind */
    TASK_AT_ONCE = 2,  /* attempts */
    TASK_STRIKES = 50, /* unless JobSpec.attempts says otherwise */
    TASK_CRASHES = 2,  /* on one record, which is then skipped */
    PLACEMENT_MS = 2000,
    BACKUP_MIN_MS = 1000,
    BACKUP_FACTOR = 2, /* so many times the median of those done */
    JOB_FAILURE_BYTES = 512,
};

enum task_state { TASK_IDLE, TASK_RUNNING, TASK_DONE };

/* A record on which attempts crashed. */
struct task_crash {
    uint64_t record;
    char *name; /* bytes */
    size_t name_len;
    uint32_t times;
};

struct task_count {
    uint32_t name; /* index into the job's counters */
    int64_t n;
};

/* What TaskResult says in numbers. */
struct task_sum {
    uint64_t records_in, bytes_in, records_out, bytes_out, cpu_us, spills;
};

struct task {
    struct job *job;
    Trawl__TaskKind kind;
    uint32_t number;
    enum task_state state;
    struct task *next, *prev;           /* of those idle, of those running, or of worker->maps */
    const Trawl__Split *split;          /* of a map task; the job's */
    struct worker *home;                /* with whom its split lies; NULL: any */
    struct lease *leases[TASK_AT_ONCE]; /* in the order granted; NULL: none */

    uint64_t attempts, backups, failures; /* so far */
    uint32_t strikes;                     /* failures that count against the limit */
    uint32_t lost;                        /* how often its output was gone */
    struct task_crash *crashes;
    size_t crash_count;

    /* Of one that is done: */
    uint64_t attempt;
    struct worker *worker;
    int64_t duration_ms;
    struct task_sum sum;
    struct task_count *counts;
    size_t count_count;
    uint64_t *partition_bytes; /* of a map task: one for each reduce task */
};

struct job_counter {
    char *name;
    int64_t n;
};

struct job {
    uint64_t number;
    unsigned char token[16];
    Trawl__JobState state;
    struct arena arena; /* of spec, splits and info */
    const Trawl__JobSpec *spec;
    const Trawl__JobInfo *info; /* of one that is over; NULL while it runs */
    uint64_t started_unix_ms;

    struct task *tasks[TASK_KINDS];
    uint32_t count[TASK_KINDS], done[TASK_KINDS];
    struct task_list idle[TASK_KINDS], running[TASK_KINDS];
    struct task_sum sums[TASK_KINDS];
    struct job_counter *counters;
    size_t counter_count;
    bool refused;                  /* what it asks for cannot be */
    bool told;                     /* of one that is over: somebody has asked, and knows */
    uint64_t end_order;            /* of one that is over: it grows with each */
    int64_t median_ms[TASK_KINDS]; /* of the durations of those done; -1: to be found */
    int64_t placed_until_ms;
    char last_failure[JOB_FAILURE_BYTES];
    struct job *next;
};

struct job_table {
    struct job *first;    /* by number */
    size_t running, over; /* jobs */
    uint64_t ends;        /* the last end_order */
};

void job_table_init(struct job_table *t);
void job_table_release(struct job_table *t);
struct job *job_find(const struct job_table *t, uint64_t number); /* NULL: none */
struct job *job_by_token(const struct job_table *t, ProtobufCBinaryData token);
/* A running job with so many map tasks, all idle; copies the spec, which has the job's number. NULL: no memory. */
struct job *job_add(struct job_table *t, const Trawl__JobSpec *spec, uint32_t maps, int64_t now_ms);
/* One that is over. */
struct job *job_add_over(struct job_table *t, const Trawl__JobInfo *info);
/* Of map task `number`; copied. `home` may be NULL. False: no memory. */
bool job_set_split(struct job *j, uint32_t number, const Trawl__Split *split, struct worker *home);
/* It is over: copies the info and drops its tasks, which hold no lease any more. False: no memory. */
bool job_end(struct job_table *t, struct job *j, const Trawl__JobInfo *info);
/* Forgets a job that is over. */
void job_drop(struct job_table *t, struct job *j);
/* The one to be forgotten first: that ended first of those whose end was told, else of all. NULL: none is over. */
struct job *job_oldest(const struct job_table *t);

static inline bool job_runs(const struct job *j) {
    return j->state == TRAWL__JOB_STATE__JOB_RUNNING;
}

/* ---- tasks ------------------------------------------------------------------------------------------- */

struct task *job_task(const struct job *j, Trawl__TaskKind kind, uint32_t number); /* NULL: none */
/* What suits the session now, or NULL. `*backup`: it runs already. */
struct task *job_choose(struct job_table *t, const struct session *s, int64_t now_ms, bool *backup);
/* How many tasks the session may have at once now; `slots` are those of all sessions. */
uint32_t job_share(const struct job_table *t, const struct session *s, uint32_t slots,
                   int64_t now_ms);
/* The output of its map tasks begins to be used: reduce tasks are to be spread, too. */
void job_place_anew(struct job *j, int64_t now_ms);
void task_grant(struct task *t, struct lease *l);
/* The attempt is over and was not taken. */
void task_release(struct task *t, const struct lease *l);
/* Takes the result of an attempt over; it must be well formed (task_well_formed()) and the task not done. Its leases
 * stay, to be freed by the caller. False: no memory. */
bool task_finish(struct task *t, uint64_t attempt, struct worker *w, int64_t duration_ms,
                 const Trawl__TaskResult *r);
void task_redo(struct task *t);
/* Counts a crash to its record; true: from now on it is skipped. `*ok` false: no memory. */
bool task_crashed(struct task *t, uint64_t record, ProtobufCBinaryData name, uint32_t times,
                  bool *ok);
/* Whether a result of DONE is what it must be; `why` names what is not. */
bool task_well_formed(const struct task *t, const Trawl__TaskResult *r, const char **why);
const char *task_kind_name(Trawl__TaskKind kind);

#endif
