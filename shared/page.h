/*
 * page: from one response's body to the links in it.
 *
 *     struct page p;
 *     page_init(&p);
 *     for each response:
 *         struct page_input in = {.body = ..., .document = &url, .follow = PAGE_FOLLOW_LINKS, ...};
 *         if (page_extract(&p, &in) != PAGE_OK) out of memory;
 *         for (i = 0; i < p.links.count; i++) use(page_link_url(&p, i), p.links.items[i].kind);
 *     page_release(&p);
 *
 * The body is read as a browser with scripting disabled reads it, without building a tree: the
 * content of <noscript> counts, what stands in <script>, <style>, <textarea>, <title>, <xmp>,
 * <iframe>, <noembed>, <noframes> and comments does not. Links inside <template> count, and those of <iframe srcdoc>,
 * whose base is this page; what either of them says of a page (<base>, a canonical link, <meta name=robots>) is not said of this
 * one. An XML document is read so if its root is <html> or <svg>, whatever prefix its elements have.
 *
 * Link and Refresh header fields say what <link> and <meta http-equiv=refresh> say, of a body of any type; a
 * link that is of something else (its anchor) does not count, and their base is the document (RFC 8288 §3.2). A canonical
 * link in the page comes before one in the header. X-Robots-Tag is the caller's. The encoding is found as the HTML standard says
 * (§13.2.3.2); a page that declares none is taken as UTF-8 if it is valid UTF-8, else as windows-1252.
 * A <meta charset> behind the first 1024 bytes is obeyed too.
 *
 * URLs are resolved against <base href> (wherever it stands) or the document, brought to the crawl's
 * canonical form (url_canonicalise()), and listed once, in the order of discovery; only http and
 * https. The query is encoded in the page's encoding, as the URL standard asks.
 *
 * Asked for anchors, it also gathers the text of each <a href> (anchors.h): what stands up to </a>, the next <a> or the
 * end, without what is in <script>, <style> and their like; a tag separates words unless it is one of phrasing content
 * (<b>, <span> ...), which may stand inside of one. A crawl does not ask, and does not pay.
 *
 * The storage is reused from page to page. A page does not move in memory between page_init() and
 * page_release(). One owner each; different pages may be used by different threads.
 */
#ifndef TRAWL_SHARED_PAGE_H
#define TRAWL_SHARED_PAGE_H

#include "shared/anchors.h"
#include "shared/buf.h"
#include "shared/charset.h"
#include "shared/html.h"
#include "shared/html_context.h"
#include "shared/link_list.h"
#include "shared/mimetype.h"
#include "shared/robots_tag.h"
#include "shared/url.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where a link stands. */
enum page_link_kind {
    PAGE_A, /* also SVG's */
    PAGE_AREA,
    PAGE_FORM, /* the action of a GET form */
    PAGE_FRAME,
    PAGE_IFRAME,
    PAGE_META_REFRESH,
    PAGE_LINK_CANONICAL,
    PAGE_LINK_ALTERNATE,
    PAGE_LINK_NEXT,
    PAGE_LINK_PREV,
    PAGE_LINK_DOCUMENT,   /* other rel values that lead to pages: help, license, search, up ... */
    PAGE_LINK_STYLESHEET, /* also "alternate stylesheet" */
    PAGE_LINK_ICON,
    PAGE_LINK_PRELOAD, /* preload, modulepreload, prefetch */
    PAGE_LINK_OTHER,   /* manifest and unknown rel values; never preconnect and dns-prefetch */
    PAGE_AUDIO,
    PAGE_CSS, /* url() and @import in style sheets and attributes */
    PAGE_EMBED,
    PAGE_IMG, /* also poster, background, <input type=image>, SVG's image */
    PAGE_OBJECT,
    PAGE_SCRIPT,
    PAGE_SOURCE,
    PAGE_SRCSET, /* of img, source and link */
    PAGE_TRACK,
    PAGE_VIDEO,
    PAGE_LINK_KIND_COUNT
};

/* Sets of kinds: one bit each, 1 << kind. LINKS: what leads to other documents. ALL: what they are
 * made of, too. */
#define PAGE_FOLLOW_LINKS ((1u << PAGE_LINK_STYLESHEET) - 1)
#define PAGE_FOLLOW_ALL ((1u << PAGE_LINK_KIND_COUNT) - 1)

/* What the links of one page may take, as written and resolved: one page is not to fill a worker's memory. */
enum { PAGE_LINK_BYTES = 16 << 20 };

enum {
    PAGE_LINK_NOFOLLOW = 1 << 0, /* rel=nofollow at every place where the link stands */
};

struct page_input {
    const char *body; /* content decoding (gzip ...) already undone; need not end in NUL */
    size_t body_len;
    const char *content_type; /* the header's value, NULL if there was none */
    size_t content_type_len;
    const struct url *document; /* where the response came from */
    uint32_t follow;            /* kinds that are wanted */
    const char *agent; /* product token for <meta name=token>, in any case; NULL: robots only */
    /* The response's Link and Refresh fields, several joined with ','; {0}: none. */
    struct url_slice link, refresh;
    bool anchors; /* the texts of links, too */
};

enum page_result { PAGE_OK = 0, PAGE_NO_MEMORY };

struct page {
    /* What page_extract() found. */
    struct link_list links; /* canonical URLs; kind: enum page_link_kind; flags: PAGE_LINK_... */
    struct anchors anchors; /* of `links`, by index, if they were asked for */
    size_t links_dropped;   /* references beyond LIMIT_PAGE_LINKS or PAGE_LINK_BYTES */
    size_t links_refused;   /* not a URL, too long, or neither http nor https */
    bool is_html;           /* else no body was read, unless it was a style sheet */
    struct robots_tag
        robots;           /* of <meta name=robots>, and of the agent's own; `links` has them all */
    struct buf canonical; /* <link rel=canonical>, resolved; empty if there is none */
    const struct charset *charset; /* NULL unless is_html */

    /* Its own. */
    const struct page_input *in;
    struct html html;
    struct html_context context;
    const struct html_element *element; /* of the start tag being read */
    uint64_t wanted_elements;           /* 1 << enum html_element_id */
    struct link_list raw;               /* as written, before <base> is known */
    struct buf base_href, canonical_href;
    uint32_t *resolved; /* raw's index -> links'; of anchors */
    size_t resolved_size;
    bool has_base, has_canonical, charset_certain, is_xml, failed;
    bool in_srcdoc;    /* what is being read is the document of an <iframe>, */
    struct buf srcdoc; /* and these are those to be read, a NUL behind each */
    size_t templates;  /* open <template> elements */
    bool in_style;     /* its text is wanted */
    bool in_opaque;    /* in an element whose content is no text of the page's */
    const struct charset *charset_restart;
    struct buf style, scratch;
    struct mimetype type;
    struct url base, url;
};

void page_init(struct page *p);
void page_release(struct page *p);
/* Replaces what `p` holds. On PAGE_NO_MEMORY the links found so far are valid but not all. */
enum page_result page_extract(struct page *p, const struct page_input *in);

/* NUL-terminated; valid until the next page_extract(). */
const char *page_link_url(const struct page *p, size_t index);
/* "a", "link-next", "srcset" ... */
const char *page_link_kind_name(enum page_link_kind kind);

#endif
