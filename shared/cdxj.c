#include "shared/cdxj.h"

#include "shared/json_out.h"
#include "shared/limits.h"
#include "shared/utc.h"
#include "shared/warc_uri.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct argument {
    uint16_t at, len; /* in the query */
};

static char lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* Spaces and control characters would end the key; a URL of the standard's has none. */
static bool append_lower(struct buf *to, const char *p, size_t len) {
    for (size_t i = 0; i < len; i++) {
        if (p[i] > ' ' || p[i] < 0)
            buf_append_char(to, lower(p[i]));
        else
            buf_printf(to, "%%%02x", (unsigned char)p[i]);
    }
    return !to->failed;
}

/* How much of the host is "www." or "www12.". */
static size_t www_len(const char *host, size_t len) {
    size_t at = 3;

    if (len < 4 || lower(host[0]) != 'w' || lower(host[1]) != 'w' || lower(host[2]) != 'w')
        return 0;
    while (at < len && host[at] >= '0' && host[at] <= '9')
        at++;
    return at < len && host[at] == '.' ? at + 1 : 0;
}

static bool append_host(struct buf *to, const char *host, size_t len) {
    size_t www = www_len(host, len);

    host += www;
    len -= www;
    if (len > 0 && host[0] == '[') /* IPv6 */
        return append_lower(to, host, len);
    for (size_t end = len;;) {
        size_t start = end;
        while (start > 0 && host[start - 1] != '.')
            start--;
        append_lower(to, host + start, end - start);
        if (start == 0)
            return !to->failed;
        buf_append_char(to, ',');
        end = start - 1;
    }
}

/* "host:port" without a default port. */
static bool append_authority(struct buf *to, const char *p, size_t len, bool is_https) {
    const char *at = memrchr(p, '@', len);
    size_t host = at != NULL ? (size_t)(at - p) + 1 : 0, port = len;

    while (port > host && p[port - 1] >= '0' && p[port - 1] <= '9')
        port--;
    if (port == host || p[port - 1] != ':')
        return append_host(to, p + host, len - host);
    const char *standard = is_https ? "443" : "80";
    append_host(to, p + host, port - 1 - host);
    if (port < len &&
        (len - port != strlen(standard) || memcmp(p + port, standard, len - port) != 0)) {
        buf_append_char(to, ':');
        buf_append(to, p + port, len - port);
    }
    return !to->failed;
}

/* By name, then value; no '=' comes before an empty value. Both are lower case by now. */
static int compare_arguments(const void *one, const void *other, void *query) {
    const struct argument *a = one, *b = other;
    const char *p = (const char *)query + a->at, *q = (const char *)query + b->at;

    for (size_t i = 0;; i++) {
        /* The order: end of the argument, '=' (as the end of the name), the bytes. */
        int x = i == a->len ? -2 : p[i] == '=' ? -1 : (unsigned char)p[i];
        int y = i == b->len ? -2 : q[i] == '=' ? -1 : (unsigned char)q[i];
        if (x != y)
            return x < y ? -1 : 1;
        if (x == -2)
            return a->at < b->at ? -1 : a->at > b->at;
        if (x != -1)
            continue;
        size_t p_len = a->len - i - 1u, q_len = b->len - i - 1u;
        int order = memcmp(p + i + 1, q + i + 1, p_len < q_len ? p_len : q_len);
        if (order == 0)
            order = p_len < q_len ? -1 : p_len > q_len;
        return order != 0 ? order : a->at < b->at ? -1 : a->at > b->at;
    }
}

static bool append_query(struct buf *to, const char *query, size_t len) {
    struct argument arguments[LIMIT_URL_BYTES + 1];
    struct buf text;
    size_t count = 0;
    bool ok = false;

    buf_init(&text, 3 * LIMIT_URL_BYTES);
    if (!append_lower(&text, query, len)) /* so at most 3 times the length: it fits 16 bits */
        goto out;
    for (size_t at = 0; at <= text.len && count < sizeof arguments / sizeof *arguments;) {
        const char *end = memchr(text.data + at, '&', text.len - at);
        size_t n = (end != NULL ? (size_t)(end - text.data) : text.len) - at;
        arguments[count++] = (struct argument){(uint16_t)at, (uint16_t)n};
        at += n + 1;
    }
    qsort_r(arguments, count, sizeof *arguments, compare_arguments, text.data);
    for (size_t i = 0; i < count; i++) {
        buf_append_char(to, i == 0 ? '?' : '&');
        buf_append(to, text.data + arguments[i].at, arguments[i].len);
    }
    ok = !to->failed;
out:
    buf_release(&text);
    return ok;
}

bool cdxj_surt(const char *url, size_t url_len, struct buf *to) {
    bool is_https = url_len >= 8 && memcmp(url, "https://", 8) == 0;
    size_t host = is_https ? 8 : 7;

    if (url_len > LIMIT_URL_BYTES || (!is_https && (url_len < 7 || memcmp(url, "http://", 7) != 0)))
        return append_lower(to, url, url_len);
    const char *hash = memchr(url, '#', url_len);
    size_t len = hash != NULL ? (size_t)(hash - url) : url_len;
    size_t path = host;
    while (path < len && url[path] != '/' && url[path] != '?')
        path++;
    const char *mark = memchr(url + path, '?', len - path);
    size_t path_end = mark != NULL ? (size_t)(mark - url) : len;
    size_t query = mark != NULL ? path_end + 1 : len;

    append_authority(to, url + host, path - host, is_https);
    buf_append_char(to, ')');
    if (path_end - path > 1 && url[path_end - 1] == '/')
        path_end--;
    if (path_end == path)
        buf_append_char(to, '/');
    append_lower(to, url + path, path_end - path);
    return query < len ? append_query(to, url + query, len - query) : !to->failed;
}

static bool append_date(struct buf *to, int64_t date_ms) {
    char text[UTC_14_SIZE];

    if (!utc_14(date_ms, text))
        return false;
    buf_append_char(to, ' ');
    buf_append_str(to, text);
    return buf_append_char(to, ' ');
}

static void append_member(struct buf *to, const char *name, const char *text, size_t len) {
    buf_append_str(to, name);
    json_out_string(to, text, len);
}

static bool append_of_uri(struct buf *to, const struct cdxj_record *r) {
    const char *mime = r->mime != NULL && *r->mime != '\0' ? r->mime : "unk";

    if (!cdxj_surt(r->url, r->url_len, to) || !append_date(to, r->date_ms))
        return false;
    append_member(to, "{\"url\": ", r->url, r->url_len);
    append_member(to, ", \"mime\": ", mime, strlen(mime));
    buf_printf(to, ", \"status\": \"%d\"", r->status);
    append_member(to, ", \"digest\": ", r->digest, strlen(r->digest));
    buf_printf(to, ", \"length\": \"%" PRIu64 "\", \"offset\": \"%" PRIu64 "\"", r->length,
               r->offset);
    append_member(to, ", \"filename\": ", r->filename, strlen(r->filename));
    return buf_append(to, "}\n", 2);
}

bool cdxj_append(struct buf *to, const struct cdxj_record *r) {
    struct cdxj_record of_uri = *r;
    struct buf uri;

    if (warc_uri_is(r->url, r->url_len))
        return append_of_uri(to, r);
    buf_init(&uri, 3 * r->url_len);
    bool ok = warc_uri_append(&uri, r->url, r->url_len);
    of_uri.url = uri.data;
    of_uri.url_len = uri.len;
    ok = ok && append_of_uri(to, &of_uri);
    if (!ok)
        to->failed = true;
    buf_release(&uri);
    return ok;
}
