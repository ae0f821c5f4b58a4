/* The crawldb on disk: opening, closing and damage; then what a process leaves that is killed, loses power, or fills
 * the disk. */
#include "master/store_rocks.h"
#include "tests/unit/store_rig.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void assert_refused(const char *path, enum store_rocks_mode mode, const char *why) {
    struct error err = {0};

    assert_null(store_rocks_open(path, mode, &err));
    if (strstr(err.text, why) == NULL)
        fail_msg("\"%s\" lacks \"%s\"", err.text, why);
}

static void opening(void **state) {
    char dir[64], path[128];
    struct store *s;
    struct error err;

    (void)state;
    make_dir(dir);
    snprintf(path, sizeof path, "%s/db", dir);
    assert_refused(path, STORE_ROCKS_OPEN, "there is no crawl in");
    assert_refused(path, STORE_ROCKS_READ_ONLY, "there is no crawl in");
    assert_int_equal(access(path, F_OK), -1);
    s = store_rocks_open(path, STORE_ROCKS_CREATE, &err);
    assert_non_null(s);
    put1(s, "a", "1");
    assert_refused(path, STORE_ROCKS_OPEN, "in use by another crawl");
    store_close(s);
    assert_refused(path, STORE_ROCKS_CREATE, "already holds a crawl");
    s = store_rocks_open(path, STORE_ROCKS_OPEN, &err);
    assert_non_null(s);
    assert_value(s, "a", "1");
    put1(s, "b", "1");
    store_close(s);

    uint64_t seq;
    struct batch b;
    batch_init(&b);
    batch_put(&b, "c", 1, "1", 1);
    s = store_rocks_open(path, STORE_ROCKS_READ_ONLY, &err);
    assert_non_null(s);
    assert_range(s, "", "", "a=1 b=1 ");
    assert_true(store_sync(s, &seq, &err));
    assert_false(store_write(s, &b, &seq, &err));
    store_close(s);
    batch_release(&b);

    snprintf(path, sizeof path, "%s/file", dir);
    close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0666));
    assert_refused(path, STORE_ROCKS_OPEN_OR_CREATE, "is not a directory");
    assert_refused(dir, STORE_ROCKS_OPEN_OR_CREATE, "holds files but no whole crawldb");
    snprintf(path, sizeof path, "%s/no/parent", dir);
    assert_refused(path, STORE_ROCKS_CREATE, "No such file or directory");
    remove_dir(dir);
}

/* The only file with that suffix, opened for writing. */
static int open_file(const char *dir, const char *suffix) {
    char path[512] = "";
    DIR *d = opendir(dir);

    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        size_t len = strlen(e->d_name), suffix_len = strlen(suffix);

        if (len < suffix_len || strcmp(e->d_name + len - suffix_len, suffix) != 0)
            continue;
        assert_string_equal(path, "");
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
    }
    closedir(d);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static off_t size_of(int fd) {
    struct stat st;

    assert_int_equal(fstat(fd, &st), 0);
    return st.st_size;
}

static void long_value(char value[1000]) {
    memset(value, 'v', 999);
    value[999] = '\0';
}

/* An orderly end leaves tables, and nothing in the log. */
static void closing_empties_the_log(void **state) {
    char dir[64], value[1000];
    struct error err;

    (void)state;
    long_value(value);
    make_dir(dir);
    struct store *s = store_rocks_open(dir, STORE_ROCKS_CREATE, &err);
    assert_non_null(s);
    put1(s, "a", value);
    store_close(s);
    int table = open_file(dir, ".sst"), log = open_file(dir, ".log");
    assert_true(size_of(log) < (off_t)sizeof value);
    close(table);
    close(log);
    s = store_rocks_open(dir, STORE_ROCKS_READ_ONLY, &err);
    assert_non_null(s);
    assert_value(s, "a", value);
    store_close(s);
    remove_dir(dir);
}

static void damage_is_reported(void **state) {
    char dir[64], key[16];
    struct error err;
    struct buf value;
    uint64_t seq;
    struct batch b;

    (void)state;
    make_dir(dir);
    struct store *s = store_rocks_open(dir, STORE_ROCKS_OPEN_OR_CREATE, &err);
    assert_non_null(s);
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "%d", i);
        put1(s, key, "value");
    }
    assert_true(store_reopen(s, &err)); /* makes a table of it */
    store_close(s);

    int fd = open_file(dir, ".sst");
    char bytes[64];
    assert_int_equal(pread(fd, bytes, sizeof bytes, 100), sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)~bytes[i];
    assert_int_equal(pwrite(fd, bytes, sizeof bytes, 100), sizeof bytes);
    s = store_rocks_open(dir, STORE_ROCKS_OPEN, &err);
    assert_non_null(s);
    buf_init(&value, 100);
    assert_int_equal(store_get(s, "1", 1, &value), STORE_FAILED);
    assert_true(store_failed(s, &err));
    assert_non_null(strstr(err.text, "is damaged"));
    batch_init(&b);
    assert_false(store_write(s, &b, &seq, &err)); /* nothing follows a wrong answer */
    struct store_iter *it = store_iter_open(s, "", 0, "", 0);
    while (store_iter_valid(it))
        store_iter_next(it);
    assert_false(store_iter_close(it));
    store_close(s);

    assert_int_equal(ftruncate(fd, 200), 0);
    close(fd);
    assert_refused(dir, STORE_ROCKS_OPEN, "is damaged");
    buf_release(&value);
    remove_dir(dir);
}

/* ---- in a process of its own --------------------------------------------------------------------------- */

enum { KEYS_A_BATCH = 10, CHILD_SKIPPED = 77 };

/* Batch `n`: ten keys "00000042.0" to "00000042.9". */
static bool write_numbered(struct store *s, unsigned n, struct error *err) {
    struct batch b;
    uint64_t seq;
    char key[32];

    batch_init(&b);
    for (int i = 0; i < KEYS_A_BATCH; i++) {
        snprintf(key, sizeof key, "%08u.%d", n, i);
        batch_put(&b, key, strlen(key), "some value, some value, some value", 34);
    }
    bool ok = store_write(s, &b, &seq, err);
    batch_release(&b);
    return ok;
}

/* Whole batches 1 .. n and nothing else: returns n. */
static unsigned check_numbered(struct store *s) {
    struct store_iter *it = store_iter_open(s, "", 0, "", 0);
    unsigned count = 0;
    char expected[32];

    assert_non_null(it);
    for (; store_iter_valid(it); store_iter_next(it), count++) {
        size_t len;
        const char *key = store_iter_key(it, &len);

        snprintf(expected, sizeof expected, "%08u.%u", count / KEYS_A_BATCH + 1,
                 count % KEYS_A_BATCH);
        assert_int_equal(len, strlen(expected));
        assert_memory_equal(key, expected, len);
    }
    assert_true(store_iter_close(it));
    assert_int_equal(count % KEYS_A_BATCH, 0);
    return count / KEYS_A_BATCH;
}

static void *report_syncs(void *arg) {
    uint64_t synced;

    while (store_sync(arg, &synced, NULL))
        if (write(STDOUT_FILENO, &synced, sizeof synced) != sizeof synced)
            break;
    return NULL;
}

/* Writes until it is killed; each sync's number goes to standard output. */
static int child_writer(const char *dir) {
    pthread_t thread;
    struct store *s = store_rocks_open(dir, STORE_ROCKS_OPEN_OR_CREATE, NULL);

    if (s == NULL || pthread_create(&thread, NULL, report_syncs, s) != 0)
        return 1;
    for (unsigned n = 1; n < 100000000; n++)
        if (!write_numbered(s, n, NULL))
            return 1;
    return 1;
}

/* Fills a file system of 24 MB of its own, makes room, goes on. */
static int child_disk_full(const char *dir) {
    char path[128];
    struct error err = {0};
    unsigned n = 1;

    if (unshare(CLONE_NEWNS | (geteuid() == 0 ? 0 : CLONE_NEWUSER)) != 0 ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", dir, "tmpfs", 0, "size=24m") != 0)
        return CHILD_SKIPPED;
    snprintf(path, sizeof path, "%s/ballast", dir);
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0666);
    assert_int_equal(posix_fallocate(fd, 0, 16 << 20), 0);
    snprintf(path, sizeof path, "%s/db", dir);
    struct store *s = store_rocks_open(path, STORE_ROCKS_CREATE, &err);
    assert_non_null(s);
    while (write_numbered(s, n, &err))
        n++;
    assert_int_equal(err.errno_value, ENOSPC);
    assert_false(write_numbered(s, n, &err));
    uint64_t synced;
    assert_false(store_sync(s, &synced, &err));
    assert_int_equal(err.errno_value, ENOSPC);
    for (int i = 0; i < 3; i++) /* still full: no crash, and nothing lost */
        if (!store_reopen(s, &err))
            assert_int_equal(err.errno_value, ENOSPC);
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_true(store_reopen(s, &err));
    assert_in_range(check_numbered(s), n - 1, n);
    n = check_numbered(s);
    for (unsigned i = 1; i <= 100; i++)
        assert_true(write_numbered(s, n + i, &err));
    assert_true(store_sync(s, &synced, &err));
    store_close(s);
    s = store_rocks_open(path, STORE_ROCKS_OPEN, &err);
    assert_non_null(s);
    assert_int_equal(check_numbered(s), n + 100);
    store_close(s);
    close(fd);
    return 0;
}

static const char torn_keys[] = "abcdefgh";

/* Syncs one key, tells how long the log is then, writes eight more, and is gone. */
static int child_torn(const char *dir) {
    struct error err;
    uint64_t synced;
    char value[1000];

    long_value(value);
    struct store *s = store_rocks_open(dir, STORE_ROCKS_OPEN_OR_CREATE, &err);
    assert_non_null(s);
    put1(s, "acknowledged", "1");
    assert_true(store_sync(s, &synced, &err));
    int fd = open_file(dir, ".log");
    off_t durable = size_of(fd);
    assert_int_equal(write(STDOUT_FILENO, &durable, sizeof durable), sizeof durable);
    for (size_t i = 0; torn_keys[i] != '\0'; i++)
        put1(s, (char[]){torn_keys[i], '\0'}, value);
    _exit(0);
}

static pid_t start_child(const char *role, const char *dir, int *out) {
    int pipe_fds[2];

    assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        dup2(pipe_fds[1], STDOUT_FILENO);
        execl("/proc/self/exe", "test_store_rocks", role, dir, (char *)NULL);
        _exit(1);
    }
    close(pipe_fds[1]);
    *out = pipe_fds[0];
    return pid;
}

/* What a power cut may leave behind the last sync: a log cut anywhere, or with pages missing. */
static void a_torn_log_loses_only_its_end(void **state) {
    (void)state;
    for (int hole = 0; hole <= 1; hole++) {
        for (int eighths = 0; eighths < 8; eighths++) {
            char dir[64], value[1000];
            struct error err;
            int out, status;
            off_t durable;

            long_value(value);
            make_dir(dir);
            pid_t pid = start_child("torn", dir, &out);
            assert_int_equal(read(out, &durable, sizeof durable), sizeof durable);
            assert_int_equal(waitpid(pid, &status, 0), pid);
            assert_int_equal(status, 0);
            close(out);

            int fd = open_file(dir, ".log");
            off_t size = size_of(fd), at = durable + (size - durable) * eighths / 8 + 500;
            static const char zeros[600];
            if (hole)
                assert_int_equal(pwrite(fd, zeros, sizeof zeros, at), sizeof zeros);
            else
                assert_int_equal(ftruncate(fd, at), 0);
            close(fd);
            struct store *s = store_rocks_open(dir, STORE_ROCKS_OPEN, &err);
            if (s == NULL)
                fail_msg("%s", err.text);
            assert_value(s, "acknowledged", "1");
            for (int i = 0; i < 8; i++) {
                char key[2] = {torn_keys[i], '\0'};

                assert_value(s, key, i < eighths ? value : NULL);
            }
            store_close(s);
            remove_dir(dir);
        }
    }
}

static void kill_9_loses_nothing_acknowledged(void **state) {
    (void)state;
    for (unsigned round = 1; round <= 5; round++) {
        char dir[64];
        int out, status;
        uint64_t synced = 0, last = 0;
        struct error err;

        make_dir(dir);
        pid_t pid = start_child("writer", dir, &out);
        while (last < round * 3000 && read(out, &synced, sizeof synced) == sizeof synced)
            last = synced;
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        while (read(out, &synced, sizeof synced) == sizeof synced)
            last = synced;
        close(out);
        assert_true(last >= round * 3000);

        struct store *s = store_rocks_open(dir, STORE_ROCKS_OPEN, &err);
        if (s == NULL)
            fail_msg("%s", err.text);
        assert_true(check_numbered(s) >= last);
        store_close(s);
        remove_dir(dir);
    }
}

static void goes_on_after_a_full_disk(void **state) {
    char dir[64];
    int out, status;

    (void)state;
    make_dir(dir);
    pid_t pid = start_child("disk-full", dir, &out);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    close(out);
    remove_dir(dir);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == CHILD_SKIPPED)
        skip();
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* An assertion in a child prints and aborts: there is no test to fail. */
int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "writer") == 0)
        return child_writer(argv[2]);
    if (argc == 3 && strcmp(argv[1], "torn") == 0)
        return child_torn(argv[2]);
    if (argc == 3 && strcmp(argv[1], "disk-full") == 0)
        return child_disk_full(argv[2]);

    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opening),
        cmocka_unit_test(closing_empties_the_log),
        cmocka_unit_test(a_torn_log_loses_only_its_end),
        cmocka_unit_test(damage_is_reported),
        cmocka_unit_test(kill_9_loses_nothing_acknowledged),
        cmocka_unit_test(goes_on_after_a_full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
