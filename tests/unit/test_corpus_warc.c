/*
 * The known-answer corpora for WARC and gzip: expected.json in $TRAWL_CORPORA/warc and /gzip (by default
 * ../shared/corpora); skipped where they are missing. Each miss is printed with the reason.
 */
#include "shared/content.h"
#include "shared/warc_read.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_BYTES = 4096, FILE_BYTES = 16 << 20 };

static const char *path_of(const char *folder, const char *name) {
    static char path[PATH_BYTES];
    const char *root = getenv("TRAWL_CORPORA");

    snprintf(path, sizeof path, "%s/%s/%s", root != NULL ? root : "../shared/corpora", folder,
             name);
    return path;
}

static json_t *load(const char *folder) {
    json_error_t error;

    if (access(path_of(folder, "expected.json"), R_OK) != 0)
        skip();
    json_t *cases = json_load_file(path_of(folder, "expected.json"), 0, &error);
    assert_non_null(cases);
    return cases;
}

static long long number(const json_t *o, const char *name) {
    return json_integer_value(json_object_get(o, name));
}

static bool is_expected(const char *what, long long got, long long want) {
    if (got != want)
        printf("  %s: %lld, not %lld\n", what, got, want);
    return got == want;
}

static bool is_text(const char *what, const char *got, const json_t *want) {
    const char *text = json_string_value(want);

    if (text == NULL ? got == NULL : got != NULL && strcmp(got, text) == 0)
        return true;
    printf("  %s: %s, not %s\n", what, got != NULL ? got : "none", text != NULL ? text : "none");
    return false;
}

static bool is_record(struct warc_read *r, const struct warc_read_record *got, const json_t *want) {
    bool good = is_expected("offset", (long long)got->offset, number(want, "offset"));
    good &= is_text("type", got->type, json_object_get(want, "type"));
    good &= is_text("uri", warc_read_field(r, "WARC-Target-URI"), json_object_get(want, "uri"));
    good &= is_expected("content length", (long long)got->content_length,
                        number(want, "content_length"));
    unsigned problems = warc_read_finish(r);
    good &= is_expected("stored", (long long)got->length, number(want, "stored"));
    good &= is_expected("whole",
                        (problems & (WARC_READ_CUT_OFF | WARC_READ_BAD_GZIP | WARC_READ_BAD_END |
                                     WARC_READ_MORE_IN_MEMBER)) == 0,
                        json_is_true(json_object_get(want, "whole")));
    return good;
}

/* Whether the reader stopped where, and only if, the corpus says so. */
static bool is_end(const struct warc_read *r, enum warc_read_result why, const json_t *want) {
    const char *error = json_string_value(json_object_get(want, "framing_error"));

    if (error == NULL)
        return is_expected("result at the end", why, WARC_READ_END);
    const char *at = strstr(error, "at offset ");
    bool good = is_expected("result at the end", why, WARC_READ_BROKEN);
    return (at == NULL || is_expected("error's offset", (long long)warc_read_error_offset(r),
                                      strtoll(at + 10, NULL, 10))) &&
           good;
}

static bool count_type(json_t *types, const char *type) {
    return json_object_set_new(
               types, type, json_integer(json_integer_value(json_object_get(types, type)) + 1)) ==
           0;
}

static bool reads_as_expected(struct warc_read *r, const json_t *want) {
    const json_t *records = json_object_get(want, "records"),
                 *types = json_object_get(want, "types");
    const struct warc_read_record *record;
    enum warc_read_result why;
    json_t *found = json_object();
    long long count = 0, last_offset = 0;
    bool good = true;

    while ((why = warc_read_next(r, &record)) == WARC_READ_RECORD) {
        const json_t *expected = json_array_get(records, (size_t)count++);
        last_offset = (long long)record->offset;
        good &= count_type(found, record->type);
        if (expected != NULL)
            good &= is_record(r, record, expected);
    }
    good &= is_expected("records", count, number(want, "record_count"));
    good &= is_end(r, why, want);
    if (types != NULL) {
        good &= is_expected("types agree", json_equal(found, types), 1);
        good &= is_expected("last offset", last_offset, number(want, "last_offset"));
    }
    json_decref(found);
    return good;
}

static void test_warc(void **state) {
    json_t *cases = load("warc"), *want;
    struct warc_read *r = warc_read_new();
    size_t i, passed = 0;

    (void)state;
    assert_non_null(r);
    json_array_foreach(cases, i, want) {
        const char *name = json_string_value(json_object_get(want, "file"));
        int fd = open(path_of("warc", name), O_RDONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        warc_read_open_fd(r, fd, 0);
        if (reads_as_expected(r, want))
            passed++;
        else
            printf("corpus warc: %s is read otherwise\n", name);
        close(fd);
    }
    printf("corpus warc: %zu of %zu\n", passed, json_array_size(cases));
    assert_int_equal(passed, json_array_size(cases));
    warc_read_free(r);
    json_decref(cases);
}

/* Every record that the other reader finds whole is whole to warc_read_check() too: its framing, that
 * is; what some of these files say about themselves is wrong. */
static void test_warc_check(void **state) {
    json_t *cases = load("warc"), *want;
    struct warc_read *r = warc_read_new();
    const struct warc_read_record *record;
    struct warc_read_report report;
    size_t i, checked = 0, good = 0;

    (void)state;
    assert_non_null(r);
    json_array_foreach(cases, i, want) {
        const char *name = json_string_value(json_object_get(want, "file"));
        int fd = open(path_of("warc", name), O_RDONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        warc_read_open_fd(r, fd, 0);
        while (warc_read_next(r, &record) == WARC_READ_RECORD) {
            assert_int_equal(warc_read_check(r, &report), WARC_READ_RECORD);
            checked++;
            good += report.problems == 0;
            for (unsigned bit = 1; bit <= report.problems; bit <<= 1)
                if ((report.problems & bit) != 0)
                    printf("corpus warc, strictly: %s at %llu: %s, in the file itself\n", name,
                           (unsigned long long)record->offset, warc_read_problem_text(bit));
        }
        close(fd);
    }
    printf("corpus warc, strictly: %zu of %zu records\n", good, checked);
    warc_read_free(r);
    json_decref(cases);
}

static void test_gzip(void **state) {
    static char bytes[FILE_BYTES];
    json_t *cases = load("gzip"), *want;
    size_t i, passed = 0;
    struct content_info info;
    struct buf out;

    (void)state;
    buf_init(&out, FILE_BYTES);
    json_array_foreach(cases, i, want) {
        const char *name = json_string_value(json_object_get(want, "file"));
        FILE *f = fopen(path_of("gzip", name), "rb");
        assert_non_null(f);
        size_t len = fread(bytes, 1, sizeof bytes, f);
        fclose(f);
        enum content_result why = content_decode("gzip", 4, bytes, len, &out, &info);
        bool good = is_expected("members", info.members, number(want, "members_ok"));
        /* What is no gzip is given as it is (content.h): nothing of it was undone. */
        size_t undone = why == CONTENT_MISLABELLED ? 0 : out.len;
        good &= is_expected("bytes", (long long)undone, number(want, "bytes_out"));
        good &= is_expected("no error", why == CONTENT_OK,
                            json_is_null(json_object_get(want, "zlib_error")));
        passed += good;
        if (!good)
            printf("corpus gzip: %s is decoded otherwise\n", name);
    }
    printf("corpus gzip: %zu of %zu\n", passed, json_array_size(cases));
    assert_int_equal(passed, json_array_size(cases));
    buf_release(&out);
    json_decref(cases);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_warc),
        cmocka_unit_test(test_warc_check),
        cmocka_unit_test(test_gzip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
