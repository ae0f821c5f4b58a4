#include "cli/job_trial.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

#include "proto/wire.h"
#include "shared/limits.h"
#include "shared/log.h"
#include "worker/task_child.h"

enum { TRIAL_MS = 10 * 1000 };

static int64_t clock_ms(void) {
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Reads what it says until it ends. False: it takes too long. */
static bool wait_for(struct task_child *c) {
    int64_t until = clock_ms() + TRIAL_MS;
    bool talks = true;

    for (;;) {
        struct pollfd p[] = {{.fd = task_child_pid_fd(c), .events = POLLIN},
                             {.fd = talks ? task_child_stderr_fd(c) : -1, .events = POLLIN}};
        int64_t left = until - clock_ms();
        if (left <= 0 || (poll(p, 2, (int)left) < 0 && errno != EINTR))
            return false;
        if (p[0].revents != 0)
            return true;
        if (p[1].revents != 0)
            talks = task_child_read_stderr(c);
    }
}

bool job_trial(const Trawl__JobSpec *spec, struct error *err) {
    Trawl__TaskSpec task = TRAWL__TASK_SPEC__INIT;
    struct error ignored;
    struct arena arena;
    int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool refused = false;

    arena_init(&arena, LIMIT_ARENA_BYTES);
    task.job = (Trawl__JobSpec *)spec;
    task.kind = TRAWL__TASK_KIND__CHECK;
    /* What it says is in its reason. */
    log_set_level(LOG_OFF);
    struct task_child *c = here < 0 ? NULL : task_child_new(&task, here, &ignored);
    if (c != NULL && wait_for(c)) {
        const Trawl__TaskResult *r = task_child_reap(c, &arena);
        refused = r != NULL && r->end == TRAWL__TASK_END__TASK_REFUSED;
        if (refused)
            error_set(err, 0, "%.480s", r->reason);
    }
    log_set_level(LOG_INFO);
    task_child_free(c);
    arena_release(&arena);
    if (here >= 0)
        close(here);
    return !refused;
}
