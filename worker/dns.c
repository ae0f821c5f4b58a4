#include "worker/dns.h"

#include <ares.h>
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/time.h>
#include <xxhash.h>

#include "shared/limits.h"
#include "shared/map.h"
#include "worker/fence.h"

enum { TIMEOUT_MS = 2000, TRIES = 3, HOST_BYTES_MAX = 253 };

/* One name: asked for (`pending`) or answered until `until_ms`. In the map by the keyed hash of its name, and in the
 * list of all, the latest used first. */
struct dns_entry {
    struct dns *dns;
    uint64_t key;
    struct dns_entry *next, *prev;
    bool pending;
    int64_t until_ms;
    const char *reason;
    struct dns_query *waiting;
    size_t address_count;
    struct dns_address addresses[DNS_ADDRESSES_MAX];
    char host[HOST_BYTES_MAX + 1];
};

struct dns {
    ares_channel channel;
    int epoll_fd;
    uint32_t tag;
    bool closing;
    uint64_t seed;
    struct map entries;
    struct dns_entry list; /* head */
};

/* ---- entries ------------------------------------------------------------------------------------- */

static void entry_unlink(struct dns_entry *e) {
    e->next->prev = e->prev;
    e->prev->next = e->next;
}

static void entry_link_first(struct dns *d, struct dns_entry *e) {
    e->next = d->list.next;
    e->prev = &d->list;
    e->next->prev = e;
    d->list.next = e;
}

static void entry_free(struct dns_entry *e) {
    map_remove(&e->dns->entries, e->key);
    entry_unlink(e);
    free(e);
}

static void make_room(struct dns *d) {
    struct dns_entry *e = d->list.prev;

    while (e != &d->list && e->pending)
        e = e->prev;
    if (e != &d->list)
        entry_free(e);
}

/* The entry of that name, made if need be; NULL: no memory, or it collides with one that is being asked for. */
static struct dns_entry *entry_get(struct dns *d, const char *host, size_t len) {
    uint64_t key = XXH3_64bits_withSeed(host, len, d->seed);
    struct dns_entry *e = map_get(&d->entries, key);

    if (e != NULL && strlen(e->host) == len && memcmp(e->host, host, len) == 0) {
        entry_unlink(e);
        entry_link_first(d, e);
        return e;
    }
    if (e != NULL && e->pending)
        return NULL;
    if (e != NULL)
        entry_free(e);
    if (d->entries.count >= LIMIT_DNS_NAMES)
        make_room(d);
    e = calloc(1, sizeof *e);
    if (e == NULL || !map_put(&d->entries, key, e)) {
        free(e);
        return NULL;
    }
    e->dns = d;
    e->key = key;
    memcpy(e->host, host, len);
    entry_link_first(d, e);
    return e;
}

static void query_wait(struct dns_query *q, struct dns_entry *e) {
    q->entry = e;
    q->prev = NULL;
    q->next = e->waiting;
    if (q->next != NULL)
        q->next->prev = q;
    e->waiting = q;
}

void dns_cancel(struct dns *d, struct dns_query *q) {
    (void)d;
    if (q->entry == NULL)
        return;
    if (q->prev != NULL)
        q->prev->next = q->next;
    else
        q->entry->waiting = q->next;
    if (q->next != NULL)
        q->next->prev = q->prev;
    q->entry = NULL;
    q->next = q->prev = NULL;
}

static struct dns_answer entry_answer(const struct dns_entry *e) {
    return (struct dns_answer){e->addresses, e->address_count, e->reason};
}

/* ---- c-ares -------------------------------------------------------------------------------------- */

static const char *reason_of(int status) {
    switch (status) {
    case ARES_SUCCESS:
    case ARES_ENODATA:
        return "dns-no-address";
    case ARES_ENOTFOUND:
        return "dns-no-such-name";
    case ARES_ETIMEOUT:
        return "dns-timeout";
    case ARES_ESERVFAIL:
        return "dns-server-failure";
    case ARES_EREFUSED:
        return "dns-refused";
    case ARES_ECONNREFUSED:
        return "dns-no-server";
    case ARES_EBADNAME:
    case ARES_EFORMERR:
        return "dns-bad-name";
    default:
        return "dns-failed";
    }
}

/* What is known of an address outlives the answer that it came with. */
static void keep_blame(struct dns_address *a, const struct dns_address *old, size_t old_count) {
    a->blamed_ms = 0;
    for (size_t i = 0; i < old_count; i++)
        if (old[i].len == a->len && memcmp(old[i].bytes, a->bytes, a->len) == 0)
            a->blamed_ms = old[i].blamed_ms;
}

/* Returns how long they may be used. */
static int64_t take_addresses(struct dns_entry *e, const struct ares_addrinfo *info) {
    struct dns_address old[DNS_ADDRESSES_MAX];
    size_t old_count = e->address_count;
    int64_t ttl_ms = DNS_TTL_MAX_MS;
    const struct ares_addrinfo_node *n = info->nodes;

    memcpy(old, e->addresses, old_count * sizeof old[0]);
    e->address_count = 0;
    for (; n != NULL && e->address_count < DNS_ADDRESSES_MAX; n = n->ai_next) {
        struct dns_address *a = &e->addresses[e->address_count];
        if (n->ai_family == AF_INET) {
            a->len = 4;
            memcpy(a->bytes, &((const struct sockaddr_in *)n->ai_addr)->sin_addr, 4);
        } else if (n->ai_family == AF_INET6) {
            a->len = 16;
            memcpy(a->bytes, &((const struct sockaddr_in6 *)n->ai_addr)->sin6_addr, 16);
        } else {
            continue;
        }
        keep_blame(a, old, old_count);
        e->address_count++;
        if ((int64_t)n->ai_ttl * 1000 < ttl_ms)
            ttl_ms = (int64_t)n->ai_ttl * 1000;
    }
    if (e->address_count == 0)
        return DNS_TTL_NONE_MS;
    return ttl_ms < DNS_TTL_MIN_MS ? DNS_TTL_MIN_MS : ttl_ms;
}

static void resolved(void *arg, int status, int timeouts, struct ares_addrinfo *info) {
    struct dns_entry *e = arg;
    int64_t ttl_ms = DNS_TTL_NONE_MS;
    struct dns_query *q;

    (void)timeouts;
    e->pending = false;
    e->reason = reason_of(status);
    if (status == ARES_SUCCESS && info != NULL)
        ttl_ms = take_addresses(e, info);
    else
        e->address_count = 0;
    if (e->address_count > 0)
        e->reason = NULL;
    if (info != NULL)
        ares_freeaddrinfo(info);
    e->until_ms = fence_now_ms() + ttl_ms;
    while (!e->dns->closing && (q = e->waiting) != NULL) {
        struct dns_answer answer = entry_answer(e);
        dns_cancel(e->dns, q);
        q->done(q, &answer);
    }
}

static void socket_state(void *arg, ares_socket_t fd, int readable, int writable) {
    struct dns *d = arg;
    struct epoll_event ev = {.data.u64 = (uint64_t)d->tag << 32 | (uint32_t)fd};

    if (readable)
        ev.events |= EPOLLIN;
    if (writable)
        ev.events |= EPOLLOUT;
    if (ev.events == 0)
        (void)epoll_ctl(d->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
    else if (epoll_ctl(d->epoll_fd, EPOLL_CTL_MOD, fd, &ev) != 0 && errno == ENOENT)
        (void)epoll_ctl(d->epoll_fd, EPOLL_CTL_ADD, fd, &ev);
}

struct dns *dns_new(int epoll_fd, uint32_t tag, struct error *err) {
    struct dns *d = calloc(1, sizeof *d);
    struct ares_options o = {
        .flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES,
        .timeout = TIMEOUT_MS,
        .tries = TRIES,
        .lookups = (char[]){"fb"},
        .sock_state_cb = socket_state,
        .sock_state_cb_data = d,
    };
    int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS |
               ARES_OPT_DOMAINS | ARES_OPT_SOCK_STATE_CB;

    if (d == NULL) {
        error_set(err, ENOMEM, "resolver");
        return NULL;
    }
    d->epoll_fd = epoll_fd;
    d->tag = tag;
    d->list.next = d->list.prev = &d->list;
    map_init(&d->entries);
    int rc = ares_init_options(&d->channel, &o, mask);
    if (rc != ARES_SUCCESS || getrandom(&d->seed, sizeof d->seed, 0) != sizeof d->seed) {
        error_set(err, 0, "resolver: %s", ares_strerror(rc));
        dns_free(d);
        return NULL;
    }
    return d;
}

void dns_free(struct dns *d) {
    if (d == NULL)
        return;
    d->closing = true;
    if (d->channel != NULL)
        ares_destroy(d->channel);
    while (d->list.next != &d->list)
        entry_free(d->list.next);
    map_release(&d->entries);
    free(d);
}

/* ---- looking up ---------------------------------------------------------------------------------- */

static bool literal(const char *host, size_t len, struct dns_address *a) {
    char text[INET6_ADDRSTRLEN];
    bool v6 = len > 2 && host[0] == '[' && host[len - 1] == ']';

    if (v6) {
        host++;
        len -= 2;
    }
    if (len >= sizeof text)
        return false;
    memcpy(text, host, len);
    text[len] = '\0';
    a->len = v6 ? 16 : 4;
    return inet_pton(v6 ? AF_INET6 : AF_INET, text, a->bytes) == 1;
}

/* A dot at the end says that a name is absolute (RFC 1034 §3.1). All are, here; a hosts file has none. */
static size_t without_dot(const char *host, size_t len) {
    return len > 1 && host[len - 1] == '.' ? len - 1 : len;
}

void dns_lookup(struct dns *d, struct dns_query *q, const char *host, size_t host_len,
                int64_t now_ms) {
    struct dns_address a;
    struct dns_answer answer = {&a, 1, NULL};

    if (literal(host, host_len, &a)) {
        q->done(q, &answer);
        return;
    }
    host_len = without_dot(host, host_len);
    bool bad = host_len == 0 || host_len > HOST_BYTES_MAX;
    struct dns_entry *e = bad ? NULL : entry_get(d, host, host_len);
    if (e == NULL) {
        answer = (struct dns_answer){.reason = bad ? "dns-bad-name" : "dns-failed"};
        q->done(q, &answer);
        return;
    }
    if (!e->pending && e->until_ms > now_ms) {
        answer = entry_answer(e);
        q->done(q, &answer);
        return;
    }
    query_wait(q, e);
    if (e->pending)
        return;
    struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    e->pending = true;
    ares_getaddrinfo(d->channel, e->host, NULL, &hints, resolved, e);
}

/* NULL: nothing is known of the name, or it is being asked for. */
static struct dns_entry *find_answered(const struct dns *d, const char *host, size_t host_len) {
    size_t len = without_dot(host, host_len);
    struct dns_entry *e = len > HOST_BYTES_MAX
                              ? NULL
                              : map_get(&d->entries, XXH3_64bits_withSeed(host, len, d->seed));

    return e == NULL || e->pending || strlen(e->host) != len || memcmp(e->host, host, len) != 0
               ? NULL
               : e;
}

void dns_forget(struct dns *d, const char *host, size_t host_len) {
    struct dns_entry *e = find_answered(d, host, host_len);

    if (e != NULL)
        e->until_ms = 0;
}

void dns_blame(struct dns *d, const char *host, size_t host_len, const void *address,
               size_t address_len, int64_t now_ms) {
    struct dns_entry *e = find_answered(d, host, host_len);

    for (size_t i = 0; e != NULL && i < e->address_count; i++) {
        struct dns_address *a = &e->addresses[i];
        if (a->len == address_len && memcmp(a->bytes, address, address_len) == 0)
            a->blamed_ms = now_ms;
    }
}

bool dns_recall(struct dns *d, const char *host, size_t host_len, struct dns_answer *answer) {
    struct dns_entry *e = find_answered(d, host, host_len);

    if (e == NULL)
        return false;
    *answer = entry_answer(e);
    return true;
}

void dns_socket_event(struct dns *d, int fd, uint32_t epoll_events) {
    ares_socket_t in = epoll_events & (EPOLLIN | EPOLLERR | EPOLLHUP) ? fd : ARES_SOCKET_BAD;
    ares_socket_t out = epoll_events & EPOLLOUT ? fd : ARES_SOCKET_BAD;

    ares_process_fd(d->channel, in, out);
}

int64_t dns_timeout_ms(const struct dns *d, int64_t max_ms) {
    struct timeval most = {.tv_sec = max_ms / 1000, .tv_usec = max_ms % 1000 * 1000}, tv;
    const struct timeval *t = ares_timeout(d->channel, &most, &tv);

    return (int64_t)t->tv_sec * 1000 + (t->tv_usec + 999) / 1000;
}

void dns_tick(struct dns *d) {
    ares_process_fd(d->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}
