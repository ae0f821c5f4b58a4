#include "worker/task_child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/io.h"
#include "shared/limits.h"
#include "worker/task_progress.h"
#include "worker/task_run.h"
#include "worker/task_stderr.h"

/* Descriptors that the child is to have are above those that it gets. */
enum {
    HIGH_FD = 10,
    STDERR_READS = 16, /* of it at a time: others wait, too */
};

struct task_child {
    pid_t pid; /* 0: reaped */
    int pid_fd, result_fd, stderr_fd;
    uint64_t attempt;
    struct task_stderr said;
    struct task_progress *progress;
    uint64_t ticks; /* when last asked */
    struct buf result;
};

/* ---- starting it ------------------------------------------------------------------------------------- */

struct child_fds {
    int spec, progress, result_read, result_write, stderr_read, stderr_write;
};

static int raised(int fd) {
    int high = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, HIGH_FD);
    int saved = errno;

    if (fd >= 0)
        close(fd);
    errno = saved;
    return high;
}

/* A file in memory, so that nobody waits for the child to read. */
static int spec_file(const Trawl__TaskSpec *spec) {
    struct buf packed;
    int fd = raised(memfd_create("task-spec", MFD_CLOEXEC));

    buf_init(&packed, LIMIT_WIRE_BYTES);
    if (fd >= 0 && (!wire_pack(&packed, &spec->base) || !io_write(fd, packed.data, packed.len) ||
                    lseek(fd, 0, SEEK_SET) != 0)) {
        close(fd);
        fd = -1;
    }
    buf_release(&packed);
    return fd;
}

static void close_fds(struct child_fds *fds) {
    const int all[] = {fds->spec,         fds->progress,    fds->result_read,
                       fds->result_write, fds->stderr_read, fds->stderr_write};

    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i] >= 0)
            close(all[i]);
}

/* The end that is read from does not block. */
static bool open_pipe(int *read_fd, int *write_fd) {
    int fds[2];

    if (pipe2(fds, O_CLOEXEC) != 0)
        return false;
    *read_fd = raised(fds[0]);
    *write_fd = raised(fds[1]);
    return *read_fd >= 0 && *write_fd >= 0 && fcntl(*read_fd, F_SETFL, O_NONBLOCK) == 0;
}

static bool open_fds(struct task_child *c, struct child_fds *fds, const Trawl__TaskSpec *spec) {
    fds->spec = spec_file(spec);
    fds->progress = raised(task_progress_new(&c->progress));
    return fds->spec >= 0 && fds->progress >= 0 &&
           open_pipe(&fds->result_read, &fds->result_write) &&
           open_pipe(&fds->stderr_read, &fds->stderr_write);
}

/* In the child: only what is async-signal-safe, for other threads may hold locks. */
static _Noreturn void become_task(const struct child_fds *fds, int scratch_fd, pid_t parent) {
    static char *const argv[] = {"trawl", "task", NULL};
    const struct sigaction usual = {.sa_handler = SIG_DFL};
    sigset_t none;

    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)sigaction(SIGPIPE, &usual, NULL);
    (void)sigaction(SIGXFSZ, &usual, NULL);
    (void)setpgid(0, 0);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent || fchdir(scratch_fd) != 0 ||
        dup2(fds->spec, TASK_RUN_SPEC_FD) < 0 || dup2(fds->stderr_write, STDERR_FILENO) < 0 ||
        dup2(STDERR_FILENO, STDOUT_FILENO) < 0 || dup2(fds->progress, TASK_RUN_PROGRESS_FD) < 0 ||
        dup2(fds->result_write, TASK_RUN_RESULT_FD) < 0 ||
        close_range(TASK_RUN_RESULT_FD + 1, ~0u, 0) != 0)
        _exit(126);
    (void)execv("/proc/self/exe", argv);
    _exit(127);
}

static bool start(struct task_child *c, struct child_fds *fds, int scratch_fd) {
    pid_t parent = getpid();

    c->pid = fork();
    if (c->pid == 0)
        become_task(fds, scratch_fd, parent);
    if (c->pid < 0) {
        c->pid = 0;
        return false;
    }
    /* As the child does: whoever comes first. */
    (void)setpgid(c->pid, c->pid);
    c->pid_fd = pidfd_open(c->pid, 0);
    c->result_fd = fds->result_read;
    c->stderr_fd = fds->stderr_read;
    fds->result_read = fds->stderr_read = -1;
    return c->pid_fd >= 0;
}

struct task_child *task_child_new(const Trawl__TaskSpec *spec, int scratch_fd, struct error *err) {
    struct task_child *c = calloc(1, sizeof *c);
    struct child_fds fds = {-1, -1, -1, -1, -1, -1};
    bool ok = false;

    if (c == NULL) {
        error_set(err, 0, "out of memory");
        return NULL;
    }
    c->pid_fd = c->result_fd = c->stderr_fd = -1;
    c->attempt = spec->attempt;
    buf_init(&c->result, LIMIT_WIRE_BYTES);
    ok = open_fds(c, &fds, spec) && start(c, &fds, scratch_fd);
    if (!ok)
        error_set(err, errno, "cannot start a process for a task");
    close_fds(&fds);
    if (ok)
        return c;
    task_child_free(c);
    return NULL;
}

/* ---- while it runs ----------------------------------------------------------------------------------- */

int task_child_pid_fd(const struct task_child *c) {
    return c->pid_fd;
}

int task_child_result_fd(const struct task_child *c) {
    return c->result_fd;
}

int task_child_stderr_fd(const struct task_child *c) {
    return c->stderr_fd;
}

bool task_child_read_stderr(struct task_child *c) {
    char bytes[16384];

    for (int i = 0; i < STDERR_READS; i++) {
        ssize_t n = read(c->stderr_fd, bytes, sizeof bytes);
        if (n > 0)
            task_stderr_take(&c->said, c->attempt, bytes, (size_t)n);
        else if (n == 0 || errno != EINTR)
            return n != 0 && errno == EAGAIN;
    }
    return true;
}

bool task_child_read(struct task_child *c) {
    char bytes[65536];

    for (;;) {
        ssize_t n = read(c->result_fd, bytes, sizeof bytes);
        if (n > 0)
            (void)buf_append(&c->result, bytes, (size_t)n);
        else if (n == 0 || errno != EINTR)
            return n != 0 && errno == EAGAIN;
    }
}

bool task_child_moved(struct task_child *c) {
    uint64_t ticks = atomic_load_explicit(&c->progress->ticks, memory_order_relaxed);
    bool moved = ticks != c->ticks;

    c->ticks = ticks;
    return moved;
}

void task_child_kill(struct task_child *c) {
    if (c->pid > 0)
        (void)kill(-c->pid, SIGKILL);
}

/* ---- its end ----------------------------------------------------------------------------------------- */

/* Until it is reaped its number, and that of its group, belong to nobody else. */
static void reap(struct task_child *c, siginfo_t *info) {
    while (waitid(P_PID, (id_t)c->pid, info, WEXITED | WNOWAIT) != 0 && errno == EINTR)
        continue;
    task_child_kill(c);
    while (waitid(P_PID, (id_t)c->pid, info, WEXITED) != 0 && errno == EINTR)
        continue;
    c->pid = 0;
}

static void tell_crash(const struct task_child *c, Trawl__TaskResult *r, struct arena *arena,
                       int number) {
    char name[TASK_PROGRESS_NAME_BYTES];
    size_t len;

    r->end = TRAWL__TASK_END__TASK_FAILED;
    r->reason = arena_printf(arena, "killed by signal %d (%s)", number, sigdescr_np(number));
    if (!task_progress_record(c->progress, &r->record, name, sizeof name, &len))
        return;
    r->end = TRAWL__TASK_END__CRASHED;
    r->record_name = arena_bytes(arena, name, len);
}

/* Why it failed, with the last that was said. False: no memory. */
static bool add_stderr(const struct task_child *c, Trawl__TaskResult *r, struct arena *arena) {
    char tail[TASK_STDERR_TAIL_BYTES];

    task_stderr_tail(&c->said, tail);
    if (tail[0] != '\0' && r->end != TRAWL__TASK_END__DONE)
        r->reason = arena_printf(arena, "%s; standard error: %s", r->reason, tail);
    return r->reason != NULL && !arena->failed;
}

Trawl__TaskResult *task_child_reap(struct task_child *c, struct arena *arena) {
    siginfo_t info = {.si_code = 0};

    reap(c, &info);
    (void)task_child_read(c);
    (void)task_child_read_stderr(c); /* what is in the pipe at most: nobody writes any more */
    task_stderr_end(&c->said, c->attempt);
    if (info.si_code == CLD_EXITED && !c->result.failed && c->result.len > 0) {
        Trawl__TaskResult *said =
            wire_unpack(arena, &trawl__task_result__descriptor, c->result.data, c->result.len);
        if (said != NULL && (info.si_status == 0 || said->end != TRAWL__TASK_END__DONE))
            return add_stderr(c, said, arena) ? said : NULL;
    }
    Trawl__TaskResult *r = arena_alloc(arena, sizeof *r);
    if (r == NULL)
        return NULL;
    trawl__task_result__init(r);
    if (info.si_code == CLD_EXITED) {
        r->end = TRAWL__TASK_END__TASK_FAILED;
        r->reason = arena_printf(arena, "exited with code %d without a result", info.si_status);
    } else {
        tell_crash(c, r, arena, info.si_status);
    }
    return r->reason == NULL || arena->failed || !add_stderr(c, r, arena) ? NULL : r;
}

void task_child_free(struct task_child *c) {
    siginfo_t info;

    if (c == NULL)
        return;
    if (c->pid > 0) {
        task_child_kill(c);
        reap(c, &info);
    }
    if (c->pid_fd >= 0)
        close(c->pid_fd);
    if (c->result_fd >= 0)
        close(c->result_fd);
    if (c->stderr_fd >= 0)
        close(c->stderr_fd);
    task_progress_free(c->progress);
    buf_release(&c->result);
    free(c);
}
