#include "proto/outcome.h"

#include <string.h>

#include "shared/limits.h"

size_t outcome_whole(size_t len, size_t max) {
    return len <= max ? len : 0;
}

size_t outcome_reason_len(const char *reason) {
    size_t n = strnlen(reason, LIMIT_REASON_BYTES + 1);

    if (n <= LIMIT_REASON_BYTES)
        return n;
    for (n = LIMIT_REASON_BYTES; n > 0 && ((unsigned char)reason[n] & 0xc0) == 0x80; n--)
        ;
    return n;
}

void outcome_fit(Trawl__Outcome *o) {
    size_t reason = outcome_reason_len(o->reason);

    if (o->reason[reason] != '\0')
        o->reason[reason] = '\0';
    o->mime.len = outcome_whole(o->mime.len, LIMIT_MIME_BYTES);
    o->etag.len = outcome_whole(o->etag.len, LIMIT_VALIDATOR_BYTES);
    o->last_modified.len = outcome_whole(o->last_modified.len, LIMIT_VALIDATOR_BYTES);
    o->canonical.len = outcome_whole(o->canonical.len, LIMIT_URL_BYTES);
}

const char *outcome_robots_wrong(const Trawl__RobotsReport *r) {
    if (r->rules.len > LIMIT_ROBOTS_ENCODED_BYTES)
        return "the rules of its robots.txt";
    return r->redirect_to.len > LIMIT_URL_BYTES ? "where its robots.txt leads" : NULL;
}

const char *outcome_wrong(const Trawl__Outcome *o, size_t segments) {
    if (o->state < TRAWL__STATE__FETCHED || o->state > TRAWL__STATE__LINKS)
        return "its state";
    if (o->digest.len != 0 && o->digest.len != LIMIT_DIGEST_BYTES)
        return "its digest";
    if (o->ip.len != 0 && o->ip.len != 4 && o->ip.len != 16)
        return "its address";
    if (o->redirect_to.len > LIMIT_URL_BYTES)
        return "where it leads";
    if (o->segment > segments)
        return "its segment";
    return o->robots == NULL ? NULL : outcome_robots_wrong(o->robots);
}
