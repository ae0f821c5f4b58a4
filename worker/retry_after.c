#include "worker/retry_after.h"

#include <stdbool.h>

#include "shared/http_date.h"
#include "shared/limits.h"

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static uint32_t bounded(int64_t ms) {
    return ms < 0 ? 0 : ms < LIMIT_SERVER_DELAY_MS ? (uint32_t)ms : LIMIT_SERVER_DELAY_MS;
}

/* The number in front; `*used`: its length, 0 if there is none. */
static uint32_t seconds(const char *p, size_t len, size_t *used) {
    int64_t ms = 0, unit = 100;
    size_t i = 0;
    bool more = false;

    for (; i < len && is_digit(p[i]); i++)
        if (ms < LIMIT_SERVER_DELAY_MS)
            ms = ms * 10 + (int64_t)(p[i] - '0') * 1000;
    if (i > 0 && i < len && p[i] == '.')
        for (i++; i < len && is_digit(p[i]); i++, unit /= 10) {
            ms += (p[i] - '0') * unit;
            more = more || (unit == 0 && p[i] != '0');
        }
    *used = i;
    return bounded(ms + more);
}

uint32_t retry_after_ms(const char *value, size_t len, const char *date, size_t date_len,
                        int64_t now_unix_ms) {
    int64_t until_s, date_s;
    size_t used;

    if (len > 1 && *value == '"' && value[len - 1] == '"') {
        value++;
        len -= 2;
    }
    uint32_t ms = seconds(value, len, &used);
    if (used == len || !http_date_parse(value, len, &until_s))
        return ms;
    if (date_len > 0 && http_date_parse(date, date_len, &date_s))
        now_unix_ms = date_s * 1000;
    if (until_s > now_unix_ms / 1000 + LIMIT_SERVER_DELAY_MS / 1000)
        return LIMIT_SERVER_DELAY_MS;
    return until_s < now_unix_ms / 1000 ? 0 : bounded(until_s * 1000 - now_unix_ms);
}
