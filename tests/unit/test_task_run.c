/* task_run: whole attempts in child processes of the test, with functions of its own. */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/wire.h"
#include "shared/limits.h"
#include "worker/shuffle.h"
#include "worker/task_progress.h"
#include "worker/task_run.h"

static char base[64];

static int make_dir(const char *name) {
    char path[160];

    snprintf(path, sizeof path, "%s/%s", base, name);
    return mkdir(path, 0700);
}

static int set_up(void **state) {
    (void)state;
    snprintf(base, sizeof base, "/tmp/test_task_run.XXXXXX");
    if (mkdtemp(base) == NULL)
        return -1;
    return make_dir("out") | make_dir("maps") | make_dir("scratch");
}

static unsigned remove_files(const char *name) {
    char path[200];
    unsigned n = 0;
    struct dirent *e;

    snprintf(path, sizeof path, "%s/%s", base, name);
    DIR *d = opendir(path);
    while ((e = readdir(d)) != NULL)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            n += unlinkat(dirfd(d), e->d_name, 0) == 0;
    closedir(d);
    return n;
}

static int tear_down(void **state) {
    static const char *const dirs[] = {"out", "maps", "scratch"};
    char path[160];

    (void)state;
    for (int i = 0; i < 3; i++) {
        remove_files(dirs[i]);
        snprintf(path, sizeof path, "%s/%s", base, dirs[i]);
        if (rmdir(path) != 0)
            return -1;
    }
    snprintf(path, sizeof path, "%s/input.txt", base);
    unlink(path);
    return rmdir(base);
}

/* ---- a job: counts words, and does what a line tells it --------------------------------------------------- */

static const struct trawl_api *api;

static bool words_open(void **state, struct trawl_task *t, const struct trawl_api *a, int argc,
                       char *const *argv, char *error) {
    (void)state;
    (void)t;
    api = a;
    if (argc == 1 && strcmp(argv[0], "refuse") == 0) {
        snprintf(error, 256, "told to refuse");
        return false;
    }
    return argv[argc] == NULL;
}

static void words_map(void *state, struct trawl_task *t, const struct trawl_record *r) {
    (void)state;
    if (strcmp(r->data, "crash") == 0)
        raise(SIGABRT); /* no sanitizer makes an exit of its own of it */
    if (strcmp(r->data, "fail") == 0)
        (api->fail)(t, "a line said so");
    if (strcmp(r->data, "exit") == 0)
        exit(0);
    if (strcmp(r->data, "empty key") == 0)
        api->emit(t, "", 0, "1", 1);
    if (strcmp(r->data, "write") == 0)
        api->write(t, "x", 1);
    api->count(t, "lines", 1);
    for (size_t i = 0, n; i < r->len; i += n + 1) {
        n = strcspn(r->data + i, " ");
        if (n > 0)
            api->emit(t, r->data + i, n, "1", 1);
    }
}

static uint64_t total(struct trawl_values *values) {
    const void *value;
    size_t len;
    uint64_t sum = 0;
    char text[32];

    while (api->next(values, &value, &len)) {
        snprintf(text, sizeof text, "%.*s", (int)len, (const char *)value);
        sum += strtoull(text, NULL, 10);
    }
    return sum;
}

static void words_combine(void *state, struct trawl_task *t, const void *key, size_t key_len,
                          struct trawl_values *values) {
    char text[32];

    (void)state;
    int n = snprintf(text, sizeof text, "%llu", (unsigned long long)total(values));
    api->emit(t, key, key_len, text, (size_t)n);
}

static void words_reduce(void *state, struct trawl_task *t, const void *key, size_t key_len,
                         struct trawl_values *values) {
    char text[300];

    (void)state;
    if (key_len == 4 && memcmp(key, "boom", 4) == 0)
        raise(SIGABRT);
    if (key_len == 3 && memcmp(key, "own", 3) == 0) {
        FILE *f = fopen(api->output_path(t), "w");
        fprintf(f, "a file of its own\n");
        fclose(f);
    }
    int n = snprintf(text, sizeof text, "%.*s %llu\n", (int)key_len, (const char *)key,
                     (unsigned long long)total(values));
    api->write(t, text, (size_t)n);
}

static void words_end(void *state, struct trawl_task *t) {
    (void)state;
    api->count(t, "ends", 1);
}

static const struct trawl_job words = {.abi = TRAWL_JOB_ABI,
                                       .open = words_open,
                                       .map = words_map,
                                       .reduce = words_reduce,
                                       .end = words_end};
static const struct trawl_job combined_words = {.abi = TRAWL_JOB_ABI,
                                                .open = words_open,
                                                .map = words_map,
                                                .combine = words_combine,
                                                .reduce = words_reduce,
                                                .end = words_end};

static const struct trawl_job *load(const Trawl__JobSpec *spec, struct error *err) {
    if (strcmp(spec->function, "words") == 0)
        return &words;
    if (strcmp(spec->function, "combined words") == 0)
        return &combined_words;
    error_set(err, 0, "%s: no such job", spec->function);
    return NULL;
}

/* ---- what a parent does ----------------------------------------------------------------------------------- */

struct run {
    int status; /* of waitpid() */
    struct arena arena;
    Trawl__TaskResult *result; /* NULL: there was none */
    struct task_progress *progress;
};

static void run_release(struct run *r) {
    arena_release(&r->arena);
    task_progress_free(r->progress);
}

static void run(const Trawl__TaskSpec *spec, struct run *r) {
    int result[2];
    struct buf bytes;
    char path[160], piece[4096];

    buf_init(&bytes, LIMIT_WIRE_BYTES);
    arena_init(&r->arena, LIMIT_ARENA_BYTES);
    int spec_fd = memfd_create("spec", 0), progress_fd = task_progress_new(&r->progress);
    assert_true(wire_pack(&bytes, &spec->base));
    assert_int_equal(write(spec_fd, bytes.data, bytes.len), bytes.len);
    assert_int_equal(lseek(spec_fd, 0, SEEK_SET), 0);
    assert_int_equal(pipe(result), 0);
    buf_reset(&bytes);
    snprintf(path, sizeof path, "%s/scratch", base);
    pid_t pid = fork();
    if (pid == 0) {
        /* nng does not survive a fork: this very program, from its start (see main()). */
        static char *const argv[] = {"test_task_run", "task", NULL};
        int from[] = {fcntl(spec_fd, F_DUPFD, 10), fcntl(progress_fd, F_DUPFD, 10),
                      fcntl(result[1], F_DUPFD, 10)};
        if (dup2(from[0], TASK_RUN_SPEC_FD) < 0 || dup2(from[1], TASK_RUN_PROGRESS_FD) < 0 ||
            dup2(from[2], TASK_RUN_RESULT_FD) < 0 ||
            close_range(TASK_RUN_RESULT_FD + 1, ~0u, 0) != 0 || chdir(path) != 0)
            _exit(99);
        execv("/proc/self/exe", argv);
        _exit(98);
    }
    close(result[1]);
    for (ssize_t n; (n = read(result[0], piece, sizeof piece)) > 0;)
        assert_true(buf_append(&bytes, piece, (size_t)n));
    assert_int_equal(waitpid(pid, &r->status, 0), pid);
    r->result = bytes.len == 0 ? NULL
                               : wire_unpack(&r->arena, &trawl__task_result__descriptor, bytes.data,
                                             bytes.len);
    buf_release(&bytes);
    close(result[0]);
    close(spec_fd);
    close(progress_fd);
}

/* Runs it, keeps its output, and returns its result; fails the test unless it is done. */
static void run_done(const Trawl__TaskSpec *spec, struct run *r) {
    run(spec, r);
    if (r->result == NULL || r->result->end != TRAWL__TASK_END__DONE)
        fail_msg("%s", r->result != NULL ? r->result->reason : "no result");
    assert_true(WIFEXITED(r->status) && WEXITSTATUS(r->status) == 0);
}

static struct job {
    Trawl__JobSpec job;
    Trawl__Split split;
    Trawl__TaskSpec spec;
    Trawl__MapOutput outputs[8], *output_pointers[8];
    Trawl__MapServer server, *server_pointer;
    char output[100], outputs_dir[100], input[100];
} j;

static void begin(const char *function, uint32_t reduces) {
    memset(&j, 0, sizeof j);
    trawl__job_spec__init(&j.job);
    trawl__split__init(&j.split);
    trawl__task_spec__init(&j.spec);
    snprintf(j.output, sizeof j.output, "%s/out", base);
    snprintf(j.outputs_dir, sizeof j.outputs_dir, "%s/maps", base);
    snprintf(j.input, sizeof j.input, "%s/input.txt", base);
    j.job.job = 3;
    j.job.function = (char *)(uintptr_t)function;
    j.job.reduces = reduces;
    j.job.sort_bytes = 1 << 20;
    j.job.output = j.output;
    j.split.path = (ProtobufCBinaryData){strlen(j.input), (uint8_t *)j.input};
    j.spec.job = &j.job;
    j.spec.split = &j.split;
    j.spec.outputs_dir = (ProtobufCBinaryData){strlen(j.outputs_dir), (uint8_t *)j.outputs_dir};
    j.spec.outputs = j.output_pointers;
    trawl__map_server__init(&j.server);
    j.server_pointer = &j.server;
    j.spec.servers = &j.server_pointer;
    j.spec.n_servers = 1;
    for (int i = 0; i < 8; i++) {
        trawl__map_output__init(&j.outputs[i]);
        j.output_pointers[i] = &j.outputs[i];
    }
}

static void input(const char *text) {
    FILE *f = fopen(j.input, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    j.split.from = 0;
    j.split.to = strlen(text);
}

static int open_dir(const char *name) {
    char path[160];
    snprintf(path, sizeof path, "%s/%s", base, name);
    return open(path, O_RDONLY | O_DIRECTORY);
}

/* Runs a map task over the split, and keeps its output as that of map `number` in `dir`. */
static void map_to(uint32_t number, const char *dir, struct run *r) {
    struct error err;

    j.spec.kind = TRAWL__TASK_KIND__MAP;
    j.spec.n_outputs = 0; /* those of an earlier reduce task may name a server that has ended */
    j.spec.number = number;
    j.spec.attempt = 100 + number;
    run_done(&j.spec, r);
    int maps = open_dir(dir), scratch = open_dir("scratch");
    if (!shuffle_keep(maps, scratch, j.job.job, number, j.spec.attempt, &err))
        fail_msg("%s", err.text);
    close(maps);
    close(scratch);
    assert_int_equal(remove_files("scratch"), 0);
    assert_int_equal(r->result->n_partition_bytes, j.job.reduces);
}

static void reduce_of(uint32_t number, uint32_t maps, const struct run *runs, const char *serve) {
    j.spec.kind = TRAWL__TASK_KIND__REDUCE;
    j.spec.number = number;
    j.spec.attempt = 200 + number;
    j.spec.n_outputs = maps;
    j.server.serve = (char *)(uintptr_t)serve;
    for (uint32_t i = 0; i < maps; i++) {
        j.outputs[i].map = i;
        j.outputs[i].attempt = 100 + i;
        j.outputs[i].bytes = runs[i].result->partition_bytes[number];
    }
}

static const char *output_of(uint32_t number) {
    static char text[4096];
    char path[160];

    snprintf(path, sizeof path, "%s/part-%05u", j.output, number);
    FILE *f = fopen(path, "r");
    if (f == NULL)
        return NULL;
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    return text;
}

static int64_t counter(const Trawl__TaskResult *r, const char *name) {
    for (size_t i = 0; i < r->n_counters; i++)
        if (strcmp(r->counters[i]->name, name) == 0)
            return r->counters[i]->n;
    return -1;
}

/* ---- tests ------------------------------------------------------------------------------------------------ */

static void count_words(const char *function) {
    struct run maps[2], reduce;

    begin(function, 1);
    input("to be or not\nto be\n\n");
    map_to(0, "maps", &maps[0]);
    assert_int_equal(maps[0].result->records_in, 3);
    assert_int_equal(maps[0].result->bytes_in, 20);
    assert_int_equal(counter(maps[0].result, "lines"), 3);
    assert_int_equal(counter(maps[0].result, "ends"), 1);
    assert_int_equal(atomic_load(&maps[0].progress->records), 3);
    input("or\nnever");
    map_to(1, "maps", &maps[1]);

    reduce_of(0, 2, maps, "nowhere");
    run_done(&j.spec, &reduce);
    assert_string_equal(output_of(0), "be 2\nnever 1\nnot 1\nor 2\nto 2\n");
    assert_int_equal(reduce.result->bytes_out, strlen(output_of(0)));
    assert_int_equal(reduce.result->records_out, 5);
    assert_int_equal(reduce.result->records_in,
                     maps[0].result->records_out + maps[1].result->records_out);
    assert_int_equal(counter(reduce.result, "ends"), 1);
    run_release(&reduce);
    for (int i = 0; i < 2; i++)
        run_release(&maps[i]);
    assert_int_equal(remove_files("out"), 1);
}

static void test_words_are_counted(void **state) {
    (void)state;
    count_words("words");
    count_words("combined words");
}

/* Over the network; and each word is in one partition only. */
static void test_shuffle_over_the_network(void **state) {
    struct run maps[3], reduce;
    struct error err;
    unsigned lines = 0;

    (void)state;
    int dir_fd = open_dir("out"); /* not where this worker's own lie */
    begin("words", 2);
    for (uint32_t i = 0; i < 3; i++) {
        input("a b c d e f g h i j k l m n o p\n");
        map_to(i, "out", &maps[i]);
    }
    struct shuffle_server *s = shuffle_server_new(
        &(struct shuffle_server_config){.address = "tcp://127.0.0.1:0", .dir_fd = dir_fd}, &err);
    assert_non_null(s);
    for (uint32_t p = 0; p < 2; p++) {
        reduce_of(p, 3, maps, shuffle_server_address(s));
        run_done(&j.spec, &reduce);
        const char *text = output_of(p);
        assert_non_null(text);
        for (; *text != '\0'; text = strchr(text, '\n') + 1, lines++)
            assert_memory_equal(text + 1, " 3\n", 3);
        run_release(&reduce);
    }
    assert_int_equal(lines, 16);
    assert_true(shuffle_server_bytes(s) > 0);
    assert_true(shuffle_server_free(s));
    for (int i = 0; i < 3; i++)
        run_release(&maps[i]);
    close(dir_fd);
}

static void test_first_output_stays(void **state) {
    struct run map, reduce;

    (void)state;
    begin("words", 1);
    input("word\n");
    map_to(0, "maps", &map);
    reduce_of(0, 1, &map, "nowhere");
    char path[160];
    snprintf(path, sizeof path, "%s/part-00000", j.output);
    FILE *f = fopen(path, "w");
    fputs("before", f);
    fclose(f);
    run_done(&j.spec, &reduce);
    assert_string_equal(output_of(0), "before");
    assert_int_equal(remove_files("out"), 1);
    run_release(&reduce);
    run_release(&map);
}

static void test_output_of_its_own(void **state) {
    struct run map, reduce;

    (void)state;
    begin("words", 1);
    input("own word\n");
    map_to(0, "maps", &map);
    reduce_of(0, 1, &map, "nowhere");
    run_done(&j.spec, &reduce);
    assert_string_equal(output_of(0), "a file of its own\n");
    assert_int_equal(remove_files("out"), 1);
    run_release(&reduce);
    run_release(&map);
}

/* The number of the record is its line's offset; skipped, the attempt goes through. */
static void test_crash_names_the_record(void **state) {
    struct run r;
    uint64_t number = 0, skip[] = {99, 4, 0};
    char name[64];
    size_t len;

    (void)state;
    begin("words", 1);
    input("one\ncrash\ntwo\n");
    run(&j.spec, &r);
    assert_true(WIFSIGNALED(r.status) && WTERMSIG(r.status) == SIGABRT);
    assert_null(r.result);
    assert_true(task_progress_record(r.progress, &number, name, sizeof name, &len));
    assert_int_equal(number, 4);
    assert_int_equal(len, 11);
    assert_memory_equal(name, "input.txt:4", 11);
    run_release(&r);

    j.spec.skip = skip;
    j.spec.n_skip = 3;
    run_done(&j.spec, &r);
    assert_int_equal(r.result->records_in, 1);
    assert_int_equal(counter(r.result, "records skipped"), 2);
    run_release(&r);
}

static void test_crash_in_reduce_names_the_key(void **state) {
    struct run map, r;
    uint64_t number = 0;
    char name[64];
    size_t len;

    (void)state;
    begin("words", 1);
    input("all boom gone\n");
    map_to(0, "maps", &map);
    reduce_of(0, 1, &map, "nowhere");
    run(&j.spec, &r);
    assert_true(WIFSIGNALED(r.status));
    assert_true(task_progress_record(r.progress, &number, name, sizeof name, &len));
    assert_int_equal(len, 4);
    assert_memory_equal(name, "boom", 4);
    assert_null(output_of(0));
    run_release(&r);

    j.spec.skip = &number;
    j.spec.n_skip = 1;
    run_done(&j.spec, &r);
    assert_string_equal(output_of(0), "all 1\ngone 1\n");
    assert_int_equal(counter(r.result, "records skipped"), 1);
    run_release(&r);
    run_release(&map);
}

static void expect_end(Trawl__TaskEnd end, const char *text) {
    struct run r;

    run(&j.spec, &r);
    assert_non_null(r.result);
    assert_int_equal(r.result->end, end);
    if (strstr(r.result->reason, text) == NULL)
        fail_msg("%s", r.result->reason);
    assert_true(WIFEXITED(r.status) && WEXITSTATUS(r.status) == 0);
    run_release(&r);
}

static void test_failures_say_why(void **state) {
    static const char *const lines[][2] = {
        {"one\nfail\ntwo\n", "a line said so"},
        {"write\n", "write() is for reduce tasks"},
    };
    char *refuse[] = {(char[]){"refuse"}};

    (void)state;
    begin("words", 1);
    for (size_t i = 0; i < 2; i++) {
        input(lines[i][0]);
        expect_end(TRAWL__TASK_END__TASK_FAILED, lines[i][1]);
    }
    j.job.arguments = refuse;
    j.job.n_arguments = 1;
    expect_end(TRAWL__TASK_END__TASK_REFUSED, "told to refuse");
    j.job.n_arguments = 0;
    j.job.function = (char[]){"unknown"};
    expect_end(TRAWL__TASK_END__TASK_REFUSED, "unknown: no such job");
    j.job.function = (char[]){"words"};
    j.split.path.data = (uint8_t *)(char[]){"/nowhere/input"};
    j.split.path.len = 14;
    expect_end(TRAWL__TASK_END__TASK_FAILED, "/nowhere/input");
    j.job.reduces = 0;
    expect_end(TRAWL__TASK_END__TASK_FAILED, "no reduce tasks");
}

/* What `trawl job run` asks before it starts anything. */
static void test_check_opens_and_does_nothing(void **state) {
    char *refuse[] = {(char[]){"refuse"}};
    struct run r;

    (void)state;
    begin("words", 1);
    j.spec.kind = TRAWL__TASK_KIND__CHECK;
    j.spec.split = NULL;
    run_done(&j.spec, &r);
    assert_int_equal(r.result->records_in, 0);
    run_release(&r);
    j.job.arguments = refuse;
    j.job.n_arguments = 1;
    expect_end(TRAWL__TASK_END__TASK_REFUSED, "told to refuse");
}

static void test_empty_key(void **state) {
    struct run map, r;

    (void)state;
    begin("words", 1);
    input("empty key\n");
    map_to(0, "maps", &map);
    reduce_of(0, 1, &map, "nowhere");
    run_done(&j.spec, &r);
    assert_string_equal(output_of(0), " 1\nempty 1\nkey 1\n");
    run_release(&r);
    run_release(&map);
}

/* No result: the parent sees that it was not the end of the attempt. */
static void test_exit_is_no_result(void **state) {
    struct run r;

    (void)state;
    begin("words", 1);
    input("exit\n");
    run(&j.spec, &r);
    assert_null(r.result);
    run_release(&r);
}

static void test_input_gone(void **state) {
    struct run maps[3], r;
    struct error err;
    char name[SHUFFLE_NAME_BYTES];
    unsigned char byte;

    (void)state;
    begin("words", 1);
    for (uint32_t i = 0; i < 3; i++) {
        input("some words\n");
        map_to(i, "maps", &maps[i]);
    }
    int maps_fd = open_dir("maps"), none_fd = open_dir("out");
    struct shuffle_server *s = shuffle_server_new(
        &(struct shuffle_server_config){.address = "tcp://127.0.0.1:0", .dir_fd = none_fd}, &err);
    assert_non_null(s);
    /* One that is not there any more. */
    shuffle_remove(maps_fd, j.job.job, 1, 101);
    reduce_of(0, 3, maps, shuffle_server_address(s));
    run(&j.spec, &r);
    assert_non_null(r.result);
    assert_int_equal(r.result->end, TRAWL__TASK_END__INPUT_GONE);
    assert_int_equal(r.result->n_gone, 1);
    assert_int_equal(r.result->gone[0], 1);
    run_release(&r);
    assert_true(shuffle_server_free(s));
    j.server.serve = (char *)(uintptr_t) "nowhere";

    /* One whose bytes have changed. */
    input("some words\n");
    run_release(&maps[1]);
    map_to(1, "maps", &maps[1]);
    shuffle_name(name, j.job.job, 2, 102);
    int fd = openat(maps_fd, name, O_RDWR);
    assert_int_equal(pread(fd, &byte, 1, 30), 1);
    byte ^= 0x40;
    assert_int_equal(pwrite(fd, &byte, 1, 30), 1);
    close(fd);
    reduce_of(0, 3, maps, "nowhere");
    run(&j.spec, &r);
    assert_non_null(r.result);
    assert_int_equal(r.result->end, TRAWL__TASK_END__INPUT_GONE);
    assert_int_equal(r.result->n_gone, 1);
    assert_int_equal(r.result->gone[0], 2);
    run_release(&r);
    assert_int_equal(remove_files("out"), 0);
    for (int i = 0; i < 3; i++)
        run_release(&maps[i]);
    close(maps_fd);
    close(none_fd);
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "task") == 0)
        return task_run_with(TASK_RUN_SPEC_FD, TASK_RUN_PROGRESS_FD, TASK_RUN_RESULT_FD, load);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_words_are_counted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_shuffle_over_the_network, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_first_output_stays, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_output_of_its_own, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_crash_names_the_record, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_crash_in_reduce_names_the_key, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_failures_say_why, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_check_opens_and_does_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_empty_key, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_exit_is_no_result, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_input_gone, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
