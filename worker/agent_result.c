/* agent_result: what a finished fetch leaves to be reported: an outcome, and those of its links that the master may not know. */
#include <stdlib.h>
#include <string.h>

#include "proto/outcome.h"
#include "shared/limits.h"
#include "worker/agent_state.h"

/* Everything an outcome points to lies behind the result, in one allocation. */
struct packer {
    uint8_t *at;
};

static ProtobufCBinaryData pack_bytes(struct packer *p, const void *bytes, size_t n) {
    uint8_t *to = p->at;

    if (n > 0)
        memcpy(to, bytes, n);
    p->at += n;
    return (ProtobufCBinaryData){.data = to, .len = n};
}

static char *pack_text(struct packer *p, const char *text, size_t n) {
    char *to = (char *)pack_bytes(p, text, n).data;

    *p->at++ = '\0';
    return to;
}

/* As much of each as the table of limits allows (proto/outcome.h). */
struct sizes {
    size_t reason, mime, redirect_to, canonical, etag, last_modified;
};

static struct sizes sizes_of(const struct agent_outcome *o, struct agent_verdict verdict,
                             bool linked) {
    struct sizes n = {
        .reason = outcome_reason_len(verdict.reason),
        .mime = outcome_whole(o->mime == NULL ? 0 : strlen(o->mime), LIMIT_MIME_BYTES),
        .canonical = outcome_whole(linked ? o->canonical.len : 0, LIMIT_URL_BYTES),
        .etag = outcome_whole(o->etag.len, LIMIT_VALIDATOR_BYTES),
        .last_modified = outcome_whole(o->last_modified.len, LIMIT_VALIDATOR_BYTES),
    };

    if (verdict.state == TRAWL__STATE__REDIRECTED)
        n.redirect_to = o->redirect_to_len;
    return n;
}

static size_t sum(const struct sizes *n) {
    return n->reason + 1 + n->mime + n->redirect_to + n->canonical + n->etag + n->last_modified +
           LIMIT_DIGEST_BYTES + 16;
}

/* Links into the visit's own origin travel without it. */
static struct url_slice shorten(const struct visit *v, struct url_slice link) {
    if (link.len > v->origin_len && link.ptr[v->origin_len] == '/' &&
        memcmp(link.ptr, v->origin, v->origin_len) == 0)
        return (struct url_slice){link.ptr + v->origin_len, link.len - v->origin_len};
    return link;
}

static bool make_room(struct agent_links *l, size_t count) {
    if (count <= l->size)
        return true;
    struct agent_link *more = realloc(l->items, count * sizeof *more);
    if (more == NULL)
        return false;
    l->items = more;
    l->size = count;
    return true;
}

/* The links that the master may not know, as they travel. False: no memory. */
static bool choose_links(struct agent *a, const struct visit *v, const struct agent_outcome *o,
                         uint32_t depth) {
    struct agent_links *l = &a->links;

    if (!make_room(l, o->link_count))
        return false;
    /* All places are asked for before the first is looked at: they are seldom in the cache. */
    for (size_t i = 0; i < o->link_count; i++) {
        l->items[i].fp = told_fingerprint(&a->told, o->links[i].ptr, o->links[i].len);
        told_prefetch(&a->told, l->items[i].fp);
    }
    for (size_t i = 0; i < o->link_count; i++) {
        uint64_t fp = l->items[i].fp;
        if (!a->tell_all && told_has(&a->told, fp, depth))
            continue;
        struct agent_link *link = &l->items[l->count++];
        *link = (struct agent_link){.text = shorten(v, o->links[i]), .fp = fp};
        l->bytes += link->text.len;
    }
    return true;
}

static bool has_links(struct agent_verdict verdict) {
    return verdict.state == TRAWL__STATE__FETCHED || verdict.state == TRAWL__STATE__REDIRECTED ||
           verdict.state == TRAWL__STATE__EXCLUDED;
}

static void pack_links(const struct agent_links *l, struct visit_result *r, struct packer *p) {
    ProtobufCBinaryData *links = (ProtobufCBinaryData *)(r + 1);
    uint64_t *fps = (uint64_t *)(links + l->count);

    p->at = (uint8_t *)(fps + l->count);
    for (size_t i = 0; i < l->count; i++) {
        links[i] = pack_bytes(p, l->items[i].text.ptr, l->items[i].text.len);
        fps[i] = l->items[i].fp;
    }
    r->outcome.links = links;
    r->outcome.n_links = l->count;
    r->link_fps = fps;
    r->link_bytes = l->bytes;
}

struct visit_result *agent_result_new(struct agent *a, const struct visit *v,
                                      const struct visit_url *u, const struct agent_outcome *o,
                                      struct agent_verdict verdict) {
    struct agent_links *l = &a->links;
    bool linked = has_links(verdict);

    l->count = l->bytes = 0;
    if (linked && !choose_links(a, v, o, u->depth))
        return NULL;
    const struct sizes n = sizes_of(o, verdict, linked);
    size_t links = l->count * (sizeof(ProtobufCBinaryData) + sizeof(uint64_t)) + l->bytes;
    struct visit_result *r = calloc(1, sizeof(struct visit_result) + links + sum(&n));
    if (r == NULL)
        return NULL;
    r->bytes = sum(&n);
    buf_init(&r->robots, LIMIT_ROBOTS_ENCODED_BYTES + 64);
    struct packer p;
    Trawl__Outcome *out = &r->outcome;
    trawl__outcome__init(out);
    pack_links(l, r, &p);
    out->fp = u->fp;
    out->state = verdict.state;
    out->reason = pack_text(&p, verdict.reason, n.reason);
    out->status = o->status;
    out->mime = pack_bytes(&p, o->mime, n.mime);
    out->length = o->length;
    if (o->digest != NULL)
        out->digest = pack_bytes(&p, o->digest, LIMIT_DIGEST_BYTES);
    out->fetched_at_ms = o->fetched_at_unix_ms;
    out->duration_ms = o->duration_ms;
    out->ip = pack_bytes(&p, v->address, v->address_len);
    out->redirect_to = pack_bytes(&p, o->redirect_to, n.redirect_to);
    out->sitemaps = o->sitemaps;
    out->canonical = pack_bytes(&p, o->canonical.ptr, n.canonical);
    out->etag = pack_bytes(&p, o->etag.ptr, n.etag);
    out->last_modified = pack_bytes(&p, o->last_modified.ptr, n.last_modified);
    out->revisit = o->revisit;
    out->offset = o->offset;
    out->record_length = o->record_length;
    r->seq = u->seq;
    r->depth = u->depth;
    return r;
}

void agent_result_add(struct agent *a, struct visit *v, struct visit_result *r, const char *segment,
                      int64_t now_ms) {
    if (segment != NULL)
        r->segment = agent_segment(a, segment);
    if (r->segment != NULL) {
        r->segment->pending++;
        r->mark = ++a->mark;
        if (a->unsynced++ == 0)
            a->unsynced_since_ms = now_ms;
    } else if (a->ready_since_ms > now_ms) {
        a->ready_since_ms = now_ms;
    }
    a->unacknowledged++;
    a->result_bytes += agent_result_bytes(r);
    visit_add_result(v, r);
}
