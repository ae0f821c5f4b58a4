/*
 * record_links: where an archived record leads, as the crawler saw it: the links of a page, the target of a redirect.
 *
 *     struct record_links l;
 *     record_links_init(&l, true);
 *     if (!record_links_read(&l, record)) ...                                  // no memory
 *     for (i = 0; i < l.page.links.count; i++) use(page_link_url(&l.page, i));  // canonical
 *     record_links_release(&l);
 *
 * Links are those that a crawl with `--follow links` may follow (PAGE_FOLLOW_LINKS), of responses 2xx; rel=nofollow
 * makes no difference. A redirect (301, 302, 303, 307, 308) has one link, without an anchor. Anything else has none. A
 * revisit record has no payload to be read. One owner.
 */
#ifndef TRAWL_WORKER_RECORD_LINKS_H
#define TRAWL_WORKER_RECORD_LINKS_H

#include <stdbool.h>

#include "shared/page.h"
#include "shared/url.h"
#include "worker/trawl_job.h"

struct record_links {
    struct page page; /* links and anchors of the last record */
    struct url document, target;
    struct buf link_fields, refresh; /* of the record's header */
    bool anchors;
};

void record_links_init(struct record_links *l, bool anchors);
void record_links_release(struct record_links *l);
/* False: no memory; then there may be some of the links. */
bool record_links_read(struct record_links *l, const struct trawl_record *r);

#endif
