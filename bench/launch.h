/*
 * launch: a real `trawl master` for a benchmark, as a process of its own, and what its directory has on disk.
 *
 *     struct launched m = launch_master("build/trawl", dir, more_arguments);
 *     ... m.address ...
 *     launch_kill(&m, &usage);
 *
 * Whatever goes wrong ends the benchmark with a message. One thread.
 */
#ifndef TRAWL_BENCH_LAUNCH_H
#define TRAWL_BENCH_LAUNCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

struct launched {
    pid_t pid;
    char address[160]; /* where workers connect */
    double exec_s;     /* CLOCK_MONOTONIC, right before exec */
};

/* Returns once it listens. `arguments`: more of them, NULL-terminated. */
struct launched launch_master(const char *trawl, const char *dir, const char *const *arguments);
/* With SIGKILL; `usage` is all that it took. */
void launch_kill(struct launched *m, struct rusage *usage);
/* CPU seconds that it took so far, and its resident memory. */
double launch_cpu_s(const struct launched *m);
uint64_t launch_resident_bytes(const struct launched *m);

/* Bytes of the files right in a directory. */
uint64_t launch_disk_bytes(const char *path);
/* Has the kernel forget what it has read or written of them, so that a start reads from the disk. */
void launch_drop_cache(const char *path);

#endif
