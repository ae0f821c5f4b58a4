/* transfer: a connection that never came about leaves nothing behind, whatever curl says of it. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "worker/fence.h"
#include "worker/transfer.h"

enum { CALLERS = 4, SOCKETS = 8 };

struct rig {
    int epoll_fd, listener,
        callers[CALLERS]; /* these fill the listener's queue: who comes later is not answered */
    uint16_t port;
    struct netaddr_policy policy;
    struct body_pool bodies;
    struct sockets *sockets;
    struct transfers *transfers;
    struct transfer_target target;
    struct transfer *finished;
};

static void on_finished(void *arg, struct transfer *t) {
    ((struct rig *)arg)->finished = t;
}

static bool on_sent(void *arg, struct transfer *t, int64_t now_ms) {
    (void)arg;
    (void)t;
    (void)now_ms;
    fail_msg("a request went out");
    return false;
}

static void make_black_hole(struct rig *r) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;

    r->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(r->listener, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(r->listener, 0), 0);
    assert_int_equal(getsockname(r->listener, (struct sockaddr *)&at, &len), 0);
    r->port = ntohs(at.sin_port);
    for (int i = 0; i < CALLERS; i++) {
        r->callers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(r->callers[i], (struct sockaddr *)&at, len);
    }
}

static void begin(struct rig *r, uint32_t timeout_ms) {
    const unsigned char loopback[] = {127, 0, 0, 1};
    char origin[64];

    *r = (struct rig){.port = 0};
    make_black_hole(r);
    r->epoll_fd = epoll_create1(0);
    r->bodies = (struct body_pool){.dir_fd = open("/tmp", O_RDONLY), .bytes_max = 1 << 20};
    netaddr_policy_init(&r->policy);
    assert_true(netaddr_policy_allow(&r->policy, "127.0.0.0/8", NULL));
    r->sockets = sockets_new(SOCKETS, NULL);
    assert_non_null(r->sockets);
    sockets_set_policy(r->sockets, &r->policy);
    struct transfers_config config = {.epoll_fd = r->epoll_fd,
                                      .max = 4,
                                      .connections = 8,
                                      .sockets = r->sockets,
                                      .bodies = &r->bodies,
                                      .finished = on_finished,
                                      .sent = on_sent,
                                      .arg = r};
    r->transfers = transfers_new(&config, NULL);
    assert_non_null(r->transfers);
    assert_true(transfers_set_options(r->transfers, "test", timeout_ms, 1 << 20, false));
    snprintf(origin, sizeof origin, "http://127.0.0.1:%u", (unsigned)r->port);
    assert_true(transfer_target_set(&r->target, origin, "127.0.0.1", 9, r->port, loopback, 4));
    sockets_renew(r->sockets, &r->target.sockets, fence_now_ms() + 60000);
}

static void turn(struct rig *r) {
    struct epoll_event events[8];

    transfers_tick(r->transfers, fence_now_ms());
    transfers_watch(r->transfers);
    int n = epoll_wait(r->epoll_fd, events, 8, 1);
    for (int i = 0; i < n; i++)
        transfers_socket_event(r->transfers, (int)(uint32_t)events[i].data.u64, events[i].events);
}

/* Until its socket is there, not connected. */
static void start(struct rig *r) {
    char url[64];

    snprintf(url, sizeof url, "http://127.0.0.1:%u/", (unsigned)r->port);
    struct agent_fetch f = {
        .fetch = 1, .url = url, .url_len = strlen(url), .deadline_ms = fence_now_ms() + 60000};
    assert_non_null(transfer_start(r->transfers, &f, &r->target, fence_now_ms()));
    while (r->target.sockets.first == NULL)
        turn(r);
    turn(r);
    assert_null(r->finished);
}

static void end(struct rig *r) {
    sockets_detach(r->sockets, &r->target.sockets);
    transfer_target_release(&r->target);
    transfers_free(r->transfers);
    sockets_free(r->sockets);
    netaddr_policy_release(&r->policy);
    close(r->bodies.dir_fd);
    close(r->epoll_fd);
    close(r->listener);
    for (int i = 0; i < CALLERS; i++)
        close(r->callers[i]);
}

static void aborted_before_it_connected(void **state) {
    struct rig r;

    (void)state;
    begin(&r, 60000);
    for (int i = 0; i < 3 * SOCKETS; i++) { /* none of them keeps its place */
        start(&r);
        transfers_abort(r.transfers, &r.target);
        assert_null(r.target.sockets.first);
    }
    end(&r);
}

static void timed_out_before_it_connected(void **state) {
    struct rig r;

    (void)state;
    begin(&r, 50);
    start(&r);
    while (r.finished == NULL)
        turn(&r);
    assert_string_equal(r.finished->reason, "connect-timeout");
    assert_null(r.target.sockets.first);
    transfer_release(r.finished);
    end(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(aborted_before_it_connected),
        cmocka_unit_test(timed_out_before_it_connected),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
