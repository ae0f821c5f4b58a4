/*
 * charset: which encoding a page is in, and out of it and into it: the Encoding standard's labels
 * (https://encoding.spec.whatwg.org §4.2) and the HTML standard's sniffing (§13.2.3.2), with ICU's
 * converters for what is not UTF-8.
 *
 * In order: a byte order mark, the transport's charset parameter, <meta> in the first 1024 bytes.
 *
 *     c = charset_from_bom(body, n, &bom_len);
 *     if (c == NULL) c = charset_by_label(parameter, parameter_len);
 *     if (c == NULL) c = charset_prescan(body, n);
 *
 * ICU's tables of the East Asian encodings differ from the standard's in some rare characters.
 * A `struct charset` is constant data; all functions may be called from any thread.
 */
#ifndef TRAWL_SHARED_CHARSET_H
#define TRAWL_SHARED_CHARSET_H

#include "shared/buf.h"

#include <stdbool.h>
#include <stddef.h>

enum { CHARSET_PRESCAN_BYTES = 1024, CHARSET_PIECE_BYTES = 16 * 1024 };

struct charset {
    const char *name;   /* the standard's, in lower case */
    const char *icu;    /* ICU's name of the converter; NULL: decoded here */
    const char *labels; /* lower case, separated by spaces */
    bool is_ascii_superset;
};

/* NULL: no such label. White space around it and the case do not matter. */
const struct charset *charset_by_label(const char *label, size_t label_len);
const struct charset *charset_utf8(void);
const struct charset *charset_windows_1252(void);
/* NULL: there is none, and *bom_len is 0. */
const struct charset *charset_from_bom(const char *body, size_t body_len, size_t *bom_len);
/* What <meta> or an XML declaration in the first CHARSET_PRESCAN_BYTES says; NULL: nothing. */
const struct charset *charset_prescan(const char *body, size_t body_len);
/* What "text/html; charset=x" in a <meta content> says; NULL: nothing. */
const struct charset *charset_from_meta_content(const char *content, size_t content_len);
/* As charset_by_label() for a declaration inside a page: it is in an ASCII superset, or nobody could
 * have read it. */
const struct charset *charset_declared(const char *label, size_t label_len);

bool charset_is_ascii(const char *p, size_t n);
bool charset_is_valid_utf8(const char *p, size_t n);

/* Gives the bytes as UTF-8, U+FFFD for what is malformed, to `take` in pieces of up to CHARSET_PIECE_BYTES, until that
 * returns false. False: it did, or no memory. */
bool charset_decode_pieces(const struct charset *c, const char *p, size_t n,
                           bool (*take)(void *arg, const char *utf8, size_t n), void *arg);
/* The same, appended. False: `to` failed, or no memory. */
bool charset_decode(const struct charset *c, const char *p, size_t n, struct buf *to);
/* Appends the UTF-8 text of a URL's query in encoding `c`, percent-encoded as the URL standard does
 * ("percent-encode after encoding", §1.3, with the special-query set): the result is ASCII.
 * Characters that `c` has not become "%26%23number%3B". False: `to` failed, or no memory. */
bool charset_encode_query(const struct charset *c, const char *p, size_t n, struct buf *to);

#endif
