/*
 * What the crawldb costs: blind batched upserts with group commit, look-ups, a walk.
 *
 *     store [PATH|mem] [KEYS] [BATCH] [VALUE_BYTES]
 *
 * Default: store ./bench-store.tmp 4000000 1000 40. PATH must not exist; it is left there. A second thread
 * syncs every millisecond, as the master's committer does under load.
 */
#include "master/store.h"
#include "master/store_mem.h"
#include "master/store_rocks.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct syncer {
    struct store *store;
    atomic_bool stop;
    uint64_t syncs;
};

static double now_s(void) {
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void die(const char *text) {
    fprintf(stderr, "%s\n", text);
    exit(1);
}

static void *sync_often(void *arg) {
    struct syncer *y = arg;
    uint64_t synced;
    struct error err;

    while (!atomic_load(&y->stop)) {
        if (!store_sync(y->store, &synced, &err))
            die(err.text);
        y->syncs++;
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    return NULL;
}

/* As the crawl's own: a letter, eight bytes of a fingerprint, here padded to 40 bytes of key. */
enum { KEY_BYTES = 40 };

static void make_key(char key[KEY_BYTES], uint64_t n) {
    uint64_t fp = (n + 1) * 0x9e3779b97f4a7c15u;

    fp = (fp ^ (fp >> 29)) * 0xbf58476d1ce4e5b9u;
    memset(key, 'u', KEY_BYTES);
    memcpy(key + 1, &fp, sizeof fp);
}

static void report(const char *what, uint64_t count, double seconds) {
    printf("%-10s %10llu in %6.2f s  %9.0f /s  %7.0f ns each\n", what, (unsigned long long)count,
           seconds, (double)count / seconds, seconds * 1e9 / (double)count);
}

static void fill(struct store *s, uint64_t keys, uint64_t batch, size_t value_bytes) {
    char key[KEY_BYTES], *value = malloc(value_bytes + 1);
    struct batch b;
    uint64_t seq;
    struct error err;

    if (value == NULL)
        die("out of memory");
    memset(value, 'v', value_bytes);
    batch_init(&b);
    for (uint64_t n = 0; n < keys;) {
        batch_reset(&b);
        for (uint64_t i = 0; i < batch && n < keys; i++, n++) {
            make_key(key, n);
            if (value_bytes >= sizeof n)
                memcpy(value, &n, sizeof n);
            batch_put(&b, key, sizeof key, value, value_bytes);
        }
        if (!store_write(s, &b, &seq, &err))
            die(err.text);
    }
    batch_release(&b);
    free(value);
}

static void look_up(struct store *s, uint64_t count, uint64_t keys) {
    char key[KEY_BYTES];
    struct buf value;
    double start = now_s();

    buf_init(&value, 1 << 20);
    for (uint64_t i = 0; i < count; i++) {
        make_key(key, i * 2654435761u % keys);
        if (store_get(s, key, sizeof key, &value) != STORE_FOUND)
            die("a key is missing");
    }
    report("get", count, now_s() - start);
    buf_release(&value);
}

static void walk(struct store *s) {
    double start = now_s();
    uint64_t count = 0;
    struct store_iter *it = store_iter_open(s, "u", 1, "u", 1);

    if (it == NULL)
        die("cannot walk");
    for (; store_iter_valid(it); store_iter_next(it))
        count++;
    store_iter_close(it);
    report("walk", count, now_s() - start);
}

int main(int argc, char **argv) {
    const char *path = argc > 1 ? argv[1] : "bench-store.tmp";
    uint64_t keys = argc > 2 ? strtoull(argv[2], NULL, 10) : 4000000;
    uint64_t batch = argc > 3 ? strtoull(argv[3], NULL, 10) : 1000;
    size_t value_bytes = argc > 4 ? strtoull(argv[4], NULL, 10) : 40;
    struct error err = {.text = "out of memory"};
    struct syncer y = {0};
    pthread_t thread;
    uint64_t synced;

    if (keys == 0 || batch == 0)
        die("usage: store [PATH|mem] [KEYS] [BATCH] [VALUE_BYTES]");
    bool mem = strcmp(path, "mem") == 0;
    y.store = mem ? store_mem_new() : store_rocks_open(path, STORE_ROCKS_CREATE, &err);
    if (y.store == NULL)
        die(err.text);
    double start = now_s();
    if (pthread_create(&thread, NULL, sync_often, &y) != 0)
        die("no thread");
    fill(y.store, keys, batch, value_bytes);
    atomic_store(&y.stop, true);
    pthread_join(thread, NULL);
    if (!store_sync(y.store, &synced, &err))
        die(err.text);
    report("upsert", keys, now_s() - start);
    printf("%-10s %10llu\n", "syncs", (unsigned long long)y.syncs + 1);
    look_up(y.store, keys < 200000 ? keys : 200000, keys);
    walk(y.store);
    start = now_s();
    if (!store_reopen(y.store, &err))
        die(err.text);
    report("reopen", 1, now_s() - start);
    store_close(y.store);
    return 0;
}
