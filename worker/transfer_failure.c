#include "worker/transfer_failure.h"

#include <errno.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

void transfer_fail(struct transfer *t, enum agent_failure failure, const char *reason) {
    t->failure = failure;
    snprintf(t->reason, sizeof t->reason, "%s", reason);
}

static void fail_connect(struct transfer *t, long os_errno) {
    if (t->refusal == SOCKETS_FORBIDDEN)
        transfer_fail(t, AGENT_FORBIDDEN_ADDRESS, "address-not-allowed");
    else if (t->refusal == SOCKETS_LEASE_OVER)
        transfer_fail(t, AGENT_NETWORK, "lease-over");
    else if (t->refusal == SOCKETS_FAILED)
        transfer_fail(t, AGENT_AGAIN, "no-sockets");
    else if (os_errno == ECONNREFUSED)
        transfer_fail(t, AGENT_NETWORK, "connection-refused");
    else if (os_errno == ECONNRESET)
        transfer_fail(t, AGENT_NETWORK, "connection-reset");
    else if (os_errno == EHOSTUNREACH)
        transfer_fail(t, AGENT_NETWORK, "host-unreachable");
    else if (os_errno == ENETUNREACH)
        transfer_fail(t, AGENT_NETWORK, "network-unreachable");
    else if (os_errno == ETIMEDOUT)
        transfer_fail(t, AGENT_NETWORK, "connect-timeout");
    else
        transfer_fail(t, AGENT_NETWORK, "connect-failed");
}

/* Another certificate, or a machine's clock set right, is needed: no attempt soon will do better. */
static void fail_certificate(struct transfer *t) {
    long verify = X509_V_OK;

    curl_easy_getinfo(t->easy, CURLINFO_SSL_VERIFYRESULT, &verify);
    switch (verify) {
    case X509_V_OK:
    case X509_V_ERR_UNSPECIFIED: /* curl looks at the name before it asks what became of the chain */
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        transfer_fail(t, AGENT_HOPELESS, "tls-wrong-host");
        break;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        transfer_fail(t, AGENT_HOPELESS, "tls-self-signed");
        break;
    case X509_V_ERR_CERT_HAS_EXPIRED:
        transfer_fail(t, AGENT_HOPELESS, "tls-expired");
        break;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        transfer_fail(t, AGENT_HOPELESS, "tls-not-yet-valid");
        break;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        transfer_fail(t, AGENT_HOPELESS,
                      t->peer.lacks_issuer ? "tls-incomplete-chain" : "tls-untrusted");
        break;
    default:
        t->failure = AGENT_HOPELESS;
        snprintf(t->reason, sizeof t->reason, "tls-certificate: %s",
                 X509_verify_cert_error_string(verify));
        break;
    }
}

/* One of our callbacks did not take what came. */
static void fail_write(struct transfer *t) {
    if (t->body.cut)
        return; /* a whole response, as far as it is wanted */
    if (t->no_answer)
        transfer_fail(t, AGENT_NETWORK, "answer-unasked");
    else if (t->head_too_large)
        transfer_fail(t, AGENT_HOPELESS, "protocol-header-too-large");
    else if (t->framing.fault == HEADERS_LENGTH_CONFLICT)
        transfer_fail(t, AGENT_HOPELESS, "protocol-length-conflict");
    else if (t->framing.fault == HEADERS_LENGTH_INVALID)
        transfer_fail(t, AGENT_HOPELESS, "protocol-header-invalid");
    else if (t->framing.fault == HEADERS_CODING_UNDONE)
        transfer_fail(t, AGENT_HOPELESS, "protocol-transfer-coding");
    else
        transfer_fail(t, AGENT_NETWORK, "out-of-memory");
}

static bool is_reset(long os_errno) {
    return os_errno == ECONNRESET || os_errno == EPIPE;
}

/* Without TLS, which has troubles of its own, what is no error of the system is one of the chunks. */
static bool is_bad_chunk(const struct transfer *t, long os_errno) {
    const char *value;
    size_t len;

    return os_errno == 0 && t->head_done && strncmp(t->url, "http:", 5) == 0 &&
           transfer_header(t, "transfer-encoding", 0, &value, &len);
}

static void fail_receive(struct transfer *t, long os_errno) {
    if (is_reset(os_errno))
        transfer_fail(t, AGENT_NETWORK, "connection-reset");
    else if (is_bad_chunk(t, os_errno))
        transfer_fail(t, AGENT_HOPELESS, "protocol-chunking");
    else
        transfer_fail(t, AGENT_NETWORK, "connection-broken");
}

/* The body ends where its connection does (RFC 9112 §6.3, the last case). */
static bool ends_with_connection(const struct transfer *t) {
    return t->status >= 200 && t->framing.end == HEADERS_END_CONNECTION;
}

/* curl has counted no length of its own, and taken the end of the connection for that of the body. */
static bool ends_early(const struct transfer *t) {
    return t->ends_by_us && !t->ended && !t->body.cut;
}

/* A body that ends with its connection looks whole when this worker's own fence has ended that. */
static bool cut_by_us(const struct transfer *t) {
    return t->target->sockets.cut != t->cut_before && !t->h2 && ends_with_connection(t);
}

/* Anybody on the way can end a connection: with TLS, what ends with it is whole only if the server said so by a closure alert
 * (RFC 9112 §9.8), with HTTP/2 only what has END_STREAM (RFC 9113 §8.1). Without either the end of the connection is all the
 * word there is. Lines behind the last chunk that are no trailers may be of a body that goes on: libcurl 7.88 reads the size
 * "0x12" as 0 (RFC 9112 §7.1 has no such). */
static bool is_unproven(const struct transfer *t) {
    if (t->stray_line)
        return true;
    if (t->h2)
        return t->torn;
    return strncmp(t->url, "https:", 6) == 0 && !t->peer.ended && ends_with_connection(t);
}

/* A whole header, and a body as far as there was one. */
static void judge_response(struct transfer *t) {
    if (t->status == 0 || !t->head_done)
        transfer_fail(t, AGENT_NETWORK, "header-incomplete");
    else if (cut_by_us(t))
        transfer_fail(t, AGENT_NETWORK, "lease-over");
    else if (ends_early(t))
        transfer_fail(t, AGENT_NETWORK, "body-incomplete");
    else
        t->unproven = is_unproven(t);
    /* RFC 9309 §2.3.1.4: what it would forbid may be missing. */
    if (t->unproven && t->robots)
        transfer_fail(t, AGENT_NETWORK, "body-incomplete");
}

/* The connection is to blame, and another may do: one that was kept had ended or was out of step (RFC 9112 §9.3.1), or an
 * origin that agreed on HTTP/2 does not speak it. No part of an answer was had: what it says of the URL is nothing. */
static bool is_to_repeat(const struct transfer *t, CURLcode code) {
    bool silent = t->head.len == 0 && t->standing;

    if (t->no_answer)
        return true;
    if (!silent || t->refusal != SOCKETS_OPENED ||
        t->target->sockets.cut != t->cut_before) /* the lease, not the server */
        return false;
    if (t->h2 && !t->kept)
        return t->failure == AGENT_NETWORK || t->failure == AGENT_HOPELESS;
    return t->kept && code != CURLE_OPERATION_TIMEDOUT &&
           (t->failure == AGENT_NETWORK || t->field_lines == 0);
}

static void judge(struct transfer *t, CURLcode code);

void transfer_judge(struct transfer *t, CURLcode code) {
    judge(t, code);
    t->unanswered = t->failure == AGENT_NETWORK && t->head.len == 0 &&
                    code != CURLE_ABORTED_BY_CALLBACK && t->refusal == SOCKETS_OPENED &&
                    t->target->sockets.cut == t->cut_before;
    t->unreached = t->unanswered && !t->standing;
    if (t->failure != AGENT_NO_FAILURE && is_to_repeat(t, code))
        t->failure = AGENT_AGAIN;
}

/* So curl calls a trailer without a colon, which it shows to nobody. What came before it is kept; trailers are left out. */
static bool is_trailer_refused(const struct transfer *t, CURLcode code) {
    return code == CURLE_BAD_FUNCTION_ARGUMENT && t->head_done &&
           !headers_is_interim(t->head.data, t->head.len);
}

static void judge(struct transfer *t, CURLcode code) {
    long os_errno = 0;

    curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &os_errno);
    if (is_trailer_refused(t, code)) {
        t->stray_line = true;
        code = CURLE_OK;
    }
    if (t->ended && code == CURLE_WRITE_ERROR)
        code = CURLE_OK;
    switch (code) {
    case CURLE_OK: /* so curl calls a header without an end, too */
        judge_response(t);
        break;
    case CURLE_WRITE_ERROR:
        fail_write(t);
        break;
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST:
        fail_connect(t, os_errno);
        break;
    case CURLE_OPERATION_TIMEDOUT:
        transfer_fail(t, AGENT_NETWORK, t->sent ? "timeout" : "connect-timeout");
        break;
    case CURLE_GOT_NOTHING:
        transfer_fail(t, AGENT_NETWORK, "empty-reply");
        break;
    case CURLE_PARTIAL_FILE:
        transfer_fail(t, AGENT_NETWORK, "body-incomplete");
        break;
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
        fail_receive(t, os_errno);
        break;
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
        transfer_fail(t, AGENT_NETWORK, "http2-error");
        break;
    case CURLE_BAD_CONTENT_ENCODING:
        transfer_fail(t, AGENT_HOPELESS, "protocol-transfer-coding");
        break;
    case CURLE_PEER_FAILED_VERIFICATION:
        fail_certificate(t);
        break;
    case CURLE_SSL_CONNECT_ERROR:
        if (is_reset(os_errno))
            transfer_fail(t, AGENT_NETWORK, "connection-reset");
        else
            transfer_fail(t, AGENT_HOPELESS, "tls-handshake");
        break;
    case CURLE_SSL_CACERT_BADFILE:
        transfer_fail(t, AGENT_HOPELESS, "tls-no-authorities");
        break;
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_FUNCTION_ARGUMENT: /* so curl calls a field line that has no name */
        transfer_fail(t, AGENT_HOPELESS,
                      t->field_lines == 0 ? "protocol-not-http" : "protocol-header-invalid");
        break;
    case CURLE_URL_MALFORMAT:
        transfer_fail(t, AGENT_HOPELESS, "url-not-supported");
        break;
    case CURLE_ABORTED_BY_CALLBACK: /* on_ready() */
        if (t->failure == AGENT_NO_FAILURE)
            transfer_fail(t, AGENT_NETWORK, "lease-over");
        break;
    case CURLE_OUT_OF_MEMORY: /* so curl calls a header line over its own limit */
        if (t->head_done)
            transfer_fail(t, AGENT_NETWORK, "out-of-memory");
        else
            transfer_fail(t, AGENT_HOPELESS, "protocol-header-too-large");
        break;
    default:
        t->failure = AGENT_NETWORK;
        snprintf(t->reason, sizeof t->reason, "transfer-failed: %s", curl_easy_strerror(code));
        break;
    }
}
