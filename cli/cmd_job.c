/*
 * cmd_job: `trawl job`: runs MapReduce jobs, and asks about them. docs/mapreduce.md says how they work.
 *
 * `job run` without --master is master and workers in one, as `trawl crawl` is: a master for jobs alone in a scratch
 * directory below the output, task workers beside it, all gone at the end. No worker is let go before the job is over.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <openssl/rand.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli/ask.h"
#include "cli/command.h"
#include "cli/job_chain.h"
#include "cli/job_copies.h"
#include "cli/job_plan.h"
#include "cli/job_show.h"
#include "cli/job_trial.h"
#include "cli/screen.h"
#include "cli/spawn.h"
#include "master/master.h"
#include "proto/job_check.h"
#include "proto/rpc.h"
#include "shared/io.h"
#include "shared/limits.h"
#include "shared/log.h"
#include "worker/func.h"

enum {
    POLL_FIRST_MS = 10,
    POLL_MS = 100,
    CALL_TIMEOUT_MS = 10000,
    ASK_TIMEOUT_MS = 3000, /* of another's master, which is asked again */
    LEAVE_MS = 30000,
    AWAY_MS = 60000,  /* so long may another's master be away */
    NOBODY_MS = 1500, /* without a worker for tasks, before it is said */
};

struct job_run {
    const struct args *a;
    const char *name;        /* as the user said it */
    char short_name[64];     /* as others are told */
    char function[PATH_MAX]; /* a built-in one's name, or an absolute path */
    char output[PATH_MAX], scratch[PATH_MAX + 16], here[PATH_MAX];
    int output_fd; /* locked: the output is ours */
    struct job_plan plan;
    bool outcomes; /* the job reads what became of URLs, not pages */
    struct job_chain chain;
    struct job_stage stage; /* at which it is */
    unsigned stages;        /* that were begun */
    char stage_output[PATH_MAX + 64], copies[PATH_MAX + 64];
    char *copies_argument[1];
    struct options options;
    struct master *master; /* NULL: another's */
    struct spawn *spawn;   /* NULL: no workers of our own */
    struct rpc_client *client;
    struct arena arena; /* of the last answer */
    struct buf bytes, answer;
    struct job_show show;
    sigset_t signals;
    uint64_t job;
    unsigned interrupts;
    bool unanswered;   /* the last question */
    bool begun;        /* there is a scratch directory */
    bool keep_logs;    /* tasks failed */
    int64_t nobody_ms; /* since when no worker runs tasks; 0: some do; -1: it was said */
};

static int64_t clock_ms(void) {
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static uint32_t cores(void) {
    cpu_set_t set;

    return sched_getaffinity(0, sizeof set, &set) != 0 ? 1 : (uint32_t)CPU_COUNT(&set);
}

static uint32_t worker_count(const struct args *a) {
    return a->workers > 0 ? a->workers : cores();
}

/* ---- what is asked for ------------------------------------------------------------------------------------- */

static bool is_streaming(const struct args *a) {
    return a->job.map != NULL;
}

/* The functions are loaded here once, so that a wrong name is told at once and not by every worker. */
static bool find_function(struct job_run *j, struct error *err) {
    if (is_streaming(j->a))
        return true;
    if (strchr(j->name, '/') == NULL) {
        snprintf(j->function, sizeof j->function, "%s", j->name);
    } else if (realpath(j->name, j->function) == NULL) {
        error_set(err, errno, "cannot read %.300s", j->name);
        return false;
    }
    const struct trawl_job *job = func_load(j->function, err);
    if (job == NULL)
        return false;
    j->outcomes = job->input == TRAWL_INPUT_OUTCOMES;
    if (job->input == TRAWL_INPUT_LINES && j->plan.kind != TRAWL__INPUT_KIND__LINES)
        error_set(err, 0, "%.200s reads plain files; accepted are files that are no archives",
                  j->name);
    else if (job->input == TRAWL_INPUT_PAGES && j->plan.kind != TRAWL__INPUT_KIND__PAGES)
        error_set(err, 0, "%.200s reads pages; accepted is the directory of a crawl", j->name);
    else if (j->outcomes && j->plan.kind != TRAWL__INPUT_KIND__PAGES)
        error_set(
            err, 0,
            "%.200s reads what became of a crawl's URLs; accepted is the directory of a crawl",
            j->name);
    else
        return true;
    return false;
}

static bool plan(struct job_run *j, struct error *err) {
    const struct args *a = j->a;

    job_plan_init(&j->plan, a->job.split_bytes);
    for (size_t i = 0; i < a->job.inputs.count; i++)
        if (!job_plan_add(&j->plan, a->job.inputs.items[i], err))
            return false;
    for (size_t i = is_streaming(a) ? 1 : 2; i < a->words.count; i++)
        if (!job_plan_add(&j->plan, a->words.items[i], err))
            return false;
    if (j->plan.has_kind)
        return true;
    error_set(err, 0, "no input: accepted is --input with the directory of a crawl, or files");
    return false;
}

/* "NAME" of "./path/NAME.so". */
static void short_name(const char *name, char out[64]) {
    const char *slash = strrchr(name, '/');

    snprintf(out, 64, "%.60s", slash != NULL ? slash + 1 : name);
    char *dot = strrchr(out, '.');
    if (dot != NULL && dot > out)
        *dot = '\0';
}

static void default_output(struct job_run *j) {
    const char *input = j->a->job.inputs.count > 0 ? j->a->job.inputs.items[0] : "";
    char name[64], archive[PATH_MAX];
    struct stat st;
    int len = snprintf(archive, sizeof archive, "%s/archive", input);

    short_name(j->name, name);
    if (len < (int)sizeof archive && stat(archive, &st) == 0 && S_ISDIR(st.st_mode)) {
        snprintf(archive, sizeof archive, "%s/jobs", input);
        (void)io_make_dir(AT_FDCWD, archive,
                          0777); /* what cannot be made is told of what is below */
        snprintf(j->output, sizeof j->output, "%.3000s/%s", archive, name);
    } else {
        snprintf(j->output, sizeof j->output, "./%s.out", name);
    }
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *at) {
    (void)st;
    (void)flag;
    (void)at;
    return remove(path);
}

static void remove_all(const char *path) {
    (void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

/* The logs are for people; the rest is nobody's any more. */
static void remove_but_logs(const char *scratch) {
    char path[PATH_MAX + NAME_MAX + 32];
    DIR *dir = opendir(scratch);

    for (struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL;) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
            strcmp(e->d_name, "logs") == 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", scratch, e->d_name);
        remove_all(path);
    }
    if (dir != NULL)
        closedir(dir);
}

static bool is_in_the_way(const char *name) {
    return strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && strcmp(name, JOB_SCRATCH) != 0;
}

/* Nobody else's job writes there. What a job that failed has left for people to read goes. */
static bool lock_output(struct job_run *j, struct error *err) {
    j->output_fd = open(j->output, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (j->output_fd < 0 || flock(j->output_fd, LOCK_EX | LOCK_NB) != 0) {
        error_set(err, errno == EWOULDBLOCK ? 0 : errno, "--output %.300s%s", j->output,
                  errno == EWOULDBLOCK ? " is in use by another job" : "");
        return false;
    }
    remove_all(j->scratch);
    return true;
}

/* New or empty: parts of two jobs in one directory would look like those of one. */
static bool make_output(struct job_run *j, struct error *err) {
    char real[PATH_MAX];
    bool empty = true;

    if (j->a->job.output != NULL)
        snprintf(j->output, sizeof j->output, "%s", j->a->job.output);
    else
        default_output(j);
    if (!io_make_dir(AT_FDCWD, j->output, 0777) || realpath(j->output, real) == NULL) {
        error_set(err, errno, "cannot make --output %.300s", j->output);
        return false;
    }
    DIR *dir = opendir(real);
    if (dir == NULL) {
        error_set(err, errno, "cannot read --output %.300s", j->output);
        return false;
    }
    for (struct dirent *e; (e = readdir(dir)) != NULL;)
        empty = empty && !is_in_the_way(e->d_name);
    closedir(dir);
    if (!empty) {
        error_set(err, 0, "--output %.300s is not empty; accepted is a new or an empty directory",
                  j->output);
        return false;
    }
    snprintf(j->output, sizeof j->output, "%s", real);
    snprintf(j->scratch, sizeof j->scratch, "%s/" JOB_SCRATCH, real);
    return lock_output(j, err);
}

static bool write_outcomes(struct job_run *j, struct error *err) {
    char path[PATH_MAX + 64];

    (void)mkdir(j->scratch, 0777);
    snprintf(path, sizeof path, "%s/outcomes", j->scratch);
    return job_plan_outcomes(&j->plan, path, err);
}

/* ---- a master and workers of our own ---------------------------------------------------------------------------- */

static bool start_master(struct job_run *j, struct error *err) {
    const struct master_config config = {
        .dir = j->scratch, .options = &j->options, .listen = "tcp://127.0.0.1:0"};
    char path[PATH_MAX + 64];
    struct log_config log = {
        .path = path, .format = j->a->log_format, .level = j->a->verbose ? LOG_DEBUG : LOG_INFO};

    if (!options_init(&j->options)) {
        error_set(err, 0, "out of memory");
        return false;
    }
    j->options.jobs_only = true;
    j->options.heartbeat_ms = j->a->crawl.heartbeat_ms;
    j->options.lease_ms = j->a->crawl.lease_ms;
    j->master = master_open(j->scratch, err);
    snprintf(path, sizeof path, "%s/logs/master.log", j->scratch);
    return j->master != NULL && log_init(&log, err) && master_load(j->master, &config, err) &&
           master_start(j->master, err);
}

static void tell_death(void *arg, const char *name, int status, int64_t pause_ms) {
    struct job_run *j = arg;

    job_show_end_line(&j->show);
    if (WIFSIGNALED(status))
        fprintf(stderr, "trawl: worker %s was killed by signal %d", name, WTERMSIG(status));
    else
        fprintf(stderr, "trawl: worker %s ended with exit code %d", name, WEXITSTATUS(status));
    fprintf(stderr, "; it starts again in %.1f s\n", (double)pause_ms / 1000);
}

static bool own_prefix(char *prefix, size_t size, struct error *err) {
    unsigned char b[6];

    if (RAND_bytes(b, sizeof b) != 1) {
        error_set(err, 0, "no random numbers");
        return false;
    }
    snprintf(prefix, size, "job-%02x%02x%02x%02x%02x%02x-", b[0], b[1], b[2], b[3], b[4], b[5]);
    return true;
}

static bool start_workers(struct job_run *j, const char *address, struct error *err) {
    char prefix[32] = "w";
    const struct spawn_config config = {.dir = j->scratch,
                                        .master = address,
                                        .prefix = prefix,
                                        .workers = worker_count(j->a),
                                        .tasks = 1,
                                        .transfers = 1,
                                        .died = tell_death,
                                        .arg = j,
                                        .verbose = j->a->verbose,
                                        .json_logs = j->a->log_format == LOG_JSON};
    char logs[PATH_MAX + 64];

    /* Another's master has workers w1, w2 ... of its own. */
    if (j->master == NULL && !own_prefix(prefix, sizeof prefix, err))
        return false;
    (void)mkdir(j->scratch, 0777);
    snprintf(logs, sizeof logs, "%s/logs", j->scratch);
    if (mkdir(logs, 0777) != 0 && errno != EEXIST) {
        error_set(err, errno, "cannot make %.300s", logs);
        return false;
    }
    j->spawn = spawn_new(&config, err);
    return j->spawn != NULL;
}

static bool begin(struct job_run *j, struct error *err) {
    char address[MASTER_ADDRESS_BYTES];

    if (j->a->master != NULL) {
        snprintf(address, sizeof address, "%s", j->a->master);
    } else {
        if (!start_master(j, err))
            return false;
        master_local_address(j->master, address);
    }
    j->client = rpc_client_new(address, RPC_DIAL_NOW, err);
    if (j->client == NULL)
        return false;
    return (j->a->master != NULL && j->a->workers == 0) || start_workers(j, address, err);
}

static void end(struct job_run *j) {
    if (j->master != NULL)
        server_stop(master_server(j->master), "the job is over");
    else if (j->spawn != NULL)
        spawn_signal(j->spawn, SIGTERM);
    for (int64_t until = clock_ms() + LEAVE_MS;
         j->spawn != NULL && spawn_alive(j->spawn) > 0 && clock_ms() < until;) {
        const struct timespec t = {.tv_nsec = POLL_MS / 5 * 1000000L};
        (void)sigtimedwait(&j->signals, NULL, &t);
        spawn_watch(j->spawn, false);
    }
    spawn_free(j->spawn);
    (void)rpc_client_free(j->client);
    master_close(j->master);
    log_close();
    if (j->keep_logs)
        remove_but_logs(j->scratch);
    else
        remove_all(j->scratch);
}

/* ---- the job ------------------------------------------------------------------------------------------------------ */

/* The one job of the answer; NULL: `err`. */
static const Trawl__JobInfo *ask(struct job_run *j, Trawl__Request *request, struct error *err) {
    buf_reset(&j->bytes);
    arena_reset(&j->arena);
    request->version = WIRE_VERSION;
    if (!wire_pack(&j->bytes, &request->base)) {
        error_set(err, 0, "the job is too large to be sent to a master: %zu splits",
                  j->plan.found.count);
        return NULL;
    }
    bool again = j->a->master != NULL && request->body_case == TRAWL__REQUEST__BODY_JOB_QUERY;
    j->unanswered = !rpc_call_sync(j->client, j->bytes.data, j->bytes.len,
                                   again ? ASK_TIMEOUT_MS : CALL_TIMEOUT_MS, &j->answer, err);
    if (j->unanswered)
        return NULL;
    const Trawl__Reply *reply = wire_reply_unpack(&j->arena, j->answer.data, j->answer.len);
    if (reply != NULL && reply->code != TRAWL__CODE__OK)
        error_set(err, 0, "%s", reply->error);
    else if (reply == NULL || reply->body_case != TRAWL__REPLY__BODY_JOB || reply->job->n_jobs != 1)
        error_set(err, 0, "the master does not answer like one of this version");
    else
        return reply->job->jobs[0];
    return NULL;
}

/* What is asked for; it points into `j`. */
static void describe(struct job_run *j, Trawl__JobSpec *spec) {
    trawl__job_spec__init(spec);
    spec->name = j->short_name;
    spec->function = (char *)j->stage.function;
    spec->arguments = (char **)j->stage.arguments;
    spec->n_arguments = j->stage.argument_count;
    spec->reduces = j->stage.one_reduce     ? 1
                    : j->a->job.reduces > 0 ? j->a->job.reduces
                                            : worker_count(j->a);
    spec->sort_bytes = j->a->job.sort_bytes;
    spec->output = j->stage_output;
    spec->timeout_ms = j->a->job.timeout_ms;
    spec->attempts = j->a->job.attempts;
    spec->no_backup = j->a->job.no_backup;
    if (!is_streaming(j->a))
        return;
    spec->map_command = (char **)&j->a->job.map;
    spec->reduce_command = (char **)&j->a->job.reduce;
    spec->n_map_command = spec->n_reduce_command = 1;
    spec->shell = j->a->job.shell;
    spec->directory = (ProtobufCBinaryData){.data = (uint8_t *)j->here, .len = strlen(j->here)};
}

/* With splits in `arena`. False: `err` says what is accepted. */
static bool make_run(struct job_run *j, Trawl__JobRun *run, Trawl__JobSpec *spec,
                     struct arena *arena, struct error *err) {
    char why[JOB_CHECK_BYTES];

    trawl__job_run__init(run);
    describe(j, spec);
    run->spec = spec;
    run->splits = job_plan_splits(&j->plan, arena);
    run->n_splits = j->plan.found.count;
    if (run->splits == NULL)
        snprintf(why, sizeof why, "%zu map tasks: accepted are up to %d; make --split-size larger",
                 j->plan.found.count, LIMIT_JOB_SPLITS);
    else if (job_check(run, why))
        return true;
    error_set(err, 0, "%s", why);
    return false;
}

/* Before anything is started. False: wrong usage, `err`. */
static bool check(struct job_run *j, struct error *err) {
    Trawl__JobRun run;
    Trawl__JobSpec spec;
    struct arena arena;

    j->stage = (struct job_stage){.function = j->function,
                                  .arguments = j->a->job.arguments.items,
                                  .argument_count = j->a->job.arguments.count};
    snprintf(j->stage_output, sizeof j->stage_output, "/"); /* it is made when all else is right */
    arena_init(&arena, LIMIT_ARENA_BYTES);
    bool ok = make_run(j, &run, &spec, &arena, err);
    /* Workers elsewhere may have other programs. */
    if (ok && job_chain_is_plain(&j->chain) && (j->a->master == NULL || j->a->workers > 0))
        ok = job_trial(&spec, err);
    arena_release(&arena);
    j->stage = (struct job_stage){.function = NULL};
    j->stage_output[0] = '\0';
    return ok;
}

static const Trawl__JobInfo *submit(struct job_run *j, struct error *err) {
    Trawl__Request request = TRAWL__REQUEST__INIT;
    Trawl__JobRun run;
    Trawl__JobSpec spec;
    uint8_t token[16];
    struct arena arena;
    const Trawl__JobInfo *info = NULL;

    arena_init(&arena, LIMIT_ARENA_BYTES);
    if (!make_run(j, &run, &spec, &arena, err))
        goto out;
    if (RAND_bytes(token, sizeof token) != 1) {
        error_set(err, 0, "no random numbers");
        goto out;
    }
    run.token = (ProtobufCBinaryData){.data = token, .len = sizeof token};
    request.body_case = TRAWL__REQUEST__BODY_JOB_RUN;
    request.job_run = &run;
    info = ask(j, &request, err);
out:
    arena_release(&arena);
    return info;
}

static const Trawl__JobInfo *query(struct job_run *j, struct error *err) {
    Trawl__Request request = TRAWL__REQUEST__INIT;
    Trawl__JobQuery q = TRAWL__JOB_QUERY__INIT;

    q.job = j->job;
    request.body_case = TRAWL__REQUEST__BODY_JOB_QUERY;
    request.job_query = &q;
    return ask(j, &request, err);
}

static const Trawl__JobInfo *cancel(struct job_run *j, struct error *err) {
    Trawl__Request request = TRAWL__REQUEST__INIT;
    Trawl__JobCancel c = TRAWL__JOB_CANCEL__INIT;

    c.job = j->job;
    c.why = "interrupted";
    request.body_case = TRAWL__REQUEST__BODY_JOB_CANCEL;
    request.job_cancel = &c;
    return ask(j, &request, err);
}

/* A signal, if one came within `ms`; that a worker ended only wakes us up. */
static bool interrupted(struct job_run *j, int ms) {
    const struct timespec t = {.tv_nsec = ms * 1000000L};
    int signal = sigtimedwait(&j->signals, NULL, &t);

    return signal > 0 && signal != SIGCHLD;
}

/* A master of somebody else's may be started again: the job is in its crawldb. */
static const Trawl__JobInfo *wait_for_master(struct job_run *j, struct error *err) {
    int64_t until = clock_ms() + AWAY_MS;
    const Trawl__JobInfo *info = NULL;

    job_show_end_line(&j->show);
    fprintf(stderr, "trawl: %s; waiting for the master to come back\n", err->text);
    while (info == NULL && j->unanswered && clock_ms() < until && !interrupted(j, POLL_MS)) {
        if (j->spawn != NULL)
            spawn_watch(j->spawn, true);
        info = query(j, err);
    }
    if (info == NULL && j->unanswered)
        error_set(err, 0,
                  "the master is gone; job %llu goes on when it is started again: see trawl job "
                  "status %llu",
                  (unsigned long long)j->job, (unsigned long long)j->job);
    return info;
}

static const Trawl__JobInfo *next_info(struct job_run *j, bool stop, struct error *err) {
    const Trawl__JobInfo *info = stop ? cancel(j, err) : query(j, err);

    return info == NULL && j->unanswered && !stop && j->a->master != NULL ? wait_for_master(j, err)
                                                                          : info;
}

static void tell_nobody(struct job_run *j, const Trawl__JobInfo *info) {
    if (info->slots > 0 || j->master != NULL)
        j->nobody_ms = 0;
    else if (j->nobody_ms == 0)
        j->nobody_ms = clock_ms();
    else if (j->nobody_ms > 0 && clock_ms() - j->nobody_ms > NOBODY_MS) {
        j->nobody_ms = -1;
        job_show_end_line(&j->show);
        fprintf(stderr,
                "trawl: no worker of that master runs tasks: start some with trawl worker --tasks "
                "N --master %s, or with --workers N of job run\n",
                j->a->master);
    }
}

/* Of one that is not done; longer than an error is. */
static void tell_end(struct job_run *j, const Trawl__JobInfo *info) {
    bool failed = info->state == TRAWL__JOB_STATE__JOB_FAILED;

    job_show_end_line(&j->show);
    fputs("trawl: ", stderr);
    if (!info->refused) {
        fputs("job ", stderr);
        screen_text(stderr, info->name);
        fputs(failed ? " failed: " : " was cancelled: ", stderr);
    }
    screen_text(stderr, info->why);
    j->keep_logs = failed && !info->refused && (j->master != NULL || j->spawn != NULL);
    if (j->keep_logs) {
        fputs("; logs: ", stderr);
        screen_text(stderr, j->scratch);
        fputs("/logs", stderr);
    }
    fputc('\n', stderr);
}

/* One job, to its end: `*info` is of one that is done. The exit code. */
static int follow(struct job_run *j, const Trawl__JobInfo **done, struct error *err) {
    const Trawl__JobInfo *info = submit(j, err);

    if (info == NULL)
        return 1;
    j->job = info->job;
    /* Many jobs of a chain are short. */
    for (int ms = POLL_FIRST_MS; info->state == TRAWL__JOB_STATE__JOB_RUNNING;
         ms = ms < POLL_MS / 2 ? 2 * ms : POLL_MS) {
        job_show(&j->show, info);
        tell_nobody(j, info);
        bool stop = interrupted(j, ms);
        if (stop && ++j->interrupts > 1)
            return 130;
        if (j->spawn != NULL)
            spawn_watch(j->spawn, true);
        info = next_info(j, stop, err);
        if (info == NULL)
            return 1;
    }
    *done = info;
    if (info->state == TRAWL__JOB_STATE__JOB_DONE)
        return 0;
    tell_end(j, info);
    return j->interrupts > 0 ? 130 : info->refused ? 2 : 1;
}

/* What the job needs beside the archive. */
static bool write_copies(struct job_run *j, struct error *err) {
    size_t count;

    if (!j->stage.wants_copies)
        return true;
    snprintf(j->copies, sizeof j->copies, "%s/copies", j->scratch);
    if (!job_copies_write(&j->plan.inputs, j->copies, &count, err))
        return false;
    j->copies_argument[0] = j->copies;
    j->stage.arguments = j->copies_argument;
    j->stage.argument_count = count > 0;
    return true;
}

/* The next job of the chain reads what the one before it wrote. */
static bool prepare_stage(struct job_run *j, struct error *err) {
    if (j->stages++ > 0) {
        job_plan_release(&j->plan);
        job_plan_init(&j->plan, 0);
        if (!job_plan_add(&j->plan, j->stage_output, err))
            return false;
    }
    (void)mkdir(j->scratch, 0777);
    if (!write_copies(j, err))
        return false;
    if (j->stage.is_last) {
        snprintf(j->stage_output, sizeof j->stage_output, "%s", j->output);
        return true;
    }
    snprintf(j->stage_output, sizeof j->stage_output, "%s/stage-%u", j->scratch, j->stages);
    if (mkdir(j->stage_output, 0777) == 0)
        return true;
    error_set(err, errno, "cannot make %.300s", j->stage_output);
    return false;
}

/* All jobs of the chain. What is between two of them goes when it has been read. The exit code. */
static int follow_all(struct job_run *j, struct error *err) {
    const Trawl__JobInfo *info = NULL;
    char read[sizeof j->stage_output];
    int code = 0;

    while (code == 0 && job_chain_next(&j->chain, info, &j->stage, err)) {
        snprintf(read, sizeof read, "%s", j->stage_output);
        code = prepare_stage(j, err) ? follow(j, &info, err) : 1;
        if (read[0] != '\0')
            remove_all(read);
    }
    if (code != 0 || !j->chain.over)
        return code != 0 ? code : 1;
    job_show_end_line(&j->show);
    (j->a->json ? job_show_json : job_show_summary)(info, stdout);
    return 0;
}

/* All that can be wrong with what the user asks for. False: `err`, and nothing was begun. */
static bool prepare(struct job_run *j, struct error *err) {
    const struct args *a = j->a;

    if (j->name == NULL || (a->job.map == NULL) != (a->job.reduce == NULL)) {
        error_set(err, 0,
                  "accepted is: trawl job run NAME [options] [FILE...], or --map CMD and "
                  "--reduce CMD in place of NAME");
        return false;
    }
    short_name(j->name, j->short_name);
    if (getcwd(j->here, sizeof j->here) == NULL)
        j->here[0] = '\0';
    return plan(j, err) && find_function(j, err) &&
           job_chain_init(&j->chain, j->function, &a->job.arguments, err) && check(j, err) &&
           make_output(j, err);
}

static int run(const struct args *a) {
    struct job_run *j = calloc(1, sizeof *j);
    struct error err = {0};
    int code = 2;

    if (j == NULL)
        return command_fail(1, &(struct error){.text = "out of memory"});
    j->a = a;
    j->output_fd = -1;
    arena_init(&j->arena, LIMIT_ARENA_BYTES);
    buf_init(&j->bytes, LIMIT_WIRE_BYTES);
    buf_init(&j->answer, LIMIT_WIRE_BYTES);
    spawn_block_signals(&j->signals);
    job_show_init(&j->show, a->quiet);
    j->name = is_streaming(a) ? "stream" : a->words.count > 1 ? a->words.items[1] : NULL;
    if (prepare(j, &err)) {
        j->begun = true;
        code =
            (!j->outcomes || write_outcomes(j, &err)) && begin(j, &err) ? follow_all(j, &err) : 1;
    }
    job_show_end_line(&j->show);
    if (code != 0 && err.text[0] != '\0')
        command_fail(code, &err);
    if (j->begun)
        end(j);
    if (j->output_fd >= 0)
        close(j->output_fd);
    job_plan_release(&j->plan);
    options_release(&j->options);
    arena_release(&j->arena);
    buf_release(&j->bytes);
    buf_release(&j->answer);
    free(j);
    return code;
}

/* ---- list, status, cancel -------------------------------------------------------------------------------------- */

static bool read_number(const char *text, uint64_t *n) {
    char *end_of;

    errno = 0;
    *n = strtoull(text, &end_of, 10);
    return errno == 0 && text[0] >= '0' && text[0] <= '9' && *end_of == '\0';
}

static void show(const struct args *a, const Trawl__JobReply *reply, bool brief) {
    for (size_t i = 0; i < reply->n_jobs; i++)
        if (a->json)
            job_show_json(reply->jobs[i], stdout);
        else if (brief)
            job_show_row(reply->jobs[i], stdout);
        else
            job_show_summary(reply->jobs[i], stdout);
}

/* Asks until all was told. False: there is no answer, `err`. */
static bool query_at(const struct args *a, const char *address, uint64_t job, bool quiet,
                     bool brief, struct error *err) {
    Trawl__Request request = TRAWL__REQUEST__INIT;
    Trawl__JobQuery q = TRAWL__JOB_QUERY__INIT;
    const Trawl__Reply *reply;
    struct arena arena;

    q.job = job;
    request.body_case = TRAWL__REQUEST__BODY_JOB_QUERY;
    request.job_query = &q;
    arena_init(&arena, LIMIT_ARENA_BYTES);
    do {
        arena_reset(&arena);
        reply = ask_at(address, &request, TRAWL__REPLY__BODY_JOB, &arena, err);
        if (reply == NULL)
            break;
        if (!quiet)
            show(a, reply->job, brief);
        q.after = reply->job->more && reply->job->n_jobs > 0
                      ? reply->job->jobs[reply->job->n_jobs - 1]->job
                      : 0;
    } while (q.after > 0);
    arena_release(&arena);
    return reply != NULL;
}

/* Jobs that run by themselves each have a master, and numbers, of their own: those that may be meant and answer are asked,
 * and `found` is left with them. False: none does, `err`. */
static bool ask_all(const struct args *a, struct string_list *found, uint64_t job, bool quiet,
                    bool brief, struct error *err) {
    struct string_list answered = {0};
    bool ok = ask_find(a, found);

    if (!ok)
        error_set(err, ENOMEM, "job");
    for (size_t i = 0; ok && i < found->count; i++)
        if (query_at(a, found->items[i], job, quiet, brief, err))
            ok = string_list_add(&answered, found->items[i]);
    string_list_release(found);
    *found = answered;
    return ok && answered.count > 0;
}

static int query_jobs(const struct args *a, uint64_t job, bool brief) {
    struct string_list found = {0};
    struct error err = {0};
    bool ok = ask_all(a, &found, job, false, brief, &err);

    string_list_release(&found);
    return ok ? 0 : command_fail(1, &err);
}

static int cancel_at(const struct args *a, const char *address, uint64_t job, struct error *err) {
    Trawl__Request request = TRAWL__REQUEST__INIT;
    Trawl__JobCancel c = TRAWL__JOB_CANCEL__INIT;
    struct arena arena;

    c.job = job;
    c.why = "cancelled by an operator";
    request.body_case = TRAWL__REQUEST__BODY_JOB_CANCEL;
    request.job_cancel = &c;
    arena_init(&arena, LIMIT_ARENA_BYTES);
    const Trawl__Reply *reply = ask_at(address, &request, TRAWL__REPLY__BODY_JOB, &arena, err);
    if (reply != NULL)
        show(a, reply->job, true);
    arena_release(&arena);
    return reply != NULL ? 0 : 1;
}

static int cancel_job(const struct args *a, uint64_t job) {
    struct string_list found = {0};
    struct error err = {0};
    int code = 1;

    if (!ask_all(a, &found, job, true, true, &err)) {
        code = 1;
    } else if (found.count > 1) {
        error_set(&err, 0,
                  "%zu masters have a job %llu; accepted is --dir with the output of the job, or "
                  "--master %s or another",
                  found.count, (unsigned long long)job, found.items[0]);
        code = 2;
    } else {
        code = cancel_at(a, found.items[0], job, &err);
    }
    string_list_release(&found);
    return code == 0 ? 0 : command_fail(code, &err);
}

int command_job(const struct args *a) {
    const char *verb = a->words.items[0];
    struct error err = {0};
    uint64_t job = 0;

    if (strcmp(verb, "run") == 0)
        return run(a);
    if (strcmp(verb, "list") == 0 && a->words.count == 1)
        return query_jobs(a, 0, true);
    if (a->words.count > 1 && !read_number(a->words.items[1], &job))
        error_set(&err, 0, "%.60s: not the number of a job; see trawl job list", a->words.items[1]);
    else if (strcmp(verb, "status") == 0 && a->words.count <= 2)
        return query_jobs(a, job, false);
    else if (strcmp(verb, "cancel") == 0 && a->words.count == 2)
        return cancel_job(a, job);
    else
        error_set(&err, 0, "%.60s: accepted is run NAME, list, status [N] or cancel N", verb);
    return command_fail(2, &err);
}
