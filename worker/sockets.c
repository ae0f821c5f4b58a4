#include "worker/sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/map.h"

struct sockets_entry {
    int fd, place;               /* in the fence */
    struct sockets_group *group; /* NULL: it is gone */
    struct sockets_entry *next, *prev;
    uint16_t local_port, remote_port; /* 0: not looked at yet */
};

struct sockets {
    struct fence *fence;
    const struct netaddr_policy *policy;
    struct map entries; /* by fd */
};

struct sockets *sockets_new(size_t max, struct error *err) {
    struct sockets *s = calloc(1, sizeof *s);

    if (s == NULL) {
        error_set(err, ENOMEM, "sockets");
        return NULL;
    }
    map_init(&s->entries);
    s->fence = fence_new(max, err);
    if (s->fence == NULL) {
        sockets_free(s);
        return NULL;
    }
    return s;
}

void sockets_free(struct sockets *s) {
    if (s == NULL)
        return;
    fence_free(s->fence);
    map_release(&s->entries);
    free(s);
}

void sockets_set_policy(struct sockets *s, const struct netaddr_policy *policy) {
    s->policy = policy;
}

static bool claimed(const struct sockets_group *g, const struct sockaddr *to) {
    if (to->sa_family == AF_INET)
        return g->address_len == 4 &&
               memcmp(g->address, &((const struct sockaddr_in *)to)->sin_addr, 4) == 0;
    return to->sa_family == AF_INET6 && g->address_len == 16 &&
           memcmp(g->address, &((const struct sockaddr_in6 *)to)->sin6_addr, 16) == 0;
}

static void group_add(struct sockets_group *g, struct sockets_entry *e) {
    e->group = g;
    e->next = g->first;
    if (e->next != NULL)
        e->next->prev = e;
    g->first = e;
}

static void group_remove(struct sockets_entry *e) {
    if (e->group == NULL)
        return;
    if (e->prev != NULL)
        e->prev->next = e->next;
    else
        e->group->first = e->next;
    if (e->next != NULL)
        e->next->prev = e->prev;
    e->group = NULL;
    e->next = e->prev = NULL;
}

int sockets_open(struct sockets *s, struct sockets_group *g, const struct sockaddr *to, int type,
                 int protocol, enum sockets_refusal *refusal) {
    struct sockets_entry *e = NULL;
    int fd = -1;

    *refusal = SOCKETS_FORBIDDEN;
    if (!claimed(g, to) || s->policy == NULL || !netaddr_allowed(s->policy, to))
        return -1;
    *refusal = SOCKETS_LEASE_OVER;
    if (g->deadline_ms <= fence_now_ms())
        return -1;
    *refusal = SOCKETS_FAILED;
    fd = socket(to->sa_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
    e = fd < 0 ? NULL : calloc(1, sizeof *e);
    if (e == NULL)
        goto fail;
    e->fd = fd;
    e->place = fence_open(s->fence, fd, g->deadline_ms);
    if (e->place == FENCE_NONE) {
        errno = ENFILE;
        goto fail;
    }
    if (!map_put(&s->entries, (uint64_t)fd, e)) {
        fence_close(s->fence, e->place);
        errno = ENOMEM;
        goto fail;
    }
    group_add(g, e);
    *refusal = SOCKETS_OPENED;
    return fd;
fail:
    free(e);
    if (fd >= 0)
        close(fd);
    return -1;
}

int sockets_close(struct sockets *s, int fd) {
    struct sockets_entry *e = map_remove(&s->entries, (uint64_t)fd);

    if (e != NULL) {
        if (e->group != NULL)
            e->group->cut += fence_was_shut(s->fence, e->place);
        fence_close(s->fence, e->place);
        group_remove(e);
        free(e);
    }
    return close(fd);
}

static uint16_t port_of(const struct sockaddr_storage *a) {
    return a->ss_family == AF_INET6 ? ntohs(((const struct sockaddr_in6 *)a)->sin6_port)
                                    : ntohs(((const struct sockaddr_in *)a)->sin_port);
}

/* Both ends, as far as they are known once it is connected. */
static void learn_ports(struct sockets_entry *e) {
    struct sockaddr_storage local = {0}, remote = {0};
    socklen_t local_len = sizeof local, remote_len = sizeof remote;

    if (e->local_port != 0 || getsockname(e->fd, (struct sockaddr *)&local, &local_len) != 0 ||
        getpeername(e->fd, (struct sockaddr *)&remote, &remote_len) != 0)
        return;
    e->local_port = port_of(&local);
    e->remote_port = port_of(&remote);
}

bool sockets_adopt(struct sockets *s, struct sockets_group *g, uint16_t local_port,
                   uint16_t remote_port) {
    struct sockets_entry *e;
    size_t at = 0;
    bool shut = false;

    while ((e = map_next(&s->entries, &at)) != NULL) {
        learn_ports(e);
        if (e->local_port != local_port || e->remote_port != remote_port)
            continue;
        shut |= e->group == NULL;
        if (e->group == NULL || e->group->address_len != g->address_len ||
            memcmp(e->group->address, g->address, g->address_len) != 0)
            continue;
        if (e->group != g) {
            group_remove(e);
            group_add(g, e);
            fence_renew(s->fence, e->place, g->deadline_ms);
        }
        return true;
    }
    return !shut;
}

void sockets_shut(struct sockets_group *g) {
    for (struct sockets_entry *e = g->first; e != NULL; e = e->next)
        (void)shutdown(e->fd, SHUT_RDWR);
}

void sockets_renew(struct sockets *s, struct sockets_group *g, int64_t deadline_ms) {
    g->deadline_ms = deadline_ms;
    for (struct sockets_entry *e = g->first; e != NULL; e = e->next)
        fence_renew(s->fence, e->place, deadline_ms);
}

void sockets_detach(struct sockets_group *g) {
    sockets_shut(g);
    while (g->first != NULL)
        group_remove(g->first);
}
