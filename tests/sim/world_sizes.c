/* world_sizes: sizes that the web or a peer decides. Budgets are small here, so that they are met often; what servers say is as
 * long as each limit, and longer; some outcomes are what no master can take. */
#include <stdlib.h>
#include <string.h>

#include "shared/limits.h"
#include "tests/sim/world_state.h"

enum {
    UNTELLABLE_MS = 77777, /* marks the outcome of a page that is spoilt on its way */
    PART_BYTES_MAX =
        1800, /* the largest single part of a message in this web, by its bytes on the wire */
};

void world_sizes_init(struct world *w) {
    struct rng r = {w->options->seed + 4};

    if (rng_chance(&r, 40))
        w->crawl.message_bytes = 1200 + rng_below(&r, 8000);
    if (rng_chance(&r, 40))
        w->exchange_bytes = 800 + rng_below(&r, 4000);
    if (rng_chance(&r, 30))
        w->attach_items = 1 + rng_below(&r, 12);
    if (rng_chance(&r, 40))
        w->crawl.slice_work = 1 + rng_below(&r, 1000);
    if (rng_chance(&r, 40))
        w->crawl.rules_bytes = 1;
}

/* Texts of the page, at each limit and beside it. */
void world_sizes_outcome(const struct world *w, const struct sim_transfer *t,
                         struct agent_outcome *o) {
    static char text[2 * LIMIT_URL_BYTES];
    static const size_t lengths[] = {0,
                                     20,
                                     LIMIT_MIME_BYTES - 1,
                                     LIMIT_MIME_BYTES,
                                     LIMIT_MIME_BYTES + 1,
                                     LIMIT_REASON_BYTES,
                                     LIMIT_REASON_BYTES + 1,
                                     LIMIT_URL_BYTES,
                                     LIMIT_URL_BYTES + 1,
                                     sizeof text - 1};
    uint64_t h = web_mix(w->web.seed ^ 66, (uint64_t)t->origin << 32 | t->page);
    size_t len = lengths[h % (sizeof lengths / sizeof lengths[0])];

    /* A page in ten: it makes messages large. */
    if (h >> 32 & 7)
        len = len < 100 ? len : 20;
    memset(text, 'x', sizeof text);
    text[len] = '\0';
    o->mime = o->remark = text;
    o->etag = o->last_modified = o->canonical = (struct url_slice){text, len};
    if (w->web.origins[t->origin].kind[t->page] == WEB_UNTELLABLE) {
        o->duration_ms = UNTELLABLE_MS;
        o->link_count = 0; /* or some would be told ahead of it */
    }
}

/* What a worker that is not well sends instead. */
void world_sizes_spoil(const struct buf *bytes, struct buf *sent) {
    static uint8_t digest[7];
    struct arena arena;
    bool spoilt = false;

    arena_init(&arena, LIMIT_ARENA_BYTES);
    Trawl__Request *r = wire_request_unpack(&arena, bytes->data, bytes->len);
    if (r != NULL && r->body_case == TRAWL__REQUEST__BODY_EXCHANGE)
        for (size_t i = 0; i < r->exchange->n_visits; i++)
            for (size_t k = 0; k < r->exchange->visits[i]->n_outcomes; k++) {
                Trawl__Outcome *o = r->exchange->visits[i]->outcomes[k];
                if (o->duration_ms != UNTELLABLE_MS)
                    continue;
                o->digest = (ProtobufCBinaryData){sizeof digest, digest};
                spoilt = true;
            }
    if (!(spoilt ? wire_pack(sent, &r->base) : buf_append(sent, bytes->data, bytes->len)))
        abort();
    arena_release(&arena);
}

static size_t grants_bytes(const Trawl__ExchangeReply *x) {
    size_t bytes = 0;

    for (size_t i = 0; i < x->n_grants; i++)
        bytes += protobuf_c_message_get_packed_size(&x->grants[i]->base);
    return bytes;
}

static size_t more_bytes(const Trawl__ExchangeReply *x) {
    size_t bytes = 0;

    for (size_t i = 0; i < x->n_visits; i++)
        for (size_t k = 0; k < x->visits[i]->n_more; k++)
            bytes += protobuf_c_message_get_packed_size(&x->visits[i]->more[k]->base);
    return bytes;
}

void world_check_sizes(struct world *w, const Trawl__Request *r, const Trawl__Reply *reply) {
    size_t asked = protobuf_c_message_get_packed_size(&r->base);

    if (r->body_case != TRAWL__REQUEST__BODY_EXCHANGE)
        return;
    if (w->exchange_bytes > 0 && asked > w->exchange_bytes + LIMIT_URL_BYTES + PART_BYTES_MAX)
        world_fail(w, "an exchange of %zu bytes under a budget of %zu", asked, w->exchange_bytes);
    if (reply == NULL || reply->body_case != TRAWL__REPLY__BODY_EXCHANGE ||
        w->crawl.message_bytes == 0)
        return;
    if (grants_bytes(reply->exchange) > w->crawl.message_bytes / 2 + PART_BYTES_MAX)
        world_fail(w, "grants of %zu bytes under a budget of %zu", grants_bytes(reply->exchange),
                   w->crawl.message_bytes);
    if (more_bytes(reply->exchange) > w->crawl.message_bytes / 4 + PART_BYTES_MAX)
        world_fail(w, "URLs of %zu bytes under a budget of %zu", more_bytes(reply->exchange),
                   w->crawl.message_bytes);
}

void world_check_stored(struct world *w, const Trawl__DoneUrl *d) {
    if (strlen(d->reason) > LIMIT_REASON_BYTES || d->mime.len > LIMIT_MIME_BYTES ||
        d->etag.len > LIMIT_VALIDATOR_BYTES || d->last_modified.len > LIMIT_VALIDATOR_BYTES)
        world_fail(w, "what is stored of a URL is longer than the limits");
}
