#include "worker/sitemap_links.h"

#include "shared/limits.h"

/* More than one sitemap may have, so that only its own limits are met. */
_Static_assert((int)SITEMAP_URLS_MAX <= (int)LIMIT_PAGE_LINKS,
               "a link list has room for a sitemap");

void sitemap_links_init(struct sitemap_links *l) {
    link_list_init(&l->list);
    url_init(&l->url);
    l->kind = SITEMAP_UNKNOWN;
    l->result = SITEMAP_NOT_ONE;
}

void sitemap_links_release(struct sitemap_links *l) {
    link_list_release(&l->list);
    url_release(&l->url);
}

/* What is not a URL is a mistake in the sitemap: the others count. */
static bool take(void *ctx, const char *url, size_t len) {
    struct sitemap_links *l = ctx;

    switch (url_parse_octets(&l->url, url, len, NULL)) {
    case URL_OK:
        break;
    case URL_NO_MEMORY:
        l->result = SITEMAP_NO_MEMORY;
        return false;
    default:
        return true;
    }
    if (!url_is_http(&l->url))
        return true;
    url_canonicalise(&l->url);
    switch (link_list_add(&l->list, l->url.href, l->url.href_len, 0, 0)) {
    case LINK_LIST_NO_MEMORY:
        l->result = SITEMAP_NO_MEMORY;
        return false;
    case LINK_LIST_FULL:
        return false;
    default:
        return true;
    }
}

void sitemap_links_read(struct sitemap_links *l, const struct url *document,
                        const struct charset *charset, const char *body, size_t len) {
    struct sitemap *s = sitemap_new(take, l);

    link_list_reset(&l->list);
    l->kind = SITEMAP_UNKNOWN;
    l->result = SITEMAP_NO_MEMORY;
    if (s == NULL)
        return;
    if (sitemap_set_source(s, document, charset)) {
        l->result = SITEMAP_OK;
        (void)sitemap_feed(s, body, len);
        enum sitemap_result result = sitemap_finish(s);
        if (l->result == SITEMAP_OK)
            l->result = result;
        l->kind = sitemap_kind(s);
    }
    sitemap_free(s);
}

const char *sitemap_links_url(const struct sitemap_links *l, size_t index) {
    return l->list.text.data + l->list.items[index].at;
}
