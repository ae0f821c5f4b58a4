/* headers: fields are found, and the end of the message is never guessed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "worker/headers.h"

#define START "HTTP/1.1 200 OK\r\n"

static struct headers_framing framing(const char *line, const char *fields) {
    char head[1024];
    int len = snprintf(head, sizeof head, "%s\r\n%s\r\n", line, fields);

    assert_true(len > 0 && (size_t)len < sizeof head);
    return headers_framing(head, (size_t)len);
}

struct framing_case {
    const char *fields;
    enum headers_fault fault;
    enum headers_end end;
    uint64_t length;
    bool odd;
};

static void expect_framings(const char *line, const struct framing_case *cases, size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct headers_framing f = framing(line, cases[i].fields);
        assert_int_equal(f.fault, cases[i].fault);
        if (f.fault != HEADERS_NO_FAULT)
            continue;
        assert_int_equal(f.end, cases[i].end);
        assert_int_equal(f.length, cases[i].length);
        assert_int_equal(f.odd, cases[i].odd);
    }
}

static void test_find(void **state) {
    static const char head[] = START "A: 1\r\nab : no\r\nB:\t two \r\na:3\nC\r\n\r\n";
    const char *value;
    size_t len;

    (void)state;
    assert_true(headers_find(head, strlen(head), "a", 0, &value, &len));
    assert_memory_equal(value, "1", len);
    assert_true(headers_find(head, strlen(head), "A", 1, &value, &len));
    assert_memory_equal(value, "3", len);
    assert_false(headers_find(head, strlen(head), "A", 2, &value, &len));
    assert_true(headers_find(head, strlen(head), "b", 0, &value, &len));
    assert_int_equal(len, 3);
    assert_memory_equal(value, "two", 3);
    assert_true(headers_find(head, strlen(head), "ab", 0, &value, &len)); /* as browsers read it */
    assert_memory_equal(value, "no", len);
    assert_false(headers_find(head, strlen(head), "C", 0, &value, &len));
    assert_false(headers_find(NULL, 0, "a", 0, &value, &len));
}

/* RFC 9112 §5.2: every field is read whole, wherever the fold is; nothing else changes, and no length does. */
static void test_folds(void **state) {
    static const struct {
        const char *folded, *value; /* of X; NULL: none is folded */
    } cases[] = {
        {"X:\r\n /in\r\n", "/in"},       {"X: a;\r\n\tb\r\n", "a;  \tb"},
        {"X: a\n b\n", "a  b"},          {"X: a\r\n \r\n b\r\nY: 1\r\n", "a      b"},
        {"X: a\r\nY: b\r\n c\r\n", "a"}, {"X: a\r\r\n b\r\n", "a    b"},
        {"X:\r\n \r\n\t z \r\n", "z"},
    };
    char head[256], before[256];
    const char *value;
    size_t len;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int n = snprintf(head, sizeof head, START "%s\r\n", cases[i].folded);
        assert_true(headers_unfold(head, (size_t)n));
        assert_int_equal(strlen(head), n);
        assert_true(headers_find(head, (size_t)n, "x", 0, &value, &len));
        assert_int_equal(len, strlen(cases[i].value));
        assert_memory_equal(value, cases[i].value, len);
        assert_memory_equal(head + n - 2, "\r\n", 2);
        assert_false(headers_unfold(head, (size_t)n));
    }
    int n = snprintf(head, sizeof head, START " X: a\r\nX: b\r\n\r\n");
    memcpy(before, head, sizeof head);
    assert_false(headers_unfold(head, (size_t)n)); /* the status line is no field */
    assert_memory_equal(head, before, (size_t)n);
    assert_false(headers_unfold(head, 0));
}

static void test_combine(void **state) {
    static const char head[] = START "A: 1\r\nB: x\r\na:\r\nA: 2, 3\r\n\r\n";
    struct buf all;

    (void)state;
    buf_init(&all, 64);
    assert_true(headers_combine(head, strlen(head), "a", &all));
    assert_string_equal(all.data, "1, , 2, 3");
    buf_release(&all);
}

/* What follows an interim head is another one; what follows any other is a trailer, whatever its name. */
static void test_interim(void **state) {
    static const struct {
        const char *head;
        bool is;
    } heads[] = {
        {"HTTP/1.1 100 Continue\r\n\r\n", true},
        {"HTTP/1.1  103\r\n\r\n", true},
        {"HTTP/1.1 101 Switch\r\n\r\n", false},
        {"HTTP/1.1 200 OK\r\nA: 1\r\n\r\n", false},
        {"HTTP/1.1 20", false},
        {"HTTP/1.1", false},
        {"HTTP/1.1 1", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++)
        assert_int_equal(headers_is_interim(heads[i].head, strlen(heads[i].head)), heads[i].is);
    assert_false(headers_is_interim(NULL, 0));
}

#define OK_LINE "HTTP/1.1 200 OK"
#define EXPECT(line, cases) expect_framings(line, cases, sizeof(cases) / sizeof(cases)[0])

static void test_lengths(void **state) {
    static const struct framing_case cases[] = {
        {"", .end = HEADERS_END_CONNECTION},
        {"Content-Length: 0\r\n", .end = HEADERS_END_LENGTH},
        {"Content-Length: 9223372036854775807\r\n", .end = HEADERS_END_LENGTH, .length = INT64_MAX},
        {"Content-Length: 9223372036854775808\r\n", .fault = HEADERS_LENGTH_INVALID},
        {"Content-Length:\r\n", .fault = HEADERS_LENGTH_INVALID},
        {"Content-Length: -1\r\n", .fault = HEADERS_LENGTH_INVALID},
        {"Content-Length: +1\r\n", .fault = HEADERS_LENGTH_INVALID},
        {"Content-Length: 1 2\r\n", .fault = HEADERS_LENGTH_INVALID},
        {"Content-Length: 0x10\r\n", .fault = HEADERS_LENGTH_INVALID},
        {"Content-Length: 1.0\r\n", .fault = HEADERS_LENGTH_INVALID},
        {"Content-Length: \"1\"\r\n", .fault = HEADERS_LENGTH_INVALID},
        {"Content-Length: 1,\r\n", .fault = HEADERS_LENGTH_INVALID},
        {"Content-Length: \t7 \r\n", .end = HEADERS_END_LENGTH, .length = 7},
        {"Content-Length: 7 , 07\r\n", .end = HEADERS_END_LENGTH, .length = 7},
        {"Content-Length: 7, 8\r\n", .fault = HEADERS_LENGTH_CONFLICT},
        {"Content-Length: 7\r\ncontent-length: 7\r\n", .end = HEADERS_END_LENGTH, .length = 7},
        {"Content-Length: 7\r\ncontent-length: 8\r\n", .fault = HEADERS_LENGTH_CONFLICT},
        {"Content-Length : 7\r\n", .end = HEADERS_END_LENGTH, .length = 7},
    };

    (void)state;
    EXPECT(OK_LINE, cases);
}

static void test_codings(void **state) {
    static const struct framing_case cases[] = {
        {"Transfer-Encoding: Chunked\r\n", .end = HEADERS_END_CHUNKS},
        {"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", .end = HEADERS_END_CHUNKS,
         .odd = true},
        {"Content-Length: 1, 2\r\nTransfer-Encoding: chunked\r\n", .end = HEADERS_END_CHUNKS,
         .odd = true},
        {"Transfer-Encoding: gzip\r\n", .fault = HEADERS_CODING_UNDONE},
        {"Transfer-Encoding: gzip, chunked\r\n", .fault = HEADERS_CODING_UNDONE},
        {"Transfer-Encoding: chunked\r\nTransfer-Encoding: x-compress\r\n",
         .fault = HEADERS_CODING_UNDONE},
        {"Transfer-Encoding : Deflate\r\n", .fault = HEADERS_CODING_UNDONE},
        {"Transfer-Encoding: identity, chunked\r\n", .end = HEADERS_END_CHUNKS, .odd = true},
        {"Transfer-Encoding: chunked, identity\r\n", .end = HEADERS_END_CHUNKS, .odd = true},
        {"Transfer-Encoding: chunked ,\r\n", .end = HEADERS_END_CHUNKS},
        /* As gateways send it that add what is there; the body is chunked once. */
        {"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", .end = HEADERS_END_CHUNKS,
         .odd = true},
        {"Transfer-Encoding:\r\n", .end = HEADERS_END_CONNECTION, .odd = true},
        {"Transfer-Encoding: identity\r\n", .end = HEADERS_END_CONNECTION, .odd = true},
        {"Transfer-Encoding: utf-8\r\n", .end = HEADERS_END_CONNECTION, .odd = true},
        {"Transfer-Encoding: xchunked, \"chunked\", chunked;q=1\r\nContent-Length: 2\r\n",
         .end = HEADERS_END_LENGTH, .length = 2, .odd = true},
        {"Transfer-Encoding: identity\r\nContent-Length: 1, 2\r\n",
         .fault = HEADERS_LENGTH_CONFLICT},
        {"Transfer-Encoding: identity\r\nContent-Length: 5, 5\r\n", .end = HEADERS_END_LENGTH,
         .length = 5, .odd = true},
    };
    static const struct framing_case old[] = {
        {"Transfer-Encoding: chunked\r\n", .end = HEADERS_END_CHUNKS, .odd = true},
        {"Content-Length: 1\r\n", .end = HEADERS_END_LENGTH, .length = 1}};

    (void)state;
    EXPECT(OK_LINE, cases);
    EXPECT("HTTP/1.0 200 OK", old);
}

/* RFC 9112 §6.3, rule 1: there is no body to be measured. */
static void test_no_body(void **state) {
    static const char *const lines[] = {"HTTP/1.1 204 No Content", "HTTP/1.1 304 Not Modified",
                                        "HTTP/1.1 100 Continue", "HTTP/1.1 101 X"};
    static const struct framing_case odd[] = {
        {"Transfer-Encoding: chunked\r\n", .odd = true},
        {"Transfer-Encoding: gzip\r\nContent-Length: 1\r\nContent-Length: x\r\n", .odd = true},
    };
    static const struct framing_case length[] = {{"Content-Length: 5\r\n", .odd = true},
                                                 {"Content-Length: 1, x\r\n", .odd = true}};
    static const struct framing_case of_another[] = {{"Content-Length: 5\r\n", .odd = false},
                                                     {"", .odd = false}};

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        EXPECT(lines[i], odd);
    EXPECT("HTTP/1.1 204 N", length);
    EXPECT("HTTP/1.1 304 N", of_another);
}

static void test_chunked_plainly(void **state) {
    static const struct {
        const char *head;
        bool is;
    } heads[] = {
        {START "transfer-encoding: chunked\r\n\r\n", true},
        {START "Transfer-Encoding:identity,CHUNKED \r\n\r\n", true},
        {START "Transfer-Encoding : chunked\r\n\r\n", false},
        {START "Transfer-Encoding:\r\n chunked\r\n\r\n", false},
        {START "Transfer-Encoding : x\r\nTransfer-Encoding: chunked\r\n\r\n", true},
        {START "X-Transfer-Encoding: chunked\r\n\r\n", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++)
        assert_int_equal(headers_chunked_plainly(heads[i].head, strlen(heads[i].head)),
                         heads[i].is);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),    cmocka_unit_test(test_folds),
        cmocka_unit_test(test_combine), cmocka_unit_test(test_interim),
        cmocka_unit_test(test_lengths), cmocka_unit_test(test_codings),
        cmocka_unit_test(test_no_body), cmocka_unit_test(test_chunked_plainly),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
