/*
 * xml_mend: the references of a stream of XML made fit for a parser that ends at the first one that it does not know.
 *
 *     struct xml_mend m = {0};
 *     while (...) xml_mend_feed(&m, p, n, take, arg);      // take() gets the same text, mended, in pieces
 *     xml_mend_end(&m, take, arg);
 *
 * Out of CDATA sections, an '&' that begins no reference becomes "&amp;" (http://a/?b=1&c=2), what HTML knows by a name and
 * XML does not, the number of that character (&nbsp;), the number of what is no character of XML 1.0 §2.2, that of U+FFFD.
 * In a document that has a type declaration names are left as they are: it may declare them.
 *
 * The text is in an encoding in which ASCII is ASCII; what is put in is ASCII. One owner.
 */
#ifndef TRAWL_SHARED_XML_MEND_H
#define TRAWL_SHARED_XML_MEND_H

#include <stdbool.h>
#include <stddef.h>

enum { XML_MEND_REFERENCE_BYTES = 40 }; /* '&' and ';' included; no name of HTML is longer */

struct xml_mend {
    char reference[XML_MEND_REFERENCE_BYTES]; /* begun, and not yet ended: */
    size_t reference_len;                     /* its length, 0: none */
    size_t cdata_begun, cdata_ended; /* so much of "<![CDATA[", of "]]>", was right before */
    size_t doctype_begun;
    bool in_cdata, has_doctype;
};

/* `take` says whether it wants more; once it does not, the rest of the piece is passed over. */
void xml_mend_feed(struct xml_mend *m, const char *p, size_t n,
                   bool (*take)(void *arg, const char *text, size_t len), void *arg);
void xml_mend_end(struct xml_mend *m, bool (*take)(void *arg, const char *text, size_t len),
                  void *arg);

#endif
