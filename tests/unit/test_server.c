/* server: a master in one piece, asked over loopback: its answers, its end, a store that fails and comes back; and
 * the status page: what it says, and to whom. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "master/http.h"
#include "master/server.h"
#include "master/store_mem.h"
#include "proto/rpc.h"
#include "shared/limits.h"
#include "shared/log.h"

enum { CALL_MS = 10000, CONTEXTS = 8, TRIES = 1000, TRY_MS = 10 };

static const char seed[] = "http://127.0.0.1:8099/";

struct world {
    struct options options;
    struct store *store;
    struct server *server;
    struct rpc_client *client;
};

static void pause_ms(long ms) {
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

static void world_start(struct world *w, const char *url) {
    struct error err = {0};

    log_set_level(LOG_OFF);
    assert_true(options_init(&w->options));
    w->options.heartbeat_ms = 100;
    w->options.lease_ms = 1000;
    w->store = store_mem_new();
    assert_non_null(w->store);
    const struct server_config config = {.options = &w->options,
                                         .store = w->store,
                                         .listen = "tcp://127.0.0.1:0",
                                         .contexts = CONTEXTS};
    w->server = server_new(&config, &err);
    assert_non_null(w->server);
    if (url != NULL)
        assert_true(server_seed(w->server, url, strlen(url), &err));
    assert_true(server_start(w->server, &err));
    w->client = rpc_client_new(server_address(w->server), RPC_DIAL_NOW, &err);
    assert_non_null(w->client);
}

static void world_end(struct world *w) {
    assert_true(rpc_client_free(w->client));
    server_free(w->server);
    store_close(w->store);
    options_release(&w->options);
}

/* Asks; `reply` lives in `arena`. */
static Trawl__Reply *ask(struct world *w, Trawl__Request *r, struct arena *arena) {
    struct buf bytes, answer;
    struct error err = {0};

    buf_init(&bytes, LIMIT_WIRE_BYTES);
    buf_init(&answer, LIMIT_WIRE_BYTES);
    r->version = WIRE_VERSION;
    assert_true(wire_pack(&bytes, &r->base));
    assert_true(rpc_call_sync(w->client, bytes.data, bytes.len, CALL_MS, &answer, &err));
    arena_reset(arena);
    Trawl__Reply *reply = wire_reply_unpack(arena, answer.data, answer.len);
    assert_non_null(reply);
    buf_release(&bytes);
    buf_release(&answer);
    return reply;
}

static Trawl__Reply *enroll(struct world *w, struct arena *arena, uint64_t incarnation) {
    Trawl__Request r = TRAWL__REQUEST__INIT;
    Trawl__Register m = TRAWL__REGISTER__INIT;
    static unsigned char instance[16] = {1};

    m.worker = "w1";
    m.instance = (ProtobufCBinaryData){.data = instance, .len = sizeof instance};
    m.incarnation = m.process = incarnation;
    m.place = 1;
    m.loops = 1;
    m.serial = 1;
    r.body_case = TRAWL__REQUEST__BODY_REGISTER;
    r.register_ = &m;
    return ask(w, &r, arena);
}

static void test_registers(void **state) {
    struct world w;
    struct arena arena;

    (void)state;
    arena_init(&arena, LIMIT_ARENA_BYTES);
    world_start(&w, seed);
    Trawl__Reply *reply = enroll(&w, &arena, 1);
    assert_int_equal(reply->code, TRAWL__CODE__OK);
    assert_int_equal(reply->body_case, TRAWL__REPLY__BODY_REGISTER);
    assert_int_equal(reply->register_->options->lease_ms, 1000);
    /* It was told, so it is durable. */
    assert_int_equal(store_mem_unsynced(w.store), 0);
    assert_false(server_wait(w.server, 0));
    world_end(&w);
    arena_release(&arena);
}

static void test_not_a_request(void **state) {
    struct world w;
    struct arena arena;
    struct buf answer;
    struct error err = {0};

    (void)state;
    arena_init(&arena, LIMIT_ARENA_BYTES);
    buf_init(&answer, LIMIT_WIRE_BYTES);
    world_start(&w, seed);
    assert_true(rpc_call_sync(w.client, "\xff\xff", 2, CALL_MS, &answer, &err));
    Trawl__Reply *reply = wire_reply_unpack(&arena, answer.data, answer.len);
    assert_non_null(reply);
    assert_int_equal(reply->code, TRAWL__CODE__BAD_REQUEST);
    world_end(&w);
    buf_release(&answer);
    arena_release(&arena);
}

/* The disk fills up: nothing is told that is not durable, everybody hears BUSY, and all goes on when there is room. */
static void test_disk_full(void **state) {
    struct world w;
    struct arena arena;
    struct error err = {0};
    int tries = 0;

    (void)state;
    arena_init(&arena, LIMIT_ARENA_BYTES);
    world_start(&w, seed);
    store_mem_fail_sync(w.store, 1, ENOSPC);
    assert_int_equal(enroll(&w, &arena, 1)->code, TRAWL__CODE__BUSY);
    while (enroll(&w, &arena, 2)->code == TRAWL__CODE__BUSY && tries++ < TRIES)
        pause_ms(TRY_MS);
    assert_true(tries < TRIES);
    assert_false(server_troubled(w.server, &err));
    struct core_stats stats;
    assert_true(server_stats(w.server, &stats));
    assert_int_equal(stats.known, 1); /* the seed was durable */
    world_end(&w);
    arena_release(&arena);
}

/* The same in a write: the core itself fails. And the wish to stop outlives the core. */
static void test_write_fails(void **state) {
    struct world w;
    struct arena arena;
    char why[SERVER_WHY_BYTES];
    int tries = 0;

    (void)state;
    arena_init(&arena, LIMIT_ARENA_BYTES);
    world_start(&w, seed);
    store_mem_fail_write(w.store, 1, EIO);
    assert_int_equal(enroll(&w, &arena, 1)->code, TRAWL__CODE__BUSY);
    server_stop(w.server, "stopped");
    while (!server_wait(w.server, 100) && tries++ < TRIES)
        continue;
    assert_true(tries < TRIES);
    server_why(w.server, why);
    assert_string_equal(why, "stopped");
    world_end(&w);
    arena_release(&arena);
}

static void test_ends_by_itself(void **state) {
    struct world w;
    char why[SERVER_WHY_BYTES];

    (void)state;
    world_start(&w, NULL);
    assert_true(server_wait(w.server, CALL_MS));
    server_why(w.server, why);
    assert_string_equal(why, "frontier empty");
    world_end(&w);
}

/* ---- the status page --------------------------------------------------------------------------------------- */

/* Sends the bytes and reads until the other side closes. */
static void fetch(const struct http *h, const char *request, struct buf *answer) {
    struct sockaddr_in to = {.sin_family = AF_INET};
    char block[4096];
    ssize_t n;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    to.sin_port = htons((uint16_t)strtoul(strrchr(http_address(h), ':') + 1, NULL, 10));
    buf_reset(answer);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), (ssize_t)strlen(request));
    while ((n = recv(fd, block, sizeof block, 0)) > 0)
        assert_true(buf_append(answer, block, (size_t)n));
    close(fd);
}

static void get(const struct http *h, const char *method, const char *path, const char *host,
                struct buf *answer) {
    char request[1000];

    snprintf(request, sizeof request, "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n",
             method, path, host);
    fetch(h, request, answer);
}

static bool says(const struct buf *answer, const char *text) {
    return answer->len > 0 && strstr(answer->data, text) != NULL;
}

static void test_page(void **state) {
    struct world w;
    struct arena arena;
    struct buf answer;
    struct error err = {0};

    (void)state;
    arena_init(&arena, LIMIT_ARENA_BYTES);
    buf_init(&answer, 1 << 20);
    world_start(&w, seed);
    (void)enroll(&w, &arena, 1);
    struct http *h = http_new("127.0.0.1:0", w.server, &err);
    assert_non_null(h);
    get(h, "GET", "/", http_address(h), &answer);
    assert_true(says(&answer, "HTTP/1.1 200") && says(&answer, "<h1>trawl: running"));
    assert_true(says(&answer, "<td>w1</td>"));
    get(h, "GET", "/status.json", "localhost", &answer);
    assert_true(says(&answer, "application/json") && says(&answer, "\"state\":\"running\""));
    assert_true(says(&answer, "\"stages_us\":{\"dns\":0,"));
    get(h, "GET", "/metrics", "127.0.0.1", &answer);
    assert_true(says(&answer, "\ntrawl_urls{state=\"pending\"} 1\n"));
    assert_true(says(&answer, "\ntrawl_workers 1\n"));
    assert_true(says(&answer, "\ntrawl_cpu_seconds_total{stage=\"parse\"} 0.000000\n"));
    assert_true(says(&answer, "\ntrawl_cpu_seconds_total{stage=\"commit\"} "));
    get(h, "HEAD", "/metrics", "[::1]:80", &answer);
    assert_true(says(&answer, "HTTP/1.1 200") && !says(&answer, "trawl_urls"));
    get(h, "GET", "/else", "localhost", &answer);
    assert_true(says(&answer, "HTTP/1.1 404"));
    get(h, "POST", "/", "localhost", &answer);
    assert_true(says(&answer, "HTTP/1.1 405"));
    http_free(h);
    world_end(&w);
    buf_release(&answer);
    arena_release(&arena);
}

static void test_hosts(void **state) {
    static const char *const refused[] = {
        "evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80", "[evil", "", ":80"};
    struct world w;
    struct buf answer;
    struct error err = {0};

    (void)state;
    buf_init(&answer, 1 << 20);
    world_start(&w, seed);
    struct http *h = http_new("127.0.0.1:0", w.server, &err);
    assert_non_null(h);
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        get(h, "GET", "/status.json", refused[i], &answer);
        assert_true(says(&answer, " 403 "));
        assert_false(says(&answer, "running"));
    }
    fetch(h, "GET /status.json HTTP/1.0\r\n\r\n", &answer);
    assert_true(says(&answer, " 403 "));
    http_free(h);
    world_end(&w);
    buf_release(&answer);
}

static void test_port_taken(void **state) {
    struct world w;
    struct error err = {0};

    (void)state;
    world_start(&w, seed);
    struct http *h = http_new("127.0.0.1:0", w.server, &err);
    assert_non_null(h);
    assert_null(http_new(http_address(h), w.server, &err));
    assert_non_null(strstr(err.text, http_address(h)));
    assert_int_equal(err.errno_value, EADDRINUSE);
    http_free(h);
    world_end(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_registers),      cmocka_unit_test(test_not_a_request),
        cmocka_unit_test(test_disk_full),      cmocka_unit_test(test_write_fails),
        cmocka_unit_test(test_ends_by_itself), cmocka_unit_test(test_page),
        cmocka_unit_test(test_hosts),          cmocka_unit_test(test_port_taken),
    };

    return cmocka_run_group_tests_name("server", tests, NULL, NULL);
}
