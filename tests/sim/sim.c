/*
 * sim: runs the simulations for many seeds: of each a crawl (world.h), of each fourth MapReduce jobs too (jobs.h).
 * Prints one line a broken seed, and at the end how often each kind of fault was met.
 *
 *     sim SEED             one seed, with its trace of events
 *     sim FROM COUNT       so many seeds, quietly
 */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/jobs.h"
#include "tests/sim/world.h"

struct totals {
    uint64_t job_faults[JOBS_FAULTS], job_seeds, jobs, attempts, job_events;
    uint64_t faults[FAULTS], events, requests, fetched, attached, holes, parts, tries, broken,
        forgets, turn_work;
};

static void add(struct totals *t, const struct world_result *r) {
    for (int f = 0; f < FAULTS; f++)
        t->faults[f] += r->faults[f];
    t->events += r->events;
    t->requests += r->requests;
    t->fetched += r->fetched;
    t->attached += r->attached;
    t->holes += r->holes;
    t->parts += r->parts;
    t->forgets += r->forgets;
    t->turn_work = r->turn_work > t->turn_work ? r->turn_work : t->turn_work;
    t->tries += r->tries;
    t->broken += !r->ok;
}

static void tell_broken(uint64_t seed, const char *why, int64_t ended_ms) {
    printf("seed %llu: %s (after %.3f s; replay with: make sim SEED=%llu)\n",
           (unsigned long long)seed, why, (double)ended_ms / 1000, (unsigned long long)seed);
}

/* Of a tenth of these nothing goes wrong. */
static bool run_jobs(uint64_t seed, FILE *trace, struct totals *t) {
    struct jobs_result r;

    if (seed % 4 != 1)
        return true;
    jobs_run(&(struct jobs_options){.seed = seed, .calm = seed % 40 == 5, .trace = trace}, &r);
    for (int f = 0; f < JOBS_FAULTS; f++)
        t->job_faults[f] += r.faults[f];
    t->job_seeds++;
    t->jobs += r.jobs;
    t->attempts += r.attempts;
    t->job_events += r.events;
    t->broken += !r.ok;
    if (!r.ok)
        tell_broken(seed, r.why, r.ended_ms);
    return r.ok;
}

enum { BROKEN_MAX = 10 };

/* One seed in ten runs without faults: there, nothing at all may be done twice. */
static bool run_crawl(uint64_t seed, FILE *trace, struct totals *t) {
    struct world_result r;

    world_run(&(struct world_options){.seed = seed, .calm = seed % 10 == 0, .trace = trace}, &r);
    add(t, &r);
    if (!r.ok)
        tell_broken(seed, r.why, r.ended_ms);
    return r.ok;
}

static bool run_seed(uint64_t seed, FILE *trace, struct totals *t) {
    bool crawl = run_crawl(seed, trace, t), jobs = run_jobs(seed, trace, t);

    return crawl && jobs;
}

/* A kind of fault that never came up was not tested. */
static bool report(const struct totals *t, uint64_t seeds) {
    bool all = true;

    for (int f = 0; f < FAULTS; f++) {
        printf("  %-16s %llu\n", world_fault_name((enum world_fault)f),
               (unsigned long long)t->faults[f]);
        all = all && t->faults[f] > 0;
    }
    for (int f = 0; f < JOBS_FAULTS; f++) {
        printf("  %-16s %llu, in jobs\n", jobs_fault_name((enum jobs_fault)f),
               (unsigned long long)t->job_faults[f]);
        all = all && t->job_faults[f] > 0;
    }
    printf("%llu seeds with %llu jobs, %llu attempts, %llu events\n",
           (unsigned long long)t->job_seeds, (unsigned long long)t->jobs,
           (unsigned long long)t->attempts, (unsigned long long)t->job_events);
    printf("%llu seeds, %llu events, %llu requests, %llu pages, %llu attachments, %llu orphan "
           "records, %llu parts of links, %llu failed attempts, %llu slices of forgetting, up to "
           "%llu of work in a tick, %llu "
           "broken\n",
           (unsigned long long)seeds, (unsigned long long)t->events,
           (unsigned long long)t->requests, (unsigned long long)t->fetched,
           (unsigned long long)t->attached, (unsigned long long)t->holes,
           (unsigned long long)t->parts, (unsigned long long)t->tries,
           (unsigned long long)t->forgets, (unsigned long long)t->turn_work,
           (unsigned long long)t->broken);
    return all && t->parts > 0 && t->tries > 0 && t->forgets > 0;
}

int main(int argc, char **argv) {
    struct totals t = {.events = 0};

    /* What was found is told even if the next thing is an assertion. */
    setvbuf(stdout, NULL, _IOLBF, 0);
    /* Memory goes back and forth all the time: keep it. */
    mallopt(M_TRIM_THRESHOLD, 1 << 28);
    mallopt(M_MMAP_THRESHOLD, 1 << 28);

    if (argc == 2)
        return run_seed(strtoull(argv[1], NULL, 10), stdout, &t) ? 0 : 1;
    if (argc != 3 && argc != 4) {
        fprintf(stderr, "usage: sim SEED | sim FROM COUNT [BROKEN=10, at which it ends]\n");
        return 2;
    }
    uint64_t from = strtoull(argv[1], NULL, 10), count = strtoull(argv[2], NULL, 10);
    uint64_t enough = argc == 4 ? strtoull(argv[3], NULL, 10) : BROKEN_MAX;
    for (uint64_t i = 0; i < count && t.broken < enough; i++)
        (void)run_seed(from + i, NULL, &t);
    bool all = report(&t, count);
    if (!all && count >= 1000)
        printf("a kind of fault never happened\n");
    return t.broken == 0 && (all || count < 1000) ? 0 : 1;
}
