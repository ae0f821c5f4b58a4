/*
 * sandbox: what a worker gives up once it has its directory: a parser that a page takes over can then neither run a
 * program nor read or write beyond what fetching needs.
 *
 *   no_new_privs   no program gets more rights than its caller has
 *   landlock       files: its directories to read and write; the system's libraries, certificates and resolver settings to
 *                  read; nothing else
 *   seccomp        no exec, no listening, no tracing, no signals to others, no mounts, no namespaces, no modules, no bpf,
 *                  no io_uring, no keys ...: EPERM; no typing into the terminal. A list of what is refused, because
 *                  the C library's own calls differ by version and machine, and a worker that dies of a harmless
 *                  new one helps nobody.
 *
 * A file that takes the place of another later (a resolv.conf that is replaced, not written) is not the one that was allowed: the
 * resolver goes on with what it had read, until the worker is started again.
 *
 * What the kernel lacks is left out with one line in the log. A worker that runs MapReduce tasks starts the user's own
 * programs on the user's own files: it gives up new privileges only.
 *
 * landlock(7), seccomp(2), prctl(2). Once a process, before it has made threads.
 */
#ifndef TRAWL_WORKER_SANDBOX_H
#define TRAWL_WORKER_SANDBOX_H

#include <stdbool.h>

struct sandbox_config {
    /* Read and written beneath: its directory, and those of its own in it, which may be links to others or other file systems.
     * -1: none. Of no matter with `allow_exec`. */
    int dir_fd, archive_fd, home_fd;
    bool allow_exec; /* programs are to be run: no_new_privs alone */
};

void sandbox_enter(const struct sandbox_config *config);

#endif
