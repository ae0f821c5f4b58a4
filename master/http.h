/*
 * http: the status page and metrics of a running master, read-only, for people and Prometheus.
 *
 *     GET /             a plain page
 *     GET /status.json  core_status_json()
 *     GET /metrics      core_stats() as Prometheus text (exposition format 0.0.4)
 *
 * The crawl cannot be steered from here. A page of another site cannot read it either, through a browser on this
 * machine whose DNS it plays with: a Host that is neither an IP address nor localhost nor the name that was
 * asked for is refused (403). Connections are bounded in number and memory, and closed when they say nothing for
 * HTTP_IDLE_S seconds. What is shown is at most HTTP_FRESH_MS old, so that asking often costs the core little.
 *
 * Threads: libmicrohttpd's one; it calls server_stats() and server_status_json(). The functions here belong to
 * one owner. The server must outlive it.
 */
#ifndef TRAWL_MASTER_HTTP_H
#define TRAWL_MASTER_HTTP_H

#include "master/server.h"
#include "shared/error.h"

enum { HTTP_CONNECTIONS = 64, HTTP_IDLE_S = 10, HTTP_FRESH_MS = 250 };

struct http;

/* `address`: host:port as parse_host_port() takes it; port 0 is a free one. Listens when it returns. NULL:
 * `err` says why ("cannot listen on 127.0.0.1:7780: Address already in use"). */
struct http *http_new(const char *address, struct server *server, struct error *err);
/* "127.0.0.1:7780", with the real port. */
const char *http_address(const struct http *h);
/* Answers what was asked, closes. NULL is fine. */
void http_free(struct http *h);

#endif
