/* utc: agrees with strftime(), and knows its limits. */
#include "shared/utc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static const int64_t year_0 = -62167219200000, year_10000 = 253402300800000;

static void known_moments(void **state) {
    static const struct {
        int64_t ms;
        const char *rfc3339, *digits;
    } cases[] = {
        {0, "1970-01-01T00:00:00.000Z", "19700101000000"},
        {1700000000123, "2023-11-14T22:13:20.123Z", "20231114221320"},
        {-1, "1969-12-31T23:59:59.999Z", "19691231235959"},
        {-1000, "1969-12-31T23:59:59.000Z", "19691231235959"},
        {951782400000, "2000-02-29T00:00:00.000Z", "20000229000000"},
        {year_0, "0000-01-01T00:00:00.000Z", "00000101000000"},
        {year_10000 - 1, "9999-12-31T23:59:59.999Z", "99991231235959"},
    };
    char text[UTC_RFC3339_SIZE], digits[UTC_14_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_true(utc_rfc3339(cases[i].ms, text));
        assert_string_equal(text, cases[i].rfc3339);
        assert_true(utc_14(cases[i].ms, digits));
        assert_string_equal(digits, cases[i].digits);
    }
}

static void other_years_have_no_text(void **state) {
    static const int64_t cases[] = {year_0 - 1, year_10000, INT64_MIN, INT64_MAX};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[UTC_RFC3339_SIZE] = "x", digits[UTC_14_SIZE] = "x";

        assert_false(utc_rfc3339(cases[i], text));
        assert_string_equal(text, "");
        assert_false(utc_14(cases[i], digits));
        assert_string_equal(digits, "");
    }
}

static void agrees_with_strftime(void **state) {
    uint64_t random = 7;

    (void)state;
    for (int i = 0; i < 100000; i++) {
        char text[UTC_RFC3339_SIZE], digits[UTC_14_SIZE], expected[64];
        struct tm tm;

        random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        /* Years 1000 to 9999: strftime() does not pad. */
        int64_t ms = (int64_t)((random >> 10) % 284000000000000) - 30610224000000;
        time_t second = (time_t)(ms / 1000 - (ms % 1000 < 0));
        size_t n = strftime(expected, sizeof expected, "%Y-%m-%dT%H:%M:%S", gmtime_r(&second, &tm));
        snprintf(expected + n, sizeof expected - n, ".%03dZ", (int)(ms - (int64_t)second * 1000));
        assert_true(utc_rfc3339(ms, text));
        assert_string_equal(text, expected);
        strftime(expected, sizeof expected, "%Y%m%d%H%M%S", &tm);
        assert_true(utc_14(ms, digits));
        assert_string_equal(digits, expected);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_moments),
        cmocka_unit_test(other_years_have_no_text),
        cmocka_unit_test(agrees_with_strftime),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
