/* home: who a worker is, and whose records its directory has; also when it is copied, put back or used for another crawl. */
#include "worker/home.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CRAWL_A "0123456789abcdef"
#define CRAWL_B "fedcba9876543210"

static char top[] = "/tmp/trawl-home.XXXXXX";
static struct error err;

static int make(void **state) {
    (void)state;
    return mkdtemp(top) == NULL || chdir(top) != 0;
}

static void shell(const char *command) {
    assert_int_equal(system(command), 0);
}

static int empty(void **state) {
    (void)state;
    err.text[0] = '\0';
    shell("rm -rf ./*");
    return 0;
}

static int remove_all(void **state) {
    (void)state;
    return chdir("/") != 0 || rmdir(top) != 0;
}

static struct home open_home(const char *dir, const char *name) {
    struct home h;

    home_init(&h);
    if (!home_open(&h, dir, name, 0, &err))
        fail_msg("%s", err.text);
    return h;
}

static void a_start_is_another_process_in_the_same_place(void **state) {
    struct home h = open_home("d", "w");
    struct home before = h;

    (void)state;
    assert_int_not_equal(h.process, 0);
    assert_int_not_equal(h.proof.place, 0);
    home_close(&h);
    h = open_home("d", "w");
    assert_int_not_equal(h.process, before.process);
    assert_int_equal(h.proof.place, before.proof.place);
    assert_memory_equal(h.proof.instance, before.proof.instance, HOME_INSTANCE_BYTES);
    assert_true(h.incarnation > before.incarnation);
    home_close(&h);
}

static void a_copy_is_in_another_place(void **state) {
    struct home h = open_home("d", "w"), other;
    struct home_proof proof;

    (void)state;
    shell("cp -a d e");
    other = open_home("e", "w"); /* the lock is of another file */
    assert_memory_equal(h.proof.instance, other.proof.instance, HOME_INSTANCE_BYTES);
    assert_int_not_equal(h.proof.place, other.proof.place);
    assert_true(home_of_segment(h.dir_fd, "w-" CRAWL_A "-000000000001-00001", &proof));
    assert_int_equal(proof.place, h.proof.place);
    assert_true(home_of_segment(other.dir_fd, "w-" CRAWL_A "-000000000001-00001", &proof));
    assert_int_equal(proof.place, other.proof.place);
    assert_false(home_of_segment(h.dir_fd, "v-" CRAWL_A "-000000000001-00001", &proof));
    home_close(&h);
    home_close(&other);
}

static void one_process_a_name_and_directory(void **state) {
    struct home h = open_home("d", "w"), second;

    (void)state;
    home_init(&second);
    assert_false(home_open(&second, "d", "w", 0, &err));
    assert_string_equal(err.text, "a worker named w is already running in d");
    home_close(&second);
    home_close(&h);
}

/* Who holds the lock lets go of it. */
static void *leaves(void *arg) {
    usleep(200 * 1000);
    home_close(arg);
    return NULL;
}

static void one_that_is_about_to_end_is_waited_for(void **state) {
    struct home h = open_home("d", "w"), second;
    pthread_t thread;

    (void)state;
    home_init(&second);
    assert_false(home_open(&second, "d", "w", 60, &err));
    home_close(&second);
    assert_int_equal(pthread_create(&thread, NULL, leaves, &h), 0);
    assert_true(home_open(&second, "d", "w", 60 * 1000, &err));
    assert_int_equal(pthread_join(thread, NULL), 0);
    home_close(&second);
}

static void incarnations_grow_when_it_is_put_back(void **state) {
    struct home h = open_home("d", "w");
    uint64_t before;

    (void)state;
    home_close(&h);
    shell("cp -a d old");
    for (int i = 0; i < 5; i++) {
        h = open_home("d", "w");
        before = h.incarnation;
        home_close(&h);
    }
    usleep(10 * 1000); /* what a person takes for it, at least */
    shell("cp old/workers/w/incarnation d/workers/w/incarnation");
    h = open_home("d", "w");
    assert_true(h.incarnation > before);
    home_close(&h);
    /* Of a clock that goes wrong it remembers the latest. */
    shell("echo 99999999999999 >d/workers/w/incarnation");
    h = open_home("d", "w");
    assert_int_equal(h.incarnation, 100000000000000);
    home_close(&h);
}

static void it_keeps_its_crawl(void **state) {
    struct home h = open_home("d", "w");

    (void)state;
    assert_string_equal(h.crawl, "");
    assert_true(home_bind(h.dir_fd, CRAWL_A, &err));
    assert_true(home_bind(h.dir_fd, CRAWL_A, &err));
    assert_false(home_bind(h.dir_fd, CRAWL_B, &err));
    assert_non_null(strstr(err.text, "another crawl (" CRAWL_A ", and the master's is " CRAWL_B));
    home_close(&h);
    h = open_home("d", "v");
    assert_string_equal(h.crawl, CRAWL_A);
    home_close(&h);
}

static const char *crawl_of(const char *files) {
    static char crawl[HOME_CRAWL_DIGITS + 1];
    char command[512];

    snprintf(command, sizeof command,
             "rm -rf d && mkdir -p d/archive && cd d/archive && touch -- %s", files);
    shell(command);
    struct home h = open_home("d", "w");
    memcpy(crawl, h.crawl, sizeof crawl);
    home_close(&h);
    return crawl;
}

/* Without the file, of which an earlier version knew nothing. */
static void segments_tell_their_crawl(void **state) {
    (void)state;
    assert_string_equal(crawl_of("w-" CRAWL_A "-000000000001-00001.warc.gz"), CRAWL_A);
    assert_string_equal(crawl_of("my-w-2-" CRAWL_A "-000000000001-00001.warc.gz.open x"), CRAWL_A);
    assert_string_equal(crawl_of("w-" CRAWL_A "-000000000001-00001.warc.gz "
                                 "v-" CRAWL_B "-000000000001-00001.warc.gz"),
                        "");
    assert_string_equal(crawl_of("x.warc.gz a-b-c.warc.gz -" CRAWL_A "-1-1.warc.gz "
                                 "w-0123-000000000001-00001.warc.gz " CRAWL_A),
                        "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_start_is_another_process_in_the_same_place, empty),
        cmocka_unit_test_teardown(a_copy_is_in_another_place, empty),
        cmocka_unit_test_teardown(one_process_a_name_and_directory, empty),
        cmocka_unit_test_teardown(one_that_is_about_to_end_is_waited_for, empty),
        cmocka_unit_test_teardown(incarnations_grow_when_it_is_put_back, empty),
        cmocka_unit_test_teardown(it_keeps_its_crawl, empty),
        cmocka_unit_test_teardown(segments_tell_their_crawl, empty),
    };

    return cmocka_run_group_tests(tests, make, remove_all);
}
