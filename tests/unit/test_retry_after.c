/* What servers state as a time to wait: numbers and dates of all kinds, each bounded. */
#include "worker/retry_after.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "shared/limits.h"

static const int64_t now_ms = INT64_C(1764450000) * 1000; /* Sat, 29 Nov 2025 21:00:00 GMT */

static uint32_t asked(const char *value, const char *date) {
    return retry_after_ms(value, strlen(value), date, strlen(date), now_ms);
}

static void test_values(void **state) {
    static const struct {
        const char *value, *date;
        uint32_t ms;
    } cases[] = {
        {"4", "", 4000},
        {"0", "", 0},
        {"", "", 0},
        {"-5", "", 0},
        {"+5", "", 0},
        {"1.5", "", 1500},
        {"0.0001", "", 1},
        {"\"7\"", "", 7000},
        {"120 seconds", "", 120000},
        {"3600", "", LIMIT_SERVER_DELAY_MS},
        {"3601", "", LIMIT_SERVER_DELAY_MS},
        {"99999999999999999999999999", "", LIMIT_SERVER_DELAY_MS},
        {"1e3", "", 1000},
        {"soon", "", 0},
        {"Sat, 29 Nov 2025 21:00:30 GMT", "", 30000},
        {"Saturday, 29-Nov-25 21:00:30 GMT", "", 30000},
        {"Sat Nov 29 21:00:30 2025", "", 30000},
        {"2025-11-29T21:00:30Z", "", 30000},
        {"29 Nov 2025 21:00:30 GMT", "", 30000},
        {"Sat, 29 Nov 2025 20:59:30 GMT", "", 0},
        {"Fri, 31 Dec 9999 23:59:59 GMT", "", LIMIT_SERVER_DELAY_MS},
        /* The server's clock is ten minutes slow, or fast: its own date says so. */
        {"Sat, 29 Nov 2025 20:50:30 GMT", "Sat, 29 Nov 2025 20:50:00 GMT", 30000},
        {"Sat, 29 Nov 2025 21:10:30 GMT", "Sat, 29 Nov 2025 21:10:00 GMT", 30000},
        {"Sat, 29 Nov 2025 21:00:30 GMT", "yesterday", 30000},
        {"4", "Sat, 29 Nov 2025 20:50:00 GMT", 4000},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(asked(cases[i].value, cases[i].date), cases[i].ms);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
