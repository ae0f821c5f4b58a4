#include "master/why.h"

#include <stdlib.h>
#include <string.h>

#include "master/record.h"
#include "proto/wire.h"
#include "shared/fingerprint.h"
#include "shared/json_out.h"
#include "shared/limits.h"
#include "shared/robots.h"
#include "shared/scope.h"
#include "shared/tracking.h"
#include "shared/url.h"
#include "shared/utc.h"

enum { VIA_MAX = 300 };

struct why {
    const struct why_source *source;
    struct buf *out;
    struct error *err;
    struct url url;
    uint64_t fp;
    uint32_t origin_id;             /* 0: not known */
    Trawl__StoredOrigin *origin;    /* NULL: not known */
    const Trawl__DoneUrl *done;     /* one of these at most */
    const Trawl__QueuedUrl *queued; /* pending */
    bool pending;                   /* known, and not done */
    ProtobufCBinaryData rules;      /* of its robots.txt */
    struct arena arena;
    struct buf value;
};

/* ---- reading --------------------------------------------------------------------------------------------- */

/* NULL: not there, or it cannot be read. */
static void *get(struct why *w, struct record_key key, const ProtobufCMessageDescriptor *type) {
    buf_reset(&w->value);
    if (store_get(w->source->store, key.bytes, key.len, &w->value) != STORE_FOUND)
        return NULL;
    return wire_unpack(&w->arena, type, w->value.data, w->value.len);
}

static struct store_iter *walk(const struct why *w, struct record_key prefix) {
    return store_iter_open(w->source->store, prefix.bytes, prefix.len, prefix.bytes, prefix.len);
}

static bool same(ProtobufCBinaryData a, struct url_slice b) {
    return a.len == b.len && memcmp(a.data, b.ptr, b.len) == 0;
}

/* By its number. */
static void get_origin(struct why *w, struct url_slice name) {
    w->origin_id = w->source->origin(w->source->arg, name.ptr, name.len);
    if (w->origin_id != 0)
        w->origin = get(w, record_origin(w->origin_id), &trawl__stored_origin__descriptor);
}

static bool find_origin(struct why *w) {
    struct url_slice name = url_origin(&w->url);
    struct store_iter *i;
    struct arena scratch;

    if (w->source->origin != NULL) {
        get_origin(w, name);
        return true;
    }
    i = walk(w, record_group('o'));
    if (i == NULL)
        return false;
    arena_init(&scratch, LIMIT_ARENA_BYTES);
    for (; store_iter_valid(i) && w->origin == NULL; store_iter_next(i)) {
        size_t key_len, len;
        const void *key = store_iter_key(i, &key_len);
        const void *value = store_iter_value(i, &len);
        arena_reset(&scratch);
        Trawl__StoredOrigin *o =
            wire_unpack(&scratch, &trawl__stored_origin__descriptor, value, len);
        if (o != NULL && same(o->name, name) &&
            record_parse_number4(key, key_len, 'o', &w->origin_id))
            w->origin = wire_unpack(&w->arena, &trawl__stored_origin__descriptor, value, len);
    }
    arena_release(&scratch);
    return store_iter_close(i);
}

static bool find_queued(struct why *w) {
    struct store_iter *i = walk(w, record_queue_of(w->origin_id));
    struct arena scratch;
    size_t looked = 0;

    if (i == NULL)
        return false;
    arena_init(&scratch, LIMIT_ARENA_BYTES);
    for (; store_iter_valid(i) && w->queued == NULL; store_iter_next(i)) {
        size_t len;
        const void *value = store_iter_value(i, &len);
        if (w->source->queue_max > 0 && looked++ >= w->source->queue_max)
            break;
        arena_reset(&scratch);
        Trawl__QueuedUrl *q = wire_unpack(&scratch, &trawl__queued_url__descriptor, value, len);
        if (q != NULL && q->robots_for == 0 && q->fp == w->fp)
            w->queued = wire_unpack(&w->arena, &trawl__queued_url__descriptor, value, len);
    }
    arena_release(&scratch);
    return store_iter_close(i);
}

static bool find_url(struct why *w) {
    struct record_key key = record_meta("key");

    buf_reset(&w->value);
    if (store_get(w->source->store, key.bytes, key.len, &w->value) != STORE_FOUND ||
        w->value.len != 16)
        return false;
    w->fp = fingerprint((const unsigned char *)w->value.data, w->url.href, w->url.href_len);
    w->done = get(w, record_done(w->fp), &trawl__done_url__descriptor);
    if (!find_origin(w) || (w->done == NULL && w->origin_id != 0 && !find_queued(w)))
        return false;
    w->pending =
        w->queued != NULL || (w->done == NULL && w->source->seen != NULL &&
                              w->source->seen(w->source->arg, w->url.href, w->url.href_len));
    return !store_failed(w->source->store, w->err);
}

/* ---- writing --------------------------------------------------------------------------------------------- */

static void text(struct why *w, const char *name, const char *value, size_t len) {
    buf_append_str(w->out, ",");
    json_out_member(w->out, name, value, len);
}

static void string(struct why *w, const char *name, const char *value) {
    if (value != NULL && value[0] != '\0')
        text(w, name, value, strlen(value));
}

static void number(struct why *w, const char *name, uint64_t value) {
    buf_printf(w->out, ",\"%s\":%llu", name, (unsigned long long)value);
}

static void flag(struct why *w, const char *name, bool value) {
    buf_printf(w->out, ",\"%s\":%s", name, value ? "true" : "false");
}

static void moment(struct why *w, const char *name, uint64_t unix_ms) {
    char when[UTC_RFC3339_SIZE];

    if (unix_ms != 0 && utc_rfc3339((int64_t)unix_ms, when))
        buf_printf(w->out, ",\"%s\":\"%s\"", name, when);
}

static bool has_beyond_ascii(const char *s, size_t len) {
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)s[i] >= 0x80)
            return true;
    return false;
}

/* How the canonical form came about. */
static void tell_spelling(struct why *w, const char *input, size_t len) {
    struct url_slice name = url_origin(&w->url);
    const char *fragment = memchr(input, '#', len);
    struct buf stripped;
    const char *sep = "";

    buf_append_str(w->out, "{");
    json_out_member(w->out, "input", input, len);
    text(w, "canonical", w->url.href, w->url.href_len);
    buf_append_str(w->out, ",\"notes\":[");
    if (len != w->url.href_len || memcmp(input, w->url.href, len) != 0) {
        buf_append_str(w->out, "\"spelt canonically\"");
        sep = ",";
    }
    if (fragment != NULL) {
        buf_printf(w->out, "%s\"the fragment is dropped\"", sep);
        sep = ",";
    }
    if (has_beyond_ascii(input, len) && memmem(name.ptr, name.len, "xn--", 4) != NULL) {
        buf_printf(w->out, "%s\"the host is written in ASCII (IDNA)\"", sep);
        sep = ",";
    }
    buf_init(&stripped, 4 * LIMIT_URL_BYTES);
    if (w->source->options->strip_tracking &&
        tracking_strip(w->url.href, w->url.href_len, &stripped))
        buf_printf(w->out, "%s\"as a link it would lose its tracking parameters\"", sep);
    buf_release(&stripped);
    buf_append_str(w->out, "]");
}

/* Which of the patterns decided, when each is asked alone. NULL: none. */
static const char *pattern_that(const struct why *w, bool include) {
    const struct options *all = w->source->options;
    const struct string_list *list = include ? &all->include : &all->exclude;

    for (size_t i = 0; i < list->count; i++) {
        struct string_list one = {&list->items[i], 1};
        struct options alone = *all;
        alone.scope = SCOPE_ANY;
        alone.include = include ? one : (struct string_list){NULL, 0};
        alone.exclude = include ? (struct string_list){NULL, 0} : one;
        struct scope *s = scope_new(&alone, NULL);
        enum scope_verdict v = s == NULL ? SCOPE_OUT : scope_check(s, &w->url);
        scope_free(s);
        if (s != NULL && v == (include ? SCOPE_IN : SCOPE_EXCLUDED))
            return list->items[i];
    }
    return NULL;
}

/* The whole scope, and the first seed that brings the URL into it. */
static enum scope_verdict check_scope(struct why *w, struct buf *seed) {
    struct scope *all = scope_new(w->source->options, NULL);
    struct store_iter *i = walk(w, record_group('S'));
    enum scope_verdict verdict = SCOPE_OUT;
    size_t looked = 0;
    struct url u;

    url_init(&u);
    for (; all != NULL && i != NULL && store_iter_valid(i) && verdict == SCOPE_OUT;
         store_iter_next(i)) {
        size_t len;
        if (w->source->seeds_max > 0 && looked++ == w->source->seeds_max) {
            buf_reset(seed);
            buf_append_str(seed, "one of very many");
            break;
        }
        const char *value = store_iter_value(i, &len);
        if (url_parse_octets(&u, value, len, NULL) != URL_OK || !scope_add_seed(all, &u))
            continue;
        verdict = scope_check(all, &w->url);
        buf_reset(seed);
        buf_append(seed, value, len);
    }
    (void)store_iter_close(i);
    scope_free(all);
    url_release(&u);
    return verdict == SCOPE_OUT && w->source->scope != NULL
               ? w->source->scope(w->source->arg, &w->url)
               : verdict;
}

static void tell_scope(struct why *w) {
    static const char *const kinds[] = {"host", "domain", "prefix", "any"};
    struct buf seed, by;

    buf_init(&seed, 2 * LIMIT_URL_BYTES);
    buf_init(&by, 4 * LIMIT_URL_BYTES);
    enum scope_verdict v = check_scope(w, &seed);
    const char *kind = kinds[w->source->options->scope];
    const char *pattern = v == SCOPE_OUT ? NULL : pattern_that(w, v == SCOPE_IN);
    buf_append_str(w->out, ",\"scope\":{");
    json_out_member(w->out, "verdict", scope_verdict_name(v), strlen(scope_verdict_name(v)));
    switch (v) {
    case SCOPE_IN:
        buf_printf(&by, "--scope %s", kind);
        if (w->source->options->scope != SCOPE_ANY && buf_append_str(&by, ", by seed "))
            buf_append(&by, seed.data, seed.len);
        if (pattern != NULL && buf_append_str(&by, ", --include "))
            buf_append_str(&by, pattern);
        break;
    case SCOPE_OUT:
        buf_printf(&by, "--scope %s: no seed spans it", kind);
        break;
    case SCOPE_EXCLUDED:
        buf_append_str(&by, "--exclude ");
        buf_append_str(&by, pattern == NULL ? "" : pattern);
        break;
    case SCOPE_NOT_INCLUDED:
        buf_append_str(&by, "no --include matches");
        break;
    }
    text(w, "by", by.data, by.len);
    buf_append_str(w->out, "}");
    buf_release(&seed);
    buf_release(&by);
}

static void tell_rule(struct why *w, const struct robots *rules) {
    struct url_slice name = url_origin(&w->url);
    struct robots_match why;
    bool allowed = robots_allowed(rules, w->url.href + name.len, w->url.href_len - name.len, &why);

    flag(w, "allowed", allowed);
    switch (why.reason) {
    case ROBOTS_BY_RULE:
        number(w, "line", why.line);
        string(w, "field", why.allow ? "Allow" : "Disallow");
        if (why.text != NULL)
            text(w, "rule", why.text, why.text_len);
        break;
    case ROBOTS_BY_NO_RULE:
        string(w, "by", "no rule matches");
        break;
    case ROBOTS_BY_ITSELF:
        string(w, "by", "robots.txt itself is always allowed");
        break;
    case ROBOTS_BY_STATE:
        string(w, "by", allowed ? "there are no rules" : "it could not be had");
        break;
    case ROBOTS_BY_URL_LIMIT:
        string(w, "by", "the URL is too long");
        break;
    }
}

/* They lie in the origin's record, or under a key of their own. */
static bool read_rules(struct why *w) {
    struct record_key key = record_rules(w->origin_id);

    w->rules = w->origin->robots;
    if (w->origin->rules == 0)
        return true;
    buf_reset(&w->value);
    if (store_get(w->source->store, key.bytes, key.len, &w->value) != STORE_FOUND)
        return false;
    w->rules = arena_bytes(&w->arena, w->value.data, w->value.len);
    return w->rules.data != NULL;
}

static void tell_robots(struct why *w) {
    struct robots rules;
    bool known = w->origin != NULL && w->origin->robots_known;

    buf_printf(w->out, ",\"robots\":{\"known\":%s", known ? "true" : "false");
    if (w->source->options->robots_ignore)
        flag(w, "ignored", true);
    robots_init(&rules);
    if (known && read_rules(w) && robots_decode(&rules, w->rules.data, w->rules.len)) {
        char *token = robots_product_token(w->source->options->user_agent);
        number(w, "status", w->origin->robots_status);
        string(w, "agent", token);
        free(token);
        tell_rule(w, &rules);
    }
    robots_release(&rules);
    buf_append_str(w->out, "}");
}

static void tell_origin(struct why *w) {
    struct url_slice name = url_origin(&w->url);
    const Trawl__StoredOrigin *o = w->origin;

    buf_append_str(w->out, ",\"origin\":{");
    json_out_member(w->out, "name", name.ptr, name.len);
    flag(w, "known", o != NULL);
    if (o != NULL && o->parked != TRAWL__STATE__PENDING) {
        string(w, "given_up", o->parked == TRAWL__STATE__EXCLUDED ? "excluded" : "failed");
        string(w, "reason", o->reason);
    }
    if (o != NULL && o->failures > 0) {
        number(w, "rests", o->failures);
        moment(w, "rests_until", o->rest_until_ms);
    }
    buf_append_str(w->out, "}");
}

static void tell_tries(struct why *w, Trawl__Attempt *const *tries, size_t n) {
    buf_append_str(w->out, ",\"tries\":[");
    for (size_t i = 0; i < n; i++) {
        buf_printf(w->out, "%s{\"status\":%u", i == 0 ? "" : ",", (unsigned)tries[i]->status);
        moment(w, "at", tries[i]->at_ms);
        string(w, "reason", tries[i]->reason);
        string(w, "worker", tries[i]->worker);
        number(w, "task", tries[i]->task);
        buf_append_str(w->out, "}");
    }
    buf_append_str(w->out, "]");
}

/* Where a record has moved to when what was not committed was cut out before it. */
static uint64_t final_offset(const Trawl__StoredSegment *s, uint64_t offset) {
    uint64_t cut = 0;

    for (size_t i = 0; s->sealed && i < s->n_hole_offsets && i < s->n_hole_lengths; i++)
        if (s->hole_offsets[i] < offset)
            cut += s->hole_lengths[i];
    return offset - cut;
}

static void tell_record(struct why *w) {
    const Trawl__DoneUrl *d = w->done;
    Trawl__StoredSegment *s =
        d->segment == 0 ? NULL
                        : get(w, record_segment(d->segment), &trawl__stored_segment__descriptor);

    if (s == NULL)
        return;
    buf_append_str(w->out, ",\"record\":{\"sealed\":");
    buf_append_str(w->out, s->sealed ? "true" : "false");
    string(w, "worker", s->worker);
    buf_printf(w->out, ",\"file\":");
    struct buf file;
    buf_init(&file, LIMIT_URL_BYTES);
    buf_append_str(&file, s->name);
    buf_append_str(&file, s->sealed ? ".warc.gz" : ".warc.gz.open");
    json_out_string(w->out, file.data, file.len);
    buf_release(&file);
    number(w, "offset", final_offset(s, d->offset));
    number(w, "length", d->record_length);
    buf_append_str(w->out, "}");
}

/* The pages that led here, the nearest first. */
static void tell_via(struct why *w, uint64_t fp) {
    struct arena scratch;

    arena_init(&scratch, LIMIT_ARENA_BYTES);
    buf_append_str(w->out, ",\"via\":[");
    for (size_t steps = 0; fp != 0 && steps < VIA_MAX; steps++) {
        struct record_key key = record_done(fp);
        buf_reset(&w->value);
        arena_reset(&scratch);
        Trawl__DoneUrl *d = NULL;
        if (store_get(w->source->store, key.bytes, key.len, &w->value) == STORE_FOUND)
            d = wire_unpack(&scratch, &trawl__done_url__descriptor, w->value.data, w->value.len);
        if (d == NULL)
            break;
        struct buf url;
        buf_init(&url, 4 * LIMIT_URL_BYTES);
        struct record_key origin = record_origin(d->origin);
        Trawl__StoredOrigin *o = NULL;
        buf_reset(&w->value);
        if (d->origin != 0 &&
            store_get(w->source->store, origin.bytes, origin.len, &w->value) == STORE_FOUND)
            o = wire_unpack(&scratch, &trawl__stored_origin__descriptor, w->value.data,
                            w->value.len);
        if (o != NULL)
            buf_append(&url, o->name.data, o->name.len);
        buf_append(&url, d->path.data, d->path.len);
        buf_append_str(w->out, steps == 0 ? "{" : ",{");
        json_out_member(w->out, "url", url.data, url.len);
        number(w, "depth", d->depth);
        flag(w, "redirect", d->state == TRAWL__STATE__REDIRECTED);
        flag(w, "seed", d->seed);
        buf_append_str(w->out, "}");
        buf_release(&url);
        fp = d->via;
    }
    buf_append_str(w->out, "]");
    arena_release(&scratch);
}

static const char *state_name(Trawl__State state) {
    static const char *const names[] = {"pending", "fetched", "redirected", "excluded", "failed"};

    return state >= TRAWL__STATE__PENDING && state <= TRAWL__STATE__FAILED ? names[state] : "?";
}

static void tell_done(struct why *w) {
    const Trawl__DoneUrl *d = w->done;

    string(w, "state", state_name(d->state));
    string(w, "reason", d->reason);
    if (d->status > 0)
        number(w, "status", d->status);
    if (d->mime.len > 0)
        text(w, "mime", (const char *)d->mime.data, d->mime.len);
    if (d->redirect_to.len > 0)
        text(w, "redirect_to", (const char *)d->redirect_to.data, d->redirect_to.len);
    moment(w, "fetched_at", d->fetched_at_ms);
    flag(w, "seed", d->seed);
    number(w, "depth", d->depth);
    number(w, "attempts", d->attempts);
    tell_tries(w, d->tries, d->n_tries);
    tell_record(w);
    tell_via(w, d->via);
}

static void tell_pending(struct why *w) {
    string(w, "state", "pending");
    if (w->queued == NULL)
        return;
    if (w->source->options->max_depth_set && w->queued->depth > w->source->options->max_depth)
        string(w, "reason", "deeper than --max-depth");
    flag(w, "seed", w->queued->seed);
    number(w, "depth", w->queued->depth);
    number(w, "attempts", w->queued->attempts);
    tell_tries(w, w->queued->tries, w->queued->n_tries);
    tell_via(w, w->queued->via);
}

bool why_tell(const struct why_source *source, const char *input, size_t len, struct buf *json,
              struct error *err) {
    struct why w = {.source = source, .out = json, .err = err};
    bool ok = false;

    url_init(&w.url);
    arena_init(&w.arena, LIMIT_ARENA_BYTES);
    buf_init(&w.value, LIMIT_WIRE_BYTES);
    if (url_parse_octets(&w.url, input, len, NULL) != URL_OK || !url_is_http(&w.url)) {
        error_set(err, 0, "%.*s: not a URL that can be crawled; accepted is http(s)://...",
                  (int)(len < 200 ? len : 200), input);
        goto out;
    }
    url_canonicalise(&w.url);
    if (!find_url(&w)) {
        if (!store_failed(source->store, err))
            error_set(err, 0, "the crawldb cannot be read");
        goto out;
    }
    tell_spelling(&w, input, len);
    flag(&w, "known", w.done != NULL || w.pending);
    if (w.done != NULL)
        tell_done(&w);
    else if (w.pending)
        tell_pending(&w);
    tell_scope(&w);
    tell_robots(&w);
    tell_origin(&w);
    ok = buf_append_str(json, "}");
    if (!ok)
        error_set(err, 0, "out of memory");
out:
    url_release(&w.url);
    arena_release(&w.arena);
    buf_release(&w.value);
    return ok;
}
