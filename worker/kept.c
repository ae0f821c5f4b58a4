#include "worker/kept.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

enum {
    TICKETS_MAX = 16, /* at once */
    EARLY_MAX_MS = 60 * 1000,
};

/* 1: there is something; 0: nothing; -1: the end, or an error. */
static int is_readable(int fd) {
    char byte;
    ssize_t n = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

    if (n < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -1;
    return n > 0 ? 1 : -1;
}

/* What OpenSSL reads but takes for no data of the application are tickets. It may stop behind each. */
static bool read_tickets(int fd, SSL *ssl) {
    char byte;

    for (int i = 0; i < TICKETS_MAX; i++) {
        ERR_clear_error();
        int n = SSL_peek(ssl, &byte, 1);
        if (n > 0 || SSL_get_error(ssl, n) != SSL_ERROR_WANT_READ)
            return false;
        int more = is_readable(fd);
        if (more <= 0)
            return more == 0;
    }
    return false;
}

/* curl reads by a BIO of its own, which works only within a call of curl: for a moment OpenSSL reads the socket itself. */
static bool only_tickets(int fd, SSL *ssl) {
    BIO *own = SSL_get_rbio(ssl), *plain = BIO_new_socket(fd, BIO_NOCLOSE);

    if (plain == NULL || own == NULL || BIO_up_ref(own) != 1) {
        BIO_free(plain);
        return false;
    }
    SSL_set0_rbio(ssl, plain);
    bool clean = read_tickets(fd, ssl);
    ERR_clear_error();
    SSL_set0_rbio(ssl, own);
    return clean;
}

bool kept_is_clean(int fd, SSL *ssl) {
    if (ssl != NULL && SSL_pending(ssl) > 0)
        return false;
    int something = is_readable(fd);
    return something == 0 || (something > 0 && ssl != NULL && only_tickets(fd, ssl));
}

uint32_t kept_early_ms(int fd) {
    struct tcp_info info = {0};
    socklen_t len = sizeof info;

    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0)
        return EARLY_MAX_MS;
    uint64_t ms = ((uint64_t)info.tcpi_rtt + 4 * (uint64_t)info.tcpi_rttvar) / 1000 + 1;
    return ms < EARLY_MAX_MS ? (uint32_t)ms : EARLY_MAX_MS;
}

bool kept_is_early(int fd, size_t request_bytes) {
    int unacknowledged = 0;

    return request_bytes > 0 && ioctl(fd, SIOCOUTQ, &unacknowledged) == 0 && unacknowledged >= 0 &&
           (size_t)unacknowledged >= request_bytes;
}
