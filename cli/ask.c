#include "cli/ask.h"

#include <stdio.h>
#include <string.h>

#include "proto/rpc.h"
#include "shared/limits.h"

enum { CALL_TIMEOUT_MS = 10000 };

/* --master, else what the crawl in --dir says of itself, else the default. */
static void find_master(const struct args *a, char address[300]) {
    char path[4096];
    FILE *f;

    snprintf(address, 300, "%s", a->master == NULL ? "tcp://127.0.0.1:7700" : a->master);
    if (a->master != NULL)
        return;
    snprintf(path, sizeof path, "%s/master.addr", a->dir);
    f = fopen(path, "re");
    if (f == NULL)
        return;
    if (fgets(address, 300, f) != NULL)
        address[strcspn(address, "\n")] = '\0';
    fclose(f);
}

Trawl__Reply *ask_master(const struct args *a, Trawl__Request *request, Trawl__Reply__BodyCase body,
                         struct arena *arena, struct error *err) {
    char address[300];
    struct buf bytes, answer;
    Trawl__Reply *reply = NULL;

    find_master(a, address);
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
