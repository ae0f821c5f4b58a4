/* control: what operators ask of a running crawl. Asking twice is harmless. */
#include <string.h>

#include "master/core_state.h"
#include "master/forget.h"

static void refuse(struct core *c, Trawl__Reply *reply, const char *what, const char *name) {
    reply->code = TRAWL__CODE__REFUSED;
    reply->error = arena_printf(&c->arena, what, name);
}

static const char *pause_crawl(struct core *c) {
    if (c->state == CORE_RUNNING)
        c->state = CORE_PAUSED;
    return c->state == CORE_PAUSED ? "paused" : "the crawl is ending";
}

static const char *resume_crawl(struct core *c, struct now now) {
    if (c->state == CORE_PAUSED) {
        c->state = CORE_RUNNING;
        c->resumed_ms = now.mono_ms;
    }
    return c->state == CORE_RUNNING ? "running" : "the crawl is ending";
}

static const char *add_urls(struct core *c, struct now now, const Trawl__Control *v,
                            Trawl__Reply *reply) {
    struct error err = {0};
    uint64_t before = c->by_state[TRAWL__STATE__PENDING];

    if (c->state == CORE_ENDED) {
        refuse(c, reply, "%s", "the crawl has ended: start it again with these URLs");
        return NULL;
    }
    /* One write for all of them. Where one is no URL, those before it are taken. */
    bool ok = true;
    for (size_t i = 0; i < v->n_urls && ok; i++)
        ok = core_take_seed(c, now, (const char *)v->urls[i].data, v->urls[i].len, &err);
    if (core_flush(c) && c->state == CORE_STOPPING)
        core_check_end(c, now);
    if (!ok) {
        refuse(c, reply, "%s", err.text);
        return NULL;
    }
    return arena_printf(&c->arena, "%zu URLs given, %llu new%s", v->n_urls,
                        (unsigned long long)(c->by_state[TRAWL__STATE__PENDING] - before),
                        c->state == CORE_STOPPING && c->by_state[TRAWL__STATE__PENDING] > before
                            ? "; the crawl is stopping, they are kept for when it is started again"
                            : "");
}

static const char *drain_worker(struct core *c, const Trawl__Control *v, Trawl__Reply *reply) {
    struct worker *w = lease_worker(&c->leases, v->worker);

    if (w == NULL || w->sessions == 0) {
        refuse(c, reply, "no worker %s is here", v->worker);
        return NULL;
    }
    w->draining = true;
    return arena_printf(&c->arena, "%s finishes what it has and leaves", w->name);
}

void control_handle(struct core *c, struct now now, const Trawl__Control *v, Trawl__Reply *reply) {
    Trawl__ControlReply *m = arena_alloc(&c->arena, sizeof *m);
    const char *message = NULL;
    bool more = false;

    switch (v->verb) {
    case TRAWL__VERB__PAUSE:
        message = pause_crawl(c);
        break;
    case TRAWL__VERB__RESUME:
        message = resume_crawl(c, now);
        break;
    case TRAWL__VERB__STOP:
        core_begin_stop(c, now, "stopped");
        message = "stopping: workers finish what is in flight, seal and leave";
        break;
    case TRAWL__VERB__ADD:
        message = add_urls(c, now, v, reply);
        break;
    case TRAWL__VERB__DRAIN:
        message = drain_worker(c, v, reply);
        break;
    case TRAWL__VERB__FORGET:
        message = forget_worker(c, v->worker, reply, &more);
        break;
    default:
        refuse(c, reply, "%s", "an unknown verb");
        break;
    }
    if (message == NULL)
        return;
    if (m == NULL) {
        core_fail(c, "out of memory for a reply");
        return;
    }
    trawl__control_reply__init(m);
    m->message = (char *)message;
    m->more = more;
    reply->body_case = TRAWL__REPLY__BODY_CONTROL;
    reply->control = m;
}
