/*
 * utf8_mend: a stream of octets made fit for an XML parser that ends at the first character that is none.
 *
 *     struct utf8_mend m = {0};
 *     while (...) utf8_mend_feed(&m, p, n, take, arg);      // take() gets the same text, mended, in pieces
 *     utf8_mend_end(&m, take, arg);
 *
 * Each octet that is not part of a character in UTF-8, and each control that XML 1.0 §2.2 forbids, becomes U+FFFD; the pieces in
 * which it comes make no difference. Nothing is copied but a character that two pieces share. One owner.
 */
#ifndef TRAWL_SHARED_UTF8_MEND_H
#define TRAWL_SHARED_UTF8_MEND_H

#include <stdbool.h>
#include <stddef.h>

struct utf8_mend {
    char rest[4];    /* the beginning of a character, */
    size_t rest_len; /* whose end is still to come */
};

/* `take` says whether it wants more; once it does not, the rest of the piece is passed over. */
void utf8_mend_feed(struct utf8_mend *m, const char *p, size_t n,
                    bool (*take)(void *arg, const char *text, size_t len), void *arg);
void utf8_mend_end(struct utf8_mend *m, bool (*take)(void *arg, const char *text, size_t len),
                   void *arg);

#endif
