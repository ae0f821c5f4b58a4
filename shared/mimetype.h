/*
 * mimetype: MIME types, as in a Content-Type header (https://mimesniff.spec.whatwg.org §4.4), and
 * what a body without one looks like (§7.1).
 *
 *     struct mimetype m;
 *     mimetype_init(&m);
 *     if (mimetype_parse(&m, value, value_len) == MIMETYPE_OK) use(m.essence, m.charset ...);
 *     mimetype_release(&m);
 *
 * The storage is reused by the next mimetype_parse(). Bytes of the header stand for the characters
 * of the same number (isomorphic decoding). One owner each.
 */
#ifndef TRAWL_SHARED_MIMETYPE_H
#define TRAWL_SHARED_MIMETYPE_H

#include "shared/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    MIMETYPE_BYTES = 16 * 1024, /* a longer header value is no MIME type */
    MIMETYPE_PARAMS = 32,       /* further parameters are ignored */
};

enum mimetype_result { MIMETYPE_OK = 0, MIMETYPE_INVALID, MIMETYPE_NO_MEMORY };

/* Offsets into `text`. */
struct mimetype_param {
    uint32_t name_at, name_len, value_at, value_len;
};

struct mimetype {
    struct buf text;    /* the essence, a NUL, then the parameters' names (lower case) and values */
    size_t essence_len; /* of "type/subtype" at the start of `text`, lower case */
    size_t param_count;
    struct mimetype_param params[MIMETYPE_PARAMS];
};

void mimetype_init(struct mimetype *m);
void mimetype_release(struct mimetype *m);
enum mimetype_result mimetype_parse(struct mimetype *m, const char *value, size_t value_len);
/* The type that a response's Content-Type fields say, joined with ',' (Fetch, "extract a MIME type"): of a list the last
 * member that is a type and not "*" "/" "*", with the charset of those before it that are of the same essence. MIMETYPE_INVALID:
 * there is none. */
enum mimetype_result mimetype_extract(struct mimetype *m, const char *values, size_t len);
/* Nothing is said of the body: no type, or one of the words for "I do not know". Its looks decide (§7). */
bool mimetype_is_unknown(const struct mimetype *m);
/* "type/subtype", lower case, NUL-terminated; "" after a failed parse. */
const char *mimetype_essence(const struct mimetype *m);
/* The parameter of that name (lower case); false: there is none. */
bool mimetype_param(const struct mimetype *m, const char *name, const char **value,
                    size_t *value_len);
/* Appends the serialisation (§4.5). False: `to` failed. */
bool mimetype_serialise(const struct mimetype *m, struct buf *to);

bool mimetype_is_html(const struct mimetype *m); /* text/html or application/xhtml+xml */
bool mimetype_is_xml(const struct mimetype *m);  /* text/xml, application/xml or ...+xml (§4.6) */
bool mimetype_is_css(const struct mimetype *m);
/* Whether a body of unknown type starts as HTML does (§7.1, the rows for text/html; any white space ends a tag's name, as in
 * HTML itself), or with an XML declaration. */
bool mimetype_sniff_html(const char *body, size_t body_len);
bool mimetype_sniff_xml(const char *body, size_t body_len);
/* Whether an XML document's root is of that name, behind whatever prefix: "html", "svg". */
bool mimetype_root_is(const char *body, size_t body_len, const char *name);

#endif
