/* slow_server: an HTTP server that answers every request after the same time, for bench/concurrency: nginx has no delay.
 *
 *   build/bench/slow_server PORT DELAY_MS BYTES ADDRESSES
 *
 * On 127.1.0.1 up to 127.1.0.ADDRESSES, one thread, one epoll. Answers come due in the order in which requests came, so a
 * list is enough. A request is what ends with an empty line; nothing else of it is read, and requests without a body
 * are all it knows. Ends when it is told to. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 256, REQUEST_BYTES = 8192, BODY_BYTES_MAX = 1 << 20, ADDRESSES_MAX = 254 };

struct connection {
    int fd;
    bool listens; /* no connection: a socket to take some from */
    bool waiting; /* in the list of answers; then it is not read from */
    int64_t due_us;
    struct connection *next;
    size_t len;
    char request[REQUEST_BYTES];
};

static struct connection *first, **last = &first;
static char *answer;
static size_t answer_len;
static int64_t delay_us;
static int epoll_fd;

static void die(const char *what) {
    fprintf(stderr, "slow_server: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int64_t now_us(void) {
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void drop(struct connection *c) {
    close(c->fd);
    free(c);
}

/* The answer fits the socket's buffer, which is empty: nothing else was sent that was not read. */
static void send_due(int64_t now) {
    while (first != NULL && first->due_us <= now) {
        struct connection *c = first;
        first = c->next;
        if (first == NULL)
            last = &first;
        c->waiting = false;
        c->len = 0;
        if (send(c->fd, answer, answer_len, MSG_NOSIGNAL) != (ssize_t)answer_len)
            drop(c);
    }
}

static void take_request(struct connection *c) {
    ssize_t n = recv(c->fd, c->request + c->len, sizeof c->request - c->len, 0);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0)
        c->len += (size_t)n;
    if (c->waiting) { /* it went away, or does not wait for its answer */
        c->len = 0;
        if (n <= 0)
            (void)epoll_ctl(epoll_fd, EPOLL_CTL_DEL, c->fd, NULL);
        return;
    }
    if (n <= 0 || c->len == sizeof c->request) {
        drop(c);
        return;
    }
    if (c->len < 4 || memcmp(c->request + c->len - 4, "\r\n\r\n", 4) != 0)
        return;
    c->waiting = true;
    c->due_us = now_us() + delay_us;
    c->next = NULL;
    *last = c;
    last = &c->next;
}

static void take_connections(int listener) {
    const int on = 1;
    int fd;

    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct connection *c = calloc(1, sizeof *c);
        struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
        if (c == NULL)
            die("connection");
        c->fd = fd;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ev) != 0)
            die("epoll");
    }
}

static void listen_at(uint32_t address, uint16_t port) {
    const int on = 1;
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(address)};
    struct connection *c = calloc(1, sizeof *c);
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (c == NULL || fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(fd, (struct sockaddr *)&at, sizeof at) != 0 || listen(fd, 8192) != 0)
        die("cannot listen");
    c->fd = fd;
    c->listens = true;
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ev) != 0)
        die("epoll");
}

static void make_answer(size_t bytes) {
    char head[128];
    int head_len = snprintf(
        head, sizeof head,
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %zu\r\n\r\n", bytes);

    answer_len = (size_t)head_len + bytes;
    answer = malloc(answer_len);
    if (answer == NULL)
        die("answer");
    memcpy(answer, head, (size_t)head_len);
    memset(answer + head_len, 'x', bytes);
}

int main(int argc, char **argv) {
    struct epoll_event events[EVENTS];
    struct rlimit limit;

    unsigned long port = argc == 5 ? strtoul(argv[1], NULL, 10) : 0;
    unsigned long bytes = argc == 5 ? strtoul(argv[3], NULL, 10) : 0;
    unsigned long addresses = argc == 5 ? strtoul(argv[4], NULL, 10) : 0;
    if (addresses < 1 || addresses > ADDRESSES_MAX || port < 1 || port > 65535 ||
        bytes > BODY_BYTES_MAX) {
        fprintf(stderr, "usage: slow_server PORT DELAY_MS BYTES ADDRESSES\n");
        return 2;
    }
    delay_us = (int64_t)strtoul(argv[2], NULL, 10) * 1000;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    make_answer(bytes);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0)
        die("epoll");
    for (uint32_t i = 1; i <= addresses; i++)
        listen_at(0x7f010000 + i, (uint16_t)port);
    for (;;) {
        int64_t wait_us = first == NULL ? -1 : first->due_us - now_us();
        int wait_ms = first == NULL ? -1 : wait_us <= 0 ? 0 : (int)(wait_us / 1000) + 1;
        int n = epoll_wait(epoll_fd, events, EVENTS, wait_ms);
        for (int i = 0; i < n; i++) {
            struct connection *c = events[i].data.ptr;
            if (c->listens)
                take_connections(c->fd);
            else
                take_request(c);
        }
        send_due(now_us());
    }
}
