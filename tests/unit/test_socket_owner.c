/* socket_owner: whose the other end is, over IPv4, IPv6 and both at once, from both tables; and whose it is not. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/socket_owner.h"

typedef enum socket_owner_result lookup(const struct socket_end *theirs,
                                        const struct socket_end *ours, uid_t *uid);
static lookup *const lookups[] = {socket_owner, socket_owner_by_proc};

struct pair {
    int listener, client, server; /* -1: closed */
    struct sockaddr_storage at;
    socklen_t at_len;
};

static struct socket_end end_from(const struct sockaddr_storage *sa) {
    struct socket_end e = {.len = 4};

    if (sa->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)sa;
        memcpy(e.address, &in->sin_addr, 4);
        e.port = ntohs(in->sin_port);
    } else {
        const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)sa;
        e.len = 16;
        memcpy(e.address, &in->sin6_addr, 16);
        e.port = ntohs(in->sin6_port);
    }
    return e;
}

static struct socket_end near_end(int fd) {
    struct sockaddr_storage sa;
    socklen_t len = sizeof sa;

    assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
    return end_from(&sa);
}

static struct socket_end far_end(int fd) {
    struct sockaddr_storage sa;
    socklen_t len = sizeof sa;

    assert_int_equal(getpeername(fd, (struct sockaddr *)&sa, &len), 0);
    return end_from(&sa);
}

static struct sockaddr_storage address(int family, const char *text, uint16_t port) {
    struct sockaddr_storage sa = {.ss_family = (sa_family_t)family};

    if (family == AF_INET) {
        ((struct sockaddr_in *)&sa)->sin_port = htons(port);
        assert_int_equal(inet_pton(AF_INET, text, &((struct sockaddr_in *)&sa)->sin_addr), 1);
    } else {
        ((struct sockaddr_in6 *)&sa)->sin6_port = htons(port);
        assert_int_equal(inet_pton(AF_INET6, text, &((struct sockaddr_in6 *)&sa)->sin6_addr), 1);
    }
    return sa;
}

static int listen_at(int family, const char *text) {
    struct sockaddr_storage sa = address(family, text, 0);
    int fd = socket(family, SOCK_STREAM, 0), off = 0;

    assert_true(fd >= 0);
    if (family == AF_INET6)
        assert_int_equal(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off), 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    assert_int_equal(listen(fd, 8), 0);
    return fd;
}

static int connect_to(int family, const char *text, uint16_t port) {
    struct sockaddr_storage sa = address(family, text, port);
    int fd = socket(family, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    socklen_t len = family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
    assert_int_equal(connect(fd, (struct sockaddr *)&sa, len), 0);
    return fd;
}

static struct pair pair_of(int listen_family, const char *listen_text, int family,
                           const char *text) {
    struct pair p = {.listener = listen_at(listen_family, listen_text)};

    p.client = connect_to(family, text, near_end(p.listener).port);
    p.server = accept(p.listener, NULL, NULL);
    assert_true(p.server >= 0);
    return p;
}

static void pair_close(struct pair *p) {
    const int fds[] = {p->client, p->server, p->listener};

    for (size_t i = 0; i < 3; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

/* What is found of the other end of `fd`. */
static enum socket_owner_result owner_beyond(int fd, size_t which, uid_t *uid) {
    struct socket_end theirs = far_end(fd), ours = near_end(fd);

    return lookups[which](&theirs, &ours, uid);
}

static void both_ends_are_found(void **state) {
    static const struct {
        int listen_family;
        const char *listen;
        int family;
        const char *text;
    } cases[] = {{AF_INET, "127.0.0.1", AF_INET, "127.0.0.1"},
                 {AF_INET, "127.0.0.1", AF_INET6, "::ffff:127.0.0.1"},
                 {AF_INET6, "::1", AF_INET6, "::1"},
                 {AF_INET6, "::", AF_INET, "127.0.0.1"},
                 {AF_INET6, "::", AF_INET6, "::ffff:127.0.0.2"}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pair p =
            pair_of(cases[i].listen_family, cases[i].listen, cases[i].family, cases[i].text);
        for (size_t which = 0; which < 2; which++) {
            uid_t uid = 12345;
            assert_int_equal(owner_beyond(p.server, which, &uid), SOCKET_OWNER_FOUND);
            assert_int_equal(uid, getuid());
            uid = 12345;
            assert_int_equal(owner_beyond(p.client, which, &uid), SOCKET_OWNER_FOUND);
            assert_int_equal(uid, getuid());
        }
        pair_close(&p);
    }
}

/* The kernel says of such a socket that it is root's. */
static void a_socket_that_is_closed_is_nobodys(void **state) {
    struct pair p = pair_of(AF_INET, "127.0.0.1", AF_INET, "127.0.0.1");
    struct socket_end theirs = far_end(p.server), ours = near_end(p.server);
    uid_t uid;

    (void)state;
    close(p.client);
    p.client = -1;
    for (size_t which = 0; which < 2; which++)
        assert_int_equal(lookups[which](&theirs, &ours, &uid), SOCKET_OWNER_NONE);
    pair_close(&p);
}

static void a_socket_that_is_not_accepted_is_nobodys(void **state) {
    struct pair p = {.listener = listen_at(AF_INET, "127.0.0.1"), .server = -1};
    uid_t uid;

    (void)state;
    p.client = connect_to(AF_INET, "127.0.0.1", near_end(p.listener).port);
    for (size_t which = 0; which < 2; which++)
        assert_int_equal(owner_beyond(p.client, which, &uid), SOCKET_OWNER_NONE);
    pair_close(&p);
}

/* Where there is no connection, a socket that listens at the same port is none. */
static void a_listener_is_not_an_end(void **state) {
    struct pair p = pair_of(AF_INET, "127.0.0.1", AF_INET, "127.0.0.1");
    struct socket_end listening = near_end(p.listener), other = far_end(p.server);
    uid_t uid;

    (void)state;
    other.port = (uint16_t)(other.port ^ 1);
    for (size_t which = 0; which < 2; which++) {
        assert_int_equal(lookups[which](&listening, &other, &uid), SOCKET_OWNER_NONE);
        assert_int_equal(lookups[which](&other, &listening, &uid), SOCKET_OWNER_NONE);
    }
    pair_close(&p);
}

static void trust_is_for_us_and_root(void **state) {
    (void)state;
    assert_true(socket_owner_is_us(0));
    assert_true(socket_owner_is_us(geteuid()));
    assert_false(socket_owner_is_us(geteuid() + 4711));
}

static void another_users_socket(void **state) {
    struct pair p = {.listener = listen_at(AF_INET, "127.0.0.1"), .client = -1};
    enum { OTHER_UID = 64321 };
    char whose[64], byte = 0;
    uid_t uid;

    (void)state;
    if (getuid() != 0) {
        close(p.listener);
        skip();
    }
    uint16_t port = near_end(p.listener).port;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (setuid(OTHER_UID) != 0)
            _exit(1);
        int fd = connect_to(AF_INET, "127.0.0.1", port);
        _exit(read(fd, &byte, 1) == 1 ? 0 : 1);
    }
    p.server = accept(p.listener, NULL, NULL);
    assert_true(p.server >= 0);
    for (size_t which = 0; which < 2; which++) {
        assert_int_equal(owner_beyond(p.server, which, &uid), SOCKET_OWNER_FOUND);
        assert_int_equal(uid, OTHER_UID);
    }
    struct socket_end theirs = far_end(p.server), ours = near_end(p.server);
    assert_int_equal(socket_owner_trust(&theirs, &ours, whose, sizeof whose), SOCKET_STRANGE);
    assert_string_equal(whose, "user 64321");
    assert_int_equal(write(p.server, &byte, 1), 1);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    pair_close(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ends_are_found),
        cmocka_unit_test(a_socket_that_is_closed_is_nobodys),
        cmocka_unit_test(a_socket_that_is_not_accepted_is_nobodys),
        cmocka_unit_test(a_listener_is_not_an_end),
        cmocka_unit_test(trust_is_for_us_and_root),
        cmocka_unit_test(another_users_socket),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
