#include "shared/digest.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#ifdef HAVE_IPSEC_MB
#define NO_COMPAT_IMB_API_053 /* names that OpenSSL has, too */
#include <intel-ipsec-mb.h>

/* Its lanes count bytes in 16 bits; and little is won where the tail is short. */
enum { LANE_BYTES_MAX = 65534, LANE_BYTES_MIN = 512 };
#endif

struct digest {
    EVP_MD *sha1;
    EVP_MD_CTX *whole, *tail;
#ifdef HAVE_IPSEC_MB
    IMB_MGR *lanes; /* NULL: no such processor */
#endif
};

#ifdef HAVE_IPSEC_MB
/* Only its SSE code has two lanes of SHA instructions; without those, OpenSSL is faster. */
static bool make_lanes(struct digest *d) {
    d->lanes = alloc_mb_mgr(0);
    if (d->lanes == NULL)
        return false;
    init_mb_mgr_sse(d->lanes);
    if (imb_get_errno(d->lanes) == 0 && (d->lanes->features & IMB_FEATURE_SHANI) != 0)
        return true;
    free_mb_mgr(d->lanes);
    d->lanes = NULL;
    return true;
}

static void free_lanes(struct digest *d) {
    if (d->lanes != NULL)
        free_mb_mgr(d->lanes);
}

static unsigned completed(const IMB_JOB *job) {
    return job != NULL && job->status == IMB_STATUS_COMPLETED;
}

/* How many that ended then, this or an earlier one: 0 or 1. */
static unsigned submit(IMB_MGR *lanes, const void *bytes, size_t len, uint8_t *out) {
    IMB_JOB *job = IMB_GET_NEXT_JOB(lanes);

    memset(job, 0, sizeof *job);
    job->cipher_mode = IMB_CIPHER_NULL;
    job->cipher_direction = IMB_DIR_ENCRYPT;
    job->chain_order = IMB_ORDER_HASH_CIPHER;
    job->hash_alg = IMB_AUTH_SHA_1;
    job->src = bytes;
    job->msg_len_to_hash_in_bytes = len;
    job->auth_tag_output = out;
    job->auth_tag_output_len_in_bytes = DIGEST_BYTES;
    return completed(IMB_SUBMIT_JOB(lanes));
}

static bool side_by_side(struct digest *d, const void *bytes, size_t len, size_t tail_at,
                         uint8_t *whole, uint8_t *tail) {
    const IMB_JOB *job;

    if (d->lanes == NULL || len > LANE_BYTES_MAX || len - tail_at < LANE_BYTES_MIN)
        return false;
    unsigned done = submit(d->lanes, bytes, len, whole);
    done += submit(d->lanes, (const uint8_t *)bytes + tail_at, len - tail_at, tail);
    while ((job = IMB_FLUSH_JOB(d->lanes)) != NULL)
        done += completed(job);
    return done == 2;
}
#else
static bool make_lanes(struct digest *d) {
    (void)d;
    return true;
}

static void free_lanes(struct digest *d) {
    (void)d;
}

static bool side_by_side(struct digest *d, const void *bytes, size_t len, size_t tail_at,
                         uint8_t *whole, uint8_t *tail) {
    (void)d, (void)bytes, (void)len, (void)tail_at, (void)whole, (void)tail;
    return false;
}
#endif

struct digest *digest_new(void) {
    struct digest *d = calloc(1, sizeof *d);

    if (d == NULL)
        return NULL;
    d->sha1 = EVP_MD_fetch(NULL, "SHA1", NULL);
    d->whole = EVP_MD_CTX_new();
    d->tail = EVP_MD_CTX_new();
    if (d->sha1 != NULL && d->whole != NULL && d->tail != NULL && make_lanes(d))
        return d;
    digest_free(d);
    return NULL;
}

void digest_free(struct digest *d) {
    if (d == NULL)
        return;
    free_lanes(d);
    EVP_MD_CTX_free(d->tail);
    EVP_MD_CTX_free(d->whole);
    EVP_MD_free(d->sha1);
    free(d);
}

bool digest_message(struct digest *d, const void *bytes, size_t len, size_t tail_at,
                    uint8_t whole[DIGEST_BYTES], uint8_t tail[DIGEST_BYTES]) {
    const uint8_t *p = bytes;

    return side_by_side(d, bytes, len, tail_at, whole, tail) ||
           (digest_begin(d) && digest_add(d, p, tail_at, false) &&
            digest_add(d, p + tail_at, len - tail_at, true) && digest_end(d, whole, tail));
}

bool digest_begin(struct digest *d) {
    return EVP_DigestInit_ex2(d->whole, d->sha1, NULL) == 1 &&
           EVP_DigestInit_ex2(d->tail, d->sha1, NULL) == 1;
}

bool digest_add(struct digest *d, const void *bytes, size_t len, bool in_tail) {
    return EVP_DigestUpdate(d->whole, bytes, len) == 1 &&
           (!in_tail || EVP_DigestUpdate(d->tail, bytes, len) == 1);
}

bool digest_end(struct digest *d, uint8_t whole[DIGEST_BYTES], uint8_t tail[DIGEST_BYTES]) {
    return EVP_DigestFinal_ex(d->whole, whole, NULL) == 1 &&
           EVP_DigestFinal_ex(d->tail, tail, NULL) == 1;
}
