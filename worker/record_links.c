#include "worker/record_links.h"

#include <string.h>

#include "shared/limits.h"
#include "worker/headers.h"

void record_links_init(struct record_links *l, bool anchors) {
    *l = (struct record_links){.anchors = anchors};
    page_init(&l->page);
    url_init(&l->document);
    url_init(&l->target);
    buf_init(&l->link_fields, LIMIT_HEADER_BYTES);
    buf_init(&l->refresh, LIMIT_HEADER_BYTES);
}

void record_links_release(struct record_links *l) {
    page_release(&l->page);
    url_release(&l->document);
    url_release(&l->target);
    buf_release(&l->link_fields);
    buf_release(&l->refresh);
}

static bool is_redirect(unsigned status) {
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static bool read_redirect(struct record_links *l, const struct trawl_record *r) {
    const char *value;
    size_t len;

    if (!headers_find(r->head, r->head_len, "Location", 0, &value, &len) || len == 0)
        return true;
    enum url_result why = url_parse_octets(&l->target, value, len, &l->document);
    if (why != URL_OK || !url_is_http(&l->target))
        return why != URL_NO_MEMORY;
    url_canonicalise(&l->target);
    return link_list_add(&l->page.links, l->target.href, l->target.href_len, PAGE_A, 0) !=
           LINK_LIST_NO_MEMORY;
}

static struct url_slice join_fields(const struct trawl_record *r, const char *name,
                                    struct buf *to) {
    buf_reset(to);
    (void)headers_combine(r->head, r->head_len, name, to);
    return (struct url_slice){to->len == 0 ? "" : to->data, to->len};
}

static bool read_page(struct record_links *l, const struct trawl_record *r) {
    const struct page_input in = {.link = join_fields(r, "Link", &l->link_fields),
                                  .refresh = join_fields(r, "Refresh", &l->refresh),
                                  .body = r->data,
                                  .body_len = r->len,
                                  .content_type =
                                      r->content_type[0] != '\0' ? r->content_type : NULL,
                                  .content_type_len = strlen(r->content_type),
                                  .document = &l->document,
                                  .follow = PAGE_FOLLOW_LINKS,
                                  .anchors = l->anchors};

    return page_extract(&l->page, &in) == PAGE_OK;
}

bool record_links_read(struct record_links *l, const struct trawl_record *r) {
    link_list_reset(&l->page.links);
    anchors_reset(&l->page.anchors);
    l->page.links_dropped = 0;
    if (strcmp(r->record_type, "response") != 0)
        return true;
    enum url_result why = url_parse(&l->document, r->name, strlen(r->name), NULL);
    if (why != URL_OK)
        return why != URL_NO_MEMORY;
    if (is_redirect(r->status))
        return read_redirect(l, r);
    return r->status < 200 || r->status > 299 || read_page(l, r);
}
