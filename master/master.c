#include "master/master.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "master/dir_lock.h"
#include "master/http.h"
#include "master/store_rocks.h"
#include "proto/rpc_accept.h"
#include "shared/cost.h"
#include "shared/io.h"
#include "shared/parse.h"

/* Replies that wait for a sync hold their context: as many as there may be sessions at work at once. */
enum { CONTEXTS = 256, PATH_BYTES = 4096 };

struct master {
    char *dir;
    int lock_fd;
    struct store *store;
    struct server *server;
    const char *http_wanted; /* NULL: none */
    struct http *http;
};

static void path_in(const struct master *m, const char *name, char path[PATH_BYTES]) {
    snprintf(path, PATH_BYTES, "%s/%s", m->dir, name);
}

static bool make_dir(const char *path, struct error *err) {
    if (io_make_dir(AT_FDCWD, path, 0777))
        return true;
    error_set(err, errno, "cannot make %s", path);
    return false;
}

/* Makes the directory and those above it. */
static bool make_dirs(const char *path, struct error *err) {
    char part[PATH_BYTES];
    size_t len = strlen(path);

    if (len == 0 || len >= sizeof part) {
        error_set(err, ENAMETOOLONG, "%.100s", path);
        return false;
    }
    for (size_t i = 1; i < len; i++) {
        if (path[i] != '/')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (access(part, F_OK) != 0 && !make_dir(part, err))
            return false;
    }
    return make_dir(path, err);
}

struct master *master_open(const char *dir, struct error *err) {
    static const char *const parts[] = {"archive", "logs"};
    char path[PATH_BYTES];
    struct master *m = calloc(1, sizeof *m);

    if (m == NULL || (m->dir = strdup(dir)) == NULL) {
        error_set(err, 0, "out of memory");
        free(m);
        return NULL;
    }
    m->lock_fd = -1;
    (void)rpc_accept_reserve(); /* the crawldb's share is taken from the limit */
    cost_init(COST_RPC);        /* nng's threads */
    cost_name("rocksdb", COST_COMMIT);
    if (!make_dirs(dir, err) || (m->lock_fd = dir_lock_own(dir, err)) < 0)
        goto fail;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        path_in(m, parts[i], path);
        if (!make_dir(path, err))
            goto fail;
    }
    path_in(m, "state", path);
    m->store = store_rocks_open(path, STORE_ROCKS_OPEN_OR_CREATE, err);
    if (m->store != NULL)
        return m;
fail:
    master_close(m);
    return NULL;
}

void master_local_address(const struct master *m, char address[MASTER_ADDRESS_BYTES]) {
    struct parse_address a;

    snprintf(address, MASTER_ADDRESS_BYTES, "%s", server_address(m->server));
    if (!parse_rpc_address(address, PARSE_LISTEN, &a))
        return;
    if (strcmp(a.host, "*") == 0 || strcmp(a.host, "0.0.0.0") == 0)
        snprintf(address, MASTER_ADDRESS_BYTES, "tcp://127.0.0.1:%u", a.port);
    else if (strcmp(a.host, "::") == 0)
        snprintf(address, MASTER_ADDRESS_BYTES, "tcp://[::1]:%u", a.port);
}

static bool write_address(const struct master *m, struct error *err) {
    char path[PATH_BYTES], address[MASTER_ADDRESS_BYTES];
    FILE *f;

    path_in(m, "master.addr", path);
    f = fopen(path, "we");
    if (f == NULL) {
        error_set(err, errno, "cannot write %s", path);
        return false;
    }
    master_local_address(m, address);
    bool ok = fprintf(f, "%s\n", address) > 0;
    ok = fclose(f) == 0 && ok;
    if (!ok)
        error_set(err, errno, "cannot write %s", path);
    return ok;
}

bool master_load(struct master *m, const struct master_config *config, struct error *err) {
    struct server_config server = {.options = config->options,
                                   .store = m->store,
                                   .listen = config->listen,
                                   .contexts = CONTEXTS};

    m->http_wanted = config->http;
    m->server = server_new(&server, err);
    return m->server != NULL;
}

/* The page's address first: if it is taken, no worker has been let in in vain. */
bool master_start(struct master *m, struct error *err) {
    if (m->http_wanted != NULL) {
        m->http = http_new(m->http_wanted, m->server, err);
        if (m->http == NULL)
            return false;
    }
    return server_start(m->server, err) && write_address(m, err);
}

const char *master_http_address(const struct master *m) {
    return m->http == NULL ? NULL : http_address(m->http);
}

struct server *master_server(struct master *m) {
    return m->server;
}

void master_close(struct master *m) {
    char path[PATH_BYTES];

    if (m == NULL)
        return;
    if (m->server != NULL) {
        path_in(m, "master.addr", path);
        unlink(path);
    }
    http_free(m->http);
    server_free(m->server);
    store_close(m->store);
    if (m->lock_fd >= 0)
        close(m->lock_fd);
    free(m->dir);
    free(m);
}
