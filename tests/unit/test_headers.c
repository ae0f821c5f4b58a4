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
    assert_false(headers_find(head, strlen(head), "ab", 0, &value, &len));
    assert_false(headers_find(head, strlen(head), "C", 0, &value, &len));
    assert_false(headers_find(NULL, 0, "a", 0, &value, &len));
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
    /* As gateways send it that add what is there; the body is chunked once. */
    assert_int_equal(framing("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
                     HEADERS_FRAMING_FINE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_codings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
