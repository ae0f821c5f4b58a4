/* export: a crawldb made by hand, written out in each format: final places of records, escapes, order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/export.h"
#include "cli/rows.h"
#include "master/master.h"
#include "master/record.h"
#include "master/store_rocks.h"

static char dir[64];

static ProtobufCBinaryData bytes(const char *text) {
    return (ProtobufCBinaryData){.data = (uint8_t *)text, .len = strlen(text)};
}

static void put(struct batch *b, struct record_key key, const ProtobufCMessage *m) {
    struct buf value;

    buf_init(&value, 1 << 20);
    assert_true(wire_pack(&value, m));
    assert_true(batch_put(b, key.bytes, key.len, value.data, value.len));
    buf_release(&value);
}

/* Two origins; a segment of which 100 bytes at 50 and 10 at 400 were cut out, and one that is still open. */
static void put_places(struct batch *b) {
    Trawl__StoredOrigin o = TRAWL__STORED_ORIGIN__INIT;
    Trawl__StoredSegment s = TRAWL__STORED_SEGMENT__INIT;
    uint64_t offsets[] = {50, 400}, lengths[] = {100, 10};

    o.name = bytes("http://a.example");
    put(b, record_origin(1), &o.base);
    o.name = bytes("http://b.example:8080");
    put(b, record_origin(2), &o.base);
    s.name = "w1-0-1";
    s.worker = "w1";
    s.sealed = true;
    s.size = 1000;
    s.n_hole_offsets = s.n_hole_lengths = 2;
    s.hole_offsets = offsets;
    s.hole_lengths = lengths;
    put(b, record_segment(1), &s.base);
    s = (Trawl__StoredSegment)TRAWL__STORED_SEGMENT__INIT;
    s.name = "w2-0-1";
    s.worker = "w2";
    put(b, record_segment(2), &s.base);
}

static void put_urls(struct batch *b) {
    static unsigned char digest[20] = {1, 2, 3};
    static unsigned char ip[] = {192, 0, 2, 7};
    Trawl__DoneUrl d = TRAWL__DONE_URL__INIT;
    Trawl__QueuedUrl q = TRAWL__QUEUED_URL__INIT;

    d.origin = 2;
    d.path = bytes("/z");
    d.seed = true;
    d.state = TRAWL__STATE__FETCHED;
    d.reason = "";
    d.status = 200;
    d.mime = bytes("text/html");
    d.length = 77;
    d.digest = (ProtobufCBinaryData){.data = digest, .len = sizeof digest};
    d.fetched_at_ms = 1700000000123;
    d.duration_ms = 9;
    d.attempts = 1;
    d.ip = (ProtobufCBinaryData){.data = ip, .len = sizeof ip};
    d.segment = 1;
    d.offset = 410;
    d.record_length = 90;
    put(b, record_done(10), &d.base);

    d.origin = 1;
    d.path = bytes("/a?=\"x\",y");
    d.via = 10;
    d.depth = 1;
    d.state = TRAWL__STATE__REDIRECTED;
    d.status = 301;
    d.mime = bytes("=\x1b[31m");
    d.redirect_to = bytes("http://a.example/b");
    d.segment = 2;
    d.offset = 5;
    put(b, record_done(11), &d.base);

    d = (Trawl__DoneUrl)TRAWL__DONE_URL__INIT;
    d.origin = 1;
    d.path = bytes("/robots-says-no");
    d.via = 10;
    d.state = TRAWL__STATE__EXCLUDED;
    d.reason = "robots";
    put(b, record_done(12), &d.base);

    d.path = bytes("/a");
    d.state = TRAWL__STATE__FETCHED;
    d.reason = "";
    d.status = 200;
    d.fetched_at_ms = 1700000000000;
    d.digest = (ProtobufCBinaryData){.data = digest, .len = sizeof digest};
    d.segment = 1;
    d.offset = 0;
    d.record_length = 50;
    put(b, record_done(13), &d.base);

    q.fp = 14;
    q.via = 11;
    q.depth = 2;
    q.path = bytes("/waits");
    put(b, record_queued(1, (struct queue_place){.depth = 2, .seq = 7}), &q.base);
    q.fp = 15;
    q.robots_for = 2; /* no page */
    put(b, record_queued(1, (struct queue_place){.depth = 2, .seq = 8}), &q.base);
}

static int make_crawl(void **state) {
    char path[100];
    struct error err = {0};
    struct batch b;
    uint64_t seq;

    (void)state;
    snprintf(dir, sizeof dir, "/tmp/trawl-export.XXXXXX");
    assert_non_null(mkdtemp(dir));
    struct master *m = master_open(dir, &err); /* makes the directory and its lock */
    assert_non_null(m);
    master_close(m);
    snprintf(path, sizeof path, "%s/state", dir);
    struct store *store = store_rocks_open(path, STORE_ROCKS_OPEN, &err);
    assert_non_null(store);
    batch_init(&b);
    put_places(&b);
    put_urls(&b);
    assert_true(store_write(store, &b, &seq, &err));
    assert_true(store_sync(store, &seq, &err));
    batch_release(&b);
    store_close(store);
    return 0;
}

static int remove_crawl(void **state) {
    char command[100];

    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command);
}

static char *exported(enum args_format format) {
    char *text = NULL;
    size_t len;
    struct error err = {0};
    FILE *f = open_memstream(&text, &len);

    assert_non_null(f);
    if (!export_write(dir, format, f, &err))
        fail_msg("%s", err.text);
    fclose(f);
    return text;
}

static void test_jsonl(void **state) {
    char *text = exported(FORMAT_JSONL);

    (void)state;
    assert_non_null(strstr(
        text,
        "{\"url\":\"http://b.example:8080/z\",\"state\":\"fetched\",\"reason\":null,"
        "\"status\":200,\"depth\":0,\"via\":null,\"mime\":\"text/html\",\"length\":77,"
        "\"digest\":\"sha1:AEBAGAAAAAAAAAAAAAAAAAAAAAAAAAAA\","
        "\"fetched_at\":\"2023-11-14T22:13:20.123Z\",\"duration_ms\":9,\"attempts\":1,"
        "\"worker\":\"w1\",\"ip\":\"192.0.2.7\",\"redirect_to\":null,"
        "\"warc_file\":\"archive/w1-0-1.warc.gz\",\"warc_offset\":300,\"warc_length\":90}\n"));
    assert_non_null(strstr(text, "\"mime\":\"=\\u001b[31m\""));
    assert_non_null(
        strstr(text, "\"warc_file\":\"archive/w2-0-1.warc.gz.open\",\"warc_offset\":5,"));
    assert_non_null(strstr(text, "{\"url\":\"http://a.example/waits\",\"state\":\"pending\","));
    assert_non_null(strstr(text, "\"via\":\"http://a.example/a?=\\\"x\\\",y\""));
    assert_null(strchr(text, 0x1b));
    size_t lines = 0;
    for (const char *p = text; *p != '\0'; p++)
        lines += *p == '\n';
    assert_int_equal(lines, 5);
    free(text);
}

static void test_csv(void **state) {
    char *text = exported(FORMAT_CSV);

    (void)state;
    assert_int_equal(strncmp(text,
                             "url,state,reason,status,depth,via,mime,length,digest,fetched_at,"
                             "duration_ms,attempts,worker,ip,redirect_to,warc_file,warc_offset,"
                             "warc_length\r\n",
                             140),
                     0);
    assert_non_null(strstr(text, "\"http://a.example/a?=\"\"x\"\",y\""));
    assert_non_null(strstr(text, "\"'=\xef\xbf\xbd[31m\"")); /* no formula, no escape sequence */
    assert_null(strchr(text, 0x1b));
    free(text);
}

static void test_cdxj(void **state) {
    char *text = exported(FORMAT_CDXJ);

    (void)state;
    /* Sorted by bytes; what is not sealed has no place yet. */
    const char *a = strstr(text, "example,a)/a 20231114221320 {");
    const char *b = strstr(text, "example,b:8080)/z 20231114221320 {");
    assert_non_null(a);
    assert_non_null(b);
    assert_true(a == text && b > a);
    assert_non_null(strstr(b, "\"offset\": \"300\""));
    assert_null(strstr(text, "w2-0-1"));
    free(text);
}

static void test_links(void **state) {
    char *text = exported(FORMAT_LINKS);

    (void)state;
    assert_non_null(strstr(text, "http://b.example:8080/z\thttp://a.example/a?=\"x\",y\n"));
    assert_non_null(strstr(text, "http://a.example/a?=\"x\",y\thttp://a.example/waits\n"));
    free(text);
}

static void test_in_use(void **state) {
    struct error err = {0};
    struct master *m = master_open(dir, &err);

    (void)state;
    assert_non_null(m);
    assert_null(rows_open(dir, &err));
    assert_non_null(strstr(err.text, "in use"));
    assert_null(master_open(dir, &err));
    assert_non_null(strstr(err.text, "in use by another crawl (pid "));
    master_close(m);
    assert_null(rows_open("/nonexistent/crawl", &err));
    assert_non_null(strstr(err.text, "/nonexistent/crawl"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jsonl), cmocka_unit_test(test_csv),    cmocka_unit_test(test_cdxj),
        cmocka_unit_test(test_links), cmocka_unit_test(test_in_use),
    };

    return cmocka_run_group_tests_name("export", tests, make_crawl, remove_crawl);
}
