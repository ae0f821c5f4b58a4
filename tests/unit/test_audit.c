/* A segment with each kind of damage: exactly what is damaged is told, and nothing that is sound. */
#include "cli/audit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "shared/buf.h"
#include "worker/job_input.h"

enum { RECORDS = 12, HIT = 5, BODY_BYTES = 3000, FILE_BYTES = 1 << 20, INDEX_BYTES = 64 << 10 };

/* A segment as it should be. */
struct sample {
    char name[32];
    struct buf bytes;
    uint64_t offset[RECORDS + 1]; /* the last one: the end */
    char url[RECORDS][64];
    struct audit_record record[RECORDS];
};

static struct sample one, other;
static char dir[64];
static struct buf file; /* the damaged copy of `one` */

/* The same numbers in each run. */
static uint32_t random_number(void) {
    static uint32_t state = 1;

    state = state * 1664525 + 1013904223;
    return state >> 8;
}

static bool sink(void *arg, const void *bytes, size_t len) {
    return buf_append(arg, bytes, len);
}

static void make_record(struct sample *s, struct warc_write *w, int i) {
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n";
    char body[BODY_BYTES];
    struct warc_write_place place;

    for (size_t k = 0; k < sizeof body; k++)
        body[k] = (char)('a' + random_number() % 26);
    snprintf(s->url[i], sizeof s->url[i], "http://one.example/%s%d", s == &one ? "" : "other", i);
    const struct warc_write_record r = {.type = WARC_WRITE_RESPONSE,
                                        .uri = s->url[i],
                                        .uri_len = strlen(s->url[i]),
                                        .date_ms = 1700000000000 + i,
                                        .head = head,
                                        .head_len = sizeof head - 1,
                                        .body = &(struct warc_write_piece){body, sizeof body},
                                        .body_count = 1};
    assert_int_equal(warc_write_record(w, &r, &place), WARC_WRITE_OK);
    s->offset[i] = place.offset;
    s->offset[i + 1] = place.offset + place.length;
    s->record[i] = (struct audit_record){.offset = place.offset,
                                         .length = place.length,
                                         .url_hash = XXH3_64bits(s->url[i], strlen(s->url[i])),
                                         .fp = (uint64_t)i + 1};
    memcpy(s->record[i].digest, place.payload_digest, sizeof s->record[i].digest);
}

static void make_sample(struct sample *s, const char *name) {
    struct warc_write_place place;
    char filename[64];

    snprintf(s->name, sizeof s->name, "%s", name);
    snprintf(filename, sizeof filename, "%.30s.warc.gz", name);
    buf_init(&s->bytes, FILE_BYTES);
    struct warc_write *w = warc_write_new(1, (struct warc_write_sink){sink, &s->bytes});
    assert_non_null(w);
    assert_int_equal(warc_write_info(w, 1700000000000, filename, "a: b\r\n", 6, &place),
                     WARC_WRITE_OK);
    for (int i = 0; i < RECORDS; i++)
        make_record(s, w, i);
    warc_write_free(w);
}

static int begin(void **state) {
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/trawl-audit.XXXXXX");
    assert_non_null(mkdtemp(dir));
    make_sample(&one, "one");
    make_sample(&other, "other");
    buf_init(&file, FILE_BYTES);
    return 0;
}

static int end(void **state) {
    (void)state;
    buf_release(&file);
    buf_release(&one.bytes);
    buf_release(&other.bytes);
    return rmdir(dir);
}

/* ---- kinds of damage ------------------------------------------------------------------------------------------ */

static void flip(uint64_t at, unsigned char bit) {
    file.data[at] = (char)((unsigned char)file.data[at] ^ bit);
}

static void nothing(void) {
}

static void gzip_magic(void) {
    flip(one.offset[HIT] + 1, 0x10);
}

static void gzip_flags(void) {
    flip(one.offset[HIT] + 3, 0x10);
}

static void gzip_time(void) {
    flip(one.offset[HIT] + 5, 0x01);
}

/* What is packed begins with the code and the WARC header. */
static void packed_begin(void) {
    flip(one.offset[HIT] + 14, 0x04);
}

static void packed_middle(void) {
    flip((one.offset[HIT] + one.offset[HIT + 1]) / 2, 0x10);
}

static void checksum(void) {
    flip(one.offset[HIT + 1] - 6, 0x01);
}

static void first_record(void) {
    flip(1, 0x10);
}

static void first_record_inside(void) {
    flip(one.offset[0] / 2, 0x10);
}

static void last_record(void) {
    flip(one.offset[RECORDS] - 20, 0x10);
}

static void hole(void) {
    memset(file.data + one.offset[HIT] + 100, 0, 100);
}

/* From the middle of one record to the middle of the next but one. */
static void large_hole(void) {
    uint64_t from = one.offset[HIT] + 200, to = one.offset[HIT + 2] + 200;

    memset(file.data + from, 0, to - from);
}

static void cut(void) {
    file.len = one.offset[RECORDS - 2] + 100;
}

static void cut_between(void) {
    file.len = one.offset[RECORDS - 2];
}

static void empty(void) {
    file.len = 0;
}

static void insert(uint64_t at, const char *bytes, size_t len) {
    assert_true(buf_reserve(&file, len));
    memmove(file.data + at + len, file.data + at, file.len - at);
    memcpy(file.data + at, bytes, len);
    file.len += len;
}

static void doubled_at_end(void) {
    size_t len = one.offset[HIT + 1] - one.offset[HIT];

    insert(file.len, one.bytes.data + one.offset[HIT], len);
}

static void doubled_inside(void) {
    size_t len = one.offset[RECORDS - 1] - one.offset[RECORDS - 2];

    insert(one.offset[RECORDS - 1], one.bytes.data + one.offset[RECORDS - 2], len);
}

static void uncommitted_at_end(void) {
    size_t len = other.offset[1] - other.offset[0];

    insert(file.len, other.bytes.data + other.offset[0], len);
}

static void rubbish_at_end(void) {
    insert(file.len, "rubbish", 7);
}

static void byte_lost(void) {
    uint64_t at = one.offset[RECORDS - 3] + 300;

    memmove(file.data + at, file.data + at + 1, file.len - at - 1);
    file.len--;
}

static void two_swapped(void) {
    uint64_t a = one.offset[HIT], b = one.offset[HIT + 1], c = one.offset[HIT + 2];

    memcpy(file.data + a, one.bytes.data + b, c - b);
    memcpy(file.data + a + (c - b), one.bytes.data + a, b - a);
}

/* ---- what is told ------------------------------------------------------------------------------------------------ */

struct damage {
    const char *name;
    void (*make)(void);
    int hit_from, hit_to; /* the records that it hits; others may not be told */
    int problems;
    const char *word; /* in each of them */
};

static const struct damage damages[] = {
    {"none", nothing, 0, 0, 0, ""},
    {"gzip magic", gzip_magic, HIT, HIT + 1, 1, "damaged"},
    {"gzip flags", gzip_flags, HIT, HIT + 1, 1, "damaged"},
    {"gzip time", gzip_time, HIT, HIT + 1, 1, "damaged"},
    {"begin of what is packed", packed_begin, HIT, HIT + 1, 1, "damaged"},
    {"middle of what is packed", packed_middle, HIT, HIT + 1, 1, "damaged"},
    {"checksum", checksum, HIT, HIT + 1, 1, "damaged"},
    {"first record", first_record, 0, 0, 1, "warcinfo"},
    {"first record, inside", first_record_inside, 0, 0, 1, "damaged"},
    {"last record", last_record, RECORDS - 1, RECORDS, 1, "damaged"},
    {"hole", hole, HIT, HIT + 1, 1, "damaged"},
    {"large hole", large_hole, HIT, HIT + 3, 3, "damaged"},
    {"cut", cut, RECORDS - 2, RECORDS, 2, ""},
    {"cut between", cut_between, RECORDS - 2, RECORDS, 2, "the file ends before it"},
    {"empty", empty, 0, RECORDS, RECORDS, "the file ends before it, at 0"},
    {"doubled at the end", doubled_at_end, 0, 0, 1, "a second copy"},
    {"doubled inside", doubled_inside, RECORDS - 1, RECORDS, 2, ""},
    {"uncommitted", uncommitted_at_end, 0, 0, 1, "not committed"},
    {"rubbish", rubbish_at_end, 0, 0, 1, "bytes that are no record"},
    {"a byte lost", byte_lost, RECORDS - 3, RECORDS, 3, ""},
    {"two swapped", two_swapped, HIT, HIT + 2, 2, ""},
};

static void expect_all(struct audit *a, const struct sample *s) {
    assert_true(audit_segment_add(a, s->name, true, false));
    for (int i = RECORDS; i-- > 0;)
        assert_true(audit_expect(a, s->name, &s->record[i]));
}

static void write_file(const char *name, const struct buf *bytes, char path[128]) {
    snprintf(path, 128, "%s/%s", dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes->len > 0 ? bytes->data : "", bytes->len), bytes->len);
    close(fd);
}

static void show(const struct audit *a) {
    for (size_t i = 0; i < a->told; i++)
        print_message("# %s at %llu (%llu, %s): %s\n", a->problems[i].file,
                      (unsigned long long)a->problems[i].offset,
                      (unsigned long long)a->problems[i].fp,
                      a->problems[i].url == NULL ? "-" : a->problems[i].url, a->problems[i].what);
}

static bool told_rightly(const struct audit *a, const struct damage *d) {
    if (a->out_of_memory || a->problem_count != (uint64_t)d->problems)
        return false;
    for (size_t i = 0; i < a->told; i++) {
        int record = (int)a->problems[i].fp - 1;
        bool is_hit = a->problems[i].fp == 0 || (record >= d->hit_from && record < d->hit_to);
        if (!is_hit || strstr(a->problems[i].what, d->word) == NULL)
            return false;
    }
    return true;
}

static void copy_of_one(void) {
    buf_reset(&file);
    assert_true(buf_append(&file, one.bytes.data, one.bytes.len));
}

static void test_damages(void **state) {
    char path[128];

    (void)state;
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        struct audit a = {.count = 0};
        copy_of_one();
        damages[i].make();
        write_file("one.warc.gz", &file, path);
        expect_all(&a, &one);
        audit_sort(&a);
        audit_file(&a, path, "one");
        audit_end(&a);
        if (!told_rightly(&a, &damages[i])) {
            show(&a);
            fail_msg("%s: %llu problems", damages[i].name, (unsigned long long)a.problem_count);
        }
        audit_release(&a);
        unlink(path);
    }
}

/* Any one bit: never more than the record it is in. Those that no checksum covers may pass. */
static void test_any_bit(void **state) {
    char path[128];

    (void)state;
    for (int n = 0; n < 400; n++) {
        struct audit a = {.count = 0};
        copy_of_one();
        uint64_t at = one.offset[0] + random_number() % (file.len - one.offset[0]);
        flip(at, (unsigned char)(1 << n % 8));
        int hit = 0;
        while (one.offset[hit + 1] <= at)
            hit++;
        write_file("one.warc.gz", &file, path);
        expect_all(&a, &one);
        audit_sort(&a);
        audit_file(&a, path, "one");
        audit_end(&a);
        if (a.problem_count > 1 || (a.told == 1 && a.problems[0].fp != (uint64_t)hit + 1)) {
            show(&a);
            fail_msg("bit %d of byte %llu", n % 8, (unsigned long long)at);
        }
        audit_release(&a);
        unlink(path);
    }
}

static bool tells(const struct audit *a, const char *name, const char *what) {
    for (size_t i = 0; i < a->told; i++)
        if (strstr(a->problems[i].file, name) != NULL && strstr(a->problems[i].what, what) != NULL)
            return true;
    return false;
}

/* What becomes of whole files. */
static void test_files(void **state) {
    struct audit a = {.count = 0};
    char path[2][128];

    (void)state;
    expect_all(&a, &one);
    expect_all(&a, &other);
    audit_sort(&a);
    write_file("one.warc.gz", &other.bytes, path[0]);
    write_file("other.warc.gz", &one.bytes, path[1]);
    audit_file(&a, path[0], "one");
    audit_file(&a, path[1], "other");
    audit_end(&a);
    assert_int_equal(a.problem_count, 2);
    assert_true(tells(&a, "one.warc.gz", "under a wrong name: it is other.warc.gz"));
    assert_true(tells(&a, "other.warc.gz", "under a wrong name: it is one.warc.gz"));
    audit_release(&a);

    expect_all(&a, &one);
    expect_all(&a, &other);
    audit_sort(&a);
    write_file("one.warc.gz", &one.bytes, path[0]);
    audit_file(&a, path[0], "one");
    audit_end(&a);
    assert_int_equal(a.problem_count, 1);
    assert_true(tells(&a, "other", "not here, and so are not its 12 committed records"));
    audit_release(&a);

    expect_all(&a, &other);
    audit_sort(&a);
    audit_file(&a, path[0], "one");
    assert_true(tells(&a, "one.warc.gz", "does not know"));
    assert_int_equal(a.problem_count, 1);
    audit_release(&a);
    unlink(path[0]);
    unlink(path[1]);
}

static void add_line(struct buf *index, int i, uint64_t offset, const char *url) {
    buf_printf(
        index,
        "example,one)/ 20231114221320 {\"url\": \"%s\", \"mime\": \"text/plain\", \"status\": "
        "\"200\", \"digest\": \"sha1:A\", \"length\": \"%llu\", \"offset\": \"%llu\", "
        "\"filename\": \"one.warc.gz\"}\n",
        url, (unsigned long long)one.record[i].length, (unsigned long long)offset);
}

static void test_index(void **state) {
    struct audit a = {.count = 0};
    struct buf index;
    char path[128];

    (void)state;
    buf_init(&index, INDEX_BYTES);
    for (int i = 0; i < RECORDS; i++)
        add_line(&index, i, one.offset[i], one.url[i]);
    uint64_t at = index.len;
    add_line(&index, 3, one.offset[3] + 1, one.url[3]);
    add_line(&index, 4, one.offset[4], "http://one.example/elsewhere");
    add_line(&index, 5, one.offset[6], one.url[5]);
    buf_append_str(&index, "no line of an index\n");
    write_file("index.cdxj", &index, path);
    expect_all(&a, &one);
    audit_sort(&a);
    audit_index(&a, path);
    assert_int_equal(a.problem_count, 4);
    assert_int_equal(a.problems[0].offset, at);
    assert_string_equal(a.problems[0].url, one.url[3]);
    assert_string_equal(a.problems[1].url, "http://one.example/elsewhere");
    assert_true(tells(&a, "index.cdxj", "a line that is none of an index"));
    audit_release(&a);
    unlink(path);
    audit_index(&a, path);
    assert_int_equal(a.problem_count, 0);
    buf_release(&index);
}

/* ---- those who read pages ------------------------------------------------------------------------------------------ */

/* Whatever is damaged, a job gets each record that is sound, once. */
static void test_job_reads_on(void **state) {
    char path[128];

    (void)state;
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        struct error err = {0};
        struct trawl_record r;
        unsigned seen[RECORDS] = {0};
        enum job_input_result why;
        copy_of_one();
        damages[i].make();
        write_file("one.warc.gz", &file, path);
        struct job_input *in = job_pages_new(path, 0, file.len, &err);
        assert_non_null(in);
        while ((why = job_input_next(in, &r, &err)) == JOB_INPUT_RECORD)
            for (int k = 0; k < RECORDS; k++)
                seen[k] += strcmp(r.name, one.url[k]) == 0;
        assert_int_equal(why, JOB_INPUT_END);
        for (int k = 0; k < RECORDS; k++)
            if (k < damages[i].hit_from || k >= damages[i].hit_to)
                if (seen[k] < 1)
                    fail_msg("%s: record %d is not read", damages[i].name, k);
        job_input_free(in);
        unlink(path);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_damages),      cmocka_unit_test(test_any_bit),
        cmocka_unit_test(test_files),        cmocka_unit_test(test_index),
        cmocka_unit_test(test_job_reads_on),
    };

    return cmocka_run_group_tests_name("audit", tests, begin, end);
}
