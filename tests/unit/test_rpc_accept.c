/* rpc_accept: more connections than there are descriptors, of peers that say nothing; files can still be opened. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/rpc.h"
#include "proto/rpc_accept.h"
#include "shared/limits.h"

enum { FILES = 128, PEERS = 300, TRIES = 2000 };

static void echo(void *arg, struct rpc_call *call, const void *bytes, size_t len,
                 const char *peer) {
    (void)arg;
    (void)peer;
    rpc_server_reply(call, bytes, len);
}

/* Connects for as long as it lives, to the port that it is told. */
static pid_t start_peers(int *tell) {
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        close(ends[1]);
        if (read(ends[0], &to.sin_port, sizeof to.sin_port) != sizeof to.sin_port)
            _exit(1);
        for (int i = 0; i < PEERS; i++) {
            int fd = socket(AF_INET, SOCK_STREAM, 0);
            if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
                _exit(2);
        }
        for (;;)
            pause();
    }
    close(ends[0]);
    *tell = ends[1];
    return child;
}

static unsigned openable(void) {
    int fds[FILES];
    unsigned n = 0;

    while (n < FILES && (fds[n] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
        n++;
    for (unsigned i = 0; i < n; i++)
        close(fds[i]);
    return n;
}

static void files_can_be_opened_whoever_connects(void **state) {
    struct rlimit limit = {FILES / 2, FILES};
    struct error err = {0};
    unsigned least = FILES;
    int tell;

    (void)state;
    pid_t peers = start_peers(&tell);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    struct rpc_server *s = rpc_server_new(
        &(struct rpc_server_config){.address = "tcp://127.0.0.1:0", .contexts = 4, .handle = echo},
        &err);
    assert_non_null(s);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(limit.rlim_cur, FILES);
    uint16_t port = htons((uint16_t)strtoul(strrchr(rpc_server_address(s), ':') + 1, NULL, 10));
    assert_int_equal(write(tell, &port, sizeof port), sizeof port);
    /* For as long as they come. */
    for (int i = 0; i < TRIES; i++) {
        unsigned n = openable();
        least = n < least ? n : least;
        poll(NULL, 0, 1);
    }
    assert_true(least >= FILES / 2 - 4); /* open() has some of its own in flight */
    assert_int_equal(kill(peers, SIGKILL), 0);
    assert_int_equal(waitpid(peers, NULL, 0), peers);
    /* Those that went make room again. */
    struct buf reply;
    buf_init(&reply, LIMIT_WIRE_BYTES);
    struct rpc_client *c = NULL;
    for (int i = 0; i < TRIES && c == NULL; i++) {
        c = rpc_client_new(rpc_server_address(s), RPC_DIAL_NOW, &err);
        poll(NULL, 0, c == NULL ? 5 : 0);
    }
    assert_non_null(c);
    assert_true(rpc_call_sync(c, "hello", 5, 10000, &reply, &err));
    buf_release(&reply);
    assert_true(rpc_client_free(c));
    close(tell);
    assert_true(rpc_server_stop(s));
    rpc_server_free(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(files_can_be_opened_whoever_connects)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
