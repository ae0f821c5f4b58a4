#include "worker/tls_peer.h"

#include <openssl/x509v3.h>
#include <pthread.h>

#include "shared/cost.h"

static pthread_once_t places_once = PTHREAD_ONCE_INIT;
static int of_ssl = -1, of_context = -1;

static void make_places(void) {
    of_ssl = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    of_context = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
}

/* OpenSSL tells of each step of its state machine before it takes it, and when it gives it up to wait; and of alerts. */
static void on_info(const SSL *ssl, int where, int ret) {
    if (where & SSL_CB_ALERT) {
        struct tls_peer *peer = SSL_get_ex_data(ssl, of_ssl);
        if ((where & SSL_CB_READ) && (ret & 0xff) == SSL_AD_CLOSE_NOTIFY && peer != NULL &&
            peer->ssl == ssl)
            peer->ended = true;
        return;
    }
    cost_enter(where & (SSL_CB_EXIT | SSL_CB_HANDSHAKE_DONE) ? COST_TRANSFER : COST_TLS);
}

/* RFC 5280 §4.2.2.1: a certificate may say where that of its issuer is. An authority of one's own has no use for that. */
static bool names_issuer(X509 *certificate) {
    AUTHORITY_INFO_ACCESS *access =
        certificate == NULL ? NULL : X509_get_ext_d2i(certificate, NID_info_access, NULL, NULL);
    bool found = false;

    for (int i = 0; i < sk_ACCESS_DESCRIPTION_num(access) && !found; i++)
        found = OBJ_obj2nid(sk_ACCESS_DESCRIPTION_value(access, i)->method) == NID_ad_ca_issuers;
    AUTHORITY_INFO_ACCESS_free(access);
    return found;
}

/* Changes no verdict. */
static int on_verify(int ok, X509_STORE_CTX *store) {
    const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct tls_peer *peer =
        ssl == NULL ? NULL : SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), of_context);
    int why = X509_STORE_CTX_get_error(store);

    if (!ok && peer != NULL &&
        (why == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY ||
         why == X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE))
        peer->lacks_issuer |= names_issuer(X509_STORE_CTX_get_current_cert(store));
    return ok;
}

void tls_peer_watch(SSL_CTX *context, struct tls_peer *peer) {
    pthread_once(&places_once, make_places);
    (void)SSL_CTX_set_ex_data(context, of_context, peer);
    SSL_CTX_set_info_callback(context, on_info);
    SSL_CTX_set_verify(context, SSL_CTX_get_verify_mode(context), on_verify);
}

void tls_peer_begin(struct tls_peer *peer, SSL *ssl) {
    pthread_once(&places_once, make_places);
    if (SSL_set_ex_data(ssl, of_ssl, peer) != 1)
        return;
    peer->ssl = ssl;
    peer->ended = false;
}

/* The connection may be gone: it is not touched, and one that stays finds that it is not the peer's any more. */
void tls_peer_end(struct tls_peer *peer) {
    peer->ssl = NULL;
    peer->lacks_issuer = false;
}
