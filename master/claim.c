#include "master/claim.h"

#include <string.h>

static bool same_instance(const struct worker *w, ProtobufCBinaryData instance) {
    return instance.len == sizeof w->instance &&
           memcmp(w->instance, instance.data, sizeof w->instance) == 0;
}

/* Later than anything that a process can have said that was dead when the other one asked first. */
static bool lives(const struct core *c, const struct worker *w) {
    const int64_t since_ms = w->asker.since_ms + c->leases.lease_ms / 2;

    for (const struct session *s = w->first; s != NULL; s = s->sibling)
        if (s->renewed_ms > since_ms)
            return true;
    return false;
}

/* One at a time is remembered: whoever else asks waits until it has its answer, or asks no more. */
static bool asks_on(const struct core *c, struct now now, struct worker *w, uint64_t process) {
    if (w->asker.process != process) {
        if (w->asker.process != 0 && now.mono_ms - w->asker.last_ms <= c->leases.lease_ms)
            return false;
        w->asker.process = process;
        w->asker.since_ms = now.mono_ms;
    }
    w->asker.last_ms = now.mono_ms;
    return true;
}

enum claim claim_ask(struct core *c, struct now now, struct worker *w, const Trawl__Register *r) {
    bool same = same_instance(w, r->instance);

#ifdef MUTANT_SAME_PROCESS
    if (same && r->incarnation == w->incarnation)
        return CLAIM_HAS;
#endif
    if (same && r->process == w->process)
        return CLAIM_HAS;
    if (same && r->place != 0 && r->place == w->place)
        return r->incarnation > w->incarnation ? CLAIM_TAKES : CLAIM_LATE;
    if (w->sessions == 0)
        return CLAIM_TAKES;
#ifdef MUTANT_TRUST_COPIES
    if (same && r->incarnation > w->incarnation)
        return CLAIM_TAKES;
#endif
    if (!asks_on(c, now, w, r->process) || !lives(c, w))
        return CLAIM_WAITS;
    w->asker.process = 0;
    return CLAIM_REFUSED;
}

void claim_take(struct worker *w, const Trawl__Register *r) {
    memcpy(w->instance, r->instance.data, sizeof w->instance);
    w->process = r->process;
    w->place = r->place;
    w->incarnation = r->incarnation;
    w->asker.process = 0;
}

const char *claim_text(struct core *c, const struct worker *w, const Trawl__Register *r,
                       enum claim claim) {
    const char *text =
        claim == CLAIM_LATE ? "a newer process of this worker has registered"
        : claim == CLAIM_WAITS
            ? arena_printf(&c->arena,
                           "another process had the name %s a moment ago: until its leases are "
                           "over it may be alive",
                           w->name)
            : arena_printf(&c->arena,
                           "the name %s is in use: another process works under it, in %s; start "
                           "this one with another --name and an empty --dir",
                           w->name,
                           same_instance(w, r->instance)
                               ? "a directory of which this worker's is a copy"
                               : "another directory");

    return text == NULL ? "" : text;
}

bool claim_proven(const struct worker *w, ProtobufCBinaryData instance, uint64_t place) {
    if (w == NULL || w->sessions == 0)
        return true;
#ifdef MUTANT_TRUST_COPIES
    place = w->place;
#endif
    return same_instance(w, instance) && place == w->place;
}
