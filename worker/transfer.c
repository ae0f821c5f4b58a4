#include "worker/transfer.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#include "shared/limits.h"
#include "shared/log.h"
#include "shared/sitemap.h"
#include "worker/conditional.h"
#include "worker/fence.h"
#include "worker/h2_torn.h"
#include "worker/kept.h"
#include "worker/transfer_failure.h"
#include "worker/watches.h"

enum {
    CONNECT_TIMEOUT_MS = 10 * 1000,
    HURRY_TIMEOUT_MS = 3 * 1000, /* where another address can be tried */
    CONNECTIONS_MIN = 4,         /* however few descriptors there are */
    COLLECT_MS = 20,             /* for what ended, at a time */
    PAUSE_MS = 1000,             /* until a full disk is tried again */
    HEAD_KEEP_BYTES = 4096,      /* of an idle transfer's header block */
    IDLE_MAX_S = 118,            /* of a connection, before it is used again; curl's default */
    HTTP1_PLACES = 1024,         /* origins that are remembered for trouble with HTTP/2 */
};

struct transfers {
    struct transfers_config config;
    CURLM *multi;
    struct watches watches;
    struct curl_slist *headers;
    char *user_agent;
    uint32_t timeout_ms;
    uint64_t max_body_bytes;
    int64_t timer_ms, paused_ms;
    struct transfer *free, *paused, *stillborn;
    struct transfer *transfers; /* array of config.max */
    uint32_t made, running, connections_max;
    uint64_t bytes_in;
    bool cookies;
    struct headers_unfolded unfolded; /* of a transfer: the archive has the head as it came */
    bool more_ended;                  /* and is not collected yet */
    uint64_t http1[HTTP1_PLACES]; /* hashes of origins; a later one takes an earlier one's place */
};

/* ---- states -------------------------------------------------------------------------------------- */

/* The only place that changes a transfer's state. */
static void become(struct transfer *t, enum transfer_state state) {
    struct transfers *ts = t->all;

    if (t->state == TRANSFER_PAUSED) {
        struct transfer **at = &ts->paused;
        while (*at != t)
            at = &(*at)->paused_next;
        *at = t->paused_next;
    }
    if (state == TRANSFER_PAUSED) {
        t->paused_next = ts->paused;
        ts->paused = t;
        ts->paused_ms = fence_now_ms() + PAUSE_MS;
    }
    t->state = state;
}

static void target_add(struct transfer_target *target, struct transfer *t) {
    t->target = target;
    t->prev = NULL;
    t->next = target->first;
    if (t->next != NULL)
        t->next->prev = t;
    target->first = t;
}

static void target_remove(struct transfer *t) {
    if (t->prev != NULL)
        t->prev->next = t->next;
    else
        t->target->first = t->next;
    if (t->next != NULL)
        t->next->prev = t->prev;
    t->target = NULL;
    t->next = t->prev = NULL;
}

/* ---- what curl calls ----------------------------------------------------------------------------- */

static curl_socket_t on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *to) {
    struct transfer *t = arg;

    if (purpose != CURLSOCKTYPE_IPCXN || t->target == NULL)
        return CURL_SOCKET_BAD;
    t->standing = false;
    int fd = sockets_open(t->all->config.sockets, &t->target->sockets, &to->addr, to->socktype,
                          to->protocol, &t->refusal);
    if (fd < 0)
        return CURL_SOCKET_BAD;
    watches_forget(&t->all->watches, fd);
    return fd;
}

static int on_close(void *arg, curl_socket_t fd) {
    struct transfers *ts = arg;

    watches_forget(&ts->watches, fd);
    return sockets_close(ts->config.sockets, fd);
}

/* Header blocks count in the memory of bodies: where those are many and large, bodies go to the disk. */
static bool append_head(struct transfer *t, const char *p, size_t n) {
    size_t before = t->head.size;
    bool ok = buf_append(&t->head, p, n);

    t->all->config.bodies->bytes += t->head.size - before;
    return ok;
}

static void drop_head(struct transfer *t) {
    t->all->config.bodies->bytes -= t->head.size;
    buf_release(&t->head);
}

/* A response's first line. HTTP/2 has none (RFC 9113 §8.3.2), and curl makes up "HTTP/2 200": what is archived is a
 * message of HTTP/1.1, as WARC readers want it. They want capitals, too, where curl and browsers read http/1.1. */
static bool append_status_line(struct transfer *t, const char *p, size_t n) {
    static const char h2[] = "HTTP/2 ", h1[] = "HTTP/1.1 ", name[] = "HTTP";

    if (n >= sizeof h2 - 1 && memcmp(p, h2, sizeof h2 - 1) == 0)
        return append_head(t, h1, sizeof h1 - 1) &&
               append_head(t, p + sizeof h2 - 1, n - (sizeof h2 - 1));
    if (n < sizeof name - 1 || strncasecmp(p, name, sizeof name - 1) != 0)
        return append_head(t, p, n);
    return append_head(t, name, sizeof name - 1) &&
           append_head(t, p + sizeof name - 1, n - (sizeof name - 1));
}

static bool is_no_answer(const struct transfer *t, const char *line, size_t len);

/* libcurl 7.88 sees no field with white space before its colon or in a second line, and takes no length beside a transfer
 * coding, any at all. Where it goes by something else than the message does, the body is counted here; chunks that it does not
 * see are refused. The connection serves no other fetch if others may see another end. */
static void settle_framing(struct transfer *t) {
    const struct buf *head = &t->head;
    curl_off_t curls = -1;

    t->all->unfolded.of = NULL; /* it may be of what this one served before */
    if (t->folded)
        head = headers_unfolded(&t->all->unfolded, t, &t->head);
    t->framing = headers_framing(head->data, head->len);
    if (t->framing.fault != HEADERS_NO_FAULT || t->h2 ||
        headers_is_interim(t->head.data, t->head.len))
        return;
    (void)curl_easy_getinfo(t->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &curls);
    if (t->framing.odd)
        (void)curl_easy_setopt(t->easy, CURLOPT_FORBID_REUSE, 1L);
    switch (t->framing.end) {
    case HEADERS_END_HEAD:
        t->ended = t->framing.odd;
        break;
    case HEADERS_END_LENGTH:
        t->ends_by_us = t->framing.odd || curls < 0 || (uint64_t)curls != t->framing.length;
        t->ended = t->ends_by_us && t->framing.length == 0;
        break;
    case HEADERS_END_CHUNKS:
        if (!headers_chunked_plainly(t->head.data, t->head.len))
            t->framing.fault = HEADERS_CODING_UNDONE;
        break;
    case HEADERS_END_CONNECTION:
        break;
    }
}

/* Interim responses (1xx) are replaced by what follows; trailers behind the body are left out. All of them count. */
static size_t on_header(char *p, size_t one, size_t n, void *arg) {
    struct transfer *t = arg;

    (void)one;
    t->all->bytes_in += n;
    t->field_bytes += n;
    t->head_too_large =
        t->field_bytes > LIMIT_HEADER_BYTES || ++t->field_lines > LIMIT_HEADER_LINES;
    t->no_answer = t->field_lines == 1 && is_no_answer(t, p, n);
    if (t->head_too_large || t->no_answer)
        return 0;
    if (t->head.len == 0)
        t->all->config.answered(t->all->config.arg, t, fence_now_ms());
    if (t->head_done && headers_is_interim(t->head.data, t->head.len)) {
        buf_reset(&t->head);
        t->head_done = t->folded = false;
    }
    t->folded = t->folded || (n > 0 && (p[0] == ' ' || p[0] == '\t'));
    if (t->head_done) {
        t->stray_line = t->stray_line || (p[0] != '\r' && p[0] != '\n' && !headers_is_field(p, n));
        return n;
    }
    if (!(t->head.len == 0 ? append_status_line(t, p, n) : append_head(t, p, n))) {
        t->no_memory = true;
        return 0;
    }
    t->head_done = (n == 2 && p[0] == '\r') || (n == 1 && p[0] == '\n');
    if (t->head_done)
        settle_framing(t);
    return t->framing.fault == HEADERS_NO_FAULT && !t->ended ? n : 0;
}

/* What the server says that will come is made room for at once. */
static void expect_body(struct transfer *t) {
    curl_off_t len = 0;

    if (curl_easy_getinfo(t->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &len) == CURLE_OK && len > 0)
        body_expect(&t->body, (uint64_t)len);
}

static size_t on_body(char *p, size_t one, size_t n, void *arg) {
    struct transfer *t = arg;

    (void)one;
    if (t->body.len == 0)
        expect_body(t);
    size_t wanted = n;
    if (t->ends_by_us && n >= t->framing.length - t->body.len)
        wanted = (size_t)(t->framing.length - t->body.len);
    switch (body_append(&t->body, p, wanted)) {
    case BODY_OK:
        t->all->bytes_in += n;
        t->ended = t->ends_by_us && t->body.len == t->framing.length;
        return t->ended ? 0 : n;
    case BODY_DISK:
        become(t, TRANSFER_PAUSED);
        return CURL_WRITEFUNC_PAUSE;
    case BODY_CUT:
        return 0; /* ends the exchange */
    default:
        t->no_memory = true;
        return 0;
    }
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known) {
    struct transfers *ts = arg;
    uint32_t events = 0;

    (void)easy;
    (void)known;
    if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
        events |= EPOLLIN;
    if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
        events |= EPOLLOUT;
    if (what == CURL_POLL_REMOVE && sockets_forget_lost(ts->config.sockets, fd))
        watches_forget(&ts->watches, fd);
    else
        (void)watches_set(&ts->watches, fd, events); /* or the transfer ends by its timeout */
    return 0;
}

static int on_timer(CURLM *multi, long timeout_ms, void *arg) {
    struct transfers *ts = arg;

    (void)multi;
    ts->timer_ms = timeout_ms < 0 ? INT64_MAX : fence_now_ms() + timeout_ms;
    return 0;
}

static CURLcode on_ssl_context(CURL *easy, void *context, void *arg) {
    struct transfer *t = arg;

    (void)easy;
    tls_peer_watch(context, &t->peer);
    return CURLE_OK;
}

/* ---- HTTP/1.1 instead of HTTP/2 ------------------------------------------------------------------- */

/* FNV-1a. Two origins of one hash are both asked for HTTP/1.1, which does no harm. */
static uint64_t hash(const char *text) {
    uint64_t h = UINT64_C(0xcbf29ce484222325);

    for (; *text != '\0'; text++)
        h = (h ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    return h;
}

static uint64_t *http1_place(struct transfers *ts, const char *base) {
    return &ts->http1[hash(base) % HTTP1_PLACES];
}

/* Longer than the visit: one that did not even get robots.txt ends with the failure. */
static void avoid_http2(struct transfer *t) {
    *http1_place(t->all, t->target->base) = hash(t->target->base);
}

/* ---- the connection ------------------------------------------------------------------------------ */

/* What TLS knows of it; NULL without TLS. */
static SSL *get_tls(struct transfer *t) {
    const struct curl_tlssessioninfo *info = NULL;

    if (strncmp(t->url, "https:", 6) != 0 ||
        curl_easy_getinfo(t->easy, CURLINFO_TLS_SSL_PTR, &info) != CURLE_OK || info == NULL)
        return NULL;
    return info->internals;
}

static bool speaks_h2(const SSL *ssl) {
    const unsigned char *protocol = NULL;
    unsigned len = 0;

    SSL_get0_alpn_selected(ssl, &protocol, &len);
    return len == 2 && memcmp(protocol, "h2", 2) == 0;
}

/* The one that curl has chosen is looked at. False: it cannot be used, and is shut: curl finds out as it writes, and connects
 * anew. That is so with one that an earlier visit left in curl's pool, and where something has come that nobody asked for. */
static bool take_connection(struct transfer *t, uint16_t local_port, uint16_t remote_port,
                            int64_t now_ms) {
    SSL *ssl = get_tls(t);
    struct sockets_adopted got =
        sockets_adopt(t->all->config.sockets, &t->target->sockets, local_port, remote_port);

    t->fd = got.fd;
    t->kept = got.kept;
    t->early_ms = got.early_ms;
    t->ready_ms = now_ms;
    t->h2 = ssl != NULL && speaks_h2(ssl);
    t->standing = !got.shut;
    if (got.shut)
        return false;
    if (t->kept && !t->h2 && !kept_is_clean(t->fd, ssl)) {
        (void)shutdown(t->fd, SHUT_RDWR);
        return false;
    }
    /* A server may say at once that it has no time (is_no_answer()). With TLS there are tickets to be read. */
    t->spoke_first = !t->kept && ssl == NULL && t->fd >= 0 && !kept_is_clean(t->fd, NULL);
    if (ssl != NULL)
        tls_peer_begin(&t->peer, ssl);
    return true;
}

/* Between connecting and writing the request: the last moment to see that the lease is over. */
static int on_ready(void *arg, char *remote, char *local, int remote_port, int local_port) {
    struct transfer *t = arg;
    int64_t now_ms = fence_now_ms();

    (void)remote;
    (void)local;
    if (now_ms >= visit_deadline_ms(t->visit))
        return CURL_PREREQFUNC_ABORT;
    /* It may be what the server asked for (RFC 9113 §7, HTTP_1_1_REQUIRED). */
    if (t->readied && t->h2 && !t->kept)
        avoid_http2(t);
    t->readied = true;
    if (!take_connection(t, (uint16_t)local_port, (uint16_t)remote_port, now_ms))
        return CURL_PREREQFUNC_OK;
    if (!t->all->config.sent(t->all->config.arg, t, now_ms)) {
        transfer_fail(t, AGENT_AGAIN, "connection-broken");
        return CURL_PREREQFUNC_ABORT;
    }
    t->sent = true;
    return CURL_PREREQFUNC_OK;
}

/* The first line of a response of HTTP/1. It answers nothing if it came before the request; if the connection was a new one, it
 * may be a server's word that it has no time. A 408 on one that was kept is about the connection (RFC 9110 §15.5.9). */
static bool is_no_answer(const struct transfer *t, const char *line, size_t len) {
    long request_bytes = 0;
    char kind = len > 9 && strncasecmp(line, "HTTP/1.", 7) == 0 ? line[9] : 0;

    if (t->h2 || t->fd < 0 || kind == 0)
        return false;
    if (t->kept && len >= 12 && memcmp(line + 9, "408", 3) == 0)
        return true;
    if (!t->kept && kind >= '4')
        return false;
    if (t->spoke_first)
        return true;
    if (t->early_ms > 0 && fence_now_ms() > t->ready_ms + t->early_ms)
        return false;
    return curl_easy_getinfo(t->easy, CURLINFO_REQUEST_SIZE, &request_bytes) == CURLE_OK &&
           request_bytes > 0 && kept_is_early(t->fd, (size_t)request_bytes);
}

/* ---- descriptors ---------------------------------------------------------------------------------- */

static bool bound_connections(struct transfers *ts, uint32_t max) {
    ts->connections_max = max;
    return curl_multi_setopt(ts->multi, CURLMOPT_MAXCONNECTS, (long)max) == CURLM_OK &&
           curl_multi_setopt(ts->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)max) == CURLM_OK;
}

/* There was no descriptor for one more, whoever has them: idle ones are given up first from now on. */
static void shrink(struct transfers *ts) {
    uint32_t open = sockets_count(ts->config.sockets);
    uint32_t max = open > CONNECTIONS_MIN ? open : CONNECTIONS_MIN;

    if (max >= ts->connections_max)
        return;
    log_warn("transfers", "no file descriptor for a connection; no more than %u from now on",
             (unsigned)max);
    (void)bound_connections(ts, max);
}

/* ---- cookies -------------------------------------------------------------------------------------- */

static void take_cookies(struct transfer *t) {
    const char *value;
    struct url url;
    size_t len;

    if (!t->all->cookies || !t->head_done || t->no_answer ||
        !transfer_header(t, "set-cookie", 0, &value, &len))
        return;
    url_init(&url);
    if (url_parse(&url, t->url, t->url_len, NULL) == URL_OK)
        for (unsigned i = 0; transfer_header(t, "set-cookie", i, &value, &len); i++)
            cookies_take(&t->target->cookies, &url, value, len, (int64_t)time(NULL));
    url_release(&url);
}

/* False: no memory. */
static bool send_cookies(struct transfer *t) {
    struct buf field;
    struct url url;

    if (t->target->cookies.first == NULL)
        return true;
    url_init(&url);
    buf_init(&field, LIMIT_HEADER_BYTES);
    bool ok = url_parse(&url, t->url, t->url_len, NULL) == URL_OK &&
              cookies_send(&t->target->cookies, &url, (int64_t)time(NULL), &field) &&
              (field.len == 0 || curl_easy_setopt(t->easy, CURLOPT_COOKIE, field.data) == CURLE_OK);
    buf_release(&field);
    url_release(&url);
    return ok;
}

/* ---- the end ------------------------------------------------------------------------------------- */

static void finish(struct transfer *t, CURLcode code) {
    struct transfers *ts = t->all;
    long status = 0;
    curl_off_t total_us = 0, ready_us = 0;

    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(t->easy, CURLINFO_TOTAL_TIME_T, &total_us);
    curl_easy_getinfo(t->easy, CURLINFO_PRETRANSFER_TIME_T, &ready_us);
    ts->unfolded.of = NULL;
    t->status = t->head.len == 0 || status < 0 ? 0 : (uint32_t)status;
    t->duration_ms = (uint32_t)(total_us / 1000);
    /* From now backwards: curl does not begin at once, and connecting took its time. */
    t->started_ms = fence_now_ms() - (total_us - ready_us) / 1000;
    transfer_judge(t, code);
    take_cookies(t);
    tls_peer_end(&t->peer);
    if (code == CURLE_HTTP2 || code == CURLE_HTTP2_STREAM ||
        (t->failure == AGENT_AGAIN && t->h2 && !t->kept))
        avoid_http2(t);
    if (t->refusal == SOCKETS_FAILED)
        shrink(ts);
    become(t, TRANSFER_FINISHED);
    ts->running--;
    ts->config.finished(ts->config.arg, t);
}

void transfers_collect(struct transfers *ts) {
    int64_t until_ms = fence_now_ms() + COLLECT_MS;
    CURLMsg *m;
    int left;

    while (!(ts->more_ended = fence_now_ms() >= until_ms) &&
           (m = curl_multi_info_read(ts->multi, &left)) != NULL) {
        struct transfer *t = NULL;
        CURLcode code = m->data.result;
        if (m->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&t);
        curl_multi_remove_handle(ts->multi, m->easy_handle); /* `m` dies with it */
        finish(t, code);
    }
}

void transfers_socket_event(struct transfers *ts, int fd, uint32_t epoll_events) {
    int running, what = 0;

    if (epoll_events & EPOLLIN)
        what |= CURL_CSELECT_IN;
    if (epoll_events & EPOLLOUT)
        what |= CURL_CSELECT_OUT;
    if (epoll_events & (EPOLLERR | EPOLLHUP))
        what |= CURL_CSELECT_ERR;
    curl_multi_socket_action(ts->multi, fd, what, &running);
    ts->more_ended = true; /* maybe */
}

static void finish_stillborn(struct transfers *ts) {
    struct transfer *t;

    while ((t = ts->stillborn) != NULL) {
        ts->stillborn = t->next_free;
        become(t, TRANSFER_FINISHED);
        ts->running--;
        ts->config.finished(ts->config.arg, t);
    }
}

static void resume_paused(struct transfers *ts) {
    struct transfer *t, *list = NULL;

    while ((t = ts->paused) != NULL) {
        become(t, TRANSFER_RUNNING);
        t->next_free = list;
        list = t;
    }
    while ((t = list) != NULL) {
        list = t->next_free;
        curl_easy_pause(t->easy, CURLPAUSE_CONT); /* may pause it again */
    }
}

void transfers_tick(struct transfers *ts, int64_t now_ms) {
    int running;

    finish_stillborn(ts);
    if (ts->paused != NULL && now_ms >= ts->paused_ms)
        resume_paused(ts);
    if (ts->more_ended)
        transfers_collect(ts);
    if (now_ms < ts->timer_ms)
        return;
    ts->timer_ms = INT64_MAX;
    curl_multi_socket_action(ts->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    transfers_collect(ts);
}

int64_t transfers_next_ms(const struct transfers *ts) {
    int64_t next = ts->timer_ms;

    if (ts->stillborn != NULL || ts->more_ended)
        return 0;
    if (ts->paused != NULL && ts->paused_ms < next)
        next = ts->paused_ms;
    return next;
}

/* ---- the beginning ------------------------------------------------------------------------------- */

static bool set_options(struct transfer *t) {
    struct transfers *ts = t->all;
    CURL *e = t->easy;

    return curl_easy_setopt(e, CURLOPT_USERAGENT, ts->user_agent) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)ts->timeout_ms) == CURLE_OK;
}

static long connect_timeout_ms(const struct transfer *t) {
    uint32_t most_ms = t->target->hurry ? HURRY_TIMEOUT_MS : CONNECT_TIMEOUT_MS;

    return (long)(t->all->timeout_ms < most_ms ? t->all->timeout_ms : most_ms);
}

/* Certificates are checked, always, by the authorities of the system or those of the file that SSL_CERT_FILE names,
 * as OpenSSL has it. */
static bool set_authorities(CURL *e) {
    const char *file = getenv("SSL_CERT_FILE");

    return file == NULL || file[0] == '\0' || curl_easy_setopt(e, CURLOPT_CAINFO, file) == CURLE_OK;
}

static bool set_constants(struct transfer *t) {
    CURL *e = t->easy;

    return set_authorities(e) && curl_easy_setopt(e, CURLOPT_PRIVATE, t) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_HTTP09_ALLOWED, 0L) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_PROXY, "") == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_HTTP_CONTENT_DECODING, 0L) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_PATH_AS_IS, 1L) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, on_open) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, t) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_CLOSESOCKETFUNCTION, on_close) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_CLOSESOCKETDATA, t->all) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_SSL_CTX_FUNCTION, on_ssl_context) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_SSL_CTX_DATA, t) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, on_ready) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_PREREQDATA, t) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_HEADERDATA, t) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_WRITEDATA, t) == CURLE_OK;
}

/* An easy handle serves one fetch. libcurl 7.88 keeps in it a pointer to the last field of the answer before, which it has
 * freed: an answer that begins with a folded line is then read, and freed, through it. It also counts how often a
 * handle's connections died under a request, and after five gives up instead of connecting anew. False: no memory. */
static bool make_handle(struct transfer *t) {
    curl_easy_cleanup(t->easy);
    t->easy = curl_easy_init();
    return t->easy != NULL && set_constants(t) && set_options(t);
}

/* An idle transfer with an easy handle of its own; NULL: none, or no memory. */
static struct transfer *take(struct transfers *ts) {
    struct transfer *t = ts->free;

    if (t == NULL && ts->made < ts->config.max) {
        t = &ts->transfers[ts->made];
        t->all = ts;
        if (!make_handle(t))
            return NULL;
        buf_init(&t->head, LIMIT_HEADER_BYTES);
        body_init(&t->body, ts->config.bodies);
        ts->made++;
        return t;
    }
    if (t == NULL || !make_handle(t))
        return NULL;
    ts->free = t->next_free;
    return t;
}

static uint64_t unix_ms(void) {
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Its stream was given up by the server in the middle (h2_torn.h). */
static void on_torn(void *arg, const void *easy) {
    struct transfers *ts = arg;

    for (uint32_t i = 0; i < ts->made; i++)
        if (ts->transfers[i].easy == easy)
            ts->transfers[i].torn = true;
}

static bool begin(struct transfer *t, const char *path) {
    struct transfers *ts = t->all;
    /* Without a connection of the visit's own, what curl has in its pool was shut by an earlier visit: curl 7.88
       does not see that by itself, but drops what has been idle for longer than so many whole seconds. */
    long idle_s = t->target->sockets.first == NULL ? 0 : IDLE_MAX_S;
    long version = *http1_place(ts, t->target->base) == hash(t->target->base)
                       ? CURL_HTTP_VERSION_1_1
                       : CURL_HTTP_VERSION_2TLS;

    return send_cookies(t) &&
           curl_easy_setopt(t->easy, CURLOPT_HTTP_VERSION, version) == CURLE_OK &&
           curl_easy_setopt(t->easy, CURLOPT_FRESH_CONNECT, (long)t->fresh) == CURLE_OK &&
           curl_easy_setopt(t->easy, CURLOPT_CONNECTTIMEOUT_MS, connect_timeout_ms(t)) ==
               CURLE_OK &&
           curl_easy_setopt(t->easy, CURLOPT_MAXAGE_CONN, idle_s) == CURLE_OK &&
           curl_easy_setopt(t->easy, CURLOPT_URL, t->target->base) == CURLE_OK &&
           curl_easy_setopt(t->easy, CURLOPT_REQUEST_TARGET, path) == CURLE_OK &&
           curl_easy_setopt(t->easy, CURLOPT_CONNECT_TO, t->target->connect_to) == CURLE_OK &&
           curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER,
                            t->conditional == NULL ? ts->headers : t->conditional->headers) ==
               CURLE_OK &&
           curl_multi_add_handle(ts->multi, t->easy) == CURLM_OK;
}

/* A sitemap may be larger than pages are wanted, and what is missing of it are pages. One more than it may have, so
 * that it shows. */
static uint64_t body_bytes_max(const struct transfers *ts, const struct agent_fetch *f) {
    if (f->robots)
        return LIMIT_ROBOTS_BYTES;
    return f->sitemap && ts->max_body_bytes <= SITEMAP_BYTES_MAX ? SITEMAP_BYTES_MAX + 1
                                                                 : ts->max_body_bytes;
}

struct transfer *transfer_start(struct transfers *ts, const struct agent_fetch *f,
                                struct transfer_target *target, int64_t now_ms) {
    struct transfer *t = take(ts);

    if (t == NULL)
        return NULL;
    t->visit = f->visit;
    t->fetch = f->fetch;
    t->robots = f->robots;
    t->sitemap = f->sitemap;
    t->fresh = f->fresh;
    t->url = f->url;
    t->url_len = f->url_len;
    t->conditional = f->capture_len == 0 ? NULL : conditional_new(f->capture, f->capture_len);
    t->failure = AGENT_NO_FAILURE;
    t->reason[0] = '\0';
    t->status = t->duration_ms = 0;
    buf_reset(&t->head);
    body_reset(&t->body, body_bytes_max(ts, f));
    t->sent = t->head_done = t->head_too_large = t->no_memory = t->folded = false;
    t->framing = (struct headers_framing){.fault = HEADERS_NO_FAULT};
    t->ends_by_us = t->ended = false;
    t->field_bytes = t->field_lines = 0;
    t->spoke_first = t->readied = t->standing = t->kept = t->h2 = t->no_answer = t->torn =
        t->stray_line = t->unproven = false;
    t->elsewhere = t->unreached = t->unanswered = false;
    t->fd = -1;
    t->cut_before = target->sockets.cut;
    t->refusal = SOCKETS_OPENED;
    t->started_ms = now_ms;
    t->started_unix_ms = unix_ms();
    target_add(target, t);
    become(t, TRANSFER_RUNNING);
    ts->running++;
    size_t origin_len = strlen(target->base) - 1;
    if (fence_now_ms() >= f->deadline_ms)
        transfer_fail(t, AGENT_NETWORK, "lease-over");
    else if (!begin(t, f->url + origin_len))
        transfer_fail(t, AGENT_NETWORK, "out-of-memory");
    if (t->failure != AGENT_NO_FAILURE) {
        t->next_free = ts->stillborn;
        ts->stillborn = t;
    }
    return t;
}

static void forget_stillborn(struct transfers *ts, const struct transfer *t) {
    struct transfer **at = &ts->stillborn;

    while (*at != NULL && *at != t)
        at = &(*at)->next_free;
    if (*at == t)
        *at = t->next_free;
}

void transfer_release(struct transfer *t) {
    struct transfers *ts = t->all;

    if (t->state != TRANSFER_FINISHED) {
        forget_stillborn(ts, t);
        curl_multi_remove_handle(ts->multi, t->easy);
        ts->running--;
    }
    become(t, TRANSFER_IDLE);
    target_remove(t);
    if (t->head.size > HEAD_KEEP_BYTES)
        drop_head(t);
    body_reset(&t->body, 0);
    conditional_free(t->conditional);
    t->conditional = NULL;
    t->visit = NULL;
    t->shell = NULL;
    t->next_free = ts->free;
    ts->free = t;
}

void transfers_abort(struct transfers *ts, struct transfer_target *target) {
    sockets_shut(ts->config.sockets, &target->sockets);
    while (target->first != NULL)
        transfer_release(target->first);
}

static void drop_address(struct transfer_target *target) {
    free(target->base);
    target->base = NULL;
    curl_slist_free_all(target->connect_to);
    target->connect_to = NULL;
    target->hurry = false;
}

bool transfer_target_set(struct transfer_target *target, const char *origin, const char *host,
                         size_t host_len, uint16_t port, const void *address, size_t address_len) {
    char text[64];
    struct buf b;

    drop_address(target);
    if (address_len != 4 && address_len != 16)
        return false;
    memcpy(target->sockets.address, address, address_len);
    target->sockets.address_len = address_len;
    buf_init(&b, LIMIT_URL_BYTES);
    buf_printf(&b, "%s/", origin);
    if (b.failed) {
        buf_release(&b);
        return false;
    }
    target->base = buf_take(&b);
    inet_ntop(address_len == 4 ? AF_INET : AF_INET6, address, text, sizeof text);
    buf_init(&b, LIMIT_URL_BYTES);
    buf_printf(&b, address_len == 4 ? "%.*s:%u:%s:%u" : "%.*s:%u:[%s]:%u", (int)host_len, host,
               (unsigned)port, text, (unsigned)port);
    if (!b.failed)
        target->connect_to = curl_slist_append(NULL, b.data);
    buf_release(&b);
    if (target->connect_to != NULL)
        return true;
    transfer_target_release(target);
    return false;
}

void transfer_target_release(struct transfer_target *target) {
    cookies_release(&target->cookies);
    drop_address(target);
}

/* ---- all of them --------------------------------------------------------------------------------- */

struct transfers *transfers_new(const struct transfers_config *config, struct error *err) {
    struct transfers *ts = calloc(1, sizeof *ts);

    if (ts == NULL) {
        error_set(err, ENOMEM, "transfers");
        return NULL;
    }
    ts->config = *config;
    ts->timer_ms = INT64_MAX;
    watches_init(&ts->watches, config->epoll_fd, config->tag);
    buf_init(&ts->unfolded.text, LIMIT_HEADER_BYTES);
    ts->transfers = calloc(config->max, sizeof *ts->transfers);
    ts->multi = curl_multi_init();
    ts->headers = curl_slist_append(NULL, TRANSFER_ACCEPT_ENCODING);
    ts->timeout_ms = 30 * 1000;
    h2_torn_listen(on_torn, ts);
    if (ts->transfers == NULL || ts->multi == NULL || ts->headers == NULL ||
        curl_multi_setopt(ts->multi, CURLMOPT_SOCKETFUNCTION, on_socket) != CURLM_OK ||
        curl_multi_setopt(ts->multi, CURLMOPT_SOCKETDATA, ts) != CURLM_OK ||
        curl_multi_setopt(ts->multi, CURLMOPT_TIMERFUNCTION, on_timer) != CURLM_OK ||
        curl_multi_setopt(ts->multi, CURLMOPT_TIMERDATA, ts) != CURLM_OK ||
        curl_multi_setopt(ts->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING) != CURLM_OK ||
        !bound_connections(ts, config->connections)) {
        error_set(err, ENOMEM, "transfers");
        transfers_free(ts);
        return NULL;
    }
    return ts;
}

void transfers_free(struct transfers *ts) {
    if (ts == NULL)
        return;
    h2_torn_listen(NULL, NULL);
    for (uint32_t i = 0; i < ts->made; i++) {
        struct transfer *t = &ts->transfers[i];
        if (t->state != TRANSFER_IDLE)
            transfer_release(t);
        curl_easy_cleanup(t->easy);
        drop_head(t);
        body_release(&t->body);
    }
    if (ts->multi != NULL)
        curl_multi_cleanup(ts->multi);
    watches_release(&ts->watches);
    buf_release(&ts->unfolded.text);
    curl_slist_free_all(ts->headers);
    free(ts->transfers);
    free(ts->user_agent);
    free(ts);
}

bool transfers_set_options(struct transfers *ts, const char *user_agent, uint32_t timeout_ms,
                           uint64_t max_body_bytes, bool cookies) {
    char *copy = strdup(user_agent);

    if (copy == NULL)
        return false;
    free(ts->user_agent);
    ts->user_agent = copy;
    ts->timeout_ms = timeout_ms > 0 ? timeout_ms : 1;
    ts->max_body_bytes = max_body_bytes;
    ts->cookies = cookies;
    return true;
}

void transfers_watch(struct transfers *ts) {
    watches_apply(&ts->watches);
}

uint32_t transfers_running(const struct transfers *ts) {
    return ts->running;
}

uint64_t transfers_bytes_in(const struct transfers *ts) {
    return ts->bytes_in;
}

bool transfer_header(const struct transfer *t, const char *name, unsigned nth, const char **value,
                     size_t *value_len) {
    const struct buf *head =
        t->folded ? headers_unfolded(&t->all->unfolded, t, &t->head) : &t->head;

    return headers_find(head->data, head->len, name, nth, value, value_len);
}
