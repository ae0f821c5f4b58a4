#include "tests/sim/web.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/trawl.pb-c.h"
#include "shared/limits.h"

uint64_t web_mix(uint64_t a, uint64_t b) {
    struct rng r = {a * 0x9e3779b97f4a7c15ULL + b};

    return rng_next(&r);
}

static enum web_kind kind_of(uint64_t h) {
    uint64_t n = h % 100;

    if (n < 6)
        return WEB_REDIRECT;
    if (n < 12)
        return WEB_MISSING;
    if (n < 20)
        return WEB_FORBIDDEN;
    if (n < 25)
        return WEB_FLAKY;
    return n < 28 ? WEB_BUSY : WEB_PAGE;
}

static bool has_sitemaps(const struct web_origin *o) {
    return o->linked < o->pages;
}

/* Whether the robots.txt of the origin names a sitemap of the next one. */
static bool names_next(const struct web *w, uint32_t origin) {
    return w->origin_count > 1 && web_mix(w->seed ^ 55, origin) % 3 == 0 &&
           has_sitemaps(&w->origins[(origin + 1) % w->origin_count]);
}

static void make_sitemaps(struct web_origin *o, uint64_t h) {
    o->linked = o->pages;
    if (o->pages < 12 || h % 3 == 0)
        return;
    o->linked = o->pages / 2;
    o->kind[o->linked] = WEB_SITEMAP_INDEX;
    o->kind[o->linked + 1] = o->kind[o->linked + 2] = WEB_SITEMAP;
}

bool web_exclusive(const struct web *w) {
    return w->terms.delay_ms > 0 || w->terms.host_connections == 1;
}

/* Down for longer than the first rest and shorter than the second: with three attempts at a URL nothing is lost, if
 * the rests are kept. So nothing else may go wrong there. */
enum { FLAP_MS = 1500 };

static void make_flapping(struct web *w, uint32_t k) {
    struct web_origin *o = &w->origins[k];
    uint64_t h = web_mix(w->seed ^ 33, k);

    if (!web_exclusive(w) || h % 3 != 0 || has_sitemaps(o) || o->dead ||
        (o->robots != WEB_ROBOTS_RULES && o->robots != WEB_ROBOTS_MISSING))
        return;
    o->flaps_at = 1 + (uint32_t)((h >> 8) % 12);
    for (uint32_t p = 0; p < o->pages; p++)
        if (o->kind[p] == WEB_FLAKY || o->kind[p] == WEB_BUSY)
            o->kind[p] = WEB_PAGE;
}

/* What a crawler that follows RFC 9309 finds: a redirect beyond the fifth is not followed. */
enum robots_found { FOUND_RULES, FOUND_NOTHING, FOUND_NO_ANSWER };

/* `whose`: the origin whose file it is. */
static enum robots_found find_robots(const struct web *w, uint32_t origin, uint32_t *whose) {
    const struct web_origin *o = &w->origins[origin];

    for (unsigned hops = 0; hops <= LIMIT_ROBOTS_HOPS; hops++) {
        *whose = origin;
        if (o->dead)
            return FOUND_NO_ANSWER;
        if (o->robots == WEB_ROBOTS_MISSING)
            return FOUND_NOTHING;
        if (o->robots == WEB_ROBOTS_ELSEWHERE && hops < LIMIT_ROBOTS_HOPS)
            return w->origins[web_robots_host(w, origin)].dead ? FOUND_NO_ANSWER : FOUND_RULES;
        if (o->robots == WEB_ROBOTS_RULES || o->robots == WEB_ROBOTS_FLAKY)
            return FOUND_RULES;
        origin = (origin + 1) % w->origin_count;
        o = &w->origins[origin];
    }
    return FOUND_NOTHING;
}

/* Whether a way that has an end, or goes on for too long, leads past an origin whose own way has none. */
static bool leads_past_trouble(const struct web *w, uint32_t k) {
    uint32_t whose;

    if (find_robots(w, k, &whose) == FOUND_NO_ANSWER)
        return false;
    for (uint32_t n = k, hops = 0;
         hops < LIMIT_ROBOTS_HOPS && w->origins[n].robots == WEB_ROBOTS_NEXT; hops++) {
        n = (n + 1) % w->origin_count;
        if (find_robots(w, n, &whose) == FOUND_NO_ANSWER)
            return true;
    }
    return false;
}

/* An origin whose own robots.txt cannot be had is given up at some time: whether what lies there for another is found
 * before that is a matter of luck. */
static void without_luck(struct web *w, uint32_t k) {
    struct web_origin *o = &w->origins[k];
    uint32_t whose;

    if (o->robots == WEB_ROBOTS_ELSEWHERE &&
        find_robots(w, web_robots_host(w, k), &whose) == FOUND_NO_ANSWER)
        o->robots = WEB_ROBOTS_NEXT;
    else if (leads_past_trouble(w, k))
        o->robots = WEB_ROBOTS_RULES;
}

void web_init(struct web *w, uint64_t seed, uint32_t origins, uint32_t delay_ms,
              uint32_t host_connections, uint32_t ip_connections) {
    *w = (struct web){.seed = seed,
                      .origin_count = origins,
                      .terms = {delay_ms, host_connections, ip_connections}};
    w->next = w->terms;
    for (uint32_t k = 0; k < origins; k++) {
        struct web_origin *o = &w->origins[k];
        uint64_t h = web_mix(seed, 1000 + k);
        snprintf(o->name, sizeof o->name, "http://o%u.test", k);
        o->address[0] = 203;
        o->address[3] = (unsigned char)(k / 2);
        o->pages = 4 + (uint32_t)(h % (WEB_PAGES_MAX - 4));
        uint64_t robots = (h >> 16) % 7;
        o->robots = robots < 4 ? (enum web_robots)robots : WEB_ROBOTS_NEXT;
        if (origins < 2 && o->robots == WEB_ROBOTS_ELSEWHERE)
            o->robots = WEB_ROBOTS_RULES;
        o->dead = k > 0 && (h >> 24) % 12 == 0;
        o->half_dead = !o->dead && (h >> 40) % 3 == 0;
        memcpy(o->dead_address, (unsigned char[]){203, 1, 0, (unsigned char)k}, 4);
        o->last_request_ms = INT64_MIN;
        for (uint32_t p = 0; p < o->pages; p++)
            o->kind[p] = p == 0 ? WEB_PAGE : kind_of(web_mix(seed, (uint64_t)k << 32 | p));
        make_sitemaps(o, h >> 32);
    }
    for (uint32_t k = 0; k < origins; k++)
        make_flapping(w, k);
    /* One may be the host of another. */
    for (uint32_t k = 0; k < origins * origins; k++)
        without_luck(w, k % origins);
}

/* In half of all webs some, together less than LIMIT_ORIGIN_CULPRITS. */
void web_poison(struct web *w) {
    if (web_mix(w->seed, 22) % 2 == 0)
        return;
    for (uint64_t i = 0; i < 4; i++) {
        uint64_t h = web_mix(w->seed ^ 22, i);
        struct web_origin *o = &w->origins[(h >> 8) % w->origin_count];
        uint32_t p = 1 + (uint32_t)((h >> 16) % (o->pages - 1));
        if (h % 2 == 0 && !o->dead && o->kind[p] == WEB_PAGE)
            o->kind[p] = WEB_POISON;
    }
    for (uint64_t i = 4; i < 6; i++) {
        uint64_t h = web_mix(w->seed ^ 22, i);
        struct web_origin *o = &w->origins[(h >> 8) % w->origin_count];
        uint32_t p = 1 + (uint32_t)((h >> 16) % (o->pages - 1));
        if (h % 2 == 0 && !o->dead && o->kind[p] == WEB_PAGE)
            o->kind[p] = WEB_UNTELLABLE;
    }
}

uint32_t web_robots_host(const struct web *w, uint32_t origin) {
    return (origin + 1) % w->origin_count;
}

size_t web_url(const struct web *w, uint32_t origin, uint32_t page, char out[96]) {
    const struct web_origin *o = &w->origins[origin];
    const char *dir = o->kind[page] == WEB_FORBIDDEN ? "/private" : "";

    if (page == 0)
        return (size_t)snprintf(out, 96, "%s/", o->name);
    return (size_t)snprintf(out, 96, "%s%s/p%u", o->name, dir, page);
}

bool web_find(const struct web *w, const char *url, size_t len, uint32_t *origin, uint32_t *page) {
    char text[128], expect[96];
    unsigned k, p;

    if (len >= sizeof text)
        return false;
    memcpy(text, url, len);
    text[len] = '\0';
    if (sscanf(text, "http://o%u.test/", &k) != 1 || k >= w->origin_count)
        return false;
    *origin = k;
    const char *path = text + strlen(w->origins[k].name);
    if (strcmp(path, "/robots.txt") == 0 || strncmp(path, "/robots-of-", 11) == 0) {
        *page = strcmp(path, "/robots.txt") == 0 ? WEB_ROBOTS_TXT : WEB_ROBOTS_OF_ANOTHER;
        return true;
    }
    if (strcmp(path, "/") == 0)
        p = 0;
    else if (sscanf(path, "/p%u", &p) != 1 && sscanf(path, "/private/p%u", &p) != 1)
        return false;
    if (p >= w->origins[k].pages)
        return false;
    web_url(w, k, p, expect);
    *page = p;
    return strcmp(expect, text) == 0;
}

/* The index names itself too. Of its two sitemaps each has every other page, and the first one again. */
static size_t sitemap_links(const struct web *w, uint32_t origin, uint32_t page,
                            char out[WEB_LINKS_MAX][96]) {
    const struct web_origin *o = &w->origins[origin];
    size_t n = 0;

    if (o->kind[page] == WEB_SITEMAP_INDEX) {
        for (uint32_t p = o->linked; p < o->linked + 3; p++)
            web_url(w, origin, p, out[n++]);
        return n;
    }
    web_url(w, origin, 0, out[n++]);
    for (uint32_t p = page + 2; p < o->pages; p += 2)
        web_url(w, origin, p, out[n++]);
    return n;
}

size_t web_links(const struct web *w, uint32_t origin, uint32_t page, char out[WEB_LINKS_MAX][96]) {
    const struct web_origin *o = &w->origins[origin];
    uint64_t h = web_mix(w->seed ^ 77, (uint64_t)origin << 32 | page);
    size_t n = 0;

    if (o->kind[page] == WEB_SITEMAP || o->kind[page] == WEB_SITEMAP_INDEX)
        return sitemap_links(w, origin, page, out);
    for (uint32_t child = 2 * page + 1; child <= 2 * page + 2; child++)
        if (child < o->linked)
            web_url(w, origin, child, out[n++]);
    web_url(w, origin, (uint32_t)(h % o->linked), out[n++]);
    web_url(w, origin, page, out[n++]);
    uint32_t other = (uint32_t)((h >> 20) % w->origin_count);
    web_url(w, other, (uint32_t)((h >> 30) % w->origins[other].linked), out[n++]);
    if (page == 0) {
        web_url(w, (origin + 1) % w->origin_count, 0, out[n++]);
        snprintf(out[n++], 96, "http://outside.example/from-%u", origin);
        /* No page: asked for, it would be answered by one that has a longer one. */
        snprintf(out[n++], 96, "%s/more/more/more/more", o->name);
    }
    return n;
}

uint32_t web_redirect_target(const struct web *w, uint32_t origin, uint32_t page) {
    return (uint32_t)(web_mix(w->seed ^ 99, (uint64_t)origin << 32 | page) %
                      w->origins[origin].linked);
}

/* ---- the servers ------------------------------------------------------------------------------------------- */

static void violate(struct web *w, const char *what, const char *origin, const char *who, int64_t a,
                    int64_t b) {
    if (w->violation[0] == '\0')
        snprintf(w->violation, sizeof w->violation, "%s at %s by %s (%lld, %lld)", what, origin,
                 who, (long long)a, (long long)b);
}

static void robots_body(const struct web *w, uint32_t origin, char body[WEB_ROBOTS_BYTES]) {
    uint32_t next = (origin + 1) % w->origin_count;
    char own[96] = "", other[96] = "";

    if (has_sitemaps(&w->origins[origin]))
        web_url(w, origin, w->origins[origin].linked, own);
    if (names_next(w, origin))
        web_url(w, next, w->origins[next].linked + 2, other);
    size_t n = (size_t)snprintf(body, WEB_ROBOTS_BYTES,
                                "User-agent: *\nDisallow: /private\nSitemap: %s\nSitemap: %s\n",
                                own, other);
    /* Some have many rules, that forbid nothing. */
    for (uint32_t i = 0; web_mix(w->seed ^ 88, origin) % 3 == 0 && n + 60 < WEB_ROBOTS_BYTES; i++)
        n += (size_t)snprintf(body + n, WEB_ROBOTS_BYTES - n, "Disallow: /none-of-%u/%u\n", origin,
                              i);
}

static void answer_robots(struct web *w, uint32_t origin, struct web_answer *a) {
    struct web_origin *o = &w->origins[origin];

    a->status = 200;
    robots_body(w, origin, a->body);
    switch (o->robots) {
    case WEB_ROBOTS_MISSING:
        /* No rules: the pages that would be forbidden are not. */
        a->status = 404;
        a->body[0] = '\0';
        break;
    case WEB_ROBOTS_FLAKY:
        a->broken = o->robots_asked++ < 1;
        break;
    case WEB_ROBOTS_ELSEWHERE:
        a->status = 301;
        a->redirect = true;
        snprintf(a->redirect_to, sizeof a->redirect_to, "%s/robots-of-%u.txt",
                 w->origins[web_robots_host(w, origin)].name, origin);
        break;
    case WEB_ROBOTS_NEXT:
        a->status = 302;
        a->redirect = true;
        snprintf(a->redirect_to, sizeof a->redirect_to, "%s/robots.txt",
                 w->origins[(origin + 1) % w->origin_count].name);
        break;
    default:
        break;
    }
}

static void be_busy(const struct web *w, uint32_t origin, uint32_t page, struct web_answer *a) {
    uint64_t h = web_mix(w->seed ^ 44, (uint64_t)origin << 32 | page);

    a->status = h % 2 == 0 ? 503 : 429;
    if (h % 3 > 0)
        a->retry_after_ms = 1000 * (1 + (uint32_t)((h >> 8) % 12));
}

static void answer_page(struct web *w, uint32_t origin, uint32_t page, struct web_answer *a) {
    struct web_origin *o = &w->origins[origin];
    uint32_t before = o->asked[page]++;

    a->status = 200;
    switch (o->kind[page]) {
    case WEB_MISSING:
        a->status = 404;
        break;
    case WEB_REDIRECT:
        a->status = 302;
        a->redirect = true;
        web_url(w, origin, web_redirect_target(w, origin, page), a->redirect_to);
        break;
    case WEB_FLAKY:
        a->broken = before < 1 + page % 2;
        break;
    case WEB_BUSY:
        if (before < 1)
            be_busy(w, origin, page, a);
        break;
    case WEB_SITEMAP:
        a->broken = before < 1;
        break;
    default:
        break;
    }
}

static bool forbidden(const struct web *w, uint32_t origin, uint32_t page) {
    uint32_t whose;

    return page < WEB_PAGES_MAX && w->origins[origin].kind[page] == WEB_FORBIDDEN &&
           find_robots(w, origin, &whose) != FOUND_NOTHING;
}

/* ---- terms ------------------------------------------------------------------------------------------------------ */

void web_terms(struct web *w, int64_t until_ms, uint32_t delay_ms, uint32_t host_connections,
               uint32_t ip_connections) {
    struct web_terms *t = &w->terms;

    w->next = (struct web_terms){delay_ms, host_connections, ip_connections};
    w->next_ms = until_ms;
    if (t->delay_ms > delay_ms)
        t->delay_ms = delay_ms;
    if (t->host_connections < host_connections)
        t->host_connections = host_connections;
    if (t->ip_connections < ip_connections)
        t->ip_connections = ip_connections;
}

void web_time(struct web *w, int64_t now_ms) {
    if (now_ms >= w->next_ms)
        w->terms = w->next;
}

void web_request(struct web *w, int64_t now_ms, uint32_t origin, uint32_t page, const char *who,
                 struct rng *r, struct web_answer *a) {
    struct web_origin *o = &w->origins[origin];

    *a = (struct web_answer){.duration_ms = rng_chance(r, 5) ? 500 + rng_below(r, 3000)
                                                             : 1 + rng_below(r, 80)};
    w->requests++;
    if (o->quiet_heard && now_ms < o->quiet_until_ms)
        violate(w, "a request before the time that Retry-After told", o->name, who,
                o->quiet_until_ms, now_ms);
    /* A worker's clock may run one part in a hundred fast. */
    int64_t delay_ms = w->terms.delay_ms - w->terms.delay_ms / 100;
    if (o->last_request_ms != INT64_MIN && now_ms - o->last_request_ms < delay_ms)
        violate(w, "two requests closer than the delay", o->name, who, o->last_request_ms, now_ms);
    if (forbidden(w, origin, page))
        violate(w, "a page that robots.txt forbids", o->name, who, page, now_ms);
    o->last_request_ms = now_ms;
    if (o->flaps_at > 0 && --o->flaps_at == 0)
        o->down_until_ms = now_ms + FLAP_MS;
    if (o->down_until_ms > now_ms) {
        w->flapped++;
        a->broken = true;
        a->duration_ms = 1;
    } else if (o->dead || (w->silent_from_ms > 0 && now_ms >= w->silent_from_ms)) {
        a->broken = true;
        a->duration_ms = 1;
    } else if (page == WEB_ROBOTS_TXT) {
        answer_robots(w, origin, a);
    } else if (page == WEB_ROBOTS_OF_ANOTHER) {
        a->status = 200;
        robots_body(w, (origin + w->origin_count - 1) % w->origin_count, a->body);
    } else {
        answer_page(w, origin, page, a);
    }
    if (a->retry_after_ms > 0) {
        o->quiet_until_ms = now_ms + a->duration_ms + a->retry_after_ms;
        o->quiet_heard = false;
    }
}

void web_heard(struct web *w, uint32_t origin) {
    if (web_exclusive(w))
        w->origins[origin].quiet_heard = true;
}

/* The rules of an address bind the sum over its origins. */
static uint32_t at_address(const struct web *w, const struct web_origin *o) {
    uint32_t n = 0;

    for (uint32_t k = 0; k < w->origin_count; k++)
        if (memcmp(w->origins[k].address, o->address, 4) == 0)
            n += w->origins[k].connections;
    return n;
}

void web_connection(struct web *w, uint32_t origin, int change, const char *who) {
    struct web_origin *o = &w->origins[origin];

    o->connections = (uint32_t)((int)o->connections + change);
    if (o->connections > w->terms.host_connections)
        violate(w, "too many connections to an origin", o->name, who, o->connections, 0);
    if (at_address(w, o) > w->terms.ip_connections)
        violate(w, "too many connections to an address", o->name, who, at_address(w, o), 0);
}

/* ---- what must come out ---------------------------------------------------------------------------------------- */

bool web_unreachable(const struct web *w, uint32_t origin) {
    uint32_t whose;

    return find_robots(w, origin, &whose) == FOUND_NO_ANSWER;
}

static int final_state(const struct web *w, uint32_t origin, uint32_t page) {
    const struct web_origin *o = &w->origins[origin];

    if (web_unreachable(w, origin))
        return TRAWL__STATE__FAILED;
    if (forbidden(w, origin, page))
        return TRAWL__STATE__EXCLUDED;
    if (o->kind[page] == WEB_MISSING || o->kind[page] == WEB_POISON ||
        o->kind[page] == WEB_UNTELLABLE)
        return TRAWL__STATE__FAILED;
    return o->kind[page] == WEB_REDIRECT ? TRAWL__STATE__REDIRECTED : TRAWL__STATE__FETCHED;
}

static bool is_sitemap(const struct web_origin *o, uint32_t page) {
    return o->kind[page] == WEB_SITEMAP || o->kind[page] == WEB_SITEMAP_INDEX;
}

static bool nearer(uint32_t *depth, uint32_t than) {
    if (*depth <= than)
        return false;
    *depth = than;
    return true;
}

/* What the robots.txt of an origin with pages names: as deep as the nearest of them. */
static bool relax_sitemaps(const struct web *w, uint32_t origin, uint32_t max,
                           uint32_t depths[WEB_ORIGINS_MAX][WEB_PAGES_MAX]) {
    const struct web_origin *o = &w->origins[origin];
    uint32_t whose, depth = WEB_NOWHERE;
    bool changed = false;

    for (uint32_t p = 0; p < o->pages; p++)
        if (!is_sitemap(o, p) && depths[origin][p] < depth)
            depth = depths[origin][p];
    if (depth > max || find_robots(w, origin, &whose) != FOUND_RULES)
        return false;
    uint32_t next = (whose + 1) % w->origin_count;
    if (has_sitemaps(&w->origins[whose]))
        changed = nearer(&depths[whose][w->origins[whose].linked], depth);
    if (names_next(w, whose))
        changed |= nearer(&depths[next][w->origins[next].linked + 2], depth);
    return changed;
}

/* What the page leads to is no further than this. */
static bool relax_page(const struct web *w, uint32_t origin, uint32_t page,
                       uint32_t depths[WEB_ORIGINS_MAX][WEB_PAGES_MAX]) {
    const struct web_origin *o = &w->origins[origin];
    uint32_t depth = depths[origin][page], to_origin, to_page;
    char links[WEB_LINKS_MAX][96];
    bool changed = false;

    if (final_state(w, origin, page) == TRAWL__STATE__REDIRECTED)
        return nearer(&depths[origin][web_redirect_target(w, origin, page)], depth);
    if (final_state(w, origin, page) != TRAWL__STATE__FETCHED)
        return false;
    size_t n = web_links(w, origin, page, links);
    for (size_t i = 0; i < n; i++)
        if (web_find(w, links[i], strlen(links[i]), &to_origin, &to_page))
            changed |=
                nearer(&depths[to_origin][to_page], depth + (o->kind[page] != WEB_SITEMAP_INDEX));
    return changed;
}

static void find_depths(const struct web *w, uint32_t max,
                        uint32_t depths[WEB_ORIGINS_MAX][WEB_PAGES_MAX]) {
    bool changed = true;

    for (uint32_t o = 0; o < WEB_ORIGINS_MAX; o++)
        for (uint32_t p = 0; p < WEB_PAGES_MAX; p++)
            depths[o][p] = WEB_NOWHERE;
    depths[0][0] = 0;
    while (changed) {
        changed = false;
        for (uint32_t o = 0; o < w->origin_count; o++) {
            for (uint32_t p = 0; p < w->origins[o].pages; p++)
                if (depths[o][p] <= max)
                    changed |= relax_page(w, o, p, depths);
            changed |= relax_sitemaps(w, o, max, depths);
        }
    }
}

void web_expected(const struct web *w, uint32_t max_depth,
                  int expected[WEB_ORIGINS_MAX][WEB_PAGES_MAX],
                  uint32_t depths[WEB_ORIGINS_MAX][WEB_PAGES_MAX]) {
    find_depths(w, max_depth, depths);
    for (uint32_t o = 0; o < WEB_ORIGINS_MAX; o++)
        for (uint32_t p = 0; p < WEB_PAGES_MAX; p++)
            expected[o][p] =
                depths[o][p] <= max_depth ? final_state(w, o, p) : TRAWL__STATE__PENDING;
}
