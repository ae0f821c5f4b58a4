/* job_output: part files appear once, whole, and never over another. */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "worker/job_output.h"

static char dir[64];

static int set_up(void **state) {
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/test_job_output.XXXXXX");
    return mkdtemp(dir) != NULL ? 0 : -1;
}

static unsigned list(char names[8][64], bool remove) {
    DIR *d = opendir(dir);
    struct dirent *e;
    unsigned n = 0;

    while ((e = readdir(d)) != NULL) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        assert_true(n < 8);
        snprintf(names[n++], 64, "%.63s", e->d_name);
        if (remove)
            unlinkat(dirfd(d), e->d_name, 0);
    }
    closedir(d);
    return n;
}

static int tear_down(void **state) {
    char names[8][64];

    (void)state;
    list(names, true);
    return rmdir(dir);
}

static size_t content(const char *name, char *bytes, size_t size) {
    char path[160];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    size_t n = fread(bytes, 1, size, f);
    fclose(f);
    return n;
}

static void begin(struct job_output *o, uint64_t attempt, const char *text) {
    struct error err;
    assert_true(job_output_open(o, dir, 3, attempt, &err));
    assert_true(job_output_write(o, text, strlen(text), &err));
}

static void test_first_one_wins(void **state) {
    struct job_output a, b;
    struct error err;
    char names[8][64], text[16];

    (void)state;
    begin(&a, 11, "first");
    begin(&b, 12, "second");
    assert_int_equal(list(names, false), 2);
    for (int i = 0; i < 2; i++)
        assert_memory_equal(names[i], ".part-00003.1", 13);
    assert_int_equal(job_output_commit(&a, &err), JOB_OUTPUT_DONE);
    assert_int_equal(job_output_commit(&b, &err), JOB_OUTPUT_DONE_BEFORE);
    job_output_close(&a);
    job_output_close(&b);
    assert_int_equal(list(names, false), 1);
    assert_string_equal(names[0], "part-00003");
    assert_int_equal(content("part-00003", text, sizeof text), 5);
    assert_memory_equal(text, "first", 5);
}

static void test_without_commit_nothing_stays(void **state) {
    struct job_output o;
    char names[8][64];

    (void)state;
    begin(&o, 11, "text");
    job_output_close(&o);
    assert_int_equal(list(names, false), 0);
}

/* Pieces of all sizes around the buffer's come out as they went in. */
static void test_large_output_is_whole(void **state) {
    enum { SIZE = 3 * JOB_OUTPUT_BUFFER_BYTES + 5 };
    unsigned char *bytes = malloc(SIZE), *back = malloc(SIZE + 1);
    struct job_output o;
    struct error err;
    size_t at = 0;

    (void)state;
    for (size_t i = 0; i < SIZE; i++)
        bytes[i] = (unsigned char)(i * 2654435761u >> 13);
    assert_true(job_output_open(&o, dir, 3, 1, &err));
    const size_t pieces[] = {1, JOB_OUTPUT_BUFFER_BYTES - 1, 0, JOB_OUTPUT_BUFFER_BYTES, 7};
    for (size_t i = 0; i < 5; at += pieces[i], i++)
        assert_true(job_output_write(&o, bytes + at, pieces[i], &err));
    assert_true(job_output_write(&o, bytes + at, SIZE - at, &err));
    assert_int_equal(o.bytes, SIZE);
    assert_int_equal(job_output_commit(&o, &err), JOB_OUTPUT_DONE);
    job_output_close(&o);
    assert_int_equal(content("part-00003", (char *)back, SIZE + 1), SIZE);
    assert_memory_equal(bytes, back, SIZE);
    free(bytes);
    free(back);
}

static void test_own_file_takes_the_place(void **state) {
    struct job_output o;
    struct error err;
    char names[8][64], text[16];

    (void)state;
    begin(&o, 5, "written");
    const char *path = job_output_path(&o);
    assert_non_null(path);
    assert_string_equal(path, job_output_path(&o));
    assert_int_equal(access(path, F_OK), -1);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs("own", f);
    fclose(f);
    assert_int_equal(job_output_commit(&o, &err), JOB_OUTPUT_DONE);
    job_output_close(&o);
    assert_int_equal(list(names, false), 1);
    assert_int_equal(content("part-00003", text, sizeof text), 3);
    assert_memory_equal(text, "own", 3);
}

/* It asked for a path, and made no file: that is no output. */
static void test_own_file_must_exist(void **state) {
    struct job_output o;
    struct error err;
    char names[8][64];

    (void)state;
    begin(&o, 5, "written");
    assert_non_null(job_output_path(&o));
    assert_int_equal(job_output_commit(&o, &err), JOB_OUTPUT_FAILED);
    assert_non_null(strstr(err.text, ".part-00003.5.file"));
    job_output_close(&o);
    assert_int_equal(list(names, false), 0);
}

static void touch(const char *name) {
    char path[160];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0);
    close(fd);
}

static void test_leftovers(void **state) {
    char names[8][64];

    (void)state;
    touch(".part-00003.1");
    touch(".part-00003.1.file-journal");
    touch(".part-00003.12");
    touch("part-00003");
    touch("mine");
    job_output_remove(dir, 3, 1);
    assert_int_equal(list(names, false), 3);
    job_output_sweep(dir);
    assert_int_equal(list(names, false), 2);
    for (int i = 0; i < 2; i++)
        assert_true(strcmp(names[i], "part-00003") == 0 || strcmp(names[i], "mine") == 0);
}

static void test_errors_name_the_file(void **state) {
    struct job_output o;
    struct error err;

    (void)state;
    assert_false(job_output_open(&o, "/nowhere/at/all", 3, 1, &err));
    assert_non_null(strstr(err.text, "/nowhere/at/all"));
    job_output_close(&o);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_first_one_wins, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_without_commit_nothing_stays, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_large_output_is_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_own_file_takes_the_place, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_own_file_must_exist, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_leftovers, set_up, tear_down),
        cmocka_unit_test(test_errors_name_the_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
