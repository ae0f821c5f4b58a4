#include "worker/address_choice.h"

#include <netinet/in.h>
#include <string.h>

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

static bool is_allowed(const struct dns_address *a, const struct address_wish *wish,
                       const char **why_not) {
    struct sockaddr_storage to;

    to_sockaddr(a, &to);
    if (netaddr_allowed(wish->policy, (struct sockaddr *)&to))
        return true;
    *why_not = netaddr_reason((struct sockaddr *)&to);
    return false;
}

static bool is_had(const struct dns_address *a, const struct address_wish *wish) {
    return a->len == wish->had_len && memcmp(a->bytes, wish->had, a->len) == 0;
}

static bool is_blamed(const struct dns_address *a, int64_t now_ms) {
    return a->blamed_ms != 0 && now_ms - a->blamed_ms < DNS_BLAME_MS;
}

/* The family of the one that was blamed last; 0: none is. */
static uint8_t blamed_family(const struct dns_answer *answer, int64_t now_ms) {
    const struct dns_address *last = NULL;

    for (size_t i = 0; i < answer->count; i++) {
        const struct dns_address *a = &answer->addresses[i];
        if (is_blamed(a, now_ms) && (last == NULL || a->blamed_ms > last->blamed_ms))
            last = a;
    }
    return last == NULL ? 0 : last->len;
}

const struct dns_address *address_choose(const struct dns_answer *answer,
                                         const struct address_wish *wish, int64_t now_ms,
                                         const char **why_not) {
    const struct dns_address *first = NULL, *other = NULL, *oldest = NULL;
    uint8_t dead = blamed_family(answer, now_ms);

    for (size_t i = 0; i < answer->count; i++) {
        const struct dns_address *a = &answer->addresses[i];
        if (!is_allowed(a, wish, why_not))
            continue;
        if (is_blamed(a, now_ms)) {
            if (oldest == NULL || a->blamed_ms < oldest->blamed_ms)
                oldest = a;
            continue;
        }
        if (is_had(a, wish))
            return a;
        if (first == NULL)
            first = a;
        if (other == NULL && dead != 0 && a->len != dead)
            other = a;
    }
    return other != NULL ? other : first != NULL ? first : oldest;
}

bool address_has_other(const struct dns_answer *answer, const struct address_wish *wish,
                       int64_t now_ms) {
    const char *why_not;

    for (size_t i = 0; i < answer->count; i++) {
        const struct dns_address *a = &answer->addresses[i];
        if (!is_had(a, wish) && !is_blamed(a, now_ms) && is_allowed(a, wish, &why_not))
            return true;
    }
    return false;
}
