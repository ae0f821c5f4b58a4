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

static enum headers_framing framing(const char *fields) {
    char head[1024];
    int len = snprintf(head, sizeof head, START "%s\r\n", fields);

    assert_true(len > 0 && (size_t)len < sizeof head);
    return headers_framing(head, (size_t)len);
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

static void test_lengths(void **state) {
    (void)state;
    assert_int_equal(framing(""), HEADERS_FRAMING_FINE);
    assert_int_equal(framing("Content-Length: 0\r\n"), HEADERS_FRAMING_FINE);
    assert_int_equal(framing("Content-Length: 9223372036854775807\r\n"), HEADERS_FRAMING_FINE);
    assert_int_equal(framing("Content-Length: 9223372036854775808\r\n"), HEADERS_LENGTH_INVALID);
    assert_int_equal(framing("Content-Length:\r\n"), HEADERS_LENGTH_INVALID);
    assert_int_equal(framing("Content-Length: -1\r\n"), HEADERS_LENGTH_INVALID);
    assert_int_equal(framing("Content-Length: +1\r\n"), HEADERS_LENGTH_INVALID);
    assert_int_equal(framing("Content-Length: 1 2\r\n"), HEADERS_LENGTH_INVALID);
    assert_int_equal(framing("Content-Length: 0x10\r\n"), HEADERS_LENGTH_INVALID);
    assert_int_equal(framing("Content-Length: 1,\r\n"), HEADERS_LENGTH_INVALID);
    assert_int_equal(framing("Content-Length: 7 , 07\r\n"), HEADERS_FRAMING_FINE);
    assert_int_equal(framing("Content-Length: 7, 8\r\n"), HEADERS_LENGTH_CONFLICT);
    assert_int_equal(framing("Content-Length: 7\r\ncontent-length: 7\r\n"), HEADERS_FRAMING_FINE);
    assert_int_equal(framing("Content-Length: 7\r\ncontent-length: 8\r\n"),
                     HEADERS_LENGTH_CONFLICT);
}

static void test_codings(void **state) {
    (void)state;
    assert_int_equal(framing("Transfer-Encoding: Chunked\r\n"), HEADERS_FRAMING_FINE);
    assert_int_equal(framing("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"),
                     HEADERS_FRAMING_FINE);
    assert_int_equal(framing("Content-Length: 1, 2\r\nTransfer-Encoding: chunked\r\n"),
                     HEADERS_FRAMING_FINE);
    assert_int_equal(framing("Transfer-Encoding: identity\r\nContent-Length: 1, 2\r\n"),
                     HEADERS_LENGTH_CONFLICT);
    assert_int_equal(framing("Transfer-Encoding: gzip\r\n"), HEADERS_CODING_UNKNOWN);
    assert_int_equal(framing("Transfer-Encoding: gzip, chunked\r\n"), HEADERS_CODING_UNKNOWN);
    assert_int_equal(framing("Transfer-Encoding: identity, chunked\r\n"), HEADERS_FRAMING_FINE);
    assert_int_equal(framing("Transfer-Encoding: chunked ,\r\n"), HEADERS_FRAMING_FINE);
    assert_int_equal(framing("Transfer-Encoding:\r\n"), HEADERS_FRAMING_FINE);
    assert_int_equal(framing("Transfer-Encoding: chunked, identity\r\n"), HEADERS_CODING_UNKNOWN);
    assert_int_equal(framing("Transfer-Encoding : gzip\r\n"), HEADERS_CODING_UNKNOWN);
    /* As gateways send it that add what is there; the body is chunked once. */
    assert_int_equal(framing("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
                     HEADERS_FRAMING_FINE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),    cmocka_unit_test(test_folds),
        cmocka_unit_test(test_combine), cmocka_unit_test(test_interim),
        cmocka_unit_test(test_lengths), cmocka_unit_test(test_codings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
