/* Task workers as processes, against a real master: jobs run, hang, crash, and lose their workers. This program is the worker
 * (`test_task_worker worker ...`) and the task (`test_task_worker task`), too: what a task does, the job's name says. */
#include "worker/task_worker.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
// cmocka needs the headers above.
#include <cmocka.h>

#include "master/server.h"
#include "master/store_mem.h"
#include "proto/rpc.h"
#include "shared/limits.h"
#include "shared/log.h"
#include "worker/job_output.h"
#include "worker/task_progress.h"
#include "worker/task_run.h"

enum { CALL_MS = 20000, PATIENCE_MS = 60 * 1000, TRY_MS = 5, WORKERS = 2, PATH_BYTES = 256 };

extern char **environ;

static void pause_ms(long ms) {
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

/* ---- the task ---------------------------------------------------------------------------------------- */

static char spec_bytes[1 << 20];

static _Noreturn void hang(void) {
    for (;;)
        pause();
}

/* Makes the file; false: it was there before. */
static bool first_time(const char *dir, const char *what) {
    char path[PATH_BYTES * 2];

    snprintf(path, sizeof path, "%s/../%s", dir, what);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
    if (fd < 0)
        return false;
    dprintf(fd, "%ld\n", (long)getpid());
    close(fd);
    return true;
}

static bool skips(const Trawl__TaskSpec *s, uint64_t record) {
    for (size_t i = 0; i < s->n_skip; i++)
        if (s->skip[i] == record)
            return true;
    return false;
}

static void misbehave(const Trawl__TaskSpec *s, struct task_progress *p) {
    const char *name = s->job->name;
    bool map = s->kind == TRAWL__TASK_KIND__MAP;

    if (strcmp(name, "hangs once") == 0 && map && first_time(s->job->output, "hung"))
        hang();
    if (strcmp(name, "hangs") == 0 && map) {
        (void)first_time(s->job->output, "hung");
        for (;;) {
            pause_ms(20);
            task_progress_tick(p);
        }
    }
    if (strcmp(name, "crashes") == 0 && map && !skips(s, 7)) {
        task_progress_name(p, "book.txt", 8);
        task_progress_begin(p, 7, 70);
        (void)signal(SIGSEGV, SIG_DFL); /* a sanitizer's handler exits */
        (void)raise(SIGSEGV);
    }
    if (strcmp(name, "fails") == 0)
        _exit(3);
}

static bool write_part(const Trawl__TaskSpec *s) {
    struct job_output o;
    struct error err = {0};
    bool ok = job_output_open(&o, s->job->output, s->number, s->attempt, &err) &&
              job_output_write(&o, "part\n", 5, &err);

    /* Time to be killed in. */
    if (strcmp(s->job->name, "slow to write") == 0 && first_time(s->job->output, "writing"))
        hang();
    ok = ok && job_output_commit(&o, &err) != JOB_OUTPUT_FAILED;
    job_output_close(&o);
    return ok;
}

static int be_task(void) {
    Trawl__TaskResult r = TRAWL__TASK_RESULT__INIT;
    uint64_t sizes[16] = {1};
    struct task_progress *p = task_progress_map(TASK_RUN_PROGRESS_FD);
    struct arena arena;
    struct buf packed;
    size_t len = 0;

    for (ssize_t n; (n = read(TASK_RUN_SPEC_FD, spec_bytes + len, sizeof spec_bytes - len)) > 0;)
        len += (size_t)n;
    arena_init(&arena, LIMIT_ARENA_BYTES);
    buf_init(&packed, LIMIT_WIRE_BYTES);
    const Trawl__TaskSpec *s = wire_unpack(&arena, &trawl__task_spec__descriptor, spec_bytes, len);
    if (s == NULL || p == NULL || s->attempt == 0 || s->outputs_dir.len == 0)
        return 93;
    misbehave(s, p);
    r.records_in = 1;
    if (s->kind == TRAWL__TASK_KIND__MAP) {
        int fd = open("map.out", O_WRONLY | O_CREAT, 0644);
        if (fd < 0)
            return 94;
        close(fd);
        r.partition_bytes = sizes;
        r.n_partition_bytes = s->job->reduces;
    } else if (!write_part(s)) {
        return 95;
    }
    return wire_pack(&packed, &r.base) &&
                   write(TASK_RUN_RESULT_FD, packed.data, packed.len) == (ssize_t)packed.len
               ? 0
               : 96;
}

/* worker MASTER DIR NAME TASKS */
static int be_worker(char **argv) {
    struct error err = {0};
    const struct task_worker_config config = {.master = argv[0],
                                              .dir = argv[1],
                                              .name = argv[2],
                                              .tasks = (uint32_t)strtoul(argv[3], NULL, 10),
                                              .connect_timeout_ms = PATIENCE_MS};

    log_set_level(LOG_OFF);
    int code = task_worker_run(&config, &err);
    if (code != 0)
        fprintf(stderr, "%s: %s\n", argv[2], err.text);
    return code;
}

/* ---- the master and its workers ---------------------------------------------------------------------- */

static char top[64], output[PATH_BYTES];
static struct options options;
static struct store *store;
static struct server *server;
static struct rpc_client *client;
static struct arena arena;
static struct buf answer;
static pid_t workers[WORKERS];

static void start_worker(int i, const char *tasks) {
    char dir[PATH_BYTES + 8], name[8];

    snprintf(dir, sizeof dir, "%s/d%d", top, i);
    snprintf(name, sizeof name, "w%d", i);
    char *argv[] = {"worker",      "worker", (char *)server_address(server), dir, name,
                    (char *)tasks, NULL};
    assert_int_equal(posix_spawn(&workers[i], "/proc/self/exe", NULL, NULL, argv, environ), 0);
}

/* Its exit code. */
static int wait_worker(int i) {
    int status = 0;

    for (int tries = 0; waitpid(workers[i], &status, WNOHANG) == 0; tries++) {
        assert_true(tries < PATIENCE_MS / TRY_MS);
        pause_ms(TRY_MS);
    }
    workers[i] = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static const Trawl__JobInfo *ask(Trawl__Request *r) {
    struct buf bytes;
    struct error err = {0};

    buf_init(&bytes, LIMIT_WIRE_BYTES);
    r->version = WIRE_VERSION;
    assert_true(wire_pack(&bytes, &r->base));
    assert_true(rpc_call_sync(client, bytes.data, bytes.len, CALL_MS, &answer, &err));
    buf_release(&bytes);
    arena_reset(&arena);
    const Trawl__Reply *reply = wire_reply_unpack(&arena, answer.data, answer.len);
    assert_non_null(reply);
    assert_int_equal(reply->code, TRAWL__CODE__OK);
    return reply->job->jobs[0];
}

static void run_job(const char *name, uint32_t maps, uint32_t reduces, uint32_t timeout_ms) {
    Trawl__Request r = TRAWL__REQUEST__INIT;
    Trawl__JobRun run = TRAWL__JOB_RUN__INIT;
    Trawl__JobSpec spec = TRAWL__JOB_SPEC__INIT;
    Trawl__Split split = TRAWL__SPLIT__INIT, *splits[8];
    uint8_t token[16] = {1};

    split.path = (ProtobufCBinaryData){.len = 3, .data = (uint8_t *)"/in"};
    for (uint32_t i = 0; i < maps; i++)
        splits[i] = &split;
    spec.name = (char *)name;
    spec.function = "test";
    spec.output = output;
    spec.reduces = reduces;
    spec.timeout_ms = timeout_ms;
    spec.attempts = 5;
    run.spec = &spec;
    run.splits = splits;
    run.n_splits = maps;
    run.token = (ProtobufCBinaryData){.len = sizeof token, .data = token};
    r.body_case = TRAWL__REQUEST__BODY_JOB_RUN;
    r.job_run = &run;
    (void)ask(&r);
}

static const Trawl__JobInfo *job_now(void) {
    Trawl__Request r = TRAWL__REQUEST__INIT;
    Trawl__JobQuery q = TRAWL__JOB_QUERY__INIT;

    q.job = 1;
    r.body_case = TRAWL__REQUEST__BODY_JOB_QUERY;
    r.job_query = &q;
    return ask(&r);
}

static const Trawl__JobInfo *wait_job(void) {
    const Trawl__JobInfo *i = job_now();

    for (int tries = 0; i->state == TRAWL__JOB_STATE__JOB_RUNNING; tries++) {
        assert_true(tries < PATIENCE_MS / TRY_MS);
        pause_ms(TRY_MS);
        i = job_now();
    }
    return i;
}

static void await_file(const char *name) {
    char path[PATH_BYTES * 2];

    snprintf(path, sizeof path, "%s/%s", top, name);
    for (int tries = 0; access(path, F_OK) != 0; tries++) {
        assert_true(tries < PATIENCE_MS / TRY_MS);
        pause_ms(TRY_MS);
    }
}

/* Entries whose names begin so. */
static size_t count(const char *dir, const char *prefix) {
    char path[PATH_BYTES * 2];
    size_t n = 0;

    snprintf(path, sizeof path, "%s/%s", top, dir);
    DIR *d = opendir(path);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
             strncmp(e->d_name, prefix, strlen(prefix)) == 0;
    closedir(d);
    return n;
}

static int setup(void **state) {
    struct error err = {0};

    (void)state;
    log_set_level(LOG_OFF);
    snprintf(top, sizeof top, "/tmp/trawl-task-worker.XXXXXX");
    assert_non_null(mkdtemp(top));
    snprintf(output, sizeof output, "%s/out", top);
    assert_int_equal(mkdir(output, 0755), 0);
    assert_true(options_init(&options));
    options.jobs_only = true;
    options.heartbeat_ms = 100;
    options.lease_ms = 1000;
    store = store_mem_new();
    const struct server_config config = {
        .options = &options, .store = store, .listen = "tcp://127.0.0.1:0", .contexts = 16};
    server = server_new(&config, &err);
    assert_non_null(server);
    assert_true(server_start(server, &err));
    client = rpc_client_new(server_address(server), RPC_DIAL_NOW, &err);
    assert_non_null(client);
    arena_init(&arena, LIMIT_ARENA_BYTES);
    buf_init(&answer, LIMIT_WIRE_BYTES);
    memset(workers, 0, sizeof workers);
    return 0;
}

static int teardown(void **state) {
    char command[PATH_BYTES * 2];
    char *argv[] = {"sh", "-c", command, NULL};
    pid_t pid;

    (void)state;
    for (int i = 0; i < WORKERS; i++)
        if (workers[i] > 0) {
            kill(workers[i], SIGKILL);
            waitpid(workers[i], NULL, 0);
        }
    assert_true(rpc_client_free(client));
    server_free(server);
    store_close(store);
    options_release(&options);
    arena_release(&arena);
    buf_release(&answer);
    snprintf(command, sizeof command, "rm -rf '%s'", top);
    assert_int_equal(posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, environ), 0);
    waitpid(pid, NULL, 0);
    return 0;
}

/* ---- tests ------------------------------------------------------------------------------------------- */

static void a_job_is_run_and_the_workers_leave(void **state) {
    (void)state;
    start_worker(0, "2");
    start_worker(1, "1");
    run_job("plain", 5, 3, 0);
    const Trawl__JobInfo *i = wait_job();
    assert_int_equal(i->state, TRAWL__JOB_STATE__JOB_DONE);
    assert_int_equal(i->maps->attempts, 5);
    assert_int_equal(i->reduces->attempts, 3);
    assert_int_equal(i->maps->records_in, 5);
    assert_int_equal(count("out", "part-"), 3);
    assert_int_equal(count("out", "."), 0);
    server_stop(server, "no more jobs");
    assert_int_equal(wait_worker(0), 0);
    assert_int_equal(wait_worker(1), 0);
    assert_true(server_wait(server, PATIENCE_MS));
    for (int w = 0; w < WORKERS; w++) {
        char dir[64];
        snprintf(dir, sizeof dir, "d%d/workers/w%d/maps", w, w);
        assert_int_equal(count(dir, ""), 0);
        snprintf(dir, sizeof dir, "d%d/workers/w%d/tasks", w, w);
        assert_int_equal(count(dir, ""), 0);
    }
}

static void a_function_that_hangs_is_killed(void **state) {
    (void)state;
    start_worker(0, "1");
    run_job("hangs once", 1, 1, 3000);
    const Trawl__JobInfo *i = wait_job();
    assert_int_equal(i->state, TRAWL__JOB_STATE__JOB_DONE);
    assert_int_equal(i->maps->attempts, 2);
    assert_int_equal(i->maps->failures, 1);
    assert_string_equal(i->last_failure,
                        "map task 0 on w0: no progress for longer than the task's timeout");
}

static void a_record_that_crashes_twice_is_skipped(void **state) {
    (void)state;
    start_worker(0, "1");
    run_job("crashes", 1, 1, 0);
    const Trawl__JobInfo *i = wait_job();
    assert_int_equal(i->state, TRAWL__JOB_STATE__JOB_DONE);
    assert_int_equal(i->maps->attempts, 3);
    assert_int_equal(i->skipped_count, 1);
    assert_int_equal(i->skipped[0]->record, 7);
    assert_int_equal(i->skipped[0]->name.len, 11);
    assert_memory_equal(i->skipped[0]->name.data, "book.txt:70", 11);
}

static void a_function_that_fails_fails_the_job(void **state) {
    (void)state;
    start_worker(0, "2");
    run_job("fails", 2, 1, 0);
    const Trawl__JobInfo *i = wait_job();
    assert_int_equal(i->state, TRAWL__JOB_STATE__JOB_FAILED);
    assert_non_null(strstr(i->why, "exited with code 3"));
    assert_int_equal(count("out", ""), 0);
}

static pid_t read_pid(const char *name) {
    char path[PATH_BYTES * 2], text[32] = "";

    snprintf(path, sizeof path, "%s/%s", top, name);
    await_file(name);
    while (strchr(text, '\n') == NULL) {
        FILE *f = fopen(path, "re");
        assert_non_null(f);
        (void)!fgets(text, sizeof text, f);
        fclose(f);
    }
    return (pid_t)strtol(text, NULL, 10);
}

/* Gone, or a zombie that its new parent has not reaped. */
static bool is_dead(pid_t pid) {
    char path[64], line[256] = "";

    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return true;
    (void)!fgets(line, sizeof line, f);
    fclose(f);
    const char *end = strrchr(line, ')');
    return end != NULL && end[1] == ' ' && end[2] == 'Z';
}

static void await_death(pid_t pid) {
    for (int tries = 0; !is_dead(pid); tries++) {
        assert_true(tries < PATIENCE_MS / TRY_MS);
        pause_ms(TRY_MS);
    }
}

/* Its output is with nobody: what it had written goes when it comes back, and the task is done by the other. */
static void a_killed_worker_leaves_nothing(void **state) {
    (void)state;
    start_worker(0, "1");
    run_job("slow to write", 1, 1, 0);
    pid_t child = read_pid("writing");
    assert_int_equal(count("out", ".part-00000."), 1);
    kill(workers[0], SIGKILL);
    assert_int_equal(wait_worker(0), -1);
    await_death(child);
    assert_int_equal(count("out", ".part-00000."), 1);
    start_worker(0, "1");
    const Trawl__JobInfo *i = wait_job();
    assert_int_equal(i->state, TRAWL__JOB_STATE__JOB_DONE);
    assert_int_equal(i->lost_maps, 1);
    assert_int_equal(count("out", "part-00000"), 1);
    assert_int_equal(count("out", "."), 0);
}

static void a_worker_told_to_stop_gives_back(void **state) {
    (void)state;
    start_worker(0, "1");
    run_job("slow to write", 1, 1, 0);
    pid_t child = read_pid("writing");
    kill(workers[0], SIGTERM);
    assert_int_equal(wait_worker(0), 0);
    await_death(child);
    assert_int_equal(count("out", "."), 0);
    start_worker(1, "1");
    const Trawl__JobInfo *i = wait_job();
    assert_int_equal(i->state, TRAWL__JOB_STATE__JOB_DONE);
    assert_int_equal(i->reduces->failures, 0);
}

static void a_cancelled_job_is_stopped(void **state) {
    Trawl__Request r = TRAWL__REQUEST__INIT;
    Trawl__JobCancel cancel = TRAWL__JOB_CANCEL__INIT;

    (void)state;
    start_worker(0, "1");
    run_job("hangs", 1, 1, 0);
    pid_t child = read_pid("hung");
    cancel.job = 1;
    r.body_case = TRAWL__REQUEST__BODY_JOB_CANCEL;
    r.job_cancel = &cancel;
    assert_int_equal(ask(&r)->state, TRAWL__JOB_STATE__JOB_CANCELLED);
    await_death(child);
}

int main(int argc, char **argv) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_job_is_run_and_the_workers_leave),
        TEST(a_function_that_hangs_is_killed),
        TEST(a_record_that_crashes_twice_is_skipped),
        TEST(a_function_that_fails_fails_the_job),
        TEST(a_killed_worker_leaves_nothing),
        TEST(a_worker_told_to_stop_gives_back),
        TEST(a_cancelled_job_is_stopped),
    };

    if (argc > 1 && strcmp(argv[1], "task") == 0)
        _exit(be_task()); /* what it holds goes with it */
    if (argc > 5 && strcmp(argv[1], "worker") == 0)
        return be_worker(argv + 2);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
