#include "worker/cookies.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "shared/domain.h"
#include "shared/limits.h"

struct cookie {
    struct cookie *next, *prev;
    int64_t ends_s; /* INT64_MAX: with the visit */
    size_t name_len, value_len, path_len;
    size_t domain_len; /* of the host's end */
    bool secure;
    char text[]; /* name, value, path */
};

struct slice {
    const char *p;
    size_t n;
};

/* One Set-Cookie, read. */
struct setting {
    struct slice name, value, path, domain;
    bool has_path, has_domain, has_max_age, secure;
    int64_t max_age_ends_s, ends_s;
};

void cookies_init(struct cookies *c) {
    *c = (struct cookies){0};
}

static void drop(struct cookies *c, struct cookie *k) {
    *(k->prev == NULL ? &c->first : &k->prev->next) = k->next;
    *(k->next == NULL ? &c->last : &k->next->prev) = k->prev;
    c->count--;
    c->bytes -= k->name_len + k->value_len + k->path_len;
    free(k);
}

void cookies_release(struct cookies *c) {
    while (c->first != NULL)
        drop(c, c->first);
}

/* ---- the grammar, RFC 6265 §5.2 ------------------------------------------------------------------ */

static struct slice trim(struct slice s) {
    while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t')) {
        s.p++;
        s.n--;
    }
    while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    return s;
}

/* What is before the first `c`, which `s` is moved behind; all of it if there is none: false. */
static bool split(struct slice *s, char c, struct slice *before) {
    const char *at = s->n == 0 ? NULL : memchr(s->p, c, s->n);

    *before = *s;
    if (at == NULL) {
        s->p += s->n;
        s->n = 0;
        return false;
    }
    before->n = (size_t)(at - s->p);
    s->n -= before->n + 1;
    s->p = at + 1;
    return true;
}

static bool is(struct slice s, const char *text) {
    return s.n == strlen(text) && strncasecmp(s.p, text, s.n) == 0;
}

static bool begins(struct slice s, const char *text) {
    return s.n >= strlen(text) && strncasecmp(s.p, text, strlen(text)) == 0;
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* A number of at least `min` and at most `max` digits, behind which none comes. */
static bool take_digits(struct slice *s, size_t min, size_t max, unsigned *value) {
    size_t n = 0;

    *value = 0;
    for (; n < s->n && is_digit(s->p[n]); n++)
        if (n < max)
            *value = *value * 10 + (unsigned)(s->p[n] - '0');
    if (n < min || n > max)
        return false;
    s->p += n;
    s->n -= n;
    return true;
}

static bool take_time(struct slice s, unsigned *hour, unsigned *minute, unsigned *second) {
    if (!take_digits(&s, 1, 2, hour) || s.n == 0 || *s.p != ':')
        return false;
    s.p++;
    s.n--;
    if (!take_digits(&s, 1, 2, minute) || s.n == 0 || *s.p != ':')
        return false;
    s.p++;
    s.n--;
    return take_digits(&s, 1, 2, second);
}

static unsigned month_of(struct slice s) {
    static const char names[] = "janfebmaraprmayjunjulaugsepoctnovdec";

    for (unsigned i = 0; s.n >= 3 && i < 12; i++)
        if (strncasecmp(s.p, names + (size_t)3 * i, 3) == 0)
            return i + 1;
    return 0;
}

/* §5.1.1 */
static bool is_delimiter(char c) {
    return c == '\t' || (c >= ' ' && c <= '/') || (c >= ';' && c <= '@') ||
           (c >= '[' && c <= '`') || (c >= '{' && c <= '~');
}

struct date {
    unsigned year, month, day, hour, minute, second;
    bool has_year, has_time, has_day;
};

/* Each token is the first thing that it can be and that is not there yet. */
static void take_token(struct date *d, struct slice token) {
    struct slice day = token, year = token;
    unsigned value;

    if (!d->has_time && take_time(token, &d->hour, &d->minute, &d->second)) {
        d->has_time = true;
    } else if (!d->has_day && take_digits(&day, 1, 2, &value)) {
        d->has_day = true;
        d->day = value;
    } else if (d->month == 0 && month_of(token) != 0) {
        d->month = month_of(token);
    } else if (!d->has_year && take_digits(&year, 2, 4, &value)) {
        d->has_year = true;
        d->year = value < 70 ? value + 2000 : value < 100 ? value + 1900 : value;
    }
}

/* Since 1970, of the Gregorian calendar. */
static int64_t days_of(unsigned year, unsigned month, unsigned day) {
    static const unsigned short before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    int64_t y = (int64_t)year - (month <= 2);

    return ((int64_t)year - 1970) * 365 + (y / 4 - y / 100 + y / 400) - (1969 / 4 - 19 + 4) +
           before[month - 1] + day - 1;
}

static bool read_date(struct slice s, int64_t *unix_s) {
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    struct date d = {0};

    while (s.n > 0) {
        size_t n = 0;
        while (n < s.n && !is_delimiter(s.p[n]))
            n++;
        if (n > 0)
            take_token(&d, (struct slice){s.p, n});
        n += n < s.n;
        s.p += n;
        s.n -= n;
    }
    bool leap = (d.year % 4 == 0 && d.year % 100 != 0) || d.year % 400 == 0;
    if (!d.has_time || !d.has_day || d.month == 0 || !d.has_year || d.year < 1601 || d.hour > 23 ||
        d.minute > 59 || d.second > 59 || d.day < 1 ||
        d.day > days[d.month - 1] + (unsigned)(d.month == 2 && leap))
        return false;
    *unix_s = days_of(d.year, d.month, d.day) * 86400 + d.hour * 3600 + d.minute * 60 + d.second;
    return true;
}

/* §5.2.2: digits, or a minus and digits; else the attribute is not there. */
static void take_max_age(struct setting *set, struct slice v, int64_t now_s) {
    bool minus = v.n > 0 && v.p[0] == '-';
    int64_t age_s = 0;

    if (v.n == (size_t)minus)
        return;
    for (size_t i = minus; i < v.n; i++) {
        if (!is_digit(v.p[i]))
            return;
        if (age_s < INT64_C(1) << 40)
            age_s = age_s * 10 + (v.p[i] - '0');
    }
    set->has_max_age = true;
    set->max_age_ends_s = minus || age_s == 0 ? INT64_MIN : now_s + age_s;
}

static void take_attribute(struct setting *set, struct slice name, struct slice value,
                           int64_t now_s) {
    int64_t ends_s;

    if (value.n > LIMIT_COOKIE_ATTRIBUTE_BYTES)
        return;
    if (is(name, "expires")) {
        if (read_date(value, &ends_s))
            set->ends_s = ends_s;
    } else if (is(name, "max-age")) {
        take_max_age(set, value, now_s);
    } else if (is(name, "domain")) {
        if (value.n == 0)
            return;
        set->has_domain = true;
        set->domain = value;
    } else if (is(name, "path")) {
        set->has_path = value.n > 0 && value.p[0] == '/';
        set->path = value;
    } else if (is(name, "secure")) {
        set->secure = true;
    }
}

static bool has_control(struct slice s) {
    for (size_t i = 0; i < s.n; i++)
        if (((unsigned char)s.p[i] < ' ' && s.p[i] != '\t') || s.p[i] == 0x7f)
            return true;
    return false;
}

/* False: it sets nothing. */
static bool read_setting(struct setting *set, struct slice text, int64_t now_s) {
    struct slice pair, name, attribute;

    *set = (struct setting){.ends_s = INT64_MAX};
    if (has_control(text))
        return false;
    split(&text, ';', &pair);
    if (!split(&pair, '=', &name))
        return false;
    set->name = trim(name);
    set->value = trim(pair);
    if (set->name.n == 0 || set->name.n + set->value.n > LIMIT_COOKIE_BYTES)
        return false;
    while (text.n > 0) {
        split(&text, ';', &attribute);
        split(&attribute, '=', &name);
        take_attribute(set, trim(name), trim(attribute), now_s);
    }
    if (set->has_max_age)
        set->ends_s = set->max_age_ends_s;
    return true;
}

/* ---- whose it is, §5.1.3, §5.1.4, §5.3 ----------------------------------------------------------- */

static bool is_address(struct url_slice host) {
    return host.len == 0 || host.ptr[0] == '[' || is_digit(host.ptr[host.len - 1]);
}

/* How much of the host's end it is for: all of it, or a domain of it that is no public suffix. False: it is none of this host's. */
static bool find_domain(const struct setting *set, const struct url *url, size_t *len) {
    struct url_slice host = url_hostname(url), registrable = domain_registrable(url);
    struct slice d = set->domain;

    *len = host.len;
    if (!set->has_domain)
        return true;
    if (d.p[0] == '.') {
        d.p++;
        d.n--;
    }
    if (d.n == 0 || (d.n == host.len && strncasecmp(d.p, host.ptr, d.n) == 0))
        return true;
    *len = d.n;
    return d.n < host.len && !is_address(host) && registrable.len > 0 && d.n >= registrable.len &&
           host.ptr[host.len - d.n - 1] == '.' &&
           strncasecmp(d.p, host.ptr + host.len - d.n, d.n) == 0;
}

static struct slice find_path(const struct setting *set, const struct url *url) {
    struct url_slice path = url_pathname(url);
    struct slice p = {path.ptr, path.len};

    if (set->has_path)
        return set->path;
    while (p.n > 1 && p.p[p.n - 1] != '/')
        p.n--;
    if (p.n > 1)
        p.n--;
    return p;
}

static bool is_https(const struct url *url) {
    return url_scheme(url).len == 5;
}

static bool may_set(const struct setting *set, const struct url *url) {
    bool https = is_https(url);

    if (set->secure && !https)
        return false;
    if (begins(set->name, "__Secure-"))
        return set->secure;
    if (begins(set->name, "__Host-"))
        return set->secure && !set->has_domain && set->has_path && set->path.n == 1;
    return true;
}

static struct cookie *find(struct cookies *c, const struct setting *set, struct slice path,
                           size_t domain_len) {
    for (struct cookie *k = c->first; k != NULL; k = k->next)
        if (k->domain_len == domain_len && k->name_len == set->name.n && k->path_len == path.n &&
            memcmp(k->text, set->name.p, set->name.n) == 0 &&
            memcmp(k->text + k->name_len + k->value_len, path.p, path.n) == 0)
            return k;
    return NULL;
}

static struct cookie *make(const struct setting *set, struct slice path, size_t domain_len) {
    struct cookie *k = malloc(sizeof *k + set->name.n + set->value.n + path.n);

    if (k == NULL)
        return NULL;
    *k = (struct cookie){.ends_s = set->ends_s,
                         .name_len = set->name.n,
                         .value_len = set->value.n,
                         .path_len = path.n,
                         .domain_len = domain_len,
                         .secure = set->secure};
    memcpy(k->text, set->name.p, set->name.n);
    memcpy(k->text + set->name.n, set->value.p, set->value.n);
    memcpy(k->text + set->name.n + set->value.n, path.p, path.n);
    return k;
}

/* In the place of `old`, whose age it keeps (§5.3, step 11.3), or last. */
static void insert(struct cookies *c, struct cookie *k, struct cookie *old) {
    struct cookie *before = old == NULL ? c->last : old->prev;

    if (old != NULL)
        drop(c, old);
    k->prev = before;
    k->next = before == NULL ? c->first : before->next;
    *(before == NULL ? &c->first : &before->next) = k;
    *(k->next == NULL ? &c->last : &k->next->prev) = k;
    c->count++;
    c->bytes += k->name_len + k->value_len + k->path_len;
}

void cookies_take(struct cookies *c, const struct url *url, const char *value, size_t len,
                  int64_t now_s) {
    struct setting set;
    size_t domain_len;

    if (!read_setting(&set, (struct slice){value, len}, now_s) || !may_set(&set, url) ||
        !find_domain(&set, url, &domain_len))
        return;
    struct slice path = find_path(&set, url);
    struct cookie *old = find(c, &set, path, domain_len);
    if (set.ends_s <= now_s) {
        if (old != NULL)
            drop(c, old);
        return;
    }
    struct cookie *k = make(&set, path, domain_len);
    if (k == NULL)
        return;
    insert(c, k, old);
    while (c->count > LIMIT_COOKIES || c->bytes > LIMIT_COOKIES_BYTES)
        drop(c, c->first);
}

/* ---- what goes back, §5.4 ------------------------------------------------------------------------ */

static bool path_matches(const struct cookie *k, struct url_slice path) {
    const char *own = k->text + k->name_len + k->value_len;

    if (path.len < k->path_len || memcmp(path.ptr, own, k->path_len) != 0)
        return false;
    return path.len == k->path_len || own[k->path_len - 1] == '/' || path.ptr[k->path_len] == '/';
}

/* The longest path below `below` among those that match; 0: none. */
static size_t next_path(const struct cookies *c, struct url_slice path, size_t below) {
    size_t longest = 0;

    for (const struct cookie *k = c->first; k != NULL; k = k->next)
        if (k->path_len < below && k->path_len > longest && path_matches(k, path))
            longest = k->path_len;
    return longest;
}

static void drop_ended(struct cookies *c, int64_t now_s) {
    struct cookie *next;

    for (struct cookie *k = c->first; k != NULL; k = next) {
        next = k->next;
        if (k->ends_s <= now_s)
            drop(c, k);
    }
}

bool cookies_send(struct cookies *c, const struct url *url, int64_t now_s, struct buf *field) {
    struct url_slice path = url_pathname(url);
    size_t len = SIZE_MAX;

    drop_ended(c, now_s);
    while ((len = next_path(c, path, len)) > 0)
        for (const struct cookie *k = c->first; k != NULL; k = k->next) {
            if (k->path_len != len || !path_matches(k, path) || (k->secure && !is_https(url)))
                continue;
            buf_append_str(field, field->len > 0 ? "; " : "");
            buf_append(field, k->text, k->name_len);
            buf_append_char(field, '=');
            buf_append(field, k->text + k->name_len, k->value_len);
        }
    return !field->failed;
}
