/* cmd_why: `trawl why URL`: what the crawldb knows of a URL, from a running master or from the directory. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/ask.h"
#include "cli/command.h"
#include "cli/screen.h"
#include "master/dir_lock.h"
#include "master/store_rocks.h"
#include "master/why.h"
#include "shared/limits.h"
#include "shared/url.h"

/* ---- where from ------------------------------------------------------------------------------------------ */

static bool from_master(const struct args *a, const char *url, struct buf *json,
                        struct error *err) {
    struct arena arena;
    Trawl__Request r = TRAWL__REQUEST__INIT;
    Trawl__Why m = TRAWL__WHY__INIT;

    arena_init(&arena, LIMIT_ARENA_BYTES);
    r.body_case = TRAWL__REQUEST__BODY_WHY;
    r.why = &m;
    m.url = (ProtobufCBinaryData){.data = (uint8_t *)url, .len = strlen(url)};
    const Trawl__Reply *reply = ask_master(a, &r, TRAWL__REPLY__BODY_WHY, &arena, err);
    bool ok = reply != NULL && buf_append_str(json, reply->why->json);
    arena_release(&arena);
    return ok;
}

/* `*running`: a master runs on the directory, and is to be asked. */
static bool from_directory(const struct args *a, const char *url, int wait_ms, struct buf *json,
                           bool *running, struct error *err) {
    struct why_source source = {.options = &a->crawl};
    char path[4096];
    bool ok = false;
    int lock_fd = dir_lock_look(a->dir, wait_ms, running, err);

    if (lock_fd < 0)
        return false;
    snprintf(path, sizeof path, "%s/state", a->dir);
    source.store = store_rocks_open(path, STORE_ROCKS_READ_ONLY, err);
    if (source.store != NULL)
        ok = why_tell(&source, url, strlen(url), json, err);
    store_close(source.store);
    close(lock_fd);
    return ok;
}

/* From the master that was named, or that runs on the directory; if one does and does not answer, it may be ending. */
static bool ask(const struct args *a, const char *url, struct buf *json, struct error *err) {
    struct error unused = {0};
    bool running;

    if (a->master != NULL)
        return from_master(a, url, json, err);
    if (from_directory(a, url, 0, json, &running, err))
        return true;
    return running && (from_master(a, url, json, err) ||
                       from_directory(a, url, DIR_LOCK_WAIT_MS, json, &running, &unused));
}

/* ---- for people ------------------------------------------------------------------------------------------ */

static const char *text(const json_t *object, const char *key) {
    const char *s = json_string_value(json_object_get(object, key));

    return s == NULL ? "" : s;
}

static long long number(const json_t *object, const char *key) {
    return (long long)json_integer_value(json_object_get(object, key));
}

static bool is(const json_t *object, const char *key) {
    return json_is_true(json_object_get(object, key));
}

static void label(const char *name) {
    printf("%-11s", name);
}

/* Text between two constant ones, if there is any. */
static void part(const char *before, const char *s, const char *after) {
    if (s[0] == '\0')
        return;
    fputs(before, stdout);
    screen_text(stdout, s);
    fputs(after, stdout);
}

static void print_state(const json_t *root) {
    label("state");
    if (!is(root, "known")) {
        puts("not known");
        return;
    }
    part("", text(root, "state"), "");
    part(": ", text(root, "reason"), "");
    if (number(root, "status") > 0)
        printf(", status %lld", number(root, "status"));
    part(", ", text(root, "mime"), "");
    part(", to ", text(root, "redirect_to"), "");
    part(", at ", text(root, "fetched_at"), "");
    putchar('\n');
}

static void print_spelling(const json_t *root) {
    const json_t *notes = json_object_get(root, "notes"), *note;
    size_t i;

    label("URL");
    screen_text(stdout, text(root, "canonical"));
    putchar('\n');
    json_array_foreach(notes, i, note) {
        label("");
        screen_text(stdout, json_string_value(note));
        if (i == 0 && strcmp(text(root, "input"), text(root, "canonical")) != 0)
            part(", from ", text(root, "input"), "");
        putchar('\n');
    }
}

static void print_found(const json_t *root) {
    const json_t *via = json_object_get(root, "via"), *step;
    size_t i;

    if (via == NULL)
        return;
    label("found");
    printf("%s, depth %lld\n",
           is(root, "seed") && json_array_size(via) == 0 ? "a seed" : "by a link or redirect",
           number(root, "depth"));
    json_array_foreach(via, i, step) {
        label("");
        part(is(step, "redirect") ? "redirected from " : "on ", text(step, "url"), "");
        printf(", depth %lld%s\n", number(step, "depth"), is(step, "seed") ? ", a seed" : "");
    }
}

static void print_robots(const json_t *robots) {
    label("robots");
    if (is(robots, "ignored"))
        fputs("ignored (--robots ignore); ", stdout);
    if (!is(robots, "known")) {
        puts("robots.txt is not known");
        return;
    }
    printf("%s", is(robots, "allowed") ? "allowed" : "forbidden");
    if (number(robots, "line") > 0) {
        printf(" by line %lld: ", number(robots, "line"));
        part("", text(robots, "field"), ": ");
        screen_text(stdout, text(robots, "rule"));
    }
    part(": ", text(robots, "by"), "");
    part(", for ", text(robots, "agent"), "");
    printf("; robots.txt had status %lld\n", number(robots, "status"));
}

static void print_tries(const json_t *root) {
    const json_t *tries = json_object_get(root, "tries"), *t;
    size_t i;

    if (tries == NULL)
        return;
    label("attempts");
    printf("%lld\n", number(root, "attempts"));
    json_array_foreach(tries, i, t) {
        label("");
        part("", text(t, "at"), " ");
        part("failed: ", text(t, "reason"), "");
        part(", worker ", text(t, "worker"), "");
        printf(", task %lld\n", number(t, "task"));
    }
}

static void print_origin(const json_t *origin) {
    label("origin");
    screen_text(stdout, text(origin, "name"));
    if (!is(origin, "known"))
        fputs(", not known", stdout);
    part(", given up: ", text(origin, "reason"), "");
    if (number(origin, "rests") > 0)
        printf(", %lld rests in a row", number(origin, "rests"));
    part(", rests until ", text(origin, "rests_until"), "");
    putchar('\n');
}

static void print_record(const json_t *record) {
    if (record == NULL)
        return;
    label("record");
    screen_text(stdout, text(record, "file"));
    printf(", offset %lld, %lld bytes", number(record, "offset"), number(record, "length"));
    part(", worker ", text(record, "worker"), "");
    puts(is(record, "sealed") ? "" : ", not sealed");
}

static void print_why(const json_t *root) {
    const json_t *scope = json_object_get(root, "scope");

    print_spelling(root);
    print_state(root);
    print_found(root);
    label("scope");
    part("", strcmp(text(scope, "verdict"), "in") == 0 ? "in: " : "out: ", "");
    screen_text(stdout, text(scope, "by"));
    putchar('\n');
    print_robots(json_object_get(root, "robots"));
    print_tries(root);
    print_origin(json_object_get(root, "origin"));
    print_record(json_object_get(root, "record"));
}

static bool is_url(const char *input) {
    struct url u;

    url_init(&u);
    bool ok = url_parse_octets(&u, input, strlen(input), NULL) == URL_OK && url_is_http(&u);
    url_release(&u);
    return ok;
}

int command_why(const struct args *a) {
    const char *url = a->words.items[0];
    struct error err = {0};
    struct buf json;
    int code = 1;

    if (!is_url(url)) {
        error_set(&err, 0, "why %.200s: accepted is an http:// or https:// URL", url);
        return command_fail(2, &err);
    }

    buf_init(&json, LIMIT_WIRE_BYTES);
    bool ok = ask(a, url, &json, &err);
    json_t *root = ok ? json_loadb(json.data, json.len, JSON_ALLOW_NUL, NULL) : NULL;
    if (ok && root == NULL)
        error_set(&err, 0, "what is known of the URL cannot be read");
    if (root == NULL) {
        command_fail(1, &err);
    } else {
        code = is(root, "known") ? 0 : 1;
        if (!a->json)
            print_why(root);
        else if (json_dumpf(root, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII) != 0 ||
                 putchar('\n') < 0)
            code = 1;
    }
    json_decref(root);
    buf_release(&json);
    return code;
}
