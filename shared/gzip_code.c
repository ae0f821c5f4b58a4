#ifdef HAVE_ISAL
#include "shared/gzip_code.h"

#include <stdbool.h>
#include <stdlib.h>

enum {
    RECORDS_FIRST = 32,     /* all of them are learned from; then */
    RECORDS_LEARNED = 32,   /* one in so many, */
    RECORDS_RENEWED = 1024, /* and after so many the code is made anew. What is older counts half */
    LEARNED_BYTES_MAX = 1 << 18, /* of one record */
    LOOKED_UP = 512,             /* bytes of a record, spread over it */
    RECORD_BYTES_MIN = 1024,
};

struct gzip_code {
    struct isal_hufftables tables;
    struct isal_huff_histogram histogram;
    uint64_t bytes[256]; /* how often each was among those looked up in what was learned from */
    uint64_t records;
    double bits; /* that such a byte takes, on average; 0: there is no code */
};

struct gzip_code *gzip_code_new(void) {
    return calloc(1, sizeof(struct gzip_code));
}

void gzip_code_free(struct gzip_code *c) {
    free(c);
}

static size_t stride(size_t len) {
    return len / LOOKED_UP + 1;
}

static void learn(struct gzip_code *c, const uint8_t *in, size_t len) {
    isal_update_histogram((uint8_t *)(uintptr_t)in, (int)len, &c->histogram);
    for (size_t i = 0; i < len; i += stride(len))
        c->bytes[in[i]]++;
}

static double bits_of_learned(const struct gzip_code *c) {
    uint64_t bits = 0, count = 0;

    for (size_t i = 0; i < 256; i++) {
        bits += c->bytes[i] * c->tables.lit_table_sizes[i];
        count += c->bytes[i];
    }
    return count == 0 ? 0 : (double)bits / (double)count;
}

static void forget_half(struct gzip_code *c) {
    for (size_t i = 0; i < ISAL_DEF_LIT_LEN_SYMBOLS; i++)
        c->histogram.lit_len_histogram[i] /= 2;
    for (size_t i = 0; i < ISAL_DEF_DIST_SYMBOLS; i++)
        c->histogram.dist_histogram[i] /= 2;
    for (size_t i = 0; i < 256; i++)
        c->bytes[i] /= 2;
}

static void renew(struct gzip_code *c) {
    bool made = isal_create_hufftables(&c->tables, &c->histogram) == 0;

    c->bits = made ? bits_of_learned(c) : 0;
    forget_half(c);
}

static bool is_alike(const struct gzip_code *c, const uint8_t *in, size_t len) {
    uint64_t bits = 0, count = 0;

    for (size_t i = 0; i < len; i += stride(len), count++)
        bits += c->tables.lit_table_sizes[in[i]];
    return (double)bits <= c->bits * 1.125 * (double)count;
}

struct isal_hufftables *gzip_code_for(struct gzip_code *c, const uint8_t *in, size_t len) {
    c->records++;
    if (c->records <= RECORDS_FIRST || c->records % RECORDS_LEARNED == 0)
        learn(c, in, len < LEARNED_BYTES_MAX ? len : LEARNED_BYTES_MAX);
    if (c->records == RECORDS_FIRST || c->records % RECORDS_RENEWED == 0)
        renew(c);
    if (c->bits == 0 || len < RECORD_BYTES_MIN || !is_alike(c, in, len))
        return NULL;
    return &c->tables;
}
#endif
