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
#include "worker/retry_after.h"
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
    struct buf codings; /* Content-Encoding, */
    struct buf types, link_fields,
        refresh; /* Content-Type, Link and Refresh: all fields of that name */
    struct buf decoded;
};

struct harvest *harvest_new(void) {
    struct harvest *h = calloc(1, sizeof *h);

    if (h == NULL)
        return NULL;
    h->follow = PAGE_FOLLOW_LINKS;
    buf_init(&h->codings, LIMIT_HEADER_BYTES);
    buf_init(&h->types, LIMIT_HEADER_BYTES);
    buf_init(&h->link_fields, LIMIT_HEADER_BYTES);
    buf_init(&h->refresh, LIMIT_HEADER_BYTES);
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
    buf_release(&h->types);
    buf_release(&h->link_fields);
    buf_release(&h->refresh);
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

/* The values of all fields of that name, joined with ", " (RFC 9110 §5.3). */
static struct url_slice join_fields(const struct transfer *t, const char *name, struct buf *to) {
    const char *value;
    size_t len;

    buf_reset(to);
    for (unsigned i = 0; transfer_header(t, name, i, &value, &len); i++) {
        buf_append_str(to, i == 0 ? "" : ", ");
        buf_append(to, value, len);
    }
    return (struct url_slice){to->len == 0 ? "" : to->data, to->len};
}

/* What 300 prefers may be followed (RFC 9110 §15.4.1): nobody chooses here. */
static bool is_redirect(uint32_t status) {
    return status == 300 || status == 301 || status == 302 || status == 303 || status == 307 ||
           status == 308;
}

static void find_target(struct harvest *h, const struct transfer *t, struct agent_outcome *o) {
    const char *value;
    size_t len;

    if (!is_redirect(t->status) || !transfer_header(t, "location", 0, &value, &len) || len == 0 ||
        url_parse(&h->document, t->url, t->url_len, NULL) != URL_OK ||
        url_parse_octets(&h->target, value, len, &h->document) != URL_OK ||
        !url_is_http(&h->target))
        return;
    url_canonicalise(&h->target);
    o->redirect = true;
    o->set_cookie = transfer_header(t, "set-cookie", 0, &value, &len);
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

static uint32_t find_retry_after(const struct transfer *t) {
    int64_t now_ms = (int64_t)(t->started_unix_ms + t->duration_ms);
    const char *value, *date = "";
    size_t len, date_len = 0;
    uint32_t longest = 0;

    for (unsigned i = 0; transfer_header(t, "retry-after", i, &value, &len); i++) {
        if (i == 0)
            (void)transfer_header(t, "date", 0, &date, &date_len);
        uint32_t ms = retry_after_ms(value, len, date, date_len, now_ms);
        longest = ms > longest ? ms : longest;
    }
    return longest;
}

void harvest_outcome(struct harvest *h, const struct transfer *t, struct agent_outcome *o) {
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
    o->retry_after_ms = find_retry_after(t);
    struct url_slice type = join_fields(t, "content-type", &h->types);
    if (mimetype_extract(&h->type, type.ptr, type.len) == MIMETYPE_OK)
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

/* The body with its content coding undone: all of it, if CONTENT_OK. What is damaged gives what there is of it; what cannot be
 * undone, the body as it is. `is_text`: what is packed more often than it says is text all the same. */
static enum content_result decode(struct harvest *h, struct transfer *t, bool is_text,
                                  const char **body, size_t *len) {
    struct url_slice codings = join_fields(t, "content-encoding", &h->codings);

    if (!body_view(&t->body, body, len)) {
        *body = "";
        *len = 0;
        return CONTENT_NO_MEMORY;
    }
    if (h->codings.failed)
        return CONTENT_UNSUPPORTED;
    if (codings.len == 0 && !(is_text && content_is_gzip(*body, *len)))
        return CONTENT_OK;
    enum cost_stage was = cost_enter(COST_DECODE);
    enum content_result result = (is_text ? content_decode_text : content_decode)(
        codings.ptr, codings.len, *body, *len, &h->decoded, NULL);
    cost_enter(was);
    if (result != CONTENT_UNSUPPORTED) {
        *body = h->decoded.len == 0 ? "" : h->decoded.data;
        *len = h->decoded.len;
    }
    return result;
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

/* Does the body have links, by its type? */
static bool is_document(const struct harvest *h) {
    return mimetype_is_unknown(&h->type) || mimetype_is_html(&h->type) ||
           mimetype_is_css(&h->type) || mimetype_is_xml(&h->type);
}

static bool extract(struct harvest *h, struct transfer *t, struct agent_outcome *o) {
    struct page_input in = {.document = &h->document,
                            .follow = h->follow,
                            .agent = h->token,
                            .body = "",
                            .content_type = h->types.data,
                            .content_type_len = h->types.len,
                            .link = join_fields(t, "link", &h->link_fields),
                            .refresh = join_fields(t, "refresh", &h->refresh)};
    enum content_result result = CONTENT_OK;

    if ((!is_document(h) && in.link.len == 0 && in.refresh.len == 0) ||
        url_parse(&h->document, t->url, t->url_len, NULL) != URL_OK)
        return false;
    if (is_document(h))
        result = decode(h, t, true, &in.body, &in.body_len);
    if (result != CONTENT_OK)
        o->remark = content_remark(result);
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

static const struct charset *stated_charset(const struct harvest *h) {
    const char *label;
    size_t len;

    return mimetype_param(&h->type, "charset", &label, &len) ? charset_by_label(label, len) : NULL;
}

/* False: it is none. Without being told a feed is not taken for one, nor lines of text. */
static bool read_sitemap(struct harvest *h, struct transfer *t, struct agent_outcome *o) {
    const struct sitemap_links *l = &h->sitemap;
    const char *body;
    size_t len;

    /* One more than it may have, so that it shows. */
    h->decoded.cap_max = SITEMAP_BYTES_MAX + 1;
    bool ok = decode(h, t, false, &body, &len) != CONTENT_UNSUPPORTED &&
              url_parse(&h->document, t->url, t->url_len, NULL) == URL_OK;
    if (ok)
        sitemap_links_read(&h->sitemap, &h->document, stated_charset(h), body, len);
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
    if (extract(h, t, o)) {
        robots_tag_add(&rules, &h->page.robots);
        if (!rules.nofollow || h->robots_ignore)
            list_links(h, &h->page.links, o);
        o->canonical = (struct url_slice){h->page.canonical.data, h->page.canonical.len};
    }
    if (!h->robots_ignore)
        o->excluded = excluded_by(&rules, t->started_unix_ms);
}

/* A file that is longer than what is read of it is whole as far as it counts (RFC 9309 §2.5). */
static bool is_whole(const struct transfer *t, enum content_result result, size_t len) {
    bool is_enough = len >= LIMIT_ROBOTS_BYTES;

    return is_enough ? result == CONTENT_OK || result == CONTENT_TOO_BIG ||
                           (result == CONTENT_TRUNCATED && t->body.cut)
                     : result == CONTENT_OK;
}

/* Takes the number in front of *p. False: there is none, or it is larger than any body. */
static bool take_number(const char **p, const char *end, uint64_t *number) {
    const char *start = *p;

    for (*number = 0; *p < end && **p >= '0' && **p <= '9' && *number < UINT32_MAX; ++*p)
        *number = *number * 10 + (uint64_t)(**p - '0');
    return *p > start;
}

/* Nobody asked for a range: a 206 is the whole only where it says so, "bytes 0-41/42" (RFC 9110 §14.4). */
static bool is_part(const struct transfer *t) {
    static const char from_first[] = "bytes 0-";
    uint64_t last, total;
    const char *p, *end;
    size_t len;

    if (t->status != 206)
        return false;
    if (!transfer_header(t, "content-range", 0, &p, &len) || len < sizeof from_first ||
        memcmp(p, from_first, sizeof from_first - 1) != 0)
        return true;
    end = p + len;
    p += sizeof from_first - 1;
    return !take_number(&p, end, &last) || p == end || *p++ != '/' ||
           !take_number(&p, end, &total) || p != end || last + 1 != total;
}

const char *harvest_robots(struct harvest *h, struct transfer *t, const char **body, size_t *len) {
    *body = "";
    *len = 0;
    if (t->status < 200 || t->status > 299)
        return NULL;
    if (is_part(t))
        return "http-206";
    drop_decoded(h);
    enum content_result result = decode(h, t, true, body, len);
    if (!is_whole(t, result, *len))
        return "protocol-content-coding";
    if (*len > LIMIT_ROBOTS_BYTES)
        *len = LIMIT_ROBOTS_BYTES;
    return NULL;
}
