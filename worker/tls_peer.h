/*
 * tls_peer: what OpenSSL sees of a server and curl does not tell: whether it said that its data ends (close_notify), and
 * whether its certificate lacks the one that signed it.
 *
 *     curl makes an SSL_CTX for a connection     tls_peer_watch(context, &peer)
 *     a request goes out on it                   tls_peer_begin(&peer, ssl)
 *     that exchange has ended                    tls_peer_end(&peer)
 *
 * A peer is that of one exchange; the connection may go on to others. One owner, the thread in which curl runs. The CPU that
 * handshakes take is counted as such on the way (shared/cost.h).
 */
#ifndef TRAWL_WORKER_TLS_PEER_H
#define TRAWL_WORKER_TLS_PEER_H

#include <openssl/ssl.h>
#include <stdbool.h>

/* The caller's; at rest when zeroed. Its address must stay valid for as long as curl may use a connection. */
struct tls_peer {
    SSL *ssl;   /* while its exchange runs */
    bool ended; /* a closure alert came: what was received is all (RFC 8446 §6.1) */
    bool
        lacks_issuer; /* of the certificate that it sent last, which says where to fetch that one */
};

/* `peer`: of the exchange for which the connection is made. */
void tls_peer_watch(SSL_CTX *context, struct tls_peer *peer);
void tls_peer_begin(struct tls_peer *peer, SSL *ssl);
void tls_peer_end(struct tls_peer *peer);

#endif
