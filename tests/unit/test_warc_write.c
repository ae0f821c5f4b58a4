/* What warc_write writes, read back with warc_read (which shares nothing with it). */
#include "shared/buf.h"
#include "shared/limits.h"
#include "shared/warc_read.h"
#include "shared/warc_write.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_BYTES = 64 << 20 };

struct fixture {
    struct buf file;
    size_t room; /* bytes that the sink takes before it fails */
    struct warc_write *w;
    struct warc_read *r;
    struct warc_write_place place;
};

static bool sink(void *arg, const void *bytes, size_t len) {
    struct fixture *f = arg;

    if (len > f->room)
        return false;
    f->room -= len;
    return buf_append(&f->file, bytes, len);
}

static void setup_level(struct fixture *f, int level) {
    *f = (struct fixture){.room = SIZE_MAX};
    buf_init(&f->file, FILE_BYTES);
    f->w = warc_write_new(level, (struct warc_write_sink){.write = sink, .arg = f});
    f->r = warc_read_new();
    assert_non_null(f->w);
    assert_non_null(f->r);
}

static void setup(struct fixture *f) {
    setup_level(f, WARC_WRITE_LEVEL_DEFAULT);
}

static void teardown(struct fixture *f) {
    warc_write_free(f->w);
    warc_read_free(f->r);
    buf_release(&f->file);
}

#define HEAD "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n"
static const char uri[] = "http://example.com/a?b=c";

static struct warc_write_record response(const char *head, const struct warc_write_piece *body,
                                         size_t body_count) {
    return (struct warc_write_record){.type = WARC_WRITE_RESPONSE,
                                      .uri = uri,
                                      .uri_len = sizeof uri - 1,
                                      .date_ms = 1700000000123,
                                      .ip = "192.0.2.7",
                                      .head = head,
                                      .head_len = head != NULL ? strlen(head) : 0,
                                      .body = body,
                                      .body_count = body_count};
}

static void write_ok(struct fixture *f, const struct warc_write_record *r) {
    uint64_t before = warc_write_offset(f->w);

    assert_int_equal(warc_write_record(f->w, r, &f->place), WARC_WRITE_OK);
    assert_int_equal(f->place.offset, before);
    assert_int_equal(warc_write_offset(f->w), f->file.len);
    assert_int_equal(f->place.offset + f->place.length, f->file.len);
}

/* Reads the record that was written last; it must be good in every way. */
static const struct warc_read_record *read_back(struct fixture *f) {
    const struct warc_read_record *record;
    struct warc_read_report report;

    for (int pass = 0;; pass++) {
        warc_read_open_bytes(f->r, f->file.data + f->place.offset, (size_t)f->place.length);
        assert_int_equal(warc_read_next(f->r, &record), WARC_READ_RECORD);
        assert_true(record->is_gzip);
        if (pass == 1)
            return record;
        assert_int_equal(warc_read_check(f->r, &report), WARC_READ_RECORD);
        assert_int_equal(report.problems, 0);
        assert_false(report.payload_digest_is_of_chunks);
        assert_int_equal(record->length, f->place.length);
        assert_int_equal(warc_read_next(f->r, &record), WARC_READ_END);
    }
}

static void has_field(struct fixture *f, const char *name, const char *value) {
    const char *got = warc_read_field(f->r, name);

    if (value == NULL)
        assert_null(got);
    else
        assert_string_equal(got, value);
}

/* The HTTP header block and the payload are these. */
static void has_block(struct fixture *f, const char *head, const char *payload, size_t len) {
    struct warc_read_http http;
    const unsigned char *bytes;
    size_t n, at = 0;

    assert_int_equal(warc_read_http(f->r, &http), WARC_READ_RECORD);
    assert_string_equal(http.head, head);
    while ((n = warc_read_block(f->r, &bytes)) > 0) {
        assert_true(n <= len - at);
        assert_memory_equal(bytes, payload + at, n);
        at += n;
    }
    assert_int_equal(at, len);
}

static void test_response(void **state) {
    const struct warc_write_piece body[] = {{"<p>", 3}, {NULL, 0}, {"hello", 5}};
    struct warc_write_record r = response(HEAD, body, 3);
    struct fixture f;
    char text[WARC_WRITE_DIGEST_TEXT_SIZE], id[WARC_WRITE_ID_TEXT_SIZE];

    (void)state;
    setup(&f);
    warc_write_seek(f.w, 0);
    write_ok(&f, &r);
    const struct warc_read_record *got = read_back(&f);
    assert_string_equal(got->version, "1.1");
    assert_string_equal(got->type, "response");
    assert_int_equal(got->content_length, strlen(HEAD) + 8);
    has_field(&f, "WARC-Target-URI", uri);
    has_field(&f, "WARC-Date", "2023-11-14T22:13:20.123Z");
    has_field(&f, "WARC-IP-Address", "192.0.2.7");
    has_field(&f, "Content-Type", "application/http; msgtype=response");
    has_field(&f, "WARC-Truncated", NULL);
    warc_write_id_text(f.place.record_id, id);
    has_field(&f, "WARC-Record-ID", id);
    assert_int_equal(id[10 + 14], '4'); /* the UUID's version */
    warc_write_digest_text(f.place.payload_digest, text);
    has_field(&f, "WARC-Payload-Digest", text);
    assert_string_equal(text, "sha1:6VMT7HTE2K745SIQUUYG3CKPEJVFD5GH"); /* of another program */
    has_block(&f, HEAD, "<p>hello", 8);
    teardown(&f);
}

/* A block that is made beforehand makes the same record, small or large; a revisit takes no notice of its body. */
static void test_block_made_before(void **state) {
    static char large[WARC_WRITE_WHOLE_BYTES + 1000];
    const size_t lengths[] = {0, 5, 9000, sizeof large};
    struct warc_block *block = warc_block_new();
    struct fixture f;

    (void)state;
    assert_non_null(block);
    memset(large, 'x', sizeof large);
    setup(&f);
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        const struct warc_write_piece body = {large, lengths[i]};
        struct warc_write_record r = response(HEAD, &body, 1);
        uint8_t digest[DIGEST_BYTES];
        write_ok(&f, &r);
        memcpy(digest, f.place.payload_digest, sizeof digest);
        assert_int_equal(warc_block_make(block, WARC_WRITE_RESPONSE, r.head, r.head_len, &body, 1),
                         WARC_WRITE_OK);
        assert_memory_equal(block->payload_digest, digest, sizeof digest);
        r.block = block;
        write_ok(&f, &r);
        assert_memory_equal(f.place.payload_digest, digest, sizeof digest);
        (void)read_back(&f);
        has_block(&f, HEAD, large, lengths[i]);
        r.type = WARC_WRITE_REVISIT;
        r.body_count = 0;
        r.payload_digest = digest;
        write_ok(&f, &r);
        (void)read_back(&f);
        has_block(&f, HEAD, "", 0);
    }
    assert_int_equal(warc_block_make(block, WARC_WRITE_RESPONSE, "no HTTP", 7, NULL, 0),
                     WARC_WRITE_INVALID);
    warc_block_free(block);
    teardown(&f);
}

static void test_digest_text(void **state) {
    char text[WARC_WRITE_DIGEST_TEXT_SIZE];
    uint8_t digest[20];

    (void)state;
    memset(digest, 0, sizeof digest);
    warc_write_digest_text(digest, text);
    assert_string_equal(text, "sha1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    memset(digest, 0xff, sizeof digest);
    warc_write_digest_text(digest, text);
    assert_string_equal(text, "sha1:77777777777777777777777777777777");
}

static void test_truncated_and_dates(void **state) {
    static const char *const reasons[] = {NULL, "length", "time", "disconnect"};
    static const struct {
        int64_t ms;
        const char *text;
    } dates[] = {{0, "1970-01-01T00:00:00.000Z"},
                 {-1, "1969-12-31T23:59:59.999Z"},
                 {-62135596800000, "0001-01-01T00:00:00.000Z"},
                 {253402300799999, "9999-12-31T23:59:59.999Z"}};
    const struct warc_write_piece body = {"x", 1};
    struct warc_write_record r = response(HEAD, &body, 1);
    struct fixture f;

    (void)state;
    setup(&f);
    for (int i = 0; i < 4; i++) {
        r.truncated = (enum warc_write_truncated)i;
        r.date_ms = dates[i].ms;
        write_ok(&f, &r);
        read_back(&f);
        has_field(&f, "WARC-Truncated", reasons[i]);
        has_field(&f, "WARC-Date", dates[i].text);
    }
    teardown(&f);
}

static void test_info(void **state) {
    struct fixture f;
    struct buf fields;
    const unsigned char *bytes;

    (void)state;
    setup(&f);
    buf_init(&fields, 1000);
    assert_true(warc_write_info_field(&fields, "software", "trawl/0.1.0"));
    assert_true(warc_write_info_field(&fields, "format", "WARC File Format 1.1"));
    assert_false(warc_write_info_field(&fields, "robots", "obey\r\nevil: 1"));
    assert_false(warc_write_info_field(&fields, "a:b", "c"));
    assert_false(warc_write_info_field(&fields, "", "c"));
    assert_int_equal(warc_write_info(f.w, 0, "a.warc.gz", fields.data, fields.len, &f.place),
                     WARC_WRITE_OK);
    const struct warc_read_record *got = read_back(&f);
    assert_string_equal(got->type, "warcinfo");
    has_field(&f, "WARC-Filename", "a.warc.gz");
    has_field(&f, "Content-Type", "application/warc-fields");
    assert_int_equal(warc_read_block(f.r, &bytes), fields.len);
    assert_memory_equal(bytes, fields.data, fields.len);
    assert_int_equal(warc_write_info(f.w, 0, "a\nb", "", 0, &f.place), WARC_WRITE_INVALID);
    buf_release(&fields);
    teardown(&f);
}

static void test_revisit_and_request(void **state) {
    static const char get[] = "GET /a?b=c HTTP/1.1\r\nHost: example.com\r\n\r\n";
    struct warc_write_record r = response(HEAD, NULL, 0);
    uint8_t digest[20] = {1}, id[16] = {2};
    struct fixture f;

    (void)state;
    setup(&f);
    r.type = WARC_WRITE_REVISIT;
    assert_int_equal(warc_write_record(f.w, &r, &f.place), WARC_WRITE_INVALID);
    r.payload_digest = digest;
    r.refers_to_uri = "http://example.com/old";
    r.refers_to_uri_len = strlen(r.refers_to_uri);
    r.refers_to_date_ms = 1600000000000;
    r.refers_to_id = id;
    write_ok(&f, &r);
    assert_memory_equal(f.place.payload_digest, digest, 20);
    read_back(&f);
    has_field(&f, "WARC-Profile",
              "http://netpreserve.org/warc/1.1/revisit/identical-payload-digest");
    has_field(&f, "WARC-Payload-Digest", "sha1:AEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    has_field(&f, "WARC-Refers-To", "<urn:uuid:02000000-0000-0000-0000-000000000000>");
    has_field(&f, "WARC-Refers-To-Target-URI", "http://example.com/old");
    has_field(&f, "WARC-Refers-To-Date", "2020-09-13T12:26:40.000Z");
    has_field(&f, "WARC-Truncated", "length");

    /* What is no URI is escaped, and stands there as it is, too. */
    r.uri = "http://example.com/a|b";
    r.uri_len = strlen(r.uri);
    r.refers_to_uri = "http://example.com/100%";
    r.refers_to_uri_len = strlen(r.refers_to_uri);
    write_ok(&f, &r);
    read_back(&f);
    has_field(&f, "WARC-Target-URI", "http://example.com/a%7Cb");
    has_field(&f, WARC_WRITE_TARGET_URL, "http://example.com/a|b");
    has_field(&f, "WARC-Refers-To-Target-URI", "http://example.com/100%25");
    has_field(&f, WARC_WRITE_REFERS_TO_URL, "http://example.com/100%");

    /* The largest that there can be. */
    static char longest[LIMIT_URL_BYTES];
    memset(longest, '|', sizeof longest);
    memcpy(longest, "http://a/", 9);
    r.uri = r.refers_to_uri = longest;
    r.uri_len = r.refers_to_uri_len = sizeof longest;
    write_ok(&f, &r);
    read_back(&f);
    has_field(&f, WARC_WRITE_REFERS_TO_URL, NULL);

    r = response("HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\n\r\n", NULL, 0);
    r.type = WARC_WRITE_REVISIT;
    r.profile = WARC_WRITE_NOT_MODIFIED;
    write_ok(&f, &r);
    read_back(&f);
    has_field(&f, "WARC-Profile", "http://netpreserve.org/warc/1.1/revisit/server-not-modified");
    has_field(&f, "WARC-Payload-Digest", NULL);
    r.head_len = 0;
    write_ok(&f, &r);
    assert_int_equal(read_back(&f)->content_length, 0);

    r = response(get, NULL, 0);
    r.type = WARC_WRITE_REQUEST;
    r.concurrent_to = id;
    write_ok(&f, &r);
    read_back(&f);
    has_field(&f, "WARC-Concurrent-To", "<urn:uuid:02000000-0000-0000-0000-000000000000>");
    has_field(&f, "Content-Type", "application/http; msgtype=request");
    has_block(&f, get, "", 0);
    teardown(&f);
}

static void test_head(void **state) {
    static const char *const pairs[][2] = {
        {"HTTP/1.1 200 OK\nA: b\n\n", "HTTP/1.1 200 OK\r\nA: b\r\n\r\n"},
        {"HTTP/1.1 200 OK\r\nA: b", "HTTP/1.1 200 OK\r\nA: b\r\n\r\n"},
        {"HTTP/1.1 200 OK\r\nA: b\r\r\n \r\nC: d\r\n\r\n",
         "HTTP/1.1 200 OK\r\nA: b\r\nC: d\r\n\r\n"},
        {"HTTP/1.1 200 OK\r\ntransfer-ENCODING : gzip,\r\n chunked\r\n\r\n",
         "HTTP/1.1 200 OK\r\nX-Crawler-transfer-ENCODING : gzip,\r\n chunked\r\n\r\n"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding-X: 1\r\n\r\n",
         "HTTP/1.1 200 OK\r\nTransfer-Encoding-X: 1\r\n\r\n"},
        {"HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nX-Crawler-Note: no fields\r\n\r\n"},
        {"HTTP/1.1 200 OK\r\nA: b\r\n\r", "HTTP/1.1 200 OK\r\nA: b\r\n\r\n"},
    };
    static const char *const refused[] = {
        "",         "\r\n", "<html>",
        "WARC/1.1", "HTTP", "HTTP/1.1 200 OK\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    };
    const struct warc_write_piece body = {"\r\n\r\nWARC/1.1\r\n", 14};
    struct fixture f;

    (void)state;
    setup(&f);
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        struct warc_write_record r = response(pairs[i][0], &body, 1);
        write_ok(&f, &r);
        read_back(&f);
        has_block(&f, pairs[i][1], body.bytes, body.len);
    }
    size_t len = f.file.len;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct warc_write_record r = response(refused[i], &body, 1);
        assert_int_equal(warc_write_record(f.w, &r, &f.place), WARC_WRITE_INVALID);
    }
    assert_int_equal(f.file.len, len);
    teardown(&f);
}

/* Nothing that comes from outside can hold a line end into the header. */
static void test_forgery(void **state) {
    static const char *const uris[] = {
        "",
        "http://a/\r\nWARC-Type: resource",
        "http://a/\n",
        "http://a/ b",
        "http://a/\x7f",
        "http://a/\xc3\xa9",
    };
    static const char *const ips[] = {"", "::1\r\nX: y", "fe80::1%eth0", "1.2.3.4 "};
    struct warc_write_record r = response(HEAD, NULL, 0);
    struct fixture f;

    (void)state;
    setup(&f);
    for (size_t i = 0; i < sizeof uris / sizeof *uris; i++) {
        r.uri = uris[i];
        r.uri_len = strlen(uris[i]);
        assert_int_equal(warc_write_record(f.w, &r, &f.place), WARC_WRITE_INVALID);
    }
    r.uri = "http://a/\0b";
    r.uri_len = 11;
    assert_int_equal(warc_write_record(f.w, &r, &f.place), WARC_WRITE_INVALID);
    r = response(HEAD, NULL, 0);
    for (size_t i = 0; i < sizeof ips / sizeof *ips; i++) {
        r.ip = ips[i];
        assert_int_equal(warc_write_record(f.w, &r, &f.place), WARC_WRITE_INVALID);
    }
    r.ip = NULL;
    r.date_ms = INT64_MAX;
    assert_int_equal(warc_write_record(f.w, &r, &f.place), WARC_WRITE_INVALID);
    r.date_ms = 0;
    write_ok(&f, &r);
    assert_int_equal(f.place.offset, 0);
    read_back(&f);
    has_field(&f, "WARC-IP-Address", NULL);
    teardown(&f);
}

/* Around the size from which on records are compressed as a stream, and of both kinds in turn. */
static void test_sizes(void **state) {
    static const size_t sizes[] = {0,
                                   1,
                                   WARC_WRITE_WHOLE_BYTES - 200,
                                   1 << 20,
                                   WARC_WRITE_WHOLE_BYTES + (2 << 20),
                                   WARC_WRITE_WHOLE_BYTES + 1,
                                   100,
                                   2 << 20};
    const size_t longest = WARC_WRITE_WHOLE_BYTES + (2 << 20);
    char *bytes = malloc(longest);
    uint32_t seed = 1;

    (void)state;
    assert_non_null(bytes);
    for (size_t i = 0; i < longest; i++) {
        seed = seed * 1664525 + 1013904223;
        bytes[i] = (char)(i % 8192 < 4096 ? seed >> 24 : 'a');
    }
    for (int level = 0; level <= WARC_WRITE_LEVEL_MAX; level += 6) {
        struct fixture f;
        setup_level(&f, level);
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            const struct warc_write_piece body[] = {
                {bytes, sizes[i] / 3}, {bytes + sizes[i] / 3, sizes[i] - sizes[i] / 3}};
            struct warc_write_record r = response(HEAD, body, 2);
            write_ok(&f, &r);
            read_back(&f);
            has_block(&f, HEAD, bytes, sizes[i]);
        }
        teardown(&f);
    }
    free(bytes);
    assert_null(warc_write_new(13, (struct warc_write_sink){.write = sink}));
    assert_null(warc_write_new(-1, (struct warc_write_sink){.write = sink}));
}

/* A file of many: the offsets lead to the records, the IDs differ. */
static void test_many(void **state) {
    enum { COUNT = 600 };
    struct warc_write_place places[COUNT];
    const struct warc_read_record *record;
    struct fixture f;
    char text[64];

    (void)state;
    setup(&f);
    for (int i = 0; i < COUNT; i++) {
        const struct warc_write_piece body = {text, (size_t)snprintf(text, sizeof text, "%d", i)};
        struct warc_write_record r = response(HEAD, &body, 1);
        write_ok(&f, &r);
        places[i] = f.place;
        for (int k = 0; k < i; k++)
            assert_memory_not_equal(places[k].record_id, places[i].record_id, 16);
    }
    warc_read_open_bytes(f.r, f.file.data, f.file.len);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(warc_read_next(f.r, &record), WARC_READ_RECORD);
        assert_int_equal(record->offset, places[i].offset);
        assert_int_equal(warc_read_finish(f.r), 0);
        assert_int_equal(record->length, places[i].length);
    }
    assert_int_equal(warc_read_next(f.r, &record), WARC_READ_END);
    teardown(&f);
}

/* The sink fails at every place; the next record goes where that one would have gone. */
static void test_sink_fails(void **state) {
    char *bytes = calloc(1, 2 << 20);
    const struct warc_write_piece body[] = {{"hello", 5}, {bytes, 2 << 20}};
    struct fixture f;

    (void)state;
    assert_non_null(bytes);
    for (size_t i = 0; i < 2 << 20; i++)
        bytes[i] = (char)(i * i >> 7);
    for (size_t pieces = 1; pieces <= 2; pieces++) {
        setup(&f);
        struct warc_write_record r = response(HEAD, body, pieces);
        write_ok(&f, &r);
        size_t len = f.file.len;
        for (size_t room = 0; room < len; room += 1 + len / 7) {
            f.room = room;
            assert_int_equal(warc_write_record(f.w, &r, &f.place), WARC_WRITE_SINK);
            assert_int_equal(warc_write_offset(f.w), len);
            f.file.len = len;
        }
        f.room = SIZE_MAX;
        write_ok(&f, &r);
        read_back(&f);
        teardown(&f);
    }
    free(bytes);
}

static void test_head_limit(void **state) {
    size_t len = 3 * LIMIT_HEADER_BYTES;
    char *head = malloc(len + 1);
    struct fixture f;

    (void)state;
    assert_non_null(head);
    memset(head, 'x', len);
    head[len] = '\0';
    memcpy(head, "HTTP/1.1 200 OK\r\n", 17);
    setup(&f);
    struct warc_write_record r = response(head, NULL, 0);
    assert_int_equal(warc_write_record(f.w, &r, &f.place), WARC_WRITE_INVALID);
    r.head_len = LIMIT_HEADER_BYTES;
    write_ok(&f, &r);
    read_back(&f);
    teardown(&f);
    free(head);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_response),    cmocka_unit_test(test_block_made_before),
        cmocka_unit_test(test_digest_text), cmocka_unit_test(test_truncated_and_dates),
        cmocka_unit_test(test_info),        cmocka_unit_test(test_revisit_and_request),
        cmocka_unit_test(test_head),        cmocka_unit_test(test_forgery),
        cmocka_unit_test(test_sizes),       cmocka_unit_test(test_many),
        cmocka_unit_test(test_sink_fails),  cmocka_unit_test(test_head_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
