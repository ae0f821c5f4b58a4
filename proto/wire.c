#include "proto/wire.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/limits.h"

enum { ARENA_BLOCK_BYTES = 64 * 1024 };

struct arena_block {
    struct arena_block *next;
    size_t used, size;
    alignas(max_align_t) unsigned char data[];
};

void arena_init(struct arena *a, size_t bytes_max) {
    *a = (struct arena){.bytes_max = bytes_max};
}

void arena_reset(struct arena *a) {
    if (a->first != NULL) {
        struct arena_block *b = a->first->next;
        while (b != NULL) {
            struct arena_block *next = b->next;
            free(b);
            b = next;
        }
        a->first->next = NULL;
        a->first->used = 0;
    }
    a->current = a->first;
    a->bytes = 0;
    a->failed = a->full = false;
}

void arena_release(struct arena *a) {
    arena_reset(a);
    free(a->first);
    arena_init(a, a->bytes_max);
}

static struct arena_block *arena_grow(struct arena *a, size_t bytes) {
    size_t size = bytes > ARENA_BLOCK_BYTES ? bytes : ARENA_BLOCK_BYTES;
    struct arena_block *b = malloc(sizeof *b + size);

    if (b == NULL)
        return NULL;
    *b = (struct arena_block){.size = size};
    if (a->current != NULL)
        a->current->next = b;
    else
        a->first = b;
    a->current = b;
    return b;
}

static void *arena_take(struct arena *a, size_t bytes) {
    const size_t align = alignof(max_align_t);

    if (bytes > a->bytes_max - a->bytes) {
        a->failed = a->full = true;
        return NULL;
    }
    size_t rounded = (bytes + align - 1) / align * align;
    struct arena_block *b = a->current;
    if (b == NULL || rounded > b->size - b->used)
        b = arena_grow(a, rounded);
    if (b == NULL) {
        a->failed = true;
        return NULL;
    }
    void *p = b->data + b->used;
    b->used += rounded;
    a->bytes += rounded < a->bytes_max - a->bytes ? rounded : a->bytes_max - a->bytes;
    return p;
}

void *arena_alloc(struct arena *a, size_t bytes) {
    void *p = arena_take(a, bytes);

    if (p != NULL)
        memset(p, 0, bytes);
    return p;
}

void *arena_copy(struct arena *a, const void *p, size_t n) {
    char *copy = arena_take(a, n + 1);

    if (copy == NULL)
        return NULL;
    if (n > 0)
        memcpy(copy, p, n);
    copy[n] = '\0';
    return copy;
}

char *arena_printf(struct arena *a, const char *fmt, ...) {
    va_list args;

    va_start(args, fmt);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    char *text = n < 0 ? NULL : arena_take(a, (size_t)n + 1);
    if (text == NULL)
        return NULL;
    va_start(args, fmt);
    vsnprintf(text, (size_t)n + 1, fmt, args);
    va_end(args);
    return text;
}

ProtobufCBinaryData arena_bytes(struct arena *a, const void *p, size_t n) {
    uint8_t *copy = arena_copy(a, p, n);

    return (ProtobufCBinaryData){.len = copy == NULL ? 0 : n, .data = copy};
}

static void *allocator_alloc(void *data, size_t bytes) {
    return arena_take(data, bytes);
}

static void allocator_free(void *data, void *p) {
    (void)data;
    (void)p;
}

ProtobufCAllocator arena_allocator(struct arena *a) {
    return (ProtobufCAllocator){allocator_alloc, allocator_free, a};
}

void *wire_unpack(struct arena *a, const ProtobufCMessageDescriptor *type, const void *bytes,
                  size_t len) {
    ProtobufCAllocator alloc = arena_allocator(a);

    if (len > LIMIT_WIRE_BYTES)
        return NULL;
    return protobuf_c_message_unpack(type, &alloc, len, bytes);
}

Trawl__Request *wire_request_unpack(struct arena *a, const void *bytes, size_t len) {
    return wire_unpack(a, &trawl__request__descriptor, bytes, len);
}

Trawl__Reply *wire_reply_unpack(struct arena *a, const void *bytes, size_t len) {
    return wire_unpack(a, &trawl__reply__descriptor, bytes, len);
}

const char *wire_output_serve(const Trawl__TaskSpec *spec, const Trawl__MapOutput *o) {
    return o->server < spec->n_servers ? spec->servers[o->server]->serve : "";
}

bool wire_pack(struct buf *out, const ProtobufCMessage *message) {
    size_t n = protobuf_c_message_get_packed_size(message);

    if (!buf_reserve(out, n))
        return false;
    protobuf_c_message_pack(message, (uint8_t *)out->data + out->len);
    out->len += n;
    out->data[out->len] = '\0';
    return true;
}
