/* request: what a request may have in it, before anything is looked up. An honest worker keeps to the same numbers of
 * limits.h, so what is over them comes from somebody else: it is refused whole, and nothing has happened. */
#include "master/core_state.h"
#include "shared/limits.h"

static const char *exchange_too_large(const Trawl__Exchange *x) {
    size_t outcomes = 0, links = 0;

    if (x->n_visits > LIMIT_LOOP_VISITS)
        return "an exchange reports on at most 4096 visits";
    for (size_t i = 0; i < x->n_visits; i++) {
        outcomes += x->visits[i]->n_outcomes;
        for (size_t k = 0; k < x->visits[i]->n_outcomes; k++)
            links += x->visits[i]->outcomes[k]->n_links;
    }
    if (outcomes > LIMIT_EXCHANGE_OUTCOMES || x->n_segments > LIMIT_EXCHANGE_OUTCOMES)
        return "an exchange has at most 2048 outcomes";
    if (links > LIMIT_EXCHANGE_LINKS)
        return "an exchange has at most 10000 links";
    if (x->n_tasks > LIMIT_EXCHANGE_OUTCOMES || x->n_jobs > LIMIT_JOB_SPLITS)
        return "an exchange has at most 2048 results of tasks, and names 65536 jobs";
    return NULL;
}

static const char *attach_too_large(const Trawl__Attach *a) {
    size_t items = 0;

    for (size_t i = 0; i < a->n_visits; i++)
        items += a->visits[i]->n_items;
    if (a->n_visits > LIMIT_HELD_VISITS || items > LIMIT_ATTACH_ITEMS)
        return "an attachment has at most 8192 visits, and names 8192 URLs";
    return NULL;
}

const char *request_too_large(const Trawl__Request *r) {
    switch (r->body_case) {
    case TRAWL__REQUEST__BODY_EXCHANGE:
        return exchange_too_large(r->exchange);
    case TRAWL__REQUEST__BODY_ATTACH:
        return attach_too_large(r->attach);
    case TRAWL__REQUEST__BODY_HEARTBEAT:
        return r->heartbeat->n_attempts > LIMIT_HELD_VISITS
                   ? "a heartbeat names at most 8192 attempts"
                   : NULL;
    case TRAWL__REQUEST__BODY_SEGMENT_SEAL:
        return r->segment_seal->n_hole_offsets > LIMIT_SEGMENT_HOLES ||
                       r->segment_seal->n_hole_lengths > LIMIT_SEGMENT_HOLES
                   ? "a segment has at most 400000 holes"
                   : NULL;
    case TRAWL__REQUEST__BODY_CONTROL:
        return r->control->n_urls > LIMIT_CONTROL_URLS ? "at most 1000 URLs are added at once"
                                                       : NULL;
    default:
        return NULL;
    }
}
