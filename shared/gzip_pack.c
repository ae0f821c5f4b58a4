#include "shared/gzip_pack.h"

#include <libdeflate.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#ifdef HAVE_ISAL
#include "shared/gzip_code.h"

enum {
    LEVEL_OWN_CODE = 2, /* as fast as its level 1 on pages, and smaller */
    LEVEL_KNOWN_CODE = 0,
};

struct fast {
    struct isal_zstream stream;
    struct gzip_code *code;
    uint8_t scratch[ISAL_DEF_LVL2_DEFAULT];
};
#else
struct fast {
    char unused;
};
#endif

struct gzip_pack {
    struct libdeflate_compressor *compressor;
    struct fast *fast; /* NULL: not for this level */
};

#ifdef HAVE_ISAL
static bool make_fast(struct gzip_pack *g) {
    g->fast = malloc(sizeof *g->fast);
    if (g->fast == NULL)
        return false;
    g->fast->code = gzip_code_new();
    return g->fast->code != NULL;
}

static void free_fast(struct fast *f) {
    if (f != NULL)
        gzip_code_free(f->code);
    free(f);
}

static size_t pack_fast(struct fast *f, const void *in, size_t len, void *out, size_t size) {
    struct isal_zstream *s = &f->stream;

    if (len > UINT32_MAX)
        return 0;
    struct isal_hufftables *known = gzip_code_for(f->code, in, len);
    isal_deflate_stateless_init(s);
    if (known != NULL)
        (void)isal_deflate_set_hufftables(s, known, IGZIP_HUFFTABLE_CUSTOM);
    s->level = known != NULL ? LEVEL_KNOWN_CODE : LEVEL_OWN_CODE;
    s->level_buf = f->scratch;
    s->level_buf_size = sizeof f->scratch;
    s->gzip_flag = IGZIP_GZIP;
    s->end_of_stream = 1;
    s->flush = NO_FLUSH;
    s->next_in = (uint8_t *)(uintptr_t)in;
    s->avail_in = (uint32_t)len;
    s->next_out = out;
    s->avail_out = size > UINT32_MAX ? UINT32_MAX : (uint32_t)size;
    return isal_deflate_stateless(s) == COMP_OK ? s->total_out : 0;
}
#else
static bool make_fast(struct gzip_pack *g) {
    (void)g;
    return true;
}

static void free_fast(struct fast *f) {
    (void)f;
}

static size_t pack_fast(struct fast *f, const void *in, size_t len, void *out, size_t size) {
    (void)f, (void)in, (void)len, (void)out, (void)size;
    return 0;
}
#endif

struct gzip_pack *gzip_pack_new(int level) {
    struct gzip_pack *g;

    if (level < 0 || level > GZIP_PACK_LEVEL_MAX)
        return NULL;
    g = calloc(1, sizeof *g);
    if (g == NULL)
        return NULL;
    g->compressor = libdeflate_alloc_compressor(level);
    if (g->compressor != NULL && (level != 1 || make_fast(g)))
        return g;
    gzip_pack_free(g);
    return NULL;
}

void gzip_pack_free(struct gzip_pack *g) {
    if (g == NULL)
        return;
    if (g->compressor != NULL)
        libdeflate_free_compressor(g->compressor);
    free_fast(g->fast);
    free(g);
}

size_t gzip_pack_bound(const struct gzip_pack *g, size_t len) {
    return libdeflate_gzip_compress_bound(g->compressor, len);
}

size_t gzip_pack(struct gzip_pack *g, const void *in, size_t len, void *out, size_t size) {
    size_t n = g->fast == NULL ? 0 : pack_fast(g->fast, in, len, out, size);

    return n > 0 ? n : libdeflate_gzip_compress(g->compressor, in, len, out, size);
}
