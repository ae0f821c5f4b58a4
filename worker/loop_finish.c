/* loop_finish: from a finished exchange to its record and its outcome; also when the disk is full, or the master has
 * not taken yet what it was told. */
#include <errno.h>

#include "shared/cost.h"
#include "shared/log.h"
#include "worker/conditional.h"
#include "worker/fence.h"
#include "worker/loop_state.h"

enum {
    STALL_PAUSE_MS = 1000, /* until a disk that refused is tried again; */
    TROUBLE_MS = 3000,     /* so long what was fetched waits for it. Then it is given back */
    RETRY_TURN_MS = 50,    /* heartbeats do not wait longer */
};

static void stalled_add(struct loop *l, struct transfer *t) {
    t->shell = NULL;
    if (l->stalled == NULL)
        l->stalled = t;
    else
        l->stalled_last->shell = t;
    l->stalled_last = t;
}

void loop_finish_forget(struct loop *l, const struct transfer_target *target) {
    struct transfer *t = l->stalled, *next;

    l->stalled = l->stalled_last = NULL;
    for (; t != NULL; t = next) {
        next = t->shell;
        if (t->target != target)
            stalled_add(l, t);
    }
}

static enum segment_result store(struct loop *l, struct transfer *t, struct agent_outcome *o,
                                 struct segment_place *place) {
    struct segment_response r = {
        .url = t->url,
        .url_len = t->url_len,
        .at_unix_ms = t->started_unix_ms,
        .address = t->target->sockets.address,
        .address_len = t->target->sockets.address_len,
        .head = t->head.data,
        .head_len = t->head.len,
        .cut = t->body.cut,
        .unproven = t->unproven,
    };
    struct segment_revisit unmodified = {
        .not_modified = true, .url = t->url, .url_len = t->url_len};
    struct error err = {0};
    enum segment_result result = SEGMENT_AGAIN;

    if (o->unmodified) {
        unmodified.at_unix_ms = (int64_t)t->conditional->capture->at_ms;
        unmodified.digest = t->conditional->capture->digest.data;
        r.revisit = &unmodified;
    }
    if (body_view(&t->body, &r.body, &r.body_len))
        result = archive_append(l->archive, agent_session(l->agent), &r, place, &o->segment, &err);
    else
        error_set(&err, errno, "cannot read a body");
    switch (result) {
    case SEGMENT_OK:
        o->digest = place->digest;
        o->offset = place->offset;
        o->record_length = place->length;
        o->revisit = place->revisit;
        /* The payload of an identical one lies elsewhere: a 304 would refer to what has none. */
        if (place->revisit && !o->unmodified)
            o->etag.len = o->last_modified.len = 0;
        break;
    case SEGMENT_INVALID:
        o->failure = AGENT_HOPELESS;
        o->reason = "protocol-header-invalid";
        break;
    case SEGMENT_AGAIN:
        if (!l->holding)
            log_warn("loop", "%s; nothing is fetched until it can be written", err.text);
        l->stall_error = err;
        break;
    case SEGMENT_FAILED:
        loop_give_up(l, err.text);
        break;
    }
    return result;
}

/* False: the disk refuses the record, the transfer is to be kept. */
static bool finish_page(struct loop *l, struct transfer *t) {
    struct agent_outcome o;
    struct segment_place place;

    harvest_outcome(l->harvest, t, &o);
    o.elsewhere = t->elsewhere;
    if (!agent_asks_again(l->agent, t->fetch, &o) &&
        agent_disposition(l->agent, t->fetch, t->status, t->failure) == AGENT_ARCHIVE) {
        enum segment_result result = store(l, t, &o, &place);
        if (result == SEGMENT_AGAIN || result == SEGMENT_FAILED)
            return false;
        if (result == SEGMENT_OK) {
            enum cost_stage was = cost_enter(COST_PARSE);
            harvest_links(l->harvest, t, &o);
            cost_enter(was);
        }
    }
    agent_fetched(l->agent, fence_now_ms(), t->fetch, &o);
    transfer_release(t);
    return true;
}

static void finish_robots(struct loop *l, struct transfer *t) {
    struct agent_outcome o;
    const char *body = "";
    size_t len = 0;

    harvest_outcome(l->harvest, t, &o);
    o.elsewhere = t->elsewhere;
    const char *fault =
        t->failure == AGENT_NO_FAILURE ? harvest_robots(l->harvest, t, &body, &len) : NULL;
    if (fault != NULL) {
        o.failure = AGENT_HOPELESS;
        o.reason = fault;
    }
    agent_fetched_robots(l->agent, fence_now_ms(), t->fetch, &o, body, len);
    transfer_release(t);
}

/* The disk refused a record: nothing is started until it takes it. */
static void hold(struct loop *l) {
    l->holding = true;
    agent_hold(l->agent, true);
    l->stalled_since_ms = fence_now_ms();
    l->stall_again_ms = l->stalled_since_ms + STALL_PAUSE_MS;
}

/* There was no answer. If not even a connection, and the host has another address, that one is tried at once; else that
 * is what the next visit does. */
static void look_elsewhere(struct loop *l, struct transfer *t) {
    bool other = t->unanswered && loop_visit_blame(l, t->visit);

    t->elsewhere = other && t->unreached;
    if (t->elsewhere)
        t->failure = AGENT_AGAIN;
    else if (!other)
        loop_visit_doubt(l, t->visit);
}

/* The disk refuses for longer than a moment: others may have what this worker has. */
static void be_troubled(struct loop *l, int64_t now_ms) {
    l->troubled = true;
    log_warn("loop", "%s; everything is given back until it can be written", l->stall_error.text);
    agent_trouble(l->agent, now_ms, l->stall_error.text);
}

static void be_well(struct loop *l, int64_t now_ms) {
    if (l->troubled)
        agent_trouble(l->agent, now_ms, NULL);
    l->troubled = l->holding = false;
    agent_hold(l->agent, false);
    log_info("loop", "the archive can be written again");
}

/* Nothing is there to be written: the disk is tried by itself. */
static void probe(struct loop *l, int64_t now_ms) {
    struct error err = {0};

    switch (archive_probe(l->archive, agent_session(l->agent), &err)) {
    case SEGMENT_OK:
        be_well(l, now_ms);
        return;
    case SEGMENT_AGAIN:
        break;
    default:
        loop_give_up(l, err.text);
        return;
    }
    l->stall_error = err;
    l->stall_again_ms = now_ms + STALL_PAUSE_MS;
    if (!l->troubled && now_ms - l->stalled_since_ms >= TROUBLE_MS)
        be_troubled(l, now_ms);
}

void loop_finish(struct loop *l, struct transfer *t) {
    if (l->failed) {
        transfer_release(t);
        return;
    }
    if (t->failure != AGENT_NO_FAILURE && log_enabled(LOG_DEBUG))
        log_event(LOG_DEBUG, "loop", "no response", log_bytes("url", t->url, t->url_len),
                  log_str("reason", t->reason));
    if (t->failure == AGENT_NETWORK && t->status == 0)
        look_elsewhere(l, t);
    if (t->robots) {
        finish_robots(l, t);
        return;
    }
    /* Those that wait already come first. */
    if (!l->holding && l->stalled == NULL && !agent_backlogged(l->agent)) {
        if (finish_page(l, t))
            return;
        hold(l);
    }
    stalled_add(l, t);
}

int64_t loop_finish_next_ms(const struct loop *l) {
    if (l->failed)
        return INT64_MAX;
    if (l->troubled)
        return l->stall_again_ms;
    if (agent_backlogged(l->agent))
        return INT64_MAX; /* an answer of the master changes that */
    if (l->holding)
        return l->stall_again_ms;
    return l->stalled == NULL ? INT64_MAX : 0;
}

void loop_finish_retry(struct loop *l, int64_t now_ms) {
    bool wrote = false;

    if (now_ms < loop_finish_next_ms(l))
        return;
    while (l->stalled != NULL) {
        struct transfer *t = l->stalled, *next = t->shell;
        if (agent_backlogged(l->agent) || fence_now_ms() >= now_ms + RETRY_TURN_MS)
            return;
        if (!finish_page(l, t)) {
            if (!l->holding)
                hold(l);
            l->stall_again_ms = now_ms + STALL_PAUSE_MS;
            if (!l->troubled && now_ms - l->stalled_since_ms >= TROUBLE_MS)
                be_troubled(l, now_ms);
            return;
        }
        l->stalled = next;
        wrote = true;
    }
    if (l->holding && wrote)
        be_well(l, now_ms);
    else if (l->holding)
        probe(l, now_ms);
}
