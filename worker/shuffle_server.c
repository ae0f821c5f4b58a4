/*
 * shuffle_server: answers with parts of files.
 *
 * Threads: nng's, several at once; they share the descriptor of the directory and a counter.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "proto/rpc.h"
#include "proto/wire.h"
#include "shared/io.h"
#include "shared/limits.h"
#include "worker/job_file.h"
#include "worker/shuffle.h"
#include "worker/shuffle_wire.h"

enum { CONTEXTS = 32 };

struct shuffle_server {
    struct rpc_server *rpc;
    int dir_fd;
    _Atomic uint64_t bytes;
};

/* One request being answered. */
struct answer {
    struct shuffle_server *server;
    struct arena arena;
    struct error err;
    Trawl__ShuffleReply reply;
};

static void refuse(struct answer *a, Trawl__Code code) {
    a->reply.code = code;
    a->reply.error = a->err.text;
}

/* What is missing here may be there in a moment, or never. */
static Trawl__Code code_of(int errno_value) {
    return errno_value == EMFILE || errno_value == ENFILE || errno_value == ENOMEM
               ? TRAWL__CODE__BUSY
               : TRAWL__CODE__REFUSED;
}

static void give_chunk(struct answer *a, const Trawl__ShuffleRequest *q, int fd, const char *name) {
    struct shuffle_want want = {q->job, q->attempt, q->map, q->partition};
    struct job_part part;
    struct error why = {0};

    if (!job_file_part(fd, q->partition, &part, &why)) {
        error_set(&a->err, 0, "%s: %s", name, why.text);
        refuse(a, TRAWL__CODE__REFUSED);
        return;
    }
    uint64_t left = q->offset < part.bytes ? part.bytes - q->offset : 0;
    size_t len = q->max < SHUFFLE_CHUNK_BYTES ? q->max : SHUFFLE_CHUNK_BYTES;
    if (len > left)
        len = (size_t)left;
    uint8_t *chunk = arena_alloc(&a->arena, len + 1);
    if (chunk == NULL || !io_read_at(fd, chunk, len, part.offset + q->offset)) {
        int errno_value = chunk == NULL ? ENOMEM : errno;
        error_set(&a->err, errno_value, "%s", name);
        refuse(a, code_of(errno_value));
        return;
    }
    struct shuffle_part told = {part.bytes, part.records, part.block_max};
    a->reply.bytes = part.bytes;
    a->reply.records = part.records;
    a->reply.block_max = part.block_max;
    a->reply.chunk = (ProtobufCBinaryData){.len = len, .data = chunk};
    a->reply.checksum = shuffle_checksum(&want, q->offset, &told, chunk, len);
    atomic_fetch_add_explicit(&a->server->bytes, len, memory_order_relaxed);
}

static void answer(struct answer *a, const Trawl__ShuffleRequest *q) {
    char name[SHUFFLE_NAME_BYTES];

    shuffle_name(name, q->job, q->map, q->attempt);
    int fd = openat(a->server->dir_fd, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        int why = errno;
        error_set(&a->err, why, "%s", name);
        refuse(a, code_of(why));
        return;
    }
    give_chunk(a, q, fd, name);
    close(fd);
}

static void handle(void *arg, struct rpc_call *call, const void *bytes, size_t len,
                   const char *peer) {
    struct answer a = {.server = arg, .reply = TRAWL__SHUFFLE_REPLY__INIT};
    struct buf out;

    (void)peer;
    arena_init(&a.arena, LIMIT_ARENA_BYTES);
    buf_init(&out, LIMIT_WIRE_BYTES);
    const Trawl__ShuffleRequest *q =
        wire_unpack(&a.arena, &trawl__shuffle_request__descriptor, bytes, len);
    a.reply.version = WIRE_VERSION;
    if (q == NULL) {
        error_set(&a.err, 0, "not a request for map output");
        refuse(&a, TRAWL__CODE__BAD_REQUEST);
    } else if (q->version != WIRE_VERSION) {
        error_set(&a.err, 0, "version %u; here it is %u", q->version, WIRE_VERSION);
        refuse(&a, TRAWL__CODE__VERSION);
    } else {
        answer(&a, q);
    }
    if (wire_pack(&out, &a.reply.base))
        rpc_server_reply(call, out.data, out.len);
    else
        rpc_server_drop(call);
    buf_release(&out);
    arena_release(&a.arena);
}

static void send_refusal(void *arg, struct rpc_call *call, const char *why) {
    Trawl__ShuffleReply reply = TRAWL__SHUFFLE_REPLY__INIT;
    struct buf out;

    (void)arg;
    buf_init(&out, LIMIT_WIRE_BYTES);
    reply.version = WIRE_VERSION;
    reply.code = TRAWL__CODE__REFUSED;
    reply.error = (char *)why;
    if (wire_pack(&out, &reply.base))
        rpc_server_reply(call, out.data, out.len);
    else
        rpc_server_drop(call);
    buf_release(&out);
}

struct shuffle_server *shuffle_server_new(const struct shuffle_server_config *config,
                                          struct error *err) {
    struct shuffle_server *s = calloc(1, sizeof *s);

    if (s == NULL) {
        error_set(err, ENOMEM, "the server of map outputs");
        return NULL;
    }
    s->dir_fd = config->dir_fd;
    s->rpc = rpc_server_new(&(struct rpc_server_config){.address = config->address,
                                                        .contexts = CONTEXTS,
                                                        .handle = handle,
                                                        .refuse = send_refusal,
                                                        .arg = s},
                            err);
    if (s->rpc != NULL)
        return s;
    free(s);
    return NULL;
}

const char *shuffle_server_address(const struct shuffle_server *s) {
    return rpc_server_address(s->rpc);
}

uint64_t shuffle_server_bytes(const struct shuffle_server *s) {
    return atomic_load_explicit(&s->bytes, memory_order_relaxed);
}

bool shuffle_server_free(struct shuffle_server *s) {
    if (s == NULL)
        return true;
    if (!rpc_server_stop(s->rpc))
        return false;
    rpc_server_free(s->rpc);
    free(s);
    return true;
}
