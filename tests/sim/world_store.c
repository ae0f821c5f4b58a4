/* world_store: what the master writes, seen on its way: an origin's rules are written when they change, not with each
 * change of the origin. */
#include <string.h>

#include "tests/sim/world_state.h"

static struct world *watching; /* one world at a time */
static const struct store_ops *whole;
static struct store_ops watched;

static bool is_written_again(struct store *s, const struct batch_op *op) {
    struct error unused = {0};
    struct buf value;

    buf_init(&value, LIMIT_WIRE_BYTES);
    bool again = op->value != NULL &&
                 whole->get(s, op->key, op->key_len, &value, &unused) == STORE_FOUND &&
                 value.len == op->value_len && memcmp(value.data, op->value, value.len) == 0;
    buf_release(&value);
    return again;
}

static bool write_watched(struct store *s, const struct batch *b, struct error *err) {
    struct batch_op op;

    for (size_t at = 0; batch_next(b, &at, &op);)
        if (op.key[0] == 'r' && is_written_again(s, &op))
            world_fail(watching, "rules are written that have not changed");
    return whole->write(s, b, err);
}

void world_store_watch(struct world *w) {
    watching = w;
    whole = w->store->ops;
    watched = *whole;
    watched.write = write_watched;
    w->store->ops = &watched;
}
