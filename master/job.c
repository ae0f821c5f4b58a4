#include "master/job.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "shared/limits.h"
#include "shared/work.h"

/* ---- lists of tasks ---------------------------------------------------------------------------------- */

static void unlist(struct task_list *l, struct task *t) {
    if (t->prev != NULL)
        t->prev->next = t->next;
    else
        l->first = t->next;
    if (t->next != NULL)
        t->next->prev = t->prev;
    else
        l->last = t->prev;
    t->next = t->prev = NULL;
    l->count--;
}

static void list_last(struct task_list *l, struct task *t) {
    t->prev = l->last;
    t->next = NULL;
    if (l->last != NULL)
        l->last->next = t;
    else
        l->first = t;
    l->last = t;
    l->count++;
}

static void list_first(struct task_list *l, struct task *t) {
    t->next = l->first;
    t->prev = NULL;
    if (l->first != NULL)
        l->first->prev = t;
    else
        l->last = t;
    l->first = t;
    l->count++;
}

/* ---- the table --------------------------------------------------------------------------------------- */

void job_table_init(struct job_table *t) {
    *t = (struct job_table){.first = NULL};
}

static void clear_output(struct task *t) {
    free(t->counts);
    free(t->partition_bytes);
    t->counts = NULL;
    t->partition_bytes = NULL;
    t->count_count = 0;
}

static void leave_worker(struct task *t) {
    if (t->kind == TRAWL__TASK_KIND__MAP)
        unlist(&t->worker->maps, t);
    t->worker = NULL;
}

static void free_tasks(struct job *j) {
    for (int kind = 0; kind < TASK_KINDS; kind++) {
        for (uint32_t i = 0; i < j->count[kind] && j->tasks[kind] != NULL; i++) {
            struct task *t = &j->tasks[kind][i];
            if (t->state == TASK_DONE)
                leave_worker(t);
            clear_output(t);
            for (size_t k = 0; k < t->crash_count; k++)
                free(t->crashes[k].name);
            free(t->crashes);
        }
        free(j->tasks[kind]);
        j->tasks[kind] = NULL;
        j->count[kind] = j->done[kind] = 0;
        j->idle[kind] = j->running[kind] = (struct task_list){.first = NULL};
    }
    for (size_t i = 0; i < j->counter_count; i++)
        free(j->counters[i].name);
    free(j->counters);
    j->counters = NULL;
    j->counter_count = 0;
}

static void job_free(struct job *j) {
    free_tasks(j);
    arena_release(&j->arena);
    free(j);
}

void job_table_release(struct job_table *t) {
    while (t->first != NULL) {
        struct job *j = t->first;
        t->first = j->next;
        job_free(j);
    }
}

struct job *job_find(const struct job_table *t, uint64_t number) {
    struct job *j = t->first;

    while (j != NULL && j->number != number)
        j = j->next;
    return j;
}

struct job *job_by_token(const struct job_table *t, ProtobufCBinaryData token) {
    struct job *j = t->first;

    while (j != NULL && (token.len != sizeof j->token || memcmp(j->token, token.data, token.len)))
        j = j->next;
    return j;
}

/* ---- jobs -------------------------------------------------------------------------------------------- */

/* A copy that lives as long as the arena. */
static const void *keep(struct arena *a, const ProtobufCMessage *m) {
    struct buf packed;
    const void *copy = NULL;

    buf_init(&packed, LIMIT_WIRE_BYTES);
    if (wire_pack(&packed, m))
        copy = wire_unpack(a, m->descriptor, packed.data, packed.len);
    buf_release(&packed);
    return copy;
}

static bool make_tasks(struct job *j, Trawl__TaskKind kind, uint32_t count) {
    j->tasks[kind] = calloc(count > 0 ? count : 1, sizeof(struct task));
    if (j->tasks[kind] == NULL)
        return false;
    j->count[kind] = count;
    for (uint32_t i = 0; i < count; i++) {
        struct task *t = &j->tasks[kind][i];
        *t = (struct task){.job = j, .kind = kind, .number = i};
        list_last(&j->idle[kind], t);
    }
    return true;
}

static void insert(struct job_table *t, struct job *j) {
    struct job **at = &t->first;

    while (*at != NULL && (*at)->number < j->number)
        at = &(*at)->next;
    j->next = *at;
    *at = j;
}

struct job *job_add(struct job_table *t, const Trawl__JobSpec *spec, uint32_t maps,
                    int64_t now_ms) {
    struct job *j = calloc(1, sizeof *j);

    if (j == NULL)
        return NULL;
    j->number = spec->job;
    j->placed_until_ms = now_ms + PLACEMENT_MS;
    j->median_ms[0] = j->median_ms[1] = -1;
    arena_init(&j->arena, LIMIT_ARENA_BYTES);
    j->spec = keep(&j->arena, &spec->base);
    if (j->spec == NULL || !make_tasks(j, TRAWL__TASK_KIND__MAP, maps) ||
        !make_tasks(j, TRAWL__TASK_KIND__REDUCE, spec->reduces)) {
        job_free(j);
        return NULL;
    }
    insert(t, j);
    t->running++;
    return j;
}

struct job *job_add_over(struct job_table *t, const Trawl__JobInfo *info) {
    struct job *j = calloc(1, sizeof *j);

    if (j == NULL)
        return NULL;
    j->number = info->job;
    j->state = info->state;
    j->end_order = info->ended_ms;
    j->started_unix_ms = info->started_ms;
    arena_init(&j->arena, LIMIT_ARENA_BYTES);
    j->info = keep(&j->arena, &info->base);
    if (j->info == NULL) {
        job_free(j);
        return NULL;
    }
    insert(t, j);
    t->over++;
    if (t->ends < j->end_order)
        t->ends = j->end_order;
    return j;
}

bool job_set_split(struct job *j, uint32_t number, const Trawl__Split *split, struct worker *home) {
    struct task *t = job_task(j, TRAWL__TASK_KIND__MAP, number);

    t->split = keep(&j->arena, &split->base);
    t->home = home;
    return t->split != NULL;
}

bool job_end(struct job_table *t, struct job *j, const Trawl__JobInfo *info) {
    struct arena fresh;

    arena_init(&fresh, LIMIT_ARENA_BYTES);
    const Trawl__JobInfo *kept = keep(&fresh, &info->base);
    if (kept == NULL) {
        arena_release(&fresh);
        return false;
    }
    free_tasks(j);
    arena_release(&j->arena);
    j->arena = fresh;
    j->spec = NULL;
    j->info = kept;
    j->state = kept->state;
    t->ends = t->ends < kept->ended_ms ? kept->ended_ms : t->ends + 1;
    j->end_order = t->ends;
    t->running--;
    t->over++;
    return true;
}

void job_drop(struct job_table *t, struct job *j) {
    struct job **at = &t->first;

    while (*at != j)
        at = &(*at)->next;
    *at = j->next;
    t->over--;
    job_free(j);
}

struct job *job_oldest(const struct job_table *t) {
    struct job *oldest = NULL;

    for (struct job *j = t->first; j != NULL; j = j->next) {
        if (job_runs(j))
            continue;
        if (oldest == NULL || (j->told && !oldest->told) ||
            (j->told == oldest->told && j->end_order < oldest->end_order))
            oldest = j;
    }
    return oldest;
}

void job_place_anew(struct job *j, int64_t now_ms) {
    j->placed_until_ms = now_ms + PLACEMENT_MS;
}

struct task *job_task(const struct job *j, Trawl__TaskKind kind, uint32_t number) {
    return number < j->count[kind] ? &j->tasks[kind][number] : NULL;
}

const char *task_kind_name(Trawl__TaskKind kind) {
    return kind == TRAWL__TASK_KIND__MAP ? "map" : "reduce";
}

/* ---- the states of a task ---------------------------------------------------------------------------- */

void task_grant(struct task *t, struct lease *l) {
    struct job *j = t->job;

    assert(t->state != TASK_DONE && t->leases[TASK_AT_ONCE - 1] == NULL);
    t->attempts++;
    if (t->state == TASK_RUNNING) {
        t->backups++;
        t->leases[1] = l;
        return;
    }
    unlist(&j->idle[t->kind], t);
    list_last(&j->running[t->kind], t);
    t->state = TASK_RUNNING;
    t->leases[0] = l;
}

void task_release(struct task *t, const struct lease *l) {
    struct job *j = t->job;

    if (t->leases[0] == l)
        t->leases[0] = t->leases[1];
    else if (t->leases[1] != l)
        return;
    t->leases[1] = NULL;
    if (t->state != TASK_RUNNING || t->leases[0] != NULL)
        return;
    unlist(&j->running[t->kind], t);
    list_first(&j->idle[t->kind], t);
    t->state = TASK_IDLE;
}

static void add_sum(struct task_sum *to, const struct task_sum *s, bool subtract) {
    const uint64_t sign = subtract ? UINT64_MAX : 1; /* modulo 2^64 */

    to->records_in += sign * s->records_in;
    to->bytes_in += sign * s->bytes_in;
    to->records_out += sign * s->records_out;
    to->bytes_out += sign * s->bytes_out;
    to->cpu_us += sign * s->cpu_us;
    to->spills += sign * s->spills;
}

/* Its share of the job's figures comes or goes. */
static void account(struct task *t, bool subtract) {
    struct job *j = t->job;

    add_sum(&j->sums[t->kind], &t->sum, subtract);
    for (size_t i = 0; i < t->count_count; i++) {
        uint64_t n = (uint64_t)t->counts[i].n, *sum = (uint64_t *)&j->counters[t->counts[i].name].n;
        *sum = subtract ? *sum - n : *sum + n;
    }
}

/* Index of the counter, made if there is none; SIZE_MAX: no memory. */
static size_t find_counter(struct job *j, const char *name) {
    for (size_t i = 0; i < j->counter_count; i++)
        if (strcmp(j->counters[i].name, name) == 0)
            return i;
    struct job_counter *all = realloc(j->counters, (j->counter_count + 1) * sizeof *all);
    if (all == NULL)
        return SIZE_MAX;
    j->counters = all;
    all[j->counter_count] = (struct job_counter){.name = strdup(name)};
    return all[j->counter_count].name == NULL ? SIZE_MAX : j->counter_count++;
}

static bool copy_counters(struct task *t, const Trawl__TaskResult *r) {
    t->counts = calloc(r->n_counters + 1, sizeof *t->counts);
    if (t->counts == NULL)
        return false;
    for (size_t i = 0; i < r->n_counters; i++) {
        size_t name = find_counter(t->job, r->counters[i]->name);
        if (name == SIZE_MAX)
            return false;
        t->counts[t->count_count++] =
            (struct task_count){.name = (uint32_t)name, .n = r->counters[i]->n};
    }
    return true;
}

static bool copy_partitions(struct task *t, const Trawl__TaskResult *r) {
    if (t->kind != TRAWL__TASK_KIND__MAP)
        return true;
    t->partition_bytes = malloc((r->n_partition_bytes + 1) * sizeof *t->partition_bytes);
    if (t->partition_bytes == NULL)
        return false;
    if (r->n_partition_bytes > 0)
        memcpy(t->partition_bytes, r->partition_bytes,
               r->n_partition_bytes * sizeof *t->partition_bytes);
    return true;
}

bool task_finish(struct task *t, uint64_t attempt, struct worker *w, int64_t duration_ms,
                 const Trawl__TaskResult *r) {
    struct job *j = t->job;

    assert(t->state != TASK_DONE);
    if (!copy_counters(t, r) || !copy_partitions(t, r)) {
        clear_output(t);
        return false;
    }
    t->sum = (struct task_sum){.records_in = r->records_in,
                               .bytes_in = r->bytes_in,
                               .records_out = r->records_out,
                               .bytes_out = r->bytes_out,
                               .cpu_us = r->cpu_us,
                               .spills = r->spills};
    unlist(t->state == TASK_IDLE ? &j->idle[t->kind] : &j->running[t->kind], t);
    t->state = TASK_DONE;
    t->attempt = attempt;
    t->worker = w;
    if (t->kind == TRAWL__TASK_KIND__MAP)
        list_last(&w->maps, t);
    t->duration_ms = duration_ms;
    j->done[t->kind]++;
    j->median_ms[t->kind] = -1;
    account(t, false);
    return true;
}

void task_redo(struct task *t) {
    struct job *j = t->job;

    assert(t->state == TASK_DONE && t->leases[0] == NULL);
    account(t, true);
    clear_output(t);
    t->lost++;
    leave_worker(t);
    j->done[t->kind]--;
    j->median_ms[t->kind] = -1;
    t->state = TASK_IDLE;
    list_first(&j->idle[t->kind], t);
}

/* ---- failures ---------------------------------------------------------------------------------------- */

static struct task_crash *find_crash(struct task *t, uint64_t record) {
    for (size_t i = 0; i < t->crash_count; i++)
        if (t->crashes[i].record == record)
            return &t->crashes[i];
    return NULL;
}

static struct task_crash *add_crash(struct task *t, uint64_t record, ProtobufCBinaryData name) {
    struct task_crash *all = realloc(t->crashes, (t->crash_count + 1) * sizeof *all);

    if (all == NULL)
        return NULL;
    t->crashes = all;
    struct task_crash *c = &all[t->crash_count];
    *c = (struct task_crash){.record = record, .name = malloc(name.len + 1), .name_len = name.len};
    if (c->name == NULL)
        return NULL;
    if (name.len > 0)
        memcpy(c->name, name.data, name.len);
    t->crash_count++;
    return c;
}

bool task_crashed(struct task *t, uint64_t record, ProtobufCBinaryData name, uint32_t times,
                  bool *ok) {
    struct task_crash *c = find_crash(t, record);

    if (c == NULL)
        c = add_crash(t, record, name);
    *ok = c != NULL;
    if (c == NULL)
        return false;
    bool before = c->times >= TASK_CRASHES;
    c->times += times;
    return !before && c->times >= TASK_CRASHES;
}

static bool counter_known(const struct job *j, const char *name) {
    for (size_t i = 0; i < j->counter_count; i++)
        if (strcmp(j->counters[i].name, name) == 0)
            return true;
    return false;
}

/* Names are counted, and not what each task has of them: so what was taken is taken again when the job is loaded, in
 * whatever order. */
static bool counters_well_formed(const struct job *j, const Trawl__TaskResult *r) {
    size_t count = j->counter_count;

    if (r->n_counters > LIMIT_TASK_COUNTERS)
        return false;
    for (size_t i = 0; i < r->n_counters; i++) {
        if (strlen(r->counters[i]->name) > LIMIT_COUNTER_NAME_BYTES)
            return false;
        count += !counter_known(j, r->counters[i]->name);
    }
    return count <= LIMIT_JOB_COUNTERS + LIMIT_TASK_COUNTERS;
}

bool task_well_formed(const struct task *t, const Trawl__TaskResult *r, const char **why) {
    size_t partitions = t->kind == TRAWL__TASK_KIND__MAP ? t->job->count[1] : 0;

    if (!counters_well_formed(t->job, r)) {
        *why = "too many counters, or names too long";
        return false;
    }
    *why = "the sizes of the partitions are missing";
    return r->n_partition_bytes == partitions;
}

/* ---- choice ------------------------------------------------------------------------------------------ */

/* May it go to anybody but the worker that has its split? */
static bool for_anyone(const struct task *t, const struct session *s, int64_t now_ms) {
    return t->home == NULL || t->home->tasker == NULL || t->home == s->worker ||
           now_ms >= t->job->placed_until_ms;
}

static struct task *choose_idle(struct job *j, Trawl__TaskKind kind, const struct session *s,
                                int64_t now_ms) {
    struct task *any = NULL;

    for (struct task *t = j->idle[kind].first; t != NULL; t = t->next) {
        work(WORK_STEP);
        if (t->home == s->worker)
            return t;
        if (any == NULL && for_anyone(t, s, now_ms))
            any = t;
        if (any != NULL && now_ms >= j->placed_until_ms)
            break;
    }
    return any;
}

/* What may be granted now: reduce tasks when all map tasks are done (J2). */
static Trawl__TaskKind phase_of(const struct job *j) {
    return j->done[TRAWL__TASK_KIND__MAP] < j->count[TRAWL__TASK_KIND__MAP]
               ? TRAWL__TASK_KIND__MAP
               : TRAWL__TASK_KIND__REDUCE;
}

static int compare_durations(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

/* INT64_MAX: not known. */
static int64_t median(struct job *j, Trawl__TaskKind kind) {
    if (j->done[kind] == 0)
        return INT64_MAX;
    if (j->median_ms[kind] >= 0)
        return j->median_ms[kind];
    int64_t *all = malloc(j->done[kind] * sizeof *all);
    size_t n = 0;
    if (all == NULL)
        return INT64_MAX;
    for (uint32_t i = 0; i < j->count[kind]; i++)
        if (j->tasks[kind][i].state == TASK_DONE)
            all[n++] = j->tasks[kind][i].duration_ms;
    qsort(all, n, sizeof *all, compare_durations);
    j->median_ms[kind] = all[n / 2];
    free(all);
    return j->median_ms[kind];
}

static struct task *choose_backup(struct job *j, const struct session *s, int64_t now_ms) {
    Trawl__TaskKind kind = phase_of(j);
    struct task *longest = NULL;

    if (j->spec->no_backup || j->idle[kind].first != NULL || j->done[kind] == 0)
        return NULL;
    for (struct task *t = j->running[kind].first; t != NULL; t = t->next) {
        work(WORK_STEP);
        if (t->leases[1] == NULL && t->leases[0]->session->worker != s->worker &&
            (longest == NULL || t->leases[0]->granted_ms < longest->leases[0]->granted_ms))
            longest = t;
    }
    if (longest == NULL)
        return NULL;
    int64_t runs_ms = now_ms - longest->leases[0]->granted_ms;
    return runs_ms >= BACKUP_MIN_MS && runs_ms / BACKUP_FACTOR > median(j, kind) ? longest : NULL;
}

struct task *job_choose(struct job_table *t, const struct session *s, int64_t now_ms,
                        bool *backup) {
    struct task *task = NULL;

    *backup = false;
    for (struct job *j = t->first; j != NULL && task == NULL; j = j->next)
        if (job_runs(j))
            task = choose_idle(j, phase_of(j), s, now_ms);
    if (task != NULL)
        return task;
    for (struct job *j = t->first; j != NULL && task == NULL; j = j->next)
        if (job_runs(j))
            task = choose_backup(j, s, now_ms);
    *backup = task != NULL;
    return task;
}

/* In proportion to its slots, while tasks are spread; rounded up, so that nothing is left over. */
uint32_t job_share(const struct job_table *t, const struct session *s, uint32_t slots,
                   int64_t now_ms) {
    uint64_t tasks = 0;

    for (const struct job *j = t->first; j != NULL; j = j->next) {
        if (!job_runs(j))
            continue;
        Trawl__TaskKind kind = phase_of(j);
        if (now_ms >= j->placed_until_ms && j->idle[kind].first != NULL)
            return s->tasks;
        tasks += j->idle[kind].count + j->running[kind].count;
    }
    if (tasks >= slots)
        return s->tasks;
    return (uint32_t)((tasks * s->tasks + slots - 1) / slots);
}
