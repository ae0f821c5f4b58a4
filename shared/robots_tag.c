#include "shared/robots_tag.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum { DATE_BYTES_MAX = 64 };

struct text {
    const char *p;
    size_t n;
};

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\r';
}

static struct text trim(struct text t) {
    while (t.n > 0 && is_space(*t.p)) {
        t.p++;
        t.n--;
    }
    while (t.n > 0 && is_space(t.p[t.n - 1]))
        t.n--;
    return t;
}

static bool text_is(struct text t, const char *word) {
    return t.n == strlen(word) && strncasecmp(t.p, word, t.n) == 0;
}

/* Cuts off what stands before the first `c`, which goes too; all of it if there is none. */
static struct text cut(struct text *rest, char c) {
    const char *at = rest->n == 0 ? NULL : memchr(rest->p, c, rest->n);
    struct text first = {rest->p, at == NULL ? rest->n : (size_t)(at - rest->p)};
    size_t gone = first.n + (at != NULL);

    *rest = (struct text){rest->p + gone, rest->n - gone};
    return first;
}

/* ---- dates --------------------------------------------------------------------------------------------- */

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

static bool parse_date(struct text t, int64_t *unix_s) {
    char date[DATE_BYTES_MAX];

    t = trim(t);
    if (t.n == 0 || t.n >= sizeof date)
        return false;
    memcpy(date, t.p, t.n);
    date[t.n] = '\0';
    if (parse_iso(date, unix_s))
        return true;
    *unix_s = curl_getdate(date, NULL); /* RFC 822, RFC 850 and asctime() */
    return *unix_s >= 0;
}

static bool is_weekday(struct text t) {
    static const char days[] = "montuewedthufrisatsun";

    t = trim(t);
    for (size_t i = 0; t.n >= 3 && i < sizeof days - 1; i += 3)
        if (strncasecmp(t.p, days + i, 3) == 0)
            return memchr(t.p, ' ', t.n) == NULL && memchr(t.p, '-', t.n) == NULL;
    return false;
}

/* ---- rules --------------------------------------------------------------------------------------------- */

static void take_date(struct robots_tag *t, struct text date, struct text *rest) {
    int64_t unix_s;

    /* "Sat, 25 Jun 2022 ...": the comma is the date's. */
    if (is_weekday(date)) {
        const char *from = date.p;
        struct text more = cut(rest, ',');
        date = (struct text){from, (size_t)(more.p + more.n - from)};
    }
    if (parse_date(date, &unix_s) && unix_s < INT64_MAX / 1000 && unix_s > INT64_MIN / 1000 &&
        unix_s * 1000 < t->until_unix_ms)
        t->until_unix_ms = unix_s * 1000;
}

static void take_words(struct robots_tag *t, struct text words) {
    size_t at = 0;

    while (at < words.n) {
        struct text word = {words.p + at, 0};
        while (at < words.n && !is_space(words.p[at++]))
            word.n++;
        bool none = text_is(word, "none");
        t->noindex = t->noindex || none || text_is(word, "noindex");
        t->nofollow = t->nofollow || none || text_is(word, "nofollow");
    }
}

/* Rules that have a value, and so a colon without being an agent's name. */
static bool is_valued_rule(struct text name) {
    return text_is(name, "max-snippet") || text_is(name, "max-image-preview") ||
           text_is(name, "max-video-preview");
}

/* What stands before the first colon, which goes too. False: there is no colon. */
static bool cut_name(struct text *part, struct text *name) {
    if (part->n == 0 || memchr(part->p, ':', part->n) == NULL)
        return false;
    *name = trim(cut(part, ':'));
    return true;
}

/* One of the parts between commas, and of `rest` what belongs to it. `agent` NULL: there are no prefixes. */
static void take_part(struct robots_tag *t, struct text part, struct text *rest, const char *agent,
                      bool *addressed) {
    struct robots_tag ignored;
    struct text name;

    robots_tag_init(&ignored);
    while (cut_name(&part, &name)) {
        if (text_is(name, "unavailable_after")) {
            take_date(*addressed ? t : &ignored, part, rest);
            return;
        }
        if (agent == NULL || is_valued_rule(name))
            return;
        *addressed = text_is(name, agent) || text_is(name, "robots") || text_is(name, "*");
    }
    take_words(*addressed ? t : &ignored, part);
}

static void take(struct robots_tag *t, struct text rest, const char *agent) {
    bool addressed = true;

    while (rest.n > 0) {
        struct text part = cut(&rest, ',');
        take_part(t, part, &rest, agent, &addressed);
    }
}

void robots_tag_init(struct robots_tag *t) {
    *t = (struct robots_tag){.until_unix_ms = INT64_MAX};
}

void robots_tag_meta(struct robots_tag *t, const char *content, size_t len) {
    take(t, (struct text){content, len}, NULL);
}

void robots_tag_header(struct robots_tag *t, const char *value, size_t len, const char *agent) {
    take(t, (struct text){value, len}, agent);
}

void robots_tag_add(struct robots_tag *t, const struct robots_tag *other) {
    t->noindex = t->noindex || other->noindex;
    t->nofollow = t->nofollow || other->nofollow;
    if (other->until_unix_ms < t->until_unix_ms)
        t->until_unix_ms = other->until_unix_ms;
}

bool robots_tag_excludes(const struct robots_tag *t, int64_t unix_ms) {
    return t->noindex || unix_ms > t->until_unix_ms;
}
