#include "worker/task_culprit.h"

#include <stdio.h>

static bool dies_of(struct trawl_task *t, const struct task_trial *trial, uint64_t from,
                    uint64_t to) {
    trial->begin(t->state, t);
    t->again(t, from, to, true);
    return trial->end(t->state, t);
}

/* One of [0, n) by elimination; only the last one may be it without having been tried. */
static uint64_t by_halves(struct trawl_task *t, const struct task_trial *trial, uint64_t n) {
    uint64_t from = 0, to = n;

    while (to - from > 1) {
        uint64_t middle = from + (to - from) / 2;
        if (dies_of(t, trial, from, middle))
            to = middle;
        else
            from = middle;
    }
    return from;
}

/* The last one of the shortest beginning that it dies of; n: of none. */
static uint64_t by_beginnings(struct trawl_task *t, const struct task_trial *trial, uint64_t n) {
    uint64_t lives = 0, dies = n;

    if (!dies_of(t, trial, 0, n))
        return n;
    while (dies - lives > 1) {
        uint64_t middle = lives + (dies - lives) / 2;
        if (dies_of(t, trial, 0, middle))
            dies = middle;
        else
            lives = middle;
    }
    return dies - 1;
}

static uint64_t find(struct trawl_task *t, const struct task_trial *trial, uint64_t n) {
    if (n == 0 || dies_of(t, trial, 0, 0))
        return n;
    uint64_t found = by_halves(t, trial, n);
    return dies_of(t, trial, found, found + 1) ? found : by_beginnings(t, trial, n);
}

_Noreturn void task_culprit(struct trawl_task *t, const struct task_trial *trial, const char *why) {
    const uint64_t n = t->given;
    char reason[600];

    /* From here on a crash of this process is no record's doing. */
    atomic_store_explicit(&t->progress->busy, 0, memory_order_release);
    uint64_t found = find(t, trial, n);
    if (found == n)
        task_end(t, TRAWL__TASK_END__TASK_FAILED, why);
    t->again(t, found, found + 1, false);
    if (!task_progress_record(t->progress, &t->crash_record, t->crash_name, sizeof t->crash_name,
                              &t->crash_name_len))
        task_end(t, TRAWL__TASK_END__TASK_FAILED, why);
    snprintf(reason, sizeof reason, "%s, of the record %.*s", why, (int)t->crash_name_len,
             t->crash_name);
    task_end(t, TRAWL__TASK_END__CRASHED, reason);
}
