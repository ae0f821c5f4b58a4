/*
 * segment: records are appended whole or not at all. Writes are replaced by ones of our own here, so that the disk
 * can be full at any byte.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#include "worker/seal.h"
#include "worker/segment.h"

static int64_t disk_left = INT64_MAX; /* bytes */
static int disk_errno = ENOSPC;

ssize_t pwrite(int fd, const void *p, size_t n, off_t at) {
    if (disk_left <= 0) {
        errno = disk_errno;
        return -1;
    }
    if ((int64_t)n > disk_left)
        n = (size_t)disk_left;
    ssize_t put = syscall(SYS_pwrite64, fd, p, n, at);
    if (put > 0 && disk_left != INT64_MAX)
        disk_left -= put;
    return put;
}

struct scene {
    char path[64];
    int dir_fd;
    struct segment *segment;
};

static struct segment_config config(const struct scene *s) {
    return (struct segment_config){.dir_fd = s->dir_fd,
                                   .name = "w-000000000001-00000",
                                   .crawl = "test",
                                   .worker = "w",
                                   .user_agent = "trawl/0",
                                   .level = 1};
}

static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n";

static struct segment_response response(const char *url, const char *body, size_t body_len) {
    return (struct segment_response){.url = url,
                                     .url_len = strlen(url),
                                     .at_unix_ms = 1700000000123,
                                     .address = (const uint8_t *)"\x7f\0\0\1",
                                     .address_len = 4,
                                     .head = head,
                                     .head_len = sizeof head - 1,
                                     .body = body,
                                     .body_len = body_len};
}

static void open_it(struct scene *s) {
    struct segment_config c = config(s);
    struct error err = {0};

    if (segment_open(&s->segment, &c, &err) != SEGMENT_OK)
        fail_msg("%s", err.text);
}

static int set_up(void **state) {
    struct scene *s = calloc(1, sizeof *s);

    disk_left = INT64_MAX;
    disk_errno = ENOSPC;
    snprintf(s->path, sizeof s->path, "/tmp/test_segment.XXXXXX");
    if (mkdtemp(s->path) == NULL)
        return -1;
    s->dir_fd = open(s->path, O_RDONLY | O_DIRECTORY);
    *state = s;
    return s->dir_fd < 0;
}

static int tear_down(void **state) {
    struct scene *s = *state;

    segment_free(s->segment);
    (void)unlinkat(s->dir_fd, "w-000000000001-00000.warc.gz.open", 0);
    (void)unlinkat(s->dir_fd, "w-000000000001-00000.warc.gz.new", 0);
    rmdir(s->path);
    close(s->dir_fd);
    free(s);
    return 0;
}

static int64_t file_bytes(const struct scene *s) {
    struct stat st;

    if (fstatat(s->dir_fd, "w-000000000001-00000.warc.gz.open", &st, 0) != 0)
        return -1;
    return st.st_size;
}

/* The text of the member at `place`, which must end where the place says. */
static void inflate_at(const struct scene *s, uint64_t offset, uint64_t length, char *text,
                       size_t size) {
    unsigned char *in = malloc(length);
    z_stream z = {0};

    assert_int_equal(pread(segment_fd(s->segment), in, length, (off_t)offset), length);
    assert_int_equal(inflateInit2(&z, 16 + MAX_WBITS), Z_OK);
    z.next_in = in;
    z.avail_in = (unsigned)length;
    z.next_out = (unsigned char *)text;
    z.avail_out = (unsigned)size - 1;
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    assert_int_equal(z.total_in, length);
    text[z.total_out] = '\0';
    inflateEnd(&z);
    free(in);
}

static void test_records(void **state) {
    struct scene *s = *state;
    struct segment_place a, b;
    char text[8192];

    open_it(s);
    assert_string_equal(segment_name(s->segment), "w-000000000001-00000");
    uint64_t begin = segment_bytes(s->segment);
    assert_int_equal(file_bytes(s), begin);
    inflate_at(s, 0, begin, text, sizeof text);
    assert_non_null(strstr(text, "WARC-Type: warcinfo"));
    assert_non_null(strstr(text, "software: trawl/"));
    assert_non_null(strstr(text, "WARC-Filename: w-000000000001-00000.warc.gz"));
    struct segment_response r = response("http://a.example/", "hello", 5);
    assert_int_equal(segment_append(s->segment, &r, &a, NULL), SEGMENT_OK);
    r.cut = true;
    assert_int_equal(segment_append(s->segment, &r, &b, NULL), SEGMENT_OK);
    assert_int_equal(a.offset, begin);
    assert_int_equal(b.offset, a.offset + a.length);
    assert_int_equal(segment_bytes(s->segment), b.offset + b.length);
    assert_int_equal(file_bytes(s), segment_bytes(s->segment));
    assert_memory_equal(a.digest, b.digest, 20);
    inflate_at(s, a.offset, a.length, text, sizeof text);
    assert_non_null(strstr(text, "WARC-Target-URI: http://a.example/\r\n"));
    assert_non_null(strstr(text, "WARC-IP-Address: 127.0.0.1\r\n"));
    assert_non_null(strstr(text, "WARC-Date: 2023-11-14T22:13:20.123Z\r\n"));
    assert_non_null(strstr(text, "sha1:VL2MMHO4YXUKFWV63YHTWSBM3GXKSQ2N\r\n")); /* of "hello" */
    assert_non_null(strstr(text, "\r\n\r\nhello"));
    assert_null(strstr(text, "WARC-Truncated"));
    inflate_at(s, b.offset, b.length, text, sizeof text);
    assert_non_null(strstr(text, "WARC-Truncated: length\r\n"));
    /* What no record can hold changes nothing. */
    r = response("http://a.example/\r\nX: y", "hello", 5);
    assert_int_equal(segment_append(s->segment, &r, &b, NULL), SEGMENT_INVALID);
    assert_int_equal(file_bytes(s), segment_bytes(s->segment));
}

enum { ID_VARIATION = 40 };

/* The disk is full after each byte in turn: the record is undone, and goes in whole when there is room. */
static void test_full_disk(void **state) {
    struct scene *s = *state;
    struct segment_place place;
    struct error err;
    char text[8192];

    open_it(s);
    struct segment_response r = response("http://a.example/", "hello", 5);
    assert_int_equal(segment_append(s->segment, &r, &place, NULL), SEGMENT_OK);
    /* Its random ids make one record some bytes shorter than another. */
    for (uint64_t left = 0; left + ID_VARIATION < place.length; left += 7) {
        uint64_t end = segment_bytes(s->segment);
        disk_left = (int64_t)left;
        disk_errno = left % 2 == 0 ? ENOSPC : EIO;
        assert_int_equal(segment_append(s->segment, &r, &place, &err), SEGMENT_AGAIN);
        assert_non_null(strstr(err.text, "w-000000000001-00000.warc.gz.open"));
        assert_int_equal(segment_bytes(s->segment), end);
        assert_int_equal(file_bytes(s), end);
        disk_left = INT64_MAX;
        assert_int_equal(segment_append(s->segment, &r, &place, &err), SEGMENT_OK);
        assert_int_equal(place.offset, end);
        inflate_at(s, place.offset, place.length, text, sizeof text);
    }
    /* A large one, which goes through in pieces. */
    size_t n = 3 << 20;
    char *big = malloc(n);
    uint64_t random = 1;
    for (size_t i = 0; i < n; i++)
        big[i] = (char)((random = random * 6364136223846793005u + 1442695040888963407u) >> 56);
    r = response("http://a.example/big", big, n);
    uint64_t end = segment_bytes(s->segment);
    disk_left = 1 << 20;
    assert_int_equal(segment_append(s->segment, &r, &place, &err), SEGMENT_AGAIN);
    assert_int_equal(file_bytes(s), end);
    disk_left = INT64_MAX;
    assert_int_equal(segment_append(s->segment, &r, &place, &err), SEGMENT_OK);
    assert_int_equal(place.offset, end);
    assert_int_equal(file_bytes(s), segment_bytes(s->segment));
    free(big);
}

/* No room for the head, or not writable at all: there is no file, and somebody may mend that. */
static void test_open_fails(void **state) {
    struct scene *s = *state;
    struct segment_config c = config(s);
    struct error err;

    for (int64_t left = 0; left < 200; left += 33) {
        disk_left = left;
        assert_int_equal(segment_open(&s->segment, &c, &err), SEGMENT_AGAIN);
        assert_null(s->segment);
        assert_int_equal(file_bytes(s), -1);
        assert_int_equal(faccessat(s->dir_fd, "w-000000000001-00000.warc.gz.new", F_OK, 0), -1);
    }
    disk_errno = EROFS;
    disk_left = 0;
    assert_int_equal(segment_open(&s->segment, &c, &err), SEGMENT_AGAIN);
    disk_left = INT64_MAX;
    open_it(s);
}

/* Locked while it is open: nobody takes it for a dead one's. */
static void test_lock(void **state) {
    struct scene *s = *state;

    open_it(s);
    int fd = openat(s->dir_fd, "w-000000000001-00000.warc.gz.open", O_RDWR);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), -1);
    segment_stop(s->segment);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), -1);
    segment_free(s->segment);
    s->segment = NULL;
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
    close(fd);
}

/* A name that comes again makes no file: what is there is neither emptied nor replaced. */
static void test_name_taken(void **state) {
    static const char *const taken[] = {"w-000000000001-00000.warc.gz.new",
                                        "w-000000000001-00000.warc.gz.open",
                                        "w-000000000001-00000.warc.gz"};
    struct scene *s = *state;
    struct segment_config c = config(s);

    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++) {
        struct error err = {0};
        struct stat st;
        int fd = openat(s->dir_fd, taken[i], O_WRONLY | O_CREAT | O_EXCL, 0644);
        assert_int_equal(write(fd, "x", 1), 1);
        close(fd);
        assert_int_equal(segment_open(&s->segment, &c, &err), SEGMENT_FAILED);
        assert_null(s->segment);
        assert_int_equal(fstatat(s->dir_fd, taken[i], &st, 0), 0);
        assert_int_equal(st.st_size, 1);
        assert_int_equal(unlinkat(s->dir_fd, taken[i], 0), 0);
        assert_int_equal(faccessat(s->dir_fd, taken[0], F_OK, 0), -1);
    }
    open_it(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_records, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_full_disk, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_open_fails, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lock, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_name_taken, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
