/* sockets: whose connection it is, by its ports. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "worker/sockets.h"

struct rig {
    struct netaddr_policy policy;
    struct sockets *sockets;
    int listeners[2]; /* at 127.0.0.1 and 127.0.0.2, same port */
    uint16_t port;
};

static struct sockaddr_in at(unsigned last_byte, uint16_t port) {
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons(port),
                                .sin_addr.s_addr = htonl(0x7f000000 + last_byte)};
}

static uint16_t local_port(int fd) {
    struct sockaddr_in a;
    socklen_t len = sizeof a;

    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    return ntohs(a.sin_port);
}

static void begin(struct rig *r) {
    r->port = 0;
    for (unsigned i = 0; i < 2; i++) {
        struct sockaddr_in a = at(i + 1, r->port);
        r->listeners[i] = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(bind(r->listeners[i], (struct sockaddr *)&a, sizeof a), 0);
        assert_int_equal(listen(r->listeners[i], 16), 0);
        r->port = local_port(r->listeners[i]);
    }
    netaddr_policy_init(&r->policy);
    assert_true(netaddr_policy_allow(&r->policy, "127.0.0.0/8", NULL));
    r->sockets = sockets_new(8, NULL);
    assert_non_null(r->sockets);
    sockets_set_policy(r->sockets, &r->policy);
}

static void end(struct rig *r) {
    sockets_free(r->sockets);
    netaddr_policy_release(&r->policy);
    for (unsigned i = 0; i < 2; i++)
        close(r->listeners[i]);
}

static struct sockets_group group(unsigned last_byte) {
    return (struct sockets_group){.deadline_ms = fence_now_ms() + 60000,
                                  .address = {127, 0, 0, (uint8_t)last_byte},
                                  .address_len = 4};
}

static int opened(struct rig *r, struct sockets_group *g) {
    struct sockaddr_in to = at(g->address[3], r->port);
    enum sockets_refusal refusal;
    int fd = sockets_open(r->sockets, g, (struct sockaddr *)&to, SOCK_STREAM, 0, &refusal);

    assert_true(fd >= 0);
    return fd;
}

/* From the given local port; 0: any. */
static uint16_t connected(struct rig *r, const struct sockets_group *g, int fd, uint16_t from) {
    struct sockaddr_in to = at(g->address[3], r->port), local = at(1, from);
    int on = 1;

    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), 0);
    if (from != 0)
        assert_int_equal(bind(fd, (struct sockaddr *)&local, sizeof local), 0);
    (void)connect(fd, (struct sockaddr *)&to, sizeof to); /* under way is enough */
    return local_port(fd);
}

static bool has_any(const struct sockets_group *g) {
    return g->first != NULL;
}

/* A later visit of the origin uses the connection again: it belongs to that one from then on. */
static void test_adopted(void **state) {
    struct sockets_group first = group(1), second = group(1);
    struct rig r;

    (void)state;
    begin(&r);
    int other = opened(&r, &first), fd = opened(&r, &first);
    uint16_t port = connected(&r, &first, fd, 0);
    assert_false(sockets_adopt(r.sockets, &first, port, r.port).shut);
    assert_false(has_any(&second));
    assert_false(sockets_adopt(r.sockets, &second, port, r.port).shut);
    assert_true(has_any(&second));
    sockets_shut(r.sockets, &first);
    assert_true(has_any(&first)); /* the one that is not connected */
    assert_int_equal(sockets_close(r.sockets, other), 0);
    assert_false(has_any(&first));
    assert_int_equal(sockets_close(r.sockets, fd), 0);
    assert_false(has_any(&second));
    end(&r);
}

/* Its visit is gone, and has shut it. */
static void test_shut(void **state) {
    struct sockets_group first = group(1), second = group(1);
    struct rig r;

    (void)state;
    begin(&r);
    int fd = opened(&r, &first);
    uint16_t port = connected(&r, &first, fd, 0);
    assert_false(sockets_adopt(r.sockets, &first, port, r.port).shut);
    sockets_detach(r.sockets, &first);
    assert_true(sockets_adopt(r.sockets, &second, port, r.port).shut);
    assert_int_equal(sockets_close(r.sockets, fd), 0);
    assert_false(sockets_adopt(r.sockets, &second, port, r.port).shut); /* nothing is known of it */
    end(&r);
}

/* Two servers, reached from the same port to the same port: the address tells them apart. */
static void test_same_ports(void **state) {
    struct sockets_group one = group(1), two = group(2), later = group(2);
    struct rig r;

    (void)state;
    begin(&r);
    int fd = opened(&r, &one);
    uint16_t port = connected(&r, &one, fd, 0);
    assert_false(sockets_adopt(r.sockets, &one, port, r.port).shut);
    sockets_detach(r.sockets, &one);
    int fd2 = opened(&r, &two);
    assert_int_equal(connected(&r, &two, fd2, port), port);
    /* Not taken for the one that is shut. */
    assert_false(sockets_adopt(r.sockets, &two, port, r.port).shut);
    assert_false(sockets_adopt(r.sockets, &later, port, r.port).shut);
    assert_false(has_any(&two));
    assert_true(has_any(&later));
    assert_int_equal(sockets_close(r.sockets, fd), 0);
    assert_false(sockets_adopt(r.sockets, &two, port, r.port).shut);
    assert_true(has_any(&two));
    assert_int_equal(sockets_close(r.sockets, fd2), 0);
    end(&r);
}

static bool usable(int fd) {
    return send(fd, "x", 1, MSG_NOSIGNAL) == 1;
}

/* curl has closed one before it connected, and said nothing; another thread's socket has its number. */
static void test_lost(void **state) {
    struct sockets_group g = group(1);
    struct rig r;
    int pair[2];

    (void)state;
    begin(&r);
    int fd = opened(&r, &g), other = opened(&r, &g);
    assert_false(sockets_forget_lost(r.sockets, fd));
    assert_int_equal(close(fd), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(pair[0], fd); /* the lowest that is free */
    sockets_shut(r.sockets, &g);
    assert_true(usable(pair[0]));
    assert_true(sockets_forget_lost(r.sockets, fd));
    assert_false(sockets_forget_lost(r.sockets, fd));
    assert_false(sockets_forget_lost(r.sockets, other));
    assert_int_equal(sockets_close(r.sockets, other), 0);
    assert_false(has_any(&g));
    assert_true(usable(pair[0]));
    close(pair[0]);
    close(pair[1]);
    end(&r);
}

/* The same, and the number comes back with the next connection: what was due for the first does not end the second. */
static void test_lost_namesake(void **state) {
    struct sockets_group first = group(1), second = group(1);
    struct rig r;

    (void)state;
    begin(&r);
    first.deadline_ms = fence_now_ms() + 30;
    int fd = opened(&r, &first);
    assert_int_equal(close(fd), 0);
    assert_int_equal(opened(&r, &second), fd);
    assert_false(has_any(&first));
    uint16_t port = connected(&r, &second, fd, 0);
    struct pollfd writable = {.fd = fd, .events = POLLOUT};
    assert_int_equal(poll(&writable, 1, 5000), 1);
    assert_false(sockets_adopt(r.sockets, &second, port, r.port).shut);
    while (fence_now_ms() <= first.deadline_ms)
        (void)poll(NULL, 0, 1);
    assert_true(usable(fd));
    sockets_shut(r.sockets, &first);
    assert_true(usable(fd));
    sockets_shut(r.sockets, &second);
    assert_false(usable(fd));
    assert_int_equal(sockets_close(r.sockets, fd), 0);
    assert_false(has_any(&second));
    end(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_adopted),       cmocka_unit_test(test_shut),
        cmocka_unit_test(test_same_ports),    cmocka_unit_test(test_lost),
        cmocka_unit_test(test_lost_namesake),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
