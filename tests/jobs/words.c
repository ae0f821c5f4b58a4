/*
 * words: a job's functions for tests: counts words as the built-in wordcount does, ASCII letters only, and misbehaves as its
 * argument says:
 *
 *     flaky MS     each task, one time in three: exits in the middle; one time in three: sleeps MS there, and goes on
 *     slow MS      each task sleeps MS in the middle
 *     meet DIR     each task makes a file in DIR and waits, for 5 s at most, until another of its kind has one: the
 *                  counters maps-met and reduces-met say how many saw one
 *     crash WORD   dies of SIGSEGV on each line with the word
 */
#include <ctype.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "worker/trawl_job.h"

struct state {
    const struct trawl_api *api;
    const char *how, *argument;
    unsigned calls, at; /* it happens at that call */
    bool done;
};

static void pause_ms(long ms) {
    struct timespec t = {ms / 1000, ms % 1000 * 1000000L};

    while (nanosleep(&t, &t) != 0)
        continue;
}

static bool open_job(void **state, struct trawl_task *t, const struct trawl_api *api, int argc,
                     char *const *argv, char *error) {
    struct timespec now;
    struct state *s = calloc(1, sizeof *s);

    (void)t;
    if (s == NULL || argc != 2) {
        snprintf(error, 256, "two arguments");
        free(s);
        return false;
    }
    clock_gettime(CLOCK_REALTIME, &now);
    srandom((unsigned)now.tv_nsec ^ (unsigned)getpid() << 8);
    *s = (struct state){
        .api = api, .how = argv[0], .argument = argv[1], .at = 1 + (unsigned)random() % 50};
    *state = s;
    return true;
}

static void flaky(const struct state *s) {
    long fate = random() % 3;

    if (fate == 0)
        _exit(1);
    if (fate == 1)
        pause_ms(strtol(s->argument, NULL, 10));
}

static unsigned files(const char *dir, const char *prefix) {
    DIR *d = opendir(dir);
    unsigned n = 0;

    for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;)
        n += strncmp(e->d_name, prefix, strlen(prefix)) == 0;
    if (d != NULL)
        closedir(d);
    return n;
}

static void meet(const struct state *s, struct trawl_task *t, const char *kind) {
    char path[4096], counter[64];
    FILE *f;

    snprintf(path, sizeof path, "%s/%s.%ld", s->argument, kind, (long)getpid());
    f = fopen(path, "we");
    if (f != NULL)
        fclose(f);
    for (int tries = 0; tries < 500; tries++, pause_ms(10)) {
        if (files(s->argument, kind) < 2)
            continue;
        snprintf(counter, sizeof counter, "%s-met", kind);
        s->api->count(t, counter, 1);
        break;
    }
    pause_ms(100); /* the other one is to see ours */
    unlink(path);
}

static void misbehave(struct state *s, struct trawl_task *t, const char *kind) {
    if (s->done || ++s->calls < s->at)
        return;
    s->done = true;
    if (strcmp(s->how, "flaky") == 0)
        flaky(s);
    else if (strcmp(s->how, "slow") == 0)
        pause_ms(strtol(s->argument, NULL, 10));
    else if (strcmp(s->how, "meet") == 0)
        meet(s, t, kind);
}

static void map(void *state, struct trawl_task *t, const struct trawl_record *r) {
    struct state *s = state;

    misbehave(s, t, "maps");
    if (strcmp(s->how, "crash") == 0 && strstr(r->data, s->argument) != NULL)
        raise(SIGSEGV);
    for (size_t i = 0, n; i < r->len; i += n + 1) {
        for (n = 0; i + n < r->len && isalpha((unsigned char)r->data[i + n]) != 0; n++)
            continue;
        if (n > 0)
            s->api->emit(t, r->data + i, n, "1", 1);
    }
}

static void reduce(void *state, struct trawl_task *t, const void *key, size_t key_len,
                   struct trawl_values *values) {
    struct state *s = state;
    const void *value;
    unsigned long n = 0;
    char text[32];
    size_t len;

    misbehave(s, t, "reduces");
    while (s->api->next(values, &value, &len))
        n++;
    s->api->write(t, key, key_len);
    s->api->write(t, text, (size_t)snprintf(text, sizeof text, " %lu\n", n));
}

const struct trawl_job trawl_job = {.abi = TRAWL_JOB_ABI,
                                    .input = TRAWL_INPUT_LINES,
                                    .open = open_job,
                                    .map = map,
                                    .reduce = reduce,
                                    .close = free};
