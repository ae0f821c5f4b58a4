#include "bench/crew.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/limits.h"
#include "shared/robots.h"

enum { RULES_BYTES = 256, SEGMENT_BYTES = 1 << 30, UNIX_MS = 1700000000 };

struct visit {
    uint64_t attempt;
    uint32_t origin;
    bool fetch_robots;
    size_t first, count; /* of fps */
};

struct crew {
    struct synth *synth;
    const char *worker;
    uint32_t loop, loops;
    char crawl[32]; /* its name, a part of those of its segments */
    uint64_t term, session, number;
    struct arena arena; /* of the request */
    char *text;         /* of its links */
    size_t text_size;
    unsigned char rules[RULES_BYTES];
    size_t rules_len;

    struct visit visits[LIMIT_LOOP_VISITS];
    size_t visit_count;
    uint64_t *fps;
    size_t fp_count, fp_size;
    enum crew_what reported; /* in the exchange that is not answered yet */

    uint64_t segment, offset;
    uint64_t links, outcomes;
    uint32_t wait_ms;
};

static void die(const char *what, const char *more) {
    fprintf(stderr, "crew: %s%s%s\n", what, more[0] == '\0' ? "" : ": ", more);
    exit(1);
}

static void *must(void *p) {
    if (p == NULL)
        die("out of memory", "");
    return p;
}

static void *make(struct crew *w, size_t bytes) {
    return must(arena_alloc(&w->arena, bytes));
}

static void encode_rules(struct crew *w) {
    static const char text[] = "User-agent: *\nDisallow: /cgi-bin/\nDisallow: /search\nAllow: /\n";
    struct robots rules;
    struct buf bytes;

    robots_init(&rules);
    buf_init(&bytes, RULES_BYTES);
    if (!robots_parse(&rules, text, sizeof text - 1, "trawl") || !robots_encode(&rules, &bytes))
        die("no rules", "");
    memcpy(w->rules, bytes.data, bytes.len);
    w->rules_len = bytes.len;
    buf_release(&bytes);
    robots_release(&rules);
}

struct crew *crew_new(struct synth *synth, const char *worker, uint32_t loop, uint32_t loops) {
    struct crew *w = must(calloc(1, sizeof *w));

    w->synth = synth;
    w->worker = worker;
    w->loop = loop;
    w->loops = loops;
    arena_init(&w->arena, LIMIT_ARENA_BYTES);
    encode_rules(w);
    return w;
}

void crew_free(struct crew *w) {
    if (w == NULL)
        return;
    arena_release(&w->arena);
    free(w->text);
    free(w->fps);
    free(w);
}

/* ---- requests ------------------------------------------------------------------------------------------ */

static Trawl__Request *request(struct crew *w, Trawl__Request__BodyCase what) {
    arena_reset(&w->arena);
    Trawl__Request *r = make(w, sizeof *r);

    trawl__request__init(r);
    r->version = WIRE_VERSION;
    r->term = w->term;
    r->session = w->session;
    r->body_case = what;
    return r;
}

const Trawl__Request *crew_register(struct crew *w) {
    Trawl__Request *r = request(w, TRAWL__REQUEST__BODY_REGISTER);
    unsigned char instance[16] = {0};

    r->register_ = make(w, sizeof *r->register_);
    trawl__register__init(r->register_);
    memcpy(instance, w->worker, strlen(w->worker) < 16 ? strlen(w->worker) : 16);
    r->register_->worker = (char *)w->worker;
    r->register_->instance = arena_bytes(&w->arena, instance, sizeof instance);
    r->register_->incarnation = r->register_->process = 1;
    r->register_->loop = w->loop;
    r->register_->loops = w->loops;
    r->register_->serial = 1;
    return r;
}

static Trawl__Outcome *outcome(struct crew *w, uint64_t fp) {
    static const char mime[] = "text/html";
    uint64_t random = synth_random(w->synth), digest[3];
    Trawl__Outcome *o = make(w, sizeof *o);

    trawl__outcome__init(o);
    for (size_t i = 0; i < 3; i++)
        digest[i] = synth_random(w->synth);
    o->fp = fp;
    o->state = TRAWL__STATE__FETCHED;
    o->status = 200;
    o->mime = (ProtobufCBinaryData){.data = (uint8_t *)mime, .len = sizeof mime - 1};
    o->length = 2000 + (random & 0xffff);
    o->digest = arena_bytes(&w->arena, digest, 20);
    o->fetched_at_ms = UNIX_MS * 1000ull + w->outcomes;
    o->duration_ms = (uint32_t)(random >> 16 & 0x1ff);
    o->ip = arena_bytes(&w->arena, &fp, 4);
    o->segment = 1;
    o->offset = w->offset;
    o->record_length = o->length / 3 + 500;
    w->offset += o->record_length;
    w->outcomes++;
    return o;
}

static void add_links(struct crew *w, Trawl__Outcome *o, uint32_t origin, size_t *used) {
    ProtobufCBinaryData *links = make(w, SYNTH_LINKS_MAX * sizeof *links);
    size_t count;

    *used += synth_links(w->synth, origin, w->text + *used, links, &count);
    o->links = links;
    o->n_links = count;
    w->links += count;
}

static Trawl__RobotsReport *robots_report(struct crew *w) {
    Trawl__RobotsReport *r = make(w, sizeof *r);

    trawl__robots_report__init(r);
    r->rules = arena_bytes(&w->arena, w->rules, w->rules_len);
    r->status = 200;
    r->valid_ms = LIMIT_ROBOTS_VALID_MS;
    return r;
}

static Trawl__VisitReport *report(struct crew *w, const struct visit *v, enum crew_what what,
                                  size_t *used) {
    Trawl__VisitReport *r = make(w, sizeof *r);

    trawl__visit_report__init(r);
    r->attempt = v->attempt;
    if (v->fetch_robots)
        r->robots = robots_report(w);
    r->outcomes = make(w, (v->count + 1) * sizeof(Trawl__Outcome *));
    r->n_outcomes = v->count;
    for (size_t i = 0; i < v->count; i++) {
        Trawl__Outcome *o = outcome(w, w->fps[v->first + i]);
        if (what == CREW_LINKS) {
            o->state = TRAWL__STATE__LINKS;
            o->segment = 0;
        }
        if (what != CREW_OUTCOMES)
            add_links(w, o, v->origin, used);
        r->outcomes[i] = o;
    }
    r->done = what != CREW_LINKS;
    return r;
}

static void room_for_text(struct crew *w) {
    size_t bytes = w->fp_count * SYNTH_TEXT_MAX;

    if (bytes <= w->text_size)
        return;
    w->text = must(realloc(w->text, bytes));
    w->text_size = bytes;
}

const Trawl__Request *crew_exchange(struct crew *w, uint32_t want_visits, enum crew_what what) {
    Trawl__Request *r = request(w, TRAWL__REQUEST__BODY_EXCHANGE);
    Trawl__Exchange *x = make(w, sizeof *x);
    size_t used = 0;

    trawl__exchange__init(x);
    r->exchange = x;
    if (w->offset > SEGMENT_BYTES) {
        w->segment++;
        w->offset = 0;
    }
    room_for_text(w);
    x->number = w->number + 1;
    x->want_visits = want_visits;
    x->visits = make(w, (w->visit_count + 1) * sizeof(Trawl__VisitReport *));
    for (size_t i = 0; i < w->visit_count; i++)
        x->visits[x->n_visits++] = report(w, &w->visits[i], what, &used);
    x->segments = make(w, sizeof(char *));
    x->segments[0] =
        must(arena_printf(&w->arena, "%s-%s-%llu-%llu", w->worker, w->crawl,
                          (unsigned long long)w->session, (unsigned long long)w->segment));
    x->n_segments = 1;
    w->reported = what;
    return r;
}

const Trawl__Request *crew_heartbeat(struct crew *w) {
    Trawl__Request *r = request(w, TRAWL__REQUEST__BODY_HEARTBEAT);
    Trawl__Heartbeat *h = make(w, sizeof *h);

    trawl__heartbeat__init(h);
    h->attempts = make(w, (w->visit_count + 1) * sizeof *h->attempts);
    for (size_t i = 0; i < w->visit_count; i++)
        h->attempts[h->n_attempts++] = w->visits[i].attempt;
    r->heartbeat = h;
    return r;
}

/* ---- answers ------------------------------------------------------------------------------------------- */

static void must_be_ok(const Trawl__Reply *reply, Trawl__Reply__BodyCase body) {
    if (reply == NULL)
        die("no answer", "");
    if (reply->code != TRAWL__CODE__OK)
        die("refused", reply->error);
    if (reply->body_case != body)
        die("another answer than was asked for", "");
}

void crew_registered(struct crew *w, const Trawl__Reply *reply) {
    must_be_ok(reply, TRAWL__REPLY__BODY_REGISTER);
    w->term = reply->term;
    w->session = reply->register_->session;
    snprintf(w->crawl, sizeof w->crawl, "%s", reply->register_->options->crawl);
}

static void take_grant(struct crew *w, const Trawl__Grant *g) {
    struct visit *v = &w->visits[w->visit_count];

    if (w->visit_count == LIMIT_LOOP_VISITS)
        die("too many visits", "");
    if (w->fp_count + g->n_items > w->fp_size) {
        w->fp_size = (w->fp_count + g->n_items) * 2;
        w->fps = must(realloc(w->fps, w->fp_size * sizeof *w->fps));
    }
    *v = (struct visit){.attempt = g->attempt,
                        .origin = synth_number(g->origin.data, g->origin.len),
                        .fetch_robots = g->fetch_robots,
                        .first = w->fp_count,
                        .count = g->n_items};
    if (v->origin >= synth_origins(w->synth))
        die("an origin of another web", "");
    for (size_t i = 0; i < g->n_items; i++)
        w->fps[w->fp_count++] = g->items[i]->fp;
    w->visit_count++;
}

void crew_answered(struct crew *w, const Trawl__Reply *reply) {
    must_be_ok(reply, TRAWL__REPLY__BODY_EXCHANGE);
    const Trawl__ExchangeReply *x = reply->exchange;

    for (size_t i = 0; i < x->n_visits; i++)
        if (x->visits[i]->lost || x->visits[i]->n_refused > 0)
            die("a report was not taken", "");
    w->number = x->number;
    w->wait_ms = x->wait_ms;
    if (w->reported == CREW_LINKS) {
        for (size_t i = 0; i < w->visit_count; i++)
            w->visits[i].fetch_robots = false;
    } else {
        w->visit_count = 0;
        w->fp_count = 0;
    }
    for (size_t i = 0; i < x->n_grants; i++)
        take_grant(w, x->grants[i]);
}

size_t crew_held(const struct crew *w) {
    return w->fp_count;
}

uint64_t crew_links(const struct crew *w) {
    return w->links;
}

uint64_t crew_outcomes(const struct crew *w) {
    return w->outcomes;
}

uint32_t crew_wait_ms(const struct crew *w) {
    return w->wait_ms;
}
