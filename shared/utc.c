#include "shared/utc.h"

#include <time.h>

static bool split(int64_t unix_ms, struct tm *tm, unsigned *ms) {
    int64_t rest = unix_ms % 1000;
    time_t second = (time_t)(unix_ms / 1000 - (rest < 0));

    *ms = (unsigned)(rest < 0 ? rest + 1000 : rest);
    return gmtime_r(&second, tm) != NULL && tm->tm_year >= -1900 && tm->tm_year <= 9999 - 1900;
}

/* A quarter of the time that strftime() and snprintf() take. */
static char *put(char *at, unsigned n, int digits) {
    for (int i = digits - 1; i >= 0; i--, n /= 10)
        at[i] = (char)('0' + n % 10);
    return at + digits;
}

static char *put_separated(char *at, unsigned n, int digits, char separator) {
    at = put(at, n, digits);
    *at = separator;
    return at + 1;
}

bool utc_rfc3339(int64_t unix_ms, char text[static UTC_RFC3339_SIZE]) {
    struct tm tm;
    unsigned ms;

    *text = '\0';
    if (!split(unix_ms, &tm, &ms))
        return false;
    char *at = put_separated(text, (unsigned)(tm.tm_year + 1900), 4, '-');
    at = put_separated(at, (unsigned)tm.tm_mon + 1, 2, '-');
    at = put_separated(at, (unsigned)tm.tm_mday, 2, 'T');
    at = put_separated(at, (unsigned)tm.tm_hour, 2, ':');
    at = put_separated(at, (unsigned)tm.tm_min, 2, ':');
    at = put_separated(at, (unsigned)tm.tm_sec, 2, '.');
    at = put_separated(at, ms, 3, 'Z');
    *at = '\0';
    return true;
}

bool utc_14(int64_t unix_ms, char text[static UTC_14_SIZE]) {
    struct tm tm;
    unsigned ms;

    *text = '\0';
    if (!split(unix_ms, &tm, &ms))
        return false;
    char *at = put(text, (unsigned)(tm.tm_year + 1900), 4);
    at = put(at, (unsigned)tm.tm_mon + 1, 2);
    at = put(at, (unsigned)tm.tm_mday, 2);
    at = put(at, (unsigned)tm.tm_hour, 2);
    at = put(at, (unsigned)tm.tm_min, 2);
    at = put(at, (unsigned)tm.tm_sec, 2);
    *at = '\0';
    return true;
}
