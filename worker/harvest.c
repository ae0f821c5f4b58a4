#include "worker/harvest.h"

#include <stdlib.h>
#include <string.h>

#include "shared/content.h"
#include "shared/cost.h"
#include "shared/limits.h"
#include "shared/mimetype.h"
#include "shared/options.h"
#include "shared/page.h"
#include "shared/robots.h"
#include "shared/robots_tag.h"
#include "shared/url.h"
#include "worker/conditional.h"
#include "worker/sitemap_links.h"

/* What stays allocated from page to page. */
enum { DECODED_KEEP_BYTES = 1 << 20, LINKS_KEEP_BYTES = 1 << 20 };

struct harvest {
    uint32_t follow; /* PAGE_FOLLOW_... */
    bool robots_ignore, sitemaps;
    char *token;
    struct mimetype type;
    struct page page;
    struct sitemap_links sitemap;
    struct url document, target;
    struct url_slice *links;
    size_t links_size;
    struct buf codings; /* Content-Encoding */
    struct buf decoded;
};

struct harvest *harvest_new(void) {
    struct harvest *h = calloc(1, sizeof *h);

    if (h == NULL)
        return NULL;
    h->follow = PAGE_FOLLOW_LINKS;
    buf_init(&h->codings, LIMIT_HEADER_BYTES);
    buf_init(&h->decoded, LIMIT_DECODED_BYTES);
    mimetype_init(&h->type);
    page_init(&h->page);
    sitemap_links_init(&h->sitemap);
    url_init(&h->document);
    url_init(&h->target);
    return h;
}

void harvest_free(struct harvest *h) {
    if (h == NULL)
        return;
    mimetype_release(&h->type);
    page_release(&h->page);
    sitemap_links_release(&h->sitemap);
    url_release(&h->document);
    url_release(&h->target);
    buf_release(&h->codings);
    buf_release(&h->decoded);
    free(h->links);
    free(h->token);
    free(h);
}

bool harvest_set_options(struct harvest *h, const struct harvest_options *options) {
    char *token = robots_product_token(options->user_agent);

    if (token == NULL)
        return false;
    free(h->token);
    h->token = token;
    h->follow = options->follow == FOLLOW_ALL ? PAGE_FOLLOW_ALL : PAGE_FOLLOW_LINKS;
    h->robots_ignore = options->robots_ignore;
    h->sitemaps = options->sitemaps;
    return true;
}

/* ---- headers ------------------------------------------------------------------------------------- */

static bool is_redirect(uint32_t status) {
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static void find_target(struct harvest *h, const struct transfer *t, struct agent_outcome *o) {
    const char *value;
    size_t len;

    if (!is_redirect(t->status) || !transfer_header(t, "location", 0, &value, &len) || len == 0 ||
        url_parse(&h->document, t->url, t->url_len, NULL) != URL_OK ||
        url_parse(&h->target, value, len, &h->document) != URL_OK || !url_is_http(&h->target))
        return;
    url_canonicalise(&h->target);
    o->redirect = true;
    o->redirect_to = h->target.href;
    o->redirect_to_len = h->target.href_len;
}

static struct url_slice validator(const struct transfer *t, const char *name) {
    const char *value;
    size_t len;

    if (!transfer_header(t, name, 0, &value, &len))
        return (struct url_slice){"", 0};
    return (struct url_slice){value, conditional_validator_len(value, len)};
}

/* What a later round can ask for changes with. */
static void find_validators(const struct transfer *t, struct agent_outcome *o) {
    o->unmodified = t->status == 304 && t->conditional != NULL;
    if ((t->status != 200 || t->body.cut || t->unproven) && !o->unmodified)
        return;
    o->etag = validator(t, "etag");
    o->last_modified = validator(t, "last-modified");
}

void harvest_outcome(struct harvest *h, const struct transfer *t, struct agent_outcome *o) {
    const char *value;
    size_t len;

    *o = (struct agent_outcome){
        .failure = t->failure,
        .reason = t->failure == AGENT_NO_FAILURE ? NULL : t->reason,
        .started_ms = t->started_ms,
        .fetched_at_unix_ms = t->started_unix_ms,
        .duration_ms = t->duration_ms,
    };
    if (t->failure != AGENT_NO_FAILURE)
        return;
    o->status = t->status;
    o->length = t->body.len;
    o->retry_after_ms = t->retry_after_ms;
    if (transfer_header(t, "content-type", 0, &value, &len) &&
        mimetype_parse(&h->type, value, len) == MIMETYPE_OK)
        o->mime = mimetype_essence(&h->type);
    find_target(h, t, o);
    find_validators(t, o);
}

/* ---- the page ------------------------------------------------------------------------------------ */

static const char *content_remark(enum content_result result) {
    switch (result) {
    case CONTENT_TOO_BIG:
        return "content-limited";
    case CONTENT_UNSUPPORTED:
        return "content-unsupported";
    case CONTENT_NO_MEMORY:
        return "links-memory";
    default:
        return "content-damaged";
    }
}

/* The body with its content coding undone, cut at `max`. A damaged one gives what there is of it, and `remark`. False:
 * nothing. */
static bool decode(struct harvest *h, struct transfer *t, size_t max, const char **body,
                   size_t *len, const char **remark) {
    enum content_result result;
    const char *raw, *value;
    size_t raw_len, value_len;

    if (!body_view(&t->body, &raw, &raw_len))
        return false;
    buf_reset(&h->codings);
    for (unsigned i = 0; transfer_header(t, "content-encoding", i, &value, &value_len); i++) {
        buf_append_str(&h->codings, i == 0 ? "" : ",");
        buf_append(&h->codings, value, value_len);
    }
    *body = raw;
    *len = raw_len;
    if (h->codings.len > 0) {
        enum cost_stage was = cost_enter(COST_DECODE);
        result = h->codings.failed ? CONTENT_UNSUPPORTED
                                   : content_decode(h->codings.data, h->codings.len, raw, raw_len,
                                                    &h->decoded, NULL);
        cost_enter(was);
        if (result != CONTENT_OK)
            *remark = content_remark(result);
        if (result == CONTENT_UNSUPPORTED)
            return false;
        *body = h->decoded.len == 0 ? "" : h->decoded.data;
        *len = h->decoded.len;
    }
    if (*len > max)
        *len = max;
    return true;
}

/* One page that was large does not keep its memory for good. */
static void drop_decoded(struct harvest *h) {
    if (h->decoded.size > DECODED_KEEP_BYTES)
        buf_release(&h->decoded);
}

/* Nor do its links, once nobody looks at them. */
static void drop_links(struct harvest *h) {
    if (h->page.links.text.size > LINKS_KEEP_BYTES || h->page.raw.text.size > LINKS_KEEP_BYTES) {
        page_release(&h->page);
        page_init(&h->page);
    }
    if (h->sitemap.list.text.size > LINKS_KEEP_BYTES) {
        sitemap_links_release(&h->sitemap);
        sitemap_links_init(&h->sitemap);
    }
}

/* X-Robots-Tag says of any response what <meta name=robots> says of a page. */
static void header_rules(const struct harvest *h, const struct transfer *t,
                         struct robots_tag *rules) {
    const char *value;
    size_t len;

    robots_tag_init(rules);
    for (unsigned i = 0; transfer_header(t, "x-robots-tag", i, &value, &len); i++)
        robots_tag_header(rules, value, len, h->token == NULL ? "" : h->token);
}

static void list_links(struct harvest *h, const struct link_list *l, struct agent_outcome *o) {
    size_t count = l->count;

    if (count > h->links_size) {
        struct url_slice *more = realloc(h->links, count * sizeof *more);
        if (more == NULL) {
            o->remark = "links-memory";
            return;
        }
        h->links = more;
        h->links_size = count;
    }
    for (size_t i = 0; i < count; i++)
        h->links[i] = (struct url_slice){l->text.data + l->items[i].at, l->items[i].len};
    o->links = h->links;
    o->link_count = count;
}

static bool may_have_links(const struct harvest *h, const struct agent_outcome *o) {
    return o->mime == NULL || mimetype_is_html(&h->type) || mimetype_is_css(&h->type);
}

static bool extract(struct harvest *h, struct transfer *t, struct agent_outcome *o) {
    struct page_input in = {.document = &h->document, .follow = h->follow, .agent = h->token};

    if (url_parse(&h->document, t->url, t->url_len, NULL) != URL_OK ||
        !decode(h, t, SIZE_MAX, &in.body, &in.body_len, &o->remark))
        return false;
    if (!transfer_header(t, "content-type", 0, &in.content_type, &in.content_type_len))
        in.content_type = NULL;
    /* Without memory it has some of the links, and those count. */
    if (page_extract(&h->page, &in) != PAGE_OK)
        o->remark = "links-memory";
    else if (h->page.links_dropped > 0)
        o->remark = "links-limited";
    drop_decoded(h);
    return true;
}

static const char *excluded_by(const struct robots_tag *rules, uint64_t unix_ms) {
    if (!robots_tag_excludes(rules, (int64_t)unix_ms))
        return NULL;
    return rules->noindex ? "noindex" : "unavailable-after";
}

/* ---- sitemaps ------------------------------------------------------------------------------------ */

static bool may_be_sitemap(const struct harvest *h, const struct transfer *t,
                           const struct agent_outcome *o) {
    static const char *const types[] = {"application/xml", "text/xml", "application/gzip",
                                        "application/x-gzip"};

    for (size_t i = 0; i < sizeof types / sizeof types[0] && h->sitemaps && o->mime != NULL; i++)
        if (strcmp(o->mime, types[i]) == 0)
            return true;
    return t->sitemap;
}

static const char *sitemap_remark(const struct transfer *t, enum sitemap_result result) {
    switch (result) {
    case SITEMAP_OK:
        return t->body.cut || t->unproven ? "sitemap-damaged" : NULL;
    case SITEMAP_LIMITED:
        return "sitemap-limited";
    case SITEMAP_STOPPED:
    case SITEMAP_NO_MEMORY:
        return "links-memory";
    default:
        return "sitemap-damaged";
    }
}

/* False: it is none. Without being told a feed is not taken for one, nor lines of text. */
static bool read_sitemap(struct harvest *h, struct transfer *t, struct agent_outcome *o) {
    const struct sitemap_links *l = &h->sitemap;
    const char *body, *remark;
    size_t len;

    /* One more than it may have, so that it shows. */
    h->decoded.cap_max = SITEMAP_BYTES_MAX + 1;
    bool ok = decode(h, t, SIZE_MAX, &body, &len, &remark);
    if (ok)
        sitemap_links_read(&h->sitemap, body, len);
    h->decoded.cap_max = LIMIT_DECODED_BYTES;
    drop_decoded(h);
    if (!ok || l->kind == SITEMAP_UNKNOWN ||
        (!t->sitemap && l->kind != SITEMAP_URLSET && l->kind != SITEMAP_INDEX)) {
        if (t->sitemap)
            o->remark = "sitemap-none";
        return false;
    }
    if (sitemap_remark(t, l->result) != NULL)
        o->remark = sitemap_remark(t, l->result);
    o->sitemaps = l->kind == SITEMAP_INDEX;
    list_links(h, &l->list, o);
    return true;
}

void harvest_links(struct harvest *h, struct transfer *t, struct agent_outcome *o) {
    struct robots_tag rules;

    if (t->status < 200 || t->status > 299)
        return;
    drop_links(h);
    o->remark = t->body.cut ? "body-limited" : t->unproven ? "body-unproven" : NULL;
    if (may_be_sitemap(h, t, o) && read_sitemap(h, t, o))
        return;
    header_rules(h, t, &rules);
    if (may_have_links(h, o) && extract(h, t, o)) {
        robots_tag_add(&rules, &h->page.robots);
        if (!rules.nofollow || h->robots_ignore)
            list_links(h, &h->page.links, o);
        o->canonical = (struct url_slice){h->page.canonical.data, h->page.canonical.len};
    }
    if (!h->robots_ignore)
        o->excluded = excluded_by(&rules, t->started_unix_ms);
}

bool harvest_robots(struct harvest *h, struct transfer *t, const char **body, size_t *len) {
    const char *remark;

    *body = "";
    *len = 0;
    if (t->status < 200 || t->status > 299)
        return true;
    drop_decoded(h);
    return decode(h, t, LIMIT_ROBOTS_BYTES, body, len, &remark);
}
