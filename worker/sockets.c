#include "worker/sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/map.h"
#include "worker/kept.h"

struct sockets_entry {
    int fd, place;               /* in the fence */
    struct sockets_group *group; /* NULL: it is gone */
    struct sockets_entry *next, *prev;
    uint32_t early_ms;   /* 0: not known yet */
    bool ready;          /* it was once: curl will say when it closes it */
    uint16_t local_port; /* 0: not known yet, then it is among the unbound */
    uint16_t remote_port;
    struct sockets_entry
        *beside; /* with the same ports to another address; or the next unbound one */
};

struct sockets {
    struct fence *fence;
    const struct netaddr_policy *policy;
    struct map entries; /* by fd */
    struct map bound;   /* by both ports: the first of each list */
    struct sockets_entry *unbound;
};

struct sockets *sockets_new(size_t max, struct error *err) {
    struct sockets *s = calloc(1, sizeof *s);

    if (s == NULL) {
        error_set(err, ENOMEM, "sockets");
        return NULL;
    }
    map_init(&s->entries);
    map_init(&s->bound);
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
    map_release(&s->bound);
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

/* ---- by their ports: curl tells no more of a connection that it uses again ------------------------- */

static uint16_t port_of(const struct sockaddr *a) {
    return a->sa_family == AF_INET6 ? ntohs(((const struct sockaddr_in6 *)a)->sin6_port)
                                    : ntohs(((const struct sockaddr_in *)a)->sin_port);
}

static uint64_t ports_key(uint16_t local_port, uint16_t remote_port) {
    return (uint64_t)local_port << 16 | remote_port;
}

/* The kernel chooses the local port as curl connects. False: it has not connected yet, or there is no memory. */
static bool learn_port(struct sockets *s, struct sockets_entry *e) {
    struct sockaddr_storage local = {0};
    socklen_t len = sizeof local;

    if (!map_reserve(&s->bound) || getsockname(e->fd, (struct sockaddr *)&local, &len) != 0)
        return false;
    e->local_port = port_of((const struct sockaddr *)&local);
    return e->local_port != 0;
}

/* Each socket is asked once or twice in its life. */
static void bind_all(struct sockets *s) {
    struct sockets_entry **at = &s->unbound, *e;

    while ((e = *at) != NULL) {
        if (fence_lost(s->fence, e->place) || !learn_port(s, e)) {
            at = &e->beside;
            continue;
        }
        uint64_t key = ports_key(e->local_port, e->remote_port);
        *at = e->beside;
        e->beside = map_get(&s->bound, key);
        (void)map_put(&s->bound, key, e);
    }
}

static void unlist(struct sockets *s, struct sockets_entry *e) {
    uint64_t key = ports_key(e->local_port, e->remote_port);
    struct sockets_entry *first = e->local_port == 0 ? s->unbound : map_get(&s->bound, key);
    struct sockets_entry **at = &first;

    while (*at != e)
        at = &(*at)->beside;
    *at = e->beside;
    if (e->local_port == 0)
        s->unbound = first;
    else if (first == NULL)
        (void)map_remove(&s->bound, key);
    else
        (void)map_put(&s->bound, key, first);
}

/* ---- a socket's life ------------------------------------------------------------------------------- */

static void forget(struct sockets *s, struct sockets_entry *e) {
    (void)map_remove(&s->entries, (uint64_t)e->fd);
    if (e->group != NULL)
        e->group->cut += fence_was_shut(s->fence, e->place);
    fence_close(s->fence, e->place);
    group_remove(e);
    unlist(s, e);
    free(e);
}

/* The number of a new socket cannot be an open one's. */
static void forget_namesake(struct sockets *s, int fd) {
    struct sockets_entry *e = map_get(&s->entries, (uint64_t)fd);

    if (e != NULL)
        forget(s, e);
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
    if (fd >= 0)
        forget_namesake(s, fd);
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
    e->remote_port = port_of(to);
    e->beside = s->unbound;
    s->unbound = e;
    *refusal = SOCKETS_OPENED;
    return fd;
fail:
    free(e);
    if (fd >= 0)
        close(fd);
    return -1;
}

uint32_t sockets_count(const struct sockets *s) {
    return (uint32_t)s->entries.count;
}

int sockets_close(struct sockets *s, int fd) {
    struct sockets_entry *e = map_get(&s->entries, (uint64_t)fd);

    if (e != NULL)
        forget(s, e);
    return close(fd);
}

bool sockets_forget_lost(struct sockets *s, int fd) {
    struct sockets_entry *e = map_get(&s->entries, (uint64_t)fd);

    if (e == NULL || e->ready || !fence_lost(s->fence, e->place))
        return false;
    forget(s, e);
    return true;
}

/* The one to the group's address among those with these ports; `shut`: there is one whose visit is gone. */
static struct sockets_entry *find_bound(const struct sockets *s, uint64_t key,
                                        const struct sockets_group *g, bool *shut) {
    *shut = false;
    for (struct sockets_entry *e = map_get(&s->bound, key); e != NULL; e = e->beside) {
        *shut |= e->group == NULL;
        if (e->group != NULL && e->group->address_len == g->address_len &&
            memcmp(e->group->address, g->address, g->address_len) == 0)
            return e;
    }
    return NULL;
}

struct sockets_adopted sockets_adopt(struct sockets *s, struct sockets_group *g,
                                     uint16_t local_port, uint16_t remote_port) {
    uint64_t key = ports_key(local_port, remote_port);
    bool shut;
    struct sockets_entry *e = find_bound(s, key, g, &shut);

    if (e == NULL) {
        bind_all(s);
        e = find_bound(s, key, g, &shut);
    }
    if (e == NULL)
        return (struct sockets_adopted){.fd = -1, .shut = shut};
    struct sockets_adopted got = {.fd = e->fd, .kept = e->ready};
    if (e->ready && e->early_ms == 0)
        e->early_ms = kept_early_ms(e->fd);
    got.early_ms = e->early_ms;
    e->ready = true;
    if (e->group != g) {
        group_remove(e);
        group_add(g, e);
        fence_renew(s->fence, e->place, g->deadline_ms);
    }
    return got;
}

void sockets_shut(struct sockets *s, struct sockets_group *g) {
    for (struct sockets_entry *e = g->first; e != NULL; e = e->next)
        if (!fence_lost(s->fence, e->place))
            (void)shutdown(e->fd, SHUT_RDWR);
}

void sockets_renew(struct sockets *s, struct sockets_group *g, int64_t deadline_ms) {
    g->deadline_ms = deadline_ms;
    for (struct sockets_entry *e = g->first; e != NULL; e = e->next)
        fence_renew(s->fence, e->place, deadline_ms);
}

void sockets_detach(struct sockets *s, struct sockets_group *g) {
    sockets_shut(s, g);
    while (g->first != NULL)
        group_remove(g->first);
}
