#include "master/record.h"

#include <string.h>

static void put_number(struct record_key *k, uint64_t n, size_t bytes) {
    for (size_t i = 0; i < bytes; i++)
        k->bytes[k->len++] = (unsigned char)(n >> (8 * (bytes - 1 - i)));
}

static uint64_t get_number(const unsigned char *p, size_t bytes) {
    uint64_t n = 0;

    for (size_t i = 0; i < bytes; i++)
        n = n << 8 | p[i];
    return n;
}

struct record_key record_group(char group) {
    return (struct record_key){.bytes = {(unsigned char)group}, .len = 1};
}

struct record_key record_meta(const char *name) {
    struct record_key k = record_group('M');
    size_t n = strlen(name);

    if (n > sizeof k.bytes - 1)
        n = sizeof k.bytes - 1;
    memcpy(k.bytes + 1, name, n);
    k.len += n;
    return k;
}

static struct record_key number4(char group, uint32_t number) {
    struct record_key k = record_group(group);

    put_number(&k, number, 4);
    return k;
}

static struct record_key number8(char group, uint64_t number) {
    struct record_key k = record_group(group);

    put_number(&k, number, 8);
    return k;
}

struct record_key record_seed(uint32_t number) {
    return number4('S', number);
}

struct record_key record_origin(uint32_t origin) {
    return number4('o', origin);
}

struct record_key record_rules(uint32_t origin) {
    return number4('r', origin);
}

struct record_key record_queue_of(uint32_t origin) {
    return number4('q', origin);
}

struct record_key record_queued(uint32_t origin, struct queue_place place) {
    struct record_key k = record_queue_of(origin);

    put_number(&k, place.depth, 1);
    put_number(&k, place.seq, 8);
    return k;
}

struct record_key record_done(uint64_t fp) {
    return number8('u', fp);
}

static struct record_key numbered(char group, uint64_t fp, uint64_t number) {
    struct record_key k = number8(group, fp);

    put_number(&k, number, 8);
    return k;
}

struct record_key record_way(uint64_t fp, uint64_t number) {
    return numbered('d', fp, number);
}

struct record_key record_ways_of(uint64_t fp) {
    return number8('d', fp);
}

struct record_key record_late_origin(uint64_t fp) {
    return number8('e', fp);
}

struct record_key record_links(uint64_t fp, uint64_t number) {
    return numbered('l', fp, number);
}

struct record_key record_links_of(uint64_t fp) {
    return number8('l', fp);
}

struct record_key record_earlier_of(uint64_t fp) {
    return number8('h', fp);
}

struct record_key record_earlier(uint64_t fp, uint64_t fetched_at_ms) {
    struct record_key k = record_earlier_of(fp);

    put_number(&k, fetched_at_ms, 8);
    return k;
}

struct record_key record_segment(uint32_t segment) {
    return number4('s', segment);
}

struct record_key record_committed_of(uint32_t segment) {
    return number4('g', segment);
}

struct record_key record_committed(uint32_t segment, uint64_t offset) {
    struct record_key k = record_committed_of(segment);

    put_number(&k, offset, 8);
    return k;
}

struct record_key record_session(uint64_t session) {
    return number8('w', session);
}

struct record_key record_worker(uint64_t hash) {
    return number8('p', hash);
}

struct record_key record_job(uint64_t job) {
    return number8('j', job);
}

struct record_key record_tasks_of(uint64_t job) {
    return number8('t', job);
}

struct record_key record_task(uint64_t job, Trawl__TaskKind kind, uint32_t number) {
    struct record_key k = record_tasks_of(job);

    put_number(&k, kind, 1);
    put_number(&k, number, 4);
    return k;
}

bool record_parse_number4(const void *key, size_t len, char group, uint32_t *number) {
    const unsigned char *p = key;

    if (len != 5 || p[0] != (unsigned char)group)
        return false;
    *number = (uint32_t)get_number(p + 1, 4);
    return true;
}

bool record_parse_number8(const void *key, size_t len, char group, uint64_t *number) {
    const unsigned char *p = key;

    if (len != 9 || p[0] != (unsigned char)group)
        return false;
    *number = get_number(p + 1, 8);
    return true;
}

bool record_parse_queued(const void *key, size_t len, uint32_t *origin, struct queue_place *place) {
    const unsigned char *p = key;

    if (len != 14 || p[0] != 'q')
        return false;
    *origin = (uint32_t)get_number(p + 1, 4);
    *place = (struct queue_place){.depth = p[5], .seq = get_number(p + 6, 8)};
    return true;
}

bool record_parse_way(const void *key, size_t len, uint64_t *fp) {
    const unsigned char *p = key;

    if (len != 17 || p[0] != 'd')
        return false;
    *fp = get_number(p + 1, 8);
    return true;
}

bool record_parse_earlier(const void *key, size_t len, uint64_t *fp) {
    const unsigned char *p = key;

    if (len != 17 || p[0] != 'h')
        return false;
    *fp = get_number(p + 1, 8);
    return true;
}

bool record_parse_task(const void *key, size_t len, uint64_t *job, Trawl__TaskKind *kind,
                       uint32_t *number) {
    const unsigned char *p = key;

    if (len != 14 || p[0] != 't' || p[9] > TRAWL__TASK_KIND__REDUCE)
        return false;
    *job = get_number(p + 1, 8);
    *kind = (Trawl__TaskKind)p[9];
    *number = (uint32_t)get_number(p + 10, 4);
    return true;
}

/* ---- committed records ------------------------------------------------------------------------------------ */

enum { NUMBER_BYTES = 8, LEB128_BYTES = 10 /* of 64 bits */ };

static void append_number(struct buf *value, uint64_t n) {
    struct record_key k = {.len = 0};

    put_number(&k, n, NUMBER_BYTES);
    buf_append(value, k.bytes, k.len);
}

static void append_leb128(struct buf *value, uint64_t n) {
    unsigned char bytes[LEB128_BYTES];
    size_t len = 0;

    for (; n >= 0x80; n >>= 7)
        bytes[len++] = (unsigned char)(n | 0x80);
    bytes[len++] = (unsigned char)n;
    buf_append(value, bytes, len);
}

void record_committed_begin(struct buf *value, struct committed_record first) {
    append_number(value, first.length);
    append_number(value, first.fp);
}

void record_committed_append(struct buf *value, uint64_t previous_offset,
                             struct committed_record r) {
    append_leb128(value, r.offset - previous_offset);
    append_leb128(value, r.length);
    append_number(value, r.fp);
}

bool record_committed_open(struct committed_cursor *c, const void *key, size_t key_len,
                           const void *value, size_t value_len) {
    const unsigned char *p = key;

    if (key_len != 13 || p[0] != 'g')
        return false;
    *c = (struct committed_cursor){.at = value,
                                   .end = (const unsigned char *)value + value_len,
                                   .offset = get_number(p + 5, NUMBER_BYTES),
                                   .first = true};
    return true;
}

static uint64_t take_number(struct committed_cursor *c) {
    if (c->end - c->at < NUMBER_BYTES) {
        c->broken = true;
        return 0;
    }
    c->at += NUMBER_BYTES;
    return get_number(c->at - NUMBER_BYTES, NUMBER_BYTES);
}

static uint64_t take_leb128(struct committed_cursor *c) {
    uint64_t n = 0;

    for (unsigned shift = 0; shift < 64 && c->at < c->end; shift += 7) {
        unsigned char byte = *c->at++;
        n |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return n;
    }
    c->broken = true;
    return 0;
}

bool record_committed_next(struct committed_cursor *c, struct committed_record *r) {
    if (c->broken || (c->at == c->end && !c->first))
        return false;
    if (c->first) {
        r->length = take_number(c);
    } else {
        c->offset += take_leb128(c);
        r->length = take_leb128(c);
    }
    c->first = false;
    r->offset = c->offset;
    r->fp = take_number(c);
    return !c->broken;
}

int queue_place_compare(struct queue_place a, struct queue_place b) {
    if (a.depth != b.depth)
        return a.depth < b.depth ? -1 : 1;
    return (a.seq > b.seq) - (a.seq < b.seq);
}
