/*
 * job_record: a key and a value as bytes, in memory and on disk alike, and the order of records.
 *
 * A record: length of the key, length of the value (LEB128, 1 to 4 bytes each), key, value.
 *
 * The order: by key, then by value, each as bytes; of two where one begins the other the shorter comes first.
 *
 * Windows make that order cheap: seven bytes, most significant first, and how many there are, 8 for "more". Two
 * strings that differ within their first seven bytes, or end there, compare like their windows; those whose windows are
 * the same and end in 8 compare like the rest of them from byte 7 on; other windows that are the same are the same
 * strings.
 *
 * Whoever hands bytes to job_window() or job_copy() has JOB_PAD_BYTES more of them that may be read.
 */
#ifndef TRAWL_WORKER_JOB_RECORD_H
#define TRAWL_WORKER_JOB_RECORD_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    JOB_RECORD_BYTES_MAX = 16 << 20, /* key and value together */
    JOB_RECORD_HEAD_MAX = 8,         /* the lengths */
    JOB_PAD_BYTES = 16,
    JOB_WINDOW_BYTES = 7
};

struct job_record {
    const unsigned char *key, *value; /* key + key_len == value */
    uint32_t key_len, value_len;
};

/* XXH3, 64 bits, without a seed (xxHash 0.8 has fixed it for good). The partition of a key is its hash modulo the
 * number of partitions: on all machines, in all versions. */
uint64_t job_hash(const void *key, size_t len);

static inline size_t job_varint_put(unsigned char *p, uint32_t n) {
    size_t i = 0;

    for (; n >= 0x80; n >>= 7)
        p[i++] = (unsigned char)(n | 0x80);
    p[i++] = (unsigned char)n;
    return i;
}

/* How many bytes it took; 0: none is there, or it is too large. */
static inline size_t job_varint_get(const unsigned char *p, const unsigned char *end, uint32_t *n) {
    if (p < end && *p < 0x80) {
        *n = *p;
        return 1;
    }
    *n = 0;
    for (size_t i = 0; i < 4 && p + i < end; i++) {
        *n |= (uint32_t)(p[i] & 0x7f) << (7 * i);
        if (p[i] < 0x80)
            return i + 1;
    }
    return 0;
}

/* The record at `p`: its length; 0: it is damaged. */
static inline size_t job_record_get(const unsigned char *p, const unsigned char *end,
                                    struct job_record *r) {
    size_t a = job_varint_get(p, end, &r->key_len);
    size_t b = a > 0 ? job_varint_get(p + a, end, &r->value_len) : 0;
    uint64_t bytes = (uint64_t)r->key_len + r->value_len;

    if (b == 0 || bytes > (uint64_t)(end - p) - a - b)
        return 0;
    r->key = p + a + b;
    r->value = r->key + r->key_len;
    return a + b + bytes;
}

/* The same of one that was written here. */
static inline size_t job_record_at(const unsigned char *p, struct job_record *r) {
    const unsigned char *from = p;

    if ((p[0] | p[1]) < 0x80) {
        r->key_len = p[0];
        r->value_len = p[1];
        p += 2;
    } else {
        p += job_varint_get(p, p + 4, &r->key_len);
        p += job_varint_get(p, p + 4, &r->value_len);
    }
    r->key = p;
    r->value = p + r->key_len;
    return (size_t)(r->value + r->value_len - from);
}

static inline uint64_t job_window(const unsigned char *p, size_t len) {
    uint64_t w;

    memcpy(&w, p, sizeof w);
    w = be64toh(w);
    if (len > JOB_WINDOW_BYTES)
        return (w & ~UINT64_C(0xff)) | (JOB_WINDOW_BYTES + 1);
    return len == 0 ? 0 : (w & (UINT64_MAX << (64 - 8 * len))) | len;
}

/* Below 0, 0, above 0. */
static inline int job_compare(const unsigned char *a, size_t a_len, const unsigned char *b,
                              size_t b_len) {
    int c = memcmp(a, b, a_len < b_len ? a_len : b_len);

    return c != 0 ? c : (a_len > b_len) - (a_len < b_len);
}

static inline bool job_same(const unsigned char *a, size_t a_len, const unsigned char *b,
                            size_t b_len) {
    return a_len == b_len && memcmp(a, b, a_len) == 0;
}

/* Copies, and for short pieces more than asked for: both sides have JOB_PAD_BYTES to spare. */
static inline void job_copy(unsigned char *to, const unsigned char *from, size_t len) {
    if (len <= JOB_PAD_BYTES)
        memcpy(to, from, JOB_PAD_BYTES);
    else
        memcpy(to, from, len);
}

#endif
