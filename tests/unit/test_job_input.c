/* job_input, splits, warc_find: each record once, whatever the splits; lines and pages as they are. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#include "shared/buf.h"
#include "shared/log.h"
#include "shared/splits.h"
#include "shared/warc_write.h"
#include "worker/job_input.h"

static char base[64], path[128];

static int set_up(void **state) {
    char archive[128];

    (void)state;
    snprintf(base, sizeof base, "/tmp/test_job_input.XXXXXX");
    if (mkdtemp(base) == NULL)
        return -1;
    snprintf(archive, sizeof archive, "%s/archive", base);
    snprintf(path, sizeof path, "%s/archive/w-1.warc.gz", base);
    return mkdir(archive, 0700);
}

static int tear_down(void **state) {
    char archive[128];

    (void)state;
    unlink(path);
    snprintf(archive, sizeof archive, "%s/archive", base);
    return rmdir(archive) | rmdir(base);
}

static void write_file(const void *bytes, size_t len) {
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, len, f), len);
    fclose(f);
}

static struct job_input *open_split(Trawl__InputKind kind, uint64_t from, uint64_t to) {
    Trawl__Split split = TRAWL__SPLIT__INIT;
    struct error err = {0};

    split.kind = kind;
    split.path = (ProtobufCBinaryData){strlen(path), (uint8_t *)path};
    split.from = from;
    split.to = to;
    struct job_input *in = job_input_new(&split, &err);
    if (in == NULL)
        fail_msg("%s", err.text);
    return in;
}

static bool next(struct job_input *in, struct trawl_record *r) {
    struct error err = {0};
    enum job_input_result why = job_input_next(in, r, &err);

    if (why == JOB_INPUT_FAILED)
        fail_msg("%s", err.text);
    if (why == JOB_INPUT_RECORD)
        assert_int_equal(r->data[r->len], '\0');
    return why == JOB_INPUT_RECORD;
}

/* ---- lines ------------------------------------------------------------------------------------------------ */

/* The reference: the next line of `text` at `*at`. */
static bool line_of(const char *text, size_t len, size_t *at, size_t *from, size_t *line_len) {
    if (*at >= len)
        return false;
    *from = *at;
    while (*at < len && text[*at] != '\n')
        ++*at;
    *line_len = *at - *from;
    if (*at < len) {
        if (*line_len > 0 && text[*at - 1] == '\r')
            --*line_len;
        ++*at;
    }
    return true;
}

static void expect_lines(const char *text, size_t len, uint64_t split_bytes) {
    size_t at = 0, from = 0, line_len;
    uint64_t bytes = 0;
    struct trawl_record r;

    for (uint64_t begin = 0; begin < len; begin += split_bytes) {
        uint64_t end = begin + split_bytes < len ? begin + split_bytes : len;
        struct job_input *in = open_split(TRAWL__INPUT_KIND__LINES, begin, end);
        while (next(in, &r)) {
            assert_true(line_of(text, len, &at, &from, &line_len));
            assert_int_equal(r.number, from);
            assert_true(from >= begin && from < end);
            assert_int_equal(r.len, line_len);
            assert_memory_equal(r.data, text + from, line_len);
            assert_string_equal(r.name, "w-1.warc.gz");
            assert_string_equal(r.mime, "");
        }
        bytes += in->bytes;
        job_input_free(in);
    }
    assert_false(line_of(text, len, &at, &from, &line_len));
    assert_int_equal(bytes, len);
}

static void test_lines_in_splits_of_all_sizes(void **state) {
    static const char *const texts[] = {
        "one\ntwo\nthree\n",
        "one\ntwo\nthree",
        "\n",
        "\n\n\n",
        "a",
        "\r\n",
        "a\r\nb\r\n\r\nc\r",
        "a\rb\n\r\r\n",
        "\nfirst\n\nlast\n\n",
        "x\n\r\ny",
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        size_t len = strlen(texts[i]);
        write_file(texts[i], len);
        for (uint64_t n = 1; n <= len + 1; n++)
            expect_lines(texts[i], len, n);
    }
    expect_lines("", 0, 1);
}

/* Windows are filled several times. */
static void test_many_lines(void **state) {
    enum { SIZE = 9 << 20 };
    char *text = malloc(SIZE);
    uint32_t seed = 1;

    (void)state;
    for (size_t i = 0; i < SIZE; i++) {
        seed = seed * 1664525u + 1013904223u;
        unsigned n = seed >> 24;
        text[i] = n < 4 ? '\n' : n < 6 ? '\r' : (char)('a' + n % 26);
    }
    write_file(text, SIZE);
    expect_lines(text, SIZE, SIZE);
    expect_lines(text, SIZE, (1 << 20) + 1);
    expect_lines(text, SIZE, 777777);
    free(text);
}

/* Pieces of one long line: in its split only, together what it was, each as long as may be. */
/* Of one line that is longer than it may be, or of none; which is counted. */
static void expect_pieces(const char *text, size_t len, uint64_t split_bytes, unsigned count) {
    struct trawl_record r;
    size_t at = 0;
    unsigned pieces = 0, cut = 0;

    for (uint64_t begin = 0; begin < len; begin += split_bytes) {
        uint64_t end = begin + split_bytes < len ? begin + split_bytes : len;
        struct job_input *in = open_split(TRAWL__INPUT_KIND__LINES, begin, end);
        while (next(in, &r)) {
            assert_int_equal(r.number, at);
            assert_true(r.len <= JOB_LINE_BYTES);
            assert_memory_equal(r.data, text + at, r.len);
            at += r.len;
            if (at < len && (text[at] == '\r' || text[at] == '\n'))
                at += text[at] == '\r' ? 2 : 1;
            pieces++;
        }
        cut += (unsigned)in->cut;
        job_input_free(in);
    }
    const char *end = memchr(text, '\n', len);
    size_t first = end != NULL ? (size_t)(end - text) : len;
    assert_int_equal(cut, first > JOB_LINE_BYTES + 1);
    assert_int_equal(at, len);
    assert_int_equal(pieces, count);
}

static void test_long_lines(void **state) {
    enum { SIZE = 3 * JOB_LINE_BYTES };
    char *text = malloc(SIZE + 100);

    (void)state;
    /* Just as long as may be, with and without CR. */
    memset(text, 'x', SIZE + 100);
    text[JOB_LINE_BYTES] = '\n';
    text[JOB_LINE_BYTES + 1] = 'y';
    write_file(text, JOB_LINE_BYTES + 2);
    expect_pieces(text, JOB_LINE_BYTES + 2, SIZE, 2);
    text[JOB_LINE_BYTES] = '\r';
    text[JOB_LINE_BYTES + 1] = '\n';
    write_file(text, JOB_LINE_BYTES + 2);
    expect_pieces(text, JOB_LINE_BYTES + 2, SIZE, 1);
    expect_lines(text, JOB_LINE_BYTES + 2, 1 << 20);

    /* No white space at all; then only an end; then words. */
    memset(text, 'x', SIZE + 100);
    write_file(text, SIZE + 1);
    expect_pieces(text, SIZE + 1, 1 << 20, 4);
    text[SIZE] = '\n';
    text[SIZE + 1] = 'y';
    write_file(text, SIZE + 2);
    expect_pieces(text, SIZE + 2, SIZE + 2, 4);
    expect_pieces(text, SIZE + 2, JOB_LINE_BYTES, 4);
    memset(text, 'x', SIZE + 100);
    for (size_t i = 0; i < SIZE; i += 1000)
        text[i] = ' ';
    write_file(text, SIZE);
    struct job_input *in = open_split(TRAWL__INPUT_KIND__LINES, 0, SIZE);
    struct trawl_record r;
    assert_true(next(in, &r));
    assert_int_equal(r.len, (JOB_LINE_BYTES - 1) / 1000 * 1000 + 1);
    assert_int_equal(r.data[r.len - 1], ' ');
    job_input_free(in);

    /* A character of three bytes lies over the cut. */
    memset(text, 'x', SIZE);
    memcpy(text + JOB_LINE_BYTES - 2, "\xe2\x82\xac", 3);
    write_file(text, SIZE);
    in = open_split(TRAWL__INPUT_KIND__LINES, 0, SIZE);
    assert_true(next(in, &r));
    assert_int_equal(r.len, JOB_LINE_BYTES - 2);
    job_input_free(in);
    free(text);
}

static size_t gzip(const void *bytes, size_t len, unsigned char *to, size_t size, int level) {
    z_stream z = {0};

    assert_int_equal(deflateInit2(&z, level, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY),
                     Z_OK);
    z.next_in = (unsigned char *)(uintptr_t)bytes;
    z.avail_in = (uInt)len;
    z.next_out = to;
    z.avail_out = (uInt)size;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return size - z.avail_out;
}

static void test_gzip_files_are_read_as_their_content(void **state) {
    unsigned char packed[1000];
    struct trawl_record r;
    struct error err = {0};

    (void)state;
    size_t len = gzip("one\ntw", 6, packed, 500, 6);
    len += gzip("o\nthree", 7, packed + len, 500, 6);
    memset(packed + len, 0, 20);
    write_file(packed, len + 20);
    struct job_input *in = open_split(TRAWL__INPUT_KIND__LINES, 0, len + 20);
    static const char *const lines[] = {"one", "two", "three"};
    for (int i = 0; i < 3; i++) {
        assert_true(next(in, &r));
        assert_string_equal(r.data, lines[i]);
    }
    assert_false(next(in, &r));
    assert_int_equal(in->bytes, 13);
    job_input_free(in);

    /* Damaged, or cut off: said, and its whole lines before that are given. */
    for (int i = 0; i < 2; i++) {
        packed[len - 6] ^= 1;
        write_file(packed, i == 0 ? len : len - 9);
        in = open_split(TRAWL__INPUT_KIND__LINES, 0, len);
        for (int k = 0; k < 2; k++) {
            assert_true(next(in, &r));
            assert_string_equal(r.data, lines[k]);
        }
        assert_int_equal(job_input_next(in, &r, &err), JOB_INPUT_END);
        assert_int_equal(in->damaged, 1);
        job_input_free(in);
    }
}

/* ---- pages ------------------------------------------------------------------------------------------------ */

static struct buf file;

static bool take(void *arg, const void *bytes, size_t len) {
    (void)arg;
    return buf_append(&file, bytes, len);
}

static struct warc_write *begin_file(int level) {
    struct buf fields;
    struct warc_write_place place;
    struct warc_write *w = warc_write_new(level, (struct warc_write_sink){.write = take});

    buf_init(&file, 64 << 20);
    buf_init(&fields, 1000);
    assert_true(warc_write_info_field(&fields, "software", "test"));
    warc_write_seek(w, 0);
    assert_int_equal(warc_write_info(w, 0, "x", fields.data, fields.len, &place), WARC_WRITE_OK);
    buf_release(&fields);
    return w;
}

static void add_page(struct warc_write *w, unsigned number, const char *head, const void *body,
                     size_t len, struct warc_write_place *place) {
    char uri[64];
    struct warc_write_piece piece = {body, len};

    snprintf(uri, sizeof uri, "http://example.org/|%u", number);
    struct warc_write_record r = {.type = WARC_WRITE_RESPONSE,
                                  .uri = uri,
                                  .uri_len = strlen(uri),
                                  .date_ms = 1700000000123,
                                  .head = head,
                                  .head_len = strlen(head),
                                  .body = &piece,
                                  .body_count = 1};
    assert_int_equal(warc_write_record(w, &r, place), WARC_WRITE_OK);
}

static void end_file(struct warc_write *w) {
    warc_write_free(w);
    write_file(file.data, file.len);
}

static void test_a_page_as_it_is(void **state) {
    static const char text[] = "<p>some text, some text, some text</p>";
    struct warc_write_place place;
    struct trawl_record r;
    unsigned char packed[200];
    char head[300];

    (void)state;
    size_t len = gzip(text, sizeof text - 1, packed, sizeof packed, 6);
    struct warc_write *w = begin_file(1);
    snprintf(head, sizeof head,
             "HTTP/1.1 404 Not Found\r\nContent-Type: Text/HTML; charset=utf-8\r\n"
             "Content-Encoding: gzip\r\n\r\n");
    add_page(w, 0, head, packed, len, &place);
    add_page(w, 1, head, packed, len - 10, &place);
    add_page(w, 2, "HTTP/1.1 200 OK\r\n\r\n", "", 0, &place);
    struct warc_write_record revisit = {.type = WARC_WRITE_REVISIT,
                                        .uri = "http://a.example/",
                                        .uri_len = 17,
                                        .date_ms = 1000,
                                        .head = "HTTP/1.1 304 Not Modified\r\n\r\n",
                                        .head_len = 29,
                                        .profile = WARC_WRITE_NOT_MODIFIED};
    assert_int_equal(warc_write_record(w, &revisit, &place), WARC_WRITE_OK);
    struct warc_write_record request = {.type = WARC_WRITE_REQUEST,
                                        .uri = "http://a.example/",
                                        .uri_len = 17,
                                        .date_ms = 1000,
                                        .head = "GET / HTTP/1.1\r\n\r\n",
                                        .head_len = 18};
    assert_int_equal(warc_write_record(w, &request, &place), WARC_WRITE_OK);
    end_file(w);

    struct job_input *in = open_split(TRAWL__INPUT_KIND__PAGES, 0, file.len);
    assert_true(next(in, &r));
    assert_string_equal(r.name, "http://example.org/|0");
    assert_string_equal(r.record_type, "response");
    assert_int_equal(r.of, TRAWL_INPUT_PAGES);
    assert_int_equal(r.number, 0);
    assert_int_equal(r.status, 404);
    assert_string_equal(r.mime, "text/html");
    assert_string_equal(r.content_type, "Text/HTML; charset=utf-8");
    assert_string_equal(r.head, head);
    assert_int_equal(r.head_len, strlen(head));
    assert_int_equal(r.fetched_at_ms, 1700000000123);
    assert_int_equal(r.stored, len);
    assert_string_equal(r.data, text);
    assert_int_equal(r.len, sizeof text - 1);
    assert_false(r.cut);

    assert_true(next(in, &r));
    assert_int_equal(r.number, 1);
    assert_true(r.cut);
    assert_true(r.len < sizeof text - 1 || memcmp(r.data, text, r.len) == 0);

    assert_true(next(in, &r));
    assert_int_equal(r.len, 0);
    assert_string_equal(r.mime, "");
    assert_int_equal(r.status, 200);

    assert_true(next(in, &r));
    assert_string_equal(r.record_type, "revisit");
    assert_string_equal(r.name, "http://a.example/");
    assert_int_equal(r.len, 0);
    assert_int_equal(r.status, 304);
    assert_int_equal(r.fetched_at_ms, 1000);
    assert_false(r.cut);
    assert_false(next(in, &r));
    assert_int_equal(in->bytes, file.len);
    job_input_free(in);
    buf_release(&file);
}

/* Records of other writers: chunked, a resource, a plain file, brackets, a date without milliseconds. */
static void test_pages_of_other_writers(void **state) {
    static const char text[] =
        "WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: <http://b.example/>\r\n"
        "WARC-Date: 2020-01-02T03:04:05Z\r\n"
        "Content-Type: application/http;msgtype=response\r\n"
        "Content-Length: 63\r\n\r\n"
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
        "\r\n\r\n"
        "WARC/1.0\r\nWARC-Type: resource\r\nWARC-Target-URI: urn:x\r\n"
        "Content-Type: text/plain\r\nContent-Length: 4\r\n\r\nword\r\n\r\n";
    struct trawl_record r;

    (void)state;
    write_file(text, sizeof text - 1);
    struct job_input *in = open_split(TRAWL__INPUT_KIND__PAGES, 0, sizeof text - 1);
    assert_true(next(in, &r));
    assert_string_equal(r.name, "http://b.example/");
    assert_string_equal(r.data, "abc");
    assert_false(r.cut);
    assert_int_equal(r.fetched_at_ms, 1577934245000);
    assert_true(next(in, &r));
    assert_string_equal(r.record_type, "resource");
    assert_string_equal(r.name, "urn:x");
    assert_string_equal(r.mime, "text/plain");
    assert_string_equal(r.data, "word");
    assert_int_equal(r.status, 0);
    assert_int_equal(r.fetched_at_ms, 0);
    assert_false(next(in, &r));
    assert_int_equal(in->damaged, 0);
    job_input_free(in);
}

enum { PAGES = 60 };

/* Splits of this size: each page comes once, in the split that its member begins in. */
static void expect_pages(const uint64_t *offsets, uint64_t split_bytes, unsigned missing) {
    unsigned seen = 0, damaged = 0;
    struct trawl_record r;

    for (uint64_t begin = 0; begin < file.len; begin += split_bytes) {
        uint64_t end = begin + split_bytes < file.len ? begin + split_bytes : file.len;
        struct job_input *in = open_split(TRAWL__INPUT_KIND__PAGES, begin, end);
        for (uint64_t n = 0; next(in, &r); n++, seen++) {
            char uri[64];
            if (seen == missing && missing < PAGES)
                seen++;
            snprintf(uri, sizeof uri, "http://example.org/|%u", seen);
            assert_string_equal(r.name, uri);
            assert_true(offsets[seen] >= begin && offsets[seen] < end);
        }
        damaged += (unsigned)in->damaged;
        job_input_free(in);
    }
    if (seen == missing && missing < PAGES)
        seen++;
    assert_int_equal(seen, PAGES);
    assert_int_equal(damaged, missing < PAGES ? 1 : 0);
}

/* Every third page is itself such a file, stored as it is: its members lie bare in ours. */
static void make_nested(uint64_t *offsets) {
    struct warc_write_place place;
    struct buf inner;
    static unsigned char noise[3000];
    uint32_t seed = 5;

    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (unsigned char)((seed = seed * 1664525u + 1013904223u) >> 24);
    struct warc_write *w = begin_file(1);
    for (unsigned i = 0; i < 5; i++)
        add_page(w, 1000 + i, "HTTP/1.1 200 OK\r\n\r\n", "inner", 5, &place);
    warc_write_free(w);
    inner = file;
    w = begin_file(0);
    for (unsigned i = 0; i < PAGES; i++) {
        if (i % 3 == 0)
            add_page(w, i, "HTTP/1.1 200 OK\r\n\r\n", inner.data, inner.len, &place);
        else
            add_page(w, i, "HTTP/1.1 200 OK\r\n\r\n", noise, i * 50, &place);
        offsets[i] = place.offset;
    }
    end_file(w);
    buf_release(&inner);
}

static void test_pages_in_splits_of_all_sizes(void **state) {
    uint64_t offsets[PAGES];

    (void)state;
    make_nested(offsets);
    for (uint64_t n = 150; n < file.len; n += 1 + n / 9)
        expect_pages(offsets, n, PAGES);
    expect_pages(offsets, file.len, PAGES);
    /* Around each record's beginning. */
    for (unsigned i = 1; i < PAGES; i++)
        for (int shift = -1; shift <= 1; shift++)
            expect_pages(offsets, offsets[i] + (uint64_t)shift, PAGES);
    buf_release(&file);
}

/* In the data, in the member's header, and in its check sum. */
static void test_damaged_page_is_passed_over(void **state) {
    uint64_t offsets[PAGES];
    static const unsigned pages[] = {0, 7, PAGES - 1};

    (void)state;
    log_set_level(LOG_OFF);
    for (unsigned i = 0; i < 3; i++) {
        unsigned n = pages[i];
        make_nested(offsets);
        uint64_t end = n + 1 < PAGES ? offsets[n + 1] : file.len;
        uint64_t places[] = {offsets[n], offsets[n] + 100, end - 5};
        for (unsigned k = 0; k < 3; k++) {
            if (n == PAGES - 1 && k == 0)
                continue;
            file.data[places[k]] ^= 0x20;
            write_file(file.data, file.len);
            expect_pages(offsets, file.len, n);
            expect_pages(offsets, offsets[30], n);
            file.data[places[k]] ^= 0x20;
        }
        buf_release(&file);
    }
    log_set_level(LOG_INFO);
}

/* ---- splits ----------------------------------------------------------------------------------------------- */

static void touch(const char *name, size_t len) {
    char full[200];
    snprintf(full, sizeof full, "%s/%s", base, name);
    FILE *f = fopen(full, "w");
    assert_non_null(f);
    for (size_t i = 0; i < len; i++)
        fputc('x', f);
    fclose(f);
}

static void expect_split(const struct splits *s, size_t i, const char *name, uint64_t from,
                         uint64_t to) {
    char full[200];
    snprintf(full, sizeof full, "%s/%s", base, name);
    assert_true(i < s->count);
    assert_string_equal(s->items[i].path, full);
    assert_int_equal(s->items[i].from, from);
    assert_int_equal(s->items[i].to, to);
}

static void test_splits_of_files(void **state) {
    static const char *const names[] = {"b.txt", "a.txt", "empty", ".hidden", "archive/c"};
    struct splits s;
    struct error err;

    (void)state;
    touch("b.txt", 10);
    touch("a.txt", 25);
    touch("empty", 0);
    touch(".hidden", 5);
    touch("archive/c", 20);
    splits_init(&s);
    assert_true(splits_add_lines(&s, base, 10, &err));
    assert_int_equal(s.count, 6);
    expect_split(&s, 0, "a.txt", 0, 10);
    expect_split(&s, 1, "a.txt", 10, 20);
    expect_split(&s, 2, "a.txt", 20, 25);
    expect_split(&s, 3, "archive/c", 0, 10);
    expect_split(&s, 4, "archive/c", 10, 20);
    expect_split(&s, 5, "b.txt", 0, 10);
    assert_false(splits_add_lines(&s, "/nowhere/at/all", 10, &err));
    assert_non_null(strstr(err.text, "/nowhere/at/all"));
    assert_false(splits_add_lines(&s, "/dev/null", 10, &err));
    assert_non_null(strstr(err.text, "/dev/null: neither"));
    assert_int_equal(s.count, 6);
    splits_release(&s);
    for (size_t i = 0; i < 5; i++) {
        char full[200];
        snprintf(full, sizeof full, "%s/%s", base, names[i]);
        unlink(full);
    }
}

static void test_splits_of_a_crawl(void **state) {
    uint64_t offsets[PAGES];
    struct splits s;
    struct error err;
    char full[200];

    (void)state;
    touch("archive/w-2.warc.gz.open", 100);
    splits_init(&s);
    make_nested(offsets);
    assert_true(splits_add_crawl(&s, base, 10000, &err));
    assert_int_equal(s.count, (file.len + 9999) / 10000);
    assert_true(s.items[0].is_pages);
    expect_split(&s, s.count - 1, "archive/w-1.warc.gz", (s.count - 1) * 10000, file.len);
    splits_release(&s);

    /* Records that do not name their warcinfo record: nobody can tell where one begins. */
    for (char *p = file.data; p < file.data + file.len; p++)
        if (memcmp(p, "WARC-Warcinfo-ID", 16) == 0)
            memcpy(p, "WARC-Whatever-ID", 16);
    write_file(file.data, file.len);
    assert_true(splits_add_crawl(&s, base, 10000, &err));
    assert_int_equal(s.count, 1);
    expect_split(&s, 0, "archive/w-1.warc.gz", 0, file.len);
    splits_release(&s);
    buf_release(&file);
    snprintf(full, sizeof full, "%s/archive/w-2.warc.gz.open", base);
    unlink(full);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_lines_in_splits_of_all_sizes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many_lines, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_long_lines, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_gzip_files_are_read_as_their_content, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_page_as_it_is, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_pages_of_other_writers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_pages_in_splits_of_all_sizes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_damaged_page_is_passed_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_splits_of_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_splits_of_a_crawl, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
