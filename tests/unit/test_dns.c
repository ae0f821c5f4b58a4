/* dns: literals, the hosts file, and names that nobody needs to be asked about. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <cmocka.h>

#include "worker/dns.h"
#include "worker/fence.h"

struct seen {
    struct dns_query query;
    unsigned calls;
    struct dns_address first;
    size_t count;
    const char *reason;
};

static void done(struct dns_query *q, const struct dns_answer *answer) {
    struct seen *s = (struct seen *)q;

    s->calls++;
    s->count = answer->count;
    s->reason = answer->reason;
    if (answer->count > 0)
        s->first = answer->addresses[0];
}

static struct seen look(struct dns *d, const char *host) {
    struct seen s = {.query.done = done};

    dns_lookup(d, &s.query, host, strlen(host), fence_now_ms());
    assert_int_equal(s.calls, 1);
    assert_null(s.query.entry);
    return s;
}

static void test_literals(void **state) {
    int epoll_fd = epoll_create1(0);
    struct dns *d = dns_new(epoll_fd, 7, NULL);

    (void)state;
    assert_non_null(d);
    struct seen s = look(d, "192.0.2.7");
    assert_int_equal(s.count, 1);
    assert_int_equal(s.first.len, 4);
    assert_memory_equal(s.first.bytes, "\xc0\x00\x02\x07", 4);
    s = look(d, "[2001:db8::1]");
    assert_int_equal(s.count, 1);
    assert_int_equal(s.first.len, 16);
    assert_memory_equal(s.first.bytes, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01", 16);
    s = look(d, "");
    assert_int_equal(s.count, 0);
    assert_string_equal(s.reason, "dns-bad-name");
    char longest[400];
    memset(longest, 'a', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    s = look(d, longest);
    assert_string_equal(s.reason, "dns-bad-name");
    dns_free(d);
    close(epoll_fd);
}

/* Answered from the hosts file, within the call; then from the cache. */
static void test_hosts(void **state) {
    int epoll_fd = epoll_create1(0);
    struct dns *d = dns_new(epoll_fd, 7, NULL);

    (void)state;
    for (int i = 0; i < 3; i++) {
        struct seen s = look(d, "localhost");
        assert_true(s.count >= 1);
        assert_true(s.first.len == 4 || s.first.len == 16);
        assert_null(s.reason);
        if (i == 1)
            dns_forget(d, "localhost", 9);
        assert_true(look(d, "localhost.").count >= 1); /* an absolute name, as all are */
    }
    dns_forget(d, "unknown.example", 15);
    assert_true(dns_timeout_ms(d, 1234) <= 1234);
    dns_tick(d);
    dns_free(d);
    close(epoll_fd);
}

/* An address where nobody answers stays marked when its name is asked for again, and no other. */
static void test_blame(void **state) {
    int epoll_fd = epoll_create1(0);
    struct dns *d = dns_new(epoll_fd, 7, NULL);
    struct dns_answer answer;

    (void)state;
    assert_false(dns_recall(d, "localhost", 9, &answer));
    struct seen s = look(d, "localhost");
    dns_blame(d, "localhost", 9, s.first.bytes, s.first.len, 77);
    dns_blame(d, "localhost", 9, "\1\2\3\4", 4, 78);
    dns_blame(d, "unknown.example", 15, "\1\2\3\4", 4, 78);
    dns_forget(d, "localhost", 9);
    (void)look(d, "localhost");
    assert_true(dns_recall(d, "localhost.", 10, &answer));
    for (size_t i = 0; i < answer.count; i++) {
        const struct dns_address *a = &answer.addresses[i];
        bool blamed = a->len == s.first.len && memcmp(a->bytes, s.first.bytes, a->len) == 0;
        assert_int_equal(a->blamed_ms, blamed ? 77 : 0);
    }
    dns_free(d);
    close(epoll_fd);
}

/* Cancelled, and freed with lookups under way: nobody is called. */
static void test_cancel(void **state) {
    int epoll_fd = epoll_create1(0);
    struct dns *d = dns_new(epoll_fd, 7, NULL);
    struct seen a = {.query.done = done}, b = a, c = a;

    (void)state;
    dns_lookup(d, &a.query, "a.invalid", 9, fence_now_ms());
    dns_lookup(d, &b.query, "a.invalid", 9, fence_now_ms());
    dns_lookup(d, &c.query, "b.invalid", 9, fence_now_ms());
    if (a.calls + b.calls + c.calls == 0) { /* there may be no server to ask */
        dns_cancel(d, &a.query);
        dns_cancel(d, &a.query);
        assert_null(a.query.entry);
        dns_free(d);
        assert_int_equal(a.calls + b.calls + c.calls, 0);
    } else {
        dns_free(d);
    }
    close(epoll_fd);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_literals),
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_blame),
        cmocka_unit_test(test_cancel),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
