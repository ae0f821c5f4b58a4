#include "shared/robots_tag.h"

#include <string.h>
#include <strings.h>

#include "shared/http_date.h"

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
    if (http_date_parse(date.p, date.n, &unix_s) && unix_s < INT64_MAX / 1000 &&
        unix_s > INT64_MIN / 1000 && unix_s * 1000 < t->until_unix_ms)
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
