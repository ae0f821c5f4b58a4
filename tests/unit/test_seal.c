/*
 * seal: whatever is committed is what a sealed segment holds, wherever a run before was killed or failed.
 *
 * The system calls that change files are replaced by ones of our own here, which can crash the process or fail
 * at the N-th of them; the master is a fake in memory shared with the processes that crash.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#include "proto/wire.h"
#include "shared/limits.h"
#include "worker/seal.h"

/* ---- the N-th step ------------------------------------------------------------------------------- */

enum mode { PASS, CRASH_BEFORE, CRASH_AFTER, FAIL };

enum { CRASHED = 42 };

static enum mode step_mode;
static unsigned step_at, step_now;

static bool step_fails(void) {
    bool now = step_mode != PASS && step_mode != CRASH_AFTER && step_now == step_at;

    if (now && step_mode == CRASH_BEFORE)
        _exit(CRASHED);
    step_now += step_mode != CRASH_AFTER;
    if (now)
        errno = EIO;
    return now;
}

static long step_done(long rc) {
    if (step_mode == CRASH_AFTER && step_now++ == step_at)
        _exit(CRASHED);
    return rc;
}

int fsync(int fd) {
    return step_fails() ? -1 : (int)step_done(syscall(SYS_fsync, fd));
}

int ftruncate(int fd, off_t size) {
    return step_fails() ? -1 : (int)step_done(syscall(SYS_ftruncate, fd, size));
}

int renameat(int from_fd, const char *from, int to_fd, const char *to) {
    return step_fails() ? -1 : (int)step_done(syscall(SYS_renameat, from_fd, from, to_fd, to));
}

int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags) {
    return step_fails() ? -1
                        : (int)step_done(syscall(SYS_renameat2, from_fd, from, to_fd, to, flags));
}

int unlinkat(int fd, const char *name, int flags) {
    return step_fails() ? -1 : (int)step_done(syscall(SYS_unlinkat, fd, name, flags));
}

ssize_t write(int fd, const void *p, size_t n) {
    /* Half of it, to be torn. */
    if (n > 1 && step_mode != PASS)
        n /= 2;
    return step_fails() ? -1 : step_done(syscall(SYS_write, fd, p, n));
}

/* ---- the master ---------------------------------------------------------------------------------- */

enum { RECORDS = 6, PAGE = 2 };

struct master {
    unsigned committed; /* bit i: record i */
    uint64_t offsets[RECORDS], lengths[RECORDS];
    bool closed, sealed;
    unsigned hole_count;
    uint64_t hole_offsets[RECORDS], hole_lengths[RECORDS], size;
    bool wrong; /* a telling that differs from the first */
};

static void take_seal(struct master *m, const Trawl__SegmentSeal *seal) {
    bool same = m->hole_count == seal->n_hole_offsets && m->size == seal->size;

    if (m->sealed) {
        for (unsigned i = 0; same && i < m->hole_count; i++)
            same = m->hole_offsets[i] == seal->hole_offsets[i] &&
                   m->hole_lengths[i] == seal->hole_lengths[i];
        m->wrong |= !same;
        return;
    }
    m->sealed = true;
    m->size = seal->size;
    m->hole_count = (unsigned)seal->n_hole_offsets;
    for (unsigned i = 0; i < m->hole_count; i++) {
        m->hole_offsets[i] = seal->hole_offsets[i];
        m->hole_lengths[i] = seal->hole_lengths[i];
    }
}

static bool master_call(void *arg, const void *bytes, size_t len, struct buf *reply,
                        struct error *err) {
    struct master *m = arg;
    struct arena a;
    Trawl__Reply r = TRAWL__REPLY__INIT;
    Trawl__SegmentReply s = TRAWL__SEGMENT_REPLY__INIT;
    uint64_t offsets[PAGE], lengths[PAGE];

    if (step_fails()) {
        error_set(err, 0, "no answer");
        return false;
    }
    arena_init(&a, LIMIT_ARENA_BYTES);
    Trawl__Request *q = wire_request_unpack(&a, bytes, len);
    r.version = WIRE_VERSION;
    r.body_case = TRAWL__REPLY__BODY_SEGMENT;
    r.segment = &s;
    s.offsets = offsets;
    s.lengths = lengths;
    if (q->body_case == TRAWL__REQUEST__BODY_SEGMENT_QUERY) {
        m->closed = true;
        for (unsigned i = 0; i < RECORDS; i++) {
            if (!(m->committed >> i & 1) || m->offsets[i] < q->segment_query->from_offset)
                continue;
            if (s.n_offsets == PAGE) {
                s.more = true;
                break;
            }
            offsets[s.n_offsets++] = m->offsets[i];
            lengths[s.n_lengths++] = m->lengths[i];
        }
    } else {
        m->wrong |= !m->closed;
        take_seal(m, q->segment_seal);
    }
    bool ok = wire_pack(reply, &r.base);
    arena_release(&a);
    return step_done(ok) != 0;
}

/* ---- the directory ------------------------------------------------------------------------------- */

struct scene {
    char path[64];
    int dir_fd;
    struct master *master;
    unsigned char *content;
    size_t content_len, head_len;
};

static size_t member(unsigned char *to, size_t room, const char *text) {
    z_stream z = {0};

    assert_int_equal(deflateInit2(&z, 1, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (unsigned char *)text;
    z.avail_in = (unsigned)strlen(text);
    z.next_out = to;
    z.avail_out = (unsigned)room;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return z.total_out;
}

static void put_file(const struct scene *s, const char *name, const void *p, size_t n) {
    int fd = openat(s->dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC, 0644);

    assert_true(fd >= 0);
    assert_int_equal(syscall(SYS_write, fd, p, n), n);
    close(fd);
}

static void scene_open(struct scene *s, unsigned committed, size_t file_len) {
    memset(s->master, 0, sizeof *s->master);
    s->master->committed = committed;
    size_t at = s->head_len = member(s->content, 4096, "WARC/1.1 warcinfo");
    for (unsigned i = 0; i < RECORDS; i++) {
        char text[64];
        snprintf(text, sizeof text, "record %u %u", i, i * 7919);
        s->master->offsets[i] = at;
        s->master->lengths[i] = member(s->content + at, 4096 - at, text);
        at += s->master->lengths[i];
    }
    s->content_len = at;
    put_file(s, "w-1-1.warc.gz.open", s->content, file_len < at ? file_len : at);
    put_file(s, "other.warc.gz", "x", 1);
    put_file(s, "note.txt", "x", 1);
}

static void scene_wipe(struct scene *s) {
    DIR *d = fdopendir(dup(s->dir_fd));
    struct dirent *e;

    rewinddir(d);
    while ((e = readdir(d)) != NULL)
        (void)syscall(SYS_unlinkat, s->dir_fd, e->d_name, 0);
    closedir(d);
}

static unsigned entries(const struct scene *s) {
    DIR *d = fdopendir(dup(s->dir_fd));
    const struct dirent *e;
    unsigned n = 0;

    rewinddir(d);
    while ((e = readdir(d)) != NULL)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

/* Exactly the committed records, in order, behind the head; nothing else is left of the segment. */
static void check_end(const struct scene *s) {
    const struct master *m = s->master;
    unsigned char want[4096], got[4096];
    size_t n = s->head_len;

    assert_true(m->closed && m->sealed && !m->wrong);
    memcpy(want, s->content, n);
    for (unsigned i = 0; i < RECORDS; i++) {
        if (!(m->committed >> i & 1))
            continue;
        memcpy(want + n, s->content + m->offsets[i], m->lengths[i]);
        n += m->lengths[i];
    }
    int fd = openat(s->dir_fd, "w-1-1.warc.gz", O_RDONLY);
    if (m->committed == 0) {
        assert_int_equal(fd, -1);
        assert_int_equal(m->size, 0);
        assert_int_equal(entries(s), 2);
        return;
    }
    assert_true(fd >= 0);
    assert_int_equal(read(fd, got, sizeof got), n);
    assert_memory_equal(got, want, n);
    close(fd);
    assert_int_equal(m->size, n);
    assert_int_equal(entries(s), 3);
}

static enum seal_result run(const struct scene *s, struct error *err) {
    struct seal_remote remote = {master_call, s->master, s->dir_fd};

    return seal_recover(s->dir_fd, &remote, NULL, err);
}

static int set_up(void **state) {
    struct scene *s = calloc(1, sizeof *s);

    snprintf(s->path, sizeof s->path, "/tmp/test_seal.XXXXXX");
    if (mkdtemp(s->path) == NULL)
        return -1;
    s->dir_fd = open(s->path, O_RDONLY | O_DIRECTORY);
    s->content = malloc(4096);
    s->master =
        mmap(NULL, sizeof *s->master, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    *state = s;
    return s->dir_fd < 0 || s->master == MAP_FAILED;
}

static int tear_down(void **state) {
    struct scene *s = *state;

    step_mode = PASS;
    scene_wipe(s);
    rmdir(s->path);
    close(s->dir_fd);
    munmap(s->master, sizeof *s->master);
    free(s->content);
    free(s);
    return 0;
}

/* ---- tests --------------------------------------------------------------------------------------- */

static const unsigned patterns[] = {
    0x3f /* all */, 0x00 /* none */, 0x0f /* tail */, 0x3e /* first */, 0x2d, 0x15, 0x20, 0x01,
};

/* In a process of its own: it may die at the step. True: it came to its end. */
static bool run_and_crash(const struct scene *s, enum mode mode, unsigned at) {
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        step_mode = mode;
        step_at = at;
        step_now = 0;
        _exit(run(s, NULL) == SEAL_DONE ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == CRASHED);
    return WEXITSTATUS(status) == 0;
}

static void crash_everywhere(struct scene *s, unsigned committed, enum mode mode) {
    bool ended = false;

    for (unsigned at = 0; !ended; at++) {
        assert_true(at < 60);
        scene_wipe(s);
        scene_open(s, committed, 4096);
        ended = run_and_crash(s, mode, at);
        /* And again on the way of the second run. */
        if (!ended)
            (void)run_and_crash(s, mode, at / 2);
        assert_int_equal(run(s, NULL), SEAL_DONE);
        check_end(s);
    }
}

static void test_crashes(void **state) {
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        crash_everywhere(*state, patterns[i], CRASH_BEFORE);
        crash_everywhere(*state, patterns[i], CRASH_AFTER);
    }
}

static void test_failures(void **state) {
    struct scene *s = *state;

    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        bool ended = false;
        for (unsigned at = 0; !ended; at++) {
            struct error err = {0};
            assert_true(at < 60);
            scene_wipe(s);
            scene_open(s, patterns[i], 4096);
            step_mode = FAIL;
            step_at = at;
            step_now = 0;
            ended = run(s, &err) == SEAL_DONE && step_now <= at;
            step_mode = PASS;
            assert_int_equal(run(s, &err), SEAL_DONE);
            check_end(s);
        }
    }
}

static void test_damage(void **state) {
    struct scene *s = *state;
    struct error err = {0};

    /* A torn last record that nobody committed, and a torn head. */
    scene_open(s, 0x1f, 4096);
    s->content_len -= 3;
    put_file(s, "w-1-1.warc.gz.open", s->content, s->content_len);
    assert_int_equal(run(s, &err), SEAL_DONE);
    check_end(s);
    scene_wipe(s);
    scene_open(s, 0, 10);
    assert_int_equal(run(s, &err), SEAL_DONE);
    check_end(s);
    scene_wipe(s);
    scene_open(s, 0, 0);
    assert_int_equal(run(s, &err), SEAL_DONE);
    check_end(s);
    /* A committed record that is not there: nothing is touched. */
    scene_wipe(s);
    scene_open(s, 0x3f, 4096);
    put_file(s, "w-1-1.warc.gz.open", s->content, s->content_len - 3);
    assert_int_equal(run(s, &err), SEAL_FAILED);
    assert_non_null(strstr(err.text, "w-1-1.warc.gz.open"));
    assert_false(s->master->sealed);
    assert_int_equal(entries(s), 3);
    /* Answers that make no sense. */
    scene_wipe(s);
    scene_open(s, 0x3f, 4096);
    s->master->offsets[2] -= 1;
    assert_int_equal(run(s, &err), SEAL_FAILED);
    scene_open(s, 0x3f, 4096);
    s->master->lengths[2] = UINT64_MAX;
    assert_int_equal(run(s, &err), SEAL_FAILED);
    scene_open(s, 0x3f, 4096);
    s->master->offsets[0] = 1;
    assert_int_equal(run(s, &err), SEAL_FAILED);
}

static void test_live_writer(void **state) {
    struct scene *s = *state;

    scene_open(s, 0x3f, 4096);
    int fd = openat(s->dir_fd, "w-1-1.warc.gz.open", O_RDWR);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    assert_int_equal(run(s, NULL), SEAL_DONE);
    assert_false(s->master->closed);
    close(fd);
    assert_int_equal(run(s, NULL), SEAL_DONE);
    check_end(s);
}

/* Of the same name, but another segment: both stay. */
static void test_another_of_the_name(void **state) {
    struct scene *s = *state;
    unsigned char sealed[256], got[256];
    struct error err = {0};
    size_t n = member(sealed, sizeof sealed, "WARC/1.1 warcinfo of another segment");

    scene_open(s, 0x3f, 4096);
    put_file(s, "w-1-1.warc.gz", sealed, n);
    assert_int_equal(run(s, &err), SEAL_FAILED);
    assert_non_null(strstr(err.text, "w-1-1.warc.gz is another segment"));
    assert_int_equal(faccessat(s->dir_fd, "w-1-1.warc.gz.open", F_OK, 0), 0);
    int fd = openat(s->dir_fd, "w-1-1.warc.gz", O_RDONLY);
    assert_int_equal(read(fd, got, sizeof got), n);
    assert_memory_equal(got, sealed, n);
    close(fd);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_crashes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_failures, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_damage, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_live_writer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_another_of_the_name, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
