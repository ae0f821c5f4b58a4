/* transfer: whose answer it is, on connections that are used again; with the real libcurl, against a server that says what it
 * is told to, and when. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
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
#include "worker/visit.h"

#define OK_1 "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n<1>"
#define OK_2 "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n<2>"
#define NOBODYS "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nnobody"

/* What the server does at each request, over all connections. */
struct step {
    const char *answer; /* NULL: it closes */
    const char *late;   /* once the test says so, behind the answer */
    bool close_late;    /* and then closes */
};

struct server {
    int listener, go[2], done[2]; /* pipes: late bytes are wanted; were sent */
    uint16_t port;
    pthread_t thread;
    const struct step *steps;
    const char *_Atomic greeting; /* of each connection */
    int accepted[2];
    unsigned connections, requests;
    int held[16]; /* connections that are not served any more */
    unsigned held_count;
};

static bool read_request(int fd) {
    char text[4096];
    size_t len = 0;
    ssize_t n;

    while (len < sizeof text - 1 && (n = read(fd, text + len, sizeof text - 1 - len)) > 0) {
        len += (size_t)n;
        text[len] = '\0';
        if (strstr(text, "\r\n\r\n") != NULL)
            return true;
    }
    return false;
}

static void say(int fd, const char *text) {
    (void)send(fd, text, strlen(text), MSG_NOSIGNAL);
}

/* False: the connection is over. */
static bool take_step(struct server *s, int fd) {
    const struct step *step = &s->steps[s->requests++];
    char byte;

    if (step->answer == NULL)
        return false;
    say(fd, step->answer);
    if (step->late == NULL && !step->close_late)
        return true;
    assert_int_equal(read(s->go[0], &byte, 1), 1);
    if (step->late != NULL)
        say(fd, step->late);
    if (step->close_late)
        (void)shutdown(fd, SHUT_WR);
    assert_int_equal(write(s->done[1], "x", 1), 1);
    return true;
}

/* One connection at a time; the last one is left when another is made. */
static void *serve(void *arg) {
    struct server *s = arg;
    int fd = -1;

    for (;;) {
        struct pollfd p[] = {{.fd = s->listener, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
        if (poll(p, 2, -1) <= 0)
            continue;
        if (p[0].revents & (POLLHUP | POLLERR | POLLNVAL))
            break;
        if (p[0].revents & POLLIN) {
            int next = accept(s->listener, NULL, NULL);
            if (next < 0)
                break;
            if (fd >= 0)
                s->held[s->held_count++] = fd;
            fd = next;
            s->connections++;
            if (s->greeting != NULL) {
                say(fd, s->greeting);
                assert_int_equal(write(s->accepted[1], "x", 1), 1);
            }
            continue;
        }
        if (!read_request(fd) || !take_step(s, fd)) {
            close(fd);
            fd = -1;
        }
    }
    if (fd >= 0)
        close(fd);
    return NULL;
}

static void server_start(struct server *s, const struct step *steps) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;

    *s = (struct server){.steps = steps};
    s->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(s->listener, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(s->listener, 16), 0);
    assert_int_equal(getsockname(s->listener, (struct sockaddr *)&at, &len), 0);
    s->port = ntohs(at.sin_port);
    assert_true(pipe(s->go) == 0 && pipe(s->done) == 0 && pipe(s->accepted) == 0);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void server_stop(struct server *s) {
    (void)shutdown(s->listener, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->listener);
    for (unsigned i = 0; i < s->held_count; i++)
        close(s->held[i]);
    for (int i = 0; i < 2; i++) {
        close(s->go[i]);
        close(s->done[i]);
        close(s->accepted[i]);
    }
}

struct rig {
    struct server server;
    int epoll_fd;
    struct netaddr_policy policy;
    struct body_pool bodies;
    struct sockets *sockets;
    struct transfers *transfers;
    struct transfer_target target;
    struct transfer *finished;
    struct visit visit;
    unsigned sent, sent_max; /* requests that may go out */
};

static void on_finished(void *arg, struct transfer *t) {
    ((struct rig *)arg)->finished = t;
}

static bool on_sent(void *arg, struct transfer *t, int64_t now_ms) {
    struct rig *r = arg;

    (void)t;
    (void)now_ms;
    if (r->sent == r->sent_max)
        return false;
    r->sent++;
    return true;
}

static void on_answered(void *arg, struct transfer *t, int64_t now_ms) {
    (void)arg;
    (void)t;
    (void)now_ms;
}

static void begin(struct rig *r, const struct step *steps) {
    const unsigned char loopback[] = {127, 0, 0, 1};
    char origin[64];

    *r = (struct rig){.sent_max = 100};
    server_start(&r->server, steps);
    r->visit.deadline_ms = fence_now_ms() + 60000;
    r->epoll_fd = epoll_create1(0);
    r->bodies = (struct body_pool){.dir_fd = open("/tmp", O_RDONLY), .bytes_max = 1 << 20};
    netaddr_policy_init(&r->policy);
    assert_true(netaddr_policy_allow(&r->policy, "127.0.0.0/8", NULL));
    r->sockets = sockets_new(16, NULL);
    assert_non_null(r->sockets);
    sockets_set_policy(r->sockets, &r->policy);
    struct transfers_config config = {.epoll_fd = r->epoll_fd,
                                      .max = 4,
                                      .connections = 8,
                                      .sockets = r->sockets,
                                      .bodies = &r->bodies,
                                      .finished = on_finished,
                                      .sent = on_sent,
                                      .answered = on_answered,
                                      .arg = r};
    r->transfers = transfers_new(&config, NULL);
    assert_non_null(r->transfers);
    assert_true(transfers_set_options(r->transfers, "test", 10000, 1 << 20, false));
    snprintf(origin, sizeof origin, "http://127.0.0.1:%u", (unsigned)r->server.port);
    assert_true(
        transfer_target_set(&r->target, origin, "127.0.0.1", 9, r->server.port, loopback, 4));
    sockets_renew(r->sockets, &r->target.sockets, r->visit.deadline_ms);
}

static void end(struct rig *r) {
    sockets_detach(r->sockets, &r->target.sockets);
    transfer_target_release(&r->target);
    transfers_free(r->transfers);
    sockets_free(r->sockets);
    netaddr_policy_release(&r->policy);
    server_stop(&r->server);
    close(r->bodies.dir_fd);
    close(r->epoll_fd);
}

/* One fetch, to its end; to be released. */
static struct transfer *fetch(struct rig *r, bool fresh) {
    struct epoll_event events[8];
    char url[64];

    snprintf(url, sizeof url, "http://127.0.0.1:%u/", (unsigned)r->server.port);
    struct agent_fetch f = {.fetch = 1,
                            .visit = &r->visit,
                            .url = url,
                            .url_len = strlen(url),
                            .fresh = fresh,
                            .deadline_ms = r->visit.deadline_ms};
    r->finished = NULL;
    assert_non_null(transfer_start(r->transfers, &f, &r->target, fence_now_ms()));
    if (r->server.greeting !=
        NULL) { /* it has been sent before curl looks whether it is connected */
        char byte;
        transfers_tick(r->transfers, fence_now_ms());
        assert_int_equal(read(r->server.accepted[0], &byte, 1), 1);
    }
    while (r->finished == NULL) {
        transfers_tick(r->transfers, fence_now_ms());
        transfers_watch(r->transfers);
        int n = epoll_wait(r->epoll_fd, events, 8, 1);
        for (int i = 0; i < n; i++)
            transfers_socket_event(r->transfers, (int)(uint32_t)events[i].data.u64,
                                   events[i].events);
        transfers_collect(r->transfers);
    }
    return r->finished;
}

static void expect_body(struct rig *r, bool fresh, const char *body) {
    struct transfer *t = fetch(r, fresh);
    const char *bytes;
    size_t len;

    assert_int_equal(t->failure, AGENT_NO_FAILURE);
    assert_int_equal(t->status, 200);
    assert_true(body_view(&t->body, &bytes, &len));
    assert_int_equal(len, strlen(body));
    assert_memory_equal(bytes, body, len);
    transfer_release(t);
}

static void expect_failure(struct rig *r, enum agent_failure failure, const char *reason) {
    struct transfer *t = fetch(r, false);

    assert_int_equal(t->failure, failure);
    assert_string_equal(t->reason, reason);
    transfer_release(t);
}

/* The server says now what it says late, and that has arrived: loopback delivers within the call. */
static void let_it_come(struct rig *r) {
    char byte;

    assert_int_equal(write(r->server.go[1], "x", 1), 1);
    assert_int_equal(read(r->server.done[0], &byte, 1), 1);
}

static void connections_are_kept(void **state) {
    static const struct step steps[] = {{.answer = OK_1}, {.answer = OK_2}, {.answer = OK_1}};
    struct rig r;

    (void)state;
    begin(&r, steps);
    expect_body(&r, false, "<1>");
    expect_body(&r, false, "<2>");
    assert_int_equal(r.server.connections, 1);
    expect_body(&r, true, "<1>"); /* unless that is not wanted */
    assert_int_equal(r.server.connections, 2);
    end(&r);
}

static void what_came_late_is_nobodys(void **state) {
    static const char *const late[] = {NOBODYS, "\r\n", "0\r\n\r\n", "hello",
                                       "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n"};
    struct rig r;

    (void)state;
    for (size_t i = 0; i < sizeof late / sizeof late[0]; i++) {
        for (int closes = 0; closes < 2; closes++) {
            const struct step steps[] = {
                {.answer = OK_1, .late = late[i], .close_late = closes == 1}, {.answer = OK_2}};
            begin(&r, steps);
            expect_body(&r, false, "<1>");
            let_it_come(&r);
            expect_body(&r, false, "<2>");
            assert_int_equal(r.server.connections, 2);
            assert_int_equal(r.server.requests, 2);
            assert_int_equal(r.sent, 2); /* none was lost on the dead one */
            end(&r);
        }
    }
}

static void one_that_had_ended(void **state) {
    static const struct step steps[] = {{.answer = OK_1, .close_late = true}, {.answer = OK_2}};
    struct rig r;

    (void)state;
    begin(&r, steps);
    expect_body(&r, false, "<1>");
    let_it_come(&r);
    expect_body(&r, false, "<2>");
    assert_int_equal(r.sent, 2);
    end(&r);
}

/* RFC 9112 §9.3.1. The delay decides whether at once. */
static void one_that_ends_under_the_request(void **state) {
    static const struct step steps[] = {
        {.answer = OK_1}, {.answer = NULL}, {.answer = OK_2}, {.answer = NULL}, {.answer = OK_1}};
    struct rig r;

    (void)state;
    begin(&r, steps);
    expect_body(&r, false, "<1>");
    expect_body(&r, false, "<2>");
    assert_int_equal(r.server.requests, 3);
    r.sent_max = r.sent + 1;
    expect_failure(&r, AGENT_AGAIN, "connection-broken");
    assert_int_equal(r.server.requests, 4);
    end(&r);
}

/* What nobody saw come, because it came with the request on its way. */
static void out_of_step(void **state) {
    static const struct step steps[] = {
        {.answer = OK_1},
        {.answer = "hello" OK_2},
        {.answer = OK_1},
        {.answer =
             "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"},
        {.answer = OK_2}};
    struct rig r;

    (void)state;
    begin(&r, steps);
    expect_body(&r, false, "<1>");
    expect_failure(&r, AGENT_AGAIN, "protocol-not-http");
    expect_body(&r, false, "<1>");
    expect_failure(&r, AGENT_AGAIN, "answer-unasked");
    expect_body(&r, false, "<2>");
    end(&r);
}

/* Whoever speaks before anything is asked answers nothing, unless it is to say that it will not. */
static void before_anything_was_asked(void **state) {
    static const struct step steps[] = {{.answer = OK_1}, {.answer = OK_2}};
    struct rig r;

    (void)state;
    begin(&r, steps);
    r.server.greeting = NOBODYS;
    expect_failure(&r, AGENT_AGAIN, "answer-unasked");
    r.server.greeting = "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n";
    struct transfer *t = fetch(&r, false);
    assert_int_equal(t->failure, AGENT_NO_FAILURE);
    assert_int_equal(t->status, 503);
    transfer_release(t);
    end(&r);
}

/* On a new connection the same is what the server has to say. */
static void the_servers_own_fault(void **state) {
    static const struct step steps[] = {
        {.answer = "hello" OK_2},
        {.answer =
             "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"},
        {.answer = NULL}};
    struct rig r;

    (void)state;
    begin(&r, steps);
    expect_failure(&r, AGENT_HOPELESS, "protocol-not-http");
    struct transfer *t = fetch(&r, false);
    assert_int_equal(t->failure, AGENT_NO_FAILURE);
    assert_int_equal(t->status, 408);
    transfer_release(t);
    expect_failure(&r, AGENT_NETWORK, "empty-reply");
    end(&r);
}

static void nobody_there(void **state) {
    static const struct step steps[] = {{.answer = OK_1, .close_late = true}};
    struct rig r;

    (void)state;
    begin(&r, steps);
    expect_body(&r, false, "<1>");
    let_it_come(&r);
    server_stop(&r.server);
    struct transfer *t = fetch(&r, false);
    assert_int_equal(t->failure, AGENT_NETWORK);
    assert_string_equal(t->reason, "connection-refused");
    assert_true(t->unreached);
    transfer_release(t);
    static const struct step none[] = {{.answer = NULL}};
    server_start(&r.server, none);
    end(&r);
}

/* libcurl 7.88 puts what a folded line says behind the last field that it knows of: in one easy handle, also of an answer
 * before, which is freed. */
static void first_line_is_folded(void **state) {
    static const struct step steps[] = {
        {.answer = OK_1},
        {.answer = "HTTP/1.1 200 OK\r\n folded: x\r\nContent-Length: 3\r\n\r\n<2>"},
        {.answer = OK_1}};
    struct rig r;

    (void)state;
    begin(&r, steps);
    expect_body(&r, false, "<1>");
    expect_failure(&r, AGENT_HOPELESS, "protocol-header-invalid");
    expect_body(&r, false, "<1>");
    end(&r);
}

/* "0x3" is no size of a chunk, and libcurl 7.88 takes it for the last one: what stands behind it may be the body. Trailers that
 * are fields say nothing of the kind. */
static void lines_behind_the_last_chunk(void **state) {
#define CHUNKED "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    static const struct {
        const char *answer;
        bool unproven;
    } cases[] = {
        {CHUNKED "3\r\n<1>\r\n0\r\n\r\n", false},
        {CHUNKED "3\r\n<1>\r\n0\r\nX-Sum: 1\r\nY: \r\n\r\n", false},
        {CHUNKED "3\r\n<1>\r\n0\r\nno colon\r\n\r\n", true},
        {CHUNKED "0x3\r\n<1>\r\n0\r\n\r\n", true},
        {CHUNKED "3\r\n<1>\r\n0x9\r\n<a:b c:d>\r\n\r\n", true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct step steps[] = {{.answer = cases[i].answer}};
        struct rig r;
        begin(&r, steps);
        struct transfer *t = fetch(&r, false);
        assert_int_equal(t->failure, AGENT_NO_FAILURE);
        assert_int_equal(t->unproven, cases[i].unproven);
        transfer_release(t);
        end(&r);
    }
}

/* The server leaves the connection open: where a body ends that libcurl counts otherwise, its length says. A connection on which
 * they may be at odds serves no other fetch. */
static void where_a_body_ends(void **state) {
#define HEAD(fields) "HTTP/1.1 200 OK\r\n" fields "\r\n"
    static const struct {
        const char *answer, *body;
        unsigned connections; /* with another fetch behind it */
    } cases[] = {
        {HEAD("Content-Length: 3, 3\r\n") "<1>", "<1>", 1},
        {HEAD("Content-Length: 3\r\nContent-Length: 3\r\n") "<1>", "<1>", 1},
        {HEAD("Content-Length: 0\r\n"), "", 1},
        {HEAD("Transfer-Encoding: identity\r\nContent-Length: 3\r\n") "<1>", "<1>", 2},
        {HEAD("Content-Length: 3\r\nTransfer-Encoding: identity\r\n") "<1>", "<1>", 2},
        {HEAD("Content-Length: 3\r\nTransfer-Encoding: utf-8\r\n") "<1><forged>", "<1>", 2},
        {HEAD("Content-Length: 0\r\nTransfer-Encoding:\r\n"), "", 2},
        {HEAD("Content-Length : 3\r\n") "<1>" NOBODYS, "<1>", 2},
        {HEAD("Transfer-Encoding: chunked\r\n") "3\r\n<1>\r\n0\r\n\r\n", "<1>", 1},
        {HEAD("Transfer-Encoding: chunked\r\nContent-Length: 9\r\n") "3\r\n<1>\r\n0\r\n\r\n", "<1>",
         2},
        {HEAD("Transfer-Encoding: chunked, identity\r\n") "3\r\n<1>\r\n0\r\n\r\n", "<1>", 2},
        {HEAD("Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n") "3\r\n<1>\r\n0\r\n\r\n",
         "<1>", 2},
        {"HTTP/1.1 100 C\r\nContent-Length: 2\r\n\r\n" HEAD("Content-Length: 3\r\n") "<1>", "<1>",
         1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct step steps[] = {{.answer = cases[i].answer}, {.answer = OK_2}};
        struct rig r;
        begin(&r, steps);
        expect_body(&r, false, cases[i].body);
        expect_body(&r, false, "<2>");
        assert_int_equal(r.server.connections, cases[i].connections);
        end(&r);
    }
}

/* What cannot be counted is refused, and what ends too early is no body. */
static void where_none_can_be_seen(void **state) {
    static const struct {
        const char *answer, *reason;
        enum agent_failure failure;
        bool closes;
    } cases[] = {
        {HEAD("Transfer-Encoding : chunked\r\n") "3\r\n<1>\r\n0\r\n\r\n",
         "protocol-transfer-coding", AGENT_HOPELESS, false},
        {HEAD("Transfer-Encoding:\r\n chunked\r\n") "3\r\n<1>\r\n0\r\n\r\n",
         "protocol-transfer-coding", AGENT_HOPELESS, false},
        {HEAD("Transfer-Encoding: gzip\r\nContent-Length: 3\r\n") "<1>", "protocol-transfer-coding",
         AGENT_HOPELESS, false},
        {HEAD("Transfer-Encoding: identity\r\nContent-Length: 9\r\n") "<1>", "body-incomplete",
         AGENT_NETWORK, true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct step steps[] = {{.answer = cases[i].answer, .close_late = cases[i].closes},
                                     {.answer = OK_2}};
        struct rig r;
        begin(&r, steps);
        if (cases[i].closes)
            assert_int_equal(write(r.server.go[1], "x", 1), 1);
        expect_failure(&r, cases[i].failure, cases[i].reason);
        expect_body(&r, false, "<2>");
        end(&r);
    }
}

/* What an interim response says of a length or a coding is nothing (RFC 9110 §8.6, RFC 9112 §6.1). */
static void interim_fields_say_nothing(void **state) {
    static const char *const fields[] = {"Content-Length: 2", "Content-Length: x",
                                         "Transfer-Encoding: chunked",
                                         "Transfer-Encoding: identity"};
    static const char *const answers[] = {HEAD("") "<1>", HEAD("Content-Length: 3\r\n") "<1>"};

    (void)state;
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        for (size_t k = 0; k < sizeof answers / sizeof answers[0]; k++) {
            char answer[256];
            snprintf(answer, sizeof answer, "HTTP/1.1 103 Early\r\n%s\r\n\r\n%s", fields[i],
                     answers[k]);
            const struct step steps[] = {{.answer = answer, .close_late = true}};
            struct rig r;
            begin(&r, steps);
            assert_int_equal(write(r.server.go[1], "x", 1), 1);
            expect_body(&r, false, "<1>");
            end(&r);
        }
}

/* curl reads it, as browsers do; the archive has it as WARC readers want it. */
static void in_lower_case(void **state) {
    static const struct step steps[] = {
        {.answer = "http/1.1 200 OK\r\nContent-Length: 3\r\n\r\n<1>"}};
    struct rig r;

    (void)state;
    begin(&r, steps);
    struct transfer *t = fetch(&r, false);
    assert_int_equal(t->failure, AGENT_NO_FAILURE);
    assert_memory_equal(t->head.data, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", t->head.len);
    transfer_release(t);
    end(&r);
}

/* RFC 9112 §6.3, rule 1: whatever their fields say. */
static void answers_without_a_body(void **state) {
    static const struct {
        const char *answer;
        unsigned connections;
    } cases[] = {
        {"204 N\r\n\r\n", 1},
        {"204 N\r\nContent-Length: 5\r\n\r\n", 2},
        {"204 N\r\nContent-Length: 1, x\r\n\r\nhello", 2},
        {"204 N\r\nTransfer-Encoding: chunked\r\n\r\n", 2},
        {"204 N\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 2},
        {"204 N\r\nTransfer-Encoding: gzip\r\n\r\n", 2},
        {"304 N\r\nContent-Length: 5\r\n\r\n", 1},
        {"304 N\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", 1},
        {"304 N\r\nTransfer-Encoding: chunked\r\n\r\n", 2},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char answer[256];
        snprintf(answer, sizeof answer, "HTTP/1.1 %s", cases[i].answer);
        const struct step steps[] = {{.answer = answer}, {.answer = OK_2}};
        struct rig r;
        begin(&r, steps);
        struct transfer *t = fetch(&r, false);
        assert_int_equal(t->failure, AGENT_NO_FAILURE);
        assert_int_equal(t->body.len, 0);
        assert_false(t->unproven);
        transfer_release(t);
        expect_body(&r, false, "<2>");
        assert_int_equal(r.server.connections, cases[i].connections);
        end(&r);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connections_are_kept),
        cmocka_unit_test(what_came_late_is_nobodys),
        cmocka_unit_test(one_that_had_ended),
        cmocka_unit_test(one_that_ends_under_the_request),
        cmocka_unit_test(out_of_step),
        cmocka_unit_test(before_anything_was_asked),
        cmocka_unit_test(the_servers_own_fault),
        cmocka_unit_test(nobody_there),
        cmocka_unit_test(first_line_is_folded),
        cmocka_unit_test(lines_behind_the_last_chunk),
        cmocka_unit_test(where_a_body_ends),
        cmocka_unit_test(where_none_can_be_seen),
        cmocka_unit_test(in_lower_case),
        cmocka_unit_test(interim_fields_say_nothing),
        cmocka_unit_test(answers_without_a_body),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
