#include "shared/netaddr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

/* The top of every IPv4 address in its mapped form. */
enum { MAPPED_BITS = 96 };
#define MAPPED UINT64_C(0xffff00000000)

#define V4(a, b, c, d)                                                                             \
    0, MAPPED | UINT64_C(a) << 24 | UINT64_C(b) << 16 | UINT64_C(c) << 8 | UINT64_C(d)
#define V6(a, b, c, d) UINT64_C(a) << 48 | UINT64_C(b) << 32 | UINT64_C(c) << 16 | UINT64_C(d), 0

struct special {
    struct netaddr_cidr cidr;
    const char *reason; /* NULL: globally reachable all the same */
};

/* The first that holds an address decides: the smaller ones come before those they lie in. */
static const struct special registry[] = {
    {{V4(0, 0, 0, 0), 96 + 8}, "this network (0.0.0.0/8)"},
    {{V4(10, 0, 0, 0), 96 + 8}, "private use (10.0.0.0/8)"},
    {{V4(100, 64, 0, 0), 96 + 10}, "shared address space (100.64.0.0/10)"},
    {{V4(127, 0, 0, 0), 96 + 8}, "loopback (127.0.0.0/8)"},
    {{V4(169, 254, 0, 0), 96 + 16}, "link local (169.254.0.0/16)"},
    {{V4(172, 16, 0, 0), 96 + 12}, "private use (172.16.0.0/12)"},
    {{V4(192, 0, 0, 9), 96 + 32}, NULL},  /* Port Control Protocol anycast */
    {{V4(192, 0, 0, 10), 96 + 32}, NULL}, /* TURN anycast */
    {{V4(192, 0, 0, 0), 96 + 24}, "IETF protocol assignments (192.0.0.0/24)"},
    {{V4(192, 0, 2, 0), 96 + 24}, "documentation (192.0.2.0/24)"},
    {{V4(192, 88, 99, 0), 96 + 24}, "deprecated 6to4 relay anycast (192.88.99.0/24)"},
    {{V4(192, 168, 0, 0), 96 + 16}, "private use (192.168.0.0/16)"},
    {{V4(198, 18, 0, 0), 96 + 15}, "benchmarking (198.18.0.0/15)"},
    {{V4(198, 51, 100, 0), 96 + 24}, "documentation (198.51.100.0/24)"},
    {{V4(203, 0, 113, 0), 96 + 24}, "documentation (203.0.113.0/24)"},
    {{V4(224, 0, 0, 0), 96 + 4}, "multicast (224.0.0.0/4)"},
    {{V4(255, 255, 255, 255), 96 + 32}, "limited broadcast (255.255.255.255/32)"},
    {{V4(240, 0, 0, 0), 96 + 4}, "reserved (240.0.0.0/4)"},
    {{V4(0, 0, 0, 0), 96}, NULL},

    {{0, 0, 128}, "unspecified address (::/128)"},
    {{0, 1, 128}, "loopback (::1/128)"},
    {{0, 0, 96}, "IPv4-compatible (::/96)"},
    {{V6(0x64, 0xff9b, 1, 0), 48}, "local IPv4/IPv6 translation (64:ff9b:1::/48)"},
    {{V6(0x100, 0, 0, 0), 64}, "discard only (100::/64)"},
    {{V6(0x100, 0, 0, 1), 64}, "dummy prefix (100:0:0:1::/64)"},
    {{V6(0x2001, 0, 0, 0), 32}, "Teredo (2001::/32)"},
    {{UINT64_C(0x2001000100000000), 1, 128}, NULL}, /* Port Control Protocol anycast */
    {{UINT64_C(0x2001000100000000), 2, 128}, NULL}, /* TURN anycast */
    {{UINT64_C(0x2001000100000000), 3, 128}, NULL}, /* DNS-SD service registration anycast */
    {{V6(0x2001, 2, 0, 0), 48}, "benchmarking (2001:2::/48)"},
    {{V6(0x2001, 3, 0, 0), 32}, NULL},     /* AMT */
    {{V6(0x2001, 4, 0x112, 0), 48}, NULL}, /* AS112 */
    {{V6(0x2001, 0x10, 0, 0), 28}, "deprecated ORCHID (2001:10::/28)"},
    {{V6(0x2001, 0x20, 0, 0), 28}, NULL}, /* ORCHIDv2 */
    {{V6(0x2001, 0x30, 0, 0), 28}, NULL}, /* drone remote identification */
    {{V6(0x2001, 0, 0, 0), 23}, "IETF protocol assignments (2001::/23)"},
    {{V6(0x2001, 0xdb8, 0, 0), 32}, "documentation (2001:db8::/32)"},
    {{V6(0x2002, 0, 0, 0), 16}, "6to4 (2002::/16)"},
    {{V6(0x3fff, 0, 0, 0), 20}, "documentation (3fff::/20)"},
    {{V6(0x2000, 0, 0, 0), 3}, NULL}, /* global unicast */
    {{V6(0x5f00, 0, 0, 0), 16}, "segment routing (5f00::/16)"},
    {{V6(0xfc00, 0, 0, 0), 7}, "unique local (fc00::/7)"},
    {{V6(0xfe80, 0, 0, 0), 10}, "link local (fe80::/10)"},
    {{V6(0xfec0, 0, 0, 0), 10}, "deprecated site local (fec0::/10)"},
    {{V6(0xff00, 0, 0, 0), 8}, "multicast (ff00::/8)"},
    {{0, 0, 0}, "not allocated (outside 2000::/3)"},
};

static const struct netaddr_cidr translated = {V6(0x64, 0xff9b, 0, 0), 96};

/* ---- Networks ---------------------------------------------------------------------------------- */

static uint64_t mask_of(unsigned bits) {
    return bits == 0 ? 0 : UINT64_MAX << (64 - bits);
}

static struct netaddr_cidr network_of(struct netaddr_cidr c) {
    c.high &= mask_of(c.prefix_bits < 64 ? c.prefix_bits : 64);
    c.low &= mask_of(c.prefix_bits < 64 ? 0 : c.prefix_bits - 64);
    return c;
}

static bool is_mapped(const struct netaddr_cidr *address) {
    return address->high == 0 && address->low >> 32 == MAPPED >> 32;
}

/* A network of IPv6 that is larger than all of IPv4 is meant for IPv6. */
static bool holds(const struct netaddr_cidr *network, const struct netaddr_cidr *address) {
    struct netaddr_cidr a = *address;

    if (network->prefix_bits < MAPPED_BITS && is_mapped(address))
        return false;
    a.prefix_bits = network->prefix_bits;
    a = network_of(a);
    return a.high == network->high && a.low == network->low;
}

static uint64_t read_64(const unsigned char *p) {
    uint64_t n = 0;

    for (int i = 0; i < 8; i++)
        n = n << 8 | p[i];
    return n;
}

static struct netaddr_cidr from_v4(struct in_addr a) {
    return (struct netaddr_cidr){0, MAPPED | ntohl(a.s_addr), 128};
}

static struct netaddr_cidr from_v6(const struct in6_addr *a) {
    return (struct netaddr_cidr){read_64(a->s6_addr), read_64(a->s6_addr + 8), 128};
}

/* The address to judge: for a translated one, that of IPv4. False: not an IP address. */
static bool read_address(const struct sockaddr *address, struct netaddr_cidr *to) {
    if (address->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, address, sizeof in);
        *to = from_v4(in.sin_addr);
    } else if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 in;
        memcpy(&in, address, sizeof in);
        *to = from_v6(&in.sin6_addr);
    } else {
        return false;
    }
    if (holds(&translated, to))
        *to = (struct netaddr_cidr){0, MAPPED | (to->low & UINT32_MAX), 128};
    return true;
}

static const char *reason_of(const struct netaddr_cidr *address) {
    size_t i = 0;

    /* An IPv4 address is found at the latest in the entry for all of them, any other in the last. */
    while (!holds(&registry[i].cidr, address))
        i++;
    return registry[i].reason;
}

/* ---- Policy ------------------------------------------------------------------------------------ */

void netaddr_policy_init(struct netaddr_policy *p) {
    *p = (struct netaddr_policy){.count = 0};
}

void netaddr_policy_release(struct netaddr_policy *p) {
    free(p->cidrs);
    netaddr_policy_init(p);
}

/* Digits only; -1: not a number up to `max`. */
static int read_prefix(const char *s, int max) {
    int n = 0;

    if (*s == '\0')
        return -1;
    for (; *s >= '0' && *s <= '9' && n <= max; s++)
        n = n * 10 + (*s - '0');
    return *s == '\0' && n <= max ? n : -1;
}

static bool read_cidr(const char *text, struct netaddr_cidr *to) {
    char address[INET6_ADDRSTRLEN];
    const char *slash = strchr(text, '/');
    size_t len = slash != NULL ? (size_t)(slash - text) : strlen(text);
    struct in_addr v4;
    struct in6_addr v6;

    if (len >= sizeof address)
        return false;
    memcpy(address, text, len);
    address[len] = '\0';

    bool is_v4 = inet_pton(AF_INET, address, &v4) == 1;
    if (!is_v4 && inet_pton(AF_INET6, address, &v6) != 1)
        return false;
    *to = is_v4 ? from_v4(v4) : from_v6(&v6);
    if (slash == NULL)
        return true;
    int bits = read_prefix(slash + 1, is_v4 ? 32 : 128);
    if (bits < 0)
        return false;
    to->prefix_bits = (unsigned)bits + (is_v4 ? MAPPED_BITS : 0);
    return true;
}

bool netaddr_policy_allow(struct netaddr_policy *p, const char *cidr, struct error *err) {
    struct netaddr_cidr c;

    if (!read_cidr(cidr, &c)) {
        error_set(err, 0, "'%.100s' is not a network: give " NETADDR_CIDR_ACCEPTED, cidr);
        return false;
    }
    struct netaddr_cidr network = network_of(c);
    if (network.high != c.high || network.low != c.low) {
        error_set(err, 0,
                  "'%.100s' has address bits behind its prefix: give a network's first address,"
                  " or one address without a prefix",
                  cidr);
        return false;
    }
    if (p->count == NETADDR_CIDRS_MAX) {
        error_set(err, 0, "more than %d networks", NETADDR_CIDRS_MAX);
        return false;
    }
    struct netaddr_cidr *cidrs = realloc(p->cidrs, (p->count + 1) * sizeof *cidrs);
    if (cidrs == NULL) {
        error_set(err, ENOMEM, "network '%.100s'", cidr);
        return false;
    }
    p->cidrs = cidrs;
    cidrs[p->count++] = c;
    return true;
}

bool netaddr_allowed(const struct netaddr_policy *p, const struct sockaddr *address) {
    struct netaddr_cidr a;

    if (!read_address(address, &a))
        return false;
    for (size_t i = 0; i < p->count; i++) {
        if (holds(&p->cidrs[i], &a))
            return true;
    }
    return reason_of(&a) == NULL;
}

const char *netaddr_reason(const struct sockaddr *address) {
    struct netaddr_cidr a;

    return read_address(address, &a) ? reason_of(&a) : "not an IP address";
}

/* ---- Ports ------------------------------------------------------------------------------------- */

static int by_number(const void *a, const void *b) {
    return (int)*(const uint16_t *)a - (int)*(const uint16_t *)b;
}

bool netaddr_port_allowed(uint16_t port) {
    static const uint16_t bad[] = {
        0,    1,    7,    9,    11,   13,   15,   17,   19,   20,   21,   22,   23,    25,
        37,   42,   43,   53,   69,   77,   79,   87,   95,   101,  102,  103,  104,   109,
        110,  111,  113,  115,  117,  119,  123,  135,  137,  139,  143,  161,  179,   389,
        427,  465,  512,  513,  514,  515,  526,  530,  531,  532,  540,  548,  554,   556,
        563,  587,  601,  636,  989,  990,  993,  995,  1719, 1720, 1723, 2049, 3659,  4045,
        4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
    };

    return bsearch(&port, bad, sizeof bad / sizeof *bad, sizeof *bad, by_number) == NULL;
}
