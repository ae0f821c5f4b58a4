#include "master/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "shared/cost.h"
#include "shared/parse.h"

enum { PAGE_BYTES = 4 << 20, REQUEST_BYTES = 16 << 10, BACKLOG = 64 };

struct http {
    struct server *server;
    struct MHD_Daemon *daemon;
    int fd; /* listens; the daemon's once it runs */
    char host[PARSE_HOST_BYTES];
    char address[PARSE_HOST_BYTES + 16];
    /* Of libmicrohttpd's thread. */
    int64_t taken_ms; /* when what follows was taken; monotonic; 0: never */
    bool there;       /* there was a core to ask */
    struct core_stats stats;
    struct core_cost cost;
    struct buf json;
};

static int64_t clock_ms(void) {
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- what is shown ------------------------------------------------------------------------------------------ */

static void refresh(struct http *h) {
    int64_t now = clock_ms();

    if (h->taken_ms != 0 && now - h->taken_ms < HTTP_FRESH_MS)
        return;
    h->taken_ms = now;
    buf_reset(&h->json);
    h->there = server_stats(h->server, &h->stats) && server_cost(h->server, &h->cost) &&
               server_status_json(h->server, &h->json) && !h->json.failed;
}

/* A family of metrics begins. */
static void family(struct buf *out, const char *name, const char *type, const char *help) {
    buf_printf(out, "# HELP trawl_%s %s\n# TYPE trawl_%s %s\n", name, help, name, type);
}

static void metric(struct buf *out, const char *name, const char *type, uint64_t value,
                   const char *help) {
    family(out, name, type, help);
    buf_printf(out, "trawl_%s %llu\n", name, (unsigned long long)value);
}

static void url_states(struct buf *out, const struct core_stats *s) {
    const struct {
        const char *state;
        uint64_t count;
    } rows[] = {{"pending", s->pending},
                {"fetched", s->fetched},
                {"redirected", s->redirected},
                {"excluded", s->excluded},
                {"failed", s->failed}};

    family(out, "urls", "gauge", "Known URLs by state.");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        buf_printf(out, "trawl_urls{state=\"%s\"} %llu\n", rows[i].state,
                   (unsigned long long)rows[i].count);
}

static void costs(struct buf *out, const struct core_cost *cost) {
    metric(out, "pages_total", "counter", cost->pages, "Outcomes taken, since the master started.");
    family(out, "cpu_seconds_total", "counter",
           "CPU time of master and workers by stage, for the pages of pages_total.");
    for (unsigned i = 0; i < COST_STAGES; i++)
        buf_printf(out, "trawl_cpu_seconds_total{stage=\"%s\"} %.6f\n",
                   cost_stage_name((enum cost_stage)i), (double)cost->sums.us[i] / 1e6);
}

static void write_metrics(struct buf *out, const struct core_stats *s,
                          const struct core_cost *cost) {
    url_states(out, s);
    costs(out, cost);
    metric(out, "urls_in_flight", "gauge", s->in_flight, "Pending URLs that are leased.");
    metric(out, "body_bytes_total", "counter", s->bytes,
           "Body bytes of committed responses, over all runs.");
    metric(out, "commits_total", "counter", s->commits, "Outcomes taken.");
    metric(out, "retries_total", "counter", s->retries, "Attempts that failed for now.");
    metric(out, "refused_total", "counter", s->refused, "Outcomes not taken.");
    metric(out, "origins", "gauge", s->origins, "Known origins.");
    metric(out, "origins_ready", "gauge", s->origins_ready, "Origins that may be leased now.");
    metric(out, "leases", "gauge", s->leases, "Leases granted now.");
    metric(out, "workers", "gauge", s->workers, "Live workers.");
    metric(out, "sessions", "gauge", s->sessions, "Live fetch loops.");
    metric(out, "transfers", "gauge", s->transfers, "Transfers under way.");
    metric(out, "workers_lost_total", "counter", s->workers_lost,
           "Workers that fell silent, since the master started.");
    metric(out, "tasks_reassigned_total", "counter", s->tasks_reassigned,
           "Leases taken from them, since the master started.");
    metric(out, "received_bytes", "gauge", s->bytes_in, "Received by live workers.");
    metric(out, "seen_set_bytes", "gauge", s->seen_bytes, "Memory of the set of URLs seen.");
    metric(out, "rules_bytes", "gauge", s->rules_bytes, "Memory of what robots.txt files say.");
    metric(out, "segments_unsealed", "gauge", s->segments_unsealed, "Segments not sealed.");
}

/* ---- the page ------------------------------------------------------------------------------------------------- */

static void html_text(struct buf *out, const char *text) {
    for (; *text != '\0'; text++) {
        switch (*text) {
        case '<':
            buf_append_str(out, "&lt;");
            break;
        case '>':
            buf_append_str(out, "&gt;");
            break;
        case '&':
            buf_append_str(out, "&amp;");
            break;
        case '"':
            buf_append_str(out, "&quot;");
            break;
        default:
            buf_append_char(out, *text);
            break;
        }
    }
}

/* A row of a table: the values of `keys` in `object`. */
static void html_row(struct buf *out, const json_t *object, const char *const *keys) {
    buf_append_str(out, "<tr>");
    for (size_t i = 0; keys[i] != NULL; i++) {
        const json_t *value = json_object_get(object, keys[i]);
        buf_append_str(out, "<td>");
        if (json_is_integer(value))
            buf_printf(out, "%lld", (long long)json_integer_value(value));
        else if (json_is_string(value))
            html_text(out, json_string_value(value));
        buf_append_str(out, "</td>");
    }
    buf_append_str(out, "</tr>\n");
}

/* The list `name` of the status as a table with a column a key. */
static void html_table(struct buf *out, const json_t *root, const char *name,
                       const char *const *keys) {
    size_t i;
    const json_t *object;

    buf_printf(out, "<h2>%s</h2><table><tr>", name);
    for (i = 0; keys[i] != NULL; i++)
        buf_printf(out, "<th>%s</th>", keys[i]);
    buf_append_str(out, "</tr>\n");
    json_array_foreach(json_object_get(root, name), i, object) {
        html_row(out, object, keys);
    }
    buf_append_str(out, "</table>\n");
}

static long long member(const json_t *object, const char *name) {
    return (long long)json_integer_value(json_object_get(object, name));
}

static void html_tasks(struct buf *out, const json_t *tasks) {
    buf_printf(out, "<td>%lld of %lld, %lld running</td>", member(tasks, "done"),
               member(tasks, "idle") + member(tasks, "running") + member(tasks, "done"),
               member(tasks, "running"));
}

/* No table where there never was a job. */
static void html_jobs(struct buf *out, const json_t *jobs) {
    static const char *const texts[] = {"name", "state", "why"};
    const json_t *job;
    size_t i;

    if (json_array_size(jobs) == 0)
        return;
    buf_append_str(out, "<h2>jobs</h2><table><tr><th>job</th><th>name</th><th>state</th>"
                        "<th>why</th><th>maps</th><th>reduces</th></tr>\n");
    json_array_foreach(jobs, i, job) {
        buf_printf(out, "<tr><td>%lld</td>", member(job, "job"));
        for (size_t k = 0; k < sizeof texts / sizeof *texts; k++) {
            const char *text = json_string_value(json_object_get(job, texts[k]));
            buf_append_str(out, "<td>");
            html_text(out, text != NULL ? text : "");
            buf_append_str(out, "</td>");
        }
        html_tasks(out, json_object_get(job, "maps"));
        html_tasks(out, json_object_get(job, "reduces"));
        buf_append_str(out, "</tr>\n");
    }
    buf_append_str(out, "</table>\n");
}

static void write_page(struct buf *out, const char *json) {
    static const char *const urls[] = {"known",  "fetched", "redirected", "excluded",
                                       "failed", "pending", "in_flight",  NULL};
    static const char *const totals[] = {
        "bytes",  "retries",      "origins",          "origins_ready",
        "leases", "workers_lost", "tasks_reassigned", NULL};
    static const char *const workers[] = {"name",    "loops",     "leases", "transfers",
                                          "fetched", "silent_ms", NULL};
    static const char *const origins[] = {"origin", "queued", "fetched", "errors", "place", NULL};
    json_t *root = json_loads(json, 0, NULL);
    const char *state = json_string_value(json_object_get(root, "state"));
    /* The tables of single objects are lists of one. */
    json_t *one =
        json_pack("{s:[O?], s:[O?]}", "URLs", json_object_get(root, "urls"), "crawl", root);

    buf_append_str(out, "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">"
                        "<meta http-equiv=\"refresh\" content=\"2\"><title>trawl</title>"
                        "<style>body{font:15px sans-serif;margin:2em}td,th{padding:.2em 1em;"
                        "text-align:right}td:first-child,th:first-child{text-align:left}</style>"
                        "<h1>trawl: ");
    html_text(out, state == NULL ? "unknown" : state);
    buf_append_str(out, "</h1>\n");
    html_table(out, one, "URLs", urls);
    html_table(out, one, "crawl", totals);
    html_table(out, root, "workers", workers);
    html_table(out, root, "busiest", origins);
    html_jobs(out, json_object_get(root, "jobs"));
    buf_append_str(out, "<p><a href=\"/status.json\">status.json</a> "
                        "<a href=\"/metrics\">metrics</a></p></html>\n");
    json_decref(one);
    json_decref(root);
}

/* ---- answering ------------------------------------------------------------------------------------------------ */

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status, const char *type,
                              const void *text, size_t len) {
    static const char *const fields[][2] = {
        {"Cache-Control", "no-store"},
        {"X-Content-Type-Options", "nosniff"},
        {"Content-Security-Policy",
         "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"}};
    struct MHD_Response *r =
        MHD_create_response_from_buffer(len, (void *)text, MHD_RESPMEM_MUST_COPY);
    bool ok = r != NULL && MHD_add_response_header(r, "Content-Type", type) == MHD_YES;

    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        ok = ok && MHD_add_response_header(r, fields[i][0], fields[i][1]) == MHD_YES;
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
        ok = ok && MHD_add_response_header(r, "Allow", "GET, HEAD") == MHD_YES;
    ok = ok && MHD_queue_response(connection, status, r) == MHD_YES;
    if (r != NULL)
        MHD_destroy_response(r);
    return ok ? MHD_YES : MHD_NO;
}

static enum MHD_Result refuse(struct MHD_Connection *connection, unsigned status,
                              const char *text) {
    return answer(connection, status, "text/plain; charset=utf-8", text, strlen(text));
}

static bool is_address(const char *host) {
    unsigned char bytes[16];

    return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

/* The Host, with or without a port, is one that only we can be meant by: see the header. */
static bool host_allowed(const struct http *h, const char *field) {
    char host[PARSE_HOST_BYTES];
    bool bracket = field[0] == '[';
    size_t len = bracket ? strcspn(++field, "]") : strcspn(field, ":");

    if (len == 0 || len >= sizeof host || (bracket && field[len] != ']'))
        return false;
    memcpy(host, field, len);
    host[len] = '\0';
    return is_address(host) || strcasecmp(host, "localhost") == 0 || strcasecmp(host, h->host) == 0;
}

static enum MHD_Result answer_path(struct http *h, struct MHD_Connection *connection,
                                   const char *path) {
    struct buf page;
    const char *type = "text/html; charset=utf-8";
    enum MHD_Result result;

    buf_init(&page, PAGE_BYTES);
    refresh(h);
    if (!h->there) {
        result = refuse(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "the crawldb is not ready\n");
    } else if (strcmp(path, "/status.json") == 0) {
        result = answer(connection, MHD_HTTP_OK, "application/json", h->json.data, h->json.len);
    } else if (strcmp(path, "/metrics") == 0 || strcmp(path, "/") == 0) {
        if (path[1] == '\0') {
            write_page(&page, h->json.data);
        } else {
            write_metrics(&page, &h->stats, &h->cost);
            type = "text/plain; version=0.0.4; charset=utf-8";
        }
        result = page.failed ? MHD_NO : answer(connection, MHD_HTTP_OK, type, page.data, page.len);
    } else {
        result = refuse(connection, MHD_HTTP_NOT_FOUND, "there is /, /status.json and /metrics\n");
    }
    buf_release(&page);
    return result;
}

static enum MHD_Result handle(void *arg, struct MHD_Connection *connection, const char *path,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_len, void **state) {
    struct http *h = arg;
    const char *host = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Host");

    (void)version;
    (void)upload;
    (void)upload_len;
    (void)state;
    (void)cost_begin(COST_OTHER);
    if (host == NULL || !host_allowed(h, host))
        return refuse(connection, MHD_HTTP_FORBIDDEN, "the Host is not one of this master's\n");
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
        return refuse(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only to be read\n");
    return answer_path(h, connection, path);
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

static int listen_at(const struct addrinfo *a) {
    const int on = 1;
    int fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, a->ai_protocol);

    if (fd < 0)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int why = errno;
    close(fd);
    errno = why;
    return -1;
}

static bool note_address(struct http *h, const struct parse_address *a) {
    struct sockaddr_storage bound;
    socklen_t len = sizeof bound;
    char port[8];

    if (getsockname(h->fd, (struct sockaddr *)&bound, &len) != 0 ||
        getnameinfo((struct sockaddr *)&bound, len, NULL, 0, port, sizeof port, NI_NUMERICSERV) !=
            0)
        return false;
    snprintf(h->host, sizeof h->host, "%s", a->host);
    snprintf(h->address, sizeof h->address, a->is_ipv6 ? "[%s]:%s" : "%s:%s", a->host, port);
    return true;
}

static bool open_socket(struct http *h, const char *address, struct error *err) {
    const struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
                                   .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    struct parse_address a;
    char port[8];

    if (!parse_host_port(address, PARSE_LISTEN, &a)) {
        error_set(err, 0, "%.100s: not an address; accepted is %s", address,
                  PARSE_HOST_PORT_ACCEPTED);
        return false;
    }
    snprintf(port, sizeof port, "%u", a.port);
    int rc = getaddrinfo(strcmp(a.host, "*") == 0 ? NULL : a.host, port, &hints, &found);
    if (rc != 0) {
        error_set(err, 0, "cannot listen on %s: %s", address, gai_strerror(rc));
        return false;
    }
    h->fd = listen_at(found);
    bool ok = h->fd >= 0 && note_address(h, &a);
    if (!ok)
        error_set(err, errno, "cannot listen on %s", address);
    freeaddrinfo(found);
    return ok;
}

struct http *http_new(const char *address, struct server *server, struct error *err) {
    struct http *h = calloc(1, sizeof *h);

    if (h == NULL) {
        error_set(err, 0, "out of memory");
        return NULL;
    }
    h->server = server;
    h->fd = -1;
    buf_init(&h->json, PAGE_BYTES);
    if (!open_socket(h, address, err))
        goto fail;
    h->daemon = MHD_start_daemon(
        MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_EPOLL, 0, NULL, NULL, handle, h,
        MHD_OPTION_LISTEN_SOCKET, h->fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)HTTP_CONNECTIONS,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)HTTP_IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)REQUEST_BYTES, MHD_OPTION_END);
    if (h->daemon != NULL)
        return h;
    error_set(err, errno, "cannot start the status page on %s", address);
fail:
    http_free(h);
    return NULL;
}

const char *http_address(const struct http *h) {
    return h->address;
}

void http_free(struct http *h) {
    if (h == NULL)
        return;
    if (h->daemon != NULL)
        MHD_stop_daemon(h->daemon);
    else if (h->fd >= 0)
        close(h->fd);
    buf_release(&h->json);
    free(h);
}
