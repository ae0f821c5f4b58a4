/* sitemaps: which sitemaps are fetched, and what their links are taken for. A sitemap is a URL like any other, but
 * that it is fetched from wherever robots.txt or the user says it lies: of what is in it, only what is in scope is
 * crawled. */
#include "master/core_state.h"
#include "shared/robots.h"

/* One line of robots.txt. What is not a URL is a mistake of the site's, and nothing to us. */
static void find_one(struct core *c, struct now now, const struct origin *o, const struct url *base,
                     const char *text, size_t len) {
    const struct discovery d = {.depth = o->depth, .sitemap = 1, .named = true};
    struct url u;

    url_init(&u);
    enum url_result result = url_parse_octets(&u, text, len, base);
    if (result == URL_NO_MEMORY)
        core_fail(c, "out of memory for a URL");
    if (result == URL_OK && url_is_http(&u)) {
        url_canonicalise(&u);
        (void)frontier_discover(c, now, u.href, u.href_len, d);
    }
    url_release(&u);
}

void sitemaps_find(struct core *c, struct now now, struct origin *o) {
    struct robots rules;
    struct url base;

    if (c->options->sitemaps_off || o->depth == UINT32_MAX || o->robots_state != HOST_ROBOTS_KNOWN)
        return;
    const struct rules *kept = origin_rules(c, o);
    if (kept == NULL || kept->len == 0)
        return;
    robots_init(&rules);
    url_init(&base);
    bool decoded = robots_decode(&rules, kept->bytes, kept->len);
    enum url_result result = url_parse(&base, o->name, o->name_len, NULL);
    if (rules.no_memory || result == URL_NO_MEMORY)
        core_fail(c, "out of memory for robots.txt");
    if (decoded && result == URL_OK)
        for (size_t i = 0; i < rules.sitemap_count && !c->failed; i++) {
            size_t len;
            const char *text = robots_sitemap(&rules, i, &len);
            find_one(c, now, o, &base, text, len);
        }
    url_release(&base);
    robots_release(&rules);
}

struct discovery sitemaps_link(const struct lease_item *it, const Trawl__Outcome *out,
                               ProtobufCBinaryData link) {
    struct discovery d = {.via = it->fp, .depth = it->depth + 1};

    if (out->sitemaps) {
        /* An index is no step away from the seeds. A sitemap elsewhere has to be in scope: one file may name
         * tens of thousands. */
        d.depth = it->depth;
        d.sitemap = it->sitemap + 1 + (it->sitemap == 0);
        d.named = link.len > 0 && link.data[0] == '/';
    }
    return d;
}
