/*
 * url_percent: what the URL standard says of single characters: percent-encode sets (§1.3) and
 * forbidden host code points (§3.2), as one table, and percent-encoding by it.
 *
 * Pure functions and constant data: any thread.
 */
#ifndef TRAWL_SHARED_URL_PERCENT_H
#define TRAWL_SHARED_URL_PERCENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    /* Percent-encode sets. Every one of them holds all bytes that are not ASCII. */
    URL_SET_C0 = 1 << 0,
    URL_SET_FRAGMENT = 1 << 1,
    URL_SET_QUERY = 1 << 2,
    URL_SET_SPECIAL_QUERY = 1 << 3,
    URL_SET_PATH = 1 << 4,
    URL_SET_USERINFO = 1 << 5,
    /* Where copying a path segment stops: URL_SET_PATH and both slashes. */
    URL_SEGMENT_STOP = 1 << 6,
    /* Forbidden code points; bytes that are not ASCII are in neither. */
    URL_FORBIDDEN_HOST = 1 << 7,
    URL_FORBIDDEN_DOMAIN = 1 << 8,
    /* What keeps a domain from being lower-cased and done with: forbidden in it, or not ASCII. (A
     * '%' is a forbidden domain code point.) */
    URL_DOMAIN_STOP = 1 << 9,
    /* Letters, digits, '+', '-', '.': behind the first letter of a scheme. */
    URL_SCHEME_CHAR = 1 << 10,
};

/* For each byte the sets above that it is in. */
extern const uint16_t url_percent_sets[256];

static inline bool url_percent_is(char c, unsigned set) {
    return (url_percent_sets[(unsigned char)c] & set) != 0;
}

/* The most bytes that one byte of input can become: U+FFFD for a malformed one, encoded. */
enum { URL_PERCENT_GROWTH = 9, URL_PERCENT_GROWTH_ASCII = 3 };

/* Writes the text with what is in `set` percent-encoded as UTF-8; malformed sequences count as
 * U+FFFD, as the Encoding standard's decoder has it. `to` has room for URL_PERCENT_GROWTH bytes a
 * byte, or URL_PERCENT_GROWTH_ASCII if all are ASCII. Returns the end of what was written. */
char *url_percent_encode(char *to, const char *p, const char *end, unsigned set);
/* The same for the one character at *p, whatever it is; moves *p behind it. */
char *url_percent_encode_char(char *to, const char **p, const char *end);
/* Octets as they are, those that are not ASCII percent-encoded; 3 bytes a byte. */
char *url_percent_encode_octets(char *to, const char *p, const char *end);
bool url_percent_is_utf8(const char *text, size_t n);
/* The byte that "%XX" at p[0..2] stands for, or -1 if that is not what stands there. */
int url_percent_decode_byte(const char *p, const char *end);

#endif
