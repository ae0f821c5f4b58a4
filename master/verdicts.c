#include "master/verdicts.h"

#include <stdio.h>
#include <string.h>

#include "master/turn.h"

#include "shared/fingerprint.h"

enum {
    FLUSH_URLS = 1024,
    PAUSE_MIN_MS = 1000, /* between two passes as the crawl runs: */
    PAUSE_FACTOR = 20,   /* they take a twentieth of the time at most */
};

/* ---- the options that decide ------------------------------------------------------------------------------------ */

static void add_number(struct core *c, struct buf *text, uint64_t n) {
    if (!buf_printf(text, "%llu;", (unsigned long long)n))
        core_fail(c, "out of memory for the options");
}

static void add_list(struct core *c, struct buf *text, const struct string_list *list) {
    add_number(c, text, list->count);
    for (size_t i = 0; i < list->count; i++) {
        add_number(c, text, strlen(list->items[i]));
        if (!buf_append_str(text, list->items[i]))
            core_fail(c, "out of memory for the options");
    }
}

/* Never 0, which stands for "to be decided again". */
static uint64_t digest(const struct core *c, const struct buf *text) {
    uint64_t n = fingerprint(c->key, text->data, text->len);

    return n == 0 ? 1 : n;
}

static uint64_t digest_rules(struct core *c) {
    const struct options *o = c->options;
    const uint64_t numbers[] = {
        o->scope,           o->robots_ignore, o->sitemaps_off,     o->max_url_length,
        o->max_path_depth,  o->max_repeats,   o->max_query_params, o->max_per_template,
        o->query_order_keep};
    struct buf text;

    buf_init(&text, LIMIT_WIRE_BYTES);
    add_list(c, &text, &o->include);
    add_list(c, &text, &o->exclude);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        add_number(c, &text, numbers[i]);
    uint64_t n = digest(c, &text);
    buf_release(&text);
    return n;
}

static uint64_t digest_net(struct core *c) {
    struct buf text;

    buf_init(&text, LIMIT_WIRE_BYTES);
    add_list(c, &text, &c->options->allow_net);
    uint64_t n = digest(c, &text);
    buf_release(&text);
    return n;
}

void verdicts_compare(struct core *c) {
    c->verdicts.rules = digest_rules(c);
    c->verdicts.net = digest_net(c);
    c->verdicts.rules_changed = load_number(c, "premises") != c->verdicts.rules;
    c->verdicts.net_changed = load_number(c, "premises_net") != c->verdicts.net;
    if (c->verdicts.rules_changed)
        core_put_number(c, "premises", 0);
    if (c->verdicts.net_changed)
        core_put_number(c, "premises_net", 0);
#ifdef MUTANT_KEEP_VERDICTS
    c->verdicts.rules_changed = false;
#endif
}

/* ---- which verdicts ---------------------------------------------------------------------------------------------- */

static bool begins(const char *text, const char *word) {
    return strncmp(text, word, strlen(word)) == 0;
}

static bool is_address(const char *reason) {
    return begins(reason, "address-not-allowed") || begins(reason, "port-not-allowed");
}

/* Of robots.txt, or of a page or header that speaks to robots. */
static bool is_robots(const char *reason) {
    return begins(reason, "robots") || begins(reason, "noindex") ||
           begins(reason, "unavailable-after");
}

/* Decided by the URL alone, and where it was found. */
static bool is_rule(const char *reason) {
    static const char *const words[] = {"scope", "include",         "exclude",
                                        "port",  "sitemap-nesting", "redirect-limit"};

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(reason, words[i]) == 0)
            return true;
    return begins(reason, "trap-");
}

/* The worker is asked again, or robots.txt is not asked any more. */
static bool has_passed(const struct core *c, Trawl__State state, const char *reason) {
    if (is_robots(reason))
        return c->options->robots_ignore && c->verdicts.rules_changed;
    return state == TRAWL__STATE__EXCLUDED && is_address(reason) && c->verdicts.net_changed;
}

/* ---- at the start -------------------------------------------------------------------------------------------------- */

void verdicts_origins(struct core *c, struct now now) {
    for (size_t i = 0; i < c->hosts.count && !c->failed; i++) {
        struct origin *o = c->hosts.by_id[i];
        if (o == NULL)
            continue;
        if (o->parked != TRAWL__STATE__PENDING && has_passed(c, o->parked, o->reason))
            origin_unpark(c, now, o);
        if (c->verdicts.rules_changed)
            sitemaps_find(c, now, o);
    }
}

bool verdicts_queued(struct core *c, const struct origin *o, struct queue_place place,
                     const Trawl__QueuedUrl *q) {
    if (!c->verdicts.rules_changed || !frontier_exclude_queued(c, o, place, q))
        return false;
    if (++c->verdicts.excluded % FLUSH_URLS == 0)
        (void)core_flush(c);
    return true;
}

static void decide(struct core *c, struct now now, uint64_t fp, const Trawl__DoneUrl *d,
                   const char *reason) {
    frontier_decide(c, now, fp, d, frontier_found_as(d), reason);
    c->verdicts.queued += reason == NULL;
}

/* One record of a URL that is done. */
static void look_again(struct core *c, struct now now, uint64_t fp, const Trawl__DoneUrl *d) {
    const struct origin *o = host_by_id(&c->hosts, d->origin);
    bool excluded = d->state == TRAWL__STATE__EXCLUDED;
    bool rule = excluded && d->origin == 0 && is_rule(d->reason);
    bool passed = (excluded || d->state == TRAWL__STATE__FAILED) && d->origin != 0 &&
                  has_passed(c, d->state, d->reason);

    if ((!rule && !passed) || !frontier_parse(c, o, d->path))
        return;
    const char *reason = frontier_excluded_by(c, frontier_found_as(d));
    if (rule || reason == NULL)
        decide(c, now, fp, d, reason);
}

/* From the fingerprint on, at most `max` records; 0: as many as this turn has time for. True: that was not all; `from` is
 * where to go on. */
static bool pass(struct core *c, struct now now, uint64_t *from, size_t max) {
    struct record_key prefix = record_group('u'), at = record_done(*from);
    struct store_iter *iter = store_iter_open(c->store, prefix.bytes, prefix.len, at.bytes, at.len);
    bool more = true;

    if (iter == NULL)
        core_fail(c, "cannot read the crawldb");
    for (size_t n = 0; iter != NULL && !c->failed; store_iter_next(iter)) {
        if (!store_iter_valid(iter)) {
            more = false;
            break;
        }
        if (max > 0 ? n == max : n > 0 && !turn_left(c))
            break;
        n++;
        size_t key_len, value_len;
        const void *key = store_iter_key(iter, &key_len);
        const void *value = store_iter_value(iter, &value_len);

        arena_reset(&c->record);
        Trawl__DoneUrl *d = wire_unpack(&c->record, &trawl__done_url__descriptor, value, value_len);
        if (d == NULL || !record_parse_number8(key, key_len, 'u', from))
            core_fail(c, "a record of the crawldb cannot be read");
        else
            look_again(c, now, *from, d);
    }
    if (!store_iter_close(iter))
        core_fail(c, "cannot read the crawldb");
    if (!more || *from == UINT64_MAX)
        return false;
    ++*from;
    return !c->failed;
}

static void put_premises(struct core *c) {
    core_put_number(c, "premises", c->verdicts.rules);
    core_put_number(c, "premises_net", c->verdicts.net);
    c->verdicts.rules_changed = c->verdicts.net_changed = false;
    c->verdicts.marked = false;
}

bool verdicts_done(struct core *c, struct now now) {
    uint64_t from = 0;

    if (!c->verdicts.rules_changed && !c->verdicts.net_changed)
        return true;
    while (core_flush(c) && pass(c, now, &from, FLUSH_URLS))
        ;
    if (!core_flush(c))
        return false;
    put_premises(c);
    return core_flush(c);
}

/* ---- as the crawl runs ---------------------------------------------------------------------------------------------- */

void verdicts_scope_grew(struct core *c) {
    c->verdicts.wanted = true;
    if (!c->verdicts.marked)
        core_put_number(c, "premises", 0);
    c->verdicts.marked = true;
}

bool verdicts_pending(const struct core *c) {
    return c->verdicts.wanted || c->verdicts.running;
}

int64_t verdicts_next_ms(const struct core *c) {
    if (c->verdicts.running)
        return 0;
    return c->verdicts.wanted ? c->verdicts.not_before_ms : INT64_MAX;
}

static void end_pass(struct core *c, struct now now) {
    int64_t pause = PAUSE_FACTOR * (now.mono_ms - c->verdicts.began_ms);
    char text[64];

    snprintf(text, sizeof text, "%llu URLs that were out of it are queued",
             (unsigned long long)(c->verdicts.queued - c->verdicts.queued_before));
    if (c->verdicts.queued > c->verdicts.queued_before)
        core_tell(c, CORE_SCOPE_GREW, NULL, text);

    c->verdicts.running = false;
    c->verdicts.not_before_ms = now.mono_ms + (pause > PAUSE_MIN_MS ? pause : PAUSE_MIN_MS);
    if (!c->verdicts.wanted)
        put_premises(c);
}

void verdicts_tick(struct core *c, struct now now, bool idle) {
    bool due = c->verdicts.wanted && (idle || now.mono_ms >= c->verdicts.not_before_ms);

    if (!c->verdicts.running && due) {
        c->verdicts.running = true;
        c->verdicts.wanted = false;
        c->verdicts.next = 0;
        c->verdicts.began_ms = now.mono_ms;
        c->verdicts.queued_before = c->verdicts.queued;
    }
    if (!c->verdicts.running || !core_flush(c))
        return;
    if (!pass(c, now, &c->verdicts.next, 0) && !c->failed)
        end_pass(c, now);
    (void)core_flush(c);
}
