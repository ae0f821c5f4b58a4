#include "cli/ask.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "proto/rpc.h"
#include "shared/limits.h"

enum { CALL_TIMEOUT_MS = 10000 };

static const char default_address[] = "tcp://127.0.0.1:7700";

/* What a master says of itself there: the first line of that file. False: there is none. */
static bool read_address(const char *dir, const char *below, char address[ASK_ADDRESS_BYTES]) {
    char path[PATH_MAX];
    int n = snprintf(path, sizeof path, "%s/%s/master.addr", dir, below);
    FILE *f = n < (int)sizeof path ? fopen(path, "re") : NULL;

    if (f == NULL)
        return false;
    bool ok = fgets(address, ASK_ADDRESS_BYTES, f) != NULL;
    fclose(f);
    if (ok)
        address[strcspn(address, "\n")] = '\0';
    return ok && address[0] != '\0';
}

/* --master, else what the crawl in --dir says of itself, else the default. */
static void find_master(const struct args *a, char address[ASK_ADDRESS_BYTES]) {
    if (a->master == NULL && read_address(a->dir, ".", address))
        return;
    snprintf(address, ASK_ADDRESS_BYTES, "%s", a->master == NULL ? default_address : a->master);
}

static bool add(struct string_list *found, const char *dir, const char *below) {
    char address[ASK_ADDRESS_BYTES];

    return !read_address(dir, below, address) || string_list_add(found, address);
}

static bool ends_in(const char *name, const char *ending) {
    size_t n = strlen(name), tail = strlen(ending);

    return n > tail && strcmp(name + n - tail, ending) == 0;
}

/* Of jobs whose outputs are directories in `parent` with that ending. */
static bool add_outputs(struct string_list *found, const char *parent, const char *ending) {
    char below[NAME_MAX + sizeof JOB_SCRATCH + 2];
    DIR *dir = opendir(parent);
    bool ok = true;

    for (const struct dirent *e; ok && dir != NULL && (e = readdir(dir)) != NULL;) {
        if (e->d_name[0] == '.' || !ends_in(e->d_name, ending))
            continue;
        snprintf(below, sizeof below, "%s/" JOB_SCRATCH, e->d_name);
        ok = add(found, parent, below);
    }
    if (dir != NULL)
        closedir(dir);
    return ok;
}

bool ask_find(const struct args *a, struct string_list *found) {
    char jobs[PATH_MAX];

    if (a->master != NULL)
        return string_list_add(found, a->master);
    bool fits = snprintf(jobs, sizeof jobs, "%s/jobs", a->dir) < (int)sizeof jobs;
    bool ok = add(found, a->dir, ".") && add(found, a->dir, JOB_SCRATCH) &&
              (!fits || add_outputs(found, jobs, "")) &&
              (strcmp(a->dir, ARGS_DIR_DEFAULT) != 0 || add_outputs(found, ".", ".out"));
    return ok && (found->count > 0 || string_list_add(found, default_address));
}

Trawl__Reply *ask_master(const struct args *a, Trawl__Request *request, Trawl__Reply__BodyCase body,
                         struct arena *arena, struct error *err) {
    char address[ASK_ADDRESS_BYTES];

    find_master(a, address);
    return ask_at(address, request, body, arena, err);
}

Trawl__Reply *ask_at(const char *address, Trawl__Request *request, Trawl__Reply__BodyCase body,
                     struct arena *arena, struct error *err) {
    struct buf bytes, answer;
    Trawl__Reply *reply = NULL;

    buf_init(&bytes, LIMIT_WIRE_BYTES);
    buf_init(&answer, LIMIT_WIRE_BYTES);
    request->version = WIRE_VERSION;
    struct rpc_client *client = rpc_client_new(address, RPC_DIAL_NOW, err);
    if (client == NULL || !wire_pack(&bytes, &request->base))
        goto out;
    if (!rpc_call_sync(client, bytes.data, bytes.len, CALL_TIMEOUT_MS, &answer, err))
        goto out;
    reply = wire_reply_unpack(arena, answer.data, answer.len);
    if (reply != NULL && reply->code != TRAWL__CODE__OK) {
        error_set(err, 0, "%s", reply->error);
        reply = NULL;
    } else if (reply == NULL || reply->body_case != body) {
        error_set(err, 0, "%s does not answer like a master of this version", address);
        reply = NULL;
    }
out:
    (void)rpc_client_free(client);
    buf_release(&bytes);
    buf_release(&answer);
    return reply;
}
