/* Records made by hand: what is tolerated, what is found, and that nothing is trusted. What warc_write writes is read
 * in test_warc_write.c. */
#include "shared/buf.h"
#include "shared/warc_read.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { FILE_BYTES = 16 << 20 };

#define RECORD_ID "WARC-Record-ID: <urn:uuid:00000000-0000-4000-8000-000000000000>\r\n"
#define FIELDS                                                                                     \
    "WARC-Type: response\r\n" RECORD_ID                                                            \
    "WARC-Date: 2026-11-23T14:00:00Z\r\nWARC-Target-URI: http://a/\r\n"                            \
    "Content-Type: application/http; msgtype=response\r\n"
#define HEAD "HTTP/1.1 404 Not Found\r\nA: b\r\n\r\n"
#define CHUNKED_HEAD "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n"
#define CHUNKS "5\r\nhello\r\n0\r\n\r\n"

static struct warc_read *reader;
static struct buf file;
static const struct warc_read_record *record;

static int setup(void **state) {
    (void)state;
    reader = warc_read_new();
    buf_init(&file, FILE_BYTES);
    return reader == NULL;
}

static int teardown(void **state) {
    (void)state;
    warc_read_free(reader);
    buf_release(&file);
    return 0;
}

/* A member of its own. */
static void add_gzip(const void *bytes, size_t len) {
    z_stream z;

    memset(&z, 0, sizeof z);
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_true(buf_reserve(&file, deflateBound(&z, len) + 64));
    z.next_in = (z_const Bytef *)bytes;
    z.avail_in = (uInt)len;
    z.next_out = (Bytef *)file.data + file.len;
    z.avail_out = (uInt)(file.size - file.len);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    file.len += z.total_out;
    deflateEnd(&z);
}

static void add(const char *text) {
    assert_true(buf_append_str(&file, text));
}

static enum warc_read_result next(void) {
    return warc_read_next(reader, &record);
}

/* Opens what is in `file`. */
static void begin(void) {
    warc_read_open_bytes(reader, file.data, file.len);
}

static void begin_text(const char *text) {
    buf_reset(&file);
    add(text);
    begin();
}

static unsigned check_problems(void) {
    struct warc_read_report report;

    assert_int_equal(warc_read_check(reader, &report), WARC_READ_RECORD);
    return report.problems;
}

static void test_tolerated(void **state) {
    const char *name, *value;
    const unsigned char *bytes;

    (void)state;
    begin_text("\r\n\nwarc/1.0\nwarc-TYPE :  Resource\t\nX: one\n two\n\t three\n:empty\nno colon\n"
               "content-length: 3\n\nabc\n\n\nWARC/1.1\r\nContent-Length: 0\r\n\r\n\r\n\r\n");
    assert_int_equal(next(), WARC_READ_RECORD);
    assert_int_equal(record->offset, 3);
    assert_string_equal(record->version, "1.0");
    assert_string_equal(record->type, "Resource");
    assert_string_equal(warc_read_field(reader, "x"), "one two three");
    assert_null(warc_read_field(reader, "no colon"));
    assert_int_equal(warc_read_field_count(reader), 4);
    warc_read_field_at(reader, 2, &name, &value);
    assert_string_equal(name, "");
    assert_string_equal(value, "empty");
    assert_int_equal(warc_read_block(reader, &bytes), 3);
    assert_memory_equal(bytes, "abc", 3);
    assert_int_equal(warc_read_block(reader, &bytes), 0);
    assert_int_equal(warc_read_finish(reader), WARC_READ_BAD_END | WARC_READ_BAD_LINE);
    assert_int_equal(next(), WARC_READ_RECORD);
    assert_string_equal(record->type, "");
    assert_int_equal(warc_read_finish(reader), 0);
    assert_int_equal(next(), WARC_READ_END);
    assert_int_equal(next(), WARC_READ_END);
}

static void test_broken(void **state) {
    static const char *const texts[] = {
        "x",
        "WARC/1.1",
        "WARC/1.1\r\n",
        "WARC/x\r\nContent-Length: 0\r\n\r\n",
        "WARC/\r\nContent-Length: 0\r\n\r\n",
        "WARC/1.1\r\n\r\n",
        "WARC/1.1\r\nContent-Length:\r\n\r\n",
        "WARC/1.1\r\nContent-Length: -1\r\n\r\n",
        "WARC/1.1\r\nContent-Length: 0x1\r\n\r\n",
        "WARC/1.1\r\nContent-Length: 1 1\r\n\r\n",
        "WARC/1.1\r\nContent-Length: 18446744073709551616\r\n\r\n",
        "WARC/1.1\r\nContent-Length: 9223372036854775808\r\n\r\n",
        "WARC/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "WARC/1.1\r\nContent-Length: 1\r\n",
        "\x1f\x8b",
        "\x1f\x8b\x08\xff not gzip",
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        begin_text(texts[i]);
        assert_int_equal(next(), WARC_READ_BROKEN);
        assert_int_equal(warc_read_error_offset(reader), 0);
        assert_true(strlen(warc_read_error(reader)) > 0);
        assert_int_equal(next(), WARC_READ_BROKEN);
    }
    begin_text("WARC/1.1\r\nContent-Length: 0\r\n\r\n\r\n\r\ngarbage");
    assert_int_equal(next(), WARC_READ_RECORD);
    assert_int_equal(next(), WARC_READ_BROKEN);
    assert_int_equal(warc_read_error_offset(reader), file.len - 7);
    buf_reset(&file);
    begin();
    assert_int_equal(next(), WARC_READ_END);
    begin_text("\r\n\r\n");
    assert_int_equal(next(), WARC_READ_END);
}

/* Headers at and over the limits. */
static void test_header_limits(void **state) {
    (void)state;
    for (size_t len = WARC_READ_HEADER_BYTES - 100; len < WARC_READ_HEADER_BYTES + 100; len += 99) {
        buf_reset(&file);
        add("WARC/1.1\r\nContent-Length: 0\r\nX: ");
        for (size_t i = 0; i < len; i++)
            add("x");
        add("\r\n\r\n\r\n\r\n");
        begin();
        assert_int_equal(next(),
                         len < WARC_READ_HEADER_BYTES - 50 ? WARC_READ_RECORD : WARC_READ_BROKEN);
    }
    for (size_t count = WARC_READ_FIELDS - 1; count <= WARC_READ_FIELDS; count++) {
        buf_reset(&file);
        add("WARC/1.1\r\nContent-Length: 0\r\n");
        for (size_t i = 0; i < count; i++)
            add("X:\r\n");
        add("\r\n\r\n\r\n");
        begin();
        assert_int_equal(next(), count < WARC_READ_FIELDS ? WARC_READ_RECORD : WARC_READ_BROKEN);
    }
}

/* A gzip member cut off at every place: never good, never more than there is, and it ends. */
static void test_cut(void **state) {
    unsigned char *copy;
    static const char good[] =
        "WARC/1.1\r\n" FIELDS "Content-Length: 38\r\n\r\n" HEAD "body..\r\n\r\n";

    (void)state;
    add_gzip(good, sizeof good - 1);
    for (size_t n = 1; n <= file.len; n++) {
        copy = malloc(n);
        assert_non_null(copy);
        memcpy(copy, file.data, n);
        warc_read_open_bytes(reader, copy, n);
        enum warc_read_result why = next();
        if (n == file.len)
            assert_int_equal(why, WARC_READ_RECORD);
        if (why == WARC_READ_RECORD) {
            unsigned found = check_problems();
            assert_int_equal(found & WARC_READ_CUT_OFF, n < file.len ? WARC_READ_CUT_OFF : 0);
            assert_true(found == 0 || n < file.len);
            assert_int_equal(record->length, n);
            assert_int_equal(next(), WARC_READ_END);
        } else {
            assert_int_equal(why, WARC_READ_BROKEN);
        }
        free(copy);
    }
}

/* Any bit turned over is found, but for those that mean nothing: the gzip header's time, flag for text and
 * origin, what is left over in the last byte of the compressed data, lengths of codes that are not used. */
static void test_flipped(void **state) {
    static const char text[] =
        "WARC/1.1\r\n" FIELDS "Content-Length: 38\r\n\r\n" HEAD "body..\r\n\r\n";
    unsigned undetected = 0;

    (void)state;
    add_gzip(text, sizeof text - 1);
    for (size_t at = 0; at < file.len; at++)
        for (int bit = 0; bit < 8; bit++) {
            if ((at >= 4 && at <= 9) || (at == 3 && bit == 0))
                continue;
            file.data[at] ^= (char)(1 << bit);
            begin();
            if (next() == WARC_READ_RECORD) {
                unsigned found = check_problems();
                assert_true(found == 0 || (found & (WARC_READ_BAD_GZIP | WARC_READ_CUT_OFF)) != 0);
                assert_true(found != 0 || record->length == file.len);
                undetected += found == 0;
                assert_int_not_equal(next(), WARC_READ_RECORD);
            }
            file.data[at] ^= (char)(1 << bit);
        }
    assert_true(undetected < 16);
}

static void test_member_boundaries(void **state) {
    static const char two[] = "WARC/1.1\r\nContent-Length: 1\r\n\r\na\r\n\r\n"
                              "WARC/1.1\r\nContent-Length: 1\r\n\r\nb\r\n\r\n";
    static const char one[] = "WARC/1.1\r\nContent-Length: 1\r\n\r\nc\r\n\r\n";

    (void)state;
    add_gzip(two, sizeof two - 1);
    size_t first = file.len;
    add_gzip(one, sizeof one - 1);
    size_t second = file.len;
    add(one);
    add_gzip(one, sizeof one - 5); /* without its end */
    size_t fourth = file.len;
    add_gzip("WARC/1.1\r\nContent-Length: 9\r\n\r\nd", 32);
    begin();
    assert_int_equal(next(), WARC_READ_RECORD);
    assert_int_equal(warc_read_finish(reader), WARC_READ_MORE_IN_MEMBER);
    assert_int_equal(record->length, first);
    assert_int_equal(next(), WARC_READ_RECORD);
    assert_int_equal(record->offset, first);
    assert_int_equal(warc_read_finish(reader), 0);
    assert_int_equal(next(), WARC_READ_RECORD);
    assert_int_equal(record->offset, second);
    assert_false(record->is_gzip);
    assert_int_equal(warc_read_finish(reader), 0);
    assert_int_equal(next(), WARC_READ_RECORD);
    assert_int_equal(warc_read_finish(reader), WARC_READ_BAD_END);
    assert_int_equal(next(), WARC_READ_RECORD);
    assert_int_equal(record->offset, fourth);
    assert_int_equal(warc_read_finish(reader), WARC_READ_CUT_OFF);
    assert_int_equal(next(), WARC_READ_END);
}

static void test_http(void **state) {
    struct warc_read_http http;
    const unsigned char *bytes;

    (void)state;
    begin_text("WARC/1.1\r\n" FIELDS "Content-Length: 38\r\n\r\n" HEAD "body..\r\n\r\n");
    assert_int_equal(next(), WARC_READ_RECORD);
    assert_int_equal(warc_read_http(reader, &http), WARC_READ_RECORD);
    assert_string_equal(http.head, HEAD);
    assert_int_equal(http.status, 404);
    assert_false(warc_read_http_is_chunked(&http));
    assert_int_equal(warc_read_block(reader, &bytes), 6);
    assert_memory_equal(bytes, "body..", 6);

    begin_text("WARC/1.1\r\n" FIELDS
               "Content-Length: 24\r\n\r\nHTTP/1.0 2000 OK\nA: b\n\nc\r\n\r\n");
    assert_int_equal(next(), WARC_READ_RECORD);
    assert_int_equal(warc_read_http(reader, &http), WARC_READ_RECORD);
    assert_int_equal(http.status, 0);
    assert_int_equal(http.head_len, 23);

    begin_text("WARC/1.1\r\n" FIELDS "Content-Length: 6\r\n\r\nno end\r\n\r\n");
    assert_int_equal(next(), WARC_READ_RECORD);
    assert_int_equal(warc_read_http(reader, &http), WARC_READ_BROKEN);
    assert_int_equal(warc_read_finish(reader), 0);
    begin();
    assert_int_equal(next(), WARC_READ_RECORD);
    assert_int_equal(check_problems(), WARC_READ_BAD_HTTP);
    assert_int_equal(next(), WARC_READ_END);
}

/* A record of `head` and `body` with these fields more; what is wrong with it. */
static struct warc_read_report report_of(const char *fields, const char *head, const char *body) {
    struct warc_read_report report;

    buf_reset(&file);
    assert_true(buf_printf(&file, "WARC/1.1\r\n" FIELDS "%sContent-Length: %zu\r\n\r\n%s%s\r\n\r\n",
                           fields, strlen(head) + strlen(body), head, body));
    begin();
    assert_int_equal(next(), WARC_READ_RECORD);
    assert_int_equal(warc_read_check(reader, &report), WARC_READ_RECORD);
    return report;
}

static void test_digests(void **state) {
    static const struct {
        const char *digest;
        unsigned problems;
    } cases[] = {
        {"sha1:VL2MMHO4YXUKFWV63YHTWSBM3GXKSQ2N", 0}, /* of "hello" */
        {"SHA-1:vl2mmho4yxukfwv63yhtwsbm3gxksq2n", 0},
        {"sha1:aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d", 0},
        {"sha-256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824", 0},
        {"sha256:FTZE3OS7WCRQ4JXIHMVMLOPCTYNRMHS4D6TUEXTTAQZWFE4LTASA====", 0},
        {"md5:5d41402abc4b2a76b9719d911017c592", 0},
        {"md5:LVAUAKV4JMVHNOLRTWIRAF6FSI", 0},
        {"sha1:AAF4C61DDCC5E8A2DABEDE0F3B482CD9AEA9434E", WARC_READ_BAD_PAYLOAD_DIGEST},
        {"sha1:VL2MMHO4YXUKFWV63YHTWSBM3GXKSQ2A", WARC_READ_BAD_PAYLOAD_DIGEST},
        {"sha1:", WARC_READ_BAD_PAYLOAD_DIGEST},
        {"sha1:VL2MMHO4YXUKFWV63YHTWSBM3GXKSQ2NA", WARC_READ_BAD_PAYLOAD_DIGEST},
        {"crc:1234", 0}, /* unknown: not checked */
        {"nothing", 0},
    };
    char field[200];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(field, sizeof field, "WARC-Payload-Digest: %s\r\n", cases[i].digest);
        struct warc_read_report report = report_of(field, HEAD, "hello");
        assert_int_equal(report.problems, cases[i].problems);
        assert_int_equal(report.payload_checked, i < sizeof cases / sizeof *cases - 2);
        assert_int_equal(report.status, 404);
        assert_int_equal(report.payload_bytes, 5);
    }
    assert_int_equal(
        report_of("WARC-Block-Digest: md5:5d41402abc4b2a76b9719d911017c592\r\n", HEAD, "hello")
            .problems,
        WARC_READ_BAD_BLOCK_DIGEST);
}

static void test_chunked(void **state) {
    struct warc_read_report report = report_of(
        "WARC-Payload-Digest: sha1:VL2MMHO4YXUKFWV63YHTWSBM3GXKSQ2N\r\n", CHUNKED_HEAD, CHUNKS);

    (void)state;
    assert_int_equal(report.problems, 0);
    assert_int_equal(report.payload_bytes, 5);
    assert_false(report.payload_digest_is_of_chunks);
    /* Of the chunks as they stand. */
    report = report_of("WARC-Payload-Digest: md5:79e9489e3bd3f0cb0158215341de046d\r\n",
                       CHUNKED_HEAD, CHUNKS);
    assert_int_equal(report.problems, 0);
    assert_true(report.payload_digest_is_of_chunks);
}

static void test_fields(void **state) {
    static const char *const good[] = {
        "WARC-Type: warcinfo\r\nWARC-Date: 2026\r\n",
        "WARC-Type: metadata\r\nWARC-Date: 2026-11\r\n",
        "WARC-Type: metadata\r\nWARC-Date: 2026-11-23\r\nWARC-Concurrent-To: <a>\r\n"
        "WARC-Concurrent-To: <b>\r\n",
        "WARC-Type: request\r\nWARC-Date: 2026-11-23T14:00Z\r\nWARC-Target-URI: a:b\r\n",
        "WARC-Type: request\r\nWARC-Date: 2026-11-23T14:00:00.123456789Z\r\nWARC-Target-URI: "
        "a:b\r\n",
        "WARC-Type: revisit\r\nWARC-Date: 2026\r\nWARC-Target-URI: a:b\r\nWARC-Profile: c\r\n",
        "WARC-Type: continuation\r\nWARC-Date: 2026\r\nWARC-Target-URI: a:b\r\n"
        "WARC-Segment-Number: 2\r\n",
    };
    static const char *const bad[] = {
        "WARC-Date: 2026\r\n",
        "WARC-Type: warcinfo\r\n",
        "WARC-Type: warcinfo\r\nWARC-Date: 2026\r\nWARC-Target-URI: a:b\r\n",
        "WARC-Type: warcinfo\r\nWARC-Date: 2026\r\nWARC-Date: 2026\r\n",
        "WARC-Type: warcinfo\r\nWARC-Date: 26\r\n",
        "WARC-Type: warcinfo\r\nWARC-Date: 2026Z\r\n",
        "WARC-Type: warcinfo\r\nWARC-Date: 2026-11-23T14:00:00\r\n",
        "WARC-Type: warcinfo\r\nWARC-Date: 2026-11-23T14:00:00.Z\r\n",
        "WARC-Type: warcinfo\r\nWARC-Date: 2026-11-23T14:00:0Z\r\n",
        "WARC-Type: warcinfo\r\nWARC-Date: 2026-11-23T14:00:00Zx\r\n",
        "WARC-Type: response\r\nWARC-Date: 2026\r\n",
        "WARC-Type: response\r\nWARC-Date: 2026\r\nWARC-Target-URI: a b\r\n",
        "WARC-Segment-Number:2\r\nWARC-Type: response\r\nWARC-Date: 2026\r\nWARC-Target-URI:a\r\n",
        "WARC-Type: revisit\r\nWARC-Date: 2026\r\nWARC-Target-URI: a:b\r\n",
        "WARC-Type: continuation\r\nWARC-Date: 2026\r\nWARC-Target-URI: a:b\r\n",
    };
    size_t good_count = sizeof good / sizeof *good, bad_count = sizeof bad / sizeof *bad;

    (void)state;
    for (size_t i = 0; i < good_count + bad_count; i++) {
        buf_reset(&file);
        add("WARC/1.1\r\n" RECORD_ID);
        add(i < good_count ? good[i] : bad[i - good_count]);
        add("Content-Length: 0\r\n\r\n\r\n\r\n");
        begin();
        assert_int_equal(next(), WARC_READ_RECORD);
        assert_int_equal(check_problems(), i < good_count ? 0 : WARC_READ_BAD_FIELDS);
    }
    begin_text("WARC/1.1\r\nWARC-Record-ID: urn:x\r\nWARC-Type: warcinfo\r\nWARC-Date: 2026\r\n"
               "Content-Length: 0\r\n\r\n\r\n\r\n");
    assert_int_equal(next(), WARC_READ_RECORD);
    assert_int_equal(check_problems(), WARC_READ_BAD_FIELDS);
}

/* A source that gives a byte at a time, and fails at the end. */

struct drip {
    size_t at;
    bool fails;
};

static ssize_t drip_read(void *arg, void *bytes, size_t size) {
    struct drip *d = arg;

    if (d->at == file.len) {
        errno = EIO;
        return d->fails ? -1 : 0;
    }
    assert_true(size > 0);
    *(char *)bytes = file.data[d->at++];
    return 1;
}

static void test_sources(void **state) {
    static const char text[] =
        "WARC/1.1\r\n" FIELDS "Content-Length: 38\r\n\r\n" HEAD "body..\r\n\r\n";

    (void)state;
    for (int fails = 0; fails <= 1; fails++) {
        struct drip d = {.fails = fails != 0};
        buf_reset(&file);
        add(text);
        add_gzip(text, sizeof text - 1);
        warc_read_open(reader, (struct warc_read_source){drip_read, &d}, 1000);
        assert_int_equal(next(), WARC_READ_RECORD);
        assert_int_equal(record->offset, 1000);
        assert_int_equal(check_problems(), 0);
        assert_int_equal(next(), WARC_READ_RECORD);
        assert_int_equal(record->offset, 1000 + sizeof text - 1);
        assert_int_equal(check_problems(), 0);
        assert_int_equal(next(), fails != 0 ? WARC_READ_IO : WARC_READ_END);
        file.len -= 12;
        d.at = sizeof text - 1;
        warc_read_open(reader, (struct warc_read_source){drip_read, &d}, 0);
        assert_int_equal(next(), WARC_READ_RECORD);
        warc_read_finish(reader);
        assert_int_equal(next(), fails != 0 ? WARC_READ_IO : WARC_READ_END);
    }
}

/* Records larger than the windows, and a Content-Length beyond all files. */
static void test_large(void **state) {
    enum { LEN = 5 << 20 };
    char *text = malloc(LEN + 100);
    const unsigned char *bytes;
    size_t n, sum = 0;

    (void)state;
    assert_non_null(text);
    int head = snprintf(text, 100, "WARC/1.1\r\nContent-Length: %d\r\n\r\n", LEN);
    memset(text + head, 'x', LEN);
    memcpy(text + head + LEN, "\r\n\r\n", 5);
    add(text);
    add_gzip(text, (size_t)head + LEN + 4);
    begin();
    for (int i = 0; i < 2; i++) {
        assert_int_equal(next(), WARC_READ_RECORD);
        for (sum = 0; (n = warc_read_block(reader, &bytes)) > 0; sum += n)
            assert_true(bytes[0] == 'x' && bytes[n - 1] == 'x');
        assert_int_equal(sum, LEN);
        assert_int_equal(warc_read_finish(reader), 0);
    }
    assert_int_equal(next(), WARC_READ_END);
    begin_text("WARC/1.1\r\nContent-Length: 922337203685477579\r\n\r\nab");
    assert_int_equal(next(), WARC_READ_RECORD);
    assert_int_equal(warc_read_finish(reader), WARC_READ_CUT_OFF);
    assert_int_equal(next(), WARC_READ_END);
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_tolerated, setup, teardown),
        cmocka_unit_test_setup_teardown(test_broken, setup, teardown),
        cmocka_unit_test_setup_teardown(test_header_limits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(test_flipped, setup, teardown),
        cmocka_unit_test_setup_teardown(test_member_boundaries, setup, teardown),
        cmocka_unit_test_setup_teardown(test_http, setup, teardown),
        cmocka_unit_test_setup_teardown(test_digests, setup, teardown),
        cmocka_unit_test_setup_teardown(test_chunked, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fields, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sources, setup, teardown),
        cmocka_unit_test_setup_teardown(test_large, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
