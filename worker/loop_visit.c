/* loop_visit: where the fetches of a visit go: its address, its connections. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/cost.h"
#include "worker/address_choice.h"
#include "worker/fence.h"
#include "worker/loop_state.h"

/* scheme://host[:port] */
static void split_origin(struct loop_visit *v, const char *origin) {
    const char *host = strstr(origin, "://");
    bool tls = strncmp(origin, "https:", 6) == 0;

    host = host == NULL ? origin : host + 3;
    const char *bracket = strchr(host, ']');
    const char *colon = strchr(bracket == NULL ? host : bracket, ':');
    v->host = host;
    v->host_len = colon == NULL ? strlen(host) : (size_t)(colon - host);
    v->port = colon == NULL ? (uint16_t)(tls ? 443 : 80) : (uint16_t)strtoul(colon + 1, NULL, 10);
}

struct loop_visit *loop_visit_get(struct loop *l, struct visit *visit) {
    struct loop_visit *v = visit_shell(visit);

    if (v != NULL)
        return v;
    v = calloc(1, sizeof *v);
    if (v == NULL)
        return NULL;
    v->loop = l;
    v->visit = visit;
    split_origin(v, visit_origin(visit));
    v->next = l->visits;
    if (v->next != NULL)
        v->next->prev = v;
    l->visits = v;
    visit_set_shell(visit, v);
    return v;
}

void loop_visit_stop(struct loop *l, struct loop_visit *v) {
    dns_cancel(l->dns, &v->query);
    loop_finish_forget(l, &v->target);
    transfers_abort(l->transfers, &v->target);
}

void loop_visit_forget(struct loop *l, struct loop_visit *v) {
    loop_visit_stop(l, v);
    sockets_detach(l->sockets, &v->target.sockets);
    transfer_target_release(&v->target);
    if (v->prev != NULL)
        v->prev->next = v->next;
    else
        l->visits = v->next;
    if (v->next != NULL)
        v->next->prev = v->prev;
    visit_set_shell(v->visit, NULL);
    free(v);
}

static struct address_wish wish_of(const struct loop_visit *v) {
    struct address_wish wish = {.policy = &v->loop->policy};

    wish.had = visit_address(v->visit, &wish.had_len);
    return wish;
}

/* Connections to an address that is left are ended before the other one is claimed. */
static void leave_address(struct loop_visit *v, const struct dns_address *next) {
    const struct sockets_group *g = &v->target.sockets;

    if (g->address_len != next->len || memcmp(g->address, next->bytes, next->len) != 0)
        sockets_shut(v->loop->sockets, &v->target.sockets);
}

static void on_resolved(struct dns_query *q, const struct dns_answer *answer) {
    struct loop_visit *v = (struct loop_visit *)q;
    struct agent *a = v->loop->agent;
    const char *why_not = NULL;
    char reason[160];
    const struct address_wish wish = wish_of(v);
    int64_t now_ms = fence_now_ms();
    const struct dns_address *best = address_choose(answer, &wish, now_ms, &why_not);
    bool port_allowed = netaddr_port_allowed(v->port);

    if (best != NULL && port_allowed) {
        leave_address(v, best);
        agent_resolved(a, now_ms, v->visit, best->bytes, best->len, false, NULL);
        return;
    }
    if (answer->count == 0)
        snprintf(reason, sizeof reason, "%s", answer->reason);
    else if (!port_allowed)
        snprintf(reason, sizeof reason, "port-not-allowed: %u", (unsigned)v->port);
    else
        snprintf(reason, sizeof reason, "address-not-allowed: %s",
                 why_not == NULL ? "not public" : why_not);
    agent_resolved(a, now_ms, v->visit, NULL, 0, answer->count > 0, reason);
}

void loop_visit_resolve(struct loop *l, struct visit *visit, int64_t now_ms) {
    struct loop_visit *v = loop_visit_get(l, visit);

    if (v == NULL) {
        agent_resolved(l->agent, now_ms, visit, NULL, 0, false, "out-of-memory");
        return;
    }
    v->query.done = on_resolved;
    enum cost_stage was = cost_enter(COST_DNS);
    dns_lookup(l->dns, &v->query, v->host, v->host_len, now_ms);
    cost_enter(was);
}

bool loop_visit_aim(struct loop_visit *v) {
    size_t len;
    const void *address = visit_address(v->visit, &len);
    const struct sockets_group *g = &v->target.sockets;

    if (v->target.first != NULL || (v->target.base != NULL && g->address_len == len && len > 0 &&
                                    memcmp(g->address, address, len) == 0))
        return true;
    if (!transfer_target_set(&v->target, visit_origin(v->visit), v->host, v->host_len, v->port,
                             address, len))
        return false;
    const struct address_wish wish = wish_of(v);
    struct dns_answer known;
    v->target.hurry = dns_recall(v->loop->dns, v->host, v->host_len, &known) &&
                      address_has_other(&known, &wish, fence_now_ms());
    return true;
}

void loop_visit_doubt(struct loop *l, const struct visit *visit) {
    const struct loop_visit *v = visit_shell(visit);

    if (v != NULL)
        dns_forget(l->dns, v->host, v->host_len);
}

bool loop_visit_blame(struct loop *l, const struct visit *visit) {
    const struct loop_visit *v = visit_shell(visit);
    int64_t now_ms = fence_now_ms();
    struct dns_answer known;

    if (v == NULL)
        return false;
    const struct address_wish wish = wish_of(v);
    dns_blame(l->dns, v->host, v->host_len, wish.had, wish.had_len, now_ms);
    return dns_recall(l->dns, v->host, v->host_len, &known) &&
           address_has_other(&known, &wish, now_ms);
}
