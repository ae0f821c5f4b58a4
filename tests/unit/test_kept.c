/* kept: what came on a connection while nothing was asked there. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "worker/kept.h"

/* Two ends of a connection over loopback. `room`: of what the server has not read; 0: as usual. */
static void connected(int room, int *client, int *server) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    if (room > 0)
        assert_int_equal(setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &room, sizeof room), 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &len), 0);
    *client = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(*client, (struct sockaddr *)&at, len), 0);
    *server = accept(listener, NULL, NULL);
    assert_true(*server >= 0);
    int now = 1; /* what is written goes out at once */
    assert_int_equal(setsockopt(*server, IPPROTO_TCP, TCP_NODELAY, &now, sizeof now), 0);
    close(listener);
}

static void await_bytes(int fd) {
    struct pollfd p = {.fd = fd, .events = POLLIN};

    assert_int_equal(poll(&p, 1, 10000), 1);
}

static void nothing_came(void **state) {
    int client, server;

    (void)state;
    connected(0, &client, &server);
    assert_true(kept_is_clean(client, NULL));
    close(server);
    close(client);
}

static void bytes_came(void **state) {
    static const char *const late[] = {"HTTP/1.1 200 OK\r\n\r\n", "\r\n", "0\r\n\r\n", "x"};

    (void)state;
    for (size_t i = 0; i < sizeof late / sizeof late[0]; i++) {
        int client, server;
        connected(0, &client, &server);
        assert_int_equal(write(server, late[i], strlen(late[i])), strlen(late[i]));
        await_bytes(client);
        assert_false(kept_is_clean(client, NULL));
        assert_false(kept_is_clean(client, NULL)); /* and they are still there */
        close(server);
        close(client);
    }
}

static void the_end_came(void **state) {
    const struct linger reset = {.l_onoff = 1};
    int client, server;

    (void)state;
    connected(0, &client, &server);
    close(server);
    await_bytes(client);
    assert_false(kept_is_clean(client, NULL));
    close(client);
    connected(0, &client, &server);
    assert_int_equal(setsockopt(server, SOL_SOCKET, SO_LINGER, &reset, sizeof reset), 0);
    close(server);
    await_bytes(client);
    assert_false(kept_is_clean(client, NULL));
    close(client);
}

/* ---- with TLS ------------------------------------------------------------------------------------ */

struct tls {
    SSL_CTX *contexts[2];
    SSL *client, *server;
    int fds[2];
};

static SSL_CTX *server_context(void) {
    SSL_CTX *c = SSL_CTX_new(TLS_server_method());
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = X509_new();

    assert_true(key != NULL && x != NULL);
    X509_set_version(x, 2);
    X509_gmtime_adj(X509_getm_notBefore(x), -60);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_set_pubkey(x, key);
    assert_true(X509_sign(x, key, EVP_sha256()) > 0);
    assert_int_equal(SSL_CTX_use_certificate(c, x), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(c, key), 1);
    SSL_CTX_set_num_tickets(c, 0); /* of the handshake: they are sent when the test wants them */
    X509_free(x);
    EVP_PKEY_free(key);
    return c;
}

static void tls_begin(struct tls *t) {
    connected(0, &t->fds[0], &t->fds[1]);
    t->contexts[0] = SSL_CTX_new(TLS_client_method());
    t->contexts[1] = server_context();
    t->client = SSL_new(t->contexts[0]);
    t->server = SSL_new(t->contexts[1]);
    SSL_set_fd(t->client, t->fds[0]);
    SSL_set_fd(t->server, t->fds[1]);
    SSL_set_connect_state(t->client);
    SSL_set_accept_state(t->server);
    for (int i = 0; i < 2; i++) {
        int flags = 1;
        assert_int_equal(ioctl(t->fds[i], FIONBIO, &flags), 0);
    }
    for (int i = 0;
         i < 1000 && !(SSL_is_init_finished(t->client) && SSL_is_init_finished(t->server)); i++) {
        (void)SSL_do_handshake(t->client);
        (void)SSL_do_handshake(t->server);
    }
    assert_true(SSL_is_init_finished(t->client) && SSL_is_init_finished(t->server));
    assert_int_equal(SSL_version(t->client), TLS1_3_VERSION);
}

static void tls_end(struct tls *t) {
    SSL_free(t->client);
    SSL_free(t->server);
    for (int i = 0; i < 2; i++) {
        SSL_CTX_free(t->contexts[i]);
        close(t->fds[i]);
    }
}

static void send_ticket(struct tls *t) {
    assert_int_equal(SSL_new_session_ticket(t->server), 1);
    assert_int_equal(SSL_do_handshake(t->server), 1);
    await_bytes(t->fds[0]);
}

static void tickets_may_pass(void **state) {
    struct tls t;
    char text[8];

    (void)state;
    tls_begin(&t);
    assert_true(kept_is_clean(t.fds[0], t.client));
    send_ticket(&t);
    assert_true(kept_is_clean(t.fds[0], t.client));
    /* Both directions go on where they were. */
    assert_int_equal(SSL_write(t.client, "hello", 5), 5);
    await_bytes(t.fds[1]);
    assert_int_equal(SSL_read(t.server, text, sizeof text), 5);
    assert_int_equal(SSL_write(t.server, "world", 5), 5);
    await_bytes(t.fds[0]);
    assert_int_equal(SSL_read(t.client, text, sizeof text), 5);
    assert_memory_equal(text, "world", 5);
    assert_true(kept_is_clean(t.fds[0], t.client));
    tls_end(&t);
}

static void data_behind_a_ticket(void **state) {
    struct tls t;

    (void)state;
    tls_begin(&t);
    send_ticket(&t);
    assert_int_equal(SSL_write(t.server, "\r\n", 2), 2);
    await_bytes(t.fds[0]);
    assert_false(kept_is_clean(t.fds[0], t.client));
    assert_false(kept_is_clean(t.fds[0], t.client)); /* it lies in OpenSSL now */
    tls_end(&t);
}

static void closure_alert(void **state) {
    struct tls t;

    (void)state;
    tls_begin(&t);
    (void)SSL_shutdown(t.server);
    await_bytes(t.fds[0]);
    assert_false(kept_is_clean(t.fds[0], t.client));
    tls_end(&t);
}

/* ---- what came before the request ---------------------------------------------------------------- */

static size_t fill(int fd) {
    static const char zeros[4096];
    size_t sent = 0;
    ssize_t n;

    while ((n = send(fd, zeros, sizeof zeros, MSG_DONTWAIT)) > 0)
        sent += (size_t)n;
    return sent;
}

/* A server that does not read: from some time on nothing more arrives there, and what it says answers nothing of it. */
static void before_the_request(void **state) {
    enum { REQUEST = 500 };
    static const char request[REQUEST];
    int client, server;

    (void)state;
    connected(4096, &client, &server);
    fill(client);
    assert_true(kept_is_early(client, REQUEST));
    close(server);
    close(client);
    connected(0, &client, &server);
    assert_int_equal(write(client, request, sizeof request), sizeof request);
    char got[REQUEST];
    assert_int_equal(recv(server, got, sizeof got, MSG_WAITALL), REQUEST);
    assert_int_equal(write(server, "HTTP/1.1 200 OK\r\n", 17), 17);
    await_bytes(client);
    assert_false(kept_is_early(client, REQUEST));
    close(server);
    close(client);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_came),         cmocka_unit_test(bytes_came),
        cmocka_unit_test(the_end_came),         cmocka_unit_test(tickets_may_pass),
        cmocka_unit_test(data_behind_a_ticket), cmocka_unit_test(closure_alert),
        cmocka_unit_test(before_the_request),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
