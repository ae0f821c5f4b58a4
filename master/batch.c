#include "master/batch.h"

#include <stdint.h>
#include <string.h>

#include "shared/work.h"

/* In front of each record's key and value. */
struct record_head {
    uint32_t key_len;
    uint32_t value_len; /* RECORD_DELETE: no value, a delete */
};

#define RECORD_DELETE UINT32_MAX

void batch_init(struct batch *b) {
    buf_init(&b->bytes, BATCH_BYTES);
    b->count = 0;
}

void batch_release(struct batch *b) {
    buf_release(&b->bytes);
    b->count = 0;
}

void batch_reset(struct batch *b) {
    buf_reset(&b->bytes);
    b->count = 0;
}

static bool append(struct batch *b, const void *key, size_t key_len, const void *value,
                   size_t value_len, uint32_t value_mark) {
    struct record_head head = {.key_len = (uint32_t)key_len, .value_len = value_mark};

    work(WORK_RECORD);
    if (b->bytes.failed)
        return false;
    if (key_len > BATCH_BYTES || value_len > BATCH_BYTES) {
        b->bytes.failed = true;
        return false;
    }
    if (!buf_reserve(&b->bytes, sizeof head + key_len + value_len))
        return false;
    buf_append(&b->bytes, &head, sizeof head);
    buf_append(&b->bytes, key, key_len);
    buf_append(&b->bytes, value, value_len);
    b->count++;
    return true;
}

bool batch_put(struct batch *b, const void *key, size_t key_len, const void *value,
               size_t value_len) {
    return append(b, key, key_len, value, value_len, (uint32_t)value_len);
}

bool batch_delete(struct batch *b, const void *key, size_t key_len) {
    return append(b, key, key_len, NULL, 0, RECORD_DELETE);
}

bool batch_failed(const struct batch *b) {
    return b->bytes.failed;
}

size_t batch_count(const struct batch *b) {
    return b->count;
}

bool batch_next(const struct batch *b, size_t *at, struct batch_op *op) {
    struct record_head head;

    if (*at >= b->bytes.len)
        return false;
    memcpy(&head, b->bytes.data + *at, sizeof head);
    op->key = b->bytes.data + *at + sizeof head;
    op->key_len = head.key_len;
    op->value = head.value_len == RECORD_DELETE ? NULL : op->key + head.key_len;
    op->value_len = head.value_len == RECORD_DELETE ? 0 : head.value_len;
    *at += sizeof head + op->key_len + op->value_len;
    return true;
}
