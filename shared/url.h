/*
 * url: the WHATWG URL standard's parser and serialiser (https://url.spec.whatwg.org, state machine
 * of §4.4), and the crawl's canonical form of a URL.
 *
 * A parsed URL is one string, its serialisation, and offsets into it; components are slices of that
 * string. The storage is reused by the next url_parse() into the same struct, so parsing many URLs
 * allocates once.
 *
 *     struct url u;
 *     url_init(&u);
 *     if (url_parse(&u, "../a b", 6, &base) == 0) use(u.href, u.href_len);
 *     url_release(&u);
 *
 * Input is bytes in UTF-8; malformed sequences become U+FFFD as the standard's decoder does. Memory
 * running out is reported, never fatal. Not thread-safe a struct; different structs may be used by
 * different threads.
 */
#ifndef TRAWL_SHARED_URL_H
#define TRAWL_SHARED_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct url {
    char *href; /* the serialisation, NUL-terminated; owned */
    size_t href_len;
    size_t href_size; /* allocated */
    /* Offsets into href, in the manner of a "URL aggregator":
     *   https://user:pass@example.com:1234/foo/bar?baz#quux
     *         |     |    |          | ^^^^|       |   |
     *         |     |    |          | |   |       |   `----- hash_start (of '#'), or URL_NONE
     *         |     |    |          | |   |       `--------- search_start (of '?'), or URL_NONE
     *         |     |    |          | |   `----------------- path_start
     *         |     |    |          | `--------------------- port (number), or URL_NONE
     *         |     |    |          `----------------------- host_end
     *         |     |    `---------------------------------- host_start (of '@', or username_end)
     *         |     `--------------------------------------- username_end
     *         `--------------------------------------------- scheme_end (behind ':')
     */
    uint32_t scheme_end, username_end, host_start, host_end, path_start;
    uint32_t port;         /* never the scheme's default port */
    uint32_t search_start; /* URL_NONE: null query */
    uint32_t hash_start;   /* URL_NONE: null fragment */
    bool has_host;         /* false: null host (not the empty host) */
    bool opaque_path;      /* "cannot be a base" */
};

#define URL_NONE UINT32_MAX

enum url_result {
    URL_OK = 0,
    URL_INVALID,  /* the standard says failure */
    URL_TOO_LONG, /* input or output over LIMIT_URL_BYTES */
    URL_NO_MEMORY,
};

struct url_slice {
    const char *ptr;
    size_t len;
};

void url_init(struct url *u);
void url_release(struct url *u);
/* Parses `input` against `base` (NULL for none). On failure `u` holds no URL (href_len 0). `base`
 * must not be `u`, and `input` must not lie in `u`'s storage. */
enum url_result url_parse(struct url *u, const char *input, size_t input_len,
                          const struct url *base);
/* The same of octets of which nobody says that they are UTF-8 (a header field, RFC 9110 §5.5; a list of seeds): those that are
 * not are percent-encoded as they are, so that a server sees its own octets again, as browsers do with Location. */
enum url_result url_parse_octets(struct url *u, const char *input, size_t input_len,
                                 const struct url *base);
enum url_result url_copy(struct url *to, const struct url *from);

/* Components, as slices of href (valid until the next change of `u`). The scheme has no ':'; the
 * port is text without ':'; search and hash have no '?' and '#'. */
struct url_slice url_scheme(const struct url *u);
struct url_slice url_username(const struct url *u);
struct url_slice url_password(const struct url *u);
struct url_slice url_hostname(const struct url *u);
struct url_slice url_pathname(const struct url *u);
struct url_slice url_search(const struct url *u);
struct url_slice url_hash(const struct url *u);
bool url_is_http(const struct url *u); /* http or https */
uint16_t
url_port_effective(const struct url *u); /* explicit or the scheme's default; 0 if neither */

/* Brings a parsed http(s) URL to the crawl's canonical form, in place: fragment and user info
 * removed; all else as the standard serialises it. What is left is `origin` + path + optional
 * query, and the origin (scheme://host[:port]) is href[0 .. path_start). */
void url_canonicalise(struct url *u);
/* The crawl's identity of an origin: scheme://host[:port] of a canonical URL. */
struct url_slice url_origin(const struct url *u);

#endif
