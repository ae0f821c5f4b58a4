/*
 * robots: the Robots Exclusion Protocol (RFC 9309), for one crawler.
 *
 * A `struct robots` says which paths of one origin may be fetched. It comes from a robots.txt, from
 * the status that its fetch ended with, or from the encoded form of another one:
 *
 *     struct robots r;
 *     robots_init(&r);                                  // nothing is known: nothing may be fetched
 *     switch (robots_verdict_for_status(status)) {
 *     case ROBOTS_PARSE:     ok = robots_parse(&r, body, body_len, token); break;
 *     case ROBOTS_ALLOW_ALL: robots_allow_all(&r); break;
 *     ...
 *     }
 *     if (robots_allowed(&r, "/a?b", 4, &why)) ...
 *     robots_release(&r);
 *
 * Only the rules for one product token are kept: those of all groups that name it, else those of
 * all groups for "*" (§2.2.1). The most specific rule that matches decides, the one with the most
 * octets; of an Allow and a Disallow that are equally long, Allow (§2.2.2). Where nothing matches
 * the path is allowed.
 *
 * Both a rule and a path are brought to one spelling before they are compared (§2.2.2): unreserved
 * characters are unescaped, all other octets that RFC 3986 does not reserve are escaped, hexadecimal
 * digits are upper case. A reserved character compares equal to its escape, unless it separates
 * something: "/" and "?" in the path, and "&", "=", "+" and ";", differ from their escapes. In "?" and
 * what follows, "/" and "?" separate nothing (RFC 3986 §3.4), so that "?u=https://a" is
 * "?u=https%3A%2F%2Fa" as in the table of §2.2.2. "*" and, at the end of a rule, "$" are special
 * (§2.2.3); "%2A" and "%24" stand for the characters.
 *
 * What is not in the RFC: Crawl-delay applies to the agents named above it since the last rule or
 * Crawl-delay, and the largest of a crawler's own counts; Sitemap lines belong to no group. Neither
 * ends a list of User-agent lines (§2.2.4). A missing colon and misspelt fields are not understood. Of
 * a User-agent value the leading letters, "-" and "_" count, the characters of a product token
 * (§2.2.1): "AB42bot" names "AB".
 *
 * Bytes are untrusted throughout. Memory running out is a returned error and leaves a state that
 * disallows everything. One owner a struct; robots_allowed() only reads, so that several threads may
 * ask at once.
 */
#ifndef TRAWL_SHARED_ROBOTS_H
#define TRAWL_SHARED_ROBOTS_H

#include "shared/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    /* Sitemap lines that are kept; further ones are ignored. */
    ROBOTS_SITEMAPS_MAX = 1000,
    /* No file of LIMIT_ROBOTS_BYTES has more rules: "allow:/\n" is the shortest. */
    ROBOTS_RULES_MAX = 64000,
};

/* What a fetch of robots.txt that ended with a status means (§2.3.1). */
enum robots_verdict {
    ROBOTS_PARSE,        /* 2xx: its body has the rules */
    ROBOTS_ALLOW_ALL,    /* 4xx, "unavailable" */
    ROBOTS_DISALLOW_ALL, /* 5xx, no answer (status 0), a 4xx that says "not now" (http_status.h), and all else: "unreachable" */
    ROBOTS_REDIRECT, /* 3xx: follow it; ROBOTS_ALLOW_ALL after LIMIT_ROBOTS_HOPS in a row. One that leads nowhere
                            (304, no Location) tells nothing: "unreachable" */
};

enum robots_state {
    ROBOTS_NOTHING_ALLOWED = 0,
    ROBOTS_ALL_ALLOWED,
    ROBOTS_BY_RULES,
};

struct robots_rule {
    uint32_t text_at, text_len;       /* in `text`: the value as it was written */
    uint32_t pattern_at, pattern_len; /* in `patterns`: as it is compared, "*" for any octets */
    uint32_t octets;                  /* how specific it is */
    uint32_t line;                    /* in the file, from 1 */
    bool allow;
    bool anchored; /* ended with "$": must match the whole path */
    bool in_query; /* reaches into the query */
};

struct robots_slice {
    uint32_t at, len; /* in `text` */
};

struct robots {
    enum robots_state state;
    struct robots_rule *rules; /* the most specific first */
    size_t rule_count, rule_size;
    struct robots_slice *sitemaps;
    size_t sitemap_count, sitemap_size;
    struct buf text; /* values of rules and sitemaps, a NUL behind each */
    struct buf patterns;
    uint32_t crawl_delay_ms; /* 0: none */
    bool no_memory;          /* why robots_decode() said false */
};

enum robots_reason {
    ROBOTS_BY_RULE,      /* `line`, `text` and `allow` say which */
    ROBOTS_BY_NO_RULE,   /* none matches: allowed */
    ROBOTS_BY_ITSELF,    /* /robots.txt is always allowed (§2.2.2) */
    ROBOTS_BY_STATE,     /* everything is allowed, or nothing */
    ROBOTS_BY_URL_LIMIT, /* longer than LIMIT_URL_BYTES: not allowed */
};

/* Why a path is allowed or not. */
struct robots_match {
    enum robots_reason reason;
    bool allow;    /* the rule is an Allow; else a Disallow */
    uint32_t line; /* of the rule in its robots.txt, from 1; 0: no rule */
    const char
        *text; /* the rule's value as written, NUL-terminated, of the struct robots; or NULL */
    size_t text_len;
    uint64_t steps; /* octets looked at: at most (path + rule) for every rule, however many "*" */
};

/* An empty struct that disallows everything; robots_release() brings it back there. */
void robots_init(struct robots *r);
void robots_release(struct robots *r);

/* Takes the rules for the crawler `token` (any letter case) from a robots.txt; one in UTF-16 with its byte order mark is
 * read as well. Bytes from
 * LIMIT_ROBOTS_BYTES on are ignored, and so is the line that they cut; a body of exactly that size
 * counts as cut. False: no memory, and nothing is allowed. */
bool robots_parse(struct robots *r, const void *body, size_t body_len, const char *token);
void robots_allow_all(struct robots *r);
void robots_disallow_all(struct robots *r);
/* `status`: of HTTP, or 0 or less where there was no answer. */
enum robots_verdict robots_verdict_for_status(int status);

/* `path`: path and query of a URL, without the fragment ("" is "/"). `why` may be NULL; what it
 * points at lives as long as the rules. */
bool robots_allowed(const struct robots *r, const char *path, size_t path_len,
                    struct robots_match *why);
/* The pause that the crawler's group asks for; 0: none. Not bounded. */
uint32_t robots_crawl_delay_ms(const struct robots *r);
/* The value of the Sitemap line at `index` < sitemap_count, not resolved, NUL-terminated. */
const char *robots_sitemap(const struct robots *r, size_t index, size_t *len);

/* Appends a form of at most LIMIT_ROBOTS_ENCODED_BYTES from which robots_decode() makes an equal
 * struct, in any process. False: `to` failed. */
bool robots_encode(const struct robots *r, struct buf *to);
/* False: not the output of robots_encode(), or no memory (`no_memory`); then nothing is allowed. */
bool robots_decode(struct robots *r, const void *bytes, size_t len);

/* The product token of a User-Agent header: "trawl" of "trawl/0.1 (+https://example.org/)", and "trawl"
 * of "Mozilla/5.0 (compatible; trawl/0.1)". To free(); NULL: there is none, or no memory. */
char *robots_product_token(const char *user_agent);
/* Whether it is one by the grammar of §2.2.1: letters, "-" and "_" only. */
bool robots_token_is_valid(const char *token);

#endif
