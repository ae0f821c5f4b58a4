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

bool record_parse_earlier(const void *key, size_t len, uint64_t *fp) {
    const unsigned char *p = key;

    if (len != 17 || p[0] != 'h')
        return false;
    *fp = get_number(p + 1, 8);
    return true;
}

bool record_parse_committed(const void *key, size_t len, uint32_t *segment, uint64_t *offset) {
    const unsigned char *p = key;

    if (len != 13 || p[0] != 'g')
        return false;
    *segment = (uint32_t)get_number(p + 1, 4);
    *offset = get_number(p + 5, 8);
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

void record_committed_pack(struct committed_value v, unsigned char out[16]) {
    struct record_key k = {.len = 0};

    put_number(&k, v.length, 8);
    put_number(&k, v.fp, 8);
    memcpy(out, k.bytes, 16);
}

bool record_committed_unpack(const void *p, size_t len, struct committed_value *v) {
    if (len != 16)
        return false;
    *v = (struct committed_value){.length = get_number(p, 8),
                                  .fp = get_number((const unsigned char *)p + 8, 8)};
    return true;
}

int queue_place_compare(struct queue_place a, struct queue_place b) {
    if (a.depth != b.depth)
        return a.depth < b.depth ? -1 : 1;
    return (a.seq > b.seq) - (a.seq < b.seq);
}
