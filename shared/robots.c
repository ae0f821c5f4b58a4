#include "shared/robots.h"

#include "shared/charset.h"
#include "shared/http_status.h"
#include "shared/limits.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { ENCODED_VERSION = 1 };

/* No value of a rule is longer than its file, and an escape is three times as long as its octet. */
enum { TEXT_BYTES = 2 * LIMIT_ROBOTS_ENCODED_BYTES, PATTERN_BYTES = 3 * TEXT_BYTES };

/* ---- Storage ----------------------------------------------------------------------------------- */

void robots_init(struct robots *r) {
    *r = (struct robots){.state = ROBOTS_NOTHING_ALLOWED};
    buf_init(&r->text, TEXT_BYTES);
    buf_init(&r->patterns, PATTERN_BYTES);
}

void robots_release(struct robots *r) {
    free(r->rules);
    free(r->sitemaps);
    buf_release(&r->text);
    buf_release(&r->patterns);
    robots_init(r);
}

void robots_allow_all(struct robots *r) {
    robots_release(r);
    r->state = ROBOTS_ALL_ALLOWED;
}

void robots_disallow_all(struct robots *r) {
    robots_release(r);
}

enum robots_verdict robots_verdict_for_status(int status) {
    if (status > 0 && http_status_is_not_now((uint32_t)status))
        return ROBOTS_DISALLOW_ALL;
    switch (status / 100) {
    case 2:
        return ROBOTS_PARSE;
    case 3:
        return ROBOTS_REDIRECT;
    case 4:
        return ROBOTS_ALLOW_ALL;
    default:
        return ROBOTS_DISALLOW_ALL;
    }
}

/* Room for one more of `item_size` bytes in an array of `count`. */
static void *grown(void *items, size_t count, size_t *size, size_t item_size) {
    if (count < *size)
        return items;
    size_t more = *size == 0 ? 16 : *size * 2;
    void *p = realloc(items, more * item_size);
    if (p != NULL)
        *size = more;
    return p;
}

static bool add_text(struct robots *r, const char *p, size_t n, uint32_t *at) {
    *at = (uint32_t)r->text.len;
    return buf_append(&r->text, p, n) && buf_append_char(&r->text, '\0');
}

/* ---- One spelling ------------------------------------------------------------------------------ */

enum {
    SPELL_RULE = 1,  /* "*" is special */
    SPELL_QUERY = 2, /* "/" and "?" separate nothing behind the first "?" */
};

static bool is_alnum(unsigned char c) {
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

static bool is_one_of(unsigned char c, const char *set) {
    return c != '\0' && strchr(set, c) != NULL;
}

static int hex_value(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Whether an octet is compared as itself; else as its escape. */
static bool is_plain(unsigned char c, bool escaped, unsigned how, bool in_query) {
    if (is_alnum(c) || is_one_of(c, "-._~"
                                    ":@!'(),[]"))
        return true;
    if (is_one_of(c, "/?"))
        return !escaped || in_query;
    if (is_one_of(c, "&=+;"))
        return !escaped;
    return c == '*' && !escaped && (how & SPELL_RULE) != 0;
}

/* Writes at most 3 * n bytes; returns how many. */
static size_t spell(char *out, const char *p, size_t n, unsigned how) {
    static const char digits[] = "0123456789ABCDEF";
    bool in_query = false;
    char *at = out;

    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)p[i];
        bool escaped =
            c == '%' && n - i > 2 && hex_value(p[i + 1]) >= 0 && hex_value(p[i + 2]) >= 0;

        if (escaped) {
            c = (unsigned char)(hex_value(p[i + 1]) << 4 | hex_value(p[i + 2]));
            i += 2;
        }
        if (is_plain(c, escaped, how, in_query)) {
            *at++ = (char)c;
        } else {
            *at++ = '%';
            *at++ = digits[c >> 4];
            *at++ = digits[c & 15];
        }
        in_query |= c == '?' && !escaped && (how & SPELL_QUERY) != 0;
    }
    return (size_t)(at - out);
}

/* ---- Rules ------------------------------------------------------------------------------------- */

/* False: no memory. A value that no path can match is dropped. */
static bool add_rule(struct robots *r, bool allow, uint32_t line, const char *value, size_t n) {
    if (n == 0 || (value[0] != '/' && value[0] != '*') || r->rule_count == ROBOTS_RULES_MAX)
        return true;
    struct robots_rule *rules = grown(r->rules, r->rule_count, &r->rule_size, sizeof *rules);
    if (rules == NULL)
        return false;
    r->rules = rules;

    struct robots_rule *rule = &rules[r->rule_count];
    *rule = (struct robots_rule){.line = line, .allow = allow, .text_len = (uint32_t)n};
    if (!add_text(r, value, n, &rule->text_at))
        return false;
    rule->anchored = value[n - 1] == '$';
    n -= rule->anchored;
    rule->in_query = memchr(value, '?', n) != NULL;
    if (!buf_reserve(&r->patterns, 3 * n))
        return false;
    rule->pattern_at = (uint32_t)r->patterns.len;
    rule->pattern_len =
        (uint32_t)spell(r->patterns.data + r->patterns.len, value, n, SPELL_RULE | SPELL_QUERY);
    r->patterns.len += rule->pattern_len;
    rule->octets = rule->pattern_len + rule->anchored;
    r->rule_count++;
    return true;
}

/* False: no memory. */
static bool add_sitemap(struct robots *r, const char *value, size_t n) {
    if (n == 0 || n > LIMIT_URL_BYTES || r->sitemap_count == ROBOTS_SITEMAPS_MAX)
        return true;
    struct robots_slice *items =
        grown(r->sitemaps, r->sitemap_count, &r->sitemap_size, sizeof *items);
    if (items == NULL)
        return false;
    r->sitemaps = items;
    items[r->sitemap_count].len = (uint32_t)n;
    if (!add_text(r, value, n, &items[r->sitemap_count].at))
        return false;
    r->sitemap_count++;
    return true;
}

static int by_specificity(const void *a, const void *b) {
    const struct robots_rule *x = a, *y = b;

    if (x->octets != y->octets)
        return x->octets > y->octets ? -1 : 1;
    if (x->allow != y->allow)
        return x->allow ? -1 : 1;
    return x->line < y->line ? -1 : x->line > y->line;
}

static void take_rules(struct robots *r) {
    if (r->rule_count > 1)
        qsort(r->rules, r->rule_count, sizeof *r->rules, by_specificity);
    r->state = ROBOTS_BY_RULES;
}

/* ---- Lines (§2.2) ------------------------------------------------------------------------------ */

struct slice {
    const char *p;
    size_t n;
};

struct lines {
    const char *at, *end;
    uint32_t number; /* of the line that next_line() gave, from 1 */
    bool cut;        /* the text was longer: its last line is not whole */
};

static struct lines lines_of(const void *body, size_t len) {
    static const char bom[] = "\xef\xbb\xbf";
    struct lines l = {.at = body, .cut = len >= LIMIT_ROBOTS_BYTES};

    if (body == NULL || len == 0)
        return (struct lines){.at = "", .end = ""};
    l.end = l.at + (l.cut ? LIMIT_ROBOTS_BYTES : len);
    /* Parts of a byte order mark are found too, and skipped as google/robotstxt does. */
    for (size_t i = 0; i < 3 && l.at < l.end && *l.at == bom[i]; i++)
        l.at++;
    return l;
}

static bool next_line(struct lines *l, struct slice *line) {
    const char *p = l->at;

    if (p == l->end)
        return false;
    while (p < l->end && *p != '\n' && *p != '\r')
        p++;
    if (p == l->end && l->cut)
        return false;
    *line = (struct slice){l->at, (size_t)(p - l->at)};
    if (p < l->end)
        p += p[0] == '\r' && l->end - p > 1 && p[1] == '\n' ? 2 : 1;
    l->at = p;
    l->number++;
    return true;
}

static struct slice trimmed(const char *p, const char *end) {
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    while (p < end && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    return (struct slice){p, (size_t)(end - p)};
}

/* Splits "field : value # comment". False: there is no colon. */
static bool split(struct slice line, struct slice *field, struct slice *value) {
    const char *comment = line.n == 0 ? NULL : memchr(line.p, '#', line.n);
    const char *end = comment != NULL ? comment : line.p + line.n;
    const char *colon = end == line.p ? NULL : memchr(line.p, ':', (size_t)(end - line.p));

    if (colon == NULL)
        return false;
    *field = trimmed(line.p, colon);
    *value = trimmed(colon + 1, end);
    return true;
}

static bool is_field(struct slice s, const char *name) {
    return s.n == strlen(name) && strncasecmp(s.p, name, s.n) == 0;
}

/* ---- Groups (§2.2.1) --------------------------------------------------------------------------- */

static bool is_token_char(unsigned char c) {
    return is_one_of(c, "-_") || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

static size_t token_length(const char *p, size_t n) {
    size_t i = 0;

    while (i < n && is_token_char((unsigned char)p[i]))
        i++;
    return i;
}

/* `token` "*": the line for everybody else. */
static bool names(struct slice value, const char *token) {
    if (strcmp(token, "*") == 0)
        return value.n > 0 && value.p[0] == '*' &&
               (value.n == 1 || value.p[1] == ' ' || value.p[1] == '\t');
    size_t n = token_length(value.p, value.n);
    return n > 0 && n == strlen(token) && strncasecmp(value.p, token, n) == 0;
}

static bool has_group(struct lines l, const char *token) {
    struct slice line, field, value;

    while (next_line(&l, &line)) {
        if (split(line, &field, &value) && is_field(field, "user-agent") && names(value, token))
            return true;
    }
    return false;
}

/* "10", "0.5"; rounded up to a millisecond. False: not a number. */
static bool read_delay(struct slice s, uint32_t *delay_ms) {
    uint64_t ms = 0, part = 100000;
    size_t i = 0, digits = 0;

    for (; i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; i++, digits++)
        ms = ms > UINT32_MAX ? ms : ms * 10 + (uint64_t)(s.p[i] - '0') * 1000;
    ms *= 1000;
    if (i < s.n && s.p[i] == '.') {
        for (i++; i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; i++, digits++, part /= 10)
            ms += (uint64_t)(s.p[i] - '0') * part;
    }
    ms = (ms + 999) / 1000;
    *delay_ms = ms > UINT32_MAX ? UINT32_MAX : (uint32_t)ms;
    return digits > 0;
}

/* Where the lines are: whether what follows is for us. */
struct group {
    const char *token;
    bool rules_ours, rules_closed; /* closed: the next User-agent line starts a new list */
    bool delay_ours, delay_closed;
};

static void on_user_agent(struct group *g, struct slice value) {
    if (g->rules_closed)
        g->rules_ours = g->rules_closed = false;
    if (g->delay_closed)
        g->delay_ours = g->delay_closed = false;
    if (names(value, g->token))
        g->rules_ours = g->delay_ours = true;
}

static void on_crawl_delay(struct robots *r, struct group *g, struct slice value) {
    uint32_t delay_ms;

    g->delay_closed = true;
    if (g->delay_ours && read_delay(value, &delay_ms) && delay_ms > r->crawl_delay_ms)
        r->crawl_delay_ms = delay_ms;
}

/* False: no memory. */
static bool on_rule(struct robots *r, struct group *g, bool allow, uint32_t line,
                    struct slice value) {
    g->rules_closed = g->delay_closed = true;
    return !g->rules_ours || add_rule(r, allow, line, value.p, value.n);
}

static bool parse_lines(struct robots *r, struct lines l, const char *token) {
    struct group g = {.token = has_group(l, token) ? token : "*"};
    struct slice line, field, value;
    bool ok = true;

    robots_release(r);
    while (ok && next_line(&l, &line)) {
        if (!split(line, &field, &value))
            continue;
        if (is_field(field, "user-agent"))
            on_user_agent(&g, value);
        else if (is_field(field, "allow"))
            ok = on_rule(r, &g, true, l.number, value);
        else if (is_field(field, "disallow"))
            ok = on_rule(r, &g, false, l.number, value);
        else if (is_field(field, "crawl-delay"))
            on_crawl_delay(r, &g, value);
        else if (is_field(field, "sitemap"))
            ok = add_sitemap(r, value.p, value.n);
    }
    if (ok)
        take_rules(r);
    else
        robots_release(r);
    return ok;
}

/* UTF-8 is what it has to be in (§2.2); what was saved as UTF-16 has a mark that says so. */
bool robots_parse(struct robots *r, const void *body, size_t body_len, const char *token) {
    struct lines whole = lines_of(body, body_len), l = whole;
    size_t mark = 0;
    const struct charset *c = body_len < 2 ? NULL : charset_from_bom(body, body_len, &mark);
    struct buf text;
    bool ok = true;

    buf_init(&text, TEXT_BYTES);
    if (c != NULL && c != charset_utf8()) {
        ok = charset_decode(c, (const char *)body + mark, (size_t)(whole.end - whole.at) - mark,
                            &text);
        l = lines_of(text.data, text.len);
        l.cut |= whole.cut;
    }
    if (ok)
        ok = parse_lines(r, l, token);
    else
        robots_release(r);
    buf_release(&text);
    return ok;
}

/* ---- Matching (§2.2.2, §2.2.3) ----------------------------------------------------------------- */

/* Each part between two "*" is taken where it is found first: that leaves the most for the others,
 * so that nothing is ever tried twice. */
static bool matches(const struct robots *r, const struct robots_rule *rule, struct slice path,
                    uint64_t *steps) {
    const char *p = path.p, *end = p + path.n;
    const char *part = r->patterns.data + rule->pattern_at, *stop = part + rule->pattern_len;

    for (bool first = true;; first = false) {
        const char *star = memchr(part, '*', (size_t)(stop - part));
        const char *part_end = star != NULL ? star : stop;
        size_t n = (size_t)(part_end - part), left = (size_t)(end - p);

        *steps += n;
        if (n > left || (first && memcmp(p, part, n) != 0))
            return false;
        if (!first && star == NULL && rule->anchored)
            return memcmp(end - n, part, n) == 0;
        if (!first && n > 0) {
            const char *found = memmem(p, left, part, n);
            *steps += found != NULL ? (size_t)(found - p) : left;
            if (found == NULL)
                return false;
            p = found;
        }
        p += n;
        if (star == NULL)
            return !rule->anchored || p == end;
        part = star + 1;
    }
}

static bool is_robots_txt(const char *path, size_t len) {
    static const char name[] = "/robots.txt";

    return len == sizeof name - 1 && memcmp(path, name, len) == 0;
}

static bool allowed_by_rules(const struct robots *r, const char *path, size_t path_len,
                             struct robots_match *why) {
    char as_written[3 * LIMIT_URL_BYTES], query_unescaped[3 * LIMIT_URL_BYTES];
    struct slice plain = {as_written, spell(as_written, path, path_len, 0)}, query = plain;

    if (memchr(path, '?', path_len) != NULL)
        query =
            (struct slice){query_unescaped, spell(query_unescaped, path, path_len, SPELL_QUERY)};
    for (size_t i = 0; i < r->rule_count; i++) {
        const struct robots_rule *rule = &r->rules[i];

        if (!matches(r, rule, rule->in_query ? query : plain, &why->steps))
            continue;
        why->reason = ROBOTS_BY_RULE;
        why->allow = rule->allow;
        why->line = rule->line;
        why->text = r->text.data + rule->text_at;
        why->text_len = rule->text_len;
        return rule->allow;
    }
    why->reason = ROBOTS_BY_NO_RULE;
    return true;
}

bool robots_allowed(const struct robots *r, const char *path, size_t path_len,
                    struct robots_match *why) {
    struct robots_match unused;

    if (why == NULL)
        why = &unused;
    *why = (struct robots_match){.reason = ROBOTS_BY_STATE};
    if (path_len == 0) {
        path = "/";
        path_len = 1;
    }
    if (is_robots_txt(path, path_len)) {
        why->reason = ROBOTS_BY_ITSELF;
        return true;
    }
    if (r->state != ROBOTS_BY_RULES)
        return r->state == ROBOTS_ALL_ALLOWED;
    if (path_len > LIMIT_URL_BYTES) {
        why->reason = ROBOTS_BY_URL_LIMIT;
        return false;
    }
    return allowed_by_rules(r, path, path_len, why);
}

uint32_t robots_crawl_delay_ms(const struct robots *r) {
    return r->crawl_delay_ms;
}

const char *robots_sitemap(const struct robots *r, size_t index, size_t *len) {
    *len = r->sitemaps[index].len;
    return r->text.data + r->sitemaps[index].at;
}

/* ---- Encoding ----------------------------------------------------------------------------------
 *
 *     version, state                    one byte each; all that follows is of ROBOTS_BY_RULES only
 *     crawl delay in ms
 *     sitemap count, then each: length, bytes
 *     rule count, then each: 2 * line + allow, length, bytes
 *
 * Numbers are in base 128, low digits first, the high bit set on all bytes but the last. */

static void put_number(struct buf *to, uint64_t n) {
    for (; n >= 0x80; n >>= 7)
        buf_append_char(to, (char)(n | 0x80));
    buf_append_char(to, (char)n);
}

static void put_text(struct buf *to, const char *p, size_t n) {
    put_number(to, n);
    buf_append(to, p, n);
}

bool robots_encode(const struct robots *r, struct buf *to) {
    buf_append_char(to, ENCODED_VERSION);
    buf_append_char(to, (char)r->state);
    if (r->state != ROBOTS_BY_RULES)
        return !to->failed;
    put_number(to, r->crawl_delay_ms);
    put_number(to, r->sitemap_count);
    for (size_t i = 0; i < r->sitemap_count; i++)
        put_text(to, r->text.data + r->sitemaps[i].at, r->sitemaps[i].len);
    put_number(to, r->rule_count);
    for (size_t i = 0; i < r->rule_count; i++) {
        const struct robots_rule *rule = &r->rules[i];
        put_number(to, (uint64_t)rule->line * 2 + rule->allow);
        put_text(to, r->text.data + rule->text_at, rule->text_len);
    }
    return !to->failed;
}

struct reader {
    const unsigned char *at, *end;
    bool failed;
};

/* 0 and `failed` where there is none, or one above `max`. */
static uint64_t get_number(struct reader *in, uint64_t max) {
    uint64_t n = 0;

    for (unsigned shift = 0; in->at < in->end && shift < 56; shift += 7) {
        unsigned char c = *in->at++;
        n |= (uint64_t)(c & 0x7f) << shift;
        if (c >= 0x80)
            continue;
        if (n <= max)
            return n;
        break;
    }
    in->failed = true;
    return 0;
}

static struct slice get_text(struct reader *in) {
    size_t n = (size_t)get_number(in, (uint64_t)(in->end - in->at));

    if (n > (size_t)(in->end - in->at)) {
        in->failed = true;
        n = 0;
    }
    struct slice s = {(const char *)in->at, n};
    in->at += n;
    return s;
}

/* False: damaged, or no memory. */
static bool decode_rules(struct robots *r, struct reader *in) {
    r->crawl_delay_ms = (uint32_t)get_number(in, UINT32_MAX);
    for (size_t left = (size_t)get_number(in, ROBOTS_SITEMAPS_MAX); left > 0; left--) {
        struct slice s = get_text(in);
        if (in->failed || s.n == 0 || s.n > LIMIT_URL_BYTES)
            return false;
        r->no_memory = !add_sitemap(r, s.p, s.n);
        if (r->no_memory)
            return false;
    }
    for (size_t left = (size_t)get_number(in, ROBOTS_RULES_MAX); left > 0; left--) {
        uint64_t head = get_number(in, (uint64_t)UINT32_MAX * 2 + 1);
        struct slice s = get_text(in);
        size_t before = r->rule_count;
        if (in->failed)
            return false;
        r->no_memory = !add_rule(r, head & 1, (uint32_t)(head >> 1), s.p, s.n);
        if (r->no_memory || r->rule_count == before)
            return false;
    }
    return !in->failed && in->at == in->end;
}

bool robots_decode(struct robots *r, const void *bytes, size_t len) {
    struct reader in = {.at = bytes};

    robots_release(r);
    if (len < 2 || len > LIMIT_ROBOTS_ENCODED_BYTES || in.at[0] != ENCODED_VERSION)
        return false;
    in.end = in.at + len;
    unsigned char state = in.at[1];
    in.at += 2;
    if (state != ROBOTS_BY_RULES) {
        if (len != 2 || state > ROBOTS_BY_RULES)
            return false;
        r->state = (enum robots_state)state;
        return true;
    }
    if (!decode_rules(r, &in)) {
        bool no_memory = r->no_memory;
        robots_release(r);
        r->no_memory = no_memory;
        return false;
    }
    take_rules(r);
    return true;
}

/* ---- Product tokens ---------------------------------------------------------------------------- */

char *robots_product_token(const char *user_agent) {
    static const char compatible[] = "(compatible;";

    if (user_agent == NULL)
        return NULL;
    const char *p = user_agent + strspn(user_agent, " \t");
    size_t n = token_length(p, strlen(p));
    if (n == 7 && strncasecmp(p, "Mozilla", n) == 0) {
        const char *comment = strcasestr(p, compatible);
        if (comment != NULL) {
            const char *name = comment + sizeof compatible - 1;
            name += strspn(name, " \t");
            size_t name_len = token_length(name, strlen(name));
            p = name_len > 0 ? name : p;
            n = name_len > 0 ? name_len : n;
        }
    }
    return n > 0 ? strndup(p, n) : NULL;
}

bool robots_token_is_valid(const char *token) {
    size_t n = strlen(token);

    return n > 0 && token_length(token, n) == n;
}
