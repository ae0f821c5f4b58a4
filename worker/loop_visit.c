/* loop_visit: where the fetches of a visit go: its address, its connections. */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/cost.h"
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

static void to_sockaddr(const struct dns_address *a, struct sockaddr_storage *to) {
    memset(to, 0, sizeof *to);
    if (a->len == 4) {
        struct sockaddr_in *in = (struct sockaddr_in *)to;
        in->sin_family = AF_INET;
        memcpy(&in->sin_addr, a->bytes, 4);
    } else {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)to;
        in6->sin6_family = AF_INET6;
        memcpy(&in6->sin6_addr, a->bytes, 16);
    }
}

/* The address that the visit had, if it still is one; else the first allowed one. */
static const struct dns_address *
pick_address(const struct loop_visit *v, const struct dns_answer *answer, const char **why_not) {
    const struct dns_address *best = NULL;
    size_t old_len;
    const void *old = visit_address(v->visit, &old_len);

    for (size_t i = 0; i < answer->count; i++) {
        const struct dns_address *a = &answer->addresses[i];
        struct sockaddr_storage to;
        to_sockaddr(a, &to);
        if (!netaddr_allowed(&v->loop->policy, (struct sockaddr *)&to)) {
            *why_not = netaddr_reason((struct sockaddr *)&to);
            continue;
        }
        if (a->len == old_len && memcmp(a->bytes, old, old_len) == 0)
            return a;
        if (best == NULL)
            best = a;
    }
    return best;
}

static void on_resolved(struct dns_query *q, const struct dns_answer *answer) {
    struct loop_visit *v = (struct loop_visit *)q;
    struct agent *a = v->loop->agent;
    const char *why_not = NULL;
    char reason[160];
    const struct dns_address *best = pick_address(v, answer, &why_not);
    bool port_allowed = netaddr_port_allowed(v->port);
    int64_t now_ms = fence_now_ms();

    if (best != NULL && port_allowed) {
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
    return transfer_target_set(&v->target, visit_origin(v->visit), v->host, v->host_len, v->port,
                               address, len);
}

void loop_visit_doubt(struct loop *l, const struct visit *visit) {
    const struct loop_visit *v = visit_shell(visit);

    if (v != NULL)
        dns_forget(l->dns, v->host, v->host_len);
}
