#include "shared/http_date.h"

#include <curl/curl.h>
#include <string.h>
#include <time.h>

enum { DATE_BYTES_MAX = 64 };

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\r';
}

/* Exactly so many digits. */
static bool take_number(const char **at, size_t digits, int *n) {
    *n = 0;
    for (size_t i = 0; i < digits; i++) {
        if ((*at)[i] < '0' || (*at)[i] > '9')
            return false;
        *n = *n * 10 + ((*at)[i] - '0');
    }
    *at += digits;
    return true;
}

static bool take_char(const char **at, char c) {
    if (**at != c)
        return false;
    ++*at;
    return true;
}

/* "+02:00", "-0530", "Z"; seconds east of UTC. */
static bool take_zone(const char **at, int64_t *zone_s) {
    int hour, minute;
    char sign = **at;

    *zone_s = 0;
    if (sign == 'Z' || sign == 'z')
        ++*at;
    if (sign != '+' && sign != '-')
        return true;
    ++*at;
    if (!take_number(at, 2, &hour))
        return false;
    (void)take_char(at, ':');
    if (!take_number(at, 2, &minute))
        return false;
    *zone_s = (int64_t)hour * 3600 + (int64_t)minute * 60;
    if (sign == '-')
        *zone_s = -*zone_s;
    return true;
}

static bool take_time(const char **at, struct tm *tm) {
    if (!take_number(at, 2, &tm->tm_hour) || !take_char(at, ':') ||
        !take_number(at, 2, &tm->tm_min))
        return false;
    if (take_char(at, ':') && !take_number(at, 2, &tm->tm_sec))
        return false;
    if (take_char(at, '.'))
        *at += strspn(*at, "0123456789");
    return tm->tm_hour <= 24 && tm->tm_min <= 59 && tm->tm_sec <= 60;
}

/* ISO 8601: a date, perhaps with a time, perhaps with a zone; UTC without one. */
static bool parse_iso(const char *date, int64_t *unix_s) {
    struct tm tm = {0};
    int year, month;
    int64_t zone_s = 0;

    if (!take_number(&date, 4, &year) || !take_char(&date, '-') || !take_number(&date, 2, &month) ||
        !take_char(&date, '-') || !take_number(&date, 2, &tm.tm_mday))
        return false;
    if (*date == 'T' || *date == 't' || *date == ' ') {
        date++;
        if (!take_time(&date, &tm) || !take_zone(&date, &zone_s))
            return false;
    }
    if (*date != '\0' || year < 1 || month < 1 || month > 12 || tm.tm_mday < 1 || tm.tm_mday > 31)
        return false;
    tm.tm_year = year - 1900;
    tm.tm_mon = month - 1;
    *unix_s = (int64_t)timegm(&tm) - zone_s;
    return true;
}

bool http_date_parse(const char *text, size_t len, int64_t *unix_s) {
    char date[DATE_BYTES_MAX];

    while (len > 0 && is_space(*text)) {
        text++;
        len--;
    }
    while (len > 0 && is_space(text[len - 1]))
        len--;
    if (len == 0 || len >= sizeof date)
        return false;
    memcpy(date, text, len);
    date[len] = '\0';
    if (parse_iso(date, unix_s))
        return true;
    *unix_s = curl_getdate(date, NULL);
    return *unix_s >= 0;
}
