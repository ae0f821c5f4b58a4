#include "shared/cost.h"

#include <ctype.h>
#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* One thread after the other may have it: sums are never taken back. */
struct slot {
    /* The thread's own. */
    enum cost_stage base, stage;
    uint64_t since_ns;                    /* when it came into the stage; monotonic */
    uint64_t settled_ns;                  /* the thread's CPU clock then */
    uint64_t elapsed_ns[COST_STAGES + 1]; /* since it settled */
    /* Written by the thread, read by any. */
    _Atomic uint64_t cpu_ns[COST_STAGES];
    /* Guarded by the lock. */
    bool taken;
    clockid_t clock;
    uint64_t former_ns; /* CPU time of those that had it before */
    struct slot *next;
};

static _Thread_local struct slot *mine;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards what follows */
static struct slot *slots;
static enum cost_stage rest_stage = COST_OTHER, named_stage = COST_OTHER;
static const char *named_prefix;
static uint64_t rest_ns[COST_STAGES]; /* of the threads that have not begun */
static uint64_t rest_read_ns;         /* when that was read; monotonic; 0: never */

static const char *const names[COST_STAGES] = {
    [COST_DNS] = "dns",           [COST_TLS] = "tls",     [COST_TRANSFER] = "transfer",
    [COST_DECODE] = "decode",     [COST_PARSE] = "parse", [COST_DIGEST] = "digest",
    [COST_COMPRESS] = "compress", [COST_WRITE] = "write", [COST_RPC] = "rpc",
    [COST_COMMIT] = "commit",     [COST_OTHER] = "other",
};

const char *cost_stage_name(enum cost_stage stage) {
    return names[stage];
}

uint64_t cost_total_us(const struct cost_sums *sums) {
    uint64_t total = 0;

    for (unsigned i = 0; i < COST_STAGES; i++)
        total += sums->us[i];
    return total;
}

void cost_add(struct cost_sums *to, const struct cost_sums *more) {
    for (unsigned i = 0; i < COST_STAGES; i++)
        to->us[i] += more->us[i];
}

/* 0: there is no such clock (any more). */
static uint64_t clock_ns(clockid_t clock) {
    struct timespec t;

    if (clock_gettime(clock, &t) != 0)
        return 0;
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* ---- a thread --------------------------------------------------------------------------------------------------- */

static struct slot *slot_take(void) {
    struct slot *s = slots;

    while (s != NULL && s->taken)
        s = s->next;
    if (s == NULL) {
        s = calloc(1, sizeof *s);
        if (s == NULL)
            return NULL;
        s->next = slots;
        slots = s;
    }
    s->taken = true;
    return s;
}

bool cost_begin(enum cost_stage base) {
    clockid_t clock;

    if (mine != NULL)
        return true;
    if (pthread_getcpuclockid(pthread_self(), &clock) != 0)
        return false;
    pthread_mutex_lock(&lock);
    struct slot *s = slot_take();
    if (s != NULL)
        s->clock = clock;
    pthread_mutex_unlock(&lock);
    if (s == NULL)
        return false;
    s->base = s->stage = base;
    s->settled_ns = 0;
    s->since_ns = clock_ns(CLOCK_MONOTONIC);
    memset(s->elapsed_ns, 0, sizeof s->elapsed_ns);
    mine = s;
    return true;
}

enum cost_stage cost_enter(enum cost_stage stage) {
    struct slot *s = mine;

    if (s == NULL)
        return stage;
    enum cost_stage was = s->stage;
    if (was == stage)
        return was;
    uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);
    s->elapsed_ns[was] += now_ns - s->since_ns;
    s->since_ns = now_ns;
    s->stage = stage;
    return was;
}

static void credit(struct slot *s, enum cost_stage stage, uint64_t ns) {
    /* There is one writer: a plain addition, without the bus lock of fetch_add. */
    uint64_t sum = atomic_load_explicit(&s->cpu_ns[stage], memory_order_relaxed);

    atomic_store_explicit(&s->cpu_ns[stage], sum + ns, memory_order_relaxed);
}

void cost_settle(void) {
    struct slot *s = mine;
    uint64_t busy_ns = 0, credited_ns = 0;

    if (s == NULL)
        return;
    uint64_t now_ns = clock_ns(CLOCK_MONOTONIC), cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    uint64_t used_ns = cpu_ns - s->settled_ns;
    s->elapsed_ns[s->stage] += now_ns - s->since_ns;
    s->since_ns = now_ns;
    s->settled_ns = cpu_ns;
    for (unsigned i = 0; i < COST_STAGES; i++)
        busy_ns += s->elapsed_ns[i];
    double scale = busy_ns > used_ns ? (double)used_ns / (double)busy_ns : 1;
    for (unsigned i = 0; i < COST_STAGES; i++) {
        uint64_t ns = (uint64_t)((double)s->elapsed_ns[i] * scale);
        if (i == s->base || ns > used_ns - credited_ns)
            continue;
        credit(s, (enum cost_stage)i, ns);
        credited_ns += ns;
    }
    credit(s, s->base, used_ns - credited_ns);
    memset(s->elapsed_ns, 0, sizeof s->elapsed_ns);
}

void cost_end(void) {
    struct slot *s = mine;

    if (s == NULL)
        return;
    cost_settle();
    mine = NULL;
    pthread_mutex_lock(&lock);
    s->taken = false;
    s->former_ns += s->settled_ns;
    pthread_mutex_unlock(&lock);
}

/* ---- the process ------------------------------------------------------------------------------------------------- */

void cost_init(enum cost_stage rest) {
    pthread_mutex_lock(&lock);
    rest_stage = rest;
    pthread_mutex_unlock(&lock);
}

void cost_name(const char *prefix, enum cost_stage stage) {
    pthread_mutex_lock(&lock);
    named_prefix = prefix;
    named_stage = stage;
    pthread_mutex_unlock(&lock);
}

/* The first line of /proc/self/task/TID/FILE. */
static bool task_line(const char *tid, const char *file, char *line, size_t size) {
    char path[64];

    if (snprintf(path, sizeof path, "/proc/self/task/%s/%s", tid, file) >= (int)sizeof path)
        return false;
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return false;
    bool ok = fgets(line, (int)size, f) != NULL;
    fclose(f);
    return ok;
}

/* CPU time of the threads with such a name: the first figure of schedstat, in nanoseconds. */
static uint64_t named_ns(void) {
    char line[128];
    uint64_t sum_ns = 0;
    DIR *tasks = named_prefix == NULL ? NULL : opendir("/proc/self/task");
    const struct dirent *task;

    while (tasks != NULL && (task = readdir(tasks)) != NULL)
        if (isdigit((unsigned char)task->d_name[0]) &&
            task_line(task->d_name, "comm", line, sizeof line) &&
            strncmp(line, named_prefix, strlen(named_prefix)) == 0 &&
            task_line(task->d_name, "schedstat", line, sizeof line))
            sum_ns += strtoull(line, NULL, 10);
    if (tasks != NULL)
        closedir(tasks);
    return sum_ns;
}

static uint64_t settled_ns(const struct slot *s) {
    uint64_t sum_ns = 0;

    for (unsigned i = 0; i < COST_STAGES; i++)
        sum_ns += atomic_load_explicit(&s->cpu_ns[i], memory_order_relaxed);
    return sum_ns;
}

/* What the threads of the slot have used, settled or not. A thread that ended without a word has what it settled. */
static uint64_t used_ns(const struct slot *s) {
    uint64_t now_ns = s->taken ? clock_ns(s->clock) : 0, settled = settled_ns(s);

    return s->former_ns + now_ns > settled ? s->former_ns + now_ns : settled;
}

static void at_least(uint64_t *sum_ns, uint64_t ns) {
    if (*sum_ns < ns)
        *sum_ns = ns;
}

/* What threads that have not begun used: all but what those have that did. The lock is held. */
static void read_rest(void) {
    uint64_t known_ns = named_ns();

    at_least(&rest_ns[named_stage], known_ns);
    for (const struct slot *s = slots; s != NULL; s = s->next)
        known_ns += used_ns(s);
    uint64_t all_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    if (all_ns > known_ns)
        at_least(&rest_ns[rest_stage], all_ns - known_ns);
}

static void read_all(struct cost_sums *sums) {
    for (unsigned i = 0; i < COST_STAGES; i++) {
        uint64_t sum_ns = rest_ns[i];
        for (const struct slot *s = slots; s != NULL; s = s->next)
            sum_ns += atomic_load_explicit(&s->cpu_ns[i], memory_order_relaxed);
        sums->us[i] = sum_ns / 1000;
    }
}

void cost_read(struct cost_sums *sums, unsigned age_ms) {
    pthread_mutex_lock(&lock);
    uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);
    if (rest_read_ns == 0 || now_ns - rest_read_ns > (uint64_t)age_ms * 1000000) {
        read_rest();
        rest_read_ns = now_ns;
    }
    read_all(sums);
    pthread_mutex_unlock(&lock);
}
