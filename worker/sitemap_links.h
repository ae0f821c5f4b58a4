/*
 * sitemap_links: from the body of a sitemap (shared/sitemap.h) to the links in it: canonical, distinct, in its order.
 *
 * The location rule of sitemaps.org is not asked for: what a sitemap lists is taken as what a page links to, and the
 * scope decides.
 *
 * The storage is reused from sitemap to sitemap. One owner: the loop's thread.
 */
#ifndef TRAWL_WORKER_SITEMAP_LINKS_H
#define TRAWL_WORKER_SITEMAP_LINKS_H

#include <stddef.h>

#include "shared/charset.h"
#include "shared/link_list.h"
#include "shared/sitemap.h"
#include "shared/url.h"

struct sitemap_links {
    struct link_list list;
    enum sitemap_kind kind;
    enum sitemap_result result; /* what of it could be read; the links are good whatever it says */
    struct url url;             /* scratch */
};

void sitemap_links_init(struct sitemap_links *l);
void sitemap_links_release(struct sitemap_links *l);
/* Replaces what it holds. `document`: where it came from; `charset`: as its Content-Type says, or NULL. `body`: its
 * content coding undone; a gzip file as it is. */
void sitemap_links_read(struct sitemap_links *l, const struct url *document,
                        const struct charset *charset, const char *body, size_t len);
/* NUL-terminated; valid until the next sitemap_links_read(). */
const char *sitemap_links_url(const struct sitemap_links *l, size_t index);

#endif
