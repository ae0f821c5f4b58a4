/* cmd_status: `trawl status` and `trawl ctl`: one request to a running master. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/ask.h"
#include "cli/command.h"
#include "cli/screen.h"
#include "proto/wire.h"
#include "shared/limits.h"

/* ---- status --------------------------------------------------------------------------------------------------- */

static long long number(const json_t *object, const char *key) {
    return (long long)json_integer_value(json_object_get(object, key));
}

static const char *text(const json_t *object, const char *key) {
    const char *s = json_string_value(json_object_get(object, key));

    return s == NULL ? "" : s;
}

/* A text that fills at least `width` characters. */
static void column(const json_t *object, const char *key, int width) {
    const char *s = text(object, key);
    int len = (int)strlen(s);

    screen_text(stdout, s);
    printf("%*s", len < width ? width - len : 0, "");
}

/* Of a worker that cannot work. */
static void print_trouble(const json_t *w) {
    const char *trouble = json_string_value(json_object_get(w, "trouble"));

    if (trouble == NULL || trouble[0] == '\0')
        return;
    fputs("  cannot work: ", stdout);
    screen_text(stdout, trouble);
    putchar('\n');
}

static void print_workers(const json_t *workers) {
    size_t i;
    const json_t *w;

    printf("%-20s %6s %7s %10s %9s %10s\n", "worker", "loops", "leases", "transfers", "fetched",
           "silent ms");
    json_array_foreach(workers, i, w) {
        column(w, "name", 20);
        printf(" %6lld %7lld %10lld %9lld %10lld%s\n", number(w, "loops"), number(w, "leases"),
               number(w, "transfers"), number(w, "fetched"), number(w, "silent_ms"),
               json_is_true(json_object_get(w, "draining")) ? "  draining" : "");
        print_trouble(w);
    }
}

static void print_origins(const json_t *origins) {
    size_t i;
    const json_t *o;

    printf("\n%-40s %9s %9s %7s  %s\n", "busiest origins", "queued", "fetched", "errors", "now");
    json_array_foreach(origins, i, o) {
        column(o, "origin", 40);
        printf(" %9lld %9lld %7lld  ", number(o, "queued"), number(o, "fetched"),
               number(o, "errors"));
        column(o, "place", 0);
        putchar('\n');
    }
}

static void print_parked(const json_t *parked) {
    const json_t *list = json_object_get(parked, "origins"), *o;
    long long count = number(parked, "count");
    size_t i;

    if (count == 0)
        return;
    printf("\n%-40s %lld\n", "origins given up", count);
    json_array_foreach(list, i, o) {
        column(o, "origin", 40);
        putchar(' ');
        column(o, "reason", 0);
        putchar('\n');
    }
    if (count > (long long)json_array_size(list))
        printf("... and %lld more\n", count - (long long)json_array_size(list));
}

static void print_tasks(const char *name, const json_t *tasks) {
    printf(" %s %lld/%lld", name, number(tasks, "done"),
           number(tasks, "idle") + number(tasks, "running") + number(tasks, "done"));
}

/* Those that run; `trawl job list` has the others. */
static void print_jobs(const json_t *jobs) {
    const json_t *job;
    size_t i;

    json_array_foreach(jobs, i, job) {
        if (strcmp(text(job, "state"), "running") != 0)
            continue;
        printf("job      %lld ", number(job, "job"));
        column(job, "name", 0);
        print_tasks("maps", json_object_get(job, "maps"));
        print_tasks("reduces", json_object_get(job, "reduces"));
        putchar('\n');
    }
}

static void print_status(const json_t *root) {
    const json_t *urls = json_object_get(root, "urls");

    column(root, "state", 0);
    printf(" for %.1f s%s", (double)number(root, "running_ms") / 1000,
           text(root, "why")[0] == '\0' ? "" : ": ");
    column(root, "why", 0);
    putchar('\n');
    printf("URLs     %lld known: %lld fetched, %lld redirected, %lld excluded, %lld failed, %lld "
           "pending (%lld in flight)\n",
           number(urls, "known"), number(urls, "fetched"), number(urls, "redirected"),
           number(urls, "excluded"), number(urls, "failed"), number(urls, "pending"),
           number(urls, "in_flight"));
    printf("bodies   %lld bytes\norigins  %lld known, %lld ready\n", number(root, "bytes"),
           number(root, "origins"), number(root, "origins_ready"));
    printf("leases   %lld; %lld workers lost, %lld tasks reassigned\n", number(root, "leases"),
           number(root, "workers_lost"), number(root, "tasks_reassigned"));
    print_jobs(json_object_get(root, "jobs"));
    putchar('\n');
    print_workers(json_object_get(root, "workers"));
    print_origins(json_object_get(root, "busiest"));
    print_parked(json_object_get(root, "parked"));
}

/* In ASCII, whatever it holds. */
static bool print_json(const json_t *root) {
    char *dump = json_dumps(root, JSON_INDENT(2) | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(6));
    bool ok = dump != NULL && puts(dump) >= 0;

    free(dump);
    return ok;
}

int command_status(const struct args *a) {
    struct arena arena;
    struct error err = {0};
    Trawl__Request r = TRAWL__REQUEST__INIT;
    Trawl__Status m = TRAWL__STATUS__INIT;
    int code = 1;

    arena_init(&arena, LIMIT_ARENA_BYTES);
    r.body_case = TRAWL__REQUEST__BODY_STATUS;
    r.status = &m;
    Trawl__Reply *reply = ask_master(a, &r, TRAWL__REPLY__BODY_STATUS, &arena, &err);
    json_t *root = reply == NULL ? NULL : json_loads(reply->status->json, 0, NULL);
    if (reply != NULL && root == NULL)
        error_set(&err, 0, "the master's status cannot be read");
    if (root == NULL) {
        command_fail(1, &err);
    } else if (a->json) {
        code = print_json(root) ? 0 : 1;
    } else {
        print_status(root);
        code = 0;
    }
    json_decref(root);
    arena_release(&arena);
    return code;
}

/* ---- ctl ------------------------------------------------------------------------------------------------------ */

static const struct {
    const char *name;
    Trawl__Verb verb;
    bool worker, urls;
} verbs[] = {
    {"pause", TRAWL__VERB__PAUSE, false, false}, {"resume", TRAWL__VERB__RESUME, false, false},
    {"stop", TRAWL__VERB__STOP, false, false},   {"add", TRAWL__VERB__ADD, false, true},
    {"drain", TRAWL__VERB__DRAIN, true, false},  {"forget", TRAWL__VERB__FORGET, true, false},
};

enum { VERBS = sizeof verbs / sizeof verbs[0] };

static bool read_verb(const struct args *a, Trawl__Control *m, ProtobufCBinaryData *urls,
                      struct error *err) {
    const char *name = a->words.count == 0 ? "" : a->words.items[0];
    size_t i = 0, rest = a->words.count == 0 ? 0 : a->words.count - 1;

    while (i < VERBS && strcmp(verbs[i].name, name) != 0)
        i++;
    if (i == VERBS) {
        error_set(err, 0,
                  "ctl %.60s: accepted is pause, resume, stop, add URL..., drain WORKER or forget "
                  "WORKER",
                  name);
        return false;
    }
    if (verbs[i].urls ? rest == 0 : rest != verbs[i].worker) {
        error_set(err, 0, "ctl %s: %s", name,
                  verbs[i].urls     ? "needs one URL or more"
                  : verbs[i].worker ? "needs the name of one worker"
                                    : "takes nothing more");
        return false;
    }
    m->verb = verbs[i].verb;
    if (verbs[i].worker)
        m->worker = a->words.items[1];
    for (size_t k = 0; verbs[i].urls && k < rest; k++)
        urls[k] = (ProtobufCBinaryData){.data = (uint8_t *)a->words.items[k + 1],
                                        .len = strlen(a->words.items[k + 1])};
    m->urls = urls;
    m->n_urls = verbs[i].urls ? rest : 0;
    return true;
}

/* Asks, until the master is done with it. False: `err` says why. */
static bool steer(const struct args *a, Trawl__Control *m, struct error *err) {
    const struct timespec pause = {.tv_nsec = 100 * 1000000L};
    Trawl__Request r = TRAWL__REQUEST__INIT;
    struct arena arena;
    bool more;

    arena_init(&arena, LIMIT_ARENA_BYTES);
    r.body_case = TRAWL__REQUEST__BODY_CONTROL;
    r.control = m;
    Trawl__Reply *reply;
    for (;;) {
        reply = ask_master(a, &r, TRAWL__REPLY__BODY_CONTROL, &arena, err);
        more = reply != NULL && reply->control->more;
        if (!more)
            break;
        nanosleep(&pause, NULL);
        arena_reset(&arena);
    }
    if (reply != NULL) {
        screen_text(stdout, reply->control->message);
        putchar('\n');
    }
    arena_release(&arena);
    return reply != NULL;
}

int command_ctl(const struct args *a) {
    struct error err = {0};
    Trawl__Control m = TRAWL__CONTROL__INIT;
    ProtobufCBinaryData *urls = calloc(a->words.count + 1, sizeof *urls);
    int code = 2;

    if (urls == NULL || !read_verb(a, &m, urls, &err))
        goto out;
    code = 0;
    for (size_t left = m.n_urls; code == 0; m.urls += m.n_urls) {
        m.n_urls = left < LIMIT_CONTROL_URLS ? left : LIMIT_CONTROL_URLS;
        left -= m.n_urls;
        code = steer(a, &m, &err) ? 0 : 1;
        if (left == 0)
            break;
    }
out:
    if (code != 0)
        command_fail(code, &err);
    free(urls);
    return code;
}
