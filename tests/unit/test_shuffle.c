/* shuffle: map output over loopback, whole and in chunks; a server that is gone, that lies, that damages. */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/rpc.h"
#include "proto/wire.h"
#include "shared/limits.h"
#include "worker/job_sort.h"
#include "worker/shuffle.h"
#include "worker/shuffle_wire.h"

enum { PARTITIONS = 3, JOB = 7, MAP = 4, ATTEMPT = 1234 };

static char dir[64];
static int dir_fd;
static struct job_part parts[PARTITIONS];
static struct shuffle_server *server;
static _Atomic unsigned ticks;

static void no_tick(void *arg) {
    (void)arg;
}

static void tick(void *arg) {
    (void)arg;
    atomic_fetch_add(&ticks, 1);
}

static void make_output(void) {
    struct job_combine none;
    struct job_sort_totals totals;
    struct error err;

    job_combine_init(&none, NULL, NULL);
    struct job_sort *s = job_sort_new(&(struct job_sort_config){.dir_fd = dir_fd,
                                                                .partitions = PARTITIONS,
                                                                .sort_bytes = 16 << 20,
                                                                .combine = &none,
                                                                .tick = {no_tick, NULL}},
                                      &err);
    assert_non_null(s);
    for (unsigned i = 0; i < 50000; i++) {
        char key[32];
        int n = snprintf(key, sizeof key, "%08x", i * 2654435761u);
        assert_true(job_sort_emit(s, key, (size_t)n, &i, sizeof i));
    }
    assert_true(job_sort_finish(s, "map.out", &totals, parts, &err));
    job_sort_free(s);
    if (!shuffle_keep(dir_fd, dir_fd, JOB, MAP, ATTEMPT, &err))
        fail_msg("%s", err.text);
}

static int set_up(void **state) {
    struct error err;

    (void)state;
    snprintf(dir, sizeof dir, "/tmp/test_shuffle.XXXXXX");
    if (mkdtemp(dir) == NULL)
        return -1;
    dir_fd = open(dir, O_RDONLY | O_DIRECTORY);
    make_output();
    server = shuffle_server_new(
        &(struct shuffle_server_config){.address = "tcp://127.0.0.1:0", .dir_fd = dir_fd}, &err);
    return server != NULL ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    bool freed = shuffle_server_free(server);
    shuffle_remove_job(dir_fd, JOB);
    close(dir_fd);
    return freed ? rmdir(dir) : -1;
}

/* The whole partition in chunks of `max`. */
static void fetch(struct shuffle_client *c, uint32_t partition, size_t max) {
    struct shuffle_want want = {JOB, ATTEMPT, MAP, partition};
    struct shuffle_part part;
    struct buf chunk, all;
    struct error err;

    buf_init(&chunk, SHUFFLE_CHUNK_BYTES);
    buf_init(&all, 64 << 20);
    do {
        if (shuffle_get(c, shuffle_server_address(server), &want, all.len, max, &part, &chunk,
                        &err) != SHUFFLE_OK)
            fail_msg("%s", err.text);
        assert_true(chunk.len <= max);
        assert_true(buf_append(&all, chunk.data, chunk.len));
    } while (all.len < part.bytes);
    assert_int_equal(all.len, parts[partition].bytes);
    assert_int_equal(part.records, parts[partition].records);
    assert_int_equal(part.block_max, parts[partition].block_max);

    struct job_run run = {
        .bytes = (unsigned char *)all.data, .len = all.len, .block_max = part.block_max};
    struct job_cursor cursor;
    uint64_t records = 0;
    assert_true(job_cursor_open(&cursor, &run));
    for (; job_cursor_next(&cursor) == JOB_CURSOR_RECORD; records++)
        assert_int_equal(job_hash(cursor.record.key, cursor.record.key_len) % PARTITIONS,
                         partition);
    assert_int_equal(records, parts[partition].records);
    job_cursor_close(&cursor);
    buf_release(&chunk);
    buf_release(&all);
}

static void test_partitions_arrive(void **state) {
    struct shuffle_client *c = shuffle_client_new(tick, NULL);

    (void)state;
    assert_non_null(c);
    for (uint32_t p = 0; p < PARTITIONS; p++) {
        fetch(c, p, SHUFFLE_CHUNK_BYTES);
        fetch(c, p, 4096 + 1);
    }
    assert_true(shuffle_server_bytes(server) > 2 * parts[0].bytes);
    assert_true(atomic_load(&ticks) > 0);
    shuffle_client_free(c);
}

static void *fetch_all(void *arg) {
    for (uint32_t p = 0; p < PARTITIONS; p++)
        fetch(arg, p, 30000);
    return NULL;
}

static void test_several_threads(void **state) {
    struct shuffle_client *c = shuffle_client_new(NULL, NULL);
    pthread_t threads[4];

    (void)state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, fetch_all, c), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    shuffle_client_free(c);
}

static void expect_gone(const char *address, struct shuffle_want want, const char *text) {
    struct shuffle_client *c = shuffle_client_new(NULL, NULL);
    struct shuffle_part part;
    struct buf chunk;
    struct error err = {0};

    buf_init(&chunk, SHUFFLE_CHUNK_BYTES);
    assert_int_equal(shuffle_get(c, address, &want, 0, SHUFFLE_CHUNK_BYTES, &part, &chunk, &err),
                     SHUFFLE_GONE);
    if (strstr(err.text, text) == NULL)
        fail_msg("%s", err.text);
    buf_release(&chunk);
    shuffle_client_free(c);
}

static void test_what_is_not_there(void **state) {
    const char *address = shuffle_server_address(server);

    (void)state;
    expect_gone(address, (struct shuffle_want){JOB, ATTEMPT + 1, MAP, 0}, "7-4-1235.map: No such");
    expect_gone(address, (struct shuffle_want){JOB, ATTEMPT, MAP, PARTITIONS}, "3 partitions");
    expect_gone("nonsense", (struct shuffle_want){JOB, ATTEMPT, MAP, 0}, "nonsense");
    shuffle_remove(dir_fd, JOB, MAP, ATTEMPT);
    expect_gone(address, (struct shuffle_want){JOB, ATTEMPT, MAP, 0}, "7-4-1234.map: No such");
}

static void test_damaged_index(void **state) {
    char name[SHUFFLE_NAME_BYTES];
    unsigned char byte;

    (void)state;
    shuffle_name(name, JOB, MAP, ATTEMPT);
    int fd = openat(dir_fd, name, O_RDWR);
    off_t at = lseek(fd, 0, SEEK_END) - 40;
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 4;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
    expect_gone(shuffle_server_address(server), (struct shuffle_want){JOB, ATTEMPT, MAP, 0},
                "index is damaged");
}

/* Not ours: files of other jobs, whose numbers begin alike. */
static void test_removing_a_job(void **state) {
    static const char *const stay[] = {"71-4-1.map", "6-7-7.map"};

    (void)state;
    for (int i = 0; i < 2; i++)
        close(openat(dir_fd, stay[i], O_CREAT | O_WRONLY, 0600));
    shuffle_remove_job(dir_fd, JOB);
    char name[SHUFFLE_NAME_BYTES];
    shuffle_name(name, JOB, MAP, ATTEMPT);
    assert_int_not_equal(faccessat(dir_fd, name, F_OK, 0), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(faccessat(dir_fd, stay[i], F_OK, 0), 0);
        unlinkat(dir_fd, stay[i], 0);
    }
}

/* A server of the test's own, which answers the first `lies` requests wrongly. */
struct liar {
    unsigned lies, asked;
    unsigned kind;
};

static void lie(void *arg, struct rpc_call *call, const void *bytes, size_t len, const char *peer) {
    struct liar *l = arg;
    struct arena arena;
    struct buf out;
    uint8_t chunk[100];
    Trawl__ShuffleReply r = TRAWL__SHUFFLE_REPLY__INIT;

    (void)peer;
    arena_init(&arena, LIMIT_ARENA_BYTES);
    buf_init(&out, LIMIT_WIRE_BYTES);
    const Trawl__ShuffleRequest *q =
        wire_unpack(&arena, &trawl__shuffle_request__descriptor, bytes, len);
    struct shuffle_want want = {q->job, q->attempt, q->map, q->partition};
    struct shuffle_part part = {1000, 10, 4096};
    bool lies = l->asked++ < l->lies;
    memset(chunk, 'c', sizeof chunk);
    r.version = WIRE_VERSION;
    r.bytes = part.bytes;
    r.records = part.records;
    r.block_max = part.block_max;
    r.chunk = (ProtobufCBinaryData){sizeof chunk, chunk};
    if (lies && l->kind == 0)
        want.map++; /* another map's chunk */
    r.checksum = shuffle_checksum(&want, q->offset, &part, chunk, sizeof chunk);
    if (lies && l->kind == 1)
        chunk[50] ^= 1;
    if (lies && l->kind == 2)
        r.code = TRAWL__CODE__BUSY;
    if (lies && l->kind == 3)
        r.chunk.len = 0;
    assert_true(wire_pack(&out, &r.base));
    if (lies && l->kind == 4)
        rpc_server_reply(call, "nonsense", 8);
    else
        rpc_server_reply(call, out.data, out.len);
    buf_release(&out);
    arena_release(&arena);
}

static void test_damage_on_the_way_is_asked_for_again(void **state) {
    struct error err;
    struct shuffle_part part;
    struct buf chunk;
    struct shuffle_want want = {JOB, ATTEMPT, MAP, 1};

    (void)state;
    buf_init(&chunk, SHUFFLE_CHUNK_BYTES);
    for (unsigned kind = 0; kind < 5; kind++)
        for (unsigned lies = 2; lies < 100; lies += 97) {
            struct liar liar = {.kind = kind, .lies = lies};
            struct rpc_server *s = rpc_server_new(
                &(struct rpc_server_config){
                    .address = "tcp://127.0.0.1:0", .contexts = 1, .handle = lie, .arg = &liar},
                &err);
            struct shuffle_client *c = shuffle_client_new(NULL, NULL);
            assert_non_null(s);
            enum shuffle_result why =
                shuffle_get(c, rpc_server_address(s), &want, 0, 100, &part, &chunk, &err);
            /* Who is busy may be so for long. */
            if (lies == 2 || kind == 2) {
                assert_int_equal(why, SHUFFLE_OK);
                assert_int_equal(liar.asked, lies + 1);
                assert_int_equal(chunk.len, 100);
                assert_int_equal(part.bytes, 1000);
            } else {
                assert_int_equal(why, SHUFFLE_GONE);
                assert_non_null(strstr(err.text, "damaged"));
                assert_true(liar.asked < 10);
            }
            shuffle_client_free(c);
            assert_true(rpc_server_stop(s));
            rpc_server_free(s);
        }
    buf_release(&chunk);
}

/* Nobody there: once found out, the rest at that address costs no time. */
static void test_dead_address(void **state) {
    struct shuffle_client *c = shuffle_client_new(tick, NULL);
    struct shuffle_want want = {JOB, ATTEMPT, MAP, 1};
    struct shuffle_part part;
    struct buf chunk;
    struct error err;
    char address[160];

    (void)state;
    atomic_store(&ticks, 0);
    snprintf(address, sizeof address, "%s", shuffle_server_address(server));
    assert_true(shuffle_server_free(server));
    server = NULL;
    buf_init(&chunk, SHUFFLE_CHUNK_BYTES);
    assert_false(shuffle_is_dead(c, address));
    assert_int_equal(shuffle_get(c, address, &want, 0, 100, &part, &chunk, &err), SHUFFLE_GONE);
    assert_non_null(strstr(err.text, "nobody answers"));
    assert_true(shuffle_is_dead(c, address));
    unsigned asked = atomic_load(&ticks);
    assert_true(asked > 1);
    assert_int_equal(shuffle_get(c, address, &want, 0, 100, &part, &chunk, &err), SHUFFLE_GONE);
    assert_int_equal(atomic_load(&ticks), asked);
    buf_release(&chunk);
    shuffle_client_free(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_partitions_arrive, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_several_threads, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_not_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_damaged_index, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_removing_a_job, set_up, tear_down),
        cmocka_unit_test(test_damage_on_the_way_is_asked_for_again),
        cmocka_unit_test_setup_teardown(test_dead_address, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
