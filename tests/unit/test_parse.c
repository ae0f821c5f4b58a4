/* parse: durations, sizes, numbers and addresses as users write them. */
#include "shared/parse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

enum { UNTOUCHED = 12345 };

static uint64_t duration(const char *text) {
    uint64_t ms = UNTOUCHED;

    if (!parse_duration_ms(text, &ms))
        fail_msg("'%s' is refused", text);
    return ms;
}

static uint64_t size(const char *text) {
    uint64_t bytes = UNTOUCHED;

    if (!parse_size(text, &bytes))
        fail_msg("'%s' is refused", text);
    return bytes;
}

static void durations(void **state) {
    static const char *const wrong[] = {
        "",
        "5",
        "00",
        "s",
        "ms",
        "-1s",
        "+1s",
        " 1s",
        "1s ",
        "1 s",
        "1S",
        "1.s",
        ".5s",
        "1..5s",
        "1.5.5s",
        "1.5ms",
        "0.0001s",
        "1e3s",
        "1sm",
        "0x1s",
        "1,5s",
        "3651d",
        "87601h",
        "18446744073709551616ms",
        "18446744073709551615d",
        "99999999999999999999999999s",
        "0.00000000000000000000000001d",
        "3650.1d",
    };
    (void)state;

    assert_int_equal(duration("0"), 0);
    assert_int_equal(duration("0s"), 0);
    assert_int_equal(duration("500ms"), 500);
    assert_int_equal(duration("10s"), 10000);
    assert_int_equal(duration("5m"), 300000);
    assert_int_equal(duration("2h"), 7200000);
    assert_int_equal(duration("1d"), 86400000);
    assert_int_equal(duration("1.5s"), 1500);
    assert_int_equal(duration("0.25h"), 900000);
    assert_int_equal(duration("1.0ms"), 1);
    assert_int_equal(duration("0.001s"), 1);
    assert_int_equal(duration("1.50000000000000000000000000000s"), 1500);
    assert_int_equal(duration("007s"), 7000);
    assert_int_equal(duration("3650d"), PARSE_DURATION_MAX_MS);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        uint64_t ms = UNTOUCHED;
        if (parse_duration_ms(wrong[i], &ms))
            fail_msg("'%s' is taken as %llu", wrong[i], (unsigned long long)ms);
        assert_int_equal(ms, UNTOUCHED);
    }
}

static void sizes(void **state) {
    static const char *const wrong[] = {
        "",
        "KiB",
        "-1",
        "1K",
        "1KB",
        "1kib",
        "1 KiB",
        "1.5",
        "0.1KiB",
        "1.KiB",
        ".5KiB",
        "9223372036854775808",
        "8388608TiB",
        "18446744073709551616",
        "18014398509481984KiB",
        "8388607.9999999999999999TiB",
        "1.5KiBs",
    };
    (void)state;

    assert_int_equal(size("0"), 0);
    assert_int_equal(size("4096"), 4096);
    assert_int_equal(size("64KiB"), 65536);
    assert_int_equal(size("10MiB"), 10 << 20);
    assert_int_equal(size("1GiB"), 1 << 30);
    assert_int_equal(size("2TiB"), INT64_C(2) << 40);
    assert_int_equal(size("1.5GiB"), 1610612736);
    assert_int_equal(size("0.5KiB"), 512);
    assert_int_equal(size("0.0009765625KiB"), 1);
    assert_int_equal(size("1.0"), 1);
    assert_int_equal(size("9223372036854775807"), INT64_MAX);
    assert_int_equal(size("8388607TiB"), INT64_C(8388607) << 40);
    assert_int_equal(size("8388607.5TiB"), (INT64_C(8388607) << 40) + (INT64_C(1) << 39));
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        uint64_t bytes = UNTOUCHED;
        if (parse_size(wrong[i], &bytes))
            fail_msg("'%s' is taken as %llu", wrong[i], (unsigned long long)bytes);
        assert_int_equal(bytes, UNTOUCHED);
    }
}

static void numbers(void **state) {
    static const char *const wrong[] = {"", "-1", "+1", " 1", "1 ", "0x1", "1.0", "a", "1a"};
    uint64_t n = UNTOUCHED;
    (void)state;

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(parse_uint(wrong[i], 0, UINT64_MAX, &n));
    assert_false(parse_uint("18446744073709551616", 0, UINT64_MAX, &n));
    assert_false(parse_uint("99999999999999999999999", 0, UINT64_MAX, &n));
    assert_false(parse_uint("11", 1, 10, &n));
    assert_false(parse_uint("0", 1, 10, &n));
    assert_false(parse_uint("9", 0, 5, &n));
    assert_int_equal(n, UNTOUCHED);
    assert_true(parse_uint("18446744073709551615", 0, UINT64_MAX, &n));
    assert_int_equal(n, UINT64_MAX);
    assert_true(parse_uint("10", 1, 10, &n));
    assert_int_equal(n, 10);
    assert_true(parse_uint("001", 1, 10, &n));
    assert_int_equal(n, 1);
    assert_true(parse_uint("0", 0, 0, &n));
    assert_int_equal(n, 0);
    for (uint64_t max = 0; max < 120; max++) {
        for (uint64_t i = 0; i < 130; i++) {
            char text[8];
            snprintf(text, sizeof text, "%u", (unsigned)i);
            assert_int_equal(parse_uint(text, 0, max, &n), i <= max);
        }
    }
}

static void assert_address(const char *text, enum parse_address_use use, const char *host,
                           unsigned port, bool loopback) {
    struct parse_address a;

    if (!parse_host_port(text, use, &a))
        fail_msg("'%s' is refused", text);
    assert_string_equal(a.host, host);
    assert_int_equal(a.port, port);
    assert_int_equal(a.is_loopback, loopback);
    assert_int_equal(a.is_ipv6, strchr(host, ':') != NULL);
    assert_false(a.tls);
}

static void addresses(void **state) {
    static const char *const wrong[] = {
        "",
        ":",
        ":80",
        "host",
        "host:",
        "host:0",
        "host:65536",
        "host:-1",
        "host:+1",
        "host:80 ",
        " host:80",
        "host:80/",
        "::1:80",
        "[::1]",
        "[::1]80",
        "[::1:80",
        "[]:80",
        "[host]:80",
        "[127.0.0.1]:80",
        "[fe80::1%lo]:80",
        "1.2.3:80",
        "256.1.1.1:80",
        "1.2.3.4.5:80",
        "127.1:80",
        "a..b:80",
        ".a:80",
        "a b:80",
        "a/b:80",
        "*:80",
        "*:0",
        "user@host:80",
        "127.0.0.1:80:80",
        "12:80",
        "1.2.3.4.:80",
    };
    char text[400];
    struct parse_address a;
    (void)state;

    assert_address("127.0.0.1:7700", PARSE_DIAL, "127.0.0.1", 7700, true);
    assert_address("127.255.0.1:1", PARSE_DIAL, "127.255.0.1", 1, true);
    assert_address("128.0.0.1:65535", PARSE_DIAL, "128.0.0.1", 65535, false);
    assert_address("[::1]:80", PARSE_DIAL, "::1", 80, true);
    assert_address("[::ffff:127.0.0.1]:80", PARSE_DIAL, "::ffff:127.0.0.1", 80, true);
    assert_address("[2001:db8::1]:80", PARSE_DIAL, "2001:db8::1", 80, false);
    assert_address("localhost:80", PARSE_DIAL, "localhost", 80, true);
    assert_address("my-host_1.example.:80", PARSE_DIAL, "my-host_1.example.", 80, false);
    assert_address("1host:80", PARSE_DIAL, "1host", 80, false);
    assert_address("*:80", PARSE_LISTEN, "*", 80, false);
    assert_address("0.0.0.0:0", PARSE_LISTEN, "0.0.0.0", 0, false);
    assert_address("[::]:0", PARSE_LISTEN, "::", 0, false);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        if (parse_host_port(wrong[i], PARSE_DIAL, &a))
            fail_msg("'%s' is accepted", wrong[i]);
    }
    for (int label = 62; label < 66; label++) {
        snprintf(text, sizeof text, "%.*s:80", label,
                 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
        assert_int_equal(parse_host_port(text, PARSE_DIAL, &a), label <= 63);
    }
    memset(text, 'a', 300);
    for (int i = 9; i < 300; i += 10)
        text[i] = '.';
    memcpy(text + 253, ":80", 4);
    assert_true(parse_host_port(text, PARSE_DIAL, &a));
    memset(text + 250, 'b', 4);
    memcpy(text + 254, ":80", 4);
    assert_false(parse_host_port(text, PARSE_DIAL, &a));
}

static void rpc_addresses(void **state) {
    static const char *const wrong[] = {"127.0.0.1:7700", "tcp:127.0.0.1:7700", "tcp:///",
                                        "tcp://",         "tls://a:1",          "TCP://a:1",
                                        "ipc:///tmp/x",   "tls+tcp://a",        "http://a:1",
                                        "tcp://a:1/",     "tcp://a:0"};
    struct parse_address a = {.port = 7};
    (void)state;

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        if (parse_rpc_address(wrong[i], PARSE_DIAL, &a))
            fail_msg("'%s' is accepted", wrong[i]);
        assert_int_equal(a.port, 7);
    }
    assert_true(parse_rpc_address("tcp://127.0.0.1:7700", PARSE_DIAL, &a));
    assert_false(a.tls);
    assert_true(a.is_loopback);
    assert_true(parse_rpc_address("tls+tcp://[::1]:7700", PARSE_DIAL, &a));
    assert_true(a.tls);
    assert_true(a.is_ipv6);
    assert_string_equal(a.host, "::1");
    assert_true(parse_rpc_address("tls+tcp://master.example:1", PARSE_DIAL, &a));
    assert_false(a.is_loopback);
    assert_true(parse_rpc_address("tcp://*:0", PARSE_LISTEN, &a));
    assert_int_equal(a.port, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations), cmocka_unit_test(sizes),         cmocka_unit_test(numbers),
        cmocka_unit_test(addresses), cmocka_unit_test(rpc_addresses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
