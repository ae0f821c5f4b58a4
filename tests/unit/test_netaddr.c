/* netaddr: the special-purpose registries, allowed networks, embedded IPv4, bad ports. */
#include "shared/netaddr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

static const struct netaddr_policy nothing_more;

static const struct sockaddr *address(const char *text) {
    static union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } u;

    memset(&u, 0, sizeof u);
    if (strchr(text, ':') != NULL) {
        u.v6.sin6_family = AF_INET6;
        assert_int_equal(inet_pton(AF_INET6, text, &u.v6.sin6_addr), 1);
    } else {
        u.v4.sin_family = AF_INET;
        assert_int_equal(inet_pton(AF_INET, text, &u.v4.sin_addr), 1);
    }
    return &u.any;
}

static void assert_public(const char *text) {
    if (!netaddr_allowed(&nothing_more, address(text)))
        fail_msg("%s is refused: %s", text, netaddr_reason(address(text)));
    assert_null(netaddr_reason(address(text)));
}

static void assert_refused(const char *text, const char *reason) {
    if (netaddr_allowed(&nothing_more, address(text)))
        fail_msg("%s is allowed", text);
    const char *why = netaddr_reason(address(text));
    assert_non_null(why);
    if (strstr(why, reason) == NULL)
        fail_msg("%s is refused because of %s, not of %s", text, why, reason);
}

/* First and last address of a network are refused, and those beside it are not. */
struct edges {
    const char *before, *first, *last, *after, *reason;
};

static void assert_edges(const struct edges *e) {
    if (e->before != NULL)
        assert_public(e->before);
    assert_refused(e->first, e->reason);
    assert_refused(e->last, e->reason);
    if (e->after != NULL)
        assert_public(e->after);
}

static void ipv4_registry(void **state) {
    static const struct edges edges[] = {
        {NULL, "0.0.0.0", "0.255.255.255", "1.0.0.0", "this network"},
        {"9.255.255.255", "10.0.0.0", "10.255.255.255", "11.0.0.0", "private"},
        {"100.63.255.255", "100.64.0.0", "100.127.255.255", "100.128.0.0", "shared"},
        {"126.255.255.255", "127.0.0.0", "127.255.255.255", "128.0.0.0", "loopback"},
        {"169.253.255.255", "169.254.0.0", "169.254.255.255", "169.255.0.0", "link local"},
        {"172.15.255.255", "172.16.0.0", "172.31.255.255", "172.32.0.0", "private"},
        {"191.255.255.255", "192.0.0.0", "192.0.0.255", "192.0.1.0", "IETF"},
        {"192.0.1.255", "192.0.2.0", "192.0.2.255", "192.0.3.0", "documentation"},
        {"192.88.98.255", "192.88.99.0", "192.88.99.255", "192.88.100.0", "6to4"},
        {"192.167.255.255", "192.168.0.0", "192.168.255.255", "192.169.0.0", "private"},
        {"198.17.255.255", "198.18.0.0", "198.19.255.255", "198.20.0.0", "benchmarking"},
        {"198.51.99.255", "198.51.100.0", "198.51.100.255", "198.51.101.0", "documentation"},
        {"203.0.112.255", "203.0.113.0", "203.0.113.255", "203.0.114.0", "documentation"},
        {"223.255.255.255", "224.0.0.0", "239.255.255.255", NULL, "multicast"},
        {NULL, "240.0.0.0", "255.255.255.254", NULL, "reserved"},
        {NULL, "255.255.255.255", "255.255.255.255", NULL, "broadcast"},
    };
    (void)state;

    for (size_t i = 0; i < sizeof edges / sizeof *edges; i++)
        assert_edges(&edges[i]);
    assert_public("8.8.8.8");
    assert_public("192.0.0.9");
    assert_public("192.0.0.10");
    assert_public("192.31.196.1");
    assert_public("192.52.193.1");
    assert_public("192.175.48.1");
}

static void ipv6_registry(void **state) {
    static const struct edges edges[] = {
        {NULL, "::", "::", NULL, "unspecified"},
        {NULL, "::1", "::1", NULL, "loopback"},
        {NULL, "::2", "::255.255.255.255", NULL, "IPv4-compatible"},
        {NULL, "::1:0:0", "::fffe:ffff:ffff", NULL, "not allocated"},
        {NULL, "::ffff:0:0:0", "64:ff9a:ffff::", NULL, "not allocated"},
        {NULL, "64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", NULL, "translation"},
        {NULL, "64:ff9b:2::", "64:ff9c::", NULL, "not allocated"},
        {NULL, "100::", "100::ffff:ffff:ffff:ffff", NULL, "discard"},
        {NULL, "100:0:0:1::", "100::1:ffff:ffff:ffff:ffff", NULL, "dummy"},
        {NULL, "100:0:0:2::", "1fff:ffff::", "2000::", "not allocated"},
        {"2000:ffff::", "2001::", "2001:0:ffff::", NULL, "Teredo"},
        {NULL, "2001:1::", "2001:1::", "2001:1::1", "IETF"},
        {"2001:1::3", "2001:1::4", "2001:1:ffff::", NULL, "IETF"},
        {NULL, "2001:2::", "2001:2:0:ffff::", NULL, "benchmarking"},
        {"2001:3:ffff::", "2001:4::", "2001:4:111::", "2001:4:112::", "IETF"},
        {NULL, "2001:10::", "2001:1f:ffff::", "2001:20::", "ORCHID"},
        {"2001:3f:ffff::", "2001:40::", "2001:1ff:ffff::", "2001:200::", "IETF"},
        {"2001:db7:ffff::", "2001:db8::", "2001:db8:ffff::", "2001:db9::", "documentation"},
        {"2001:ffff::", "2002::", "2002:ffff::", "2003::", "6to4"},
        {"3ffe:ffff::", "3fff::", "3fff:fff::", "3fff:1000::", "documentation"},
        {"3fff:ffff::", "4000::", "5eff:ffff::", NULL, "not allocated"},
        {NULL, "5f00::", "5f00:ffff::", NULL, "segment routing"},
        {NULL, "5f01::", "fbff:ffff::", NULL, "not allocated"},
        {NULL, "fc00::", "fdff:ffff::", NULL, "unique local"},
        {NULL, "fe00::", "fe7f:ffff::", NULL, "not allocated"},
        {NULL, "fe80::", "febf:ffff::", NULL, "link local"},
        {NULL, "fec0::", "feff:ffff::", NULL, "site local"},
        {NULL, "ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL, "multicast"},
    };
    (void)state;

    for (size_t i = 0; i < sizeof edges / sizeof *edges; i++)
        assert_edges(&edges[i]);
    assert_public("2a00:1450:4001:830::200e");
    assert_public("2620:4f:8000::1");
}

static void embedded_ipv4(void **state) {
    (void)state;
    assert_public("::ffff:8.8.8.8");
    assert_refused("::ffff:127.0.0.1", "loopback");
    assert_refused("::ffff:0.0.0.0", "this network");
    assert_refused("::ffff:255.255.255.255", "broadcast");
    assert_refused("::ffff:169.254.169.254", "link local");
    assert_public("64:ff9b::8.8.8.8");
    assert_refused("64:ff9b::10.0.0.1", "private");
    assert_refused("64:ff9b::1:8.8.8.8", "not allocated");
    assert_refused("::8.8.8.8", "IPv4-compatible");
    assert_refused("2002:0808:0808::", "6to4");
}

static void other_families(void **state) {
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct sockaddr any;
    (void)state;

    memcpy(&any, &un, sizeof any);
    assert_false(netaddr_allowed(&nothing_more, &any));
    assert_string_equal(netaddr_reason(&any), "not an IP address");
}

static void allows(struct netaddr_policy *p, const char *cidr) {
    struct error err;

    if (!netaddr_policy_allow(p, cidr, &err))
        fail_msg("%s", err.text);
}

static void allowed_networks(void **state) {
    struct netaddr_policy p;
    (void)state;

    netaddr_policy_init(&p);
    allows(&p, "127.0.0.0/8");
    allows(&p, "fd00:1::/32");
    allows(&p, "192.168.1.7");
    allows(&p, "::1");
    assert_true(netaddr_allowed(&p, address("127.1.2.3")));
    assert_true(netaddr_allowed(&p, address("::ffff:127.1.2.3")));
    assert_true(netaddr_allowed(&p, address("64:ff9b::127.1.2.3")));
    assert_false(netaddr_allowed(&p, address("::127.1.2.3")));
    assert_true(netaddr_allowed(&p, address("fd00:1:ffff::")));
    assert_false(netaddr_allowed(&p, address("fd00:2::")));
    assert_true(netaddr_allowed(&p, address("192.168.1.7")));
    assert_false(netaddr_allowed(&p, address("192.168.1.8")));
    assert_true(netaddr_allowed(&p, address("::1")));
    assert_false(netaddr_allowed(&p, address("::2")));
    assert_true(netaddr_allowed(&p, address("8.8.8.8")));
    assert_false(netaddr_allowed(&p, address("10.0.0.1")));
    netaddr_policy_release(&p);

    allows(&p, "0.0.0.0/0");
    assert_true(netaddr_allowed(&p, address("10.0.0.1")));
    assert_false(netaddr_allowed(&p, address("::1")));
    netaddr_policy_release(&p);

    allows(&p, "::/0");
    assert_true(netaddr_allowed(&p, address("::1")));
    assert_false(netaddr_allowed(&p, address("10.0.0.1")));
    assert_false(netaddr_allowed(&p, address("::ffff:10.0.0.1")));
    netaddr_policy_release(&p);

    allows(&p, "::ffff:10.0.0.0/104");
    assert_true(netaddr_allowed(&p, address("10.0.0.1")));
    netaddr_policy_release(&p);
}

static void refuses_what_is_no_network(void **state) {
    static const char *const wrong[] = {
        "",
        "/",
        "/8",
        "10.0.0.0/",
        "10.0.0.0/33",
        "10.0.0.0/-1",
        "10.0.0.0/8x",
        "10.0.0/8",
        "10/8",
        "::1/129",
        "::/999999999999999999",
        "10.0.0.0/ 8",
        " 10.0.0.0/8",
        "localhost",
        "fe80::1%lo",
        "[::1]",
        "0x7f.0.0.1",
        "10.0.0.0/8/8",
        "1:2:3:4:5:6:7:8:9",
        "10.0.0.0/+8",
        "1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111/1",
    };
    struct netaddr_policy p;
    struct error err;
    (void)state;

    netaddr_policy_init(&p);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_false(netaddr_policy_allow(&p, wrong[i], &err));
        assert_non_null(strstr(err.text, NETADDR_CIDR_ACCEPTED));
    }
    assert_false(netaddr_policy_allow(&p, "10.0.0.1/8", &err));
    assert_non_null(strstr(err.text, "behind its prefix"));
    assert_false(netaddr_policy_allow(&p, "fd00::1/64", NULL));
    assert_int_equal(p.count, 0);
    for (int i = 0; i < NETADDR_CIDRS_MAX; i++)
        allows(&p, "127.0.0.0/8");
    assert_false(netaddr_policy_allow(&p, "127.0.0.0/8", &err));
    netaddr_policy_release(&p);
}

static void ports(void **state) {
    size_t refused = 0;
    (void)state;

    for (uint32_t port = 0; port <= UINT16_MAX; port++)
        refused += !netaddr_port_allowed((uint16_t)port);
    assert_int_equal(refused, 83);
    static const uint16_t bad[] = {0, 1, 22, 25, 53, 110, 143, 6000, 6667, 10080};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(netaddr_port_allowed(bad[i]));
    static const uint16_t good[] = {2, 80, 443, 3000, 5000, 6001, 8000, 8080, 8443, 65535};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(netaddr_port_allowed(good[i]));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ipv4_registry),
        cmocka_unit_test(ipv6_registry),
        cmocka_unit_test(embedded_ipv4),
        cmocka_unit_test(other_families),
        cmocka_unit_test(allowed_networks),
        cmocka_unit_test(refuses_what_is_no_network),
        cmocka_unit_test(ports),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
