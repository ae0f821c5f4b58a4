/*
 * wire: the messages of trawl.proto, in and out of bytes.
 *
 * Decoding allocates from an arena with a cap, so that a hostile message is bounded in memory and in count;
 * releasing the arena releases the message. Encoding appends to a buffer with a cap. The arena also builds
 * messages to be sent: allocate structs, arrays and byte copies in it, pack, release.
 *
 *     struct arena a;
 *     arena_init(&a, LIMIT_ARENA_BYTES);
 *     Trawl__Request *req = wire_request_unpack(&a, bytes, len);   // NULL: malformed, or over a limit
 *     ...
 *     arena_reset(&a);   // keeps its first block for the next message
 *     arena_release(&a);
 *
 * An arena has one owner; nothing here is shared between threads.
 */
#ifndef TRAWL_PROTO_WIRE_H
#define TRAWL_PROTO_WIRE_H

#include "proto/trawl.pb-c.h"
#include "shared/buf.h"

#define WIRE_VERSION 4u

struct arena_block;
struct arena {
    struct arena_block *first, *current;
    size_t bytes, bytes_max;
    bool failed; /* over the cap or out of memory, since the last reset */
    bool full;   /* over the cap: then `failed` too */
};

void arena_init(struct arena *a, size_t bytes_max);
void arena_reset(struct arena *a);
void arena_release(struct arena *a);
/* Zeroed, aligned for any type. NULL (and `failed`) over the cap or out of memory. */
void *arena_alloc(struct arena *a, size_t bytes);
/* A copy of `n` bytes with a NUL behind. */
void *arena_copy(struct arena *a, const void *p, size_t n);
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
ProtobufCBinaryData arena_bytes(struct arena *a, const void *p, size_t n);
/* protobuf-c's view of the arena; free does nothing. */
ProtobufCAllocator arena_allocator(struct arena *a);

/* NULL: malformed, more than LIMIT_WIRE_BYTES, or over the arena's cap. Never aborts. */
Trawl__Request *wire_request_unpack(struct arena *a, const void *bytes, size_t len);
Trawl__Reply *wire_reply_unpack(struct arena *a, const void *bytes, size_t len);
/* Appends any message; false: over the buffer's cap or out of memory. */
bool wire_pack(struct buf *out, const ProtobufCMessage *message);
/* Where the output of a map task is to be had; "": the message does not say. */
const char *wire_output_serve(const Trawl__TaskSpec *spec, const Trawl__MapOutput *o);
/* For records of the crawldb and other single messages. */
void *wire_unpack(struct arena *a, const ProtobufCMessageDescriptor *type, const void *bytes,
                  size_t len);

#endif
