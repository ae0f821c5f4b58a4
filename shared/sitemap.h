/*
 * sitemap: the URLs of a sitemap (https://www.sitemaps.org/protocol.html), fed in pieces of any size.
 *
 * Understood are the XML formats urlset and sitemapindex, text sitemaps, and the feeds that
 * sitemaps.org allows in their place: RSS (0.9x, 1.0 in RDF, 2.0) and Atom (RFC 4287); each also as
 * a gzip file. Which it is shows in its bytes; a Content-Type plays no part.
 *
 *     struct sitemap *s = sitemap_new(on_url, ctx);
 *     while (... && sitemap_feed(s, p, n) == SITEMAP_OK) ...
 *     result = sitemap_finish(s);
 *     if (sitemap_kind(s) == SITEMAP_INDEX) the URLs were those of further sitemaps
 *     sitemap_free(s);
 *
 * Yielded are, without the white space around them, the absolute http and https URLs of
 *     urlset, sitemapindex  <loc> in <url> or <sitemap> (not those of extensions: image:loc)
 *     RSS                   <link> in <item>, else a <guid> that is a link
 *     Atom                  the first <link rel="alternate"> (or without rel) in each <entry>
 *     text                  every line
 * in the order of the document, repeated where it repeats them, escapes of XML undone, otherwise as
 * written. Links of feeds may be relative (RFC 4287 §2), to xml:base, else to the feed's own URL if that is known: these
 * are yielded resolved. What is encoded otherwise than it says is read all the same: a byte order mark counts first, then what the
 * response says, then the XML declaration (RFC 7303 §3), UTF-8 if none of them does; octets that are not of the
 * encoding, and controls that XML forbids, stand for no character but harm no other. Namespaces are not looked at; prefixes are, so that an extension's elements are not
 * mistaken for the sitemap's own. What was yielded before a fault is good. UTF-16 shows in its first bytes, whatever is said of it;
 * references that XML does not know (xml_mend.h) stand for what HTML makes of them, or for themselves.
 *
 * Safe against what a server may send: no entity of a document type declaration is ever expanded in
 * text (a URL that has one is dropped) and their growth in attributes is bounded, nothing external is
 * loaded, XInclude is unknown, depth, memory and the length of one piece of markup are bounded, and
 * gzip counts what comes out. One owner each; not to be moved to another thread within a call.
 */
#ifndef TRAWL_SHARED_SITEMAP_H
#define TRAWL_SHARED_SITEMAP_H

#include <stdbool.h>
#include <stddef.h>

struct charset;
struct url;

enum {
    /* Of one sitemap, by sitemaps.org. */
    SITEMAP_URLS_MAX = 50000,
    SITEMAP_BYTES_MAX = 50 << 20,
    /* Elements inside each other. */
    SITEMAP_DEPTH_MAX = 100,
    /* One tag, comment or declaration. */
    SITEMAP_MARKUP_BYTES = 1 << 20,
    /* What the XML parser may take. */
    SITEMAP_XML_MEMORY_BYTES = 16 << 20,
    /* Gzip members one after another. */
    SITEMAP_GZIP_MEMBERS = 1000,
};

enum sitemap_kind {
    SITEMAP_UNKNOWN, /* not known yet, or none */
    SITEMAP_URLSET,
    SITEMAP_INDEX,
    SITEMAP_RSS,
    SITEMAP_ATOM,
    SITEMAP_TEXT,
};

enum sitemap_result {
    SITEMAP_OK = 0,
    SITEMAP_NOT_ONE, /* none of the formats, or damaged before that shows */
    SITEMAP_DAMAGED, /* cut off, not well-formed, or built to do harm */
    SITEMAP_LIMITED, /* more than SITEMAP_URLS_MAX or SITEMAP_BYTES_MAX: the rest is left out */
    SITEMAP_STOPPED, /* on_url() said so */
    SITEMAP_NO_MEMORY,
};

struct sitemap;

/* `on_url` gets each URL (not NUL-terminated, valid during the call); false stops. NULL: no memory. */
struct sitemap *sitemap_new(bool (*on_url)(void *ctx, const char *url, size_t len), void *ctx);
void sitemap_free(struct sitemap *s);
/* Before the first byte: where it came from, and the charset that its Content-Type says (NULL: none). False: no memory. */
bool sitemap_set_source(struct sitemap *s, const struct url *url, const struct charset *charset);
/* Once anything but SITEMAP_OK came, it stays, and further bytes are ignored. */
enum sitemap_result sitemap_feed(struct sitemap *s, const void *bytes, size_t len);
/* The end of the document. */
enum sitemap_result sitemap_finish(struct sitemap *s);
enum sitemap_kind sitemap_kind(const struct sitemap *s);
size_t sitemap_url_count(const struct sitemap *s);

/* The location rule of sitemaps.org: a sitemap speaks for URLs of its own origin, at or below its own
 * directory. It does not bind a sitemap that the robots.txt of the URL's host names. Both URLs are
 * canonical, as of url_canonicalise(). */
bool sitemap_location_holds(const char *sitemap_url, size_t sitemap_url_len, const char *url,
                            size_t url_len);

#endif
